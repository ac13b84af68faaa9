"""Checkers of chapter 2: typical mistakes are named. Solutions and starting points are in `test_pages.py`."""

from __future__ import annotations

import numpy as np
import pytest

from tests.exercises.pages import run
from tests.exercises.wrong_answers import assert_named

WRONG = [
    ("2.3", "def noise(counts, power):\n    return counts**power", "weights that do not sum to 1"),
    ("2.3", "def noise(counts, power):\n    return counts / counts.sum()", "the power is missing"),
    ("2.3", "def noise(counts, power):\n    return (counts / counts.sum())**power", "did not divide again"),
    ("2.3", "def noise(counts, power):\n    return counts * power / (counts * power).sum()", "the power is missing"),
    ("2.3", "def noise(counts, power):\n    w = counts**0.75\n    return w / w.sum()", "whatever the power is"),
    ("2.4", "def pair_gradient(u, v, noise):\n    return (S(u @ v) - 1) * v", "lacks the noise words"),
    ("2.4", "def pair_gradient(u, v, noise):\n    return S(noise @ u) @ noise", "lacks the word itself"),
    (
        "2.4",
        "def pair_gradient(u, v, noise):\n    return (S(u @ v) - 1) * v - S(noise @ u) @ noise",
        "noise words have the wrong sign",
    ),
    (
        "2.4",
        "def pair_gradient(u, v, noise):\n    return (1 - S(u @ v)) * v - S(noise @ u) @ noise",
        "it points downhill",
    ),
    (
        "2.4",
        "def pair_gradient(u, v, noise):\n    return (S(u @ v) - 1) * v + S(noise @ u) @ noise / len(noise)",
        "mean over the noise words",
    ),
    (
        "2.4",
        "def pair_gradient(u, v, noise):\n    return S(u @ v) * v + S(noise @ u) @ noise",
        "treat the word like a noise word",
    ),
    (
        "2.4",
        "def pair_gradient(u, v, noise):\n    return (S(u @ v) - 1) * u + S(noise @ u).sum() * u",
        "made of u itself",
    ),
    ("2.5", "def analogy(x, a, b, c):\n    x = U(x)\n    return (x @ (x[b] - x[a] + x[c])).argmax()", "three words"),
    ("2.5", "def analogy(x, a, b, c):\n    return best(U(x), x, (a, b, c), U(x)[a] - U(x)[b] + U(x)[c])", "a - b + c"),
    ("2.5", "def analogy(x, a, b, c):\n    return best(x, x, (a, b, c), x[b] - x[a] + x[c])", "different lengths"),
    (
        "2.5",
        "def analogy(x, a, b, c):\n    x = U(x)\n    return (x @ (x[b] - x[a] + x[c])).argmin()",
        "furthest away",
    ),
]
HELPERS = {
    "S": lambda x: 1 / (1 + np.exp(-x)),
    "U": lambda x: x / np.linalg.norm(x, axis=1, keepdims=True),
    "best": lambda rows, _, out, target: np.where(np.isin(np.arange(len(rows)), out), -np.inf, rows @ target).argmax(),
}


@pytest.mark.parametrize(("number", "code", "finding"), WRONG)
def test_a_typical_mistake_is_named(number: str, code: str, finding: str) -> None:
    name = code.removeprefix("def ").split("(")[0]
    assert_named(number, run(code, name, HELPERS), finding)
