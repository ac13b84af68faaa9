"""How a command ends that is asked to: SIGTERM and a closed terminal leave nothing half-written, as Ctrl-C does."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_NUMBERS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextlib.contextmanager
def tidy_endings() -> Iterator[None]:
    """Within the block, these signals raise SystemExit(128 + number), so that what is half-written is removed.

    The next one ends the process at once. Left alone are signals that somebody else minds or ignores, as `nohup` does,
    and ranks that a launcher started: one that waits for the others in a library would never hear of it.
    """
    launched = os.environ.get("PADDLE_TRAINERS_NUM", "1") != "1"
    if launched or threading.current_thread() is not threading.main_thread():
        yield
        return
    minded = [number for number in _NUMBERS if signal.getsignal(number) == signal.SIG_DFL]

    def end(number: int, _: FrameType | None) -> None:
        for each in minded:
            signal.signal(each, signal.SIG_DFL)
        raise SystemExit(128 + number)

    for number in minded:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in minded:
            signal.signal(number, signal.SIG_DFL)
