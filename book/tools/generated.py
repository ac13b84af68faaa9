"""A Sphinx extension: what pages need beside their text is made before they are read, whoever calls the build.

That is book/generated (the appendices' fragments) and book/_static/generated (MathJax, plotly.js, font and figures).
Neither is committed: `jupyter-book build .` straight after a clone makes both.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

from book.tools.appendices import make_appendices
from book.tools.assets import make_assets


def make(app: Sphinx, config: Config) -> None:
    """Make both folders; the fragments first, since the font has the characters that stand in them."""
    del app, config
    make_appendices()
    make_assets()


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to Sphinx; called by it."""
    app.connect("config-inited", make)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
