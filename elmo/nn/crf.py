"""Linear-chain conditional random field: which sequence of tags is the best one, and how probable a given one is.

score(y) = start[y_1] + sum_t emission[t, y_t] + sum_t transition[y_(t-1), y_t] + stop[y_T]. Start, stop and transitions
are rows of one table, as Paddle 1.x keeps them: row 0 start, row 1 stop, row 2 + i the transitions from tag i.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from elmo.nn.gru import Packing
from elmo.runtime import paddle

Tensor = Any
Array = npt.NDArray[Any]
START, STOP, FIRST = 0, 1, 2  # rows of the table


def viterbi(emissions: Array, transitions: Array, packing: Packing) -> npt.NDArray[np.int64]:
    """Find the sequence of tags with the highest score; of equal ones that with the lower ids, from the last tag on.

    Only maxima are computed on the way forward; where they came from is asked on the way back, along one path.

    Args:
        emissions: [tokens, tags], packed.
        transitions: [tags + 2, tags].

    Returns:
        [tokens] tags, packed.
    """
    start, stop, pairs = transitions[START], transitions[STOP], transitions[FIRST:]
    counts = packing.counts.tolist()
    begins = (np.cumsum(packing.counts) - packing.counts).tolist()
    scores = np.empty_like(emissions)  # of the best sequence that ends with this token and tag
    tags = np.empty(len(emissions), np.int64)
    if not counts:
        return tags
    np.add(emissions[: counts[0]], start, out=scores[: counts[0]])
    # From which tag comes first, so that the maximum is taken over whole blocks: three times as fast as otherwise.
    buffer = np.empty([len(pairs), counts[0], len(pairs)], emissions.dtype)
    for last, begin, count in zip(begins, begins[1:], counts[1:], strict=False):
        ways = np.add(scores[last : last + count].T[:, :, None], pairs[:, None, :], out=buffer[:, :count])
        np.add(ways.max(0), emissions[begin : begin + count], out=scores[begin : begin + count])
    into = np.ascontiguousarray(pairs.T)
    longer = 0  # sentences that have a token after this one, already tagged
    for step in reversed(range(len(counts))):
        begin, count = begins[step], counts[step]
        current = scores[begin : begin + count]
        tags[begin + longer : begin + count] = (current[longer:] + stop).argmax(1)
        if longer:
            following = tags[begins[step + 1] :][:longer]
            tags[begin : begin + longer] = (current[:longer] + into[following]).argmax(1)
        longer = count
    return tags


def log_likelihood(emissions: Tensor, tags: Tensor, transitions: Tensor, packing: Packing) -> Tensor:
    """Logarithm of the probability of each sentence's tags, score(tags) - log sum over all sequences of exp(score).

    All sums are taken in log space, so that scores of any size neither overflow nor vanish.

    Args:
        emissions: [tokens, tags], packed.
        tags: [tokens] int64, packed.
        transitions: [tags + 2, tags].

    Returns:
        [batch], in the batch's own order; 0 for a sentence without tokens.
    """
    if not packing.size:
        return paddle.zeros([len(packing.lengths)], emissions.dtype)
    last = packing.is_last  # [tokens]
    scores = paddle.take_along_axis(emissions, tags.unsqueeze(1), axis=1)[:, 0]
    entered = paddle.gather_nd(transitions, paddle.stack([_rows_before(tags, packing), tags], axis=1))
    stops = paddle.gather(transitions[STOP], tags) * paddle.to_tensor(last).astype(emissions.dtype)
    of_tags = _sum_of_sentences(scores + entered + stops, packing)

    pairs = transitions[FIRST:].unsqueeze(0)  # (1, from, to)
    forward = None
    forwards = []  # log of the sum over all sequences that end with this token and tag
    for emission in paddle.split(emissions, packing.counts.tolist()):
        if forward is None:
            forward = emission + transitions[START]
        else:
            forward = paddle.logsumexp(forward[: len(emission)].unsqueeze(2) + pairs, axis=1) + emission
        forwards.append(forward)
    ends = paddle.to_tensor(np.flatnonzero(last))
    totals = paddle.logsumexp(paddle.gather(paddle.concat(forwards), ends) + transitions[STOP], axis=1)
    of_all = paddle.scatter(paddle.zeros([packing.size], emissions.dtype), ends, totals)
    return of_tags - _sum_of_sentences(of_all, packing)


def _rows_before(tags: Tensor, packing: Packing) -> Tensor:
    """Row of the table that leads to each token: that of the tag before it, `START` for a sentence's first token."""
    before = packing.preceding
    found = paddle.gather(tags, paddle.to_tensor(np.maximum(before, 0))) + FIRST
    return paddle.where(paddle.to_tensor(before >= 0), found, paddle.full_like(found, START))


def _sum_of_sentences(values: Tensor, packing: Packing) -> Tensor:
    """From packed values [tokens] to their sums [batch]."""
    return packing.unpack(values.unsqueeze(1)).sum(axis=1)[:, 0]
