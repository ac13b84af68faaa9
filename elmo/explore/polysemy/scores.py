"""How well vectors of a word tell its senses apart, with intervals from resampling sentences.

The score is an AUC: the chance that two sentences of one sense are more alike (by cosine) than two of different senses.
A vector that ignores its sentence, such as word2vec's, scores exactly 0.5. Where other sentences give each of two
senses a centroid, there is the ordinary ROC AUC too: of a sentence of one sense being nearer its centroid.

scikit-learn's roc_auc_score takes one resample at a time, which takes sixty times as long, and differs in the last bit
from what is published here. A test compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from elmo.errors import InputError
from elmo.statistics import item_counts, percentile_interval
from elmo.system.types import Floats, Vectors

MAX_PAIRS = 100_000  # about 450 sentences; from more, resampled AUCs are approximated
_DIGITS = 12  # cosines are compared to so many: float64 rounding must not order what is equal
_RESAMPLES_AT_ONCE = 64


def pair_auc(vectors: Vectors, labels: Sequence[str], *, centre: bool = False) -> float:
    """AUC of the cosine for pairs of one label against pairs of two: P(same > different) + P(equal) / 2.

    Hanley and McNeil 1982, "The meaning and use of the area under a receiver operating characteristic curve".

    Args:
        vectors: [n, dim].
        labels: n of them.
        centre: subtract the mean vector first, since contextual vectors of one word share most of their direction.

    Raises:
        InputError: shapes that do not fit, numbers that are not finite, no pair of one label, or none of two.
    """
    return Pairs.of(vectors, labels, centre).auc


def bootstrap_auc(
    vectors: Vectors,
    labels: Sequence[str],
    *,
    centre: bool = False,
    resamples: int = 1000,
    seed: int | Sequence[int] = 0,
    max_pairs: int = MAX_PAIRS,
) -> Floats:
    """AUC in each of many resamples of the sentences, [resamples]; NaN where a resample lacks one kind of pair.

    Sentences are drawn with replacement, not pairs, as pairs share sentences. A pair counts as often as its two
    sentences were drawn together; a sentence that was drawn twice makes no pair with itself. The same seed draws the
    same sentences, so that two models on the same sentences can be compared resample by resample.

    Args:
        vectors, labels, centre: as for `pair_auc`; the mean is that of all sentences, not of a resample.
        max_pairs: from more pairs than this, the AUC of a resample is approximated to first order (the infinitesimal
            jackknife), which is fast and, for so many sentences, changes the ends of an interval by less than 0.002.
    """
    if max_pairs < 1:
        raise InputError(f"max_pairs is {max_pairs}: give 1 or more, such as {MAX_PAIRS}")
    pairs = Pairs.of(vectors, labels, centre)
    return pairs.resampled_auc(item_counts(len(labels), resamples, np.random.default_rng(seed)), max_pairs)


def bootstrap_interval(
    vectors: Vectors,
    labels: Sequence[str],
    *,
    centre: bool = False,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    max_pairs: int = MAX_PAIRS,
) -> tuple[float, float]:
    """Percentile interval of `pair_auc` from the resamples of `bootstrap_auc`: its lower and its upper end.

    It errs on the wide side: in simulations with 40 sentences, 95% intervals held the true AUC in 97 to 99% of cases.
    """
    aucs = bootstrap_auc(vectors, labels, centre=centre, resamples=resamples, seed=seed, max_pairs=max_pairs)
    return percentile_interval(aucs, confidence)


def centroid_accuracy(vectors: Vectors, labels: Sequence[str], *, centre: bool = False) -> Floats:
    """Is the sense whose mean vector, without the sentence itself, is nearest the right one? 1 or 0 each, [n].

    The disambiguation of Peters et al. 2018, "Deep contextualized word representations", section 5.3, leave-one-out.
    Among k equally near senses the right one counts 1/k. On vectors that know nothing the mean is slightly below
    chance, since a sense loses a sentence exactly where it would have to win.
    """
    units = _unit_rows(vectors, labels, centre)
    senses, rows = np.unique(np.asarray(labels), return_inverse=True)
    member = (rows[:, None] == np.arange(len(senses))).astype(np.float64)  # [n, senses]
    sums = (member.T @ units)[None] - member[:, :, None] * units[:, None]  # [n, senses, dim]
    lengths = np.linalg.norm(sums, axis=-1)
    cosines = np.einsum("nsd,nd->ns", sums, units) / np.where(lengths < 1e-9, 1, lengths)
    is_empty = member.sum(axis=0)[None] - member == 0
    cosines = np.where(is_empty, -np.inf, np.round(cosines, _DIGITS))
    best = cosines == cosines.max(axis=1, keepdims=True)
    return np.asarray(best[np.arange(len(rows)), rows] / best.sum(axis=1), dtype=np.float64)


def centroid_differences(
    vectors: Vectors, known: Vectors, is_positive: npt.ArrayLike, *, centre: bool = False
) -> Floats:
    """Cosine with the centroid of the positive known vectors less that with the others' centroid, [n].

    A centroid is the mean of vectors scaled to length 1.

    Args:
        vectors: [n, dim], of sentences whose sense is asked for.
        known: [m, dim], of other sentences.
        is_positive: m of them, true for one sense, false for the other.
        centre: subtract the mean of the known vectors first, from all.

    Raises:
        InputError: shapes that do not fit, numbers that are not finite, or one of the senses has no known vector.
    """
    positive = np.asarray(is_positive, dtype=np.bool_)
    known = np.asarray(known, dtype=np.float64)
    if known.ndim != 2 or positive.shape != known.shape[:1]:
        raise InputError(f"known vectors have shape {list(known.shape)} for {positive.size} senses: give [n, dim]")
    if positive.all() or not positive.any():
        raise InputError(f"{len(positive)} known sentences are not of two senses: give sentences of both")
    middle = known.mean(axis=0) if centre else None
    units = _units(known, middle)
    centroids = np.stack([units[rows].mean(axis=0) for rows in (positive, ~positive)])
    lengths = np.linalg.norm(centroids, axis=1, keepdims=True)
    cosines = _units(vectors, middle) @ (centroids / np.where(lengths < 1e-9, 1.0, lengths)).T  # [n, 2]
    return np.asarray(np.round(cosines[:, 0] - cosines[:, 1], _DIGITS))


def roc_auc(scores: npt.ArrayLike, is_positive: npt.ArrayLike) -> float:
    """Area under the ROC curve: P(a positive scores higher than a negative) + P(equal) / 2."""
    return float(resampled_roc_auc(scores, is_positive, np.ones((1, np.size(scores))))[0])


def resampled_roc_auc(scores: npt.ArrayLike, is_positive: npt.ArrayLike, counts: Floats) -> Floats:
    """`roc_auc` in each resample, [resamples]; NaN where a resample lacks positives or negatives.

    Args:
        scores, is_positive: n each.
        counts: [resamples, n], how often each was drawn; see `elmo.statistics.draw_counts`.

    Raises:
        InputError: shapes that do not fit, or scores that are not finite.
    """
    values, positive = np.asarray(scores, dtype=np.float64), np.asarray(is_positive, dtype=np.bool_)
    if values.ndim != 1 or values.shape != positive.shape or counts.shape[1:] != values.shape:
        raise InputError(f"{values.size} scores, {positive.size} labels, counts {list(counts.shape)}: give n of each")
    if not np.isfinite(values).all():
        raise InputError("a score is not finite: encode the sentences again")
    order = np.argsort(values[~positive], kind="stable")
    negatives = values[~positive][order]
    drawn = counts[:, positive]  # [resamples, positives]
    passed = np.pad(np.cumsum(counts[:, ~positive][:, order], axis=1), ((0, 0), (1, 0)))
    below = np.searchsorted(negatives, values[positive], side="left")
    not_above = np.searchsorted(negatives, values[positive], side="right")
    won = np.einsum("rp,rp->r", drawn, passed[:, below] + passed[:, not_above])
    with np.errstate(invalid="ignore"):
        return np.asarray(won / (2 * drawn.sum(axis=1) * passed[:, -1]))


@dataclass(frozen=True)
class Pairs:
    """Pairs of different sentences, by kind and in the order of their cosines: what an AUC is counted from."""

    same: npt.NDArray[np.int64]  # [2, pairs]: the two sentences
    different: npt.NDArray[np.int64]
    below: npt.NDArray[np.int64]  # for each same pair, how many different pairs have a lower cosine
    not_above: npt.NDArray[np.int64]  # ... a lower one or the same

    @classmethod
    def of(cls, vectors: Vectors, labels: Sequence[str], centre: bool) -> Pairs:
        """All pairs of the sentences; arguments and errors are those of `pair_auc`."""
        units = _unit_rows(vectors, labels, centre)
        _, rows = np.unique(np.asarray(labels), return_inverse=True)
        first, second = np.triu_indices(len(rows), k=1)
        cosines = np.round((units @ units.T)[first, second], _DIGITS)
        is_same = rows[first] == rows[second]
        for kind, name in ((is_same, "of one sense"), (~is_same, "of different senses")):
            if not kind.any():
                raise InputError(f"among {len(rows)} sentences there are no two {name}: give both kinds of pairs")
        order = np.argsort(cosines, kind="stable")
        same, different = order[is_same[order]], order[~is_same[order]]
        return cls(
            np.stack([first[same], second[same]]),
            np.stack([first[different], second[different]]),
            np.searchsorted(cosines[different], cosines[same], side="left"),
            np.searchsorted(cosines[different], cosines[same], side="right"),
        )

    @property
    def auc(self) -> float:
        """AUC of all pairs."""
        won = self.below.sum(dtype=np.float64) + self.not_above.sum(dtype=np.float64)
        return float(won / (2 * self.same.shape[1] * self.different.shape[1]))

    def resampled_auc(self, counts: Floats, max_pairs: int) -> Floats:
        """AUC for each row of counts [resamples, n]: how often each sentence was drawn."""
        if self.same.shape[1] + self.different.shape[1] > max_pairs:
            return np.asarray(self.auc + (counts - 1) @ self._influence(counts.shape[1]))
        results = []
        for start in range(0, len(counts), _RESAMPLES_AT_ONCE):
            drawn = np.ascontiguousarray(counts[start : start + _RESAMPLES_AT_ONCE].T)  # [n, b]
            same = drawn[self.same[0]] * drawn[self.same[1]]  # [same pairs, b]
            passed = np.zeros((self.different.shape[1] + 1, drawn.shape[1]))
            np.cumsum(drawn[self.different[0]] * drawn[self.different[1]], axis=0, out=passed[1:])
            won = np.einsum("pb,pb->b", same, passed[self.below]) + np.einsum("pb,pb->b", same, passed[self.not_above])
            with np.errstate(invalid="ignore"):
                results.append(won / (2 * same.sum(axis=0) * passed[-1]))
        return np.concatenate(results)

    def _influence(self, size: int) -> Floats:
        """Derivative of the AUC by the number of times each sentence counts, at once each: [size]."""
        pairs = self.same.shape[1], self.different.shape[1]
        same_won = (self.below + self.not_above) / 2 / pairs[1]  # the share of different pairs each same pair beats
        ranks = np.arange(pairs[1])
        beaten_by = 1 - sum(np.searchsorted(ends, ranks, side="right") for ends in (self.below, self.not_above)) / (
            2 * pairs[0]
        )  # the share of same pairs that beat each different pair
        influence = np.zeros(size)
        for kind, won, count in ((self.same, same_won, pairs[0]), (self.different, beaten_by, pairs[1])):
            for sentences in kind:
                influence += np.bincount(sentences, won - self.auc, size) / count
        return influence


def _unit_rows(vectors: Vectors, labels: Sequence[str], centre: bool) -> Floats:
    """Vectors of length 1, float64 [n, dim], one for each label."""
    rows = np.asarray(vectors, dtype=np.float64)
    if rows.ndim != 2 or len(rows) != len(labels):
        raise InputError(f"vectors have shape {list(rows.shape)} for {len(labels)} labels: give [{len(labels)}, dim]")
    return _units(rows, rows.mean(axis=0) if centre else None)


def _units(vectors: Vectors, middle: Floats | None) -> Floats:
    """Vectors less `middle`, of length 1; of vectors that equal it zero is left, not rounding noise."""
    rows = np.asarray(vectors, dtype=np.float64)
    if not np.isfinite(rows).all():
        raise InputError("a vector holds numbers that are not finite: encode the sentences again")
    scale = float(np.abs(rows).max(initial=0.0))
    if middle is not None:
        rows = rows - middle
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    is_zero = lengths <= 1e-9 * scale * np.sqrt(rows.shape[1])
    return np.asarray(np.where(is_zero, 0.0, rows / np.where(is_zero, 1.0, lengths)))
