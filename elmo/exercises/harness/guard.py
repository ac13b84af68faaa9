"""Where a reader's code runs: it can raise anything, print much, ask for input, or never end, and the check goes on.

Only the reader's own Ctrl-C passes. What nothing in Python can stop is one call into C that never comes back, such as
`sum(itertools.count())`, and what ends the process itself, such as `os._exit`; there the kernel must be started again.
"""

from __future__ import annotations

import builtins
import contextlib
import copy
import html
import importlib
import inspect
import io
import linecache
import math
import os
import pkgutil
import random
import re
import signal
import sys
import sysconfig
import threading
import time
import types
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn, TypeVar

import numpy as np

from elmo.exercises.harness.plain import cut_line, plain, type_name

Value = TypeVar("Value")

_KEPT = (  # modules that a check can't do without, whatever an answer has made of them
    *(builtins, contextlib, copy, html, importlib, inspect, io, linecache, math, np, np.random, os, pkgutil, random),
    *(re, signal, sys, threading, time, types, zlib),
)
_DEEPEST = 5000  # calls in each other, whatever limit a reader's code sets: a traceback of more takes minutes to read
_set_recursion_limit = sys.setrecursionlimit
TIME_LIMIT = 10.0  # seconds for all of a reader's code in one check; right answers take milliseconds
_MOST_PRINTED = 2000  # characters in one check
_LIBRARIES = (Path(__file__).parents[2], *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")))
_FOREIGN = (*(f"{path}{os.sep}" for path in _LIBRARIES), "<frozen ", "<__array_function__")  # not the reader's files


class OutOfTime(BaseException):  # no error of the reader's, and not caught by `except Exception`
    """Raised in a reader's code when its time is over."""


class AskedForInput(BaseException):
    """Raised in a reader's code where it waits for somebody to type."""


class Trouble(Exception):  # noqa: N818
    """Something was raised in a reader's code."""

    def __init__(self, error: BaseException, text: str, place: str) -> None:
        super().__init__(text)
        self.error, self.text, self.place = error, text, place


class Guard:
    """Runs the pieces of a reader's code that one check needs, which share one time limit."""

    def __init__(self) -> None:
        self.limit = TIME_LIMIT
        self._used = 0.0
        self._left_to_print = [_MOST_PRINTED]

    def run(self, work: Callable[[], Value]) -> Value:
        """Return what the work returns; what it raises comes as `Trouble`, save the `KeyboardInterrupt` of a Ctrl-C.

        The work returns plain data: whatever else it holds dies in here, with its `__del__`.
        """
        value, error = self._run(work)
        if error is None:
            return value  # type: ignore[return-value]  # there was no error, so there is a value
        text = "" if issubclass(type(error), OutOfTime) else self._run(lambda: plain(str(error)))[0]
        raise Trouble(error, cut_line(text or "", 160), _place(error)) from None

    def _run(self, work: Callable[[], Value]) -> tuple[Value | None, BaseException | None]:
        value: Value | None = None
        found: BaseException | None = None
        begin = time.monotonic()
        alarm = _Alarm(max(self.limit - self._used, 0.05))
        with _everything_put_back(self._left_to_print), alarm:
            try:
                value = alarm.run(work)
            except BaseException as error:
                if alarm.was_interrupted(error):
                    raise
                found = error
        self._used += time.monotonic() - begin
        if alarm.rang and not issubclass(type(found), OutOfTime):  # the reader's code has caught it
            found = OutOfTime()
        return value, found


class _Alarm:
    """Raises `OutOfTime` in the work, and nowhere else, when its time is over; where it can't, it says so."""

    def __init__(self, seconds: float) -> None:
        self.rang = False
        self._seconds = seconds
        self._stream = sys.stderr
        self._inside: FrameType | None = None  # the frame below which the reader's frames are
        self._interrupts = 0

    def run(self, work: Callable[[], Value]) -> Value:
        self._inside = sys._getframe()
        kept = [(table, dict(table)) for table in (sys.modules, *map(vars, _KEPT))]  # what is new there may stay
        finders, own_finders = sys.meta_path, list(sys.meta_path)
        try:
            return work()
        finally:
            finders[:] = own_finders
            for table, before in kept:  # by nothing that has a name: it might be another's by now
                table.update(before)

    def was_interrupted(self, error: BaseException) -> bool:
        """Whether an error comes of Ctrl-C, and not of the reader's code, as far as that can be told here."""
        return issubclass(type(error), KeyboardInterrupt) and (self._interrupts > 0 or self._watch is not None)

    def __enter__(self) -> None:
        self._begin = time.monotonic()
        self._watch: threading.Timer | None = None
        if not can_end():
            self._watch = threading.Timer(self._seconds, _say_that_it_runs, [self._seconds, self._stream])
            self._watch.daemon = True
            self._watch.start()
            return
        self._timer_before = signal.setitimer(signal.ITIMER_REAL, 0)
        self._handler_before = signal.signal(signal.SIGALRM, self._ring)
        self._interrupt_before = signal.getsignal(signal.SIGINT)
        if callable(self._interrupt_before):
            signal.signal(signal.SIGINT, self._interrupt)
        # It rings again and again: the first may end a sleep only to find that the reader's code catches everything.
        signal.setitimer(signal.ITIMER_REAL, self._seconds, 0.01)

    def __exit__(self, *_: object) -> None:
        if self._watch:
            self._watch.cancel()
            return
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._handler_before)
        if callable(self._interrupt_before):
            signal.signal(signal.SIGINT, self._interrupt_before)
        if (before := self._timer_before)[0]:  # such as that of a test's own time limit
            signal.setitimer(signal.ITIMER_REAL, max(before[0] - (time.monotonic() - self._begin), 0.001), before[1])

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._interrupts += 1
        if callable(self._interrupt_before):
            self._interrupt_before(number, frame)

    def _ring(self, _: int, frame: FrameType | None) -> None:
        depth = 0
        at = frame
        while at is not None and at is not self._inside:
            at, depth = at.f_back, depth + 1
        if at is None or depth == 0:  # between two calls of the reader's code: there the time is looked at anyway
            return
        if self.rang:  # it has been caught: from now on no call goes much deeper, and no `except` is left in peace
            _keep_from_going_deeper(frame, depth)
            signal.setitimer(signal.ITIMER_REAL, random.uniform(2e-6, 5e-5), 0.001)
        self.rang = True
        raise OutOfTime


