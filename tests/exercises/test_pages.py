"""On every page with checkers, each solution is right and each starting point is not yet."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from elmo.exercises import check
from elmo.exercises.harness.checking import known_exercises

_SPEC = importlib.util.spec_from_file_location("pages", Path(__file__).with_name("pages.py"))
assert _SPEC and _SPEC.loader
pages = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(pages)

PAGES = [path.stem for path in sorted(pages.SOURCES.glob("[0-9][0-9]_*.md")) if pages.starting_points(path.stem)]
GIVEN = [(page, number) for page in PAGES for number in pages.starting_points(page)]


@pytest.mark.parametrize(("page", "number"), GIVEN)
def test_the_starting_point_is_not_yet_right(page: str, number: str):
    code, name = pages.starting_points(page)[number]
    result = check(number, pages.run(code, name))
    assert not result and result.hint


@pytest.mark.parametrize(("page", "number"), GIVEN)
def test_the_solution_is_right(page: str, number: str):
    _, name = pages.starting_points(page)[number]
    assert number in pages.solutions(page), f"no solution defines {name}"
    result = check(number, pages.run(pages.solutions(page)[number], name))
    assert result, repr(result)


def test_every_checker_has_an_exercise_in_its_chapter():
    written = {int(page[:2]) for page in PAGES}
    known = {number for number in known_exercises() if int(re.match(r"\d+", number).group()) in written}  # type: ignore[union-attr]
    assert known == {number for _, number in GIVEN}
