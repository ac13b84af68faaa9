"""A page's head says what it is, in attributes that hold, and no title is there twice."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

pytest.importorskip("sphinx", reason="the book needs the extra `book`")

from docutils import nodes

from book.tools.head import FIRST_TITLE, PREVIEW, add_tags, citation, description, finish, tags

QUOTED = 'A page on "苹果", a word that has more than one sense, as many of the words of a language have'


class Head(HTMLParser):
    """Names and properties of a head's tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        name = values.get("name") or values.get("property")
        if tag == "meta" and name:
            self.found[name] = values.get("content") or ""


def page(*texts: str) -> nodes.document:
    document = cast(nodes.document, nodes.Element())
    section = nodes.section()
    section += [nodes.paragraph("", text) for text in texts]
    document += section
    return document


def app(folder: Path = Path()) -> Any:
    builder = SimpleNamespace(get_target_uri=lambda name: f"{name}.html", format="html")
    config = SimpleNamespace(root_doc="book/index")
    return SimpleNamespace(builder=builder, config=config, outdir=str(folder))


def context(title: str) -> dict[str, Any]:
    return {"title": title, "metatags": "", "pathto": lambda target, resource: f"../{target}"}


def test_a_description_is_the_first_paragraph_and_ends_with_a_word():
    leads_on = "Two sentences that differ in two words, and the question of this whole chapter is this one:"
    stands_alone = "A sentence that is long enough to say something about the page on which it stands."
    assert description(page("Short.", leads_on, stands_alone)) == stands_alone
    cut = description(page("A word and " * 40))
    assert len(cut) < 210 and cut.endswith(" …") and "wor …" not in cut
    assert description(None) == description(page("Short."))


def test_the_head_names_author_licence_and_preview(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ELMO_SITE", raising=False)
    values = context('7. <span class="x">苹果</span> &amp; 苹果')
    add_tags(app(), "book/07_pingguo", "page.html", values, page(f"{QUOTED}."))
    found = Head(values["metatags"]).found
    assert found["author"] == "The ELMo from the inside authors" and found["license"] == "Apache-2.0"
    assert found["og:title"] == "7. 苹果 & 苹果"
    assert found["description"] == f"{QUOTED}."
    assert found["og:image"] == f"../_static/{PREVIEW}" and "og:url" not in found


def test_addresses_are_whole_where_the_site_is_known(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ELMO_SITE", "https://example.org/elmo/")
    values = context("Two directions")
    add_tags(app(), "book/05_bilm", "page.html", values, None)
    found = Head(values["metatags"]).found
    assert found["og:image"] == f"https://example.org/elmo/_static/{PREVIEW}"
    assert found["og:url"] == "https://example.org/elmo/book/05_bilm.html"


def test_the_first_page_does_not_say_the_books_title_twice():
    values = context("ELMo from the inside")
    add_tags(app(), "book/index", "page.html", values, None)
    assert values["title"] == FIRST_TITLE


def test_the_redirect_has_a_head_too(tmp_path: Path):
    (tmp_path / "_static").mkdir()
    (tmp_path / "index.html").write_text('<meta http-equiv="Refresh" content="0; url=book/index.html" />\n')
    finish(app(tmp_path), None)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "url=book/index.html" in text and Head(text).found["og:title"] == citation()["title"]
    assert (tmp_path / "_static" / PREVIEW).is_file()


def test_quotation_marks_cannot_leave_an_attribute():
    assert Head(tags('"><script>', "text", "a.png")).found["og:title"] == '"><script>'
