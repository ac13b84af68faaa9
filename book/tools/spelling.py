"""`python -m book.tools.spelling`: misspelt words, and American ones in the prose, found by codespell.

Prose is what stands outside code, formulas and addresses in Markdown; of Python files everything is read, and
misspellings only are looked for. Words that are right here, whatever codespell says, stand in book/words.txt.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import codespell_lib

from book.tools import BOOK, REPOSITORY

WORDS = BOOK / "words.txt"
_DICTIONARIES = Path(codespell_lib.__file__).parent / "data"
_CODE = (
    re.compile(r"\A---\n.*?^---$", re.MULTILINE | re.DOTALL),  # front matter
    re.compile(
        r"^( *)(`{3,})(?:\{code-cell\}|[a-z]+|\{(?:eval-rst|bibliography)\}).*?^\1\2`*$", re.MULTILINE | re.DOTALL
    ),
    re.compile(r"\$\$.*?\$\$", re.DOTALL),
    re.compile(r"(`+).+?\1", re.DOTALL),  # code in a line, and the targets of roles
    re.compile(r"\$[^$\n]+\$"),
    re.compile(r"https?://\S+"),
    re.compile(r"^:(?:label|name|class|alt): .*$", re.MULTILINE),
    re.compile(r"^:{3,}\{(?:solution|exercise\w*)\}.*$", re.MULTILINE),
)


def prose(markdown: str) -> str:
    """The text without its code: what is left out becomes blanks, so that line numbers stay."""
    for pattern in _CODE:
        markdown = pattern.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), markdown)
    return markdown


def misspelt(files: Iterable[Path], root: Path = REPOSITORY) -> list[str]:
    """One line for each word that codespell does not like: `file:line: word ==> another`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        british = folder / "british"
        british.write_text(_american_to_british(), encoding="utf-8")
        texts = {"prose": folder / "prose", "code": folder / "code"}
        for path in files:
            kind = "prose" if path.suffix == ".md" else "code"
            copy = texts[kind] / path.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            text = path.read_text(encoding="utf-8")
            copy.write_text(prose(text) if kind == "prose" else text, encoding="utf-8")
        return [
            line
            for kind, dictionaries in (("prose", ["-", str(british)]), ("code", ["-"]))
            if texts[kind].is_dir()
            for line in _codespell(texts[kind], dictionaries)
        ]


def _codespell(folder: Path, dictionaries: list[str]) -> list[str]:
    command = [sys.executable, "-m", "codespell_lib", "--quiet-level=2", "--disable-colors", f"--ignore-words={WORDS}"]
    command += [part for dictionary in dictionaries for part in ("-D", dictionary)]
    found = subprocess.run([*command, "."], cwd=folder, capture_output=True, text=True, encoding="utf-8")
    if found.returncode not in (0, 65) or (found.returncode and not found.stdout):
        raise RuntimeError(f"codespell: {found.stderr.strip()}")
    return sorted(line.removeprefix("./") for line in found.stdout.splitlines())


def _american_to_british() -> str:
    """codespell's dictionary of British words for American ones, the other way round."""
    pairs = [line.split("->") for line in (_DICTIONARIES / "dictionary_en-GB_to_en-US.txt").read_text().splitlines()]
    british = {american.split(",")[0].strip(): word for word, american in pairs}
    return "".join(f"{american}->{word}\n" for american, word in british.items())


def files() -> list[Path]:
    """What the project has written: pages, package, tools, tests and the files at the top."""
    patterns = (
        "*.md",
        "book/*.md",
        "book/src/*.md",
        "elmo/**/*.py",
        "book/tools/**/*.py",
        "benchmarks/*.py",
        "tests/**/*.py",
    )
    return sorted({path for pattern in patterns for path in REPOSITORY.glob(pattern)})


def main() -> int:
    """Print what is misspelt; exit 1 if anything is."""
    found = misspelt(files())
    for line in found:
        print(line)
    if found:
        print(f"Correct these, or add what is right to {WORDS.relative_to(REPOSITORY)}.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
