"""Locks in folders: one process at a time does something there; the system lets go of it when the process is gone.

A lock file may lie in a folder that others can write to, so a link that somebody has put in its place is not followed.
The package filelock empties the file that it locks. So it can't say who holds a lock, as ours do.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import inspect
import json
import os
import socket
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from elmo.errors import InputError
from elmo.system.types import PathLike

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

RUN_LOCK = ".run.lock"
_LARGEST_RECORD = 4096  # bytes of what a run says of itself
_COMMAND_CHARACTERS = 120


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[int | None]:
    """Hold the lock of a file, which is made; without file locks in the system, every process has it.

    Args:
        path: the file; must be a regular one of our own or of the folder's owner.
        wait: until another process lets go of it.

    Yields:
        the file's descriptor; None if another process has it and we don't wait.

    Raises:
        OSError: it can't be opened. InputError: there is something else in its place.
    """
    descriptor = _open(path)
    try:
        is_mine = _take(descriptor, wait)
        while is_mine and not _is_there(path, descriptor):  # who held it has removed the file
            os.close(descriptor)
            descriptor = _open(path)
            is_mine = _take(descriptor, wait)
        yield descriptor if is_mine else None
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)
    status = os.fstat(descriptor)
    owners = (os.geteuid(), path.parent.stat().st_uid)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1 or status.st_uid not in owners:
        os.close(descriptor)
        raise _not_ours(path)
    return descriptor


def _not_ours(path: Path) -> InputError:
    return InputError(f"{path}: is no lock file of ours; remove it, or choose another folder")


def _is_there(path: Path, descriptor: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    return False


def _take(descriptor: int, wait: bool) -> bool:
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def one_run(folder: PathLike) -> Iterator[None]:
    """Keep two runs from writing into one folder, which is made, and removed again if nothing has come into it.

    Raises:
        InputError: another run is at work there: names it. Or the folder can't be made or written.
    """
    place = Path(folder)
    with contextlib.ExitStack() as stack:
        missing = [each for each in (place, *place.parents) if not os.path.exists(each)]
        try:
            place.mkdir(parents=True, exist_ok=True)
            descriptor = stack.enter_context(locked(place / RUN_LOCK, wait=False))
            if descriptor is not None:
                _tell(descriptor)
        except OSError as error:
            if os.path.exists(place) and not os.path.isdir(place):
                raise InputError(f"{folder} is a file: give a folder for the run") from None
            if error.errno in (errno.EISDIR, errno.ELOOP) and os.path.lexists(place / RUN_LOCK):
                raise _not_ours(place / RUN_LOCK) from None
            raise InputError(f"{folder}: can't be a folder ({error.strerror}); choose another place") from None
        if descriptor is None:
            raise InputError(
                f"{folder}: another run writes there ({_read(place / RUN_LOCK)}): wait for it, stop it, or choose "
                "another folder"
            )
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # the folder is not empty, or gone
                (place / RUN_LOCK).unlink()
                for each in missing:
                    each.rmdir()


def _tell(descriptor: int) -> None:
    """Write into the lock file which run holds it."""
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:_COMMAND_CHARACTERS]
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    record = {"process": os.getpid(), "host": socket.gethostname(), "command": command, "since": since}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(record).encode(), 0)


def _read(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            record = json.loads(file.read(_LARGEST_RECORD))
        return f"process {record['process']} on {record['host']}, since {record['since']}: {record['command']}"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "which does not say what it is"


def alone_in(argument: str) -> Callable[[Callable[_Arguments, _Result]], Callable[_Arguments, _Result]]:
    """Decorate a training so that it holds the lock of the folder that an argument names, if any; see `one_run`.

    Of several ranks, which share a folder, the first holds it.
    """

    def decorate(train: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
        signature = inspect.signature(train)

        @functools.wraps(train)
        def run(*given: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
            bound = signature.bind(*given, **named)
            bound.apply_defaults()
            folder: Any = bound.arguments[argument]
            is_first = getattr(bound.arguments.get("ranks"), "rank", 0) == 0
            with one_run(folder) if folder is not None and is_first else contextlib.nullcontext():
                return train(*given, **named)

        return run

    return decorate
