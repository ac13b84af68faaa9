"""The code that engineers read in an appendix runs as it stands there."""

from __future__ import annotations

import re

import pytest

from book.tools import BOOK

PAGES = sorted(BOOK.glob("for_engineers_*.md"))
_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", [path.name for path in PAGES if _PYTHON.search(path.read_text(encoding="utf-8"))])
def test_the_code_of_a_page_runs_block_after_block(page: str) -> None:
    names: dict[str, object] = {}
    for number, code in enumerate(_PYTHON.findall((BOOK / page).read_text(encoding="utf-8")), 1):
        exec(compile(code, f"{page}, block {number}", "exec"), names)
