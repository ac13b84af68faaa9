"""What all checkers share: the registry, calling a reader's function, and saying in words how an answer differs."""

from __future__ import annotations

import copy
import html
import importlib
import inspect
import linecache
import pkgutil
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Checker = Callable[["Answer", np.random.Generator], None]

_CHECKERS: dict[str, Checker] = {}
_TOLERANCE = 1e-4  # relative and absolute: the package computes in float32, whose sums agree to about 1e-6


@dataclass(frozen=True)
class Result:
    """What a check found; true where the answer is right."""

    number: str
    passed: bool
    message: str
    hint: str = ""

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        hint = f" Where to look: {_ended(self.hint)}" if self.hint else ""
        return f"{'✓' if self.passed else '✗'} {self.number} {_ended(self.message)}{hint}"

    def _repr_html_(self) -> str:
        colour = "#009E73" if self.passed else "#D55E00"
        mark = f'<strong style="color: {colour}">{"✓" if self.passed else "✗"}</strong>'
        hint = f" <em>Where to look:</em> {_marked_up(_ended(self.hint))}" if self.hint else ""
        return f"<p>{mark} <strong>{html.escape(self.number)}</strong> {_marked_up(_ended(self.message))}{hint}</p>"


class WrongAnswerError(Exception):
    """Ends a check whose answer is not right; no reader sees it as an error."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


@dataclass(frozen=True)
class Mistake:
    """A wrong variant and what to tell a reader whose result equals it."""

    value: Any  # of the same form as the right result
    message: str  # such as "your result equals that without the bias"
    hint: str


def exercise(number: str) -> Callable[[Checker], Checker]:
    """Register a checker under the number of its exercise, such as "4.2"."""

    def register(checker: Checker) -> Checker:
        _CHECKERS[number] = checker
        return checker

    return register


def check(number: str, answer: Any) -> Result:
    """Check an answer to an exercise of the book and say what is right or wrong with it.

    Args:
        number: of the exercise, as it stands in the book: "4.2".
        answer: what the exercise asks for, mostly a function (without calling it).
    """
    if not isinstance(number, str):
        return Result(str(number), False, f'write the number in quotes, check("{number}", ...)')
    if (checker := _find(number)) is None:
        return Result(number, False, f"no such exercise: there are {', '.join(known_exercises())}")
    try:
        checker(Answer(answer, checker), np.random.default_rng(zlib.crc32(number.encode())))
    except WrongAnswerError as wrong:
        return Result(number, False, wrong.message, wrong.hint)
    return Result(number, True, "right")


def known_exercises() -> list[str]:
    """Numbers of all exercises that have a checker, in the order of the book."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if re.fullmatch(r"chapter\d\d", module.name):
            importlib.import_module(f"elmo.exercises.{module.name}")
    return sorted(_CHECKERS, key=lambda number: [int(part) for part in number.split(".")])


def _find(number: str) -> Checker | None:
    """The checker of an exercise; only its chapter's module is imported."""
    if chapter := re.fullmatch(r"([1-9]\d?)\.\d+", number):
        name = f"chapter{int(chapter.group(1)):02d}"
        if Path(__file__).with_name(f"{name}.py").is_file():
            importlib.import_module(f"elmo.exercises.{name}")
    return _CHECKERS.get(number)


