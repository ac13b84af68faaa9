"""What the README shows is true: its example runs, its commands and flags exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from book.tools.readme import BEGIN, END, table
from elmo import cli


@pytest.fixture(scope="module")
def readme(repository: Path) -> str:
    return (repository / "README.md").read_text(encoding="utf-8")


def test_the_example_prints_what_its_comment_says(readme: str, capsys: pytest.CaptureFixture[str]) -> None:
    example = re.findall(r"```python\n(.*?)```", readme, re.S)[0]
    exec(compile(example, "README.md", "exec"), {})
    (promised,) = re.findall(r"print\(.*\)  # .*: (\(.*\))", example)
    assert capsys.readouterr().out.strip() == promised


def test_the_three_steps_of_the_transfer_are_importable(readme: str) -> None:
    (example,) = (found for found in re.findall(r"```python\n(.*?)```", readme, re.S) if "elmo_encoder" in found)
    exec(compile(example, "README.md", "exec"), {})


BLOCK = re.compile(r"^( *)(<!-- not run: .+? -->\n *)?```(python|sh)\n(.*?)^ *```$", re.M | re.S)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_blocks_run_one_after_another_in_an_empty_folder(readme: str, repository: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name, call in (("python", ""), ("elmo", "-m elmo")):  # of the checkout, whatever is installed
        shim = tmp_path / "bin" / name
        shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" {call} "$@"\n', encoding="utf-8")
        shim.chmod(0o755)
    variables = {"PYTHONPATH": str(repository), "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    folder = tmp_path / "empty"
    folder.mkdir()
    run = [(language, text) for _, marked, language, text in BLOCK.findall(readme) if not marked]
    assert len(run) >= 9 and readme.count("```sh") + readme.count("```python") == len(BLOCK.findall(readme))
    for language, text in run:
        command = [sys.executable, "-c", text] if language == "python" else ["bash", "-euo", "pipefail", "-c", text]
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    assert {"vectors.h5", "pieces.txt", "tagged.txt", "lark_checkpoint"} <= {path.name for path in folder.iterdir()}
    assert {path.name for path in (folder / "checkpoints").iterdir()} >= {"epoch_012"}
    assert {path.name for path in (folder / "checkpoints_masked").iterdir()} >= {"epoch_010"}


def test_commands_and_flags_exist(readme: str) -> None:
    commands = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    lines = re.findall(r"^(?:elmo (\w+)|\./run\.sh)(.*)$", readme.replace("\\\n", " "), re.M)
    assert len(lines) >= 5
    for name, rest in lines:
        command = commands[name or "pretrain"]
        if subcommands := getattr(command, "commands", None):
            command, rest = subcommands[rest.split()[0]], rest.partition(rest.split()[0])[2]
        known = {flag for parameter in command.params for flag in parameter.opts}
        assert set(re.findall(r" (--\w+)", rest)) <= known


def test_make_targets_exist(readme: str, repository: Path) -> None:
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"\bmake (\w+)", readme)):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_the_table_of_results_is_that_of_the_results_files(readme: str) -> None:
    assert readme.split(BEGIN)[1].split(END)[0].strip() == table().strip()
    assert len(table().splitlines()) > 4  # a head of two lines, senses, LAC
