"""A Sphinx extension: exercises have the numbers that `check("5.2", ...)` uses; sphinx-exercise would count on its own.

An exercise's label, `ex-5-2`, says its number: the chapter is that of the page's name, and its exercises count from 1.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx_exercise.nodes import exercise_enumerable_node, exercise_node, solution_node

_LABEL = re.compile(r"ex-(0|[1-9]\d*)-([1-9]\d*)")
_PAGE = re.compile(r"(?:.*/)?(\d\d)_[^/]*")

logger = logging.getLogger(__name__)


def give_contents_ids(app: Sphinx, document: nodes.document) -> None:
    """Give the body of every exercise and solution an id of its own: sphinx-exercise calls them all alike."""
    for kind in (exercise_node, exercise_enumerable_node, solution_node):
        for node in document.findall(kind):
            for section in node.findall(nodes.section):
                section["ids"] = [f"{node['label']}-content"]


def number_exercises(app: Sphinx, environment: BuildEnvironment) -> list[str]:
    """Put the labels' numbers in place of those that Sphinx has counted; a warning where they do not fit the page."""
    registry: dict[str, dict[str, Any]] = getattr(environment, "sphinx_exercise_registry", {})
    reached: dict[str, int] = {}
    for label, entry in registry.items():
        if not entry["type"].startswith("exercise"):
            continue
        page = entry["docname"]
        chapter = _PAGE.fullmatch(page)
        wanted = (int(chapter.group(1)) if chapter else 0, reached.get(page, 0) + 1)
        reached[page] = wanted[1]
        match = _LABEL.fullmatch(label)
        number = (int(match.group(1)), int(match.group(2))) if match else None
        if number != wanted:
            message = "exercise %r: its label must be ex-%d-%d, from the page's number and its place on the page"
            logger.warning(message, label, *wanted, location=page)
            continue
        environment.toc_fignumbers.setdefault(page, {}).setdefault("exercise", {})[label] = number
    return []


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to Sphinx; called by it."""
    app.connect("doctree-read", give_contents_ids)
    app.connect("env-get-updated", number_exercises, priority=900)  # after Sphinx has counted
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
