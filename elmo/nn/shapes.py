"""Shapes of tensors, checked in one place: by layers before they compute, and before any call into compiled code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from elmo.errors import InputError

Tensor = Any

_TERM = re.compile(r"(?:(\d+)\*)?([a-z_]+)|(\d+)")
_MIXED = ("float16", "bfloat16", "float32")  # may meet under automatic mixed precision


def check_shapes(
    owner: str, tensors: Mapping[str, tuple[Tensor | None, str]], known: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Refuse tensors whose shapes or types of number do not belong together.

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
    first_float: tuple[str, str] | None = None
    for name, (tensor, axes) in given.items():
        wanted = [_size(axis, sizes) for axis in axes]
        if tensor.shape != wanted:
            shown = ", ".join(axis if size is None else str(size) for axis, size in zip(axes, wanted, strict=True))
            raise InputError(f"{owner}: {name} has shape {tensor.shape}, not [{shown}] ({', '.join(axes)})")
        dtype = str(tensor.dtype).rpartition(".")[2]
        if "float" not in dtype:
            continue
        if first_float is None:
            first_float = name, dtype
        elif dtype != first_float[1] and not {dtype, first_float[1]} <= set(_MIXED):
            raise InputError(f"{owner}: {name} is {dtype}, but {first_float[0]} is {first_float[1]}: give one type")
    return sizes


def _size(axis: str, sizes: Mapping[str, int]) -> int | None:
    """Size of an axis such as "4*hidden" or "input+proj"; None where it is not known."""
    total = 0
    for term in axis.split("+"):
        match = _TERM.fullmatch(term)
        assert match, f"{axis}: not the name of an axis"
        factor, name, number = match.groups()
        if name is None:
            total += int(number)
        elif name not in sizes:
            return None
        else:
            total += int(factor or 1) * sizes[name]
    return total
