"""The appendices name everything there is: modules, commands, measurements, terms, corpora, notebooks.

Where a figure is asked for that a file does not hold, the build says so instead of showing something else.
"""

from __future__ import annotations

import argparse
import json
import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import nbformat
import pytest
import typer
from docutils.core import publish_doctree

from book.tools import BOOK, REPOSITORY, SOURCES, appendices, results
from book.tools.appendices import Term, chapter_pages, fragments, make_appendices, seeds, terms, terms_page
from book.tools.docstrings import field_comments, plain
from book.tools.pictures import draw_three_views
from book.tools.reference import GROUPS, LEFT_OUT, commands, first_sentence, modules
from book.tools.results import ResultsError, choices, figures, results_files
from elmo import cli
from elmo.bilm_config import BiLMConfig
from elmo.corpora.datasets import DATASETS

TERMS = """# A chapter

## Terms

```{list-table}
:header-rows: 1

* - English
  - 中文
  - Meaning
* - sentence
  - 句子
  - words up to
    a full stop
* - loss, $L$
  - 损失
  - what is made small
```

## Exercises
"""


EMPTY = (
    *"nn tasks explore explore.polysemy explore.probing system encoding tagging tagging.experiment".split(),
    *"corpora training web adapting".split(),
)


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return fragments()


def code_cell(text: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text)])


def test_every_module_is_in_the_reference_or_has_a_page_of_its_own(made: dict[str, str]):
    on_disk = set()
    for path in (REPOSITORY / "elmo").rglob("*.py"):
        parts = path.relative_to(REPOSITORY).with_suffix("").parts
        on_disk.add(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    shown = set(re.findall(r"^\.\. automodule:: (\S+)$", "\n".join(made[group] for group in GROUPS), re.MULTILINE))
    without = {name for name in on_disk if name.split(".")[1:2] in (["exercises"], ["commands"]) or name in LEFT_OUT}
    empty = {f"elmo.{room}" for room in EMPTY}  # only make their folders packages
    assert shown == on_disk - without - empty
    assert all(f"{{py:mod}}`{name}`: " in made["api"] for name in shown)


def test_every_group_of_modules_has_its_page():
    for group, title in GROUPS.items():
        page = (BOOK / f"b_{group}.md").read_text(encoding="utf-8")
        assert page.startswith(f"# {title}\n") and f"generated/{group}.md" in page
        assert modules()[group]


def test_the_names_that_the_reference_recommends_exist():
    import importlib

    page = (BOOK / "b_api.md").read_text(encoding="utf-8")
    for role, target in re.findall(r"\{py:(func|class|exc|mod)\}`([\w.]+)`", page):
        module, _, name = (target, "", "") if role == "mod" else target.rpartition(".")
        assert not name or hasattr(importlib.import_module(module), name), target
        assert any(module in names for names in modules().values()), target


def test_every_command_is_shown_with_every_option(made: dict[str, str]):
    assert {"elmo pretrain", "elmo data fetch", "elmo lac tag"} <= commands().keys()
    sections = dict(re.findall(r"^## `([^`]+)`\n(.*?)(?=^## |\Z)", made["commands"], re.MULTILINE | re.DOTALL))
    assert sections.keys() == commands().keys()
    for typed, command in commands().items():
        for parameter in command.params:
            name = parameter.name.upper() if parameter.param_type_name == "argument" else parameter.opts[0]
            assert re.search(rf"^`[^`]*{re.escape(name)}\b", sections[typed], re.MULTILINE), (typed, name)


def test_a_flag_in_a_help_text_keeps_its_dashes(made: dict[str, str]):
    assert re.findall(r"^: .*(?<![`\w])--\w.*$", made["commands"], re.MULTILINE) == []


def test_a_default_is_what_the_command_takes(made: dict[str, str]):
    assert "`--batch_size <int>`\n: Parallel streams of sentences, on each rank. Default: `128`." in made["commands"]


def test_every_results_file_has_its_question_its_command_and_figures(made: dict[str, str]):
    described = choices()
    sections = dict(re.findall(r"^## `([^`]+)`\n(.*?)(?=^## |\Z)", made["results"], re.MULTILINE | re.DOTALL))
    assert sections.keys() == {path.name for path in results_files()}
    for path in results_files():
        assert path.stem in described, f"data/results/{path.name} has no table [{path.stem}] in book/results.toml"
        assert described[path.stem]["question"] in sections[path.name]
        assert described[path.stem]["command"] in sections[path.name]
        rows = re.findall(r"^\| .* \|$", sections[path.name], re.MULTILINE)
        assert len(rows) > 2 or "Nothing has been measured yet" in sections[path.name], f"{path.name}: no figures"


def test_every_command_of_the_measurements_names_a_program_that_is_there():
    for name, choice in choices().items():
        words = choice["command"].split()
        if words[0] == "python":
            assert (REPOSITORY / words[1]).is_file(), name
        else:
            assert " ".join(words[:3]) in commands(), name


def test_a_figure_is_read_by_its_keys():
    content = {"sets": {"a": {"rho": 0.5, "low": 0.25, "high": 0.75}, "b": {"rho": -0.125, "low": -1, "high": 1}}}
    line = {"label": "{}: rho", "path": ["sets", "*"], "times": 100, "digits": 1}
    assert list(figures(content, line)) == [("a: rho", "50.0 (25.0 to 75.0)"), ("b: rho", "−12.5 (−100.0 to 100.0)")]
    assert list(figures(content, line | {"without": ["a"]})) == [("b: rho", "−12.5 (−100.0 to 100.0)")]
    rows = {"rows": [{"system": "elmo", "size": 500, "mean": 76.36, "interval": [75.5, 77.2], "f1": [76, 77]}]}
    line = {"label": "{system}, {size}", "path": ["rows", "*"], "digits": 1}
    assert list(figures(rows, line)) == [("elmo, 500", "76.4 (75.5 to 77.2)")]
    assert list(figures({"s": [3.0, 1.0, 2.0]}, {"label": "s", "path": ["s"], "digits": 0})) == [("s", "1 to 3")]


def test_a_figure_that_is_not_there_ends_the_build_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "load.json").write_text(json.dumps({"formats": {"ours": {"size": 1}}}), encoding="utf-8")
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    with pytest.raises(
        ResultsError, match=r"book/results.toml, \[load\]: there is no 'size_mb' in data/results/load.json"
    ):
        results._section(tmp_path / "load.json", choices()["load"])


