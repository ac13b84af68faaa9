"""What our layers compute, by NumPy: the formulas and nothing else. Arrays are named as in `elmo.nn.native`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def lstmp(inputs: Any, hidden: Any, cell: Any, weight: Any, bias: Any, projection: Any, clip: float = np.inf) -> Any:
    outputs = np.zeros((*inputs.shape[:2], projection.shape[1]))
    for step in range(inputs.shape[1]):
        sums = np.concatenate([inputs[:, step], hidden], axis=1) @ weight + bias
        a, i, f, o = np.split(sums, 4, axis=1)
        cell = np.clip(sigmoid(f) * cell + sigmoid(i) * np.tanh(a), -clip, clip)
        hidden = outputs[:, step] = np.clip((sigmoid(o) * np.tanh(cell)) @ projection, -clip, clip)
    return outputs, cell


def gru(gates: Any, candidates: Any, gate_weight: Any, candidate_weight: Any, counts: Any) -> Any:
    assert counts.sum() == len(gates) and (np.diff(counts) <= 0).all()
    hidden, outputs = np.zeros((counts[0], len(candidate_weight))), []
    for begin, count in zip(np.cumsum(counts) - counts, counts, strict=True):
        hidden = hidden[:count]
        u, r = np.split(sigmoid(gates[begin : begin + count] + hidden @ gate_weight), 2, axis=1)
        c = np.tanh(candidates[begin : begin + count] + (r * hidden) @ candidate_weight)
        hidden = (1 - u) * hidden + u * c
        outputs.append(hidden)
    return [np.concatenate(outputs)]


def viterbi(emissions: Any, transitions: Any, counts: Any) -> Any:
    assert counts.sum() == len(emissions) and (np.diff(counts) <= 0).all()
    begins, best = np.cumsum(counts) - counts, np.zeros(len(emissions), np.int64)
    for sentence in range(counts[0]):
        own = [begin + sentence for begin, count in zip(begins, counts, strict=True) if count > sentence]
        scores, chosen = transitions[0] + emissions[own[0]], []
        for token in own[1:]:
            ways = scores[:, None] + transitions[2:]
            chosen.append(ways.argmax(0))
            scores = ways.max(0) + emissions[token]
        tags = [(scores + transitions[1]).argmax()]
        for before in reversed(chosen):
            tags.append(before[tags[-1]])
        best[own] = tags[::-1]
    return [best]


def softmax(features: Any, candidates: Any, biases: Any, hits: Any, label_logits: Any = None) -> Any:
    logits, rows = features @ candidates.T + biases, np.arange(len(features))
    if label_logits is None:
        labels = logits[rows, hits]
    else:
        labels = label_logits
        logits[rows[hits >= 0], hits[hits >= 0]] = -np.inf
        logits = np.concatenate([logits, labels[:, None]], axis=1)
    parts = np.exp(logits - logits.max(axis=1, initial=-np.inf, keepdims=True))
    probabilities = parts / parts.sum(axis=1, keepdims=True)
    losses = np.log(parts.sum(axis=1)) + logits.max(axis=1, initial=-np.inf) - labels
    of_candidates = probabilities[:, : len(candidates)]
    of_labels = probabilities[:, -1] if label_logits is not None else probabilities[rows, hits]
    return losses, of_labels, of_candidates, of_candidates @ candidates


def normalise(x: Any, weight: Any, bias: Any, eps: float) -> Any:
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps) * weight + bias


ERF = np.vectorize(math.erf, otypes=[np.float64])


def block(rows: Any, heads: int, gelu: bool, eps: float, lengths: Any = None, **p: Any) -> Any:
    batch, time, dim = rows.shape
    q, k, v = np.split((rows @ p["qkv"] + p["qkv_bias"]).reshape(batch, time, 3 * heads, -1).swapaxes(1, 2), 3, axis=1)
    scores = q @ k.swapaxes(2, 3) / np.sqrt(dim / heads)
    if lengths is not None:
        scores = np.where(np.arange(time) < lengths.reshape(batch, 1, 1, 1), scores, -np.inf)
    parts = np.exp(scores - scores.max(axis=-1, keepdims=True))
    context = (parts / parts.sum(axis=-1, keepdims=True) @ v).swapaxes(1, 2).reshape(batch, time, dim)
    attended = context @ p["attention_output"] + p["attention_output_bias"]
    middle = normalise(rows + attended, p["attention_norm"], p["attention_norm_bias"], eps)
    inner = middle @ p["intermediate"] + p["intermediate_bias"]
    inner = inner * (1 + ERF(inner / np.sqrt(2))) / 2 if gelu else np.maximum(inner, 0)
    last = middle + inner @ p["output"] + p["output_bias"]
    return [normalise(last, p["output_norm"], p["output_norm_bias"], eps)]