def can_end() -> bool:
    """Whether code that never ends can be ended here: in the main thread, where the system has timers."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        return False
    return signal.getsignal(signal.SIGALRM) is not None  # none is one that was set outside Python


def _say_that_it_runs(seconds: float, stream: Any) -> None:
    text = (
        f"check: your function has not ended after {seconds:.3g} s. It can't be ended from here (that takes the main "
        "thread, on Linux or macOS): interrupt it, or restart the kernel.\n"
    )
    if stream is not None:
        stream.write(text)


def _keep_from_going_deeper(frame: FrameType | None, own_depth: int) -> None:
    """Let calls from a frame, the last of so many of the reader's, go a few deeper only, or they branch for ever."""
    depth = 0
    while frame is not None:
        frame, depth = frame.f_back, depth + 1
    with suppress(RecursionError):  # calls in C count, too, and may have passed this already
        _set_recursion_limit(depth - own_depth + max(own_depth + 3, 20))


@contextmanager
def _everything_put_back(left_to_print: list[int]) -> Iterator[None]:
    """Bounded output, no input, and afterwards all of Python's own switches as they were."""
    names = ("stdin", "stdout", "stderr")
    before = {name: getattr(sys, name) for name in names}
    ask, depth, hook = builtins.input, sys.getrecursionlimit(), sys.unraisablehook
    folder = _working_directory()
    with np.errstate(all="ignore"), warnings.catch_warnings(), _exit_that_raises():
        sys.stdin = _NoInput()
        sys.stdout, sys.stderr = (_Bounded(before[name], left_to_print) for name in names[1:])
        builtins.input = _no_input
        sys.setrecursionlimit = _limited
        sys.unraisablehook = id  # says nothing of a `__del__`; being C, no alarm rings in it
        try:
            yield
        finally:
            sys.setrecursionlimit = _set_recursion_limit
            _set_recursion_limit(depth)
            builtins.input, sys.unraisablehook = ask, hook
            for name in names:
                setattr(sys, name, before[name])
            if folder is not None and _working_directory() != folder:
                with suppress(OSError):  # it was removed
                    os.chdir(folder)


