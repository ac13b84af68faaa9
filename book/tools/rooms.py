"""`python -m book.tools.rooms`: the package as a house, drawn from its imports into CONTRIBUTING.md.

A room is a folder of `elmo` or a module beside them. Each stands on the rooms that it imports from, so the highest is
drawn first; a room that is imported from below can't be drawn.
"""

from __future__ import annotations

import ast
import graphlib
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from book.tools import REPOSITORY

PAGE = REPOSITORY / "CONTRIBUTING.md"
_BEGIN, _END = "<!-- rooms: drawn by python -m book.tools.rooms -->\n```\n", "```\n<!-- end of rooms -->"
_WIDTH, _INDENT = 120, 15


def rooms(package: Path = REPOSITORY / "elmo") -> dict[str, list[str]]:
    """Names of the modules in each room; a module beside the folders is a room without any."""
    found: dict[str, list[str]] = {}
    for path in sorted(package.rglob("*.py")):
        first, *inner = path.relative_to(package).with_suffix("").parts
        if inner:
            found.setdefault(first, []).append("/".join(inner).removesuffix("/__init__"))
        elif not first.startswith("__"):
            found.setdefault(first, [])
    return {room: sorted(module for module in modules if module != "__init__") for room, modules in found.items()}


def stands_on(package: Path = REPOSITORY / "elmo") -> dict[str, set[str]]:
    """The rooms that each room imports from, inside functions too."""
    found: dict[str, set[str]] = {room: set() for room in rooms(package)}
    for path in sorted(package.rglob("*.py")):
        room = path.relative_to(package).parts[0].removesuffix(".py")
        if room in found:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            found[room] |= {other for other in _imported(tree) if other in found and other != room}
    return found


def floors(package: Path = REPOSITORY / "elmo") -> list[list[str]]:
    """Rooms by floors, the lowest first: each imports from those below alone.

    Raises:
        graphlib.CycleError: some rooms import from one another; names them.
    """
    sorter = graphlib.TopologicalSorter(stands_on(package))
    sorter.prepare()
    found = []
    while sorter.is_active():
        ready = sorter.get_ready()
        found.append(sorted(ready))
        sorter.done(*ready)
    return found


def drawing(package: Path = REPOSITORY / "elmo") -> str:
    """The house, the highest floor first; files that stand alone on a floor share a line."""
    inside, lines = rooms(package), []
    for floor in reversed(floors(package)):
        folders = [room for room in floor if inside[room]]
        if alone := [f"{room}.py" for room in floor if not inside[room]]:
            lines += textwrap.wrap("  ".join(alone), _WIDTH)
        for room in folders:
            text = " ".join(inside[room])
            lines += textwrap.wrap(
                text, _WIDTH, initial_indent=f"{room}/".ljust(_INDENT), subsequent_indent=" " * _INDENT
            )
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def on_page(text: str) -> str:
    """What the page has between its marks."""
    match = re.search(re.escape(_BEGIN) + "(.*?)" + re.escape(_END), text, re.DOTALL)
    return match[1] if match else ""


def main() -> None:
    """Put the drawing into the page."""
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(text.replace(_BEGIN + on_page(text) + _END, _BEGIN + drawing() + _END), encoding="utf-8")


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "elmo":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("elmo."):
            yield str(node.module).split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("elmo."))


if __name__ == "__main__":
    main()
