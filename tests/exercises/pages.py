"""Starting points and solutions of a chapter's exercises, as they stand in its page."""

from __future__ import annotations

import ast
import linecache
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

SOURCES = Path(__file__).resolve().parents[2] / "book" / "src"
_CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SOLUTION = re.compile(r"^(:{3,})\{solution\} ex-(\d+)-(\d+)\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CHECK = re.compile(r"""^check\("([\d.]+)", (\w+)\)$""", re.MULTILINE)


def starting_points(page: str) -> dict[str, tuple[str, str]]:
    """Code that is given, and the name of what is checked, by exercise: the cells that end in `check("N", name)`."""
    text = (SOURCES / f"{page}.md").read_text(encoding="utf-8")
    return {number: (code, name) for code in _CELL.findall(text) for number, name in _CHECK.findall(code)}


def solutions(page: str) -> dict[str, str]:
    """Code of the hidden solutions, by exercise; of several blocks the one that defines what is checked."""
    text = (SOURCES / f"{page}.md").read_text(encoding="utf-8")
    wanted = {number: name for number, (_, name) in starting_points(page).items()}
    found = ((f"{chapter}.{place}", part) for _, chapter, place, part in _SOLUTION.findall(text))
    return {
        number: code
        for number, part in found
        for code in _PYTHON.findall(part)
        if wanted.get(number) in set(_defined(code))
    }


def run(code: str, name: str, setup: dict[str, Any] | None = None) -> Any:
    """What a name stands for after the code; `check` does nothing, and NumPy is np."""
    names = {"np": np, "check": lambda *_: None, **(setup or {})}
    filename = f"<cell that defines {name}>"
    linecache.cache[filename] = (len(code), None, code.splitlines(keepends=True), filename)
    exec(compile(code, filename, "exec"), names)
    return names[name]


def _defined(code: str) -> Iterator[str]:
    for node in ast.parse(code).body:
        if isinstance(node, ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
