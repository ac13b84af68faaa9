"""The page of promises names tests that there are, and the numbers that the code has."""

from __future__ import annotations

import re
from pathlib import Path

from elmo.corpora import download
from elmo.system.inputs import MAX_FILE_BYTES, MAX_LINE_BYTES


def test_every_test_that_is_named_is_there(repository: Path) -> None:
    page = (repository / "book/promises.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:\w+/)*test_\w+\.py)`", page))
    assert len(named) > 10
    assert [name for name in sorted(named) if not (repository / "tests" / name).is_file()] == []
    assert all(re.search(r"\| `", line) for line in page.splitlines() if re.match(r"\| [A-Z`]", line))


def test_the_numbers_are_those_of_the_code(repository: Path) -> None:
    page = (repository / "book/promises.md").read_text(encoding="utf-8")
    assert f"{MAX_LINE_BYTES:,} bytes (`elmo.system.inputs.MAX_LINE_BYTES`)" in page
    assert MAX_FILE_BYTES == 1 << 30 and "at most 1 GiB" in page
    assert f"less than {download._SLOWEST} bytes a second for two minutes" in page and download._SLOW_SECONDS == 120
    assert "fuzz:" in (repository / "Makefile").read_text(encoding="utf-8")
