"""Typical wrong answers to the exercises of chapter 11 are recognised."""

from __future__ import annotations

from functools import partial
from math import comb, sqrt

import numpy as np
import pytest
from scipy import stats

from elmo.exercises.chapter11 import two_sided
from elmo.statistics import holm as adjusted
from elmo.statistics import mean_interval
from tests.exercises.wrong_answers import assert_named, cases


def sign_test(a, b, *, sides=2, everything=False, exact=False, less=0, complement=False):
    wins = [int((a > b).sum()), int((b > a).sum())]
    total = len(a) if everything else sum(wins)
    fewer = min(wins)
    ways = comb(total, fewer) if exact else sum(comb(total, k) for k in range(fewer + 1 - less))
    p = min(1.0, sides * ways / 2**total)
    return 1 - p if complement else p


def paired(a, b, rows, *, other=False, quantiles=(0.025, 0.975), axis=1, swap=False):
    differences = b[rows[::-1] if other else rows] - a[rows]
    low, high = np.quantile(differences.mean(axis=axis), quantiles)
    return (-high, -low) if swap else (low, high)


def holm(p, *, rising=True, most=1.0, back=True, sort=True):
    order = np.argsort(p) if sort else np.arange(len(p))
    steps = p[order] * (len(p) - np.arange(len(p)))
    steps = np.minimum(most, np.maximum.accumulate(steps) if rising else steps)
    result = np.empty(len(p))
    result[order if back else np.arange(len(p))] = steps
    return result


def interval(scores, t, *, ddof=1, root=True, factor=None):
    half = (factor or t) * scores.std(ddof=ddof) / (sqrt(len(scores)) if root else 1)
    return scores.mean() - half, scores.mean() + half


def mcnemar(a, b):
    c, d = (a > b).sum(), (b > a).sum()
    return stats.chi2.sf((c - d) ** 2 / (c + d), 1)


WRONG = {
    "11.2": [
        (partial(sign_test, sides=1), "one-sided"),
        (partial(sign_test, exact=True), "exactly this outcome"),
        (partial(sign_test, less=1), "missing from your sum"),
        (partial(sign_test, everything=True), "on which both agree"),
        (partial(sign_test, complement=True), "this is 1 - p"),
        (mcnemar, "chi square"),
    ],
    "11.3": [
        (partial(paired, other=True), "other examples for b than for a"),
        (partial(paired, swap=True), "a less b"),
        (partial(paired, quantiles=(0.05, 0.95)), "holds 90%"),
        (partial(paired, quantiles=(0, 1)), "smallest and the largest resample"),
        (partial(paired, axis=0), "over the resamples"),
        (partial(paired, axis=None), "the mean of all resamples"),
        (partial(paired, quantiles=(0.975, 0.025)), "exchanged"),
    ],
    "11.4": [
        (lambda p: np.minimum(1, len(p) * p), "Bonferroni's"),
        (lambda p: p, "as they were"),
        (lambda p: holm(p, rising=False), "a larger p has a smaller adjusted one"),
        (lambda p: holm(p, most=9), "above 1"),
        (lambda p: holm(p, back=False), "in rising order"),
        (lambda p: holm(p, sort=False, rising=False), "in the order given"),
        (lambda p: stats.false_discovery_control(p), "Benjamini"),
    ],
    "11.5": [
        (partial(interval, ddof=0), "divides by n"),
        (partial(interval, root=False), "the spread of one score"),
        (partial(interval, factor=1.96), "you took 1.96"),
        (partial(interval, factor=1.96, ddof=0), "1.96, and a standard deviation"),
    ],
}


@pytest.mark.parametrize(("number", "answer", "finding"), cases(WRONG))
def test_a_typical_mistake_is_named(number, answer, finding):
    assert_named(number, answer, finding)


@pytest.mark.parametrize(("fewer", "total"), [(0, 4), (1, 4), (3, 20), (10, 20)])
def test_the_right_sign_test_is_scipys(fewer: int, total: int):
    assert two_sided(fewer, total) == pytest.approx(stats.binomtest(fewer, total).pvalue)


def test_adjusted_values_never_contradict_the_order_of_p():
    p = np.random.default_rng(0).random((200, 6)) ** 2
    for row in p:
        found = adjusted(row)
        assert (np.diff(found[np.argsort(row)]) >= 0).all() and (found >= row).all() and found.max() <= 1


def test_the_right_interval_of_seeds_is_the_packages():
    scores = np.array([80.0, 81, 79, 83, 82])
    assert interval(scores, stats.t.ppf(0.975, 4)) == pytest.approx(mean_interval(scores.tolist()).interval)
