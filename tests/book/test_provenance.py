"""A chapter is stale when, and only when, something that it depends on has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from book.tools.provenance import ran_on, text_sha256


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small elmo: words imports segment inside a function; the package itself imports encoder lazily."""
    files = {
        "elmo/__init__.py": "from elmo import runtime\ndef __getattr__(name):\n    from elmo.encoder import load\n",
        "elmo/runtime.py": "",
        "elmo/encoder.py": "",
        "elmo/text/__init__.py": "",
        "elmo/text/segment.py": "",
        "elmo/text/words.py": "def count():\n    from elmo.text.segment import cut\n    open('counts.tsv')\n",
        "data/counts.tsv": "苹果\t3\n",
        "data/documents/one.txt": "苹果。\n",
        "data/results/speed.json": "{}\n",
        "data/results/size.json": "{}\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def test_imports_are_followed_into_functions_of_imported_modules(project: Path):
    found = ran_on(["from elmo.text import words"], project)
    assert {"elmo/text/words.py", "elmo/text/segment.py", "elmo/text/__init__.py", "elmo/runtime.py"} <= found.keys()


def test_a_module_that_the_chapter_never_reaches_does_not_count(project: Path):
    assert "elmo/encoder.py" not in ran_on(["from elmo.text import words"], project)


@pytest.mark.parametrize("cell", ["import elmo", "from elmo import load"])
def test_using_the_package_itself_counts_what_it_imports_lazily(project: Path, cell: str):
    assert "elmo/encoder.py" in ran_on([cell], project)


@pytest.mark.parametrize("cell", ["!elmo doctor", "files = !ls", "%%bash\nelmo doctor", "import subprocess"])
def test_a_chapter_that_calls_commands_depends_on_every_module(project: Path, cell: str):
    modules = {path.relative_to(project).as_posix() for path in (project / "elmo").rglob("*.py")}
    assert modules <= ran_on([cell], project).keys()


def test_data_named_by_an_imported_module_counts(project: Path):
    assert "data/counts.tsv" in ran_on(["from elmo.text.words import count"], project)


def test_what_is_written_about_data_does_not_count(project: Path):
    before = ran_on(["open('../data/documents')"], project)
    (project / "data/documents/README.md").write_text("Our own sentences.\n", encoding="utf-8")
    assert ran_on(["open('../data/documents')"], project) == before
    (project / "data/documents/two.txt").write_text("梨。\n", encoding="utf-8")
    assert ran_on(["open('../data/documents')"], project) != before


def test_a_results_file_counts_by_itself(project: Path):
    found = ran_on(["open('../data/results/speed.json')"], project)
    assert [name for name in found if name.startswith("data/")] == ["data/results/speed.json"]


@pytest.mark.parametrize("changed", ["elmo/text/segment.py", "data/documents/one.txt"])
def test_a_change_in_what_it_ran_on_shows(project: Path, changed: str):
    cells = ["from elmo.text.words import count", "folder = '../data/documents'"]
    before = ran_on(cells, project)
    assert ran_on(cells, project) == before
    (project / changed).write_text("# other\n", encoding="utf-8")
    assert ran_on(cells, project) != before


def test_a_new_file_in_a_data_folder_shows(project: Path):
    cells = ["folder = '../data/documents'"]
    before = ran_on(cells, project)
    (project / "data/documents/two.txt").write_text("公司。\n", encoding="utf-8")
    assert ran_on(cells, project) != before


@pytest.mark.parametrize(
    "cell", ["print('replace documents')", "folder = 'my_documents'", "from elmo.documents import x"]
)
def test_a_name_inside_another_word_is_no_part_of_data(project: Path, cell: str):
    assert "data/documents" not in ran_on([cell], project)


def test_line_ends_make_no_difference(tmp_path: Path):
    (tmp_path / "unix.md").write_bytes("# 苹果\n".encode())
    (tmp_path / "dos.md").write_bytes("# 苹果\r\n".encode())
    assert text_sha256(tmp_path / "unix.md") == text_sha256(tmp_path / "dos.md")
