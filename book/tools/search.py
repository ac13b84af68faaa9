"""A Sphinx extension: Chinese is found by pairs of characters, so that 语言模型 is found wherever it stands.

Sphinx cuts the pages into words with jieba, and leaves the query whole: what jieba cuts is then never found. Here both
are cut alike, into all pairs of neighbouring characters; a page is found if it has every pair of the query.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.search.zh import SearchChinese

from book.tools import BOOK

SCORER = BOOK / "tools" / "search_scorer.js"  # how what is found is ordered; _config.yml names it

_PIECES = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]+|[a-zA-Z0-9_]+")

_SPLIT_QUERY = r"""
var splitQuery = (query) =>
  (query.match(/[\u3400-\u9fff\uf900-\ufaff]+|[^\u3400-\u9fff\uf900-\ufaff]+/gu) ?? []).flatMap((piece) =>
    /^[\u3400-\u9fff\uf900-\ufaff]{3,}$/u.test(piece)
      ? Array.from({ length: piece.length - 1 }, (_, start) => piece.slice(start, start + 2))
      : piece.split(/[^\p{Letter}\p{Number}_\p{Emoji_Presentation}]+/gu).filter((term) => term),
  );
"""


def split(text: str) -> list[str]:
    """Latin words and numbers, and of each run of Chinese characters all pairs of neighbours."""
    terms: list[str] = []
    for piece in _PIECES.findall(text):
        is_long = len(piece) > 2 and not piece.isascii()
        terms += [piece[start : start + 2] for start in range(len(piece) - 1)] if is_long else [piece]
    return terms


class SearchPairs(SearchChinese):
    """Chinese by pairs of characters; English as Sphinx does it."""

    js_splitter_code = _SPLIT_QUERY

    def split(self, input: str) -> list[str]:
        """The terms under which a text is found."""
        terms = split(input)
        self.latin_terms.extend(term for term in terms if term.isascii())
        return terms


def pages_with(index: Path, query: str) -> set[str]:
    """Names of the pages that the built search index has for a query, as the page's own script would find them."""
    text = index.read_text(encoding="utf-8")
    found = json.loads(text[text.index("(") + 1 : text.rindex(")")])
    language = SearchPairs({})
    pages: set[int] | None = None
    for term in map(language.stem, split(query)):
        numbers: set[int] = set()
        for part in ("terms", "titleterms"):
            hit = found[part].get(term, [])
            numbers.update([hit] if isinstance(hit, int) else hit)
        pages = numbers if pages is None else pages & numbers
    return {found["docnames"][number] for number in pages or ()}


def setup(app: Sphinx) -> dict[str, Any]:
    """Put this in the place of Sphinx's own search in Chinese; called by it."""
    app.add_search_language(SearchPairs)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