def test_results_without_a_description_are_shown_all_the_same(tmp_path: Path):
    (tmp_path / "new.json").write_text(json.dumps({"score": {"f1": 0.5}, "good": True}), encoding="utf-8")
    section = results._section(tmp_path / "new.json", None)
    assert "| score / f1 | 0.5 |" in section and "good" not in section


def test_every_term_of_every_chapter_is_in_the_list_with_a_link(made: dict[str, str]):
    rows = dict(re.findall(r"^\* - (.*)\n((?:  - .*\n)+)", made["terms"], re.MULTILINE))
    by_name = {name.casefold(): row for name, row in rows.items()}
    pages = chapter_pages()
    assert {page.parent for page in pages} == {BOOK, SOURCES}
    for page in pages:
        if page.stem != "00_how_to_use":
            assert terms(page), f"{page.name} has no table of terms"
        for term in terms(page):
            row = by_name[term.english.casefold()]
            assert term.chinese in row and term.meaning in row and f"<{page.stem}>`" in row, term
    names = list(rows)[1:]  # without the head
    assert [name.casefold().lstrip("`$") for name in names] == sorted(name.casefold().lstrip("`$") for name in names)


def test_what_chapters_move_to_the_engineers_is_on_their_page(made: dict[str, str]):
    page = (BOOK / "for_engineers.md").read_text(encoding="utf-8")
    assert "```{include} generated/for_engineers.md\n" in page
    parts = [path.read_text(encoding="utf-8") for path in sorted(BOOK.glob("for_engineers_*.md"))]
    assert all(part.startswith("## ") for part in parts), "the page has the heading above them"
    assert made["for_engineers"] == "\n".join(parts)


