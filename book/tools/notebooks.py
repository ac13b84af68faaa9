"""`python -m book.tools.notebooks`: book/src/NN_name.md, which we edit, into book/NN_name.ipynb, which readers open.

A chapter is executed when its source, the code that it imports or the data that it names has changed since. The profile
(`small`: minutes, from data/ alone; `full`: the real corpora) is ELMO_PROFILE, or else that of the committed notebook.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import nbformat

from book.tools import BOOK, REPOSITORY, SOURCES
from book.tools.assets import save_readme_picture
from book.tools.checks import Notebook, code_cells, problems
from book.tools.execute import ChapterError, execute, read_source
from book.tools.provenance import ran_on, text_sha256

PROFILES = ("small", "full")


def chapters() -> list[str]:
    """Names of all chapters, NN_name, in the order of the book."""
    return sorted(path.stem for path in SOURCES.glob("[0-9][0-9]_*.md"))


def executed_path(name: str) -> Path:
    """Where the executed notebook of a chapter is."""
    return BOOK / f"{name}.ipynb"


def stale_because(name: str) -> list[str]:
    """What has changed since the committed notebook was executed: empty when it is up to date."""
    path = executed_path(name)
    if not path.is_file():
        return ["it was never executed"]
    stamp = nbformat.read(path, as_version=4).metadata.get("elmo")
    if stamp is None:
        return ["it has no stamp"]
    source = SOURCES / f"{name}.md"
    reasons = [] if stamp["source_sha256"] == text_sha256(source) else [f"book/src/{name}.md changed"]
    before, now = stamp["ran_on"], _ran_on(read_source(source))
    for part in sorted(before.keys() | now.keys()):
        if before.get(part) != now.get(part):
            change = "appeared" if part not in before else "is gone" if part not in now else "changed"
            reasons.append(f"{part} {change}")
    return reasons


def run_chapter(name: str, profile: str, output: Path, cell_timeout: int) -> Path:
    """Execute a chapter into output/NN_name.ipynb, whole or not at all.

    Raises ChapterError when a cell fails or the result has a fault that a reader would meet.
    """
    source = SOURCES / f"{name}.md"
    notebook, run = execute(source, profile, cell_timeout)
    stamp = {"source_sha256": text_sha256(source), "ran_on": _ran_on(notebook), "profile": profile, **run}
    faults = problems(notebook)
    if faults:
        raise ChapterError("\n".join(f"{source.name}: {fault}" for fault in faults))
    notebook.metadata["elmo"] = stamp
    notebook.cells.append(_stamp_cell(stamp))
    nbformat.validate(notebook)
    target = output / f"{name}.ipynb"
    output.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".ipynb.part")
    nbformat.write(notebook, part)
    os.replace(part, target)
    return target


def recorded_profile(name: str) -> str:
    """Profile of the committed notebook, so that a new run does not replace real results by small ones; else small."""
    path = executed_path(name)
    if not path.is_file():
        return "small"
    return str(nbformat.read(path, as_version=4).metadata.get("elmo", {}).get("profile", "small"))


def _ran_on(notebook: Notebook) -> dict[str, str]:
    return ran_on([cell.source for cell in code_cells(notebook)])


def _stamp_cell(stamp: dict[str, Any]) -> Notebook:
    versions = ", ".join(f"{name} {version}" for name, version in stamp["versions"].items())
    took = f"{stamp['seconds']} s" + (f" and {stamp['peak_memory_mb']:,} MB" if "peak_memory_mb" in stamp else "")
    text = f"*Executed in {took}, profile `{stamp['profile']}`, on {stamp['device']}; {versions}.*"
    cell = nbformat.v4.new_markdown_cell(text, metadata={"tags": ["stamp"]})
    cell.id = "stamp"
    return cell


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make notebooks", description=__doc__)
    parser.add_argument("--check", action="store_true", help="list what is stale and why; exit 1 if anything is")
    parser.add_argument("--only", metavar="NAME", action="append", help="this chapter (07_pingguo), stale or not")
    parser.add_argument("--output", type=Path, metavar="DIR", help="execute into DIR, stale or not; book/ stays")
    parser.add_argument("--timeout", type=int, default=3600, metavar="SECONDS", help="for one cell (default: 3600)")
    options = parser.parse_args(arguments)
    options.only = [Path(name).stem for name in options.only or []]
    for name in options.only:
        if name not in chapters():
            parser.error(f"no chapter {name!r}: choose from {', '.join(chapters()) or 'none yet'}")
    profile = os.environ.get("ELMO_PROFILE") or None
    if profile not in (None, *PROFILES):
        parser.error(f"ELMO_PROFILE is {profile!r}: choose from {', '.join(PROFILES)}")
    options.profile = profile
    return options


def main(arguments: list[str] | None = None) -> int:
    """Execute what is stale, or with --check only say so."""
    options = _parse(arguments)
    names = options.only or chapters()
    if options.check:
        stale = {name: reasons for name in names if (reasons := stale_because(name))}
        for name, reasons in stale.items():
            print(f"{name}: {', '.join(reasons)}")
        print("Run `make notebooks`." if stale else f"{len(names)} chapters are up to date.")
        return 1 if stale else 0
    if not options.only and options.output is None:
        names = [name for name in names if stale_because(name)]
    failed = False
    for name in names:
        profile = options.profile or recorded_profile(name)
        print(f"{name} ({profile}) ... ", end="", flush=True)
        try:
            target = run_chapter(name, profile, options.output or BOOK, options.timeout)
        except ChapterError as error:
            print("not written", flush=True)
            print(error, file=sys.stderr)
            failed = True
        else:
            shown = target.resolve()
            print(shown.relative_to(REPOSITORY) if shown.is_relative_to(REPOSITORY) else shown)
    if names and not failed and options.output is None:
        save_readme_picture()
    if not names:
        print("All chapters are up to date.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
