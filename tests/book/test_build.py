"""The book builds without a warning, and its pages ask nothing of the network."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from fontTools.ttLib import TTFont

from book.tools import appendices, assets
from book.tools.assets import characters, extract_figures, make_font, page_files
from book.tools.build import build
from book.tools.links import faulty_links
from book.tools.search import pages_with

LOADED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
}
LOADED_LINKS = {"stylesheet", "preload", "modulepreload", "icon", "shortcut icon", "manifest"}


class Page(HTMLParser):
    """What a page loads when it is opened, the images without alt text, and its scripts' text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.without_alt: list[str] = []
        self.scripts: list[str] = []
        self._in_script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self._in_script = tag == "script"
        address = values.get(LOADED.get(tag, ""))
        if tag == "link" and values.get("rel") in LOADED_LINKS:
            address = values.get("href")
        if address:
            self.loads.append(address)
        if tag == "img" and not (values.get("alt") or "").strip():
            self.without_alt.append(values.get("src") or "")

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.scripts.append(data)


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("book") / "_build"
    for folder in (appendices.GENERATED, assets.GENERATED):  # as straight after a clone
        shutil.rmtree(folder, ignore_errors=True)
    assert build(output) == 0, "the strict build failed: `make book` shows why"
    return output / "html"


@pytest.fixture(scope="module")
def pages(html: Path) -> dict[Path, Page]:
    own = [path for path in sorted(html.rglob("*.html")) if "_static" not in path.parts]  # there: the theme's templates
    return {path: Page(path.read_text(encoding="utf-8")) for path in own}


def test_the_first_page_is_index_html(html: Path):
    target = re.search(r"url=([^\"]+)", (html / "index.html").read_text(encoding="utf-8"))
    assert target and (html / target.group(1)).is_file()


def test_no_page_loads_anything_from_elsewhere(pages: dict[Path, Page]):
    external = {address for page in pages.values() for address in page.loads if re.match(r"(https?:)?//", address)}
    in_scripts = {
        address
        for page in pages.values()
        for script in page.scripts
        for address in re.findall(r"https?://[^\s\"'<>]+\.m?js", script)
    }
    assert external | in_scripts == set()


def test_everything_that_a_page_loads_is_there(html: Path, pages: dict[Path, Page]):
    missing = {
        (path.relative_to(html).as_posix(), address)
        for path, page in pages.items()
        for address in page.loads
        if not address.startswith("data:") and not (path.parent / unquote(urlsplit(address).path)).is_file()
    }
    assert missing == set()


def test_every_link_within_the_book_leads_somewhere(html: Path):
    assert faulty_links(html) == []


@pytest.mark.parametrize("query", ["苹果", "词向量", "双向语言模型", "困惑度", "sampled softmax", "词性标注"])
def test_the_search_finds_what_the_book_is_about(html: Path, query: str):
    if query == "词性标注" and not (html / "book" / "08_lac.html").is_file():
        pytest.skip("the chapter on lexical analysis is not in _toc.yml")
    assert pages_with(html / "searchindex.js", query)


def test_an_exercise_has_its_number_and_its_solution_is_hidden(html: Path):
    page = (html / "book" / "05_bilm.html").read_text(encoding="utf-8")
    assert '<span class="caption-number">Exercise 5.2 </span>' in page
    assert re.search(
        r'<div class="solution dropdown [^>]*>\s*<p [^>]*>Solution to<a [^>]*href="#ex-5-2"> Exercise 5.2', page
    )


def test_no_style_sheet_loads_anything_from_elsewhere(html: Path):
    sheets = "\n".join(path.read_text(encoding="utf-8") for path in html.rglob("*.css"))
    assert re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^\"')]+", sheets) == []


def test_every_image_has_an_alt_text(pages: dict[Path, Page]):
    assert {path.name: page.without_alt for path, page in pages.items() if page.without_alt} == {}


def test_plots_to_point_at_are_drawn_by_the_books_own_plotly(html: Path):
    assert "hover-plot" in (html / "book" / "07_pingguo.html").read_text(encoding="utf-8")
    assert (html / "_static" / "generated" / "plotly" / "plotly.min.js").is_file()
    assert "generated/plotly/plotly.min.js" in (html / "_static" / "hover_plots.js").read_text(encoding="utf-8")


def test_formulas_and_chinese_text_have_their_fonts(html: Path):
    generated = html / "_static" / "generated"
    assert (generated / "mathjax" / "tex-mml-chtml.js").is_file()
    assert list(generated.glob("mathjax/output/chtml/fonts/woff-v2/*.woff"))
    assert (generated / "fonts" / "OFL.txt").is_file() and (generated / "mathjax" / "LICENSE").is_file()
    cmap = TTFont(generated / "fonts" / "chinese.woff2").getBestCmap()
    han = {character for character in characters(page_files()) if "\u4e00" <= character <= "\u9fff"}
    assert {character for character in han if ord(character) not in cmap} == set()


def test_escaped_characters_of_json_reach_the_font(tmp_path: Path):
    (tmp_path / "plot.ipynb").write_text(r'{"label": "\u82f9果 and an apple"}', encoding="utf-8")
    found = characters([tmp_path / "plot.ipynb"])
    assert {"苹", "果"} <= found and "a" not in found


def test_the_font_holds_what_was_asked_for_and_little_else(tmp_path: Path):
    font = make_font({"苹", "果"}, tmp_path / "fonts")
    assert set(map(ord, "苹果")) <= TTFont(font).getBestCmap().keys()
    assert font.stat().st_size < 20_000  # two glyphs and the tables; the whole font has 10 MB


def test_a_named_figure_can_be_shown_on_another_page(tmp_path: Path):
    (tmp_path / "01_one.ipynb").write_text(
        '{"cells": [{"metadata": {"mystnb": {"figure": {"name": "fig-dots"}}},'
        ' "outputs": [{"data": {"image/png": "iVBORw0KGgo="}}]}, {"metadata": {}}]}',
        encoding="utf-8",
    )
    written = extract_figures([tmp_path / "01_one.ipynb"], tmp_path / "figures")
    assert [path.name for path in written] == ["fig-dots.png"]
    assert written[0].read_bytes().startswith(b"\x89PNG")
