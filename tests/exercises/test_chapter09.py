"""Chapter 9's checkers name the usual mistakes with attention, padding, normalisation and 80/10/10."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from elmo.exercises import check
from tests.exercises.wrong_answers import assert_named, cases


def softmax(scores: Any, axis: int = 1) -> Any:
    weights = np.exp(scores)
    return weights / weights.sum(axis=axis, keepdims=True)


def padded(scores: Any, length: int, *, score: float = -1e9, columns: bool = True, shift: int = 0) -> Any:
    scores = scores.copy()
    if columns:
        scores[:, length + shift :] = score
    else:
        scores[length:] = score
    return softmax(scores)


def norm(
    rows: Any, weight: Any, bias: Any, eps: float, *, axis: int | None = 1, root: bool = True, ddof: int = 0
) -> Any:
    centred = rows - rows.mean(axis=axis, keepdims=True)
    variance = rows.var(axis=axis, ddof=ddof, keepdims=True) + eps
    return centred / (np.sqrt(variance) if root else variance) * weight + bias


def replaced(ids: Any, places: Any, masked: Any, other: Any, others: Any, mask_id: int) -> Any:
    changed = ids.copy()
    changed[places[masked]] = mask_id
    changed[places[other]] = others[other]
    return changed


def replaced_in_place(ids: Any, places: Any, draws: Any, others: Any, mask_id: int) -> Any:
    ids[places[draws < 0.8]] = mask_id
    return ids


WRONG = {
    "9.2": [
        (lambda q, k, v: softmax(q @ k.T) @ v, "not scaled"),
        (lambda q, k, v: softmax(q @ k.T / q.shape[1]) @ v, "divided by the size"),
        (lambda q, k, v: softmax(q @ k.T / np.sqrt(len(q))) @ v, "number of tokens"),
        (lambda q, k, v: softmax(q @ k.T / np.sqrt(q.shape[1]), axis=0) @ v, "over the queries"),
        (lambda q, k, v: softmax(k @ q.T / np.sqrt(q.shape[1])) @ v, "exchanged"),
        (lambda q, k, v: q @ k.T / np.sqrt(q.shape[1]) @ v, "softmax is missing"),
        (lambda q, k, v: softmax(q @ k.T / np.sqrt(q.shape[1])) @ k, "mixed the keys"),
        (lambda q, k, v: softmax(q @ k.T / np.sqrt(q.shape[1])), "shape"),
    ],
    "9.3": [
        (lambda s, n: np.where(np.arange(len(s)) < n, softmax(s), 0), "less than 1"),
        (lambda s, n: softmax(s), "still attended to"),
        (lambda s, n: padded(s, n, score=0), "exp(0) is 1"),
        (lambda s, n: padded(s, n, shift=1), "one padding token is left"),
        (lambda s, n: padded(s, n, shift=-1), "last real token"),
        (lambda s, n: padded(s, n)[:n, :n], "shape"),
    ],
    "9.4": [
        (lambda *given: norm(*given, axis=0), "over the tokens"),
        (lambda *given: norm(*given, axis=None), "for everything"),
        (lambda *given: norm(*given, root=False), "root is missing"),
        (lambda *given: norm(*given, ddof=1), "dim - 1"),
        (lambda x, w, b, e: norm(x, w, b, 0.0), "eps is missing"),
        (lambda x, w, b, e: norm(x, 1, 0, e), "scale and the offset"),
        (lambda x, w, b, e: norm(x, w, 0, e), "offset is missing"),
        (lambda x, w, b, e: norm(x, 1, b, e), "scale is missing"),
    ],
    "9.5": [
        (lambda i, p, d, o, m: replaced(i, p, d < 2, d > 2, o, m), "all that was chosen is masked"),
        (lambda i, p, d, o, m: replaced(i, p, d < 0.8, d > 2, o, m), "became another"),
        (lambda i, p, d, o, m: replaced(i, p, d < 0.8, d >= 0.8, o, m), "stays"),
        (lambda i, p, d, o, m: replaced(i, p, d < 0.8, (d >= 0.8) & (d < 0.9), o, m), "two tenths"),
        (lambda i, p, d, o, m: replaced(i, p, d >= 0.9, d < 0.8, o, m), "exchanged"),
        (lambda i, p, d, o, m: i, "nothing is replaced"),
        (replaced_in_place, "changes an array"),
    ],
}


@pytest.mark.parametrize(("number", "answer", "finding"), cases(WRONG))
def test_a_typical_mistake_is_named(number, answer, finding):
    assert_named(number, answer, finding)


def test_what_the_paddings_own_rows_are_does_not_matter():
    def without_rows(scores: Any, length: int) -> Any:
        weights = padded(scores, length)
        weights[length:] = 0
        return weights

    assert check("9.3", without_rows)
