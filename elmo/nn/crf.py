"""Linear-chain conditional random field: which sequence of tags is the best one, and how probable a given one is.

score(y) = start[y_1] + sum_t emission[t, y_t] + sum_t transition[y_(t-1), y_t] + stop[y_T]. Start, stop and transitions
are rows of one table, as Paddle 1.x keeps them: row 0 start, row 1 stop, row 2 + i the transitions from tag i.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from elmo.nn import native
from elmo.nn.gru import Packing
from elmo.nn.shapes import check_range, check_shapes
from elmo.runtime import paddle
from elmo.system.types import Array, Tensor

START, STOP, FIRST = 0, 1, 2  # rows of the table: start, stop, and the first of the transitions
_WIDEST = 600.0  # exp(-745) is the smallest number in float64


def viterbi(emissions: Array, transitions: Array, packing: Packing) -> npt.NDArray[np.int64]:
    """Find the sequence of tags with the highest score; of equal ones that with the lower ids, from the last tag on.

    Only maxima are computed on the way forward; where they came from is asked on the way back, along one path. Compiled
    where `elmo.nn.native` could compile it: four times as fast, with the same tags.

    Args:
        emissions: [tokens, tags], packed.
        transitions: [tags + 2, tags].

    Returns:
        [tokens] tags, packed.

    Raises:
        InputError: shapes or types of number that do not fit.
    """
    _check(emissions, None, transitions, packing)
    if packing.size and emissions.dtype in (np.float32, np.float64) and native.library() is not None:
        given, table = (paddle.to_tensor(array, place=paddle.CPUPlace()) for array in (emissions, transitions))
        return np.asarray(native.viterbi(given, table, packing.counts_tensor).numpy())
    start = transitions[START]  # (tags,)
    stop = transitions[STOP]  # (tags,)
    pairs = transitions[FIRST:]  # (tags, tags): from, to
    counts = packing.counts.tolist()
    begins = (np.cumsum(packing.counts) - packing.counts).tolist()  # of each step's tokens
    # Of the best sequence that ends with this token and tag.
    scores = np.empty_like(emissions)  # (tokens, tags)
    tags = np.empty(len(emissions), np.int64)  # (tokens,)
    if not counts:
        return tags
    np.add(emissions[: counts[0]], start, out=scores[: counts[0]])
    # From which tag comes first, so that the maximum is taken over whole blocks: three times as fast as otherwise.
    buffer = np.empty([len(pairs), counts[0], len(pairs)], emissions.dtype)  # (tags, count, tags)
    for begin_before, begin, count in zip(begins, begins[1:], counts[1:], strict=False):
        scores_before = scores[begin_before : begin_before + count]  # (count, tags)
        by_tag = scores_before.T[:, :, None]  # (tags, count, 1)
        ways = np.add(by_tag, pairs[:, None, :], out=buffer[:, :count])  # (tags, count, tags): from, sentence, to
        np.add(ways.max(0), emissions[begin : begin + count], out=scores[begin : begin + count])
    into = np.ascontiguousarray(pairs.T)  # (tags, tags): to, from
    longer = 0  # sentences that have a token after this one, already tagged
    for step in reversed(range(len(counts))):
        begin = begins[step]
        count = counts[step]
        step_scores = scores[begin : begin + count]  # (count, tags)
        tags[begin + longer : begin + count] = (step_scores[longer:] + stop).argmax(1)
        if longer:
            next_tags = tags[begins[step + 1] :][:longer]  # (longer,)
            tags[begin : begin + longer] = (step_scores[:longer] + into[next_tags]).argmax(1)
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
    tag_emissions = paddle.take_along_axis(emissions, tags.unsqueeze(1), axis=1)[:, 0]  # (tokens,)
    row_and_tag = paddle.stack([_rows_before(tags, packing), tags], axis=1)  # (tokens, 2)
    tag_transitions = paddle.gather_nd(transitions, row_and_tag)  # (tokens,)
    is_last = paddle.to_tensor(packing.is_last).astype(emissions.dtype)  # (tokens,)
    tag_stops = paddle.gather(transitions[STOP], tags) * is_last  # (tokens,)
    tag_scores = _sum_of_sentences(tag_emissions + tag_transitions + tag_stops, packing)  # (batch,)

    pairs = transitions[FIRST:]  # (tags, tags): from, to
    if float(pairs.max() - pairs.min()) < _WIDEST:
        return tag_scores - _LogPartition.apply(emissions, transitions, packing)
    forwards: list[Tensor] = []
    for emission in paddle.split(emissions, packing.counts.tolist()):  # (count, tags)
        if forwards:
            before = forwards[-1][: len(emission)].unsqueeze(2)  # (count, tags, 1)
            forwards.append(paddle.logsumexp(before + pairs.unsqueeze(0), axis=1) + emission)
        else:
            forwards.append(emission + transitions[START])
    return tag_scores - _totals(forwards, transitions, packing)


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
    last_tokens = paddle.to_tensor(np.flatnonzero(packing.is_last))  # (count,)
    sentences = paddle.to_tensor(packing.sentences[packing.is_last])  # (count,)
    last_forwards = paddle.gather(paddle.concat(forwards), last_tokens)  # (count, tags)
    totals = paddle.logsumexp(last_forwards + transitions[STOP], axis=1)  # (count,)
    return paddle.scatter(paddle.zeros([len(packing.lengths)], totals.dtype), sentences, totals)


class _LogPartition(paddle.autograd.PyLayer):
    """Logarithm of the sum over all sequences of exp(score), [batch]; its gradients are the marginal probabilities.

    A step's sum over the tags before it is a product of matrices of exponentials, in float64 and each below its largest
    value: as exact as a log of sums as long as transitions lie within `_WIDEST` of one another. Written by hand
    (forward-backward algorithm) since the recorded walk costs ten times as much.
    """

    @staticmethod
    def forward(ctx: Any, emissions: Tensor, transitions: Tensor, packing: Packing) -> Tensor:
        table = transitions.astype("float64")  # (tags + 2, tags)
        largest = table[FIRST:].max()
        ways = paddle.exp(table[FIRST:] - largest)  # (tags, tags): from, to
        steps = paddle.split(emissions.astype("float64"), packing.counts.tolist())  # (count, tags) each
        forwards = [steps[0] + table[START]]  # log of the sum over all sequences that end with this token and tag
        peaks = []
        for emission in steps[1:]:  # (count, tags)
            before = forwards[-1][: len(emission)]  # (count, tags)
            peak = before.max(axis=1, keepdim=True)  # (count, 1)
            sums = paddle.matmul(paddle.exp(before - peak), ways)  # (count, tags)
            forwards.append(paddle.log(sums) + (peak + largest) + emission)
            peaks.append(peak)
        result = _totals(forwards, table, packing)  # (batch,)
        ctx.kept = table, ways, largest, steps, forwards, peaks, result.clone(), packing
        ctx.dtype = emissions.dtype
        return result.astype(emissions.dtype)

    @staticmethod
    def backward(ctx: Any, d_result: Tensor) -> tuple[Tensor, Tensor]:
        table, ways, largest, steps, forwards, peaks, result, packing = ctx.kept
        ctx.kept = None
        sentences = paddle.to_tensor(packing.sentences[: len(steps[0])])  # (count,): longest first
        totals = paddle.gather(result, sentences).unsqueeze(1)  # (count, 1)
        d_totals = paddle.gather(d_result.astype("float64"), sentences).unsqueeze(1)  # (count, 1)
        backward = None  # log of the sum over all that follows this token and tag
        d_steps, from_factors, to_factors = [], [], []
        d_stop = paddle.zeros_like(table[STOP])  # (tags,)
        for step in reversed(range(len(steps))):
            count = len(steps[step])
            ended = count - (0 if backward is None else len(backward))  # sentences whose last token is this step's
            ending = table[STOP].unsqueeze(0).expand([ended, -1])  # (ended, tags)
            backward = ending if backward is None else paddle.concat([backward, ending])  # (count, tags)
            d_step = paddle.exp(forwards[step] + backward - totals[:count]) * d_totals[:count]  # (count, tags)
            d_stop += d_step[count - ended :].sum(axis=0)
            d_steps.append(d_step)
            if step:
                peak = peaks[step - 1]  # (count, 1)
                onwards = steps[step] + backward  # (count, tags)
                from_factors.append(paddle.exp(forwards[step - 1][:count] - peak))
                to_factors.append(paddle.exp(onwards + (peak + largest) - totals[:count]) * d_totals[:count])
                onwards_peak = onwards.max(axis=1, keepdim=True)  # (count, 1)
                sums = paddle.matmul(paddle.exp(onwards - onwards_peak), ways, transpose_y=True)  # (count, tags)
                backward = paddle.log(sums) + (onwards_peak + largest)  # (count, tags)
        d_pairs = paddle.zeros_like(ways)  # (tags, tags)
        if from_factors:
            d_pairs = paddle.matmul(paddle.concat(from_factors), paddle.concat(to_factors), transpose_x=True) * ways
        d_start_stop = paddle.stack([d_steps[-1].sum(axis=0), d_stop])  # (2, tags)
        d_table = paddle.concat([d_start_stop, d_pairs])  # (tags + 2, tags)
        return paddle.concat(d_steps[::-1]).astype(ctx.dtype), d_table.astype(ctx.dtype)


def _rows_before(tags: Tensor, packing: Packing) -> Tensor:
    """Row [tokens] of the table that leads to each token: of the tag before it, `START` for a sentence's first."""
    preceding = packing.preceding
    rows = paddle.gather(tags, paddle.to_tensor(np.maximum(preceding, 0))) + FIRST  # (tokens,)
    return paddle.where(paddle.to_tensor(preceding >= 0), rows, paddle.full_like(rows, START))


def _sum_of_sentences(values: Tensor, packing: Packing) -> Tensor:
    """From packed values [tokens] to their sums [batch]."""
    return packing.unpack(values.unsqueeze(1)).sum(axis=1)[:, 0]