def test_a_table_of_terms_is_read_whole(tmp_path: Path):
    (tmp_path / "05_x.md").write_text(TERMS, encoding="utf-8")
    assert terms(tmp_path / "05_x.md") == [
        Term("sentence", "句子", "words up to a full stop", "05_x"),
        Term("loss, $L$", "损失", "what is made small", "05_x"),
    ]


def test_a_term_of_two_chapters_stands_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pages = [tmp_path / "05_x.md", tmp_path / "06_y.md"]
    pages[0].write_text(TERMS, encoding="utf-8")
    pages[1].write_text(TERMS.replace("- sentence", "- Sentence").replace("句子", "句"), encoding="utf-8")
    monkeypatch.setattr(appendices, "chapter_pages", lambda: pages)
    monkeypatch.setattr(appendices, "_in_book", lambda name: True)
    page = terms_page()
    assert page.casefold().count("* - sentence\n") == 1 and "  - 句子；句\n" in page
    assert "{doc}`5 <05_x>`, {doc}`6 <06_y>`" in page and page.count("words up to a full stop") == 1


def test_a_chapter_that_is_not_in_the_book_yet_is_not_linked_to(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(appendices, "_in_book", lambda name: name != "07_pingguo")
    assert all(page.stem != "07_pingguo" for page in chapter_pages())
    assert "{doc}`07_pingguo`" not in appendices.timing_table() and "`07_pingguo`" in appendices.timing_table()


def test_the_status_lists_every_notebook_as_it_is_stamped(made: dict[str, str]):
    notebooks = sorted(BOOK.glob("*.ipynb"))
    assert notebooks
    for path in notebooks:
        stamp = nbformat.read(path, as_version=4).metadata["elmo"]
        row = next(line for line in made["status"].splitlines() if line.startswith("| ") and path.stem in line)
        assert f"| {stamp['profile']} | {stamp['seconds']} |" in row
        assert all(f"{name} {version}" in made["status"] for name, version in stamp["versions"].items())
        assert stamp["device"] in made["status"] and stamp["device"] in made["timing"]
        timed = next(line for line in made["timing"].splitlines() if path.stem in line)
        assert f"| {stamp['seconds']} |" in timed


def test_peak_memory_is_shown_where_a_stamp_has_it(monkeypatch: pytest.MonkeyPatch):
    stamp = {"seconds": 9, "profile": "small", "device": "a laptop", "versions": {}, "peak_memory_mb": 1234}
    notebook = code_cell("seed = 3")
    notebook.metadata["elmo"] = stamp
    monkeypatch.setattr(appendices, "executed", lambda: {"05_bilm": notebook})
    assert "| small | 9 | 1,234 | 3 |" in appendices.status_page()
    assert "| 9 | 1,234 |" in appendices.timing_table()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("seed_everything(3)", {3}),
        ("np.random.default_rng(4)", {4}),
        ("train(x, seed=5, random_state=6)", {5, 6}),
        ("SEEDS = (7, 8)", {7, 8}),
        ("PASSES, SEEDS = (2, 6), range(3)", {0, 1, 2}),
        ("scores = [run(seed) for seed in range(2)]", {0, 1}),
        ("for seed in (1, 9):\n    run(seed)", {1, 9}),
        ("run(seed=seed); size = 12", set()),
        ("%matplotlib inline\nseed = 1", {1}),
    ],
)
def test_the_seeds_of_a_notebook_are_those_that_its_code_names(code: str, expected: set[int]):
    assert seeds(code_cell(code)) == expected


