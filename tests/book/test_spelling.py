"""Prose is spelt as British English; code, formulas and addresses are left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("codespell_lib", reason="spelling needs the extra `dev`")

from book.tools.spelling import WORDS, misspelt, prose

WRONG = "sep" + "erate"  # not in one piece, since this file is read as well
PAGE = f"""---
title: color
---
# The colour

A {WRONG} color.

```{{code-cell}} ipython3
color = "gray"
```

`color`, {{ref}}`fig-color`, $color$ and https://example.org/color are code.

:::{{dropdown}} Hint
Think of the behavior.
:::
"""


@pytest.fixture
def faults(tmp_path: Path) -> list[str]:
    (tmp_path / "page.md").write_text(PAGE, encoding="utf-8")
    (tmp_path / "module.py").write_text(f"color = 1  # not {WRONG}d\n", encoding="utf-8")
    return misspelt([tmp_path / "page.md", tmp_path / "module.py"], tmp_path)


def test_misspelt_and_american_words_are_named_with_their_lines(faults: list[str]):
    assert faults == [
        "page.md:15: behavior ==> behaviour",
        "page.md:6: color ==> colour",
        f"page.md:6: {WRONG} ==> separate",
        f"module.py:1: {WRONG}d ==> separated",
    ]


def test_lines_stay_where_they_are():
    assert len(prose(PAGE).splitlines()) == len(PAGE.splitlines())


def test_the_projects_words_are_in_order_and_each_once():
    words = WORDS.read_text(encoding="utf-8").splitlines()
    assert words == sorted(set(words)) and all(word == word.lower() for word in words)
