"""Checkers of chapter 7, a word in its sentence: centred cosines, the AUC of pairs, and the mean around a word."""

from __future__ import annotations

import numpy as np

from elmo.exercises.harness.checking import Answer, Mistake, exercise
from elmo.explore.polysemy.scores import pair_auc
from elmo.explore.polysemy.wic_vectors import centred
from elmo.explore.report import surroundings
from elmo.system.types import Array

# Lengths are powers of 2, and so are the cosines or 0: what is equal is equal to the last digit.
_FRUIT = [[2, 2, 2, 2], [1, 0, 0, 0], [0, 4, 0, 0], [1, 1, -1, -1]]
_COMPANY = [[8, 0, 0, 0], [0, 0, 0, 1], [1, 1, 1, -1]]


@exercise("7.3")
def centred_cosines(answer: Answer, generator: np.random.Generator) -> None:
    """`centred_cosines(vectors)`: for vectors [n, dim] their cosines, less the mean vector, [n, n]."""
    count, dim = 5, 4
    vectors = generator.normal(size=(count, dim)) + 3.0
    value = answer.array(vectors, shape=[count, count])
    middle, units = centred(vectors), _units(vectors)
    lengths = np.linalg.norm(vectors, axis=1)
    mistakes = [
        Mistake(_cosines(vectors), "these are the cosines without subtracting anything", "less vectors.mean(axis=0)"),
        Mistake(
            _cosines(vectors - vectors.mean(axis=1, keepdims=True)),
            "you subtracted from each vector the mean of its own numbers",
            "the mean vector is the mean over the vectors: axis=0",
        ),
        Mistake(
            _cosines(vectors - vectors.mean()),
            "you subtracted one number, the mean of all",
            "vectors.mean(axis=0) is a vector [dim]",
        ),
        Mistake(
            centred(units) @ centred(units).T,
            "you divided by the lengths first, and subtracted then",
            "subtract first: lengths are those of what is left",
        ),
        Mistake(
            _cosines(centred(units)),
            "you subtracted the mean of vectors that had been scaled to length 1",
            "subtract the mean of the vectors as they are",
        ),
        Mistake(middle @ middle.T, "these are dot products, not cosines", "divide each row by its length"),
        Mistake(
            middle @ middle.T / np.outer(lengths, lengths),
            "you divided by the lengths that the vectors had before the subtraction",
            "the lengths of what is left",
        ),
    ]
    answer.compare(value, _cosines(middle), mistakes)


def _cosines(vectors: Array) -> Array:
    return np.asarray(_units(vectors) @ _units(vectors).T)


def _units(vectors: Array) -> Array:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


@exercise("7.4")
def auc_of_pairs(answer: Answer, generator: np.random.Generator) -> None:
    """`auc_of_pairs(vectors, labels)`: the share of comparisons that come out right, for n vectors and n labels."""
    rows = generator.permutation(len(_FRUIT) + len(_COMPANY))
    vectors = np.array(_FRUIT + _COMPANY, dtype=float)[rows]
    labels = [(["fruit"] * len(_FRUIT) + ["company"] * len(_COMPANY))[row] for row in rows]
    value = answer.number(vectors, labels)
    cosines, products = _cosines(vectors), vectors @ vectors.T
    lost, won = _auc(cosines, labels, tie=0.0), _auc(cosines, labels, tie=1.0)
    mistakes = [
        Mistake(lost, "you count a tie as lost", "equal cosines count one half"),
        Mistake(won, "you count a tie as won", "equal cosines count one half"),
        Mistake(_auc(products, labels), "you compare dot products", "cosines: scale the vectors to length 1 first"),
        Mistake(
            _auc(cosines, labels, with_itself=True),
            "you count each sentence as a pair with itself",
            "a pair has two different sentences",
        ),
        Mistake(
            1 - _auc(cosines, labels),
            "this is the share that comes out wrong",
            "right is where the pair of one sense has the higher cosine",
        ),
        Mistake(
            _auc(cosines, labels, tie=None),
            "you leave the ties out",
            "a tie is a comparison, too, and counts one half",
        ),
    ]
    answer.compare(np.asarray(value), pair_auc(vectors, labels), mistakes)
    same = answer.number(np.ones_like(vectors), labels)
    answer.compare(np.asarray(same), 0.5, [], "your result for vectors that are all the same")


def _auc(alike: Array, labels: list[str], *, tie: float | None = 0.5, with_itself: bool = False) -> float:
    """AUC of pairs, counted one by one; a tie counts as told, or not at all."""
    same: list[float] = []
    different: list[float] = []
    for first in range(len(labels)):
        for second in range(first + with_itself):
            (same if labels[first] == labels[second] else different).append(alike[first, second])
    differences = np.subtract.outer(same, different)
    if tie is None:
        return float((differences > 0).sum() / (differences != 0).sum())
    return float(((differences > 0) + tie * (differences == 0)).mean())


@exercise("7.5")
def around(answer: Answer, generator: np.random.Generator) -> None:
    """`around(vectors, place, reach)`: the mean [dim] of the vectors [words, dim] at most `reach` from `place`."""
    words, dim, reach = 9, 3, 2
    vectors = generator.normal(size=(words, dim))
    right = np.asarray(surroundings(lambda _: [vectors[None].astype(np.float32)])([[]])[0][1])  # [words, dim]
    for place, what in ((4, "in the middle"), (1, "at the second word"), (words - 1, "at the last word")):
        given = answer.call(vectors, place, reach)
        if place < reach and np.isnan(answer.as_array(given, [dim], finite=False)).all():
            answer.wrong(f"{what} you take the mean of nothing", "a slice from -1 begins at the end: max(..., 0)")
        value = answer.as_array(given, [dim])
        begin, end = max(place - reach, 0), min(place + reach + 1, words)
        part = vectors[begin:end]
        mistakes = [
            Mistake(
                vectors[begin : place + reach].mean(axis=0),
                "the last word on the right is missing",
                "a slice ends before its end: place + reach + 1",
            ),
            Mistake(
                (part.sum(axis=0) - vectors[place]) / (len(part) - 1),
                "the word itself is missing",
                "the mean is over the word and its neighbours",
            ),
            Mistake(vectors.mean(axis=0), "this is the mean of the whole sentence", "vectors[begin:end]"),
            Mistake(
                part.sum(axis=0) / (2 * reach + 1),
                f"{what} you divide by {2 * reach + 1}, and there are {len(part)} vectors",
                "at the ends of a sentence there are fewer neighbours",
            ),
            Mistake(part.sum(axis=0), "this is the sum", "divide by how many there are, or use mean(axis=0)"),
            Mistake(vectors[place], "this is the word's own vector", "its neighbours belong to the mean"),
        ]
        answer.compare(value, right[place], mistakes, f"your result {what}")
