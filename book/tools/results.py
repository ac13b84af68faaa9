"""The page of measurements: every file of data/results with its question, its command and its figures.

Questions and figures to show are chosen in book/results.toml; the numbers are read from the files.
"""

from __future__ import annotations

import itertools
import json
import string
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from book.tools import BOOK, REPOSITORY

RESULTS = REPOSITORY / "data" / "results"
CHOICES = BOOK / "results.toml"
_MIDDLES = ("value", "rho", "percent", "mean", "median", "f1")
_ENDS = (("low", "high"), ("min", "max"))
_MOST_UNCHOSEN = 12  # figures of a file that results.toml does not name


class ResultsError(ValueError):
    """What results.toml asks for is not in the file."""


def results_files(folder: Path = RESULTS) -> list[Path]:
    """All of them, by name."""
    return sorted(folder.glob("*.json"))


def choices() -> dict[str, dict[str, Any]]:
    """The tables of book/results.toml, by the name of the results file."""
    return tomllib.loads(CHOICES.read_text(encoding="utf-8"))


def results_page() -> str:
    """A section for each file, in the order of results.toml."""
    chosen = choices()
    places = {name: place for place, name in enumerate(chosen)}
    paths = sorted(results_files(), key=lambda path: places.get(path.stem, len(places)))
    return "\n".join(_section(path, chosen.get(path.stem)) for path in paths)


def _section(path: Path, choice: dict[str, Any] | None) -> str:
    content = json.loads(path.read_text(encoding="utf-8"))
    lines = [f"## `{path.name}`", ""]
    if choice:
        lines += [f"**{choice['question']}**", "", "```sh", choice["command"], "```", ""]
        try:
            shown = list(itertools.chain.from_iterable(figures(content, line) for line in choice["figures"]))
        except ResultsError as error:
            raise ResultsError(f"book/results.toml, [{path.stem}]: {error} in data/results/{path.name}") from None
    else:
        lines += ["*Not described yet in* `book/results.toml`*: the first of its numbers.*", ""]
        shown = [(" / ".join(keys), _number(value, None)) for keys, value in _leaves(content, ())][:_MOST_UNCHOSEN]
    lines += _table(("What was measured", "Figure"), shown) if shown else ["*Nothing has been measured yet.*", ""]
    if choice and choice.get("note"):
        lines += [choice["note"], ""]
    if footer := _footer(content):
        lines += [f"*{footer}.*", ""]
    return "\n".join(lines)


def figures(content: Any, line: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Label and figure of everything that a line of results.toml asks for; ResultsError if there is no such thing."""
    without = set(line.get("without", ()))
    for taken, fields, value in _follow(content, list(line["path"]), []):
        if without.isdisjoint(taken):
            yield _label(line["label"], taken, fields), _shown(value, line.get("digits"), line.get("times", 1))


def _follow(content: Any, path: list[Any], taken: list[str]) -> Iterator[tuple[list[str], dict[str, Any], Any]]:
    if not path:
        yield taken, {}, content
        return
    key, *rest = path
    if key == "*":
        keys = list(content) if isinstance(content, dict) else range(len(content))
        for each in keys:
            element = content[each]
            for below, fields, value in _follow(element, rest, [*taken, str(each)]):
                own = element if isinstance(element, dict) else {}
                yield below, {name: own[name] for name in own if not isinstance(own[name], dict | list)} | fields, value
        return
    try:
        yield from _follow(content[key], rest, taken)
    except (KeyError, IndexError, TypeError):
        raise ResultsError(f"there is no {key!r}") from None


def _label(template: str, taken: list[str], fields: dict[str, Any]) -> str:
    if any(name for _, name, _, _ in string.Formatter().parse(template)):
        return template.format(**fields)
    return template.format(*taken)


def _shown(value: Any, digits: int | None, times: float) -> str:
    if isinstance(value, list):
        return f"{_number(min(value) * times, digits)} to {_number(max(value) * times, digits)}"
    if isinstance(value, dict):
        middle = next(value[name] for name in _MIDDLES if name in value)
        ends = next(((value[low], value[high]) for low, high in _ENDS if low in value), value.get("interval", ()))
        between = " to ".join(_number(end * times, digits) for end in ends)
        return _number(middle * times, digits) + (f" ({between})" if between else "")
    return _number(value * times, digits)


def _number(value: float, digits: int | None) -> str:
    if digits is None:
        return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
    text = f"{value:,.{digits}f}"
    return text.replace("-", "−")


def _leaves(content: Any, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], float]]:
    pairs = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in pairs:
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield (*keys, str(key)), value
        else:
            yield from _leaves(value, (*keys, str(key)))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (head, *rows)]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    return [lines[0], "|" + " --- |" * len(head), *lines[1:], ""]


def _footer(content: dict[str, Any]) -> str:
    """Versions, seeds and machine, as far as the file names them."""
    parts = [f"{name} {version}" for name, version in content.get("versions", {}).items()]
    machine = content.get("machine", {})
    parts += [f"{machine['cores']} cores"] if "cores" in machine else []
    parts += [f"load before: {machine['load_before']}"] if "load_before" in machine else []
    return ", ".join(parts)
