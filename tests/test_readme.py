"""What the README shows is true: its example runs, its commands and flags exist."""

from __future__ import annotations

import re
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
    example = re.findall(r"```python\n(.*?)```", readme, re.S)[1]
    exec(compile(example, "README.md", "exec"), {})


def test_commands_and_flags_exist(readme: str) -> None:
    commands = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    lines = re.findall(r"^(?:elmo (\w+)|\./run\.sh)(.*)$", readme, re.M)
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
