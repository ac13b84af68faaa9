"""Slides: the question, the figures with their captions and the summary of a chapter, in HTML that stands alone."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from book.tools import BOOK
from book.tools.slides import make_slides, marked_up, slides_of

FIGURE = {"figure": {"caption": "Two *dots*, see {doc}`07_pingguo`.", "name": "fig-dots"}, "image": {"alt": "Two dots"}}


def chapter() -> nbformat.NotebookNode:
    pasted = new_output(
        "display_data",
        data={"application/papermill.record/text/plain": "'42'"},
        metadata={"scrapbook": {"name": "answer", "mime_prefix": "application/papermill.record/"}},
    )
    drawn = new_output("display_data", data={"image/png": "iVBORw0KGgo=\n"})
    return new_notebook(
        cells=[
            new_markdown_cell("# Apples < pears\n\nWhat is 苹果?\n\nMore text."),
            new_code_cell("glue('answer', '42')", outputs=[pasted]),
            new_markdown_cell("## Measured\n\nText."),
            new_code_cell("plot()", outputs=[drawn], metadata={"mystnb": FIGURE}),
            new_code_cell("plot()", outputs=[drawn]),  # a figure without a caption is no slide
            new_markdown_cell("```{diagram} lstmp-cell\n:name: fig-diagram-cell\nThe `cell`.\n```"),
            new_markdown_cell(
                "## Summary\n\n- It is {glue:text}`answer`.\n- *Open* is a result.\n\n## Terms\n\n- none"
            ),
        ]
    )


def test_the_slides_of_a_chapter_in_the_order_of_its_page() -> None:
    slides = slides_of(chapter())
    assert [slide.heading for slide in slides] == ["Apples < pears", "Measured", "Measured", "Summary"]
    question, figure, diagram, summary = (slide.body for slide in slides)
    assert question == "<p>What is 苹果?</p>"
    assert 'alt="Two dots"' in figure and "Two <em>dots</em>, see 07_pingguo." in figure
    assert "<svg" in diagram and "The <code>cell</code>." in diagram
    assert summary == "<ul><li>It is 42.</li><li><em>Open</em> is a result.</li></ul>"


def test_marks_of_a_text_become_html_and_nothing_else_does() -> None:
    assert marked_up("a < `b * c` * d, **e** {numref}`Fig <fig-x>` [f](g.html)") == (
        "a &lt; <code>b * c</code> * d, <strong>e</strong> Fig f"
    )


def test_a_page_needs_no_network_and_no_script(tmp_path: Path) -> None:
    source = tmp_path / "03_apples.ipynb"
    nbformat.write(chapter(), source)
    index = make_slides([source], tmp_path / "slides")
    assert '<a href="03_apples.html">Apples &lt; pears</a>, 4 slides' in index.read_text(encoding="utf-8")
    text = (tmp_path / "slides/03_apples.html").read_text(encoding="utf-8")
    assert text.count("<section ") == 4 and "<title>Apples &lt; pears</title>" in text
    outside = re.findall(r"(?:src|href)=[\"'](?!data:)[^\"'#]+", text)
    assert outside == []


def test_every_chapter_has_slides_with_its_figures(tmp_path: Path) -> None:
    notebooks = sorted(BOOK.glob("[0-9][0-9]_*.ipynb"))
    index = make_slides(notebooks, tmp_path / "slides")
    for path in notebooks:
        text = (tmp_path / f"slides/{path.stem}.html").read_text(encoding="utf-8")
        has_figures = '"image/png"' in path.read_text(encoding="utf-8")  # chapter 0 has none
        assert ("<figure>" in text) == has_figures and "{glue" not in text, path.stem
    assert sum("<figure>" in page.read_text(encoding="utf-8") for page in (tmp_path / "slides").glob("*.html")) > 10
    assert index.read_text(encoding="utf-8").count("<li>") == len(notebooks)
