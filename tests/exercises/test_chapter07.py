"""Typical wrong answers to the exercises of chapter 7 are recognised."""

from __future__ import annotations

import numpy as np
import pytest

from tests.exercises.wrong_answers import assert_named, cases


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def product(x):
    return x @ x.T


def auc(won, with_itself=False, cosines=lambda x: product(unit(x))):
    def auc_of_pairs(vectors, labels):
        alike, same, different = cosines(vectors), [], []
        for first in range(len(labels)):
            for second in range(first + with_itself):
                pairs = same if labels[first] == labels[second] else different
                pairs.append(alike[first, second])
        return np.mean([won(s, d) for s in same for d in different])

    return auc_of_pairs


def right(s, d):
    return (s > d) + (s == d) / 2


def auc_without_ties(vectors, labels):
    cosines = product(unit(vectors))
    first, second = np.triu_indices(len(labels), k=1)
    is_same = np.array([labels[i] == labels[j] for i, j in zip(first, second, strict=True)])
    values = cosines[first, second]
    differences = np.subtract.outer(values[is_same], values[~is_same])
    return (differences > 0).sum() / (differences != 0).sum()


WRONG = {
    "7.3": [
        (lambda x: product(unit(x)), "without subtracting anything"),
        (lambda x: product(unit(x - x.mean(axis=1, keepdims=True))), "the mean of its own numbers"),
        (lambda x: product(unit(x - x.mean())), "one number"),
        (lambda x: product(unit(x) - unit(x).mean(axis=0)), "divided by the lengths first"),
        (lambda x: product(unit(unit(x) - unit(x).mean(axis=0))), "scaled to length 1"),
        (lambda x: product(x - x.mean(axis=0)), "dot products"),
        (lambda x: unit(x - x.mean(axis=0)), "has the shape [5, 4]"),
    ],
    "7.4": [
        (auc(lambda s, d: s > d), "a tie as lost"),
        (auc(lambda s, d: s >= d), "a tie as won"),
        (auc(right, cosines=product), "dot products"),
        (auc(right, with_itself=True), "pair with itself"),
        (auc(lambda s, d: 1 - right(s, d)), "comes out wrong"),
        (auc(lambda s, d: right(s, d) if s != d else np.nan), "NaN"),
        (lambda vectors, labels: 0.5, "is 0.5, and"),
        (auc_without_ties, "leave the ties out"),
    ],
    "7.5": [
        (lambda v, p, r: v[max(p - r, 0) : p + r].mean(axis=0), "the last word on the right is missing"),
        (lambda v, p, r: v[p - r : p + r + 1].mean(axis=0), "the mean of nothing"),
        (lambda v, p, r: v[max(p - r, 0) : p + r + 1].sum(axis=0) / (2 * r + 1), "at the second word you divide by 5"),
        (lambda v, p, r: v.mean(axis=0), "the whole sentence"),
        (lambda v, p, r: v[max(p - r, 0) : p + r + 1].sum(axis=0), "this is the sum"),
        (lambda v, p, r: v[p], "the word's own vector"),
        (lambda v, p, r: np.delete(v[max(p - r, 0) : p + r + 1], min(p, r), axis=0).mean(axis=0), "the word itself"),
        (lambda v, p, r: v[max(p - r, 0) : p + r + 1].mean(axis=1), "has the shape [5]"),
    ],
}


@pytest.mark.parametrize(("number", "answer", "finding"), cases(WRONG))
@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")
def test_a_typical_mistake_is_named(number, answer, finding):
    assert_named(number, answer, finding)