def test_every_public_corpus_is_named_with_its_licence_and_how_to_get_it(made: dict[str, str]):
    sections = dict(re.findall(r"^### `([^`]+)`\n(.*?)(?=^### |\Z)", made["corpora"], re.MULTILINE | re.DOTALL))
    assert sections.keys() == DATASETS.keys()
    for name, dataset in DATASETS.items():
        assert f"- Licence: **{dataset.licence}**" in sections[name]
        assert f"`elmo data fetch {name}`" in sections[name] or "by hand: " in sections[name]
        assert sections[name].count("- Source: ") == len({file.source for file in dataset.files})
        for repository in {
            name for file in dataset.files for name in re.findall(r"github\.com/[\w.-]+/[\w.-]+", file.source)
        }:
            assert f"](https://{repository})" in sections[name]


def test_every_page_includes_what_is_made_and_nothing_else(made: dict[str, str]):
    included = set()
    for page in BOOK.glob("*.md"):
        included |= set(re.findall(r"generated/(\w+\.\w+)", page.read_text(encoding="utf-8").replace("_static/", "_")))
    included -= {name for name in included if name.startswith("figures")}
    assert included == {f"{name}.md" for name in made} | {"three_views.svg"}


def test_fragments_that_have_not_changed_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(appendices, "fragments", lambda: {"terms": "苹果\n"})
    make_appendices(tmp_path)
    (tmp_path / "gone.md").write_text("of yesterday", encoding="utf-8")
    before = (tmp_path / "terms.md").stat().st_mtime_ns
    make_appendices(tmp_path)
    assert (tmp_path / "terms.md").stat().st_mtime_ns == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["terms.md", "three_views.svg"]


def test_the_picture_is_the_same_each_time_and_needs_no_font(tmp_path: Path):
    first, second = (draw_three_views(tmp_path / name).read_bytes() for name in ("a.svg", "b.svg"))
    assert first == second
    assert b"<text" not in first and b"font-family" not in first


def test_the_first_sentence_does_not_end_at_an_abbreviation():
    assert first_sentence("elmo.skipgram").endswith("in blocks of text.") and "et al. 2013" in first_sentence(
        "elmo.skipgram"
    )


def test_the_comment_behind_a_field_is_its_meaning():
    found = field_comments(BiLMConfig)
    assert list(found)[:2] == ["vocab_size", "embed_size"]
    assert found["num_layers"] == "LSTMP layers in each direction"


def test_stars_bars_and_tables_of_a_docstring_are_read_as_they_look():
    lines = [
        "Sum *of* a | b --by hand and `x * y | z`.",
        "",
        "| what | size |",
        "|---|---|",
        "| cell | 4 |",
        "",
        "- one",
        "- two",
    ]
    tree = publish_doctree("\n".join(plain(lines)), settings_overrides={"report_level": 1, "halt_level": 1})
    assert tree[0].astext() == "Sum *of* a | b --by hand and x * y | z."
    assert [entry.astext() for entry in tree.findall(lambda node: node.tagname == "entry")] == [
        "what",
        "size",
        "cell",
        "4",
    ]
    assert tree[-1].tagname == "bullet_list"


@pytest.mark.parametrize("name", choices())
def test_the_command_of_a_results_file_is_one_that_there_is(name: str, monkeypatch: pytest.MonkeyPatch):
    """With all the arguments that it needs, and no others."""
    program, *arguments = shlex.split(choices()[name]["command"])
    if program == "elmo":
        command: Any = typer.main.get_command(cli.app)
        while hasattr(command, "commands"):
            command = command.commands[arguments.pop(0)]
        command.make_context("elmo", arguments)
        return

    class Parsed(Exception):  # noqa: N818
        pass

    def parse(self: argparse.ArgumentParser, *_: object) -> None:
        parse_args(self, arguments[1:])
        raise Parsed

    parse_args = argparse.ArgumentParser.parse_args
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    with pytest.raises(Parsed):
        runpy.run_path(str(REPOSITORY / arguments[0]), run_name="__main__")
