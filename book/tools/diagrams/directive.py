"""A Sphinx extension: `{diagram} NAME` is a figure with one of the book's drawings in it, in the colours of the theme.

```{diagram} lstmp-cell
:name: fig-diagram-lstmp-cell
A caption in one or two sentences; {numref} refers to it as to any figure.
```

`{walk} NAME` is the same for a drawing to step through, which works without a script.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from book.tools.diagrams import DIAGRAMS
from book.tools.diagrams.kit import Drawing
from book.tools.diagrams.walks import WALKS, Walk


class drawing_node(nodes.General, nodes.Element):  # noqa: N801 - docutils names its nodes so
    """Where a drawing stands; `markup` is its HTML, `alt` what it shows."""


class DiagramDirective(SphinxDirective):
    """`{diagram}`."""

    drawn: ClassVar[Mapping[str, Callable[[], Drawing | Walk]]] = DIAGRAMS
    required_arguments = 1
    has_content = True
    option_spec: dict[str, Callable[[str], Any]] = {"name": directives.unchanged_required}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        """A figure: the drawing, its caption, and what follows the caption's paragraph as its legend."""
        name = self.arguments[0]
        if name not in self.drawn:
            raise self.error(f"there is no {self.name} {name!r}: give one of {', '.join(self.drawn)}")
        if not self.content:
            raise self.error(f"the {self.name} {name} has no caption: write one or two sentences below its options")
        drawing = self.drawn[name]()
        alt = drawing.alt if isinstance(drawing, Drawing) else drawing.frames[drawing.first].text
        return [self.figure(drawing_node(markup=drawing.markup(f"{self.name}-{name}"), alt=alt))]

    def figure(self, drawn: drawing_node) -> nodes.figure:
        """The figure around a drawing, numbered and with a name to refer to."""
        for path in Path(__file__).parent.glob("*.py"):
            self.env.note_dependency(str(path))
        figure = nodes.figure("", drawn, classes=["diagram-figure"])
        self.set_source_info(figure)
        first, *others = self.parse_content_to_nodes()
        if not isinstance(first, nodes.paragraph):
            raise self.error("a caption is a paragraph of text")
        caption = nodes.caption(first.rawsource, "", *first.children)
        self.set_source_info(caption)
        figure += caption
        if others:
            figure += nodes.legend("", *others)
        self.add_name(figure)
        return figure


class WalkDirective(DiagramDirective):
    """`{walk}`."""

    drawn = WALKS


def visit_html(translator: Any, node: drawing_node) -> None:
    """Write the drawing into the page."""
    translator.body.append(f"{node['markup']}\n")
    raise nodes.SkipNode


def visit_text(translator: Any, node: drawing_node) -> None:
    """Say what it shows where nothing can be drawn."""
    translator.add_text(node["alt"])
    raise nodes.SkipNode


def visit_nothing(translator: Any, node: drawing_node) -> None:
    """Leave the drawing out."""
    del translator, node
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to Sphinx; called by it."""
    nothing = (visit_nothing, None)
    app.add_node(
        drawing_node,
        html=(visit_html, None),
        text=(visit_text, None),
        latex=nothing,
        man=nothing,
        texinfo=nothing,
    )
    app.add_directive("diagram", DiagramDirective)
    app.add_directive("walk", WalkDirective)
    app.add_css_file("diagrams.css")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
