"""A Sphinx extension: the page "ELMo live", a model that runs in the reader's browser.

`{elmo-live}` puts it into a page, with `:small:` only its guesses; `:sentence:` is what stands in its field.
{live}`text <sentence|view>` is a link to the page with a sentence filled in. Which model it is stands here, once.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import ReferenceRole, SphinxDirective

from book.tools import REPOSITORY
from book.tools.assets import characters, make_font

MODEL, WORD_VECTORS = "elmo-zh-small", "word2vec-zh-small"  # of data/models
SENSES = REPOSITORY / "data/senses.tsv"
PAGE = "book/live"
FOLDER = "live"  # of the built pages' _static
VIEWS = ("guesses", "senses", "substitutes", "inside", "compare")

_FONT = """@font-face {
  font-family: "Live Chinese";
  src: url("fonts/chinese.woff2") format("woff2");
  font-display: swap;
  unicode-range: U+2E80-9FFF, U+F900-FAFF, U+FE30-FE4F, U+FF00-FFEF, U+20000-323AF;
}
.elmo-live { font-family: "Live Chinese", var(--pst-font-family-base); }
"""


class live_node(nodes.General, nodes.Element):  # noqa: N801 - docutils names its nodes so
    """Where a page is live."""


class LiveDirective(SphinxDirective):
    """`{elmo-live}`."""

    option_spec: dict[str, Callable[[str], Any]] = {  # noqa: RUF012 - docutils reads it so
        "small": directives.flag,
        "sentence": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        """One node, with its options."""
        return [live_node(small="small" in self.options, sentence=self.options.get("sentence", ""))]


class LiveRole(ReferenceRole):
    """{live}`text <sentence|view>`."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """A link to the page, with sentence and view in its fragment."""
        sentence, _, view = self.target.partition("|")
        if view not in ("", *VIEWS):
            message = self.inliner.reporter.error(
                f"live: there is no view {view!r}: give one of {', '.join(VIEWS)}", line=self.lineno
            )
            return [nodes.literal(self.rawtext, self.title)], [message]
        fragment = urlencode({"s": sentence, **({"view": view} if view else {})})
        page = self.env.app.builder.get_relative_uri(self.env.docname, PAGE)
        return [nodes.reference(self.rawtext, self.title, refuri=f"{page}#{fragment}", internal=True)], []


def visit_html(translator: Any, node: live_node) -> None:
    """Write the element that the page's script fills."""
    attributes = {"class": "elmo-live"}
    if node["small"]:
        builder = translator.builder
        attributes |= {"data-small": "", "data-more": builder.get_relative_uri(builder.current_docname, PAGE)}
    if node["sentence"]:
        attributes["data-sentence"] = node["sentence"]
    values = "".join(f' {name}="{translator.attval(value)}"' for name, value in attributes.items())
    translator.body.append(f"<div{values}></div><noscript>What stands here needs JavaScript.</noscript>\n")
    raise nodes.SkipNode


def visit_text(translator: Any, node: live_node) -> None:
    """Paper has nothing to type into."""
    raise nodes.SkipNode


def load_scripts(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Give pages that are live their script and style; the others load nothing."""
    if doctree is not None and next(iter(doctree.findall(live_node)), None) is not None:
        app.add_js_file(f"{FOLDER}/elmo-live.js")
        app.add_css_file(f"{FOLDER}/elmo-live.css")


def make_files(app: Sphinx, error: Exception | None) -> None:
    """Write scripts, model and font beside the built pages, unless they are there from the same sources."""
    if error is None and app.builder.format == "html":
        make_live(Path(app.outdir) / "_static" / FOLDER)


def make_live(folder: Path) -> Path:
    """Make the folder that live pages load from; takes some seconds, and nothing when nothing has changed."""
    from elmo.encoding.encoder import load_pretrained  # Paddle, which only this needs
    from elmo.models import VOCABULARY_FILE, find_model
    from elmo.web.export import MODEL_FILE, SCRIPT_FILE, STYLE_FILE, page_script, page_style, web_model
    from elmo.word_vectors import WordVectors

    stamp = _fingerprint()
    if (folder / "stamp").is_file() and (folder / "stamp").read_text(encoding="ascii") == stamp:
        return folder
    building = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(building, ignore_errors=True)
    vocabulary = find_model(MODEL) / VOCABULARY_FILE
    make_font(characters([vocabulary, SENSES, *_scripts()]), building / "fonts")
    model = web_model(load_pretrained(MODEL), SENSES, WordVectors.load(WORD_VECTORS))
    (building / SCRIPT_FILE).write_text(page_script(), encoding="utf-8")
    (building / STYLE_FILE).write_text(_FONT + page_style(), encoding="utf-8")
    (building / MODEL_FILE).write_text(model.script, encoding="utf-8")
    (building / "stamp").write_text(stamp, encoding="ascii")
    shutil.rmtree(folder, ignore_errors=True)
    building.rename(folder)
    return folder


def _scripts() -> list[Path]:
    return sorted((REPOSITORY / "elmo/web/static").iterdir())


def _fingerprint() -> str:
    """Of everything that the files are made from."""
    digest = hashlib.sha256(f"{MODEL} {WORD_VECTORS} {_FONT}".encode())
    models = [path for name in (MODEL, WORD_VECTORS) for path in sorted((REPOSITORY / "data/models" / name).iterdir())]
    sources = [*sorted((REPOSITORY / "elmo/web").glob("*.*")), REPOSITORY / "elmo/encoding/substitutes.py"]
    for path in [SENSES, Path(__file__), *models, *sources, *_scripts()]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to Sphinx; called by it."""
    nothing = (visit_text, None)
    app.add_node(live_node, html=(visit_html, None), latex=nothing, text=nothing, man=nothing, texinfo=nothing)
    app.add_directive("elmo-live", LiveDirective)
    app.add_role("live", LiveRole())
    app.connect("html-page-context", load_scripts)
    app.connect("build-finished", make_files)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
