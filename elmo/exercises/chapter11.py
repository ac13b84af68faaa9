"""Checkers of chapter 11, the comparison: the sign test, paired intervals, many comparisons, seeds."""

from __future__ import annotations

from math import comb, erfc, sqrt

import numpy as np

from elmo import statistics
from elmo.exercises.harness.checking import Answer, Mistake, exercise


@exercise("11.2")
def sign_test(answer: Answer, generator: np.random.Generator) -> None:
    """`sign_test(a, b)`: two-sided p of two systems' 0 and 1, arrays [n]."""
    for wins_a, wins_b in ((4, 11), (9, 5)):  # b better, a better
        same = generator.integers(2, size=30)
        a = np.concatenate([same, np.ones(wins_a, int), np.zeros(wins_b, int)])
        b = np.concatenate([same, np.zeros(wins_a, int), np.ones(wins_b, int)])
        order = generator.permutation(len(a))
        value = answer.number(a[order], b[order])
        differing, fewer = wins_a + wins_b, min(wins_a, wins_b)
        right = two_sided(fewer, differing)
        of_all, spread = len(a), (wins_a - wins_b) ** 2 / differing
        mistakes = [
            Mistake(right / 2, "this is the one-sided p", "before the data were seen, either could have been better"),
            Mistake(
                2 * comb(differing, fewer) / 2**differing,
                "you took the probability of exactly this outcome",
                "this one *or a more extreme one*: a sum over k from 0",
            ),
            Mistake(
                comb(differing, fewer) / 2**differing,
                "you took the probability of exactly this outcome, on one side",
                "a sum over k from 0, times 2",
            ),
            Mistake(
                min(1.0, 2 * sum(comb(differing, k) for k in range(fewer)) / 2**differing),
                "the outcome itself is missing from your sum",
                "range(fewer + 1)",
            ),
            Mistake(two_sided(fewer, of_all), "you counted the examples on which both agree", "they say nothing"),
            Mistake(
                1 - right, "this is 1 - p", "p is the chance of so large a difference if the systems are equally good"
            ),
            Mistake(
                erfc(sqrt(spread / 2)),
                "this is McNemar's approximation by chi square",
                "for few examples sum the binomial probabilities themselves",
            ),
            Mistake(
                2 * sum(comb(differing, k) for k in range(wins_b + 1)) / 2**differing,
                "your p is above 1, or much too large, when b wins",
                "the smaller of the two numbers of wins",
            ),
        ]
        answer.compare(np.asarray(value), right, mistakes)


def two_sided(fewer: int, differing: int) -> float:
    """p of a fair coin that shows one side at most `fewer` times in `differing` throws, or as rarely the other."""
    return float(min(1.0, 2 * sum(comb(differing, k) for k in range(fewer + 1)) / 2**differing))


@exercise("11.3")
def paired_interval(answer: Answer, generator: np.random.Generator) -> None:
    """`paired_interval(a, b, rows)`: low and high of b less a, resampled by rows [resamples, n]."""
    a = generator.random(40)
    b = np.clip(a + generator.normal(0.1, 0.1, size=40), 0, 1)
    rows = generator.integers(40, size=(400, 40))
    value = np.array([float(answer.as_array(part, [])) for part in answer.parts(a, b, rows, names=("low", "high"))])
    drawn = (b - a)[rows].mean(axis=1)
    apart = b[rows[::-1]].mean(axis=1) - a[rows].mean(axis=1)
    quantiles = [0.025, 0.975]
    half = 1.96 * (b - a).std(ddof=1) / np.sqrt(len(a))
    mistakes = [
        Mistake(
            np.quantile(apart, quantiles),
            "you drew other examples for b than for a",
            "the same rows for both: a hard example is hard for both",
        ),
        Mistake(-np.quantile(drawn, quantiles)[::-1], "this is a less b", "b - a"),
        Mistake(np.quantile(drawn, [0.05, 0.95]), "this interval holds 90%", "2.5% are left out on each side"),
        Mistake([drawn.min(), drawn.max()], "these are the smallest and the largest resample", "their quantiles"),
        Mistake(
            [drawn.mean(), drawn.mean()],
            "low and high are one number: the mean of all resamples",
            "a mean for each resample, .mean(axis=1)",
        ),
        Mistake(
            np.quantile(b - a, quantiles),
            "these are quantiles of single examples",
            "of the mean of each resample: (b - a)[rows].mean(axis=1)",
        ),
        Mistake(
            np.quantile((b - a)[rows].mean(axis=0), quantiles),
            "you took means over the resamples",
            "a mean for each resample: axis=1",
        ),
        Mistake(
            (b - a).mean() + np.array([-half, half]),
            "this is the interval of a normal distribution, without any resample",
            "quantiles of the resampled means",
        ),
        Mistake(np.quantile(drawn, quantiles)[::-1], "low and high are exchanged", "low first"),
    ]
    answer.compare(value, np.quantile(drawn, quantiles), mistakes)


