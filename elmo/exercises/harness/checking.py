"""What all checkers share: the registry, calling a reader's function, and saying in words how an answer differs."""

from __future__ import annotations

import copy
import html
import importlib
import inspect
import os
import pkgutil
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from elmo.exercises.harness.comparing import Mistake, finding, no_number_hint, shape_asked, shape_hint, shape_words
from elmo.exercises.harness.guard import Guard, Trouble, told
from elmo.exercises.harness.plain import Other, changed_part, cut_line, kind_of, odd_one, plain, same, type_name
from elmo.system.types import Array

__all__ = ["Answer", "Mistake", "Result", "WrongAnswerError", "check", "exercise", "known_exercises"]

Checker = Callable[["Answer", np.random.Generator], None]

_CHAPTERS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # the folder of their modules
_CHECKERS: dict[str, Checker] = {}
_LONGEST = 400  # characters of a message or a hint


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


def exercise(number: str) -> Callable[[Checker], Checker]:
    """Register a checker under the number of its exercise, such as "4.2"."""

    def register(checker: Checker) -> Checker:
        _CHECKERS[number] = checker
        return checker

    return register


def check(number: str, answer: Any) -> Result:
    """Check an answer to an exercise of the book and say what is right or wrong with it; only an interrupt is raised.

    An answer that runs for longer than 10 seconds is ended, in the main thread on Linux and macOS; elsewhere a line on
    standard error says that it still runs.

    Args:
        number: of the exercise, as it stands in the book: "4.2".
        answer: what the exercise asks for, mostly a function (without calling it).
    """
    if type(number) is not str:  # `isinstance` would ask an odd object what it is
        shown = str(number) if issubclass(type(number), int | float) else "4.2"
        return Result(shown, False, f'write the number in quotes, check("{shown}", ...)', "it is a text with one point")
    if (checker := _find(number)) is None:
        known = ", ".join(known_exercises())
        return Result(cut_line(number, 20), False, f"no such exercise: there are {known}", "its number on the page")
    try:
        with np.errstate(all="ignore"):
            checker(Answer(answer, checker), np.random.default_rng(zlib.crc32(number.encode())))
    except WrongAnswerError as wrong:
        return Result(number, False, wrong.message, wrong.hint)
    except Exception as error:
        found = cut_line(f"{type(error).__name__}: {error}", 160)
        return Result(number, False, f"this checker has failed ({found})", "the fault is ours: please report it")
    return Result(number, True, "right")


def known_exercises() -> list[str]:
    """Numbers of all exercises that have a checker, in the order of the book."""
    for module in pkgutil.iter_modules([_CHAPTERS]):
        if re.fullmatch(r"chapter\d\d", module.name):
            importlib.import_module(f"elmo.exercises.{module.name}")
    return sorted(_CHECKERS, key=lambda number: [int(part) for part in number.split(".")])


def _find(number: str) -> Checker | None:
    """The checker of an exercise; only its chapter's module is imported."""
    if number not in _CHECKERS and (chapter := re.fullmatch(r"(0|[1-9]\d?)\.\d+", number)):
        name = f"chapter{int(chapter.group(1)):02d}"
        if os.path.isfile(os.path.join(_CHAPTERS, f"{name}.py")):
            importlib.import_module(f"elmo.exercises.{name}")
    return _CHECKERS.get(number)