def _working_directory() -> str | None:
    with suppress(OSError):
        return os.getcwd()
    return None


@contextmanager
def _exit_that_raises() -> Iterator[None]:
    """Let `exit()` raise in a notebook, too; there it would end the kernel when the cell has run."""
    ipython = sys.modules.get("IPython")
    if ipython is None or (shell := ipython.get_ipython()) is None:
        yield
        return
    shell.ask_exit = sys.exit
    try:
        yield
    finally:
        del shell.ask_exit  # its class has one


def _limited(limit: int, /) -> None:
    """`sys.setrecursionlimit`, but no higher than what ends within the time."""
    _set_recursion_limit(limit if type(limit) is not int else min(limit, max(_DEEPEST, sys.getrecursionlimit())))


def _no_input(*_: object) -> NoReturn:
    raise AskedForInput


class _NoInput(io.TextIOBase):
    """Standard input of which nothing can be read."""

    def read(self, *_: object) -> NoReturn:
        raise AskedForInput

    readline = __next__ = read


class _Bounded(io.TextIOBase):
    """A stream that lets through the first characters only, and says so."""

    def __init__(self, stream: Any, left: list[int]) -> None:
        super().__init__()
        self._stream, self._left = stream, left

    def write(self, text: str) -> int:
        if self._left[0] > 0 and self._stream is not None:
            self._stream.write(text[: self._left[0]])
            self._left[0] -= len(text)
            if self._left[0] <= 0:
                self._stream.write("… (check shows no more of what your function prints)\n")
        return len(text)

    def flush(self) -> None:
        if self._stream is not None:
            self._stream.flush()

    def close(self) -> None:
        """Stay open: the stream is not the reader's."""


def told(trouble: Trouble, limit: float) -> tuple[str, str]:
    """What a reader's function did, from its verb on, and a hint; no hint where its own words say enough."""
    kind, place = type(trouble.error), trouble.place  # `isinstance` would ask the error itself what it is
    text = f": {trouble.text}" if trouble.text else ""
    if issubclass(kind, OutOfTime):
        return f"has not ended after {limit:.3g} s{place}", "is there a loop whose condition stays true?"
    if issubclass(kind, AskedForInput):
        return f"waits for somebody to type{place}", "all that it needs is in its arguments: leave out input()"
    if issubclass(kind, SystemExit):
        return f"ends the whole program (SystemExit{text}){place}", "a function ends with return, not with exit()"
    if issubclass(kind, RecursionError):
        return f"calls itself without end{place}", "which case returns without another call?"
    if issubclass(kind, MemoryError):
        return f"asks for more memory than there is{text}{place}", "how large are the arrays of each line?"
    return f"raises {type_name(kind)}{text}{place}", ""


def _place(error: BaseException) -> str:
    """The reader's innermost line from which something was raised, in the file of the function that was called."""
    traceback: TracebackType | None = BaseException.__dict__["__traceback__"].__get__(error)
    filename, number = "", 0
    while traceback is not None:
        name = traceback.tb_frame.f_code.co_filename
        filename = filename or ("" if name.startswith(_FOREIGN) else name)
        if name == filename:
            number = traceback.tb_lineno
        traceback = traceback.tb_next
    if not filename:
        return ""
    line = cut_line(linecache.getline(filename, number), 100)
    return f", in line {number}" + (f", `{line}`" if line else "")
