"""Chinese is cut alike in pages and in queries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="the book needs the extra `book`")

from book.tools.search import SCORER, pages_with, split


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


def test_chapters_are_found_first_in_their_order_and_mentions_in_the_reference_last():
    racer = pytest.importorskip("py_mini_racer", reason="the scorer needs V8: mini-racer, of the extra `dev`")
    script = racer.MiniRacer()
    script.eval(SCORER.read_text(encoding="utf-8"))
    found = [  # page, title, place, what a name is, score: as Sphinx's search makes them
        ("book/b_api_text", "Text", "", None, 16),
        ("book/11_compared", "Compared", "", None, 5),
        ("book/a_terms", "Terms", "", None, 15),
        ("book/b_api_networks", "elmo.nn.lstmp.LSTMP", "", "Python class", 26),
        ("book/05_bilm", "Two directions", "", None, 5),
        ("book/00_how_to_use", "How to use this book", "", None, 5),
    ]
    scores = {page: script.eval(f"Scorer.score({json.dumps([page, *rest])})") for page, *rest in found}
    assert sorted(scores, key=lambda page: -scores[page]) == [
        "book/05_bilm",
        "book/11_compared",
        "book/b_api_networks",
        "book/a_terms",
        "book/00_how_to_use",
        "book/b_api_text",
    ]
