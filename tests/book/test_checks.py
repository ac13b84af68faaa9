"""What a reader must not meet in an executed notebook is named, with its cell."""

from __future__ import annotations

import base64
from pathlib import Path

import nbformat.v4 as notebooks
import pytest

from book.tools import REPOSITORY
from book.tools.checks import MAX_IMAGE_BYTES, problems

PNG = base64.b64encode(b"\x89PNG" + bytes(100)).decode()
CAPTIONED = {"mystnb": {"figure": {"caption": "Two dots.", "name": "fig-dots"}, "image": {"alt": "Two dots"}}}


def notebook_with(output, metadata=None, execution_count: int | None = 1):
    cell = notebooks.new_code_cell("draw()\nshow()", outputs=[output] if output else [], metadata=metadata or {})
    cell.execution_count = execution_count
    return notebooks.new_notebook(cells=[notebooks.new_markdown_cell("# 苹果"), cell])


def stream(text: str):
    return notebooks.new_output("stream", name="stdout", text=text)


def image(data: str, mime: str = "image/png"):
    return notebooks.new_output("display_data", data={mime: data})


def test_a_plain_output_is_no_problem():
    assert problems(notebook_with(stream("苹果 8\n"))) == []


def test_an_error_is_named_with_its_cell():
    error = notebooks.new_output("error", ename="NameError", evalue="name 'x' is not defined", traceback=[])
    assert problems(notebook_with(error)) == [
        "code cell 1 (draw()): ends in an error, NameError: name 'x' is not defined"
    ]


def test_a_number_that_would_be_pasted_as_code_is_named():
    name = "application/papermill.record/text/plain"
    assert problems(notebook_with(image("'861'", name))) == []
    (found,) = problems(notebook_with(image("np.int64(861)", name)))
    assert found == "code cell 1 (draw()): a number that it pastes would be shown as 'np.int64('...: format it"
    assert problems(notebook_with(image("np.int64(861)", "text/plain"))) == [], (
        "an output that a reader may see as it is"
    )


def test_a_cell_that_was_not_executed_is_named():
    assert problems(notebook_with(None, execution_count=None)) == ["code cell 1 (draw()): was not executed"]


@pytest.mark.parametrize(
    "text",
    [
        f"saved in {REPOSITORY}/checkpoints\n",
        f"{Path.home()}/.cache/elmo/model\n",
        "/tmp/ipykernel_4711/123.py:1: UserWarning: no\n",
        "<elmo.bilm.BiLM object at 0x7f31c0ffee00>\n",
    ],
)
def test_traces_of_the_machine_are_problems(text: str):
    assert len(problems(notebook_with(stream(text)))) == 1


def test_a_figure_with_caption_and_alt_text_is_no_problem():
    assert problems(notebook_with(image(PNG), CAPTIONED)) == []


def test_a_figure_without_caption_and_alt_text_has_two_problems():
    assert [line.split("): ")[1].split(" (")[0] for line in problems(notebook_with(image(PNG)))] == [
        "its figure has no caption",
        "its figure has no alt text",
    ]


@pytest.mark.parametrize("mime", ["image/png", "image/svg+xml"])
def test_a_heavy_image_is_a_problem(mime: str):
    content = "<svg>" + "x" * MAX_IMAGE_BYTES if mime.endswith("xml") else base64.b64encode(bytes(300_001)).decode()
    found = problems(notebook_with(image(content, mime), CAPTIONED))
    assert len(found) == 1 and "draw less or lower the dpi" in found[0]
