"""Checkers of chapter 8, transfer: chunk F1, the scalar mix, a CRF's sum and best labels, LARK's backward states."""

from __future__ import annotations

from typing import Any

import numpy as np

from elmo.exercises.harness.checking import Answer, Mistake, exercise
from elmo.nn.crf import FIRST, START, STOP, log_likelihood, viterbi
from elmo.nn.gru import Packing
from elmo.nn.scalar_mix import ScalarMix
from elmo.runtime import paddle
from elmo.system.types import Array
from elmo.tagging.projection import Chunk
from elmo.tagging.score import count_chunks

Chunks = list[list[Chunk]]


@exercise("8.2")
def chunk_f1(answer: Answer, generator: np.random.Generator) -> None:
    """`chunk_f1(gold, predicted)`: of lists of chunks (begin, end, tag), a list for each sentence."""
    gold: Chunks = [
        [(0, 2, "PER"), (2, 3, "p"), (3, 5, "TIME"), (5, 7, "v")],
        [(0, 3, "LOC"), (3, 4, "n"), (4, 5, "w")],
        [(0, 2, "n"), (2, 4, "v")],
    ]
    # One with a wrong end, two with a wrong tag, three that are right in another sentence, three that are right.
    predicted: Chunks = [
        [(0, 2, "TIME"), (2, 3, "p"), (3, 5, "TIME"), (5, 6, "v"), (6, 7, "u")],
        [(0, 2, "n"), (2, 3, "p"), (3, 5, "TIME")],
        [(0, 2, "n"), (2, 4, "n")],
    ]
    value = answer.number(gold, predicted)
    score = count_chunks(gold, predicted).tagged().score()
    spans = _score(gold, predicted, lambda chunk: chunk[:2])
    begins = _score(gold, predicted, lambda chunk: (chunk[0], chunk[2]))
    by_sentence = [_score([a], [b]) for a, b in zip(gold, predicted, strict=True)]
    anywhere = {chunk for truth in gold for chunk in truth}
    right_anywhere = sum(chunk in anywhere for guess in predicted for chunk in guess)
    mistakes = [
        Mistake(spans, "you compare begin and end, and not the tag", "a chunk is right as a whole"),
        Mistake(begins, "you don't compare where the chunks end", "begin, end and tag must all be right"),
        Mistake(score.precision, "this is the precision", "F1 counts the true chunks, too"),
        Mistake(score.recall, "this is the recall", "F1 counts the predicted chunks, too"),
        Mistake(
            np.mean(by_sentence),
            "you took the mean of the sentences' F1",
            "count over all sentences first, and divide once",
        ),
        Mistake(
            (score.precision + score.recall) / 2,
            "you took the mean of precision and recall",
            "2 P R / (P + R), which is nearer to the smaller one",
        ),
        Mistake(score.f1 / 2, "your F1 is half of what it should be", "2 * right / (true + predicted)"),
        Mistake(
            2 * right_anywhere / (score.gold + score.predicted),
            "a chunk of one sentence counts as right in another",
            "compare each sentence with its own truth",
        ),
    ]
    answer.compare(np.asarray(value), score.f1, mistakes)


def _score(gold: Chunks, predicted: Chunks, key: Any = lambda chunk: chunk) -> float:
    """F1 of chunks of which only `key` is compared."""
    right = sum(
        len({key(chunk) for chunk in truth} & {key(chunk) for chunk in guess})
        for truth, guess in zip(gold, predicted, strict=True)
    )
    return 2 * right / sum(map(len, gold + predicted))


@exercise("8.3")
def mix(answer: Answer, generator: np.random.Generator) -> None:
    """`mix(layers, weights, gamma)`: layers [layers, words, dim], weights [layers], gamma a number; [words, dim]."""
    layers, weights = generator.normal(size=(3, 4, 5)), np.array([1.5, -0.5, 0.3])
    gamma = 0.7
    value = answer.array(layers, weights, gamma, shape=[4, 5])
    package = ScalarMix(3)
    package.weights.set_value(weights.astype(np.float32))
    package.gamma.set_value(np.array([gamma], np.float32))
    right = package([paddle.to_tensor(layer.astype(np.float32)) for layer in layers]).numpy()
    powers = np.exp(weights)

    def mixed(shares: Array) -> Array:
        return np.asarray(np.tensordot(shares, layers, axes=1))

    mistakes = [
        Mistake(
            gamma * mixed(weights / weights.sum()),
            "your shares are the weights divided by their sum",
            "s = softmax(weights): exp comes first",
        ),
        Mistake(gamma * mixed(weights), "the softmax is missing", "s = exp(weights) / exp(weights).sum()"),
        Mistake(gamma * mixed(powers), "your shares don't add up to 1", "divide by the sum of the exponentials"),
        Mistake(mixed(powers / powers.sum()), "gamma is missing", "the sum is multiplied by gamma"),
        Mistake(
            layers.mean(axis=0), "this is the plain mean of the layers", "the weights say how much each layer counts"
        ),
        Mistake(
            gamma * mixed(powers / powers.sum()) / 3, "you took a mean over the layers", "a sum: the shares do the rest"
        ),
        Mistake(
            mixed(np.exp(gamma * weights) / np.exp(gamma * weights).sum()),
            "gamma stands inside the softmax",
            "gamma multiplies the mix, not the weights",
        ),
    ]
    answer.compare(value, right, mistakes)


