"""How a model's numbers are stored: as float32, as float16, or as int8 with a factor for each row of a matrix."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from elmo.errors import InputError
from elmo.system.types import Array, Arrays

DTYPES = ("float32", "float16", "int8")
STORED_TYPES = (np.float16, np.float32, np.float64, np.int8)  # what is read again
_SCALES = ".scales"  # end of the name of a matrix's factors
_INT8_MAX = 127


def pack(arrays: Mapping[str, Array], dtype: str) -> Arrays:
    """Arrays as they are stored."""
    if dtype != "int8":
        return {name: np.ascontiguousarray(array, dtype=dtype) for name, array in arrays.items()}
    stored: Arrays = {}
    for name, array in arrays.items():
        if array.ndim != 2 or not array.size:
            stored[name] = np.ascontiguousarray(array, dtype=np.float16)
            continue
        scales = (np.abs(array).max(axis=1) / _INT8_MAX).astype(np.float16)
        tiny = scales == 0  # of a row of zeros, or of numbers too small for the factor
        steps = np.where(tiny, 0, array.T / np.where(tiny, 1, scales.astype(np.float32))).T
        finite = np.isfinite(scales)[:, None]
        stored[name] = np.where(finite, np.rint(steps), 0).clip(-_INT8_MAX, _INT8_MAX).astype(np.int8)
        stored[name + _SCALES] = scales
    return stored


def is_scales(name: str, names: Collection[str]) -> bool:
    """Whether a stored array holds another one's factors, see `pack`, and is no parameter."""
    return name.endswith(_SCALES) and name.removesuffix(_SCALES) in names


def unpack(stored: Arrays, place: Path) -> Arrays:
    """Arrays of what `pack` made: float32, or float64 where they were stored so."""
    arrays = {}
    for name, array in stored.items():
        if is_scales(name, stored):
            continue
        if array.dtype == np.int8:
            scales = stored.get(name + _SCALES)
            if scales is None or scales.dtype != np.float16 or scales.shape != array.shape[:1]:
                raise InputError(f"{place}: {name} is I8 without a factor for each row; copy or download it again")
            array = array * scales.astype(np.float32)[:, None]
        arrays[name] = array.astype(np.float32) if array.dtype == np.float16 else array
    return arrays
