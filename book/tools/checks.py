"""What a reader must not meet in an executed notebook; the same rules refuse a notebook and fail a test."""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from book.tools import REPOSITORY

MAX_IMAGE_BYTES = 300_000
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}")
_IPYKERNEL = re.compile(r"ipykernel_\d+")
_NUMPY_SCALAR = re.compile(r"\bnp\.(int|float|bool)\w*\(")

_GLUED = "application/papermill.record/"  # what glue() puts before the type of a value for another place

Notebook = Any  # nbformat's NotebookNode: a dict with attributes
Cell = Any


def problems(notebook: Notebook) -> list[str]:
    """One line for each fault, in the order of the cells; empty when the notebook may be shown."""
    return [
        f"code cell {number} ({first_line(cell)}): {problem}"
        for number, cell in enumerate(code_cells(notebook), 1)
        for problem in (*_execution_problems(cell), *_text_problems(cell), *_figure_problems(cell))
    ]


def code_cells(notebook: Notebook) -> list[Cell]:
    """The code cells that hold anything."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def first_line(cell: Cell) -> str:
    """First line of a cell, short enough to quote."""
    line: str = cell.source.strip().splitlines()[0]
    return line if len(line) <= 50 else line[:49] + "…"


def _execution_problems(cell: Cell) -> Iterator[str]:
    if cell.execution_count is None:
        yield "was not executed"
    for output in cell.outputs:
        if output.output_type == "error":
            yield f"ends in an error, {output.ename}: {output.evalue}"


def _text_problems(cell: Cell) -> Iterator[str]:
    text = "\n".join(_output_texts(cell))
    for place in _private_paths():
        if place in text:
            yield f"its output holds the path of this machine {place!r}: print a relative one"
            return
    if match := _IPYKERNEL.search(text):
        yield f"its output holds {match.group()!r}, different in every run: is it a warning to mend?"
    pasted = "\n".join(_pasted(cell))
    if match := _NUMPY_SCALAR.search(pasted):
        yield f"a number that it pastes would be shown as {match.group()!r}...: format it"
    if match := _ADDRESS.search(text):
        yield f"its output holds a memory address ({match.group()!r}), different in every run"


def _private_paths() -> list[str]:
    home = str(Path.home())
    return [str(REPOSITORY), sys.prefix, *([home.rstrip("/") + "/"] if home != "/" else [])]


def _output_texts(cell: Cell) -> Iterator[str]:
    for output in cell.outputs:
        yield from (str(output.get(key, "")) for key in ("text", "evalue"))
        yield from output.get("traceback", [])
        for mime, content in output.get("data", {}).items():
            if not mime.removeprefix(_GLUED).startswith("image/") or mime.endswith("svg+xml"):
                yield content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


def _pasted(cell: Cell) -> Iterator[str]:
    """What `glue` keeps for the text, as it will stand there."""
    for output in cell.outputs:
        for mime, content in output.get("data", {}).items():
            if mime.startswith(_GLUED) and isinstance(content, str):
                yield content


def _figure_problems(cell: Cell) -> Iterator[str]:
    images = [
        content
        for output in cell.outputs
        for mime, content in output.get("data", {}).items()
        if mime.startswith("image/")
    ]
    if not images:
        return
    shown = cell.metadata.get("mystnb", {})
    if not str(shown.get("figure", {}).get("caption", "")).strip():
        yield "its figure has no caption (mystnb: figure: caption)"
    if not str(shown.get("image", {}).get("alt", "")).strip():
        yield "its figure has no alt text (mystnb: image: alt)"
    for image in images:
        size = len(image) if image.lstrip().startswith("<") else len(base64.b64decode(image))
        if size > MAX_IMAGE_BYTES:
            yield f"its image takes {size:,} bytes, more than {MAX_IMAGE_BYTES:,}: draw less or lower the dpi"
