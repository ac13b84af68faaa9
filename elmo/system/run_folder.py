"""Runs of an experiment in a folder that several processes share: each is done once, and what is done stays done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from elmo.errors import InputError
from elmo.system.files import whole_file
from elmo.system.inputs import DAMAGE, open_regular, read_whole
from elmo.system.locks import locked
from elmo.system.types import PathLike


class RunFolder:
    """Records of runs by name, and claims on work that is being done.

    Args:
        folder: is made if it is not there.

    Raises:
        InputError: it can't be made.
    """

    def __init__(self, folder: PathLike) -> None:
        self.folder = Path(folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder}: can't be a folder for runs ({error.strerror}); choose another place") from None

    def done(self, name: str) -> bool:
        """Whether a run has left its record."""
        return (self.folder / f"{name}.json").exists()

    def read(self, name: str) -> dict[str, Any] | None:
        """Record of a run; None if it is not done. InputError if the record is damaged."""
        path = self.folder / f"{name}.json"
        try:
            record = json.loads(read_whole(path))
            if not isinstance(record, dict):
                raise ValueError
            return record
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError):
            raise InputError(f"{path}: is no record of a run; remove it, and the run is done anew") from None

    def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """Arrays of a run that is done."""
        path = self.folder / f"{name}.npz"
        try:
            with open_regular(path) as file, np.load(file) as arrays:
                return {key: arrays[key] for key in arrays.files}
        except DAMAGE:
            raise InputError(
                f"{path}: is missing or damaged; remove {name}.json beside it, and the run is done anew"
            ) from None

    def write(self, name: str, record: dict[str, Any], arrays: dict[str, npt.NDArray[Any]] | None = None) -> None:
        """Write a run's arrays, then its record, each whole or not at all."""
        if arrays is not None:
            with whole_file(self.folder / f"{name}.npz") as temporary, open(temporary, "wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
        with whole_file(self.folder / f"{name}.json") as temporary:
            text = json.dumps(record, ensure_ascii=False, indent=1) + "\n"
            temporary.write_text(text, encoding="utf-8")

    @contextmanager
    def claim(self, name: str) -> Iterator[bool]:
        """Whether this process has the work of this name to itself, until the block ends or the process does.

        The system lets go of the lock when its process is gone, however it ended.
        """
        with locked(self.folder / f"{name}.lock", wait=False) as descriptor:
            yield descriptor is not None
