"""The reference pages, read from the code itself: every module of `elmo` for autodoc, every command and its options."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from book.tools import REPOSITORY

PACKAGE = REPOSITORY / "elmo"
LEFT_OUT = {"elmo.cli", "elmo.__main__"}  # the command line, like elmo.commands, has its own page
GROUPS = {
    "api_models": "Models, and models as files",
    "api_encoding": "Vectors in context",
    "api_pretraining": "Pretraining",
    "api_networks": "Networks",
    "api_text": "Text and corpora",
    "api_tagging": "Lexical analysis",
    "api_tasks": "Tasks",
    "api_exploring": "Exploring vectors",
    "api_system": "Files, locks, signals",
}
_FOLDERS = {
    "convert": "api_models",
    "encoding": "api_encoding",
    "training": "api_pretraining",
    "adapting": "api_pretraining",
    "nn": "api_networks",
    "text": "api_text",
    "corpora": "api_text",
    "tagging": "api_tagging",
    "tasks": "api_tasks",
    "explore": "api_exploring",
    "system": "api_system",
    "web": "api_models",
    "exercises": "",
    "commands": "",
}
_TOP = {
    **dict.fromkeys(
        ("bilm", "bilm_config", "masked_lm", "skipgram", "word_vectors", "models", "model_sizes"), "api_models"
    ),
    "statistics": "api_exploring",
    "experiment": "api_tasks",
}
_SENTENCE_END = re.compile(r"(?<!et al)(?<=\.) (?=[A-Z])")
_REST = "api_system"  # of the modules directly in elmo/, those that are not named above


def modules() -> dict[str, list[str]]:
    """Public modules of the package by the group of the reference that shows them; a new one finds its own place."""
    found: dict[str, list[str]] = {group: [] for group in GROUPS}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        group = _group(name)
        if group and name not in LEFT_OUT and not any(part.startswith("_") for part in name.split(".")):
            found[group].append(name)
    return found


def _group(name: str) -> str:
    part = name.split(".")[1] if "." in name else ""
    return _FOLDERS[part] if part in _FOLDERS else _TOP.get(part, _REST)


def api_pages() -> Iterator[tuple[str, str]]:
    """Each group's fragment, and `api`, the list of all modules with the first sentence of each."""
    rows = []
    for group, names in modules().items():
        shown = [name for name in names if _defines(name)]
        yield group, "\n".join(_module(name) for name in shown)
        rows.append(f"## {{doc}}`{GROUPS[group]} <b_{group}>`\n")
        rows += [f"- {{py:mod}}`{name}`: {first_sentence(name)}" for name in shown]
        rows.append("")
    yield "api", "\n".join(rows)


def first_sentence(name: str) -> str:
    """What a module's docstring begins with, as Markdown."""
    text = " ".join((ast.get_docstring(_tree(name)) or "").split("\n\n")[0].split())
    return _SENTENCE_END.split(text)[0]


def _module(name: str) -> str:
    return f"## `{name}`\n\n```{{eval-rst}}\n.. automodule:: {name}\n   :members:\n```\n"


def _defines(name: str) -> bool:
    """False for the empty modules that only make a folder a package."""
    return any(not isinstance(node, ast.Expr) for node in _tree(name).body)


def _tree(name: str) -> ast.Module:
    stem = REPOSITORY.joinpath(*name.split("."))
    path = stem / "__init__.py" if stem.is_dir() else stem.with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))


def commands() -> dict[str, Any]:
    """Every command by what is typed to call it, such as `elmo data fetch`."""
    from typer.main import get_command

    return dict(_walk("elmo", get_command(importlib.import_module("elmo.cli").app)))


def _walk(typed: str, command: Any) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield typed, command
        return
    for name, inner in command.commands.items():
        yield from _walk(f"{typed} {name}", inner)


def commands_page() -> str:
    """All commands: what each does, how it is called, its arguments and options with their defaults."""
    return "\n".join(_command(typed, command) for typed, command in commands().items())


def _command(typed: str, command: Any) -> str:
    context = command.make_context(typed, [], resilient_parsing=True)
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    needed = [parameter for parameter in shown if parameter.required]
    usage = " ".join(
        [typed, *(_usage(parameter) for parameter in needed), *(["..."] if len(needed) < len(shown) else [])]
    )
    paragraphs = [" ".join(text.split()) for text in (command.help or "").split("\n\n")]
    lines = [f"## `{typed}`", "", *(f"{escape(text)}\n" for text in paragraphs), "```sh", usage, "```", ""]
    for parameter in shown:
        lines += [f"`{_declared(parameter, context)}`", f": {_explained(parameter)}", ""]
    return "\n".join(lines)


def _usage(parameter: Any) -> str:
    name: str = parameter.name.upper()
    return name if parameter.param_type_name == "argument" else f"{parameter.opts[0]} {name}"


def _declared(parameter: Any, context: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"{parameter.name.upper()}{' ...' if parameter.nargs == -1 else ''}"
    record = parameter.get_help_record(context)
    return " ".join(str(record[0]).split())


def _explained(parameter: Any) -> str:
    words = getattr(parameter, "help", None) or f"{parameter.name.replace('_', ' ').capitalize()}."
    help_text = escape(" ".join(words.split()))
    if parameter.required:
        return f"{help_text} *Needed.*"
    if parameter.default is None or (parameter.default is False and getattr(parameter, "is_flag", False)):
        return help_text
    return f"{help_text} Default: `{shorter(parameter.default)}`."


def shorter(value: Any) -> str:
    """A default as it would be typed: a path of this repository begins where the repository does."""
    if isinstance(value, Path) and value.is_relative_to(REPOSITORY):
        return value.relative_to(REPOSITORY).as_posix()
    return str(value)


def escape(text: str) -> str:
    """Plain text of a help message as Markdown: tags, stars and dashes are what they look like."""
    for sign in "<*[|":
        text = text.replace(sign, f"\\{sign}")
    return re.sub(r"(?<![\w`])(--\w+)", r"`\1`", text)
