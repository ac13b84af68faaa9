"""The instructors' notes know every exercise of the book, its kind, and whether it has a checker."""

from __future__ import annotations

import re

from book.tools import BOOK, SOURCES
from elmo.exercises.harness.checking import known_exercises

NOTES = BOOK / "teaching.md"
_EXERCISE = re.compile(r"^:{3,}\{exercise(?:-start)?\} (\w+)\n:label: ex-(\d+)-(\d+)$", re.MULTILINE)
_ROW = re.compile(r"^\| (\d+\.\d+) \| ([^|]+) \| (\w+) \| (\d+) \| ([123]) \| (yes)? ?\|$", re.MULTILINE)


def exercises() -> dict[str, str]:
    """Kind of every exercise, by its number."""
    pages = [*BOOK.glob("[0-9][0-9]_*.md"), *SOURCES.glob("[0-9][0-9]_*.md")]
    found = [match for page in pages for match in _EXERCISE.findall(page.read_text(encoding="utf-8"))]
    return {f"{chapter}.{number}": kind for kind, chapter, number in found}


def rows() -> dict[str, tuple[str, bool]]:
    """Kind of each exercise in the table, and whether it says that there is a checker."""
    found = _ROW.findall(NOTES.read_text(encoding="utf-8"))
    return {number: (kind, bool(checker)) for number, _, kind, _, _, checker in found}


def test_every_exercise_stands_in_the_table_with_its_kind() -> None:
    kinds = {number: kind for number, (kind, _) in rows().items()}
    written = exercises()
    assert len(written) > 90
    assert {number: kinds.get(number) for number in written} == written


def test_the_table_says_which_exercises_have_a_checker() -> None:
    table = rows()
    wrong = [number for number in exercises() if table[number][1] != (number in known_exercises())]
    assert wrong == []


def test_the_plans_name_exercises_that_there_are() -> None:
    plans = NOTES.read_text(encoding="utf-8").split("## The exercises")[0].split("## Twelve weeks")[1]
    named = re.findall(r"(?<![\d.])(\d+\.\d+)(?![\d.])", plans)
    assert len(named) > 50 and set(named) <= rows().keys()
