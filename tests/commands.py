"""The command `elmo` in this process, and code in a Python of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from elmo import cli

REPOSITORY = Path(__file__).resolve().parent.parent
COMMAND = "from elmo.cli import main; main()"  # as code: the command, with what `run_python` is given


def elmo(*arguments: object) -> int:
    """Run `elmo` with these arguments; return its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["elmo", *map(str, arguments)])
        try:
            cli.main()
        except SystemExit as stop:
            return int(stop.code or 0)
    return 0


def run_python(
    code: str, *arguments: object, cwd: Path | None = None, check: bool = True, **environment: str | None
) -> subprocess.CompletedProcess[str]:
    """Run code with these arguments in a Python of its own, which imports this package.

    It has this one's environment, changed as given (None: not set), and must end well unless `check` is False.
    """
    variables = {**os.environ, "PYTHONPATH": str(REPOSITORY), **environment}
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={name: value for name, value in variables.items() if value is not None},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0 or not check, done.stderr
    return done
