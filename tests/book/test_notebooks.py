"""The committed notebooks show what the sources and the package say today, and every chapter runs from data/ alone."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from book.tools import BOOK, SOURCES, notebooks
from book.tools.assets import README_PICTURE, extract_figures
from book.tools.checks import code_cells, first_line, problems
from book.tools.execute import ChapterError, read_source
from book.tools.notebooks import chapters, executed_path, run_chapter, stale_because

FRONT_MATTER = "---\nkernelspec:\n  display_name: Python 3\n  name: python3\n---\n\n# 苹果\n"
FIGURE = """
```{code-cell} ipython3
---
mystnb:
  figure: {caption: A line., name: fig-line}
  image: {alt: A line}
---
import matplotlib.pyplot as plt

plt.plot([0, 1]);
```
"""


def code(text: str) -> str:
    return f"\n```{{code-cell}} ipython3\n{text}\n```\n"


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "src"
    folder.mkdir()
    monkeypatch.setattr(notebooks, "SOURCES", folder)
    monkeypatch.setattr(notebooks, "BOOK", tmp_path)
    return folder


@pytest.mark.parametrize("name", chapters())
def test_committed_notebook_is_up_to_date(name: str):
    reasons = stale_because(name)
    assert not reasons, f"{name} is stale ({', '.join(reasons)}): run `make notebooks`"


@pytest.mark.parametrize("name", chapters())
def test_committed_notebook_has_nothing_that_a_reader_must_not_meet(name: str):
    assert problems(nbformat.read(executed_path(name), as_version=4)) == []


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", chapters())
def test_chapter_runs_in_the_small_profile(name: str, tmp_path: Path):
    assert run_chapter(name, "small", tmp_path, cell_timeout=600).is_file()


def test_no_chapter_names_a_file_by_where_it_stands():
    """Opened in another folder, with the package installed, it finds its data by `elmo.system.project` alone."""
    for name in chapters():
        for cell in code_cells(read_source(SOURCES / f"{name}.md")):
            assert "../" not in cell.source, f"{name}: {first_line(cell)}"


def test_a_chapter_runs_in_an_empty_folder(sources: Path):
    lines = "import os\nfrom elmo.system.project import project_data\n"
    lines += "assert project_data('lac').is_dir()\nprint(os.listdir())"
    (sources / "01_alone.md").write_text(FRONT_MATTER + code(lines), encoding="utf-8")
    assert notebooks.main([]) == 0
    notebook = nbformat.read(executed_path("01_alone"), as_version=4)
    assert notebook.cells[1].outputs[0].text == "[]\n"
    assert "data/lac" in notebook.metadata["elmo"]["ran_on"]


def test_every_notebook_has_a_source():
    orphans = {path.stem for path in BOOK.glob("*.ipynb")} - set(chapters())
    assert not orphans, f"no book/src/NAME.md for {sorted(orphans)}"


def test_a_good_chapter_is_stamped_and_then_up_to_date(sources: Path):
    source = sources / "01_good.md"
    source.write_text(FRONT_MATTER + code("import os\nprint(os.environ['ELMO_PROFILE'])") + FIGURE, encoding="utf-8")
    assert stale_because("01_good") == ["it was never executed"]
    assert notebooks.main([]) == 0
    assert stale_because("01_good") == []
    notebook = nbformat.read(executed_path("01_good"), as_version=4)
    assert notebook.cells[1].outputs[0].text == "small\n"
    stamp = notebook.metadata["elmo"]
    assert stamp["profile"] == "small" and "matplotlib" in stamp["versions"]
    assert f"Executed in {stamp['seconds']} s" in notebook.cells[-1].source
    source.write_text(source.read_text(encoding="utf-8") + "\nMore.\n", encoding="utf-8")
    assert stale_because("01_good") == ["book/src/01_good.md changed"]
    assert notebooks.main(["--check"]) == 1


def test_another_folder_gets_all_chapters_and_the_committed_ones_stay(sources: Path, tmp_path: Path):
    (sources / "01_good.md").write_text(FRONT_MATTER + code("print('fine')"), encoding="utf-8")
    assert notebooks.main([]) == 0
    committed = executed_path("01_good").read_bytes()
    assert notebooks.main(["--output", str(tmp_path / "scratch")]) == 0
    assert (tmp_path / "scratch" / "01_good.ipynb").is_file(), "executed although it was up to date"
    assert executed_path("01_good").read_bytes() == committed


def test_a_chapter_that_raises_is_not_written(sources: Path, capfd: pytest.CaptureFixture[str]):
    (sources / "01_bad.md").write_text(FRONT_MATTER + code("print('fine')") + code("1 / 0"), encoding="utf-8")
    assert notebooks.main([]) == 1
    assert capfd.readouterr().err.splitlines()[-1] == (
        "01_bad.md: code cell 2 (1 / 0): ZeroDivisionError: division by zero"
    )
    assert not list(sources.parent.glob("*.ipynb*"))


def test_a_chapter_whose_figure_has_no_alt_text_is_not_written(sources: Path):
    cell = FIGURE.replace("  image: {alt: A line}\n", "")
    (sources / "01_blind.md").write_text(FRONT_MATTER + cell, encoding="utf-8")
    with pytest.raises(ChapterError, match="no alt text"):
        run_chapter("01_blind", "small", sources.parent, cell_timeout=600)
    assert not list(sources.parent.glob("*.ipynb*"))


def test_a_directive_with_a_backtick_in_its_first_line_is_refused_before_anything_runs(sources: Path):
    text = code("x = 1") + "```{list-table} Of `x`.\n* - x\n```\n\n" + code("print(x)")
    (sources / "01_fence.md").write_text(FRONT_MATTER + text, encoding="utf-8")
    with pytest.raises(ChapterError, match=r"01_fence.md: a backtick ends the fence .*\{list-table\} Of"):
        read_source(sources / "01_fence.md")


def test_an_unknown_chapter_is_refused_with_the_choice(sources: Path, capsys: pytest.CaptureFixture[str]):
    (sources / "01_good.md").write_text(FRONT_MATTER, encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        notebooks.main(["--only", "02_none"])
    assert ended.value.code == 2
    assert "no chapter '02_none': choose from 01_good" in capsys.readouterr().err


def test_the_readme_shows_the_books_first_figure(tmp_path: Path) -> None:
    extract_figures(BOOK.glob("*.ipynb"), tmp_path / "figures")
    assert README_PICTURE.read_bytes() == (tmp_path / "figures" / "fig-two-dots.png").read_bytes()
