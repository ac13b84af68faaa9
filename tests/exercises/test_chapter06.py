"""Typical wrong answers to the exercises of chapter 6 are recognised."""

from __future__ import annotations

import math

import numpy as np
import pytest

from elmo.exercises import check


def schedule(step, total, peak, warmup, *, rise=1, extra=1, start=None, end=0, floor=0.01):
    if step < warmup:
        return peak * (step + rise) / (warmup + extra)
    start = warmup if start is None else start
    done = (step - start) / (total + end * warmup - start)
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done)))


def test_the_rate_of_the_package_is_right():
    assert check("6.2", schedule)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"rise": 0}, "has the rate 0"),
        ({"extra": 0}, "one step early"),
        ({"start": 0}, "begins at step 0"),
        ({"end": 1}, "has not come down"),
        ({"floor": 0}, "ends at 0"),
    ],
)
def test_wrong_rates(wrong: dict[str, int], words: str):
    result = check("6.2", lambda *arguments: schedule(*arguments, **wrong))
    assert not result and words in result.message


def test_a_rate_without_warm_up_or_without_cosine_is_recognised():
    def bare(step, total, peak, warmup):
        return schedule(step, total, peak, 0)

    def constant(step, total, peak, warmup):
        return peak * min(1, (step + 1) / (warmup + 1))

    def line(step, total, peak, warmup):
        before = schedule(step, total, peak, warmup)
        return before if step < warmup else peak * (1 - 0.99 * (step - warmup) / (total - warmup))

    assert "warm-up is missing" in check("6.2", bare).message
    assert "stays where the warm-up ends" in check("6.2", constant).message
    assert "straight line" in check("6.2", line).message


@pytest.mark.parametrize(
    ("adagrad", "words"),
    [
        (lambda w, g, s, r: (w - r * g / np.sqrt(s), s + g**2), "divided by the old squares"),
        (lambda w, g, s, r: (w + r * g / np.sqrt(s + g**2), s + g**2), "go uphill"),
        (lambda w, g, s, r: (w - r * g / (s + g**2), s + g**2), "the root is missing"),
        (lambda w, g, s, r: (w - r * g, s + g**2), "plain gradient descent"),
        (lambda w, g, s, r: (w - g / np.sqrt(s + g**2), s + g**2), "learning rate is missing"),
        (lambda w, g, s, r: (w - r * g / np.sqrt(s + (g**2).sum()), s + g**2), "share one sum"),
        (lambda w, g, s, r: (w - r * g / np.sqrt(s + g**2), s), "are the old ones"),
        (lambda w, g, s, r: (w - r * g / np.sqrt(s + g**2), g**2), "forgotten the earlier"),
        (lambda w, g, s, r: (w - r * g / np.sqrt(s + g**2), s + g), "not its square"),
        (lambda w, g, s, r: w - r * g, "2 things are asked for"),
    ],
)
def test_wrong_adagrad_steps(adagrad, words: str):
    result = check("6.3", adagrad)
    assert not result and words in result.message


def adam(w, g, m, v, t, r, *, beta1=0.9, beta2=0.999, first=True, second=True, late=0, root=0.5, new=True, sign=1):
    if new:
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
    m = m / (1 - 0.9 ** (t - late)) if first else m
    v = v / (1 - 0.999 ** (t - late)) if second else v
    return w - sign * r * m / (v**root + 1e-8)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"first": False, "second": False}, "both corrections are missing"),
        ({"first": False}, "mean is not corrected"),
        ({"second": False}, "square is not corrected"),
        ({"late": 1}, "counted from 0"),
        ({"root": 1}, "the root is missing"),
        ({"new": False}, "old mean and square"),
        ({"beta1": 0.999, "beta2": 0.9}, "exchanged"),
        ({"sign": -1}, "go uphill"),
    ],
)
def test_wrong_adam_steps(wrong: dict[str, float], words: str):
    result = check("6.4", lambda *arguments: adam(*arguments, **wrong))
    assert not result and words in result.message


def test_adam_without_a_mean_is_recognised():
    def along_the_gradient(w, g, m, v, t, r):
        return adam(w, g, g, v, t, r, first=False)

    assert "along the gradient" in check("6.4", along_the_gradient).message


@pytest.mark.parametrize(
    ("combine", "words"),
    [
        (lambda g, n: g.mean(axis=0), "count alike"),
        (lambda g, n: g.sum(axis=0), "added the gradients up"),
        (lambda g, n: (g * n[:, None]).sum(axis=0), "sum of all losses"),
        (lambda g, n: (g * n[:, None]).mean(axis=0), "number of ranks"),
        (lambda g, n: np.average(g, axis=0, weights=1 / n), "wrong way round"),
    ],
)
def test_wrong_combinations(combine, words: str):
    result = check("6.5", combine)
    assert not result and words in result.message
