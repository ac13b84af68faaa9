"""The pages become one book for paper: links stay within it, and the contents have page numbers."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

pytest.importorskip("bs4", reason="the book needs the extra `book`")

from book.tools import REPOSITORY, pdf
from book.tools.look import find_browser

PAGES = {"book/index", "book/05_bilm", "book/live"}
PAGE = """<!DOCTYPE html><html><head><link rel="stylesheet" href="../_static/print.css"><link rel="icon" href="i.svg">
<script>window.MathJax = {{}}</script><script src="analytics.js"></script></head><body>
<article class="bd-article"><section id="top"><h1>{title}<a class="headerlink" href="#top">#</a></h1>
{body}</section></article>
</body></html>"""
BODY = """<p id="a">See <a href="05_bilm.html#a">there</a>, <a href="#a">here</a>, <a href="live.html">live</a>,
<a href="https://example.org/05_bilm.html#a">elsewhere</a> and <a href="../_static/x.png">a picture</a>.</p>
<div class="elmo-live"></div><noscript>script</noscript><div class="hover-plot"><script>{}</script></div>
<details class="admonition hide above-input"><pre>plt.plot()</pre></details>
<details><summary>Hint</summary>Yes</details>
<svg aria-labelledby="t d"><title id="t">T</title><desc id="d">D</desc></svg>"""


def built(folder: Path) -> Path:
    (folder / "book").mkdir(parents=True)
    for name in PAGES:
        body = BODY if name == "book/index" else '<p id="a">Text.</p>'
        page = PAGE.format(title=f"Page {name}", body=body)
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    return folder


def test_the_order_is_that_of_the_contents():
    order = pdf.reading_order(REPOSITORY / "_toc.yml")
    assert order[0] == "book/index" and len(order) == len(set(order)) > 20
    assert order.index("book/b_api") + 1 == order.index("book/b_api_models")


def test_links_between_pages_lead_within_the_book_and_names_are_a_pages_own():
    text = PAGE.format(title="Index", body=BODY)
    found = pdf.article(text, "book/index", PAGES)
    addresses = [str(link["href"]) for link in found.select("a")]
    assert addresses == [
        "#05_bilm--a",
        "#index--a",
        "#live",
        "https://example.org/05_bilm.html#a",
        "../_static/x.png",
    ]
    svg = found.select_one("svg")
    assert svg and svg["aria-labelledby"] == "index--t index--d" and found.select_one("#index--d")


def test_what_needs_a_screen_becomes_a_line_and_what_is_folded_is_open():
    found = pdf.article(PAGE.format(title="Index", body=BODY), "book/index", PAGES)
    text = found.get_text(" ", strip=True)
    assert "a model answers here in the browser" in text and "this plot can be pointed at" in text
    assert "plt.plot" not in text and "script" not in text and "#" not in text
    assert all(details.has_attr("open") for details in found.select("details"))


def test_the_joined_book_has_a_cover_contents_and_nothing_that_it_does_not_need(tmp_path: Path):
    folder = built(tmp_path / "html")
    text = pdf.joined(folder, ["book/index", "book/05_bilm", "book/live", "book/unbuilt"], {"05_bilm": 4})
    assert '<a href="#05_bilm">Page book/05_bilm</a><span>4</span>' in text
    assert text.index('id="index"') < text.index('id="05_bilm"') < text.index('id="live"')
    assert "print.css" in text and "MathJax" in text and "analytics" not in text and "i.svg" not in text


def test_pages_are_counted_along_the_tree_and_found_by_the_names_of_places():
    tree = (
        b"9 0 obj\n<</Type /Catalog\n/Pages 1 0 R>>\nendobj\n1 0 obj\n<</Kids [2 0 R 5 0 R]>>\nendobj\n"
        b"2 0 obj\n<</Kids [3 0 R 4 0 R]>>\nendobj\n3 0 obj\n<</Type /Page>>\nendobj\n"
        b"4 0 obj\n<</Type /Page>>\nendobj\n5 0 obj\n<</Type /Page>>\nendobj\n"
        b"7 0 obj\n<</05_bilm [5 0 R /XYZ 0 0 0]\n/04_lstmp [4 0 R /XYZ 0 0 0]>>\nendobj\n"
    )
    assert pdf.first_pages(tree, ["05_bilm", "04_lstmp", "live"]) == {"05_bilm": 3, "04_lstmp": 2}


def test_without_a_browser_or_a_built_book_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(pdf, "find_browser", lambda: None)
    assert pdf.main(["--html", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "The PDF is printed by chromium or chrome, and there is neither: install one.\n"
    monkeypatch.setattr(pdf, "find_browser", lambda: "chromium")
    assert pdf.main(["--html", str(tmp_path)]) == 2
    assert "run `make book`" in capsys.readouterr().err


@pytest.mark.skipif(find_browser() is None, reason="there is no chromium or chrome")
def test_a_browser_prints_it_with_page_numbers_and_an_outline(tmp_path: Path):
    folder = built(tmp_path / "html")
    order = ["book/index", "book/05_bilm", "book/live"]
    browser = find_browser()
    assert browser
    (folder / "_static").mkdir()
    style = REPOSITORY / "book/_static/print.css"
    (folder / "_static" / "print.css").write_text(style.read_text(encoding="utf-8"), encoding="utf-8")
    printed = asyncio.run(pdf.make_pdf(folder, order, browser))
    assert printed.startswith(b"%PDF") and len(re.findall(rb"/Type\s*/Page\b(?!s)", printed)) == 5
    assert pdf.first_pages(printed, ["05_bilm", "live"]) == {"05_bilm": 4, "live": 5}  # after cover, contents, index
    assert b"/Outlines" in printed and b"/Title (Page book/live)" in printed
    assert not list((folder / "book").glob("joined*"))
