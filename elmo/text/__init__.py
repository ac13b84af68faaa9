"""From documents to ids: sentences, segmenters, vocabulary, shards, batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

SEGMENTERS: dict[str, Callable[..., Any]] = {}  # by name, what makes one: see `elmo.text.segment`


def register_segmenter(name: str, make: Callable[..., Any]) -> None:
    """Let a segmenter be chosen by a name; those of rooms above this one are registered from there.

    Args:
        name: that users give.
        make: a class of the top level of a module, or a function, since worker processes import it by its name.
    """
    SEGMENTERS[name] = make
