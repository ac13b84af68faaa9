"""What commands that take long say on a terminal: how far they are, and what makes them slow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.progress import Progress, TextColumn, TimeElapsedColumn

from elmo.system.terminal import say, stderr_console

T = TypeVar("T")


def counted(items: Iterable[T], what: str) -> Iterator[T]:
    """Pass items on, and show their number, speed and the time on standard error if that is a terminal."""
    console = stderr_console()
    columns = (TextColumn("{task.completed:,.0f} {task.description}"), TextColumn("{task.fields[speed]}"))
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=None, speed="")
        for item in items:
            yield item
            speed = progress.tasks[0].speed
            progress.update(task, advance=1, speed=f"{speed:,.0f}/s" if speed else "")


def say_what_is_slow() -> None:
    """Say in a line if this machine computes without the compiled loops, on its CPU."""
    from elmo.nn import native
    from elmo.runtime import paddle

    if paddle.get_device() == "cpu" and native.library() is None:
        say(
            f"warning: the compiled loops are {native.status()}: LSTM layers and the softmax take several times as "
            "long, with the same results (`elmo doctor` says more)"
        )
