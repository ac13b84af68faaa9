"""How sure a score is: resamples and their intervals, paired differences, seeds, many comparisons."""

from __future__ import annotations

import dataclasses
import time
from itertools import product

import numpy as np
import pytest
from scipy import stats

from elmo.errors import InputError
from elmo.statistics import (
    Difference,
    Estimate,
    bootstrap_difference,
    draw_counts,
    draw_counts_within,
    draw_rows,
    holm,
    item_counts,
    mean_estimate,
    mean_interval,
    middle_95,
    percentile_interval,
    ratio_estimate,
    resampled_means,
)
from elmo.tagging.score import SentenceCounts

# Drawing, and the interval of what was drawn.


def test_the_middle_of_resamples_leaves_out_those_without_a_score() -> None:
    values = np.append(np.arange(1001.0), np.nan)
    assert middle_95(values) == pytest.approx((25, 975))
    assert percentile_interval(values) == pytest.approx((25, 975))
    assert percentile_interval(values, 0.5) == pytest.approx((250, 750))
    assert percentile_interval(np.array([np.nan, 0.25, np.nan, 0.25])) == (0.25, 0.25)


def test_no_score_in_any_resample_is_an_error_and_so_is_no_share() -> None:
    with pytest.raises(InputError, match="no resample has a score"):
        percentile_interval(np.array([np.nan]))
    for confidence in (0.0, 1.0, 95.0):
        with pytest.raises(InputError, match="confidence is"):
            percentile_interval(np.ones(3), confidence)


@pytest.mark.filterwarnings("ignore:All-NaN slice")
def test_a_score_that_is_nowhere_has_an_interval_of_nan() -> None:
    assert np.isnan(middle_95(np.array([np.nan, np.nan]))).all()


def test_rows_and_counts_draw_as_many_items_as_there_are() -> None:
    rows = draw_rows(7, 2000, np.random.default_rng(0))
    assert rows.shape == (2000, 7) and rows.min() == 0 and rows.max() == 6
    counts = item_counts(7, 2000, np.random.default_rng(0))
    assert (counts.sum(axis=1) == 7).all()
    for times in (counts, np.apply_along_axis(np.bincount, 1, rows, minlength=7)):
        # of 2000, a mean of 1 with variance 6/7: 0.02 is its standard error
        assert times.mean(axis=0) == pytest.approx(1, abs=0.08)
        assert times.var(axis=0) == pytest.approx(6 / 7, abs=0.15)
    with pytest.raises(InputError, match="resamples is 0"):
        item_counts(7, 0, np.random.default_rng(0))


def test_items_of_a_group_are_drawn_together() -> None:
    counts = draw_counts(["a", "b", "a", "c"], 500, 0)
    np.testing.assert_array_equal(counts[:, 0], counts[:, 2])
    np.testing.assert_array_equal(counts[:, [0, 1, 3]].sum(axis=1), 3)
    assert abs(counts.mean() - 1) < 0.05
    np.testing.assert_array_equal(counts, draw_counts(["a", "b", "a", "c"], 500, 0))


def test_each_kind_keeps_its_number_of_groups() -> None:
    kinds, groups = ["x", "y", "x", "y", "x"], ["a", "a", "b", "c", "b"]
    counts = draw_counts_within(kinds, groups, 300, 0)
    assert (counts[:, [0, 2]].sum(axis=1) == 2).all() and (counts[:, [1, 3]].sum(axis=1) == 2).all()
    np.testing.assert_array_equal(counts[:, 2], counts[:, 4])
    assert (counts[:, 0] != counts[:, 1]).any()  # a group of one kind is not that of another


def test_means_of_resamples_are_those_of_the_rows() -> None:
    values = np.random.default_rng(1).normal(size=30)
    rows = draw_rows(30, 50, np.random.default_rng(2))
    np.testing.assert_array_equal(resampled_means(values, 50, np.random.default_rng(2)), values[rows].mean(axis=1))


def test_a_ratio_is_of_sums_and_a_mean_is_over_ones() -> None:
    above, below = np.array([1.0, 0, 3]), np.array([1.0, 2, 3])
    counts = np.array([[1.0, 1, 1], [3, 0, 0], [0, 3, 0]])
    drawn = np.array([4 / 6, 1, 0])
    assert ratio_estimate(above, below, counts) == Estimate(4 / 6, *percentile_interval(drawn))
    assert mean_estimate(above, counts) == Estimate(4 / 3, *percentile_interval(np.array([4 / 3, 1, 0])))
    assert mean_estimate(above[:1], counts[:, :1]).interval == [1, 1]  # a resample without it is left out


