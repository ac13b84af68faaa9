"""Which sentences are computed together, and how they become one array."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from elmo.system.types import Ids

T = TypeVar("T")

_BATCH_TOKENS = 1 << 14  # of a batch at most, unless one sentence alone has more


def by_length(lengths: Sequence[int], batch_size: int) -> Iterator[list[int]]:
    """Indices of all items in batches of one size, the shortest first; the last batch may be smaller."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]


def like_lengths(lengths: Sequence[int], batch_size: int) -> Iterator[list[int]]:
    """Indices of the sentences that have tokens, in batches of like length that fit into memory.

    Args:
        lengths: tokens of each sentence.
        batch_size: sentences of a batch at most.
    """
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) == batch_size or (len(batch) + 1) * lengths[index] > _BATCH_TOKENS):
            yield batch
            batch = []
        if lengths[index]:
            batch.append(index)
    if batch:
        yield batch


def blocks(items: Iterable[T], size: Callable[[T], int], most_items: int, most: int) -> Iterator[list[T]]:
    """Gather items, in their order, into lists whose sizes together are at most `most`, unless one alone is larger.

    Args:
        items: any number of them.
        size: of one.
        most_items: in a list.
        most: size of a list.
    """
    block: list[T] = []
    total = 0
    for item in items:
        if block and (len(block) == most_items or total + size(item) > most):
            yield block
            block, total = [], 0
        block.append(item)
        total += size(item)
    if block:
        yield block


def pad(rows: Sequence[Sequence[int] | Ids], fill: int = 0) -> tuple[Ids, Ids]:
    """Rows of ids as one array [rows, longest], filled up behind their ends, and the length of each, [rows]."""
    lengths = np.array([len(row) for row in rows], np.int64)
    padded = np.full([len(rows), lengths.max(initial=0)], fill, np.int64)
    for line, row in zip(padded, rows, strict=True):
        line[: len(row)] = row
    return padded, lengths
