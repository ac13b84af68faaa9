"""What a guard does in a notebook's kernel, whose `exit`, `input` and streams are its own."""

from __future__ import annotations

import nbclient
import nbformat
import pytest

CELLS = [
    "from elmo.exercises import check\nfrom elmo.exercises.harness import guard\n"
    "guard.TIME_LIMIT = 0.5\ndef f(weight):\n    return step()",
    "def step():\n    while True:\n        pass\ncheck('4.4', f)",
    "def step():\n    exit()\ncheck('4.4', f)",
    "def step():\n    return input('a number? ')\ncheck('4.4', f)",
    "def step():\n    for _ in range(10_000):\n        print('printed')\ncheck('4.4', f)",
    "print('still alive')",
]
SAID = [
    "",
    "your function has not ended after 0.5 s, in line 5, `return step()`",
    "your function ends the whole program (SystemExit), in line 5, `return step()`",
    "your function waits for somebody to type, in line 5, `return step()`",
    "check shows no more of what your function prints",
    "still alive",
]


@pytest.mark.slow
def test_the_kernel_lives_on_and_each_cell_says_what_happened() -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    for cell, said in zip(notebook.cells, SAID, strict=True):
        shown = "".join(output.get("text") or output["data"]["text/plain"] for output in cell.outputs)
        assert said in shown and len(shown) < 2500, shown
