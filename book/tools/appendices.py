"""`python -m book.tools.appendices`: what the appendices and chapter 0 say of other files, written to book/generated.

The pages in book/ hold the prose and include these fragments. They are made at each build, not committed: what they say
cannot be older than what it is said of, and nobody has to merge them.
"""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from book.tools import BOOK, REPOSITORY, SOURCES
from book.tools.checks import Notebook, code_cells
from book.tools.pictures import draw_three_views
from book.tools.reference import api_pages, commands_page, escape
from book.tools.results import results_page
from elmo.corpora.datasets import DATASETS

GENERATED = BOOK / "generated"
_TABLE = re.compile(r"^## Terms\n+```\{list-table\}[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\* - (.*?)\n  - (.*?)\n  - (.*?)(?=\n\* - |\n*\Z)", re.MULTILINE | re.DOTALL)
_SEED_CALLS = ("seed_everything", "default_rng")
_SEED_NAMES = ("seed", "random_seed", "random_state", "seeds", "SEED", "SEEDS")


@dataclass(frozen=True)
class Term:
    """A row of a chapter's table of terms."""

    english: str
    chinese: str
    meaning: str
    page: str  # name of the chapter's page


def make_appendices(folder: Path = GENERATED) -> Path:
    """Write all fragments and the picture; what has not changed is left alone: Sphinx need not read it again."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = fragments()
    for name, text in texts.items():
        path = folder / f"{name}.md"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    picture = draw_three_views(folder / "three_views.svg")
    for path in folder.iterdir():
        if path != picture and path.stem not in texts:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return folder


def fragments() -> dict[str, str]:
    """All generated texts, by the name of the file that a page includes."""
    return {
        "terms": terms_page(),
        "timing": timing_table(),
        "status": status_page(),
        "for_engineers": engineers_page(),
        "corpora": corpora_page(),
        "results": results_page(),
        "commands": commands_page(),
        **dict(api_pages()),
    }


def chapter_pages() -> list[Path]:
    """Sources of all chapters, in their order: MyST text in book/src, or a page without code in book/.

    A chapter that _toc.yml does not name yet is not in the book, and nothing may link to it.
    """
    pages = {path.stem: path for folder in (BOOK, SOURCES) for path in folder.glob("[0-9][0-9]_*.md")}
    return [pages[name] for name in sorted(pages) if _in_book(name)]


def _in_book(name: str) -> bool:
    return re.search(rf"\bbook/{name}\b", (REPOSITORY / "_toc.yml").read_text(encoding="utf-8")) is not None


def _link(name: str, text: str = "") -> str:
    """To a page of the book; only its name where it is none yet."""
    if not _in_book(name):
        return f"`{name}`"
    return f"{{doc}}`{text} <{name}>`" if text else f"{{doc}}`{name}`"


def terms(page: Path) -> list[Term]:
    """The rows of a chapter's table of terms, without its head."""
    table = _TABLE.search(page.read_text(encoding="utf-8"))
    rows = _ROW.findall(table.group(1)) if table else []
    tidy = [[" ".join(cell.split()) for cell in row] for row in rows[1:]]
    return [Term(english, chinese, meaning, page.stem) for english, chinese, meaning in tidy]


def terms_page() -> str:
    """All terms from A to Z: what several chapters name stands once, with a link to each of them."""
    found: dict[str, list[Term]] = {}
    for page in chapter_pages():
        for term in terms(page):
            found.setdefault(term.english.casefold(), []).append(term)
    lines = ["```{list-table}", ":header-rows: 1", ":class: terms", ""]
    lines += ["* - English", "  - 中文", "  - Meaning", "  - Chapter"]
    for key in sorted(found, key=lambda text: text.lstrip("`$")):
        same = found[key]
        chinese = "；".join(dict.fromkeys(term.chinese for term in same))
        meanings = "; ".join(dict.fromkeys(term.meaning for term in same))
        links = ", ".join(_link(page, _number(page)) for page in dict.fromkeys(term.page for term in same))
        lines += [f"* - {same[0].english}", f"  - {chinese}", f"  - {meanings}", f"  - {links}"]
    return "\n".join([*lines, "```", ""])


def _number(page: str) -> str:
    return str(int(page.partition("_")[0]))


def executed() -> dict[str, Notebook]:
    """The committed notebooks by name, in the order of the book."""
    return {path.stem: nbformat.read(path, as_version=4) for path in sorted(BOOK.glob("[0-9][0-9]_*.ipynb"))}


