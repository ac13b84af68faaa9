"""The extension of the page "ELMo live": its element, its links, and files that are made once."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

pytest.importorskip("sphinx", reason="pages are built with the extra `book`")

from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

from book.tools import live
from book.tools.links import faulty_links

PAGES = {
    "index": "# Front\n\n```{elmo-live}\n:small:\n:sentence: 他说“<b>”。\n```\n\n{live}`Look <苹果熟了。|inside>`\n\n"
    "```{toctree}\nbook/live\nplain\n```\n",
    "book/live": "# ELMo live\n\n```{elmo-live}\n```\n",
    "plain": "# Plain\n\nNothing.\n",
}


def build(folder: Path, pages: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(live, "make_live", lambda folder: folder)
    for name, text in pages.items():
        path = folder / "source" / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    settings = {"extensions": ["myst_parser", "book.tools.live"]}
    source, target = folder / "source", folder / "html"
    with docutils_namespace():
        app = Sphinx(source, None, target, folder / "trees", "html", settings, status=None, warningiserror=True)
        app.build()
    return target


def test_pages_that_are_live_load_the_script_and_others_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    html = build(tmp_path, PAGES, monkeypatch)
    loads = {page: "live/elmo-live.js" in (html / f"{page}.html").read_text(encoding="utf-8") for page in PAGES}
    assert loads == {"index": True, "book/live": True, "plain": False}


def test_the_small_form_has_its_sentence_and_leads_to_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    front = (build(tmp_path, PAGES, monkeypatch) / "index.html").read_text(encoding="utf-8")
    assert '<div class="elmo-live" data-small="" data-more="book/live.html" data-sentence="他说“&lt;b&gt;”。">' in front


def test_a_link_opens_the_page_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    html = build(tmp_path, PAGES, monkeypatch)
    front = (html / "index.html").read_text(encoding="utf-8")
    link = front[front.index('href="book/live.html#s=') + 6 :].split('"')[0].replace("&amp;", "&")
    assert parse_qs(urlsplit(link).fragment) == {"s": ["苹果熟了。"], "view": ["inside"]}
    assert not [fault for fault in faulty_links(html) if "#s=" in fault]


def test_a_view_that_is_none_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pages = {**PAGES, "plain": "# Plain\n\n{live}`Look <苹果|upside down>`\n"}
    with pytest.raises(Exception, match="there is no view 'upside down': give one of guesses"):
        build(tmp_path, pages, monkeypatch)


def test_files_are_made_again_only_when_their_sources_have_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(live, "_fingerprint", lambda: "as before")
    (tmp_path / "stamp").write_text("as before")
    assert live.make_live(tmp_path) == tmp_path  # without its model, which would take seconds
    assert [path.name for path in tmp_path.iterdir()] == ["stamp"]
