"""Typical wrong answers to the exercises of chapter 8 are recognised."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from elmo.exercises import check
from elmo.exercises.chapter08 import _crf_parts, _log_z
from tests.exercises.wrong_answers import assert_named, cases


def f1(gold, predicted, *, key=lambda chunk: chunk, of="f1"):
    right = sum(
        len({key(chunk) for chunk in truth} & {key(chunk) for chunk in guess})
        for truth, guess in zip(gold, predicted, strict=True)
    )
    true, found = sum(map(len, gold)), sum(map(len, predicted))
    precision, recall = right / max(found, 1), right / max(true, 1)
    scores = {"f1": 2 * right / max(true + found, 1), "precision": precision, "recall": recall}
    return {**scores, "mean": (precision + recall) / 2, "half": scores["f1"] / 2}[of]


def mean_of_sentences(gold, predicted):
    return np.mean([f1([truth], [guess]) for truth, guess in zip(gold, predicted, strict=True)])


def mixed_sentences(gold, predicted):
    anywhere, guesses = set(itertools.chain(*gold)), list(itertools.chain(*predicted))
    return 2 * sum(chunk in anywhere for chunk in guesses) / (sum(map(len, gold)) + len(guesses))


def mix(layers, weights, gamma, shares=lambda w: np.exp(w) / np.exp(w).sum()):
    return gamma * np.tensordot(shares(weights), layers, axes=1)


def log_z(emissions, start, stop, transitions, *, use_start=1, use_stop=1, safe=True):
    alpha = use_start * start + emissions[0]
    for emission in emissions[1:]:
        alpha = np.logaddexp.reduce(alpha[:, None] + transitions, axis=0) + emission
    ends = alpha + use_stop * stop
    return np.logaddexp.reduce(ends) if safe else np.log(np.exp(ends).sum())


def by_maxima(emissions, start, stop, transitions):
    alpha = start + emissions[0]
    for emission in emissions[1:]:
        alpha = (alpha[:, None] + transitions).max(axis=0) + emission
    return alpha + stop


def best(emissions, start, stop, transitions, *, use_start=1, use_stop=1):
    delta, came_from = use_start * start + emissions[0], []
    for emission in emissions[1:]:
        ways = delta[:, None] + transitions
        came_from.append(ways.argmax(axis=0))
        delta = ways.max(axis=0) + emission
    labels = [int((delta + use_stop * stop).argmax())]
    for before in reversed(came_from):
        labels.append(int(before[labels[-1]]))
    return labels[::-1]


def turned(states, lengths):
    rows = np.zeros_like(states)
    for row, length in enumerate(lengths):
        rows[row, :length] = states[row, :length][::-1]
    return rows


def clipped_log_z(e, a, b, t):
    return log_z(np.clip(e, -700, 700), a, b, t)


WRONG = {
    "8.2": [
        (lambda g, p: f1(g, p, key=lambda chunk: chunk[:2]), "and not the tag"),
        (lambda g, p: f1(g, p, key=lambda chunk: (chunk[0], chunk[2])), "where the chunks end"),
        (lambda g, p: f1(g, p, of="precision"), "this is the precision"),
        (lambda g, p: f1(g, p, of="recall"), "this is the recall"),
        (lambda g, p: f1(g, p, of="mean"), "mean of precision and recall"),
        (lambda g, p: f1(g, p, of="half"), "half of what it should be"),
        (mean_of_sentences, "mean of the sentences' F1"),
        (mixed_sentences, "a chunk of one sentence counts as right in another"),
        (lambda g, p: None, "is None"),
    ],
    "8.3": [
        (lambda h, w, g: mix(h, w, g, lambda w: w / w.sum()), "divided by their sum"),
        (lambda h, w, g: mix(h, w, g, lambda w: w), "the softmax is missing"),
        (lambda h, w, g: mix(h, w, g, np.exp), "don't add up to 1"),
        (lambda h, w, g: mix(h, w, 1.0), "gamma is missing"),
        (lambda h, w, g: mix(h, g * w, 1.0), "inside the softmax"),
        (lambda h, w, g: h.mean(axis=0), "plain mean"),
        (lambda h, w, g: mix(h, w, g) / 3, "mean over the layers"),
    ],
    "8.4": [
        (lambda e, a, b, t: log_z(e, a, b, t, use_stop=0), "`stop` is missing"),
        (lambda e, a, b, t: log_z(e, a, b, t, use_start=0), "`start` is missing"),
        (lambda e, a, b, t: log_z(e, a, b, t, use_start=0, use_stop=0), "`start` and `stop` are missing"),
        (lambda e, a, b, t: log_z(e, a, b, t.T), "turned round"),
        (lambda e, a, b, t: log_z(e, a, b, 0 * t), "the transitions are missing"),
        (lambda e, a, b, t: by_maxima(e, a, b, t).max(), "score of the best labels"),
        (lambda e, a, b, t: np.logaddexp.reduce(by_maxima(e, a, b, t)), "a sum at the end only"),
        (lambda e, a, b, t: np.exp(log_z(e, a, b, t)), "this is Z itself"),
        (lambda e, a, b, t: log_z(e, a, b, t, safe=False), "infinity"),
        (clipped_log_z, "for emissions about 1000"),
    ],
    "8.5": [
        (lambda e, a, b, t: e.argmax(axis=1), "token by token"),
        (lambda e, a, b, t: best(e, a, b, t, use_stop=0), "`stop` is missing"),
        (lambda e, a, b, t: best(e, a, b, t, use_start=0), "`start` is missing"),
        (lambda e, a, b, t: best(e, a, b, t, use_start=0, use_stop=0), "`start` and `stop` are missing"),
        (lambda e, a, b, t: best(e, a, b, t.T), "turned round"),
        (lambda e, a, b, t: best(e, a, b, t)[::-1], "order of the way back"),
        (lambda e, a, b, t: best(e, b, a, t), "exchanged"),
        (lambda e, a, b, t: best(e, a, b, t)[:-1], "has the shape [4]"),
        (lambda e, a, b, t: best(e, a, b, t) if len(e) > 1 else [int((e[0] - a - b).argmax())], "one token"),
    ],
    "8.6": [
        (lambda f, b, n: np.concatenate([f, b], axis=2), "LARK's mistake"),
        (lambda f, b, n: np.concatenate([f, b[:, ::-1]], axis=2), "padding of short sentences"),
        (lambda f, b, n: np.concatenate([turned(f, n), b], axis=2), "turned the forward states"),
        (lambda f, b, n: np.concatenate([turned(f, n), turned(b, n)], axis=2), "both directions"),
        (lambda f, b, n: np.concatenate([turned(b, n), f], axis=2), "halves are exchanged"),
        (lambda f, b, n: np.concatenate([f, b[::-1]], axis=2), "order of the sentences"),
        (lambda f, b, n: np.concatenate([f, turned(b, n)], axis=1), "has the shape"),
    ],
}


@pytest.mark.parametrize(("number", "answer", "finding"), cases(WRONG))
def test_a_typical_mistake_is_named(number, answer, finding):
    assert_named(number, answer, finding)


def test_a_transposed_mix_is_told_so():
    result = check("8.3", lambda h, w, g: mix(h, w, g).T)
    assert not result and "the other way round" in result.hint


def test_the_right_f1_is_right():
    assert check("8.2", f1)


def test_the_packages_log_partition_is_that_of_all_sequences():
    emissions, start, stop, transitions = _crf_parts(np.random.default_rng(1))
    scores = [
        start[y[0]]
        + stop[y[-1]]
        + emissions[range(len(y)), y].sum()
        + sum(transitions[pair] for pair in itertools.pairwise(y))
        for y in itertools.product(range(len(start)), repeat=len(emissions))
    ]
    # The package is given float32 numbers of size 10: about 1e-6.
    assert np.isclose(_log_z(emissions, start, stop, transitions), np.logaddexp.reduce(scores), atol=1e-5)