class Answer:
    """A reader's answer and the usual questions about it; each raises `WrongAnswerError` where it can't be right."""

    def __init__(self, given: Any, checker: Checker) -> None:
        self.given = given
        usage = inspect.getdoc(checker) or ""
        self.usage = usage.splitlines()[0].rstrip(".") if usage else ""

    def wrong(self, message: str, hint: str = "") -> NoReturn:
        """End the check with this finding."""
        raise WrongAnswerError(message, hint)

    def call(self, *arguments: Any) -> Any:
        """Return what the reader's function returns for copies of the arguments."""
        function = self.given
        if not callable(function):
            self.wrong(
                f"a function is asked for, and this is {_kind(function)}",
                f"give the function itself, without brackets behind its name: {self.usage}",
            )
        try:
            inspect.signature(function).bind(*arguments)
        except TypeError:
            self.wrong(
                f"your function does not take the {len(arguments)} arguments that it is called with",
                f"it is called as {self.usage}",
            )
        except ValueError:  # a built-in function without a signature
            pass
        copies = copy.deepcopy(arguments)
        try:
            with np.errstate(all="ignore"):
                value = function(*copies)
        except Exception as error:
            self.wrong(
                f"your function raises {type(error).__name__}{_told(error)}{_place(function, error.__traceback__)}",
                f"it was called as {self.usage}",
            )
        if any(not _same(before, after) for before, after in zip(arguments, copies, strict=True)):
            self.wrong("your function changes an array that it was given", "compute a new array: x = x + 1, not x += 1")
        return value

    def array(self, *arguments: Any, shape: Sequence[int]) -> Array:
        """Return the numbers that the reader's function returns for these arguments, an array of this shape."""
        return self.as_array(self.call(*arguments), shape)

    def number(self, *arguments: Any) -> float:
        """Return the one number that the reader's function returns for these arguments."""
        return float(self.as_array(self.call(*arguments), []))

    def parts(self, *arguments: Any, names: Sequence[str]) -> list[Any]:
        """Return what the reader's function returns for these arguments, as many things as there are names."""
        value = self.call(*arguments)
        self._not_nothing(value)
        wanted = f"{len(names)} things are asked for ({', '.join(names)})"
        if not isinstance(value, (tuple, list)) and not (hasattr(value, "__len__") and hasattr(value, "__getitem__")):
            self.wrong(f"{wanted}, and your function returns {_kind(value)}", f"return {', '.join(names)}")
        if len(value) != len(names):
            self.wrong(f"{wanted}, and your function returns {len(value)}", f"return {', '.join(names)}")
        return list(value)

    def as_array(self, value: Any, shape: Sequence[int], what: str = "your result") -> Array:
        """Return a value as a float array of this shape."""
        self._not_nothing(value, what)
        if hasattr(value, "numpy"):  # a Paddle tensor
            value = value.numpy()
        try:
            array = np.asarray(value)
        except ValueError:  # rows of different lengths
            self.wrong(f"{what} is {_kind(value)} whose rows differ in length", f"the shape is {_shape(shape)}")
        if array.dtype.kind not in "fiub":
            self.wrong(f"{what} is {_kind(value)}, and numbers are asked for", f"the shape is {_shape(shape)}")
        if list(array.shape) != list(shape):
            if array.size == int(np.prod(shape)) and array.squeeze().shape == tuple(n for n in shape if n != 1):
                hint = "only axes of length 1 differ: [0], keepdims or reshape"
            elif list(array.shape) == list(shape)[::-1]:
                hint = "it is the other way round: is a transpose (.T) missing, or one too many?"
            else:
                hint = "write the shape of each product beside its line, [rows, columns]"
            self.wrong(f"{what} has the shape {_shape(array.shape)}, and {_shape(shape)} is asked for", hint)
        numbers = array.astype(np.float64)
        if np.isnan(numbers).any():
            self.wrong(f"{what} holds NaN, not a number", "0 / 0, infinity - infinity or log of a negative number")
        if np.isinf(numbers).any():
            self.wrong(f"{what} holds infinity", "a division by 0, log(0), or exp of a large number")
        return numbers

    def compare(self, value: Array, right: Any, mistakes: Iterable[Mistake] = (), what: str = "your result") -> None:
        """Return if the value equals the right one; else say which mistake it equals, or how it differs."""
        value, right = np.asarray(value, dtype=np.float64), np.asarray(right, dtype=np.float64)
        if _close(value, right):
            return
        for mistake in mistakes:
            wrong = np.asarray(mistake.value, dtype=np.float64)
            if wrong.shape == value.shape and _close(value, wrong):
                self.wrong(mistake.message, mistake.hint)
        if _close(value, np.zeros_like(right)):
            self.wrong(f"{what} is 0 everywhere", "is something still to be filled in?")
        if _close(value, -right):
            self.wrong(f"{what} has the wrong sign", "is a minus missing, or one too many?")
        if value.size == 1:  # one number is always so many times another
            self.wrong(f"{what} {_difference(value, right)}", "follow it through your lines, by hand")
        factor = float((value * right).sum() / (right * right).sum()) if right.any() else 0.0
        if factor and _close(value, factor * right):
            self.wrong(f"{what} is {factor:.4g} times what it should be", "a sum for a mean, or a constant left out?")
        if _close(value, value.mean() - right.mean() + right):
            self.wrong(f"{what} is {value.mean() - right.mean():+.4g} off, the same everywhere", "an addend too many?")
        self.wrong(f"{what} {_difference(value, right)}", "follow one number of it through your lines, by hand")

    def _not_nothing(self, value: Any, what: str = "") -> None:
        if value is None:
            given = "your function returns nothing: " if callable(self.given) else ""
            self.wrong(f"{given}{what or 'its result'} is None", "is its last line a return?")
        if value is Ellipsis:
            self.wrong("your function returns the dots (...) of the starting point", "fill in what is to be computed")