def _crf_parts(generator: np.random.Generator) -> tuple[Array, Array, Array, Array]:
    """Emissions, start, stop and transitions of which each part changes both the sum and the best labels."""
    tokens, labels = 5, 3
    while True:
        emissions = generator.normal(size=(tokens, labels))
        start, stop = generator.normal(scale=2, size=(2, labels))
        transitions = generator.normal(scale=2, size=(labels, labels))
        zero = np.zeros(labels)
        variants = [
            (emissions, zero, stop, transitions),
            (emissions, start, zero, transitions),
            (emissions, zero, zero, transitions),
            (emissions, start, stop, transitions.T),
            (emissions, zero, zero, 0 * transitions),
            (emissions, stop, start, transitions),
        ]
        right = _best(emissions, start, stop, transitions)
        others = [_best(*variant) for variant in variants] + [right[::-1]]
        # Each mistake has to give other labels than the right answer, and than the other mistakes.
        if len({tuple(labels) for labels in [right, *others]}) == len(others) + 1:
            return emissions, start, stop, transitions


def _table(start: Array, stop: Array, transitions: Array) -> Array:
    table = np.empty([len(start) + FIRST, len(start)], np.float32)
    table[START], table[STOP], table[FIRST:] = start, stop, transitions
    return table


def _best(emissions: Array, start: Array, stop: Array, transitions: Array) -> list[int]:
    """The package's best labels."""
    packing = Packing([len(emissions)])
    best = viterbi(emissions.astype(np.float32), _table(start, stop, transitions), packing)
    return [int(label) for label in best]


def _log_z(emissions: Array, start: Array, stop: Array, transitions: Array) -> float:
    """The package's ln Z: the score of some labels less the logarithm of their probability."""
    packing, labels = Packing([len(emissions)]), np.zeros(len(emissions), np.int64)
    of_labels = start[0] + emissions[:, 0].sum() + transitions[0, 0] * (len(emissions) - 1) + stop[0]
    arrays = (emissions.astype(np.float32), labels, _table(start, stop, transitions))
    rows, tags, table = (paddle.to_tensor(array) for array in arrays)
    found = log_likelihood(rows, tags, table, packing)
    return float(of_labels - found.numpy()[0])


@exercise("8.4")
def log_partition(answer: Answer, generator: np.random.Generator) -> None:
    """`log_z(emissions, start, stop, transitions)`: emissions [T, labels], transitions [from, to]; ln Z, a number."""
    emissions, start, stop, transitions = _crf_parts(generator)
    parts = (emissions, start, stop, transitions)
    value = answer.number(*parts)
    zero, best = np.zeros(len(start)), _best(*parts)
    best_score = start[best[0]] + stop[best[-1]] + emissions[range(len(best)), best].sum()
    best_score += transitions[best[:-1], best[1:]].sum()
    alpha = start + emissions[0]
    for emission in emissions[1:]:
        alpha = (alpha[:, None] + transitions).max(axis=0) + emission
    ends = alpha + stop
    right = _log_z(*parts)
    mistakes = [
        Mistake(
            float(np.log(np.exp(ends).sum())),
            "you take the maximum over the labels before, and a sum at the end only",
            "the sum of exponentials stands in every step",
        ),
        Mistake(best_score, "this is the score of the best labels", "ln Z is the logarithm of a sum over all labels"),
        Mistake(_log_z(emissions, start, zero, transitions), "`stop` is missing", "it is added to the last alpha"),
        Mistake(_log_z(emissions, zero, stop, transitions), "`start` is missing", "alpha_1 = start + emissions[0]"),
        Mistake(
            _log_z(emissions, zero, zero, transitions),
            "`start` and `stop` are missing",
            "they belong to the first and the last alpha",
        ),
        Mistake(
            _log_z(emissions, start, stop, transitions.T),
            "your transitions are turned round",
            "transitions[i, j] is from i to j: sum over the first axis",
        ),
        Mistake(
            _log_z(emissions, start, stop, 0 * transitions),
            "the transitions are missing",
            "alpha[:, None] + transitions, then the sum over the labels before",
        ),
        Mistake(np.exp(right), "this is Z itself", "its logarithm is asked for"),
    ]
    answer.compare(np.asarray(value), right, mistakes)
    if not np.isclose(far := answer.number(1000 + emissions, start, stop, transitions), right + 1000 * len(emissions)):
        answer.wrong(
            f"for emissions about 1000 your result is {far:.5g}, and {right + 1000 * len(emissions):.5g} is right",
            "take the largest number out before exp, and add it again behind log",
        )


