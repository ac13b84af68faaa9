"""The command `elmo` in this process."""

from __future__ import annotations

import sys

import pytest

from elmo import cli


def elmo(*arguments: object) -> int:
    """Run `elmo` with these arguments; return its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["elmo", *map(str, arguments)])
        try:
            cli.main()
        except SystemExit as stop:
            return int(stop.code or 0)
    return 0
