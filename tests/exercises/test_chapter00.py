"""Checker of the chapter before the first: typical mistakes are named. Its solution is in `test_pages.py`."""

from __future__ import annotations

import pytest

from tests.exercises.pages import run
from tests.exercises.wrong_answers import assert_named

WRONG = [
    ("w", "has not moved"),
    ("w + rate * 2 * (3 * w - 6) * 3", "uphill"),
    ("w - rate * 2 * (3 * w - 6)", "inner derivative is missing"),
    ("w - rate * (3 * w - 6) * 3", "factor 2"),
    ("w - 2 * (3 * w - 6) * 3", "the rate is missing"),
    ("-rate * 2 * (3 * w - 6) * 3", "the change alone"),
    ("2 * (3 * w - 6) * 3", "you returned the gradient"),
]


@pytest.mark.parametrize(("result", "finding"), WRONG)
def test_a_mistake_is_recognised(result: str, finding: str):
    assert_named("0.2", run(f"def step(w, rate):\n    return {result}", "step"), finding)
