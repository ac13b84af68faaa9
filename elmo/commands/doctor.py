"""The command `elmo doctor`."""

from __future__ import annotations

import typer

from elmo.system.terminal import show


def doctor() -> None:
    """Say what this machine has, what is wrong, and what to do."""
    from elmo.system.doctor import examine, render

    report = examine()
    print(render(report))
    if not report.problems:
        from elmo.nn import native

        show(f"compiled loops: {native.status()}")
    raise typer.Exit(1 if report.problems else 0)
