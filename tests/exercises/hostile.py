"""What readers write by mistake, and what nobody should: answers that raise, lie, change, print, wait or never end."""

from __future__ import annotations

import functools
import itertools
import sys
import time
import warnings
from typing import Any, NoReturn

import numpy as np


class NoTextError(Exception):
    def __str__(self) -> NoReturn:
        raise ValueError("no text")

    __repr__ = __str__


class EndlessTextError(Exception):
    def __str__(self) -> NoReturn:
        while True:
            pass


class LyingError(BaseException):
    @property
    def __class__(self):
        raise ValueError("no class")

    @property
    def __traceback__(self):
        raise ValueError("no traceback")


class Odd(type):
    """A metaclass whose classes raise when asked who they are."""

    @property
    def __name__(cls) -> NoReturn:
        raise ValueError("no name")

    def __instancecheck__(cls, _: object) -> NoReturn:
        raise ValueError("no instance")

    __subclasscheck__ = __instancecheck__


class NamelessError(Exception, metaclass=Odd):
    pass


def _raise(*_: object) -> NoReturn:
    raise SystemExit("looked at")


SPECIAL = (
    "__repr__", "__str__", "__eq__", "__ne__", "__len__", "__array__", "__iter__", "__getattr__", "__getattribute__",
    "__bool__", "__float__", "__int__", "__index__", "__getitem__", "__contains__", "__hash__", "__copy__",
    "__deepcopy__", "__format__", "__add__", "__sub__", "__mul__", "__lt__", "numpy", "__array_ufunc__",
    "__array_interface__", "__array_struct__", "__class__", "__del__", "__call__", "__signature__", "__wrapped__",
)  # fmt: skip
OF_LISTS = ("__iter__", "__len__", "__getitem__", "__array__", "__class__", "__eq__", "numpy")
OF_TEXT = ("__str__", "__iter__", "__add__", "__hash__", "__eq__", "__format__", "__class__")
OF_NUMBERS = ("__float__", "__sub__", "__array__", "__eq__", "__bool__", "__format__", "__class__")


def raising(name: str, base: type = object, *arguments: Any) -> Any:
    """An object that raises when one special name of its is used."""
    value = property(_raise) if name in ("__class__", "__array_interface__", "__signature__", "__wrapped__") else _raise
    return type("Raising", (base,), {name: value})(*arguments)


class Everything:
    """Says yes to all, equals all, and has every attribute."""

    def __eq__(self, _: object) -> bool:
        return True

    def __ne__(self, _: object) -> bool:
        return False

    def __hash__(self) -> int:
        return 0

    def __len__(self) -> int:
        return 3

    def __iter__(self) -> Any:
        return itertools.repeat(self)

    def __getattr__(self, _: str) -> Any:
        return self

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self

    def __getitem__(self, _: object) -> Any:
        return self


class SlyText(str):
    """Text that equals every other."""

    def __eq__(self, _: object) -> bool:
        return True

    def __ne__(self, _: object) -> bool:
        return False

    def __hash__(self) -> int:
        return 0


class SlyNumber(float):
    __eq__ = SlyText.__eq__
    __ne__ = SlyText.__ne__
    __hash__ = SlyText.__hash__

    def __sub__(self, _: object) -> float:
        return 0.0

    __rsub__ = __sub__


class SlyList(list):
    __eq__ = SlyText.__eq__
    __ne__ = SlyText.__ne__
    __hash__ = None  # type: ignore[assignment]


class SlyArray(np.ndarray):
    def __array_ufunc__(self, *_: Any, **__: Any) -> bool:
        return True

    def __array_finalize__(self, _: Any) -> None:
        if not isinstance(self, SlyArray):
            raise SystemExit


def _grows() -> Any:
    class Grows:
        def __iter__(self) -> Any:
            holder.append(self)
            return iter([1])

    holder: list[Any] = [Grows()]
    return holder


def _holds_itself() -> list[Any]:
    holder: list[Any] = [1.0]
    holder.append(holder)
    return holder


def _holds_itself_twice() -> list[Any]:
    first: list[Any] = []
    second = [first, first]
    first += [second, second]
    return first


def _wide() -> list[Any]:
    value: Any = 1.0
    for _ in range(30):
        value = [value] * 10
    return list(value)


def _deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(50_000):
        value = [value]
    return value


