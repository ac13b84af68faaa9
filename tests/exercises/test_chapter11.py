"""Typical wrong answers to the exercises of chapter 11 are recognised."""

from __future__ import annotations

from math import comb, sqrt

import numpy as np
import pytest
from scipy import stats

from elmo.exercises import check
from elmo.exercises.chapter11 import two_sided
from elmo.statistics import holm as adjusted
from elmo.statistics import mean_interval


def sign_test(a, b, *, sides=2, everything=False, exact=False, less=0, complement=False):
    wins = [int((a > b).sum()), int((b > a).sum())]
    total = len(a) if everything else sum(wins)
    fewer = min(wins)
    ways = comb(total, fewer) if exact else sum(comb(total, k) for k in range(fewer + 1 - less))
    p = min(1.0, sides * ways / 2**total)
    return 1 - p if complement else p


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"sides": 1}, "one-sided"),
        ({"exact": True}, "exactly this outcome"),
        ({"less": 1}, "missing from your sum"),
        ({"everything": True}, "on which both agree"),
        ({"complement": True}, "this is 1 - p"),
    ],
)
def test_wrong_sign_tests(wrong: dict[str, object], words: str):
    result = check("11.2", lambda a, b: sign_test(a, b, **wrong))
    assert not result and words in result.message


def test_the_approximation_is_recognised():
    def mcnemar(a, b):
        c, d = (a > b).sum(), (b > a).sum()
        return stats.chi2.sf((c - d) ** 2 / (c + d), 1)

    assert "chi square" in check("11.2", mcnemar).message


@pytest.mark.parametrize(("fewer", "total"), [(0, 4), (1, 4), (3, 20), (10, 20)])
def test_the_right_sign_test_is_scipys(fewer: int, total: int):
    assert two_sided(fewer, total) == pytest.approx(stats.binomtest(fewer, total).pvalue)


def paired(a, b, rows, *, other=False, quantiles=(0.025, 0.975), axis=1, swap=False):
    differences = b[rows[::-1] if other else rows] - a[rows]
    low, high = np.quantile(differences.mean(axis=axis), quantiles)
    return (-high, -low) if swap else (low, high)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"other": True}, "other examples for b than for a"),
        ({"swap": True}, "a less b"),
        ({"quantiles": (0.05, 0.95)}, "holds 90%"),
        ({"quantiles": (0, 1)}, "smallest and the largest resample"),
        ({"axis": 0}, "over the resamples"),
        ({"axis": None}, "the mean of all resamples"),
        ({"quantiles": (0.975, 0.025)}, "exchanged"),
    ],
)
def test_wrong_paired_intervals(wrong: dict[str, object], words: str):
    result = check("11.3", lambda a, b, rows: paired(a, b, rows, **wrong))
    assert not result and words in result.message


def holm(p, *, rising=True, most=1.0, back=True, sort=True):
    order = np.argsort(p) if sort else np.arange(len(p))
    steps = p[order] * (len(p) - np.arange(len(p)))
    steps = np.minimum(most, np.maximum.accumulate(steps) if rising else steps)
    result = np.empty(len(p))
    result[order if back else np.arange(len(p))] = steps
    return result


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p: np.minimum(1, len(p) * p), "Bonferroni's"),
        (lambda p: p, "as they were"),
        (lambda p: holm(p, rising=False), "a larger p has a smaller adjusted one"),
        (lambda p: holm(p, most=9), "above 1"),
        (lambda p: holm(p, back=False), "in rising order"),
        (lambda p: holm(p, sort=False, rising=False), "in the order given"),
        (lambda p: stats.false_discovery_control(p), "Benjamini"),
    ],
)
def test_wrong_adjustments(answer, words: str):
    result = check("11.4", answer)
    assert not result and words in result.message


def test_adjusted_values_never_contradict_the_order_of_p():
    p = np.random.default_rng(0).random((200, 6)) ** 2
    for row in p:
        found = adjusted(row)
        assert (np.diff(found[np.argsort(row)]) >= 0).all() and (found >= row).all() and found.max() <= 1


def interval(scores, t, *, ddof=1, root=True, factor=None):
    half = (factor or t) * scores.std(ddof=ddof) / (sqrt(len(scores)) if root else 1)
    return scores.mean() - half, scores.mean() + half


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"ddof": 0}, "divides by n"),
        ({"root": False}, "the spread of one score"),
        ({"factor": 1.96}, "you took 1.96"),
        ({"factor": 1.96, "ddof": 0}, "1.96, and a standard deviation"),
    ],
)
def test_wrong_intervals_of_seeds(wrong: dict[str, object], words: str):
    result = check("11.5", lambda scores, t: interval(scores, t, **wrong))
    assert not result and words in result.message


def test_the_right_interval_of_seeds_is_the_packages():
    scores = np.array([80.0, 81, 79, 83, 82])
    assert interval(scores, stats.t.ppf(0.975, 4)) == pytest.approx(mean_interval(scores.tolist()).interval)