def runs_of_chance(sentences: int, seed: int, wrong: float = 0.2) -> SentenceCounts:
    """Counts of a system that misses so many chunks; the gold ones don't depend on which it misses."""
    gold = np.random.default_rng(0).integers(1, 9, size=sentences)
    errors = np.random.default_rng(seed)
    predicted = np.maximum(gold + errors.integers(-1, 2, size=sentences), 0)
    return SentenceCounts(gold, predicted, errors.binomial(np.minimum(gold, predicted), 1 - wrong))


# Two systems.


def test_a_system_does_not_differ_from_itself() -> None:
    counts = runs_of_chance(50, seed=1)
    assert bootstrap_difference(counts, counts) == Difference(0.0, 0.0, 0.0, 1.0)


def test_clear_difference_has_the_smallest_p() -> None:
    worse, better = runs_of_chance(300, 1, wrong=0.4), runs_of_chance(300, 2, wrong=0.05)
    result = bootstrap_difference(worse, better, resamples=199)
    assert result.value == pytest.approx(better.score().f1 - worse.score().f1)
    assert 0 < result.low < result.value < result.high
    assert result.p_value == pytest.approx(2 / 200)
    turned = bootstrap_difference(better, worse, resamples=199)
    assert dataclasses.astuple(turned) == pytest.approx((-result.value, -result.high, -result.low, result.p_value))


def test_every_resample_of_three_sentences_by_enumeration() -> None:
    a = SentenceCounts(np.array([4, 5, 6]), np.array([4, 5, 5]), np.array([2, 3, 3]))
    b = SentenceCounts(np.array([4, 5, 6]), np.array([5, 4, 6]), np.array([3, 3, 2]))
    rows = np.array(list(product(range(3), repeat=3)))
    times = np.array([np.bincount(row, minlength=3) for row in rows])
    exact = b.resampled_f1(times) - a.resampled_f1(times)
    result = bootstrap_difference(a, b, resamples=20_000)
    expected = 2 * min((exact <= 0).mean(), (exact >= 0).mean())
    assert result.p_value == pytest.approx(min(1, expected), abs=0.02)  # 2 sqrt(1/4 / 20,000) is 0.007
    assert (result.low, result.high) == pytest.approx(
        tuple(np.quantile(exact, [0.025, 0.975], method="inverted_cdf")), abs=1e-9
    )


def test_interval_agrees_with_scipy() -> None:
    a, b = runs_of_chance(200, 1, wrong=0.25), runs_of_chance(200, 2)

    def difference(*columns: np.ndarray, axis: int) -> np.ndarray:
        gold, predicted_a, correct_a, predicted_b, correct_b = (column.sum(axis=axis) for column in columns)
        return 2 * correct_b / (gold + predicted_b) - 2 * correct_a / (gold + predicted_a)

    other = stats.bootstrap(
        (a.gold, a.predicted, a.correct, b.predicted, b.correct),
        difference,
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=5000,
        rng=np.random.default_rng(1),
    )
    result = bootstrap_difference(a, b, resamples=5000)
    # Two ends from 5000 draws each differ by about 0.04 standard deviations; four times that is allowed.
    tolerance = 0.15 * other.standard_error
    assert (result.low, result.high) == pytest.approx(tuple(other.confidence_interval), abs=tolerance)


def test_p_below_one_in_twenty_is_rare_where_there_is_no_difference() -> None:
    rng = np.random.default_rng(0)
    p_values = []
    for trial in range(200):
        gold = rng.integers(5, 20, size=150)
        a, b = (SentenceCounts(gold, gold, rng.binomial(gold, 0.9)) for _ in range(2))
        p_values.append(bootstrap_difference(a, b, resamples=200, seed=trial).p_value)
    share = np.mean(np.array(p_values) < 0.05)
    assert 0.005 < share < 0.1  # 0.05 expected, standard error 0.015; the smallest p is 0.01


def test_same_seed_same_interval() -> None:
    a, b = runs_of_chance(40, 1), runs_of_chance(40, 2)
    assert bootstrap_difference(a, b, seed=5) == bootstrap_difference(a, b, seed=5)
    assert bootstrap_difference(a, b, seed=5) != bootstrap_difference(a, b, seed=6)


