"""What every reader of somebody else's files asks first: is it inside, is it a file, does it fit, is it a number?"""

from __future__ import annotations

import io
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from elmo.errors import InputError
from elmo.system.inputs import read_whole
from elmo.system.types import Arrays, PathLike
from elmo.text.vocabulary import Vocabulary

_JSON_BYTES = 16 << 20  # far beyond any configuration
_COPIES = 2  # what was read, and the model's own parameters, are there at one time


def inside(directory: Path, name: str) -> Path:
    """Path of a regular file of a model directory.

    Raises:
        InputError: the name leads out of the directory, also by a symbolic link; nothing is there, or no regular file.
    """
    path = directory / name
    if os.path.isabs(name) or ".." in Path(name).parts or "\0" in name:
        raise InputError(f"{directory}: the file name {name!r} leads out of the directory; it was not read")
    try:
        resolved = path.resolve(strict=True)
        mode = os.stat(resolved).st_mode
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: can't be read ({reason}); put the model's own file there") from None
    if not resolved.is_relative_to(directory.resolve()):
        raise InputError(f"{path}: is a symbolic link out of {directory}; put the file itself there")
    if not stat.S_ISREG(mode):
        raise InputError(f"{path}: is not a regular file; put the model's own file there")
    return path


def check_named_vocabulary(
    source: object, vocab_path: PathLike | None, own: Callable[[], Vocabulary], read: Callable[[PathLike], Vocabulary]
) -> None:
    """Refuse a vocabulary that somebody names for a model that comes with another one.

    Args:
        source: the model, to be named in an error.
        vocab_path: what somebody names; None: nobody has.
        own: reads what the model comes with; what can't be read is no other.
        read: reads what is named.
    """
    if vocab_path is None:
        return
    named = read(vocab_path)
    try:
        is_another = own() != named
    except InputError:
        return
    if is_another:
        raise InputError(f"{source}: was trained with another vocabulary than {vocab_path}; give its own")


def available_memory() -> int | None:
    """Bytes that this process may still take, as far as the system and its control group say; None if unknown."""
    limits = []
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                limits.append(int(line.split()[1]) * 1024)
    except (OSError, ValueError, IndexError):
        pass
    try:
        allowed = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        if allowed != "max":
            limits.append(int(allowed) - int(Path("/sys/fs/cgroup/memory.current").read_text()))
    except (OSError, ValueError):
        pass
    return min(limits) if limits else None


def check_memory(num_bytes: int, place: object) -> None:
    """Refuse a model whose parameters, `num_bytes` as float32, would not fit in memory together with a copy.

    Raises:
        InputError: they would not; names what is needed and what there is.
    """
    available = available_memory()
    if available is not None and num_bytes * _COPIES > available:
        raise InputError(
            f"{place}: its parameters would need {num_bytes * _COPIES / 1e9:,.1f} GB of memory to load and "
            f"{max(available, 0) / 1e9:,.1f} GB are free; check its sizes, or use a larger machine"
        )


def check_finite(arrays: Arrays, place: object) -> None:
    """Refuse parameters that hold NaN or infinity; names the first."""
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise InputError(f"{place}: {name} holds values that are not finite; copy or download the model again")


class BoundedFile(io.BufferedReader):
    """A file of which nothing reads more than so much at once, whatever sizes the file itself claims.

    Args:
        path: the file.
        most: bytes.
        refuse: makes the error for a read of more bytes.
    """

    def __init__(self, path: PathLike, most: int, refuse: Callable[[int], Exception]) -> None:
        super().__init__(io.FileIO(os.fspath(path)))
        self.size = os.fstat(self.fileno()).st_size
        self._most = most
        self._refuse = refuse

    def read(self, size: int | None = -1, /) -> bytes:
        """Read so many bytes, or all that are left."""
        if size is None or size < 0:
            size = max(self.size - self.tell(), 0)
        if size > self._most:
            raise self._refuse(size)
        return super().read(size)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: it can't be read, is too large, or is no JSON object.
    """
    try:
        if path.stat().st_size > _JSON_BYTES:
            raise InputError(f"{path}: {path.stat().st_size:,} bytes are too many for a configuration")
        value = json.loads(read_whole(path))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: is not readable JSON ({error}); copy or download it again") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: holds no JSON object; give the model's own configuration")
    return value