def _dictionary_in_itself() -> dict[Any, Any]:
    holder: dict[Any, Any] = {}
    holder[1] = holder
    return holder


def _objects(*values: Any) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        array[place] = value
    return array


async def _later() -> int:
    return 1


VALUES: dict[str, Any] = {  # what makes a value that comes back
    **{f"raises in {name}": functools.partial(raising, name) for name in SPECIAL},
    **{f"list that raises in {name}": functools.partial(raising, name, list, [1, 2]) for name in OF_LISTS},
    **{f"text that raises in {name}": functools.partial(raising, name, str, "two") for name in OF_TEXT},
    **{f"number that raises in {name}": functools.partial(raising, name, float, 1e9) for name in OF_NUMBERS},
    "everything": Everything,
    "a list of everything": lambda: [Everything()] * 2,
    "sly text": lambda: SlyText("x"),
    "sly texts": lambda: [SlyText("x")] * 8,
    "sly number": lambda: SlyNumber(1e9),
    "sly numbers": lambda: [SlyNumber(1e9)] * 4,
    "sly list": lambda: SlyList("ab"),
    "sly array": lambda: np.ones(4).view(SlyArray) * 7,
    "None": lambda: None,
    "None in a list": lambda: [None, None],
    "dots": lambda: ...,
    "infinity": lambda: float("inf"),
    "infinities": lambda: np.full(4, -np.inf),
    "NaN": lambda: float("nan"),
    "NaN in a list": lambda: [float("nan")] * 2,
    "a huge whole number": lambda: 10**5000,
    "a huge negative number": lambda: -(10**30),
    "a number beyond float32": lambda: 1e300,
    "numbers beyond float32": lambda: np.full(5, 1e308),
    "a complex number": lambda: 1j,
    "a truth value": lambda: np.bool_(True),
    "empty": list,
    "nested and empty": lambda: [[], [[]], []],
    "empty rows": lambda: [[], []],
    "empty array": lambda: np.zeros((0, 3)),
    "rows of different lengths": lambda: [[1], [2, 3]],
    "a list that holds itself": _holds_itself,
    "lists that hold each other": _holds_itself_twice,
    "a list that grows": _grows,
    "a list wider than memory": _wide,
    "a deep list": _deep,
    "a dictionary in itself": _dictionary_in_itself,
    "an array that holds itself": lambda: _objects(_holds_itself(), 1),
    "objects in an array": lambda: _objects(Everything(), None),
    "a function": lambda: len,
    "a lambda": lambda: lambda x: x,
    "functions": lambda: [np.sin, np.cos],
    "a class": lambda: dict,
    "an odd class": lambda: NamelessError,
    "an instance of an odd class": lambda: NamelessError("x"),
    "a module": lambda: sys,
    "a generator": lambda: (x for x in range(3)),
    "a generator that raises": lambda: (1 / x for x in [0]),
    "a generator that never ends": lambda: (x for x in itertools.count()),
    "a count": itertools.count,
    "repeated text": lambda: itertools.repeat("我们"),
    "a map": lambda: map(float, ["a"]),
    "a coroutine": _later,
    "a huge array": lambda: np.broadcast_to(np.float64(1), (10**9, 10**9)),
    "a long list": lambda: [0.5] * 10**6,
    "a long text": lambda: "无" * 10**6,
    "a text with escapes": lambda: "\x1b[31mred\r\n\x00\u202e\ud800",
    "texts with escapes": lambda: ["\x1b[31m\n"] * 8,
    "bytes": lambda: b"\xff" * 9,
    "an array of text": lambda: np.array(["a", "b"]),
    "an array of dates": lambda: np.array(["2020-01-01"], dtype="datetime64[D]"),
    "a record": lambda: np.zeros(3, dtype=[("a", float), ("b", int)]),
    "a matrix": lambda: np.matrix([[1.0, 2.0]]),
    "a masked array": lambda: np.ma.masked_all(3),
    "a set": lambda: {1, 2},
    "a range without end": lambda: range(10**12),
    "a dictionary": lambda: {"h": 1, "c": 2},
    "a slice": lambda: slice(None),
    "an exception": lambda: SystemExit(3),
}


def returning(make: Any) -> Any:
    """A function that takes anything and returns what is made."""
    return lambda *_: make()


def _exits(*_: Any) -> None:
    sys.exit("goodbye")


