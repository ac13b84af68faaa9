"""Linear-chain conditional random field: which sequence of tags is the best one, and how probable a given one is.

score(y) = start[y_1] + sum_t emission[t, y_t] + sum_t transition[y_(t-1), y_t] + stop[y_T]. Start, stop and transitions
are rows of one table, as Paddle 1.x keeps them: row 0 start, row 1 stop, row 2 + i the transitions from tag i.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from elmo.nn.gru import Packing
from elmo.nn.shapes import check_range, check_shapes
from elmo.runtime import paddle
from elmo.system.types import Array, Tensor

START, STOP, FIRST = 0, 1, 2  # rows of the table
_WIDEST = 600.0  # exp(-745) is the smallest number in float64


def viterbi(emissions: Array, transitions: Array, packing: Packing) -> npt.NDArray[np.int64]:
    """Find the sequence of tags with the highest score; of equal ones that with the lower ids, from the last tag on.

    Only maxima are computed on the way forward; where they came from is asked on the way back, along one path.

    Args:
        emissions: [tokens, tags], packed.
        transitions: [tags + 2, tags].

    Returns:
        [tokens] tags, packed.

    Raises:
        InputError: shapes or types of number that do not fit.
    """
    _check(emissions, None, transitions, packing)
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

    Raises:
        InputError: shapes or types of number that do not fit, or there is no such tag.
    """
    _check(emissions, tags, transitions, packing)
    tags = tags.astype("int64")
    if not packing.size:
        return paddle.zeros([len(packing.lengths)], emissions.dtype)
    last = packing.is_last  # [tokens]
    scores = paddle.take_along_axis(emissions, tags.unsqueeze(1), axis=1)[:, 0]
    entered = paddle.gather_nd(transitions, paddle.stack([_rows_before(tags, packing), tags], axis=1))
    stops = paddle.gather(transitions[STOP], tags) * paddle.to_tensor(last).astype(emissions.dtype)
    of_tags = _sum_of_sentences(scores + entered + stops, packing)

    pairs = transitions[FIRST:]
    if float(pairs.max() - pairs.min()) < _WIDEST:
        return of_tags - _LogPartition.apply(emissions, transitions, packing)
    forwards: list[Tensor] = []
    for emission in paddle.split(emissions, packing.counts.tolist()):
        if forwards:
            before = forwards[-1][: len(emission)].unsqueeze(2)
            forwards.append(paddle.logsumexp(before + pairs.unsqueeze(0), axis=1) + emission)
        else:
            forwards.append(emission + transitions[START])
    return of_tags - _totals(forwards, transitions, packing)


def _check(emissions: Any, tags: Tensor | None, transitions: Any, packing: Packing) -> None:
    tensors = {
        "transitions": (transitions, "tags+2 tags"),
        "emissions": (emissions, "tokens tags"),
        "tags": (tags, "tokens"),
    }
    sizes = check_shapes("CRF", tensors, {"tokens": packing.size}, integers=["tags"])
    if tags is not None:
        check_range("CRF", "tags", tags, 0, sizes["tags"] - 1, f"{sizes['tags']} tags")


def _totals(forwards: list[Tensor], transitions: Tensor, packing: Packing) -> Tensor:
    """From log sums over all sequences that end with a token and tag to those over whole sentences, [batch]."""
    ends = paddle.to_tensor(np.flatnonzero(packing.is_last))
    sentences = paddle.to_tensor(packing.rows[packing.is_last] // packing.time)
    totals = paddle.logsumexp(paddle.gather(paddle.concat(forwards), ends) + transitions[STOP], axis=1)
    return paddle.scatter(paddle.zeros([len(packing.lengths)], totals.dtype), sentences, totals)


class _LogPartition(paddle.autograd.PyLayer):
    """Logarithm of the sum over all sequences of exp(score), [batch]; its gradients are the marginal probabilities.

    A step's sum over the tags before it is a product of matrices of exponentials, in float64 and each below its largest
    value: as exact as a log of sums as long as transitions lie within `_WIDEST` of one another. Written by hand
    (forward-backward algorithm) since the recorded walk costs ten times as much.
    """

    @staticmethod
    def forward(ctx: Any, emissions: Tensor, transitions: Tensor, packing: Packing) -> Tensor:
        table = transitions.astype("float64")
        most = table[FIRST:].max()
        ways = paddle.exp(table[FIRST:] - most)  # (from, to)
        steps = paddle.split(emissions.astype("float64"), packing.counts.tolist())
        forwards = [steps[0] + table[START]]  # log of the sum over all sequences that end with this token and tag
        peaks = []
        for emission in steps[1:]:
            before = forwards[-1][: len(emission)]
            peak = before.max(axis=1, keepdim=True)
            forwards.append(paddle.log(paddle.matmul(paddle.exp(before - peak), ways)) + (peak + most) + emission)
            peaks.append(peak)
        result = _totals(forwards, table, packing)
        ctx.kept = table, ways, most, steps, forwards, peaks, result.clone(), packing
        ctx.dtype = emissions.dtype
        return result.astype(emissions.dtype)

    @staticmethod
    def backward(ctx: Any, d_result: Tensor) -> tuple[Tensor, Tensor]:
        table, ways, most, steps, forwards, peaks, result, packing = ctx.kept
        ctx.kept = None
        longest_first = paddle.to_tensor(packing.rows[: len(steps[0])] // packing.time)
        total = paddle.gather(result, longest_first).unsqueeze(1)
        share = paddle.gather(d_result.astype("float64"), longest_first).unsqueeze(1)
        backward = None  # log of the sum over all that follows this token and tag
        d_steps, lefts, rights = [], [], []
        d_stop = paddle.zeros_like(table[STOP])
        for step in reversed(range(len(steps))):
            count = len(steps[step])
            ending = table[STOP].unsqueeze(0).expand([count - (0 if backward is None else len(backward)), -1])
            backward = ending if backward is None else paddle.concat([backward, ending])
            d_step = paddle.exp(forwards[step] + backward - total[:count]) * share[:count]
            d_stop += d_step[count - len(ending) :].sum(axis=0)
            d_steps.append(d_step)
            if step:
                peak, onwards = peaks[step - 1], steps[step] + backward
                lefts.append(paddle.exp(forwards[step - 1][:count] - peak))
                rights.append(paddle.exp(onwards + (peak + most) - total[:count]) * share[:count])
                top = onwards.max(axis=1, keepdim=True)
                backward = paddle.log(paddle.matmul(paddle.exp(onwards - top), ways, transpose_y=True)) + (top + most)
        d_pairs = paddle.zeros_like(ways)
        if lefts:
            d_pairs = paddle.matmul(paddle.concat(lefts), paddle.concat(rights), transpose_x=True) * ways
        ends = paddle.stack([d_steps[-1].sum(axis=0), d_stop])  # of start and stop
        d_table = paddle.concat([ends, d_pairs])
        return paddle.concat(d_steps[::-1]).astype(ctx.dtype), d_table.astype(ctx.dtype)


def _rows_before(tags: Tensor, packing: Packing) -> Tensor:
    """Row of the table that leads to each token: that of the tag before it, `START` for a sentence's first token."""
    before = packing.preceding
    found = paddle.gather(tags, paddle.to_tensor(np.maximum(before, 0))) + FIRST
    return paddle.where(paddle.to_tensor(before >= 0), found, paddle.full_like(found, START))


def _sum_of_sentences(values: Tensor, packing: Packing) -> Tensor:
    """From packed values [tokens] to their sums [batch]."""
    return packing.unpack(values.unsqueeze(1)).sum(axis=1)[:, 0]
