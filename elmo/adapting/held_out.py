"""Which sentences of a domain's text are held out: a share by a hash of the sentence, so that none is on both sides."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from elmo.errors import InputError
from elmo.system.types import PathLike
from elmo.text.shards import read_sentences

SHARE = 0.1  # of the distinct sentences
LEAST, MOST = 20, 5000  # so many of them, if the share is less or more
_LEAST_TEXT = 3 * LEAST  # distinct sentences without which nothing can be learnt and measured


@dataclass(frozen=True)
class Parts:
    """How many sentences are learnt from, and how many measured on."""

    train: int
    dev: int


def split_shards(shards: Sequence[PathLike], train: Path, dev: Path) -> Parts:
    """Write the sentences of shards to two files: a tenth that is held out, 20 to 5,000 of them, and the rest.

    The same sentence is always on the same side, however often and wherever it stands.

    Args:
        shards: files of segmented sentences.
        train, dev: the files to write, in the order of the shards.

    Raises:
        InputError: there are fewer than 60 distinct sentences.
    """
    marks = sorted({_mark(words) for words in read_sentences(shards)})
    if len(marks) < _LEAST_TEXT:
        raise InputError(
            f"the text has {len(marks)} distinct sentences: give {_LEAST_TEXT} or more, {LEAST} of which are held out"
        )
    count = min(max(round(SHARE * len(marks)), LEAST), MOST)
    bound = marks[count - 1]
    counts = [0, 0]
    with (
        open(train, "w", encoding="utf-8", newline="\n") as learnt,
        open(dev, "w", encoding="utf-8", newline="\n") as held,
    ):
        for words in read_sentences(shards):
            is_held = _mark(words) <= bound
            counts[is_held] += 1
            (held if is_held else learnt).write(" ".join(words) + "\n")
    return Parts(*counts)


def _mark(words: Sequence[str]) -> bytes:
    return hashlib.sha256(" ".join(words).encode()).digest()[:16]
