"""How a reader's numbers differ from the right ones, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elmo.exercises.harness.plain import Other
from elmo.system.types import Array

_TOLERANCE = 1e-4  # of each number, and of the largest below 1: the package's sums in float32 agree to about 1e-6
_WHOLE = 1e-9  # relative, where the right numbers are whole: a count is right or wrong


@dataclass(frozen=True)
class Mistake:
    """A wrong variant and what to tell a reader whose result equals it."""

    value: Any  # of the same form as the right result
    message: str  # such as "your result equals that without the bias"
    hint: str


def finding(value: Array, right: Array, mistakes: Iterable[Mistake], what: str) -> tuple[str, str] | None:
    """What is wrong with finite numbers of the right shape, and where to look; nothing where they are right."""
    relative = _TOLERANCE if right.dtype.kind == "f" else _WHOLE
    right = right.astype(np.float64)
    largest = float(np.abs(right).max(initial=0)) or 1.0

    def close(numbers: Array, other: Array) -> bool:
        return bool(np.allclose(numbers, other, rtol=relative, atol=_TOLERANCE * min(1.0, largest)))

    if close(value, right):
        return None
    for mistake in mistakes:
        wrong = np.asarray(mistake.value, dtype=np.float64)
        if wrong.shape == value.shape and close(value, wrong):
            return mistake.message, mistake.hint
    if close(value, np.zeros_like(right)):
        return f"{what} is 0{' everywhere' if value.size > 1 else ''}", "is something still to be filled in?"
    if close(value, -right):
        return f"{what} has the wrong sign", "is a minus missing, or one too many?"
    if value.size == 1:  # one number is always so many times another
        return f"{what} {_difference(value, right)}", "follow it through your lines, by hand"
    factor = float((value * right).sum() / (right * right).sum()) if right.any() else 0.0
    if factor and close(value, factor * right):
        return f"{what} is {factor:.4g} times what it should be", "a sum for a mean, or a constant left out?"
    if close(value, value.mean() - right.mean() + right):
        return (
            f"{what} is {value.mean() - right.mean():+.4g} off, the same everywhere",
            "an addend too many, or one missing?",
        )
    return f"{what} {_difference(value, right)}", "follow one number of it through your lines, by hand"


def shape_words(shape: Sequence[int]) -> str:
    """A shape in words."""
    return f"[{', '.join(map(str, shape))}]" if len(shape) else "of a single number, []"


def shape_asked(shape: Sequence[int]) -> str:
    """What is asked for where something else than numbers came."""
    return f"the shape is {shape_words(shape)}" if len(shape) else "one number is asked for, with nothing around it"


def shape_hint(given: Sequence[int], asked: Sequence[int]) -> str:
    """Where a wrong shape may come from."""
    if [n for n in given if n != 1] == [n for n in asked if n != 1]:
        return "only axes of length 1 differ: [0], keepdims or reshape"
    if not asked:
        return "one number is asked for: is a sum, a mean or a place in it, such as [0], missing?"
    if not given:
        return "a sum or a mean over everything? with axis=... it leaves the other axes"
    if list(given) == list(asked)[::-1]:
        return "it is the other way round: is a transpose (.T) missing, or one too many?"
    return "write the shape of each product beside its line, [rows, columns]"


def no_number_hint(value: Any, shape: Sequence[int]) -> str:
    """How to come from a plain value that is none to numbers."""
    words = value.words if isinstance(value, Other) else ""
    if words.startswith("a generator"):
        return "make an array of it: np.array(list(...))"
    known = {
        "a function": "are the brackets behind its name missing?",
        "a class": "are the brackets behind its name missing?",
        "a coroutine": "leave out async",
    }
    if isinstance(value, complex) or (isinstance(value, np.ndarray) and value.dtype.kind == "c"):
        return "a root of a negative number?"
    return known.get(words, shape_asked(shape))


def _difference(value: Array, right: Array) -> str:
    """Where and by how much two arrays of one shape differ."""
    if value.size == 1:
        value, right = value.reshape(()), right.reshape(())
        return f"is {_digits(float(value))}, and {_digits(float(right))} is right for this input"
    differences = np.abs(value - right)
    agree = int((differences <= _TOLERANCE + _TOLERANCE * np.abs(right)).sum())
    place = tuple(map(int, np.unravel_index(differences.argmax(), value.shape)))
    return (
        f"agrees in {agree} of {value.size} places; at {list(place)} it is {value[place]:.4g}, and {right[place]:.4g} "
        "is right"
    )


def _digits(number: float) -> str:
    return str(int(number)) if number.is_integer() and abs(number) < 1e9 else f"{number:.5g}"
