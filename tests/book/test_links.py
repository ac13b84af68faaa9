"""A link that leads nowhere is named, with its page."""

from __future__ import annotations

from pathlib import Path

import pytest

from book.tools.links import faulty_links


@pytest.fixture
def html(tmp_path: Path) -> Path:
    (tmp_path / "book").mkdir()
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static" / "template.html").write_text('<a href="{{ nowhere }}">', encoding="utf-8")
    (tmp_path / "index.html").write_text(
        '<h1 id="苹果">苹果</h1><a href="book/one.html#two"></a><a href="#%E8%8B%B9%E6%9E%9C"></a>', encoding="utf-8"
    )
    return tmp_path


def faults_of(html: Path, page: str) -> list[str]:
    (html / "book" / "one.html").write_text(page, encoding="utf-8")
    return faulty_links(html)


def test_good_links_are_no_fault(html: Path):
    page = '<p id="two"><a href="../index.html#苹果"></a><a href="https://example.org/#none"></a><a href="#"></a>'
    assert faults_of(html, page) == []


def test_a_missing_file_a_missing_place_and_a_double_id_are_named(html: Path):
    page = '<p id="two"></p><p id="two"><a href="two.html"></a><a href="../index.html#pear"></a>'
    assert faults_of(html, page) == [
        "book/one.html: has the id 'two' more than once",
        "book/one.html: 'two.html' leads to no file",
        "book/one.html: '../index.html#pear' leads to no place in its page",
    ]
