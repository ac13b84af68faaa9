"""Which sentences are computed together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

_BATCH_TOKENS = 1 << 14  # of a batch at most, unless one sentence alone has more


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
