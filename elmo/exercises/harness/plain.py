"""What a reader's function returns, as plain data: nothing in it can raise, pretend to be equal, or go on for ever.

A checker sees only None, dots, truth values, numbers, text, bytes, arrays, lists, tuples, sets, dictionaries of these,
and `Other` for what is none of them. Copying runs the reader's code (`__iter__`, `__array__`), so the guard does it.
"""

from __future__ import annotations

import math
import types
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_ITEMS = 100_000  # of everything that is returned together; no exercise asks for more than some hundreds
_DEEPEST = 12  # lists in lists; no exercise asks for more than three
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, np.ufunc)
_HASHABLE = (type(None), bool, int, float, str, bytes)


@dataclass(frozen=True, eq=False)
class Other:
    """What no exercise asks for, in words; equal to nothing but itself."""

    words: str  # such as "something of type Foo"
    items: list[Any] | None = None  # what it yields, where one can iterate over it
    shape: tuple[int, ...] | None = None  # of an array that is too large to be looked at

    def __repr__(self) -> str:
        return f"({self.words})"


def plain(value: Any) -> Any:
    """Copy a value of any kind into plain data; whatever its methods raise is raised."""
    return _Copier().copy(value, ())


class _Copier:
    """Copies one value, and counts what is in it."""

    def __init__(self) -> None:
        self.count = 0

    def copy(self, value: Any, around: tuple[Any, ...]) -> Any:
        """Copy a value that stands inside others. Only the type is asked what it is: `__class__` can lie."""
        if len(around) > _DEEPEST:
            return Other(f"something nested more than {_DEEPEST} deep")
        kind = type(value)
        if value is None or value is Ellipsis or kind in (bool, Other):
            return value
        for base, copy in _ATOMS:
            if issubclass(kind, base):
                return copy(value)
        if issubclass(kind, list | tuple):
            return self._sequence(value, kind, around)
        if issubclass(kind, set | frozenset):
            base = set if issubclass(kind, set) else frozenset
            items = list(islice(base.__iter__(value), MOST_ITEMS))
            return {_key(item) for item in self._items(items, value, around)}
        if issubclass(kind, dict):
            keys, values = zip(*dict.items(value), strict=True) if dict.__len__(value) else ((), ())
            copies = zip(self._items(keys, value, around), self._items(values, value, around), strict=True)
            return {_key(key): item for key, item in copies}
        return self._object(value, kind, around)

    def _sequence(self, value: Any, kind: type, around: tuple[Any, ...]) -> Any:
        base: Any = list if issubclass(kind, list) else tuple
        if any(value is outer for outer in around):
            return Other(f"a {base.__name__} that holds itself")
        if self.count + base.__len__(value) > MOST_ITEMS:
            return Other(f"a {base.__name__} of {base.__len__(value)} things")
        return base(self._items(base.__getitem__(value, slice(None)), value, around))

    def _items(self, items: Iterable[Any], value: Any, around: tuple[Any, ...]) -> list[Any]:
        copies: list[Any] = []
        for item in items:
            self.count += 1
            if self.count > MOST_ITEMS:
                return [*copies, Other(f"more than {MOST_ITEMS} things")]
            copies.append(self.copy(item, (*around, value)))
        return copies

    def _object(self, value: Any, kind: type, around: tuple[Any, ...]) -> Any:
        if issubclass(kind, _FUNCTIONS):
            return Other("a function")
        if issubclass(kind, type):
            return Other("a class")
        if issubclass(kind, types.CoroutineType):
            value.close()  # or Python complains that nobody has waited for it
            return Other("a coroutine")
        if hasattr(kind, "numpy"):  # a tensor
            return self.copy(value.numpy(), (*around, value))
        if hasattr(kind, "__array__"):
            return _array(np.asarray(value))
        if not hasattr(kind, "__iter__"):
            return Other(f"something of type {type_name(kind)}")
        items = list(islice(value, MOST_ITEMS + 1 - self.count))
        words = "a generator" if issubclass(kind, types.GeneratorType) else f"something of type {type_name(kind)}"
        if self.count + len(items) > MOST_ITEMS:
            return Other(f"{words} that goes on after {len(items) - 1} things")
        return Other(words, self._items(items, value, around))