def timing_table() -> str:
    """For each chapter the seconds and the memory of the run that its page shows, and on what that was."""
    rows = [("Chapter", "Seconds", "Memory, MB")]
    devices: dict[str, None] = {}
    total = 0
    for name, notebook in executed().items():
        stamp = notebook.metadata.get("elmo", {})
        rows.append((_link(name), str(stamp.get("seconds", "–")), _memory(stamp)))
        total += stamp.get("seconds", 0)
        devices[stamp.get("device", "a machine that it does not name")] = None
    rows.append(("all together", f"{total:,}", ""))
    said = f"Measured on {' and on '.join(devices)}, without a GPU.\n" if devices else ""
    return "\n".join([*_table(rows), "", said])


def status_page() -> str:
    """A table of all notebooks: profile, seconds, memory, seeds; then what each ran on, versions included."""
    rows = [("Notebook", "Profile", "Seconds", "Memory, MB", "Seeds")]
    ran_on: dict[tuple[str, str], list[str]] = {}
    for name, notebook in executed().items():
        stamp = notebook.metadata.get("elmo", {})
        versions = ", ".join(f"{package} {version}" for package, version in stamp.get("versions", {}).items())
        ran_on.setdefault((stamp.get("device", "not named"), versions), []).append(name)
        seconds, profile = str(stamp.get("seconds", "–")), stamp.get("profile", "never executed")
        rows.append((_link(name, name), profile, seconds, _memory(stamp), _listed(seeds(notebook))))
    lines = [*_table(rows), ""]
    for (device, versions), names in ran_on.items():
        links = ", ".join(_link(name, _number(name)) for name in names)
        lines.append(f"- {links}: {device}; {versions}")
    return "\n".join([*lines, ""])


def _memory(stamp: dict[str, Any]) -> str:
    peak = stamp.get("peak_memory_mb")
    return "–" if peak is None else f"{peak:,}"


def _listed(numbers: set[int]) -> str:
    return ", ".join(map(str, sorted(numbers))) or "none"


def seeds(notebook: Notebook) -> set[int]:
    """The seeds that a notebook's code names: seed=3, seed_everything(3), default_rng(3), SEEDS = (1, 2), range(3)."""
    found: set[int] = set()
    for cell in code_cells(notebook):
        python = "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in cell.source.splitlines())
        for value in _seed_values(ast.parse(python)):
            found.update(_integers(value))
    return found


def _seed_values(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            yield from node.args[:1] if name in _SEED_CALLS else []
            yield from (keyword.value for keyword in node.keywords if keyword.arg in _SEED_NAMES)
        elif isinstance(node, ast.Assign):
            yield from (value for name, value in _assigned(node) if name in _SEED_NAMES)
        elif isinstance(node, ast.For | ast.comprehension) and getattr(node.target, "id", "") in _SEED_NAMES:
            yield node.iter


def _assigned(node: ast.Assign) -> Iterator[tuple[str, ast.expr]]:
    """Names and their values; `a, b = 1, 2` gives two."""
    for target in node.targets:
        if isinstance(target, ast.Name):
            yield target.id, node.value
        elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = zip(target.elts, node.value.elts, strict=False)
            yield from ((name.id, value) for name, value in pairs if isinstance(name, ast.Name))


def _integers(node: ast.expr) -> Iterator[int]:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield node.value
    elif isinstance(node, ast.Tuple | ast.List):
        for element in node.elts:
            yield from _integers(element)
    elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "range":
        bounds = [value for argument in node.args for value in _integers(argument)]
        yield from range(*bounds) if len(bounds) == len(node.args) else ()


def engineers_page() -> str:
    """What chapters have moved to the appendix for engineers: book/for_engineers_NN_name.md, in their order."""
    parts = sorted(BOOK.glob("for_engineers_*.md"))
    return "\n".join(part.read_text(encoding="utf-8") for part in parts)


def corpora_page() -> str:
    """The public corpora of the registry: licence, size, source, and how to get each."""
    lines = []
    for dataset in DATASETS.values():
        lines += [f"### `{dataset.name}`", "", f"{escape(dataset.description)}.", ""]
        lines += [f"- Licence: **{escape(dataset.licence)}**", f"- Size: {dataset.num_bytes / 1e6:,.1f} MB"]
        lines += [f"- Source: {source}" for source in dict.fromkeys(map(_source, dataset.files))]
        how = f"by hand: {escape(dataset.by_hand)}" if dataset.by_hand else f"`elmo data fetch {dataset.name}`"
        lines += [f"- To get it: {how}", ""]
    return "\n".join(lines)


def _source(file: Any) -> str:
    """Where a file is from, with a link to each repository."""
    text = f"{file.about}; from {file.source}" if file.about else file.source
    return re.sub(r"github\.com/([\w.-]+/[\w.-]+)", r"[\1](https://github.com/\1)", escape(text))


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]]


def main() -> None:
    """Write everything anew."""
    print(f"{len(list(make_appendices().iterdir()))} files in {GENERATED.relative_to(BOOK.parent)}")


if __name__ == "__main__":
    main()
