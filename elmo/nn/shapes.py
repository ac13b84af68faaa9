"""Shapes, types and ids, checked in one place: by layers before they compute, and before any call into compiled code.

Paddle's own operations do not see all of it: they spread a single row over many, and read before a table for id -1.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Mapping

import numpy as np

from elmo.errors import InputError
from elmo.runtime import paddle
from elmo.system.types import Tensor

_TERM = re.compile(r"(?:(\d+)\*)?([a-z_]+)|(\d+)")
_FLOATS = ("float16", "bfloat16", "float32", "float64")
_MIXED = ("float16", "bfloat16", "float32")  # may meet under automatic mixed precision
_INTEGERS = ("int32", "int64")


def match_shapes(
    owner: str, tensors: Mapping[str, tuple[Tensor | None, str]], known: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Refuse tensors whose shapes do not belong together.

    Args:
        owner: how the message names what they are given to, such as "LSTMP".
        tensors: by name, a tensor and its axes, such as "batch time 4*hidden" or "time+1 batch"; a size is what the
            first tensor that has an axis of this name says. None in place of a tensor is passed over.
        known: sizes that are known before.

    Returns:
        the sizes by name.

    Raises:
        InputError: names the tensor, its shape, and the shape that it should have.
    """
    given = {name: (tensor, axes.split()) for name, (tensor, axes) in tensors.items() if tensor is not None}
    sizes = dict(known or {})
    for tensor, axes in given.values():
        if len(axes) == len(tensor.shape):
            for axis, size in zip(axes, tensor.shape, strict=True):
                if axis.isidentifier():
                    sizes.setdefault(axis, size)
    for name, (tensor, axes) in given.items():
        wanted = [_size(axis, sizes) for axis in axes]
        if list(tensor.shape) != wanted:
            shown = ", ".join(axis if size is None else str(size) for axis, size in zip(axes, wanted, strict=True))
            raise InputError(f"{owner}: {name} has shape {list(tensor.shape)}, not [{shown}] ({', '.join(axes)})")
    return sizes


def check_shapes(
    owner: str,
    tensors: Mapping[str, tuple[Tensor | None, str]],
    known: Mapping[str, int] | None = None,
    integers: Collection[str] = (),
) -> dict[str, int]:
    """As `match_shapes`, and refuse types of number that do not belong together.

    Args:
        owner: see there, as `tensors` and `known`.
        integers: names of those that hold ids or lengths, int32 or int64. All others are of one floating-point type,
            but for Paddle's automatic mixed precision.

    Raises:
        InputError: names the tensor, and its shape or type and the one that it should have.
    """
    sizes = match_shapes(owner, tensors, known)
    first: tuple[str, str] | None = None
    for name, (tensor, _) in tensors.items():
        if tensor is None:
            continue
        dtype = short_type(tensor.dtype)
        if name in integers:
            check_whole_numbers(owner, name, tensor)
        elif dtype not in _FLOATS:
            raise InputError(f"{owner}: {name} is {dtype}: give floating-point numbers, such as float32")
        elif first is None:
            first = name, dtype
        elif dtype != first[1] and not ({dtype, first[1]} <= set(_MIXED) and paddle.is_autocast_enabled()):
            raise InputError(f"{owner}: {name} is {dtype}, but {first[0]} is {first[1]}: give one type")
    return sizes


def check_range(owner: str, name: str, numbers: Tensor, least: int, most: int, of: str) -> None:
    """Refuse whole numbers, such as ids, that are less than `least` or more than `most`.

    Args:
        owner: see `match_shapes`.
        name: of what is checked.
        numbers: of any shape.
        least: the smallest number that is allowed.
        most: the largest one.
        of: what the bounds are those of, for the message: "11 words".

    Raises:
        InputError: names the number and the bounds.
    """
    array = numbers if isinstance(numbers, np.ndarray) else numbers.numpy()  # whose own minimum takes longer
    for number in (array.min(), array.max()) if array.size else ():
        if not least <= number <= most:
            raise InputError(f"{owner}: {number} is among the {name}: give {least} to {most}, of {of}")


def check_whole_numbers(owner: str, name: str, tensor: Tensor) -> None:
    """Refuse a tensor of ids or lengths that is neither int64 nor int32; InputError names its type."""
    if short_type(tensor.dtype) not in _INTEGERS:
        raise InputError(f"{owner}: {name} is {short_type(tensor.dtype)}: give whole numbers, int64")


def short_type(dtype: object) -> str:
    """Name of a type of number, Paddle's or NumPy's: "float32"."""
    return str(dtype).rpartition(".")[2]


def _size(axis: str, sizes: Mapping[str, int]) -> int | None:
    """Size of an axis such as "4*hidden" or "input+proj"; None where it is not known."""
    if (size := sizes.get(axis)) is not None:
        return size
    total = 0
    for factor, name in _terms(axis):
        if name is None:
            total += factor
        elif name not in sizes:
            return None
        else:
            total += factor * sizes[name]
    return total


@functools.cache  # at each call of a compiled function a dozen of them are asked for
def _terms(axis: str) -> list[tuple[int, str | None]]:
    """What an axis is the sum of: each a factor and the name of a size, or a number and None."""
    terms: list[tuple[int, str | None]] = []
    for term in axis.split("+"):
        match = _TERM.fullmatch(term)
        assert match, f"{axis}: not the name of an axis"
        factor, name, number = match.groups()
        terms.append((int(number or factor or 1), name))
    return terms
