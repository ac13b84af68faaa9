"""The form of chapters: short cells that teach, drawing folded, values not bold."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from book.tools.execute import broken_fences

SOURCES = sorted((Path(__file__).parents[2] / "book/src").glob("*.md"))
LINES = 15  # of a cell that the reader sees
FOLDED = ("hide-input", "hide-cell", "remove-input", "remove-cell")


def cells(text: str) -> list[tuple[str, list[str]]]:
    """The options and the code lines of each code cell."""
    found = []
    for body in re.findall(r"^```\{code-cell\} ipython3\n(.*?)^```$", text, re.M | re.S):
        options = re.match(r"---\n.*?^---\n|(?::[^\n]*\n)*", body, re.M | re.S)
        head = options[0] if options else ""
        found.append((head, body[len(head) :].strip().splitlines()))
    return found


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_cell_that_is_seen_has_few_lines(source: Path) -> None:
    seen = [code for head, code in cells(source.read_text(encoding="utf-8")) if not any(tag in head for tag in FOLDED)]
    assert len(seen) > 5
    assert {code[0]: len(code) for code in seen if len(code) > LINES} == {}


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_pasted_values_are_not_bold(source: Path) -> None:
    assert "**{glue" not in source.read_text(encoding="utf-8")


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_every_name_is_defined(source: Path) -> None:
    # An import that a rewrite lost shows itself here in a moment, and not when the page is executed.
    code = "\n".join(line for _, lines in cells(source.read_text(encoding="utf-8")) for line in [*lines, ""])
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--no-cache",
        "--select",
        "F821",
        "--output-format",
        "concise",
        "-",
    ]
    done = subprocess.run(command, input=code, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_directive_has_a_backtick_in_its_first_line() -> None:
    pages = [*SOURCES, *SOURCES[0].parents[1].glob("*.md")]
    assert len(pages) > 30
    assert [(page.name, line) for page in pages for line in broken_fences(page.read_text("utf-8"))] == []
