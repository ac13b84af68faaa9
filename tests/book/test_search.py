"""Chinese is cut alike in pages and in queries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="the book needs the extra `book`")

from book.tools.search import pages_with, split


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("苹果", ["苹果"]),
        ("词性标注", ["词性", "性标", "标注"]),
        ("用word2vec训练词向量。", ["用", "word2vec", "训练", "练词", "词向", "向量"]),
        ("biLM, in English", ["biLM", "in", "English"]),
        ("", []),
    ],
)
def test_runs_of_characters_become_pairs(text: str, terms: list[str]):
    assert split(text) == terms


def test_a_page_is_found_if_it_has_every_pair(tmp_path: Path):
    index = {
        "docnames": ["one", "two"],
        "terms": {"语言": [0, 1], "言模": 1, "模型": [0, 1]},
        "titleterms": {"pretrain": [0]},
    }
    (tmp_path / "searchindex.js").write_text(f"Search.setIndex({json.dumps(index)})", encoding="utf-8")
    found = {
        query: pages_with(tmp_path / "searchindex.js", query) for query in ("语言模型", "模型", "pretraining", "苹果")
    }
    assert found == {"语言模型": {"two"}, "模型": {"one", "two"}, "pretraining": {"one"}, "苹果": set()}
