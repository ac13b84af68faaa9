"""Mistakes that a teacher has seen: each is told apart from the right answer, and named where it is common."""

from __future__ import annotations

import math
from collections import Counter
from math import log
from typing import Any

import numpy as np
import pytest

from elmo.exercises import check
from elmo.exercises.harness import checking
from elmo.exercises.harness.checking import known_exercises
from tests.exercises.pages import SOURCES, run, solutions, starting_points


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def norm(arrays):
    return np.sqrt(sum((array**2).sum() for array in arrays))


def adam(weights, gradient, mean, square, step, rate, *, mine=0.1, power=2.0):
    mean, square = 0.9 * mean + mine * gradient, 0.999 * square + mine / 100 * np.abs(gradient) ** power
    return weights - rate * mean / (1 - 0.9**step) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)


def schedule(falls, times=1.0):
    return lambda s, n, p, w: times * (p * (s + 1) / (w + 1) if s < w else p * falls(math.pi * (s - w) / (n - w)))


def shown_characters(lengths, masked):
    words = np.split(masked, np.cumsum(lengths)[:-1])
    return sum((~word).sum() for word in words if word.any()) / masked.sum()


def at_most_two(text, words):
    cut, begin = [], 0
    while begin < len(text):
        end = next((e for e in range(min(len(text), begin + 2), begin, -1) if text[begin:e] in words), begin + 1)
        cut.append(text[begin:end])
        begin = end
    return cut


def holm_twice(p):
    order = np.argsort(p)
    return np.minimum(1, np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p)))))[order]


NAMED: list[tuple[str, Any, str]] = [
    ("2.3", lambda counts, power: counts**power / counts.sum(), "number of words in the text"),
    ("2.4", lambda u, v, n: (sigmoid(u @ v) - 1) * v + (sigmoid(n @ u) - 1) @ n, "their label is 0"),
    ("2.4", lambda u, v, n: (1 - sigmoid(u @ v)) * v + sigmoid(n @ u) @ n, "the word itself has the wrong sign"),
    ("3.3", lambda words, c, n: sum(log((c.get(w, 0) + 1) / n) for w in words), "add 1 to every count"),
    ("3.3", lambda words, c, n: sum(log(c.get(w, 1) / n, 2) for w in words), "has base 2"),
    ("3.4", lambda train, test, n: sum(w in Counter(train).most_common(n) for w in test) / len(test), "no token of"),
    ("3.5", at_most_two, "two characters at most"),
    ("3.5", lambda text, words: sorted(at_most_two(text, words)), "in another order than in the text"),
    ("4.2", lambda n, h, p: 4 * h * (n + p + 2) + h * p, "two biases"),
    ("4.6", lambda g, most: [array * min(1, 1 / norm(g)) for array in g], "whatever max_norm is"),
    ("5.4", lambda k, size: np.log((k + 2) / (k + 1)) / np.log(size + 2), "log(vocab_size + 2)"),
    ("5.4", lambda k, size: np.log(k + 1) / np.log(size + 1), "all ids below"),
    ("6.2", schedule(lambda done: 1 + math.cos(done)), "twice the peak"),
    ("6.2", schedule(lambda done: 0.01 + 0.99 * (1 + math.cos(done)) / 2, times=2.5), "shares of the peak"),
    ("6.3", lambda w, g, s, rate: (s + g**2, w - rate * g / np.sqrt(s + g**2)), "the squares first"),
    ("6.4", lambda *arguments: adam(*arguments, power=1.0), "not its square"),
    ("6.4", lambda *arguments: adam(*arguments, mine=1.0), "your list of weights"),
    ("6.4", lambda w, *others: adam(w, *others) - w, "the step alone"),
    ("9.3", lambda s, n: np.where(np.arange(len(s)) >= n, -1e9, s), "the masked scores"),
    ("10.5", shown_characters, "characters that show"),
    ("11.4", holm_twice, "a second time"),
    ("12.2", lambda v, e, h, n, tied: 2 * n * (9 * e * h + 4 * h) + v * ((2 - tied) * e + 1) + 1, "is right for this"),
]


@pytest.mark.parametrize(("number", "answer", "words"), NAMED)
def test_a_near_miss_is_named(number: str, answer: Any, words: str) -> None:
    result = check(number, answer)
    assert not result and words in result.message and result.hint, result


@pytest.mark.parametrize("number", [n for n in known_exercises() if int(n.split(".")[0]) < 90])
def test_no_known_mistake_equals_the_right_answer(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the numbers of the exercise hide it: a gradient clipped to a norm of 1 can't show that the norm is missing."""
    find = checking.finding
    visible: dict[tuple[int, int], bool] = {}  # by how many mistakes are known, and the place among them

    def finding(value: Any, right: Any, mistakes: Any, what: str) -> Any:
        mistakes = list(mistakes)
        for place, mistake in enumerate(mistakes):
            wrong = np.asarray(mistake.value, dtype=np.float64)
            differs = wrong.shape != np.shape(right) or find(wrong, right, [], what) is not None
            visible[len(mistakes), place] = visible.get((len(mistakes), place), False) or differs
        return find(value, right, mistakes, what)

    monkeypatch.setattr(checking, "finding", finding)
    page = next(path.stem for path in SOURCES.glob(f"{int(number.split('.')[0]):02d}_*.md"))
    assert check(number, run(solutions(page)[number], starting_points(page)[number][1]))
    assert all(visible.values()), visible