def test_runs_of_a_system_are_averaged_and_drawn() -> None:
    runs_a = [runs_of_chance(100, seed, wrong=0.2 + 0.05 * seed) for seed in range(1, 5)]
    runs_b = [runs_of_chance(100, seed, wrong=0.2) for seed in range(11, 14)]
    fixed, drawn = (bootstrap_difference(runs_a, runs_b, draw_runs=draw_runs) for draw_runs in (False, True))
    means = [np.mean([run.score().f1 for run in runs]) for runs in (runs_a, runs_b)]
    assert fixed.value == drawn.value == pytest.approx(means[1] - means[0])
    assert drawn.high - drawn.low > fixed.high - fixed.low
    one = bootstrap_difference(runs_a[0], runs_b[0])
    assert one == bootstrap_difference([runs_a[0]], [runs_b[0]], draw_runs=False)
    assert one == bootstrap_difference([runs_a[0]] * 2, [runs_b[0]] * 2)


def test_runs_that_belong_together_are_drawn_together() -> None:
    """What both systems owe to a sample of training sentences is no part of their difference."""
    runs_a = [runs_of_chance(100, seed, wrong=0.2 + 0.05 * seed) for seed in range(1, 5)]
    alike = bootstrap_difference(runs_a, runs_a, paired_runs=True)
    assert (alike.value, alike.low, alike.high, alike.p_value) == (0.0, 0.0, 0.0, 1.0)
    runs_b = [runs_of_chance(100, seed, wrong=0.2) for seed in range(11, 15)]
    fixed, drawn = (bootstrap_difference(runs_a, runs_b, paired_runs=paired) for paired in (False, True))
    assert drawn.value == fixed.value
    assert drawn.high - drawn.low > fixed.high - fixed.low
    with pytest.raises(InputError, match="4 runs of a and 3 of b: give as many of both"):
        bootstrap_difference(runs_a, runs_b[:3], paired_runs=True)


def test_other_sentences_are_refused() -> None:
    counts = runs_of_chance(5, seed=1)
    shorter = runs_of_chance(4, seed=1)
    with pytest.raises(InputError, match="differ in their gold chunks"):
        bootstrap_difference(counts, shorter)
    with pytest.raises(InputError, match="1 runs of a and 0 of b"):
        bootstrap_difference(counts, [])
    with pytest.raises(InputError, match="resamples is 0"):
        bootstrap_difference(counts, counts, resamples=0)
    empty = SentenceCounts(*[np.zeros(0, np.int64)] * 3)
    with pytest.raises(InputError, match="no sentence"):
        bootstrap_difference(empty, empty)


def test_thousand_resamples_of_two_thousand_sentences_take_well_under_a_second() -> None:
    rng = np.random.default_rng(0)
    gold = rng.integers(5, 40, size=2000)
    a, b = (SentenceCounts(gold, gold, rng.binomial(gold, share)) for share in (0.90, 0.91))
    seconds = []
    for _ in range(3):  # the best of three of this process's own time, whatever runs beside it
        start = time.process_time()
        bootstrap_difference(a, b)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.8  # about 0.05 alone


def test_mean_interval_by_students_table() -> None:
    estimate = mean_interval([1.0, 2.0, 3.0])
    half = 4.3027 / np.sqrt(3)  # t(0.975, 2) in the table, s = 1
    assert estimate.value == 2.0
    assert estimate.interval == pytest.approx([2 - half, 2 + half], abs=1e-4)
    values = [0.91, 0.905, 0.917, 0.9, 0.912]
    expected = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert mean_interval(values).interval == pytest.approx(expected)


@pytest.mark.parametrize("values", [[], [0.9], [0.9, float("nan")]])
def test_interval_needs_two_finite_values(values: list[float]) -> None:
    with pytest.raises(InputError, match="give two finite scores or more"):
        mean_interval(values)


# Many comparisons.


def test_holm_by_hand_and_against_its_definition() -> None:
    assert holm([0.03, 0.01, 0.5]).tolist() == pytest.approx([0.06, 0.03, 0.5])
    assert holm([0.9, 0.8]).tolist() == [1, 1]
    p = np.random.default_rng(0).random(12) ** 3
    adjusted = holm(p)
    for level in (0.01, 0.05, 0.2):
        rejected = np.zeros(12, bool)
        for step, place in enumerate(np.argsort(p)):  # until the first that is not rejected
            if p[place] > level / (12 - step):
                break
            rejected[place] = True
        np.testing.assert_array_equal(adjusted <= level, rejected)
