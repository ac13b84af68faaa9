"""What commands that take long say on a terminal: how far they are, and what makes them slow."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from elmo.system.terminal import say, stderr_console

T = TypeVar("T")


@contextlib.contextmanager
def counting(what: str, *, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """Give what is told of things that are done; their number, speed and time stand on standard error.

    Args:
        what: things are counted, such as "sentences".
        shown: False for nothing; nor is anything shown where standard error is no terminal.
    """
    console = stderr_console()
    columns = (
        TextColumn("{task.completed:,.0f} {task.description}", markup=False),
        TextColumn("{task.fields[speed]}", markup=False),
    )
    disable = not (shown and console.is_terminal)
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=disable) as progress:
        task = progress.add_task(what, total=None, speed="")

        def done(count: int) -> None:
            speed = progress.tasks[0].speed
            progress.update(task, advance=count, speed=f"{speed:,.0f}/s" if speed else "")

        yield done


def counted(items: Iterable[T], what: str) -> Iterator[T]:
    """Pass items on, and show how many there were as `counting` does."""
    with counting(what) as done:
        for item in items:
            yield item
            done(1)


@contextlib.contextmanager
def busy(what: str) -> Iterator[None]:
    """Show what is being done, and for how long, on standard error if that is a terminal; gone at the end."""
    console = stderr_console()
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        progress.add_task(what, total=None)
        yield


def shown_as_busy(command: Callable[..., None], what: str) -> Callable[..., None]:
    """A command that shows so."""

    @functools.wraps(command)
    def run(*given: Any, **options: Any) -> None:
        with busy(what):
            command(*given, **options)

    return run


def say_what_is_slow() -> None:
    """Say in a line if this machine computes without the compiled loops, on its CPU."""
    from elmo.nn import native
    from elmo.runtime import paddle

    if paddle.get_device() == "cpu" and native.library() is None:
        say(
            f"warning: the compiled loops are {native.status()}: LSTM layers and the softmax take several times as "
            "long, with the same results (`elmo doctor` says more)"
        )
