"""Full and sampled softmax over the vocabulary, and the log-uniform (Zipfian) candidates of the sampled one.

Source: Jean et al. (2015), "On Using Very Large Target Vocabulary for Neural Machine Translation"; the expected-count
correction for candidates drawn until they are distinct is that of TensorFlow's candidate sampling notes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from elmo.errors import InputError
from elmo.nn import native
from elmo.nn.linear import add_bias, take_rows
from elmo.nn.shapes import check_range, check_shapes
from elmo.runtime import paddle
from elmo.system.types import Tensor

_ROWS = 64  # of logits, made at a time where the loops are not compiled: more leave the cache, and take twice as long
_MERGED_ROWS = 512  # scores of all tokens are in memory for so many rows at once


class LogUniformSampler:
    """Draws distinct candidate ids, P(id) = log((id + 2) / (id + 1)) / log(vocab_size + 1): frequent words are low ids.

    Args:
        vocab_size: ids are 0 .. vocab_size - 1, in descending order of frequency.
        num_samples: how many distinct ids a draw returns; at most vocab_size.
    """

    def __init__(self, vocab_size: int, num_samples: int) -> None:
        if not 0 < num_samples <= vocab_size:
            raise ValueError(f"num_samples {num_samples} must be between 1 and the vocabulary size {vocab_size}")
        self.vocab_size = vocab_size
        self.num_samples = num_samples
        ids = np.arange(vocab_size, dtype=np.float64)
        self.probabilities = np.log1p(1.0 / (ids + 1.0)) / np.log(vocab_size + 1.0)  # (vocab,)

    def draw(self, generator: np.random.Generator) -> tuple[npt.NDArray[np.int64], int]:
        """Ids [num_samples], distinct, in order of first appearance, and how many draws it took to see them all."""
        drawn = np.empty(0, dtype=np.int64)
        while True:
            uniform = generator.random(max(4 * self.num_samples, 64))
            ids = np.exp(uniform * np.log(self.vocab_size + 1.0)).astype(np.int64) - 1
            drawn = np.concatenate([drawn, np.clip(ids, 0, self.vocab_size - 1)])
            _, first_seen = np.unique(drawn, return_index=True)
            if len(first_seen) >= self.num_samples:
                first_seen = np.sort(first_seen)[: self.num_samples]
                return drawn[first_seen], int(first_seen[-1]) + 1

    def expected_count(self, ids: npt.NDArray[np.int64], num_draws: int) -> npt.NDArray[np.float32]:
        """Probability that an id is among the distinct ones of `num_draws` draws: 1 - (1 - P(id)) ** num_draws."""
        counts: npt.NDArray[np.float64] = -np.expm1(num_draws * np.log1p(-self.probabilities[ids]))
        return counts.astype(np.float32)


def full_softmax_loss(features: Tensor, labels: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Cross-entropy in nats of each row over the whole vocabulary.

    Args:
        features: [count, dim].
        labels: [count], int64 or int32.
        weight: [vocab, dim].
        bias: [vocab].

    Returns:
        [count].

    Raises:
        InputError: shapes that do not fit, or a label that is not in the vocabulary.
    """
    _check(features, labels, weight, bias)
    labels = labels.astype("int64")
    if native.usable(features, weight, bias):
        return _CompiledFullLoss.apply(features, weight, bias, labels, paddle.is_grad_enabled())
    losses = [
        _full_softmax_loss(features[begin : begin + _ROWS], labels[begin : begin + _ROWS], weight, bias)
        for begin in range(0, features.shape[0], _ROWS)
    ]
    return paddle.concat(losses) if losses else paddle.zeros([0], features.dtype)


