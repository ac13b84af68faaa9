"""Training curves for VisualDL, Paddle's own viewer; installed with the extra `watch`."""

from __future__ import annotations

import math
import os
from typing import Any

from elmo.errors import InputError


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
