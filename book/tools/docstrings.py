"""A Sphinx extension: docstrings as we write them become the reference that Sphinx expects.

Stars and bars stand for themselves, a Markdown table is a table, and the comment behind a dataclass's field, which says
what it means, is shown with it.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import io
import itertools
import re
import textwrap
import tokenize
from typing import Any

from sphinx.application import Sphinx

_TABLE_ROW = re.compile(r"\s*\|.*\|\s*$")
_CODE = re.compile(r"(`+[^`]*`+)")


def plain(lines: list[str]) -> list[str]:
    """Lines in which reStructuredText finds only what we mean: code in backticks, lists, tables and paragraphs."""
    found: list[str] = []
    for is_table, group in itertools.groupby(lines, key=lambda line: _TABLE_ROW.match(line) is not None):
        same = list(group)
        found += _list_table(same) if is_table else map(_escaped, same)
    return found


def _list_table(rows: list[str]) -> list[str]:
    cells = [[_escaped(cell.strip()) for cell in row.strip().strip("|").split("|")] for row in rows]
    cells = [row for row in cells if not all(re.fullmatch(":?-+:?", cell) for cell in row)]
    lines = [f"   {'* -' if place == 0 else '  -'} {cell}" for row in cells for place, cell in enumerate(row)]
    return ["", ".. list-table::", "   :header-rows: 1", "", *lines, ""]


def _escaped(line: str) -> str:
    listed = re.match(r"\s*[*-] ", line)
    start = listed.end() if listed else 0
    parts = _CODE.split(line[start:])
    return line[:start] + "".join(part if part.startswith("`") else _as_it_looks(part) for part in parts)


def _as_it_looks(text: str) -> str:
    return re.sub(r"(?<!\w)(--\w+)", r"``\1``", re.sub(r"([*|])", r"\\\1", text))


def make_plain(app: Sphinx, what: str, name: str, documented: Any, options: Any, lines: list[str]) -> None:
    """Change the lines of a docstring in place."""
    lines[:] = plain(lines)


def field_comments(kind: type) -> dict[str, str]:
    """The fields of a dataclass and what the comment on each one's last line says: empty where there is none."""
    source = textwrap.dedent(inspect.getsource(kind))
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
    body = next(node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)).body
    return {
        node.target.id: comments.get(node.end_lineno or node.lineno, "")
        for node in body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and not node.target.id.startswith("_")
    }


def add_fields(app: Sphinx, what: str, name: str, documented: Any, options: Any, lines: list[str]) -> None:
    """Append the fields as Google style arguments, unless the docstring has such a section."""
    if not (isinstance(documented, type) and dataclasses.is_dataclass(documented)) or "Args:" in (
        line.strip() for line in lines
    ):
        return
    found = {field: comment for field, comment in field_comments(documented).items() if comment}
    if found:
        lines += ["", "Args:", *(f"    {field}: {comment}" for field, comment in found.items()), ""]


def setup(app: Sphinx) -> dict[str, Any]:
    """Listen before napoleon does, so that it makes a list of what is added."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", add_fields, priority=300)
    app.connect("autodoc-process-docstring", make_plain, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
