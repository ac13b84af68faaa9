"""Writing a file so that it appears whole or not at all: under a temporary name beside its own, then renamed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from elmo.errors import InputError

PathLike = str | os.PathLike[str]


@contextlib.contextmanager
def replacing(path: PathLike) -> Iterator[Path]:
    """Give a path to write at; what is there at the end takes the target's place, and after an error is removed.

    Raises:
        OSError: it can't be renamed.
    """
    target = Path(path)
    temporary = target.parent / f".{target.name}.{os.getpid()}"
    try:
        yield temporary
        os.replace(temporary, target)
    finally:
        with contextlib.suppress(OSError):  # it has been renamed, or never was
            temporary.unlink()


@contextlib.contextmanager
def whole_file(path: PathLike) -> Iterator[Path]:
    """As `replacing`, for a file that the user named.

    Raises:
        InputError: it can't be written: an OSError, of the block too.
    """
    try:
        with replacing(path) as temporary:
            yield temporary
    except OSError as error:
        raise InputError(f"{path}: can't be written ({error.strerror or error}); choose another place") from error