@exercise("11.4")
def holm(answer: Answer, generator: np.random.Generator) -> None:
    """`holm(p)`: adjusted p-values [n], in the order of p."""
    p = np.array([0.012, 0.55, 0.004, 0.013, 0.4, 0.019, 0.6])
    p = p[generator.permutation(len(p))]
    value = answer.array(p, shape=[len(p)])
    right, count = statistics.holm(p), len(p)
    order = np.argsort(p)
    raw = p[order] * (count - np.arange(count))
    unsorted_steps = np.empty(count)
    unsorted_steps[order] = raw
    discoveries = np.empty(count)
    ratio = p[order] * count / np.arange(1, count + 1)
    discoveries[order] = np.minimum(1, np.minimum.accumulate(ratio[::-1])[::-1])
    uncapped = np.empty(count)
    uncapped[order] = np.maximum.accumulate(raw)
    mistakes = [
        Mistake(np.minimum(1, p * count), "this is Bonferroni's", "the smallest times n, the next times n - 1, ..."),
        Mistake(p * count, "this is Bonferroni's, and above 1", "the smallest times n, the next times n - 1, ..."),
        Mistake(p, "these are the p-values as they were", "each is to be multiplied"),
        Mistake(
            np.minimum(1, unsorted_steps),
            "a larger p has a smaller adjusted one",
            "np.maximum.accumulate, in rising order of p",
        ),
        Mistake(unsorted_steps, "a larger p has a smaller adjusted one", "np.maximum.accumulate, and at most 1"),
        Mistake(uncapped, "an adjusted p of yours is above 1", "np.minimum(1, ...)"),
        Mistake(np.sort(right), "yours are in rising order", "back to the order in which p was given"),
        Mistake(
            discoveries,
            "this is Benjamini and Hochberg's",
            "that one bounds the share of false findings; Holm the chance of any",
        ),
        Mistake(
            right[order][order],
            "you put them in order a second time, not back",
            "result[order] = ..., not result = ...[order]",
        ),
        Mistake(
            np.minimum(1, np.maximum.accumulate(p[order] * np.arange(1, count + 1))[np.argsort(order)]),
            "your smallest p is multiplied by 1",
            "the smallest times n, the next times n - 1, ...",
        ),
        Mistake(
            np.minimum(1, p * (count - np.arange(count))),
            "you multiplied in the order given",
            "the *smallest* p times n: sort first",
        ),
    ]
    answer.compare(value, right, mistakes)


@exercise("11.5")
def seed_interval(answer: Answer, generator: np.random.Generator) -> None:
    """`seed_interval(scores, t)`: low and high of the mean of scores [seeds]."""
    scores = generator.normal(80, 1.5, size=5)
    t = 2.776  # Student's, 97.5%, 4 degrees of freedom
    value = np.array([float(answer.as_array(part, [])) for part in answer.parts(scores, t, names=("low", "high"))])
    mean, sides = scores.mean(), np.array([-1, 1])
    half = t * scores.std(ddof=1) / np.sqrt(5)
    mistakes = [
        Mistake(
            mean + sides * t * scores.std() / np.sqrt(5),
            "your standard deviation divides by n",
            "ddof=1: five scores have four degrees of freedom",
        ),
        Mistake(mean + sides * half * np.sqrt(5), "this is the spread of one score", "of their mean: / sqrt(n)"),
        Mistake(mean + sides * t * scores.std(), "this is the spread of one score", "/ sqrt(n), and ddof=1"),
        Mistake(
            mean + sides * 1.96 * scores.std() / np.sqrt(5),
            "you took 1.96, and a standard deviation that divides by n",
            "five scores know their own spread badly: t, and ddof=1",
        ),
        Mistake(
            mean + sides * 1.96 * scores.std(ddof=1) / np.sqrt(5),
            "you took 1.96",
            "five scores know their own spread badly: that is what t is for",
        ),
        Mistake(mean + sides * half / np.sqrt(5), "you divided by n", "by its root"),
        Mistake(mean + sides * half * np.sqrt(5 / 4), "you divided by the root of n - 1", "n - 1 is in ddof=1 already"),
        Mistake(
            mean + sides * half * scores.std(ddof=1),
            "you took the variance",
            "its root, the standard deviation: np.std(scores, ddof=1)",
        ),
        Mistake(mean + sides * half / t, "t is missing", "mean ± t s / sqrt(n)"),
        Mistake(sides * half, "the mean is missing", "mean ± t s / sqrt(n)"),
        Mistake([scores.min(), scores.max()], "these are the smallest and largest score", "mean ± t s / sqrt(n)"),
        Mistake(mean - sides * half, "low and high are exchanged", "low first"),
    ]
    answer.compare(value, mean + sides * half, mistakes)
