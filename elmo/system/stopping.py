"""How a command ends when it is told to: within a second, and with nothing half-written left behind.

SIGTERM raises SystemExit as Ctrl-C raises KeyboardInterrupt, so that every `finally` has its turn. While a library
computes, Python can't raise anything: then a thread that the signal wakes removes what is being written and ends the
process. A training that saves a checkpoint first asks for patience (`patient`); a second signal ends it at once.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from elmo.runtime import ENDING_SIGNALS

GRACE_SECONDS = 0.7
NOTHING_LEFT = "nothing half-written is left behind"
STOPPED_BY_SIGNAL = frozenset(128 + number for number in ENDING_SIGNALS)  # exit codes

_written: set[Path] = set()  # files and directories that are half-written
_patience = 0  # blocks of `patient` that are at work
_deafness = 0  # blocks of `undisturbed` that are at work


@contextlib.contextmanager
def half_written(path: Path) -> Iterator[None]:
    """Have a file or directory removed should the process end within the block, however that is."""
    _written.add(path)
    try:
        yield
    finally:
        _written.discard(path)


def remove_half_written(directory: Path) -> None:
    """Remove a directory in the block that has named it; a signal waits until all of it is gone."""
    with undisturbed():
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def patient() -> Iterator[None]:
    """Let the block itself see to signals, and end when it has saved."""
    global _patience
    _patience += 1
    try:
        yield
    finally:
        _patience -= 1


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Let all signals wait for the end of the block, which takes an instant and must not be done by half."""
    global _deafness
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
    minded = [number for number, handler in before.items() if callable(handler)]
    _deafness += 1
    try:
        for number in minded:
            signal.signal(number, lambda number, _: received.append(number))
        yield
    finally:
        for number in minded:
            signal.signal(number, before[number])
        _deafness -= 1
    if received:
        signal.raise_signal(received[0])


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Let signals end the process within the block as described; for the main thread of a command.

    Raises:
        KeyboardInterrupt, SystemExit: after a signal, whatever the block raises: what a library makes of an exception
            that a signal raised within it, say.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def stop(number: int, _: object) -> None:
        received.append(number)
        raise ending(number)

    def ignored(what: sys.UnraisableHookArgs) -> None:
        if not (received and issubclass(what.exc_type, KeyboardInterrupt | SystemExit)):
            hook_before(what)  # ours was raised where Python drops it, such as in a `__del__`: `_watch` sees to the end

    hook_before, sys.unraisablehook = sys.unraisablehook, ignored
    before = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
    for number, handler in before.items():
        if handler in (signal.SIG_DFL, signal.default_int_handler):  # not where nohup has the terminal's end ignored
            signal.signal(number, stop)
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    woken_before = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    over = threading.Event()
    threading.Thread(target=_watch, args=(read_end, over), daemon=True, name="elmo-stopping").start()
    try:
        yield
    except Exception:
        if received:
            raise ending(received[0]) from None
        raise
    finally:
        over.set()
        sys.unraisablehook = hook_before
        signal.set_wakeup_fd(woken_before)
        os.close(write_end)
        for number, handler in before.items():
            signal.signal(number, handler)


def start_tracker() -> None:
    """Start the process by which multiprocessing tidies up after us, before it starts another, and let it be quiet.

    Python's own start would have it ended with its group by SIGHUP, or complain of what `_watch` leaves to it.
    """
    if not hasattr(signal, "SIGHUP"):
        return
    from multiprocessing import resource_tracker

    mask_before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})  # which it inherits
    sys.warnoptions.append("ignore:resource_tracker")
    try:
        resource_tracker.ensure_running()
    finally:
        sys.warnoptions.remove("ignore:resource_tracker")
        signal.pthread_sigmask(signal.SIG_SETMASK, mask_before)


def ending(number: int) -> BaseException:
    """What a program that a signal ends raises: its exit code is 130 after Ctrl-C, 143 after SIGTERM."""
    return KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)


def _watch(read_end: int, over: threading.Event) -> None:
    """Wait for a signal, then for the block to end; end the process if it does not, and nobody asked for patience."""
    received = 0
    while data := os.read(read_end, 1):
        number = data[0]
        if number not in ENDING_SIGNALS:
            continue
        received += 1
        if over.wait(GRACE_SECONDS):
            break
        is_ours = signal.getsignal(number) not in (signal.SIG_IGN, signal.SIG_DFL)
        if is_ours and not _deafness and not (_patience and received == 1):
            _end(128 + number)
    os.close(read_end)


def _end(code: int) -> None:
    if multiprocessing := sys.modules.get("multiprocessing"):  # else there are no children of ours
        for child in multiprocessing.active_children():
            child.kill()
    for path in sorted(_written):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink()
    with contextlib.suppress(OSError):
        os.write(2, f"elmo: {'interrupted' if code == 130 else 'stopped'}; {NOTHING_LEFT}\n".encode())
    os._exit(code)
