"""A Sphinx extension: what a page says of itself in its head, to search engines and to who is sent a link.

Author, licence and what the book is stand in CITATION.cff, once. A page's description is its first paragraph. The
picture of a preview needs a whole address: it has one where ELMO_SITE says where the book is published, such as
https://example.org/elmo/, and stands beside the pages otherwise.
"""

from __future__ import annotations

import html
import os
import shutil
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import yaml
from docutils import nodes
from sphinx.application import Sphinx

from book.tools import REPOSITORY
from book.tools.assets import README_PICTURE

PREVIEW = "preview.png"  # in _static of the built pages
FIRST_TITLE = "Contextual word vectors for Chinese"  # of the first page, whose heading is the book's title
_SHORTEST, _LONGEST = 70, 200  # characters of a description
_PREVIEW_ALT = "One dot for the word 苹果 under word2vec, two under ELMo"


@cache
def citation() -> dict[str, Any]:
    """What CITATION.cff says of the book."""
    fields: dict[str, Any] = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    return fields


def description(doctree: nodes.document | None) -> str:
    """A page's first paragraph that can stand alone, cut at a word; what the book is, where a page has none."""
    paragraphs = doctree.findall(nodes.paragraph) if doctree is not None else ()
    texts = (" ".join(paragraph.astext().split()) for paragraph in paragraphs if _is_prose(paragraph))
    text = next((text for text in texts if len(text) >= _SHORTEST and not text.endswith(":")), "") or " ".join(
        citation()["abstract"].split()
    )
    if len(text) <= _LONGEST:
        return text
    return text[:_LONGEST].rsplit(" ", 1)[0].rstrip(",;:") + " …"


def _is_prose(paragraph: nodes.paragraph) -> bool:
    return isinstance(paragraph.parent, nodes.section) and not any(paragraph.findall(nodes.raw))


def tags(title: str, text: str, preview: str, address: str = "") -> str:
    """The head's tags: name and content, or property and content where Open Graph asks for it."""
    authors = ", ".join(author["name"] for author in citation()["authors"])
    named = {
        "description": text,
        "author": authors,
        "license": citation()["license"],
        "twitter:card": "summary_large_image",
    }
    properties = {
        "og:type": "book",
        "og:site_name": citation()["title"].split(":")[0],
        "og:title": title,
        "og:description": text,
        "og:image": preview,
        "og:image:alt": _PREVIEW_ALT,
        **({"og:url": address} if address else {}),
    }
    return "".join(
        f'<meta {kind}="{name}" content="{html.escape(content, quote=True)}" />\n'
        for kind, pairs in (("name", named), ("property", properties))
        for name, content in pairs.items()
    )


def add_tags(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Put the tags into a page's head; the first page's title is not the book's twice."""
    del template
    if page == app.config.root_doc:
        context["title"] = FIRST_TITLE
    site = os.environ.get("ELMO_SITE", "")
    here = app.builder.get_target_uri(page)
    preview = urljoin(site, f"_static/{PREVIEW}") if site else context["pathto"](f"_static/{PREVIEW}", 1)
    context["metatags"] = context.get("metatags", "") + tags(
        _plain(str(context.get("title", ""))), description(doctree), preview, urljoin(site, here) if site else ""
    )


def _plain(title: str) -> str:
    """A title without its markup."""
    return html.unescape("".join(part.split(">", 1)[-1] for part in title.split("<")))


def finish(app: Sphinx, error: Exception | None) -> None:
    """Copy the preview, and give the file that only leads to the first page a head, since links are sent to it."""
    if error is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir)
    shutil.copyfile(README_PICTURE, folder / "_static" / PREVIEW)
    index = folder / "index.html"
    if app.config.root_doc == "index" or not index.is_file():
        return
    site = os.environ.get("ELMO_SITE", "")
    target = app.builder.get_target_uri(app.config.root_doc)
    title = html.escape(citation()["title"])
    head = tags(citation()["title"], description(None), urljoin(site, f"_static/{PREVIEW}"), site)
    index.write_text(
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8" />\n<title>{title}</title>\n{head}'
        f'<meta http-equiv="Refresh" content="0; url={target}" />\n</head>\n'
        f'<body><a href="{target}">{title}</a></body>\n</html>\n',
        encoding="utf-8",
    )


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to Sphinx; called by it."""
    app.connect("html-page-context", add_tags)
    app.connect("build-finished", finish, priority=900)  # after the redirect has been written
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