def _calls_itself(*arguments: Any) -> Any:
    return _calls_itself(*arguments)


def _prints_much(*_: Any) -> None:
    for _ in range(3000):
        print("x" * 100)
        print("y" * 100, file=sys.stderr)


def _closes_output(*_: Any) -> None:
    sys.stdout.close()
    sys.stderr = sys.stdout = None  # type: ignore[assignment]
    print("x")


def _spoils_everything(*arguments: Any) -> Any:
    for argument in arguments:
        if isinstance(argument, np.ndarray):
            argument.flat[:1] = 77
        elif isinstance(argument, list):
            argument[:] = [Everything() for _ in argument]
        elif isinstance(argument, dict):
            argument.update({key: Everything() for key in argument})
        elif isinstance(argument, set):
            argument.add(_raise)
    return arguments[0]


def _sets_switches(*_: Any) -> Any:
    sys.setrecursionlimit(200)
    np.seterr(all="raise")
    warnings.simplefilter("error")
    return np.float64(1) / 0


def _raises(error: Any) -> Any:
    def function(*_: Any) -> NoReturn:
        raise error

    return function


def _raises_from_deep(*_: Any) -> NoReturn:
    raise ValueError("[/b] \x1b[31m\n" * 10**5) from NoTextError()


def _yields(*_: Any) -> Any:
    yield from itertools.count()


ANSWERS: dict[str, Any] = {
    **{f"returns {name}": returning(make) for name, make in VALUES.items()},
    "exits": _exits,
    "exits oddly": _raises(SystemExit(Everything())),
    "leaves a generator": _raises(GeneratorExit),
    "ends an iteration": _raises(StopIteration(1)),
    "raises without text": _raises(NoTextError()),
    "raises a lie": _raises(LyingError()),
    "raises without a name": _raises(NamelessError()),
    "raises no exception": _raises(3),
    "raises deep": _raises_from_deep,
    "runs out of memory": lambda *_: np.ones(10**17),
    "calls itself": _calls_itself,
    "prints much": _prints_much,
    "closes its output": _closes_output,
    "asks for input": lambda *_: input("a number? "),
    "reads": lambda *_: sys.stdin.readline(),
    "reads all": lambda *_: list(sys.stdin),
    "changes its arguments": _spoils_everything,
    "sets switches": _sets_switches,
    "is a generator": _yields,
    "is a coroutine": lambda *_: _later(),
    "takes nothing": lambda: 1,
    "takes too much": lambda a, b, c, d, e, f, g, h: 1,
    "needs a name": lambda *_, name: name,
    "is a class": dict,
    "is an odd class": NamelessError,
    "is print": print,
    "is max": max,
    "is a part": functools.partial(functools.partial, 3),
}

# Values in place of functions: all that can come back can also be given.
GIVEN: dict[str, Any] = {f"is {name}": make for name, make in VALUES.items()}


def _loops(*_: Any) -> None:
    while True:
        pass


def _catches_everything(*_: Any) -> None:
    while True:
        try:
            _loops()
        except BaseException:
            continue


def _sleeps_and_sleeps(*_: Any) -> None:
    while True:
        try:
            time.sleep(1000)
        finally:
            time.sleep(1000)


def _tries_itself(*arguments: Any) -> Any:
    try:
        return _tries_itself(*arguments)
    except BaseException:
        return _tries_itself(*arguments)


def _catches_the_end(*_: Any) -> int:
    try:
        _loops()
    except BaseException:
        return 1
    return 0


class _LoopsWhenLookedAt:
    def __iter__(self) -> Any:
        while True:
            pass


class _LoopsWhenItDies:
    def __del__(self) -> None:
        while True:
            pass


class _YieldsSlowly:
    def __iter__(self) -> Any:
        while True:
            time.sleep(0.001)
            yield 1


ENDLESS: dict[str, Any] = {
    "loops": _loops,
    "catches everything": _catches_everything,
    "returns what loops": returning(_LoopsWhenLookedAt),
    "returns what loops when it dies": returning(_LoopsWhenItDies),
    "yields slowly": returning(_YieldsSlowly),
    "sleeps": _sleeps_and_sleeps,
    "tries itself": _tries_itself,
    "catches the end": _catches_the_end,
    "raises a text without end": _raises(EndlessTextError()),
}
