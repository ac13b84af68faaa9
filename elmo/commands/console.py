"""Where commands report what they did: standard error, so that standard output holds nothing but what was asked for."""

from __future__ import annotations

from rich.console import Console


def stderr_console() -> Console:
    """Console on standard error whose lines are neither wrapped nor coloured by what they say."""
    return Console(stderr=True, soft_wrap=True, highlight=False)


def say(line: str) -> None:
    """Print a line on standard error as it stands."""
    stderr_console().print(line, markup=False)
