"""What `make setup` and `make lab` install, by a Python that only writes down how it was called."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

INDEX = "https://www.paddlepaddle.org.cn/packages/stable"
PYTHON = """#!/bin/sh
echo "$*" >> "$CALLS"
case "$1 $2" in "-m venv") mkdir -p "$4/bin" && cp "$0" "$4/bin/python";; esac
case "$*" in *"import jupyterlab"*) exit 1;; esac
"""


@pytest.fixture
def checkout(repository: Path, tmp_path: Path) -> Path:
    if shutil.which("make") is None:
        pytest.skip("there is no make")
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copyfile(repository / name, tmp_path / name)
    (tmp_path / "python").write_text(PYTHON, encoding="utf-8")
    (tmp_path / "python").chmod(0o755)
    return tmp_path


def make(checkout: Path, *arguments: str) -> list[str]:
    """How Python was called by a target."""
    calls = checkout / "calls"
    calls.unlink(missing_ok=True)
    environment = {**os.environ, "CALLS": str(calls)}
    for name in ("MAKEFLAGS", "MAKELEVEL", "GPU", "PYTHON", "PADDLE_INDEX"):  # of a `make test` around this test
        environment.pop(name, None)
    command = ["make", *arguments, f"PYTHON={checkout / 'python'}"]
    done = subprocess.run(
        command, cwd=checkout, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []


def is_locked(checkout: Path) -> str:
    return (checkout / ".venv/.lock").read_text(encoding="utf-8")


def test_the_cpu_is_the_default_and_gets_the_whole_lock(checkout: Path) -> None:
    calls = make(checkout, "setup")
    assert any("--require-hashes -r .venv/.lock" in call for call in calls)
    assert is_locked(checkout) == (checkout / "requirements.txt").read_text(encoding="utf-8")
    assert not any("paddlepaddle-gpu==" in call for call in calls)
    assert make(checkout, "setup") == []  # nothing is left to do


def test_one_command_brings_paddle_for_a_gpu_and_takes_the_cpus_away(checkout: Path) -> None:
    make(checkout, "setup")
    calls = make(checkout, "setup", "GPU=cu126")
    assert "-m pip uninstall -qq --yes paddlepaddle" in calls
    (install,) = (call for call in calls if "paddlepaddle-gpu==" in call)
    assert install.endswith(f"paddlepaddle-gpu==3.3.1 --extra-index-url {INDEX}/cu126/")
    lock = is_locked(checkout)
    assert "\npaddlepaddle==" not in lock and "\nnumpy==" in lock
    whole = (checkout / "requirements.txt").read_text(encoding="utf-8")
    assert lock.count("--hash") < whole.count("--hash") and lock.count("\n") > 0.98 * whole.count("\n")


def test_the_gpus_paddle_is_kept_until_another_is_asked_for(checkout: Path) -> None:
    make(checkout, "setup", "GPU=cu118")
    assert make(checkout, "setup") == make(checkout, "setup", "GPU=cu118") == []
    os.utime(checkout / "requirements.txt", (4e9, 4e9))  # a new lock
    assert any(f"{INDEX}/cu118/" in call for call in make(checkout, "setup"))
    calls = make(checkout, "setup", "GPU=cpu")
    assert "-m pip uninstall -qq --yes paddlepaddle-gpu" in calls and "\npaddlepaddle==" in is_locked(checkout)


def test_conda_gets_the_same_paddle_and_jupyter_book_1(repository: Path, checkout: Path) -> None:
    text = (repository / "environment.yml").read_text(encoding="utf-8")
    version = next(
        line.split()[0].split("==")[1]
        for line in (repository / "requirements.txt").read_text(encoding="utf-8").splitlines()
        if line.startswith("paddlepaddle==")
    )
    for line in (
        f"--extra-index-url {INDEX}/cu126/",
        f"paddlepaddle-gpu=={version}",
        "jupyter-book>=1.0.4,<2",
        "--editable .[book,dev,lab]",
    ):
        assert f"\n      - {line}\n" in text


def test_the_lab_is_installed_beside_the_lock_and_opened_on_the_chapters(checkout: Path) -> None:
    calls = make(checkout, "lab")
    (install,) = (call for call in calls if ".[lab]" in call)
    assert "--constraint .venv/.constraints" in install
    assert calls[-1] == "-m jupyterlab book"
    constraints = (checkout / ".venv/.constraints").read_text(encoding="utf-8")
    assert "--hash" not in constraints and "\\" not in constraints and "\nnumpy==" in constraints