def _ended(text: str) -> str:
    return text if text.endswith(("?", ".", "!", "…")) else f"{text}."


def _marked_up(text: str) -> str:
    """Escape for HTML, with `code` in its own face."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(text, quote=False))


def _close(value: Array, other: Array) -> bool:
    return bool(np.allclose(value, other, rtol=_TOLERANCE, atol=_TOLERANCE))


def _difference(value: Array, right: Array) -> str:
    """Where and by how much two arrays of one shape differ."""
    if value.size == 1:
        value, right = value.reshape(()), right.reshape(())
        return f"is {float(value):.5g}, and {float(right):.5g} is right for this input"
    differences = np.abs(value - right)
    agree = int((differences <= _TOLERANCE + _TOLERANCE * np.abs(right)).sum())
    place = tuple(map(int, np.unravel_index(differences.argmax(), value.shape)))
    return (
        f"agrees in {agree} of {value.size} places; at {list(place)} it is {value[place]:.4g}, and {right[place]:.4g} "
        "is right"
    )


def _shape(shape: Sequence[int]) -> str:
    return f"[{', '.join(map(str, shape))}]" if len(shape) else "of a single number, []"


def _kind(value: Any) -> str:
    """What a value is, in words."""
    if value is None:
        return "None"
    if isinstance(value, np.ndarray):
        return f"an array of shape {list(value.shape)} and type {value.dtype}"
    name = {"str": "text", "dict": "a dictionary", "tuple": "a tuple", "list": "a list", "set": "a set"}
    numbers = {"int": "a number", "float": "a number", "bool": "a truth value"}
    return {**name, **numbers}.get(type(value).__name__, f"of type {type(value).__name__}")


def _told(error: Exception) -> str:
    text = " ".join(str(error).split())
    text = text if len(text) <= 160 else f"{text[:159]}…"
    return f": {text}" if text else ""


def _place(function: Any, traceback: TracebackType | None) -> str:
    """Line of the reader's own code in which an error arose, the innermost one, with its text."""
    function = inspect.unwrap(function)
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    filename = code.co_filename if code else None
    found: tuple[str, int] | None = None
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == filename:
            found = traceback.tb_frame.f_code.co_name, traceback.tb_lineno
        traceback = traceback.tb_next
    if found is None or filename is None:
        return ""
    line = linecache.getline(filename, found[1]).strip()
    return f", in line {found[1]}" + (f", `{line}`" if line else "")


def _same(before: Any, after: Any) -> bool:
    """Whether an argument is as it was."""
    if isinstance(before, np.ndarray):
        return (
            isinstance(after, np.ndarray)
            and before.shape == after.shape
            and bool(np.allclose(before, after, rtol=1e-9, atol=1e-9, equal_nan=True))
        )
    if isinstance(before, (tuple, list)):
        return len(before) == len(after) and all(_same(*pair) for pair in zip(before, after, strict=True))
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(_same(before[key], after[key]) for key in before)
    return callable(before) or bool(before == after)
