"""Wrong answers to a chapter's exercises, and what its checkers say to them."""

from __future__ import annotations

from typing import Any

import pytest

from elmo.exercises import check


def cases(wrong: dict[str, list[tuple[Any, str]]]) -> list[Any]:
    """Parameters of a test, from the wrong answers to each exercise: its number, an answer, what is found in it."""
    return [
        pytest.param(number, answer, finding, id=f"{number} {finding}")
        for number, answers in wrong.items()
        for answer, finding in answers
    ]


def assert_named(number: str, answer: Any, finding: str) -> None:
    """The checker refuses the answer, says what is wrong with it, and hints at what is right."""
    result = check(number, answer)
    assert not result and finding in result.message and result.hint, result
