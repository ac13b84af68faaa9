"""Typical wrong answers to the exercises of chapter 5 are recognised."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from elmo.exercises.chapter05 import both_directions
from elmo.text.batches import SentenceIds
from elmo.text.vocabulary import Vocabulary
from tests.exercises.wrong_answers import assert_named, cases

B, E = "<S>", "</S>"


def loss(
    features, labels, weight, bias, candidates, expected, *, bias_share=1, correct=lambda q: -np.log(q), hits=False,
    label=True, denominator=True, sign=1,
):  # fmt: skip
    logits = features @ weight.T + bias_share * bias
    corrected = logits + correct(expected)
    own = (corrected if label else logits)[np.arange(len(labels)), labels]
    others = np.exp(corrected[:, candidates]) * (1 if hits else candidates != labels[:, None])
    return sign * (np.log(denominator * np.exp(own) + others.sum(axis=1)) - own)


def full_softmax(features, labels, weight, bias, candidates, expected):
    logits = features @ weight.T + bias
    return np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels]


WRONG = {
    "5.2": [
        (lambda w: (w, [*w, E], [E, *w[::-1]], [*w[::-1], B]), "the boundary <S> is missing"),
        (lambda w: ([B, *w], [B, *w], [E, *w[::-1]], [*w[::-1], B]), "they are not moved"),
        (lambda w: ([B, *w], [*w, E], [B, *w[::-1]], [*w[::-1], E]), "</S> belongs, since this direction starts there"),
        (lambda w: ([B, *w], [*w, E], [E, *w[::-1]], [*w[::-1], E]), "<S> belongs, since this direction ends there"),
        (lambda w: ([B, *w], [*w, E], [E, *w], [*w, B]), "the words stand the other way round"),
        (lambda w: ([B, *w], [*w, E], [B, *w], [*w, E]), "those of the other direction"),
        (lambda w: ([B, *w, E], [*w, E], [E, *w[::-1]], [*w[::-1], B]), "each list has one"),
        (lambda w: ([B, *w], [*w, E]), "4 things are asked for"),
        (lambda w: ([B, *w], " ".join(w), [], []), "are no list of words"),
    ],
    "5.3": [
        (lambda f, b: (np.exp(f.mean()) + np.exp(b.mean())) / 2, "mean of the two perplexities"),
        (lambda f, b: np.exp(np.concatenate([f, b])).mean(), "mean of exp(loss)"),
        (lambda f, b: 2 ** ((f.mean() + b.mean()) / 2), "a power of 2"),
        (lambda f, b: (f.mean() + b.mean()) / 2, "this is the mean loss"),
        (lambda f, b: np.exp(-(f.mean() + b.mean()) / 2), "one divided by"),
        (lambda f, b: np.exp(f.mean()), "forward direction alone"),
        (lambda f, b: np.exp(f.mean() + b.mean()), "added the two means"),
    ],
    "5.4": [
        (lambda k, v: np.log((k + 2) / (k + 1)), "don't add up to 1"),
        (lambda k, v: np.log((k + 2) / (k + 1)) / np.log(v), "divided by log(vocab_size)"),
        (lambda k, v: np.full(len(k), 1 / v), "uniform distribution"),
        (lambda k, v: 1 / (k + 1) / sum(1 / (n + 1) for n in range(v)), "Zipf's law itself"),
        (lambda k, v: np.log((k + 3) / (k + 2)) / np.log(v + 1), "moved by one"),
        (lambda k, v: np.log((k + 1) / (k + 2)) / np.log(v + 1), "negative"),
    ],
    "5.5": [
        (partial(loss, correct=lambda q: 0 * q), "without the correction"),
        (partial(loss, correct=np.log), "correction has the wrong sign"),
        (partial(loss, correct=lambda q: -q), "not its logarithm"),
        (partial(loss, hits=True), "left the accidental hits in"),
        (partial(loss, hits=True, correct=lambda q: 0 * q), "both repairs are missing"),
        (partial(loss, label=False), "not the label"),
        (partial(loss, bias_share=0), "without the bias"),
        (partial(loss, denominator=0), "missing from the sum"),
        (partial(loss, sign=-1), "wrong sign"),
        (full_softmax, "this is the full softmax"),
    ],
}


@pytest.mark.parametrize(("number", "answer", "finding"), cases(WRONG))
def test_a_typical_mistake_is_named(number, answer, finding):
    assert_named(number, answer, finding)


def test_the_right_directions_are_those_of_the_packages_batches(tmp_path: Path):
    words = ["我们", "吃", "苹果"]
    shard = tmp_path / "sentence_file_00000"
    shard.write_text(" ".join(words) + "\n", encoding="utf-8")
    vocabulary = Vocabulary([B, E, "<UNK>", *words])
    batch = next(iter(SentenceIds(shard, vocabulary).batches(1, len(words) + 1)))
    arrays = (batch.forward_ids, batch.forward_targets, batch.backward_ids, batch.backward_targets)
    assert tuple([vocabulary.tokens[i] for i in ids[0]] for ids in arrays) == both_directions(words)
