"""An exercise is shown with the number that its label says, and a label that does not fit its page is a warning."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest

pytest.importorskip("sphinx_exercise", reason="the book needs the extra `book`")

from book.tools.exercise_numbers import number_exercises


def numbered(labels: list[str], page: str = "book/05_bilm") -> dict[str, tuple[int, int]]:
    entries = {label: {"type": "exercise", "docname": page} for label in labels}
    entries["solution"] = {"type": "solution", "docname": page}
    environment = SimpleNamespace(
        sphinx_exercise_registry=entries, toc_fignumbers={page: {"exercise": {"ex-5-1": (33,)}}}
    )
    assert number_exercises(SimpleNamespace(), environment) == []  # type: ignore[arg-type]
    return environment.toc_fignumbers[page]["exercise"]


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(logging.getLogger("sphinx"), "propagate", True)
    return caplog


def test_labels_give_the_numbers():
    assert numbered(["ex-5-1", "ex-5-2"]) == {"ex-5-1": (5, 1), "ex-5-2": (5, 2)}


def test_chapter_0_counts_too():
    assert numbered(["ex-0-1"], "book/00_how_to_use")["ex-0-1"] == (0, 1)


@pytest.mark.parametrize("labels", [["ex-4-1"], ["ex-5-2"], ["ex-5-1", "ex-5-3"], ["perplexity"], ["ex-5-01"]])
def test_a_label_that_does_not_fit_is_a_warning(labels: list[str], warnings: pytest.LogCaptureFixture):
    numbered(labels)
    assert "its label must be ex-5-" in warnings.text
