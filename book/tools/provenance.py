"""What a chapter's outputs depend on: its source, the modules of elmo that it imports, the data that it names.

All is read from text, without running anything and without git, so that a test can ask at any time whether a committed
notebook is stale. The rules lean towards too much: a chapter that calls commands depends on every module.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager

from book.tools import REPOSITORY

_COMMAND_SIGNS = (".system(", "getoutput(", "subprocess", "run_cell_magic(")
_SEPARATE_DATA = ("results",)  # folders of data/ whose files count one by one: each benchmark writes its own


def text_sha256(path: Path) -> str:
    """SHA-256 of a text file, the same whatever its line ends."""
    return hashlib.sha256(path.read_text(encoding="utf-8").encode()).hexdigest()


def ran_on(cells: list[str], root: Path = REPOSITORY) -> dict[str, str]:
    """Map each module and each part of data/ that the code cells depend on to the start of its SHA-256.

    Modules are followed from import to import, those inside functions included. A part of data/ is a file or folder
    directly in data/ (or in data/results/); the cells depend on it if its name, or a file's name without the ending,
    is a part of a path, or begins a string, in their text or in that of those modules.
    """
    modules = sorted(_modules(cells, root))
    texts = [*cells, *((root / module).read_text(encoding="utf-8") for module in modules)]
    found = {module: text_sha256(root / module)[:16] for module in modules}
    for part in _data_parts(root / "data"):
        named = re.compile(rf"[\"'/]({re.escape(part.name)}|{re.escape(part.stem)})(?![\w-])")
        if any(named.search(text) for text in texts):
            found[part.relative_to(root).as_posix()] = _tree_sha256(part)[:16]
    return found


def _modules(cells: list[str], root: Path) -> set[str]:
    """Paths, relative to root, of the modules of elmo that the cells reach."""
    python = [TransformerManager().transform_cell(cell) for cell in cells]
    if any(sign in cell for cell in python for sign in _COMMAND_SIGNS):
        return {path.relative_to(root).as_posix() for path in (root / "elmo").rglob("*.py")}
    waiting = [name for cell in python for name in _imports(ast.parse(cell), root)]
    reached: set[str] = set()
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        path = _module_path(name, root)
        if path is None:  # a name inside a module
            continue
        found.add(path.relative_to(root).as_posix())
        waiting.extend(_imports(ast.parse(path.read_text(encoding="utf-8")), root))
        for parent in _parents(name):  # imported on the way: what they import lazily does not run
            package = root.joinpath(*parent.split("."), "__init__.py")
            found.add(package.relative_to(root).as_posix())
            tree = ast.parse(package.read_text(encoding="utf-8"))
            waiting.extend(_imports(ast.Module(_top_level_imports(tree), []), root))
    return found


def _imports(tree: ast.AST, root: Path) -> Iterator[str]:
    """Every name of elmo that is imported anywhere in the tree; `from elmo.nn import lstmp` gives both readings."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            if any(_module_path(name, root) is None for name in names):
                names.append(node.module)
        yield from (name for name in names if name.split(".")[0] == "elmo")


def _top_level_imports(tree: ast.Module) -> list[ast.stmt]:
    return [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]


def _module_path(name: str, root: Path) -> Path | None:
    stem = root.joinpath(*name.split("."))
    candidates = (stem.with_name(stem.name + ".py"), stem / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def _data_parts(data: Path) -> Iterator[Path]:
    for path in sorted(data.iterdir()) if data.is_dir() else []:
        if path.name in _SEPARATE_DATA and path.is_dir():
            yield from sorted(path.iterdir())
        elif not path.name.startswith("."):
            yield path


def _tree_sha256(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of all files below a folder but those about them, README.md."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    digest = hashlib.sha256()
    for file in sorted(item for item in path.rglob("*") if item.is_file() and item.name != "README.md"):
        name = file.relative_to(path).as_posix()
        digest.update(f"{name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()