@exercise("8.5")
def viterbi_labels(answer: Answer, generator: np.random.Generator) -> None:
    """`viterbi_labels(emissions, start, stop, transitions)`: the labels [T] with the highest score."""
    emissions, start, stop, transitions = parts = _crf_parts(generator)
    value = answer.array(*parts, shape=[len(emissions)])
    zero = np.zeros(len(start))
    right = _best(*parts)
    mistakes = [
        Mistake(
            _best(emissions, zero, zero, 0 * transitions),
            "these are the best labels token by token",
            "a label's neighbours count, too: keep the best way to each label",
        ),
        Mistake(_best(emissions, start, zero, transitions), "`stop` is missing", "the way back begins at delta + stop"),
        Mistake(
            _best(emissions, zero, stop, transitions), "`start` is missing", "delta begins as start + emissions[0]"
        ),
        Mistake(
            _best(emissions, zero, zero, transitions), "`start` and `stop` are missing", "they belong to both ends"
        ),
        Mistake(
            _best(emissions, start, stop, transitions.T),
            "your transitions are turned round",
            "transitions[i, j] is from i to j: the maximum over the first axis",
        ),
        Mistake(right[::-1], "your labels are in the order of the way back", "turn them round at the end"),
        Mistake(_best(emissions, stop, start, transitions), "`start` and `stop` are exchanged", "start comes first"),
    ]
    answer.compare(value, right, mistakes, "your list of labels")
    if answer.array(emissions[:1], start, stop, transitions, shape=[1])[0] != _best(emissions[:1], *parts[1:])[0]:
        answer.wrong("for a sentence of one token your label is wrong", "it has both start and stop")


@exercise("8.6")
def side_by_side(answer: Answer, generator: np.random.Generator) -> None:
    """`side_by_side(forward, backward, lengths)`: [batch, time, dim] each, lengths [batch]; [batch, time, 2 dim]."""
    lengths, dim = np.array([4, 2, 3]), 2
    time = int(lengths.max())
    inside = (np.arange(time) < lengths[:, None])[:, :, None]
    forward, backward = generator.normal(size=(2, len(lengths), time, dim)) * inside
    value = answer.array(forward, backward, lengths, shape=[len(lengths), time, 2 * dim])

    def turned(states: Array) -> Array:
        rows = np.zeros_like(states)
        for row, length in enumerate(lengths):
            rows[row, :length] = states[row, :length][::-1]
        return rows

    def together(ahead: Array, behind: Array) -> Array:
        return np.concatenate([ahead, behind], axis=2)

    mistakes = [
        Mistake(
            together(forward, backward),
            "this is LARK's mistake: the backward states are in the order of reading",
            "backward[i, 0] is about sentence i's last word",
        ),
        Mistake(
            together(forward, backward[:, ::-1]),
            "the padding of short sentences has come to their front",
            "turn only the first lengths[i] rows of sentence i",
        ),
        Mistake(together(turned(forward), backward), "you turned the forward states", "it is the backward ones"),
        Mistake(together(turned(forward), turned(backward)), "you turned both directions", "only the backward ones"),
        Mistake(together(turned(backward), forward), "the halves are exchanged", "the forward half comes first"),
        Mistake(
            together(forward, backward[::-1]),
            "you turned the order of the sentences",
            "the second axis is time, the first one counts sentences",
        ),
        Mistake(
            together(forward, backward[:, :, ::-1]), "you turned the numbers of a vector", "the second axis is time"
        ),
    ]
    answer.compare(value, together(forward, turned(backward)), mistakes)
