"""The package as a house: rooms stand on one another without a circle, none is crowded, CONTRIBUTING.md shows them."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from book.tools import rooms

MOST_MODULES = 12
MOST_LINES = 350
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


def test_the_routes_on_the_page_lead_from_each_stop_to_the_next(repository: Path) -> None:
    page = (repository / "CONTRIBUTING.md").read_text(encoding="utf-8")
    routes = re.findall(r"^\*\*(.+?)\*\*.*\n\n((?:\d+\. .+\n)+)", page.split("### Three routes")[1], re.MULTILINE)
    assert len(routes) == 3
    package = repository / "elmo"
    for route, text in routes:
        stops = re.findall(r"^\d+\. `(\w+)` in `([\w/]+\.py)` ", text, re.MULTILINE)
        assert len(stops) == text.count("\n") <= 9, route
        passed: set[Path] = set()
        for name, file in stops:
            path = package / file
            assert name in _defined(path), f"{route}: {file} defines no {name}"
            if path.parent != package / "commands":  # where a command begins
                assert _leads(passed or set((package / "commands").glob("*.py")), path, name), f"{route}: {name}"
            passed.add(path)


def test_a_stop_that_nothing_leads_to_is_found(repository: Path) -> None:
    package = repository / "elmo"
    assert _leads({package / "training/loop.py"}, package / "training/optimizer.py", "make_optimizer")
    assert _leads({package / "tagging/train.py"}, package / "tagging/projection.py", "project")  # by way of examples
    assert not _leads({package / "training/loop.py"}, package / "tagging/projection.py", "project")
    assert not _leads({package / "tagging/train.py"}, package / "tagging/projection.py", "best_chunks")


def _leads(passed: set[Path], path: Path, name: str) -> bool:
    """Whether a name is imported from a module by one of those that were passed, or by one that these import from."""
    near = passed | {helper for module in passed for helper, _ in _imported(module)}
    return any((path, name) in _imported(module) for module in near)


def _defined(path: Path) -> set[str]:
    """Functions and classes of a module."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return {node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, kinds)}


@cache
def _imported(path: Path) -> frozenset[tuple[Path, str]]:
    """What a module imports from the package, inside functions too: the file of each thing, and its name."""
    root = next(folder for folder in path.parents if folder.name == "elmo").parent
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "elmo":
            place = root.joinpath(*str(node.module).split("."))
            for alias in node.names:
                folders = (place / alias.name, place)  # a module of a package, or what a module defines
                files = [file for each in folders for file in (each.with_suffix(".py"), each / "__init__.py")]
                found.add((next(file for file in files if file.is_file()), alias.name))
    return frozenset(found)
