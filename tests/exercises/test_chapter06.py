"""Typical wrong answers to the exercises of chapter 6 are recognised."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest

from elmo.exercises import check
from tests.exercises.wrong_answers import assert_named, cases


def schedule(step, total, peak, warmup, *, rise=1, extra=1, start=None, end=0, floor=0.01):
    if step < warmup:
        return peak * (step + rise) / (warmup + extra)
    start = warmup if start is None else start
    done = (step - start) / (total + end * warmup - start)
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done)))


def adam(w, g, m, v, t, r, *, beta1=0.9, beta2=0.999, first=True, second=True, late=0, root=0.5, new=True, sign=1):
    if new:
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
    m = m / (1 - 0.9 ** (t - late)) if first else m
    v = v / (1 - 0.999 ** (t - late)) if second else v
    return w - sign * r * m / (v**root + 1e-8)


def without_warm_up(step, total, peak, warmup):
    return schedule(step, total, peak, 0)


def constant_after_warm_up(step, total, peak, warmup):
    return peak * min(1, (step + 1) / (warmup + 1))


def straight_line(step, total, peak, warmup):
    before = schedule(step, total, peak, warmup)
    return before if step < warmup else peak * (1 - 0.99 * (step - warmup) / (total - warmup))


def along_the_gradient(w, g, m, v, t, r):
    return adam(w, g, g, v, t, r, first=False)


WRONG = {
    "6.2": [
        (partial(schedule, rise=0), "has the rate 0"),
        (partial(schedule, extra=0), "one step early"),
        (partial(schedule, start=0), "begins at step 0"),
        (partial(schedule, end=1), "has not come down"),
        (partial(schedule, floor=0), "ends at 0"),
        (without_warm_up, "warm-up is missing"),
        (constant_after_warm_up, "stays where the warm-up ends"),
        (straight_line, "straight line"),
    ],
    "6.3": [
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
    "6.4": [
        (partial(adam, first=False, second=False), "both corrections are missing"),
        (partial(adam, first=False), "mean is not corrected"),
        (partial(adam, second=False), "square is not corrected"),
        (partial(adam, late=1), "counted from 0"),
        (partial(adam, root=1), "the root is missing"),
        (partial(adam, new=False), "old mean and square"),
        (partial(adam, beta1=0.999, beta2=0.9), "exchanged"),
        (partial(adam, sign=-1), "go uphill"),
        (along_the_gradient, "along the gradient"),
    ],
    "6.5": [
        (lambda g, n: g.mean(axis=0), "count alike"),
        (lambda g, n: g.sum(axis=0), "added the gradients up"),
        (lambda g, n: (g * n[:, None]).sum(axis=0), "sum of all losses"),
        (lambda g, n: (g * n[:, None]).mean(axis=0), "number of ranks"),
        (lambda g, n: np.average(g, axis=0, weights=1 / n), "wrong way round"),
    ],
}


@pytest.mark.parametrize(("number", "answer", "finding"), cases(WRONG))
def test_a_typical_mistake_is_named(number, answer, finding):
    assert_named(number, answer, finding)


def test_the_rate_of_the_package_is_right():
    assert check("6.2", schedule)
