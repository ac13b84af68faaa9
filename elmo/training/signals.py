"""Signals to a training: it ends after the step it is in, so that it can save; what may take long ends at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console

from elmo.runtime import ENDING_SIGNALS
from elmo.system.stopping import ending

Result = TypeVar("Result")


class Stop:
    """Lets Ctrl-C, SIGTERM and SIGHUP end a training after the step it is in; a second one ends it at once.

    Args:
        console: a terminal is told that the signal was heard.
    """

    def __init__(self, console: Console) -> None:
        self.signal = 0  # number of the one that came; 0 for none
        self._console = console
        self._ends_at_once = False

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Let signals ask for the end within the block; they come to the main thread alone."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._hear) for number in _ending_signals()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def unless_stopped(self, work: Callable[[], Result]) -> Result | None:
        """What some work gives that may take long; None where a signal has come, which ends it at once."""
        if self.signal:
            return None
        self._ends_at_once = True
        try:
            result = work()
            self._ends_at_once = False  # within the block, so that a signal up to here is caught below
        except (KeyboardInterrupt, SystemExit):
            if not self.signal:
                raise
            return None
        finally:
            self._ends_at_once = False
        return result

    def _hear(self, number: int, _: object) -> None:
        if self.signal:
            raise ending(number)
        self.signal = number
        if self._ends_at_once:
            raise ending(number)
        if self._console.is_terminal and not self._console.is_jupyter:  # Rich may be at work: past it
            os.write(2, b"\nstopping after this step; once more stops at once\n")


def _ending_signals() -> list[int]:
    """Those that end a run; not SIGHUP where nohup has it ignored."""
    always = (signal.SIGINT, signal.SIGTERM)
    return [each for each in ENDING_SIGNALS if each in always or signal.getsignal(each) is not signal.SIG_IGN]
