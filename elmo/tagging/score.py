"""Precision, recall and F1 of chunks, from counts that are kept by sentence so that sentences can be drawn again.

A chunk is correct if its characters and its tag are those of a gold chunk (Tjong Kim Sang and Buchholz 2000,
"Introduction to the CoNLL-2000 Shared Task: Chunking"). Scores are micro averages, of all chunks of a corpus.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from elmo.checks import optional_module
from elmo.errors import InputError
from elmo.tagging.projection import Chunk, best_chunks, word_chunks

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_CELLS_AT_ONCE = 1 << 21  # of resamples times sentences, so that memory stays small


class Score(NamedTuple):
    """Micro precision, recall and F1 between 0 and 1, and what they are counted from."""

    precision: float  # 0 where nothing is predicted, as in seqeval
    recall: float  # 0 where there is no gold chunk
    f1: float
    gold: int
    predicted: int
    correct: int


@dataclass(frozen=True)
class SentenceCounts:
    """How many chunks of each sentence are gold, predicted, correct: all that one F1 and its resamples need."""

    gold: Counts  # [sentences]
    predicted: Counts
    correct: Counts

    def score(self) -> Score:
        """Score of all sentences together."""
        gold, predicted, correct = (int(counts.sum()) for counts in (self.gold, self.predicted, self.correct))
        precision, recall = correct / max(predicted, 1), correct / max(gold, 1)
        return Score(precision, recall, 2 * correct / max(gold + predicted, 1), gold, predicted, correct)

    def resampled_f1(self, times_drawn: npt.NDArray[np.generic]) -> Floats:
        """F1 of each resample, [resamples]; 0 where it has no chunk.

        Args:
            times_drawn: [resamples, sentences], how often each sentence counts.
        """
        pairs = np.stack([2 * self.correct, self.gold + self.predicted], axis=1).astype(np.float64)
        sums = np.asarray(times_drawn, dtype=np.float64) @ pairs
        return np.asarray(sums[:, 0] / np.maximum(sums[:, 1], 1))


@dataclass(frozen=True)
class ChunkCounts:
    """Counts of chunks by sentence and tag; `count_chunks` makes them."""

    tags: tuple[str, ...]
    gold: Counts  # [sentences, tags]
    predicted: Counts  # [sentences, tags]
    matches: Counts  # [n, 3]: sentence, gold tag, predicted tag of each chunk with right characters, whatever its tag

    @property
    def correct(self) -> Counts:
        """Chunks with the right characters and tag, [sentences, tags]."""
        sentences, gold_tags, predicted_tags = self.matches.T
        is_correct = gold_tags == predicted_tags
        cells = sentences[is_correct] * len(self.tags) + gold_tags[is_correct]
        return np.bincount(cells, minlength=self.gold.size).reshape(self.gold.shape)

    def tagged(self, tags: Collection[str] | None = None) -> SentenceCounts:
        """Counts for segmentation and tag together: of all chunks, or of those with one of these tags."""
        columns = [index for index, tag in enumerate(self.tags) if tags is None or tag in tags]
        parts = (counts[:, columns].sum(axis=1) for counts in (self.gold, self.predicted, self.correct))
        return SentenceCounts(*parts)

    def segmentation(self) -> SentenceCounts:
        """Counts for segmentation alone: a chunk is correct if its characters are, whatever its tag."""
        correct = np.bincount(self.matches[:, 0], minlength=len(self.gold))
        return SentenceCounts(self.gold.sum(axis=1), self.predicted.sum(axis=1), correct)

    def by_group(self, groups: Mapping[str, str]) -> dict[str, SentenceCounts]:
        """Counts of the chunks of each group, where a chunk is correct only if its own tag is.

        Args:
            groups: the group of each tag, such as {"n": "words", "v": "words", "PER": "PER"}. A tag that it does not
                name is in no group; a group whose tags do not occur has counts of 0.
        """
        return {
            group: self.tagged({tag for tag, other in groups.items() if other == group})
            for group in dict.fromkeys(groups.values())
        }

    def collapse(self, mapping: Mapping[str, str]) -> ChunkCounts:
        """Count as if each tag were the one it is mapped to; what the mapping does not name keeps its tag.

        For corpora with different tags: tags that become one are no longer told apart, so n for vn is correct if both
        become n. Chunks are not joined, even where neighbours get the same tag.
        """
        names = [mapping.get(tag, tag) for tag in self.tags]
        tags = tuple(sorted(set(names)))
        new = np.array([tags.index(name) for name in names], dtype=np.int64)
        member = np.asarray(new[:, None] == np.arange(len(tags)), dtype=np.int64)  # [tags, new tags]
        matches = np.column_stack([self.matches[:, 0], new[self.matches[:, 1]], new[self.matches[:, 2]]])
        return ChunkCounts(tags, self.gold @ member, self.predicted @ member, matches)


def count_chunks(gold: Sequence[Sequence[Chunk]], predicted: Sequence[Sequence[Chunk]]) -> ChunkCounts:
    """Count the chunks of each sentence.

    The scores are those of seqeval (Nakayama 2018) in its default mode for a tag a character.

    Args:
        gold, predicted: chunks of each sentence, by `chunks` or `word_chunks` of `elmo.tagging.projection`.

    Raises:
        InputError: not as many sentences predicted as gold, or two chunks of a sentence with the same characters.
    """
    if len(gold) != len(predicted):
        raise InputError(f"{len(gold)} gold sentences, {len(predicted)} predicted: give the same sentences")
    tags = tuple(sorted({tag for part in (gold, predicted) for sentence in part for _, _, tag in sentence}))
    ids = {tag: index for index, tag in enumerate(tags)}
    totals = np.zeros([2, len(gold), len(tags)], dtype=np.int64)
    matches: list[tuple[int, int, int]] = []
    for row, sides in enumerate(zip(gold, predicted, strict=True)):
        spans = [{(begin, end): ids[tag] for begin, end, tag in side} for side in sides]
        for part, side, found in zip(totals, sides, spans, strict=True):
            if len(found) < len(side):
                raise InputError(f"sentence {row + 1} has two chunks with the same characters: give each chunk once")
            for tag_id in found.values():
                part[row, tag_id] += 1
        matches += [(row, spans[0][span], tag_id) for span, tag_id in spans[1].items() if span in spans[0]]
    return ChunkCounts(tags, totals[0], totals[1], np.array(matches, dtype=np.int64).reshape(-1, 3))


def reciprocal_rank(scores: Sequence[float] | npt.NDArray[np.floating[Any]], right: Collection[int]) -> float:
    """1 / rank of the best right candidate; those with the same score count as ranked before it, so ties don't help.

    Args:
        scores: of a question's candidates.
        right: numbers of the candidates that answer it.

    Raises:
        InputError: none is right, or one has a number that no candidate has.
    """
    values = np.asarray(scores, dtype=np.float64)
    if not right or not all(0 <= index < len(values) for index in right):
        raise InputError(
            f"right candidates are {sorted(right)} of {len(values)}: give one or more of 0 to {len(values) - 1}"
        )
    best = values[list(right)].max()
    wrong = np.delete(values, list(right))
    return 1.0 / (1 + int(np.count_nonzero(wrong >= best)))


def oracle(
    words: Sequence[Sequence[str]], tags: Sequence[Sequence[str]], tokens: Sequence[Sequence[str]]
) -> ChunkCounts:
    """Counts of the chunks that score best among all that consist of whole tokens: what a tokenisation allows.

    See `projection.best_chunks`. What it predicts beside gold chunks has a tag of its own, `OTHER` there, so
    that the score of each group is the best for that group, even if no prediction reaches it in all groups at once.

    Args:
        words, tags, tokens: of each sentence.

    Raises:
        InputError: not as many of one as of the others, or a sentence whose parts do not fit, which is named.
    """
    if not len(words) == len(tags) == len(tokens):
        raise InputError(f"{len(words)} sentences of words, {len(tags)} of tags, {len(tokens)} of tokens: give as many")
    gold, best = [], []
    for index, (sentence, sentence_tags, sentence_tokens) in enumerate(zip(words, tags, tokens, strict=True)):
        if isinstance(sentence, str):
            raise InputError(f"sentence {index + 1} is the word {sentence!r}: give a list of words for each sentence")
        try:
            best.append(best_chunks(sentence, sentence_tags, sentence_tokens))
        except InputError as error:
            raise InputError(f"sentence {index + 1}: {error}") from None
        gold.append(word_chunks(sentence, sentence_tags))
    return count_chunks(gold, best)


class Difference(NamedTuple):
    """What `bootstrap_difference` returns."""

    difference: float  # F1 of b less F1 of a
    low: float  # of the 95% interval
    high: float
    p_value: float


def bootstrap_difference(
    counts_a: SentenceCounts | Sequence[SentenceCounts],
    counts_b: SentenceCounts | Sequence[SentenceCounts],
    resamples: int = 1000,
    seed: int = 0,
    *,
    draw_runs: bool = False,
) -> Difference:
    """Compare the F1 of two systems on the same sentences by the paired bootstrap.

    Sentences are drawn with replacement, the same for both systems (Koehn 2004, "Statistical Significance Tests for
    Machine Translation Evaluation"). The interval is from the 2.5th to the 97.5th percentile of the differences.

    p is two-sided: twice the share of resamples in which the difference is 0 or has the other sign, the smaller of
    the two sides, and at most 1. It is about the level at which the percentile interval just reaches 0. The observed
    sample counts as one resample (Davison and Hinkley 1997, "Bootstrap Methods and their Application", section 4.2),
    so that p is never 0: its smallest value is 2 / (resamples + 1), about 0.002 for 1000. It speaks of other sentences
    of this kind and, unless runs are drawn too, of these trained models only.

    Args:
        counts_a, counts_b: of one run each, or of several runs (seeds), all over the same sentences. A system's F1 is
            the mean of its runs'.
        draw_runs: draw runs with replacement too, each system's on its own, so that the interval holds the spread over
            seeds. Three runs or fewer show too little of that spread.

    Raises:
        InputError: no run, runs whose gold counts differ, no sentence, or no resample.
    """
    runs_a, runs_b = ([runs] if isinstance(runs, SentenceCounts) else list(runs) for runs in (counts_a, counts_b))
    if resamples < 1:
        raise InputError(f"resamples is {resamples}: give 1 or more, such as 1000")
    if not runs_a or not runs_b:
        raise InputError(f"{len(runs_a)} runs of a and {len(runs_b)} of b: give one of each at least")
    gold = runs_a[0].gold
    if not len(gold) or not all(np.array_equal(run.gold, gold) for run in (*runs_a, *runs_b)):
        raise InputError("runs differ in their gold chunks, or have no sentence: give counts of the same sentences")
    rng = np.random.default_rng(seed)
    differences = np.concatenate(
        [
            _mean_f1(runs_b, times_drawn, rng, draw_runs) - _mean_f1(runs_a, times_drawn, rng, draw_runs)
            for times_drawn in _draws(len(gold), resamples, rng)
        ]
    )
    means = [float(np.mean([run.score().f1 for run in runs])) for runs in (runs_a, runs_b)]
    low, high = np.quantile(differences, [0.025, 0.975])
    rarer_sign = min(np.count_nonzero(differences <= 0), np.count_nonzero(differences >= 0))
    p_value = min(1.0, 2 * (rarer_sign + 1) / (resamples + 1))
    return Difference(means[1] - means[0], float(low), float(high), float(p_value))


def _draws(size: int, resamples: int, rng: np.random.Generator) -> Iterator[Floats]:
    """How often each item is drawn in each resample, [some resamples, size] at a time."""
    at_once = max(1, _CELLS_AT_ONCE // size)
    for start in range(0, resamples, at_once):
        rows = min(at_once, resamples - start)
        cells = rng.integers(size, size=(rows, size)) + size * np.arange(rows)[:, None]
        yield np.bincount(cells.reshape(-1), minlength=rows * size).reshape(rows, size).astype(np.float64)


def _mean_f1(runs: Sequence[SentenceCounts], times_drawn: Floats, rng: np.random.Generator, draw_runs: bool) -> Floats:
    """Mean over runs, or over runs drawn with replacement, of the F1 of each resample: [resamples]."""
    scores = np.stack([run.resampled_f1(times_drawn) for run in runs], axis=1)  # [resamples, runs]
    if draw_runs:
        scores = np.take_along_axis(scores, rng.integers(len(runs), size=scores.shape), axis=1)
    return np.asarray(scores.mean(axis=1))


class MeanInterval(NamedTuple):
    """What `mean_interval` returns."""

    mean: float
    low: float  # of the 95% interval
    high: float


def load_student_quantile() -> Callable[[float, float], float]:
    """SciPy's quantile of Student's t, by degrees of freedom and share; InputError where SciPy is not installed."""
    quantile: Callable[[float, float], float] = optional_module("scipy.special", "the interval of a mean").stdtrit
    return quantile


def mean_interval(values: Sequence[float]) -> MeanInterval:
    """Mean of the scores of several seeds, and Student's 95% interval: mean ± t(0.975, n - 1) · s / sqrt(n).

    s is the sample's standard deviation, with n - 1. It supposes scores that are about normally distributed, and
    speaks of other seeds on the same sentences.

    Raises:
        InputError: fewer than two values, one that is not finite, or SciPy is not installed.
    """
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim != 1 or len(scores) < 2 or not np.isfinite(scores).all():
        raise InputError(f"no interval of the mean of {list(values)}: give two finite scores or more")
    quantile = load_student_quantile()
    mean = float(scores.mean())
    half = float(quantile(len(scores) - 1, 0.975) * scores.std(ddof=1) / np.sqrt(len(scores)))
    return MeanInterval(mean, mean - half, mean + half)
