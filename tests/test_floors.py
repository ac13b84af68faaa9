"""The package's floors: a module imports from its own floor and from those below, never from above."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

FLOORS = {
    "errors": 0,
    "system": 0,
    "checks": 0,
    "model_sizes": 0,
    "runtime": 0,
    "doctor": 0,
    "statistics": 0,
    "text": 1,
    "corpora": 1,
    "nn": 1,
    "models": 1,
    "bilm": 2,
    "convert": 2,
    "masked_lm": 2,
    "skipgram": 2,
    "word_vectors": 1,
    "encoding": 3,
    "training": 3,
    "tagging": 4,
    "tasks": 5,
    "explore": 6,
    "exercises": 7,
    "commands": 7,
    "cli": 7,
    "__main__": 8,
}
_IMPORT_BY_NAME = re.compile(r"elmo\.(\w+)(?:\.\w+)*:\w+")  # as plug-ins are named


def imported(path: Path) -> Iterator[str]:
    """First part of the name of each module of ours that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "elmo":
            yield from (alias.name for alias in node.names if alias.name in FLOORS)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("elmo."):
            yield str(node.module).split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("elmo."))
        elif isinstance(node, ast.Constant) and (match := _IMPORT_BY_NAME.fullmatch(str(node.value))):
            yield match[1]


def test_every_module_has_a_floor_and_imports_nothing_from_above(repository: Path) -> None:
    package = repository / "elmo"
    wrong = []
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).parts[0].removesuffix(".py")
        if name == "__init__":  # offers load_pretrained, which it imports when asked for
            continue
        wrong += [f"{path.name} imports {other}" for other in imported(path) if FLOORS[other] > FLOORS[name]]
    assert wrong == []