def _full_softmax_loss(features: Tensor, labels: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    logits = add_bias(paddle.matmul(features, weight, transpose_y=True), bias)  # (count, vocab)
    return paddle.nn.functional.cross_entropy(logits, labels, reduction="none")


def _check(features: Tensor, labels: Tensor, weight: Tensor, bias: Tensor) -> dict[str, int]:
    tensors = {
        "weight": (weight, "vocab dim"),
        "bias": (bias, "vocab"),
        "features": (features, "count dim"),
        "labels": (labels, "count"),
    }
    sizes = check_shapes("softmax", tensors, integers=["labels"])
    check_range("softmax", "labels", labels, 0, sizes["vocab"] - 1, f"{sizes['vocab']} words")
    return sizes


def merged_softmax_loss(
    rows: Tensor, targets: npt.NDArray[np.int64], weight: Tensor, bias: Tensor, kept: npt.NDArray[np.bool_]
) -> Tensor:
    """Like `full_softmax_loss`, without a gradient, where all tokens but those kept [vocab] count as one.

    Args:
        rows: [count, dim].
        targets: [count].
        weight, bias: [vocab, dim] and [vocab].
        kept: which tokens are told apart; the probability of any other is the sum of all others'.

    Returns:
        nats [count].
    """
    without_kept = paddle.to_tensor(np.where(kept, -np.inf, 0.0).astype(np.float32))  # (vocab,)
    losses = []
    for begin in range(0, len(targets), _MERGED_ROWS):
        ids = targets[begin : begin + _MERGED_ROWS]  # (count,)
        logits = paddle.matmul(rows[begin : begin + _MERGED_ROWS], weight, transpose_y=True) + bias  # (count, vocab)
        own_logits = paddle.take_along_axis(logits, paddle.to_tensor(ids).unsqueeze(1), axis=1).squeeze(1)  # (count,)
        merged_logits = paddle.logsumexp(logits + without_kept, axis=1)  # (count,)
        scores = paddle.where(paddle.to_tensor(kept[ids]), own_logits, merged_logits)  # (count,)
        losses.append(paddle.logsumexp(logits, axis=1) - scores)
    return paddle.concat(losses)


def sampled_softmax_loss(
    features: Tensor,
    labels: Tensor,
    weight: Tensor,
    bias: Tensor,
    sampler: LogUniformSampler,
    generator: np.random.Generator,
    sparse_gradient: bool = True,
) -> Tensor:
    """Cross-entropy of each row's label against candidates that all rows share, from corrected logits.

    The correction is -log(expected count). Candidates that happen to be a row's own label are left out of that row.
    Shapes and errors as in `full_softmax_loss`; `sparse_gradient` as in `elmo.bilm.BiLM`. Only for training: perplexity
    is always reported with the full softmax.
    """
    sizes = _check(features, labels, weight, bias)
    if sizes["vocab"] != sampler.vocab_size:
        raise InputError(f"softmax: weight has {sizes['vocab']} words, but the sampler draws from {sampler.vocab_size}")
    candidate_ids, num_draws = sampler.draw(generator)
    label_ids = labels.numpy()  # (count,)
    ids = paddle.to_tensor(np.concatenate([label_ids, candidate_ids]))  # (count + samples,)
    correction = -np.log(sampler.expected_count(ids.numpy(), num_draws))  # (count + samples,)
    rows = take_rows(weight, ids, sparse_gradient)  # (count + samples, dim)
    biases = paddle.gather(bias, ids) + paddle.to_tensor(correction).astype(bias.dtype)  # (count + samples,)
    count = len(label_ids)
    candidate_of_id = np.full(sampler.vocab_size, -1)  # (vocab,)
    candidate_of_id[candidate_ids] = np.arange(len(candidate_ids))
    hits = candidate_of_id[label_ids]  # (count,): the candidate that is the row's own label, or -1
    if native.usable(features, rows):
        return _CompiledLoss.apply(features, rows, biases, paddle.to_tensor(hits), paddle.is_grad_enabled())
    label_logits = (features * rows[:count]).sum(axis=1) + biases[:count]  # (count,)
    candidate_logits = paddle.matmul(features, rows[count:], transpose_y=True)  # (count, samples)
    candidate_logits = add_bias(candidate_logits, biases[count:])
    hit_rows = np.flatnonzero(hits >= 0)
    if len(hit_rows):
        indices = paddle.to_tensor(np.stack([hit_rows, hits[hit_rows]], axis=1))  # (hits, 2): row, candidate
        minus_infinity = paddle.full([len(hit_rows)], -1e9, dtype=candidate_logits.dtype)
        candidate_logits = paddle.scatter_nd_add(candidate_logits, indices, minus_infinity)
    logits = paddle.concat([label_logits.unsqueeze(1), candidate_logits], axis=1)  # (count, 1 + samples)
    return paddle.logsumexp(logits, axis=1) - label_logits


class _CompiledLoss(paddle.autograd.PyLayer):
    """Cross-entropy of each row's label, whose vector stands in `rows` before those of the shared candidates."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, rows: Tensor, biases: Tensor, hits: Tensor, record: bool) -> Tensor:
        count = features.shape[0]
        labels = rows[:count]  # (count, dim)
        candidates = rows[count:]  # (samples, dim)
        label_logits = (features * labels).sum(axis=1) + biases[:count]  # (count,)
        ctx.wanted = [not tensor.stop_gradient for tensor in (features, rows, biases)]
        recorded = record and any(ctx.wanted)
        losses, kept = native.softmax_forward(features, candidates, biases[count:], label_logits, hits, recorded)
        if recorded:
            label_probabilities, probabilities, means = kept
            # The loss falls with the label's logit by 1 - its probability, and grows with a candidate's by that one's.
            d_label_logits = label_probabilities - 1  # (count,)
            d_features = means + d_label_logits.unsqueeze(1) * labels  # (count, dim)
            ctx.kept = features, probabilities, d_label_logits, d_features
        return losses

    @staticmethod
    def backward(ctx: Any, d_losses: Tensor) -> tuple[Tensor | None, ...]:
        features, probabilities, d_label_logits, d_features = ctx.kept
        ctx.kept = None
        d_losses = d_losses.unsqueeze(1)  # (count, 1)
        d_label_logits = d_label_logits.unsqueeze(1) * d_losses  # (count, 1)
        d_features = d_features * d_losses  # (count, dim)
        d_rows = d_biases = None
        _, rows_wanted, biases_wanted = ctx.wanted
        if rows_wanted:
            d_candidates = native.product(probabilities, features * d_losses, transpose_x=True)  # (samples, dim)
            d_rows = paddle.concat([features * d_label_logits, d_candidates])  # (count + samples, dim)
        if biases_wanted:
            d_candidate_biases = native.product(probabilities, d_losses, transpose_x=True)  # (samples, 1)
            d_biases = paddle.concat([d_label_logits, d_candidate_biases]).squeeze(1)  # (count + samples,)
        gradients = (d_features, d_rows, d_biases)
        return *(d if wanted else None for d, wanted in zip(gradients, ctx.wanted, strict=True)), None


class _CompiledFullLoss(paddle.autograd.PyLayer):
    """Cross-entropy of each row's label, which is one of the candidates: the whole vocabulary."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, bias: Tensor, labels: Tensor, record: bool) -> Tensor:
        ctx.wanted = [not tensor.stop_gradient for tensor in (features, weight, bias)]
        recorded = record and any(ctx.wanted)
        losses, kept = native.softmax_forward(features, weight, bias, None, labels, recorded)
        if recorded:
            _, probabilities, means = kept
            d_features = means - paddle.gather(weight, labels)  # (count, dim)
            ctx.kept = features, probabilities, d_features, labels
        return losses

    @staticmethod
    def backward(ctx: Any, d_losses: Tensor) -> tuple[Tensor | None, ...]:
        features, probabilities, d_features, labels = ctx.kept
        ctx.kept = None
        d_losses = d_losses.unsqueeze(1)  # (count, 1)
        d_weight = d_bias = None
        _, weight_wanted, bias_wanted = ctx.wanted
        scaled = features * d_losses  # (count, dim)
        if weight_wanted:
            d_weight = native.product(probabilities, scaled, transpose_x=True)  # (vocab, dim)
            d_weight = paddle.scatter_nd_add(d_weight, labels.unsqueeze(1), -scaled)
        if bias_wanted:
            d_bias = native.product(probabilities, d_losses, transpose_x=True).squeeze(1)  # (vocab,)
            d_bias = paddle.scatter_nd_add(d_bias, labels.unsqueeze(1), -d_losses.squeeze(1))
        gradients = (d_features * d_losses, d_weight, d_bias)
        return *(d if wanted else None for d, wanted in zip(gradients, ctx.wanted, strict=True)), None