def _array(value: Any) -> Any:
    """A copy of an array without its subclass; of a large one or one of objects only what it is."""
    array: npt.NDArray[Any] = np.asarray(value)
    words = f"an array of shape {list(array.shape)} and type {array.dtype}"
    if array.dtype.hasobject:
        return Other(words)
    if array.size > MOST_ITEMS:
        return Other(words, shape=array.shape)
    return array.copy()


def _whole(value: Any) -> int | float:
    """A whole number; a float, or infinity, where NumPy's integers end."""
    number = int.__int__(value)
    if abs(number) < 2**63:
        return number
    try:
        return float(number)
    except OverflowError:
        return math.copysign(math.inf, 1 if number > 0 else -1)


def _key(value: Any) -> Any:
    """A plain value that can stand in a set."""
    return value if type(value) in _HASHABLE else Other("something in a set")


_ATOMS: list[tuple[Any, Any]] = [  # subclasses of these hold their value beside whatever their methods say
    (str, str.__str__),
    (bytes, lambda value: bytes.__getitem__(value, slice(None))),
    (int, _whole),
    (float, float.__float__),
    (complex, complex.__complex__),
    (np.ndarray | np.generic, _array),
    (Fraction | Decimal, float),
]


def type_name(kind: type) -> str:
    """Name of a type, whatever its metaclass says."""
    return cut_line(str.__str__(type.__dict__["__name__"].__get__(kind)), 60)


def kind_of(value: Any) -> str:
    """What a plain value is, in words."""
    if isinstance(value, Other):
        return value.words
    if isinstance(value, np.ndarray):
        return f"an array of shape {list(value.shape)} and type {value.dtype}"
    names = {
        "NoneType": "None", "ellipsis": "the dots (...)", "str": "text", "bytes": "bytes", "dict": "a dictionary",
        "tuple": "a tuple", "list": "a list", "set": "a set", "int": "a number", "float": "a number",
        "complex": "a complex number", "bool": "a truth value",
    }  # fmt: skip
    return names.get(type(value).__name__, f"something of type {type(value).__name__}")


def odd_one(value: Any) -> str:
    """What stands in a list among numbers and is none, in words; nothing if there is none."""
    if isinstance(value, list | tuple):
        return next((words for words in map(odd_one, value) if words), "")
    is_number = isinstance(value, int | float) or (isinstance(value, np.ndarray) and value.dtype.kind in "fiub")
    return "" if is_number else kind_of(value)


def same(before: Any, after: Any) -> bool:
    """Whether a plain value is as it was, within rounding."""
    if isinstance(before, Other):  # a function
        return isinstance(after, Other) and before.words == after.words
    if type(before) is not type(after):
        return False
    if isinstance(before, np.ndarray):
        if before.shape != after.shape or before.dtype != after.dtype:
            return False
        return bool(np.allclose(before, after, rtol=1e-9, atol=1e-9, equal_nan=True))
    if isinstance(before, list | tuple):
        return len(before) == len(after) and all(map(same, before, after))
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(same(before[key], after[key]) for key in before)
    return bool(before == after)


def changed_part(before: Any, after: Any) -> Any:
    """The innermost thing of the first that is no longer as it was."""
    if isinstance(before, list | tuple) and type(before) is type(after) and len(before) == len(after):
        first, second = next(pair for pair in zip(before, after, strict=True) if not same(*pair))
        return changed_part(first, second) if isinstance(first, list | tuple | np.ndarray | set | dict) else before
    return before


def cut_line(text: str, most: int) -> str:
    """Text from outside in one line of at most so many characters, none of which moves the cursor."""
    cut = text[: 4 * most]
    line = " ".join("".join(c if c.isprintable() or c.isspace() else "�" for c in cut).split())
    return line if len(line) <= most and len(cut) == len(text) else f"{line[: most - 1]}…"
