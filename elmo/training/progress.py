"""How far a run is: counts of a pass, mean loss and speed since the last line of the log, a bar, VisualDL's curves."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from elmo.errors import InputError
from elmo.system.terminal import tell
from elmo.text.vocabulary import unknown_warning


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
            self.nats, self.tokens = self.nats + nats * tokens, self.tokens + tokens


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


def score_words(scores: dict[str, float]) -> str:
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

    def __init__(self, folder: str | os.PathLike[str]) -> None:
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
