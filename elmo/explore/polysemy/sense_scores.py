"""The table of how well each layer tells the senses of each word apart, and the mean over words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from elmo.errors import InputError
from elmo.explore.polysemy.scores import MAX_PAIRS, Pairs, Vectors, centroid_accuracy
from elmo.explore.polysemy.senses import SenseSentence
from elmo.statistics import Estimate, item_counts, percentile_interval
from elmo.system.types import Floats


@dataclass(frozen=True)
class WordScore:
    """How well the senses of one word are told apart; a list has an entry for each layer."""

    word: str
    senses: dict[str, int]  # sentences of each sense
    auc: list[Estimate]
    accuracy: list[Estimate]
    majority: float  # accuracy of always answering the most frequent sense


@dataclass(frozen=True)
class SenseScores:
    """Scores of all words, and their means over words. `dataclasses.asdict` makes it ready for JSON."""

    auc: list[Estimate]  # [layers]
    accuracy: list[Estimate]  # [layers]
    majority: float
    words: list[WordScore]
    left_out: list[str]  # words that lack two senses, one of them with two sentences
    sentences: int
    centred: bool
    resamples: int
    confidence: float
    seed: int


def score_senses(
    items: Sequence[SenseSentence],
    vectors: Vectors,
    *,
    centre: bool = False,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> SenseScores:
    """Score each layer on each word by `pair_auc` and `centroid_accuracy`, and average over words.

    Intervals come from drawing sentences with replacement within each word. They speak of other sentences with these
    words, not of other words. All layers get the same draws.

    Args:
        items: sentences, such as `TargetVectors.items`.
        vectors: [items, layers, dim], such as `TargetVectors.vectors`.

    Raises:
        InputError: shapes do not fit, or no word has two senses, one of them with two sentences.
    """
    vectors = np.asarray(vectors)
    if vectors.ndim != 3 or len(vectors) != len(items):
        raise InputError(
            f"vectors have shape {list(vectors.shape)} for {len(items)} sentences: give [items, layers, dim]"
        )
    rows_of: dict[str, list[int]] = {}
    for row, item in enumerate(items):
        rows_of.setdefault(item.word, []).append(row)
    words: list[WordScore] = []
    drawn_aucs, drawn_accuracies, left_out = [], [], []  # arrays [layers, resamples], one for each word
    scored = 0
    for word_number, (word, rows) in enumerate(rows_of.items()):
        labels = [items[row].sense for row in rows]
        senses = Counter(labels)
        if len(senses) < 2 or max(senses.values()) < 2:
            left_out.append(word)
            continue
        counts = item_counts(len(rows), resamples, np.random.default_rng([seed, word_number]))
        layers = np.moveaxis(vectors[rows], 1, 0)  # [layers, n, dim]
        pairs = [Pairs.of(layer, labels, centre) for layer in layers]
        right = [centroid_accuracy(layer, labels, centre=centre) for layer in layers]
        drawn_aucs.append(np.array([layer.resampled_auc(counts, MAX_PAIRS) for layer in pairs]))
        drawn_accuracies.append(np.array(right) @ counts.T / len(rows))
        words.append(
            WordScore(
                word,
                dict(senses),
                _estimates([layer.auc for layer in pairs], drawn_aucs[-1], confidence),
                _estimates([float(outcomes.mean()) for outcomes in right], drawn_accuracies[-1], confidence),
                max(senses.values()) / len(rows),
            )
        )
        scored += len(rows)
    if not words:
        raise InputError(
            f"no word of {len(rows_of)} has two senses, one of them with two sentences: give more sentences"
        )

    def mean_over_words(per_word: Iterable[list[Estimate]], drawn: list[Floats]) -> list[Estimate]:
        values = np.mean([[estimate.value for estimate in estimates] for estimates in per_word], axis=0)
        with np.errstate(invalid="ignore"):  # a resample in which no word has an AUC
            means = np.nansum(drawn, axis=0) / np.sum(~np.isnan(drawn), axis=0)
        return _estimates(values.tolist(), means, confidence)

    return SenseScores(
        mean_over_words((word.auc for word in words), drawn_aucs),
        mean_over_words((word.accuracy for word in words), drawn_accuracies),
        float(np.mean([word.majority for word in words])),
        words,
        left_out,
        scored,
        centre,
        resamples,
        confidence,
        seed,
    )


def _estimates(values: Sequence[float], drawn: Floats, confidence: float) -> list[Estimate]:
    """An estimate for each layer, from its value and its resampled values [layers, resamples]."""
    return [
        Estimate(value, *percentile_interval(sample, confidence)) for value, sample in zip(values, drawn, strict=True)
    ]
