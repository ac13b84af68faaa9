"""Answers made by chance for every checker of the book: hostile values in trees, and solutions with a spoilt place."""

from __future__ import annotations

import builtins
import contextlib
import io
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from elmo.exercises import check
from elmo.exercises.harness import guard
from elmo.exercises.harness.checking import known_exercises

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the hostile values are those of the tests

from tests.exercises import hostile, pages  # noqa: E402

Case = Callable[[Path, random.Random], object]

_TIME_LIMIT = 0.5  # seconds of a reader's code; more than right answers take
_FORMS: tuple[Any, ...] = (
    list,
    tuple,
    iter,
    hostile.SlyList,
    lambda made: hostile._objects(*made),
    lambda made: dict(enumerate(made)),
)
_LEAVES: tuple[Any, ...] = (*hostile.VALUES.values(), lambda: 0.5, lambda: "我们", lambda: -1, lambda: np.ones((2, 3)))


def checker_cases() -> dict[str, Case]:
    """Every checker, with an odd answer."""
    guard.TIME_LIMIT = _TIME_LIMIT
    return {f"check {number}": _case(number) for number in known_exercises()}


def _case(number: str) -> Case:
    def case(_: Path, generator: random.Random) -> None:
        answer, is_hostile = _answer(number, generator)
        before = sys.stdin, sys.stdout, sys.stderr, builtins.input, sys.getrecursionlimit(), np.geterr()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            result = check(number, answer)
        after = sys.stdin, sys.stdout, sys.stderr, builtins.input, sys.getrecursionlimit(), np.geterr()
        assert before == after, "what a check must put back is another"
        for text in (result.message, *([] if result else [result.hint])):
            assert type(text) is str and 0 < len(text) <= 400 and text.isprintable(), f"no sentence: {text!a}"
        assert "checker has failed" not in result.message, result.message
        assert not (result and is_hostile), "a hostile answer is called right"

    return case


def _answer(number: str, generator: random.Random) -> tuple[Any, bool]:
    """An answer, and whether it can't be right."""
    match generator.randrange(6):
        case 0:
            return generator.choice(list(hostile.ANSWERS.values())), True
        case 1:
            return _tree(generator, 3)(), True
        case 2:
            make = _tree(generator, 4)
            return lambda *_: make(), True
        case _:
            return _spoilt_solution(number, generator), False


def _tree(generator: random.Random, depth: int) -> Callable[[], Any]:
    """What makes a value, or several in others."""
    if depth == 0 or generator.random() < 0.3:
        leaf: Callable[[], Any] = generator.choice(_LEAVES)
        return leaf
    form = generator.choice(_FORMS)
    parts = [_tree(generator, depth - 1) for _ in range(generator.randrange(5))]
    return lambda: form([part() for part in parts])


def _spoilt_solution(number: str, generator: random.Random) -> Any:
    """The solution in the book, which returns something else in one place, or whose form is another."""
    page = next(path.stem for path in pages.SOURCES.glob(f"{int(number.split('.')[0]):02d}_*.md"))
    right = pages.run(pages.solutions(page)[number], pages.starting_points(page)[number][1])
    leaf, seed, late = _tree(generator, 1), generator.random(), generator.randrange(3)
    calls = 0

    def spoilt(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        value = right(*arguments)
        return value if calls <= late else _spoil(value, leaf, random.Random(seed))

    return spoilt


def _spoil(value: Any, leaf: Callable[[], Any], generator: random.Random) -> Any:
    if isinstance(value, np.ndarray) and value.ndim > 0 and generator.random() < 0.8:
        value = list(value)
    if isinstance(value, list | tuple) and value and generator.random() < 0.9:
        place = generator.randrange(len(value))
        changed = [*value[:place], _spoil(value[place], leaf, generator), *value[place + 1 :]]
        match generator.randrange(8):
            case 0:
                return changed[:-1]
            case 1:
                return [*changed, changed[0]]
            case 2:
                return iter(changed)
            case _:
                return changed
    return leaf()
