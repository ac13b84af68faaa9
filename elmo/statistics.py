"""Estimates and how sure they are: resampling, the paired bootstrap, Student's interval, correction for many tests.

Items are drawn in two ways: `draw_rows` names those that are drawn, `draw_counts` says how often each is. They take
other numbers from a generator, so that one can't stand for the other in results that are published.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from elmo.checks import optional_module
from elmo.errors import InputError
from elmo.system.types import Counts, Floats

_CELLS_AT_ONCE = 1 << 21  # of resamples times items, so that memory stays small


@dataclass(frozen=True)
class Estimate:
    """A score with its interval, of 95% unless another is said."""

    value: float
    low: float
    high: float

    @property
    def interval(self) -> list[float]:
        """Its lower and its upper end."""
        return [self.low, self.high]


# Intervals of resampled scores


def percentile_interval(values: Floats, confidence: float = 0.95) -> tuple[float, float]:
    """The middle part of resampled scores, NaN left out: its lower and its upper end.

    Raises:
        InputError: the confidence is no share, or all scores are NaN.
    """
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence}: give a number between 0 and 1, such as 0.95")
    values = values[~np.isnan(values)]
    if not len(values):
        raise InputError("no resample has a score: give more items of each kind, or more resamples")
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def middle_95(values: Floats) -> tuple[float, float]:
    """The middle 95% of resampled scores, NaN left out; NaN where there is none.

    `percentile_interval` rounds (1 - 0.95) / 2 and so differs in the last bit; each keeps the results it has made.
    """
    low, high = np.nanquantile(values, [0.025, 0.975])
    return float(low), float(high)


# Drawing with replacement


def draw_rows(size: int, resamples: int, generator: np.random.Generator) -> Counts:
    """Numbers of the items that are drawn in each resample, [resamples, size]."""
    return generator.integers(size, size=(resamples, size))


def resampled_means(values: npt.NDArray[np.generic], resamples: int, generator: np.random.Generator) -> Floats:
    """Mean of the values [items] that are drawn, in each resample: [resamples]."""
    return np.asarray(values[draw_rows(len(values), resamples, generator)].mean(axis=1))


def item_counts(size: int, resamples: int, generator: np.random.Generator) -> Floats:
    """How often each of `size` items is drawn in each resample, [resamples, size].

    Raises:
        InputError: there is no resample.
    """
    if resamples < 1:
        raise InputError(f"resamples is {resamples}: give 1 or more, such as 1000")
    return generator.multinomial(size, np.full(size, 1 / size), size=resamples).astype(np.float64)


def draw_counts(groups: Sequence[str], resamples: int, seed: int) -> Floats:
    """How often each item counts in each resample, [resamples, items], if whole groups of items are drawn."""
    names, rows = np.unique(np.asarray(groups), return_inverse=True)
    return item_counts(len(names), resamples, np.random.default_rng(seed))[:, rows]


def draw_counts_within(kinds: Sequence[str], groups: Sequence[str], resamples: int, seed: int) -> Floats:
    """As `draw_counts`, within each kind of items: each has as many groups in every resample as there are."""
    counts = np.empty((resamples, len(kinds)))
    for number, kind in enumerate(dict.fromkeys(kinds)):
        rows = [row for row, other in enumerate(kinds) if other == kind]
        counts[:, rows] = draw_counts([groups[row] for row in rows], resamples, seed + number)
    return counts


# Estimates from counts that were drawn


def ratio_estimate(above: Floats, below: Floats, counts: Floats, confidence: float = 0.95) -> Estimate:
    """Estimate of sum(above) / sum(below).

    Args:
        above, below: [items].
        counts: [resamples, items], of `draw_counts`.
    """
    with np.errstate(invalid="ignore"):  # a resample without any of the items
        drawn = (counts @ above) / (counts @ below)
    return Estimate(float(above.sum() / below.sum()), *percentile_interval(drawn, confidence))


def mean_estimate(values: Floats, counts: Floats, confidence: float = 0.95) -> Estimate:
    """Estimate of the mean of values [items], such as outcomes or their differences, as `ratio_estimate`."""
    return ratio_estimate(values, np.ones(len(values)), counts, confidence)


# Two systems on the same items


class ScoredRun(Protocol):
    """What a run of a system makes of items, so counted that items can be drawn; `SentenceCounts` is one."""

    @property
    def gold(self) -> Counts:
        """Chunks to be found in each item, [items]: the same for all runs that are compared."""
        ...

    @property
    def f1(self) -> float:
        """F1 over all items."""
        ...

    def resampled_f1(self, times_drawn: Floats) -> Floats:
        """F1 of each resample [resamples], from how often each item counts, [resamples, items]."""
        ...


AnyRun = TypeVar("AnyRun", bound=ScoredRun)


@dataclass(frozen=True)
class Difference(Estimate):
    """By how much a system's F1 is above another's, and how easily chance alone would do it."""

    p_value: float


def bootstrap_difference(
    runs_a: AnyRun | Sequence[AnyRun],
    runs_b: AnyRun | Sequence[AnyRun],
    resamples: int = 1000,
    seed: int = 0,
    *,
    draw_runs: bool = False,
    paired_runs: bool = False,
) -> Difference:
    """F1 of b less F1 of a, two systems on the same sentences, by the paired bootstrap.

    Sentences are drawn with replacement, the same for both systems (Koehn 2004, "Statistical Significance Tests for
    Machine Translation Evaluation"). The interval is from the 2.5th to the 97.5th percentile of the differences.

    p is two-sided: twice the share of resamples in which the difference is 0 or has the other sign, the smaller of
    the two sides, and at most 1. It is about the level at which the percentile interval just reaches 0. The observed
    sample counts as one resample (Davison and Hinkley 1997, "Bootstrap Methods and their Application", section 4.2),
    so that p is never 0: its smallest value is 2 / (resamples + 1), about 0.002 for 1000. It speaks of other sentences
    of this kind and, unless runs are drawn too, of these trained models only.

    Args:
        runs_a, runs_b: one run each, or several (seeds), all over the same sentences. A system's F1 is the mean of its
            runs'.
        draw_runs: draw runs with replacement too, each system's on its own, so that the interval holds the spread over
            seeds. Three runs or fewer show too little of that spread.
        paired_runs: draw runs too, the first of a with the first of b and so on: they share their training sentences.

    Raises:
        InputError: no run, not as many of a as of b where they are paired, runs whose gold counts differ, no sentence,
            or no resample.
    """
    all_a, all_b = (list(runs) if isinstance(runs, Sequence) else [runs] for runs in (runs_a, runs_b))
    if resamples < 1:
        raise InputError(f"resamples is {resamples}: give 1 or more, such as 1000")
    if not all_a or not all_b:
        raise InputError(f"{len(all_a)} runs of a and {len(all_b)} of b: give one of each at least")
    gold = all_a[0].gold
    if not len(gold) or not all(np.array_equal(run.gold, gold) for run in (*all_a, *all_b)):
        raise InputError("runs differ in their gold chunks, or have no sentence: give counts of the same sentences")
    if paired_runs and len(all_a) != len(all_b):
        raise InputError(f"{len(all_a)} runs of a and {len(all_b)} of b: give as many of both, or leave them unpaired")
    generator = np.random.default_rng(seed)
    found = []
    for times_drawn in _draws(len(gold), resamples, generator):
        if paired_runs:
            each = _f1_of(all_b, times_drawn) - _f1_of(all_a, times_drawn)
            found.append(_drawn_mean(each, generator))
        else:
            f1_b, f1_a = (_mean_f1(runs, times_drawn, generator, draw_runs) for runs in (all_b, all_a))
            found.append(f1_b - f1_a)
    differences = np.concatenate(found)
    means = [float(np.mean([run.f1 for run in runs])) for runs in (all_a, all_b)]
    rarer_sign = min(np.count_nonzero(differences <= 0), np.count_nonzero(differences >= 0))
    p_value = min(1.0, 2 * (rarer_sign + 1) / (resamples + 1))
    return Difference(means[1] - means[0], *middle_95(differences), float(p_value))


def _draws(size: int, resamples: int, generator: np.random.Generator) -> Iterator[Floats]:
    """How often each item is drawn in each resample, [some resamples, size] at a time."""
    at_once = max(1, _CELLS_AT_ONCE // size)
    for start in range(0, resamples, at_once):
        rows = min(at_once, resamples - start)
        cells = draw_rows(size, rows, generator) + size * np.arange(rows)[:, None]
        yield np.bincount(cells.reshape(-1), minlength=rows * size).reshape(rows, size).astype(np.float64)


def _mean_f1(runs: Sequence[ScoredRun], times_drawn: Floats, generator: np.random.Generator, draw_runs: bool) -> Floats:
    """Mean over runs, or over runs drawn with replacement, of the F1 of each resample: [resamples]."""
    scores = _f1_of(runs, times_drawn)
    return _drawn_mean(scores, generator) if draw_runs else np.asarray(scores.mean(axis=1))


def _f1_of(runs: Sequence[ScoredRun], times_drawn: Floats) -> Floats:
    """F1 of each resample of each run: [resamples, runs]."""
    return np.stack([run.resampled_f1(times_drawn) for run in runs], axis=1)


def _drawn_mean(scores: Floats, generator: np.random.Generator) -> Floats:
    """Mean over runs that are drawn with replacement, of scores [resamples, runs]: [resamples]."""
    drawn = generator.integers(scores.shape[1], size=scores.shape)
    return np.asarray(np.take_along_axis(scores, drawn, axis=1).mean(axis=1))


# Seeds


def load_student_quantile() -> Callable[[float, float], float]:
    """SciPy's quantile of Student's t, by degrees of freedom and share; InputError where SciPy is not installed."""
    quantile: Callable[[float, float], float] = optional_module("scipy.special", "the interval of a mean").stdtrit
    return quantile


def mean_interval(values: Sequence[float]) -> Estimate:
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
    return Estimate(mean, mean - half, mean + half)


# Many comparisons


def holm(p_values: Sequence[float] | Floats) -> Floats:
    """Adjusted p-values, in the order given: the chance of any false finding stays below the level (Holm 1979)."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1, steps)
    return adjusted
