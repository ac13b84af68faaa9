"""How far a run is: counts of a pass, mean loss and speed since the last line of the log, a bar, VisualDL's curves."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from elmo.errors import InputError
from elmo.system.terminal import tell
from elmo.system.types import PathLike
from elmo.text.vocabulary import unknown_warning

_FIRST_BATCHES, _FIRST_SECONDS = 20, 60.0  # after either, the speed is known
_DAY = 86_400.0


def progress_bar(console: Console) -> Progress:
    """A bar with batches, times, and a field `status`; nothing where the console is no terminal."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[status]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, disable=not console.is_terminal)


@dataclasses.dataclass
class Pass:
    """What a pass over the text has done so far."""

    batches: int = 0
    nats: float = 0.0  # sum over tokens
    tokens: int = 0
    seconds: float = 0.0

    def add(self, nats: float, tokens: int) -> None:
        """Count a batch: its mean loss, which is left out where it is not finite, and its predictions."""
        self.batches += 1
        if math.isfinite(nats):
            self.nats += nats * tokens
            self.tokens += tokens


class TimeEstimate:
    """How long a run will take, by the time of its batches since this process began, held-out scores included.

    Args:
        total: batches of the whole run, about.
        done: those that an earlier process has done.
        clock: seconds.
    """

    def __init__(self, total: int, done: int = 0, clock: Callable[[], float] = time.perf_counter) -> None:
        self.total, self.done = total, done
        self._clock = clock
        self._counted = -1  # without the first, in which loops are compiled and files read
        self._began = self._now = 0.0
        self._is_told = False

    @property
    def left(self) -> int:
        """Batches to come."""
        return max(self.total - self.done, 0)

    @property
    def seconds_left(self) -> float | None:
        """Of the rest of the run; None before a second batch."""
        return None if self._counted < 1 else (self._now - self._began) / self._counted * self.left

    def add(self) -> list[str]:
        """Count a batch; once the speed is known, return what is to be said of it."""
        self.done += 1
        self._counted += 1
        self._now = self._clock()
        if not self._counted:
            self._began = self._now
        seconds = self.seconds_left
        if self._is_told or seconds is None:
            return []
        if self._counted < _FIRST_BATCHES and self._now - self._began < _FIRST_SECONDS:
            return []
        self._is_told = True
        lines = [f"at this speed the run takes {time_words(seconds)} more on this machine"]
        if seconds > _DAY:
            lines.append(
                f"warning: {time_words(seconds)} are more than a day: choose smaller sizes (--hidden_size, "
                "--embed_size, --num_layers), fewer passes (--max_epoch) or less text, or train on a GPU"
            )
        return lines

    def remaining(self) -> str:
        """What a line of the log says of the rest of the run, after a comma."""
        seconds = self.seconds_left
        return "" if seconds is None else f", {time_words(seconds)} left"


def time_words(seconds: float) -> str:
    """A time as people say it, in its two largest units."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


class Window(Pass):
    """Mean loss and speed over the batches since the last line of the log."""

    def __init__(self) -> None:
        super().__init__()
        self.started = time.perf_counter()

    @property
    def loss(self) -> float:
        """Mean in nats."""
        return self.nats / max(self.tokens, 1)

    @property
    def speed(self) -> float:
        """Tokens a second."""
        return self.tokens / max(time.perf_counter() - self.started, 1e-9)

    def report(self) -> str:
        """What the log says of it."""
        return f"training loss {self.loss:.4f}, {self.speed:,.0f} tokens/s"


def scores_as_text(scores: dict[str, float]) -> str:
    """Return scores as a line of the log has them, each with a comma and a space after it."""
    return "".join(f"{name.replace('_', ' ')} {value:.2f}, " for name, value in scores.items())


def tell_unknown(console: Console, unknown: int, total: int, what: str) -> None:
    """Say how many words (or characters) of a text are unknown, and warn where they are too many."""
    tell(console, f"{unknown / max(total, 1):.1%} of {what} are unknown")
    if warning := unknown_warning(unknown, total, what):
        tell(console, f"warning: {warning}")


class Curves:
    """Scalars by step, in a folder that `visualdl --logdir FOLDER` shows.

    Args:
        folder: gets a log file of its own for each run; runs in one folder lie beside each other in the viewer.

    Raises:
        InputError: VisualDL is not installed, or the folder can't be written.
    """

    def __init__(self, folder: PathLike) -> None:
        try:
            from visualdl import LogWriter
        except ImportError as error:
            raise InputError(
                f"--visualdl_dir needs VisualDL ({error}): pip install 'elmo[watch]', or leave it out"
            ) from None
        try:
            self._writer: Any = LogWriter(logdir=os.fspath(folder))
        except OSError as error:
            raise InputError(f"{folder}: can't be written ({error.strerror}); choose another --visualdl_dir") from None

    def add(self, step: int, **scalars: float) -> None:
        """Add the values of some curves at a step; what is not finite is left out."""
        for name, value in scalars.items():
            if math.isfinite(value):
                self._writer.add_scalar(tag=name, step=step, value=float(value))

    def close(self) -> None:
        """Write what is waiting."""
        self._writer.close()