class Answer:
    """A reader's answer and the usual questions about it; each raises `WrongAnswerError` where it can't be right.

    The reader's code runs in here alone, under a guard, and what it returns comes out as plain data (`plain.py`): a
    checker can compare, count and print it without asking what it might do.
    """

    def __init__(self, given: Any, checker: Checker) -> None:
        self._function = given
        self._guard = Guard()
        usage = inspect.getdoc(checker) or ""
        self.usage = usage.splitlines()[0].rstrip(".") if usage else ""

    def wrong(self, message: str, hint: str = "") -> NoReturn:
        """End the check with this finding."""
        raise WrongAnswerError(cut_line(message, _LONGEST), cut_line(hint, _LONGEST))

    def call(self, *arguments: Any) -> Any:
        """Return what the reader's function returns for copies of the arguments, as plain data."""
        function = self._function
        if not callable(function):
            self._not_a_function()
        copies = copy.deepcopy(arguments)
        doing = "calling"

        def work() -> tuple[Any, Any]:
            nonlocal doing
            if not _takes(function, arguments):
                return _Unfit, None
            value = function(*copies)
            doing = "looking"
            return plain(value), plain(copies)

        try:
            value, after = self._guard.run(work)
        except Trouble as trouble:
            message, hint = told(trouble, self._guard.limit)
            if doing == "looking":
                self.wrong(
                    f"looking at what your function returns {message}", "return plain numbers, text, lists or arrays"
                )
            self.wrong(f"your function {message}", hint or f"it was called as {self.usage}")
        if value is _Unfit:
            self.wrong(
                f"your function does not take the {len(arguments)} arguments that it is called with",
                f"it is called as {self.usage}",
            )
        self._not_changed(plain(arguments), after)
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
        is_several = isinstance(value, np.ndarray) and value.ndim > 0
        if not is_several and not isinstance(value, tuple | list):
            self.wrong(f"{wanted}, and your function returns {kind_of(value)}", f"return {', '.join(names)}")
        if len(value) != len(names):
            self.wrong(f"{wanted}, and your function returns {len(value)}", f"return {', '.join(names)}")
        return list(value)

    def items(self, value: Any, message: str, hint: str) -> list[Any]:
        """Return the things in a plain list, or whatever one can iterate over; else end with this finding."""
        if isinstance(value, np.ndarray) and value.ndim > 0:
            return list(value.tolist())
        if isinstance(value, Other):
            value = value.items
        if not isinstance(value, tuple | list):
            self.wrong(message, hint)
        return [item.item() if isinstance(item, np.ndarray) and item.ndim == 0 else item for item in value]

    def as_array(self, value: Any, shape: Sequence[int], what: str = "your result", *, finite: bool = True) -> Array:
        """Return a plain value as a float array of this shape; NaN and infinity pass where it need not be finite."""
        self._not_nothing(value, what)
        if isinstance(value, Other) and value.shape is not None:
            given_shape: Sequence[int] = value.shape
        else:
            numbers = self._as_numbers(value, shape, what)
            given_shape = numbers.shape
        if tuple(given_shape) != tuple(shape):
            self.wrong(
                f"{what} has the shape {shape_words(given_shape)}, and {shape_words(shape)} is asked for",
                shape_hint(given_shape, shape),
            )
        if finite and np.isnan(numbers).any():
            self.wrong(f"{what} holds NaN, not a number", "0 / 0, infinity - infinity or log of a negative number")
        if finite and np.isinf(numbers).any():
            self.wrong(f"{what} holds infinity", "a division by 0, log(0), or exp of a large number")
        return numbers

    def compare(self, value: Array, right: Any, mistakes: Iterable[Mistake] = (), what: str = "your result") -> None:
        """Return if the value equals the right one; else say which mistake it equals, or how it differs."""
        if found := finding(np.asarray(value, dtype=np.float64), np.asarray(right), mistakes, what):
            self.wrong(*found)

    def _not_nothing(self, value: Any, what: str = "") -> None:
        if value is None:
            self.wrong(f"your function returns nothing: {what or 'its result'} is None", "is its last line a return?")
        if value is Ellipsis:
            self.wrong("your function returns the dots (...) of the starting point", "fill in what is to be computed")

    def _not_a_function(self) -> NoReturn:
        try:
            given = self._guard.run(lambda: plain(self._function))
        except Trouble:
            given = Other(f"something of type {type_name(type(self._function))}")
        if given is Ellipsis:
            self.wrong("your answer is the dots (...) of the starting point", "fill in what is to be computed")
        self.wrong(
            f"a function is asked for, and this is {kind_of(given)}",
            f"give the function itself, without brackets behind its name: {self.usage}",
        )

    def _not_changed(self, before: Any, after: Any) -> None:
        """End the check if an argument has changed: the lines that call the function count on what they gave."""
        if same(before, after):
            return
        part = changed_part(before, after)
        if isinstance(part, np.ndarray):
            self.wrong("your function changes an array that it was given", "compute a new array: x = x + 1, not x += 1")
        self.wrong(
            f"your function changes {kind_of(part)} that it was given", f"change {type(part).__name__}(...), a copy"
        )

    def _as_numbers(self, value: Any, shape: Sequence[int], what: str) -> Array:
        words = f"{what} is {kind_of(value)}"
        if isinstance(value, tuple | list) and (odd := odd_one(value)):
            self.wrong(f"{words} and holds {odd}, and numbers are asked for", no_number_hint(value, shape))
        try:
            array = np.asarray(value)
        except ValueError:  # rows of different lengths
            self.wrong(f"{words} whose rows differ in length", shape_asked(shape))
        if array.dtype.kind not in "fiub":
            self.wrong(f"{words}, and numbers are asked for", no_number_hint(value, shape))
        return array.astype(np.float64)


class _Unfit:
    """Stands for the result of a function that does not take the arguments."""


def _takes(function: Any, arguments: Sequence[Any]) -> bool:
    """Whether a function takes the arguments, as far as one can know."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a built-in function without a signature
        return True
    try:
        signature.bind(*arguments)
    except TypeError:
        return False
    return True


def _ended(text: str) -> str:
    return text if text.endswith(("?", ".", "!", "…")) else f"{text}."


def _marked_up(text: str) -> str:
    """Escape for HTML, with `code` in its own face."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(text, quote=False))
