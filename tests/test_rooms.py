"""The package as a house: rooms stand on one another without a circle, none is crowded, CONTRIBUTING.md shows them."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from book.tools import rooms

MOST_MODULES = 12
MOST_LINES = 375
LONGER = {"nn/native/__init__.py": "one function for each loop in C++"}


def test_the_page_shows_the_rooms_as_the_imports_have_them(repository: Path) -> None:
    shown = rooms.on_page((repository / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert shown == rooms.drawing(), "draw it again: python -m book.tools.rooms"


def test_a_circle_of_rooms_is_found(tmp_path: Path) -> None:
    files = {
        "a.py": "from elmo.b import c\n",
        "b/__init__.py": "",
        "b/c.py": "def f():\n    from elmo import a\n",
        "d.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(rooms.graphlib.CycleError, match="cycle"):
        rooms.floors(tmp_path)
    (tmp_path / "b/c.py").write_text("from elmo.d import e\n", encoding="utf-8")
    assert rooms.floors(tmp_path) == [["d"], ["b"], ["a"]]


def test_no_room_is_crowded(repository: Path) -> None:
    package = repository / "elmo"
    modules = [path for path in package.rglob("*.py") if not path.name.startswith("__")]
    crowded = {str(folder): count for folder, count in Counter(path.parent for path in modules).items()}
    assert {folder: count for folder, count in crowded.items() if count > MOST_MODULES} == {}
    long = {
        path.relative_to(package).as_posix(): lines
        for path in package.rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MOST_LINES
    }
    assert long.keys() == LONGER.keys(), long


def test_the_routes_on_the_page_lead_through_files_that_are_there(repository: Path) -> None:
    page = (repository / "CONTRIBUTING.md").read_text(encoding="utf-8")
    routes = re.findall(r"^\*\*(.+?)\*\*.*\n\n((?:\d+\. .+\n)+)", page.split("### Three routes")[1], re.MULTILINE)
    assert len(routes) == 3
    for name, stops in routes:
        files = re.findall(r"^\d+\. `([\w/]+\.py)`", stops, re.MULTILINE)
        assert len(files) == stops.count("\n") <= 9, name
        assert [file for file in files if not (repository / "elmo" / file).is_file()] == [], name
