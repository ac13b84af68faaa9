"""Checkers of chapter 6, pretraining: the optimisers' steps, the learning rate, and gradients of several ranks."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from elmo.exercises.harness.checking import Answer, Mistake, exercise
from elmo.system.types import Array
from elmo.training.settings import PretrainSettings

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8  # Adam's usual constants, Paddle's defaults


@exercise("6.2")
def rate(answer: Answer, generator: np.random.Generator) -> None:
    """`rate(step, total, peak, warmup)`: the learning rate of a step, counted from 0."""
    settings = PretrainSettings(learning_rate=0.4, warmup_steps=5, lr_schedule="cosine")
    total = 25 + int(generator.integers(10))
    steps = [0, 2, 4, 5, 12, total - 3]
    value = np.array([answer.number(step, total, settings.learning_rate, settings.warmup_steps) for step in steps])
    right = np.array([settings.rate(step, total) for step in steps])
    answer.compare(value, right, _rate_mistakes(settings, steps, total), "your list of rates")


def _rate_mistakes(settings: PretrainSettings, steps: list[int], total: int) -> list[Mistake]:
    """What typical wrong schedules give for the steps."""
    peak, warmup = settings.learning_rate, settings.warmup_steps
    constant = dataclasses.replace(settings, lr_schedule="constant")
    bare = dataclasses.replace(settings, warmup_steps=0)

    def curve(
        *, rise: int = 1, above: int = warmup + 1, start: int = warmup, end: int = total, floor: float = 0.01
    ) -> Any:
        def one(step: int) -> float:
            if step < warmup:
                return peak * (step + rise) / above
            done = (step - start) / (end - start)
            return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done)))

        return [one(step) for step in steps]

    def linear(step: int) -> float:
        return settings.rate(step, total) if step < warmup else peak * (1 - 0.99 * (step - warmup) / (total - warmup))

    return [
        Mistake([constant.rate(step, total) for step in steps], "your rate stays where the warm-up ends", "the cosine"),
        Mistake(
            [bare.rate(step, total) for step in steps], "the warm-up is missing", "another formula while step < warmup"
        ),
        Mistake(curve(rise=0), "your first step has the rate 0, and learns nothing", "(step + 1) / (warmup + 1)"),
        Mistake(curve(above=warmup), "your warm-up reaches the peak one step early", "divide by warmup + 1"),
        Mistake(curve(start=0), "your cosine begins at step 0", "count its steps from the end of the warm-up"),
        Mistake(
            curve(end=total + warmup),
            "your cosine has not come down at the end of the run",
            "it has total - warmup steps, since the warm-up took the others",
        ),
        Mistake(curve(floor=0.0), "your rate ends at 0", "it ends at a hundredth of the peak: 0.01 + 0.99 * ..."),
        Mistake(
            [rate if step < warmup else 2 * rate - 0.01 * peak for step, rate in zip(steps, curve(), strict=True)],
            "your cosine begins at twice the peak",
            "1 + cos goes from 2 to 0: take half of it",
        ),
        Mistake(
            [rate if step < warmup else 2 * rate for step, rate in zip(steps, curve(floor=0.0), strict=True)],
            "your cosine begins at twice the peak, and ends at 0",
            "0.01 + 0.99 * (1 + cos(pi * done)) / 2",
        ),
        Mistake(np.array(curve()) / peak, "these are shares of the peak", "times peak"),
        Mistake([linear(step) for step in steps], "your rate falls in a straight line", "(1 + cos(pi * done)) / 2"),
    ]


@exercise("6.3")
def adagrad_step(answer: Answer, generator: np.random.Generator) -> None:
    """`adagrad_step(weights, gradient, squares, rate)`: returns the new weights [n] and the new squares [n]."""
    weights, gradient, learning_rate = generator.normal(size=4), generator.normal(size=4), 0.2
    squares = generator.uniform(1, 3, size=4)
    value, kept = answer.parts(weights, gradient, squares, learning_rate, names=("weights", "squares"))
    value, kept = answer.as_array(value, [4], "your weights"), answer.as_array(kept, [4], "your squares")
    new = squares + gradient**2
    if np.allclose(value, new):
        answer.wrong("your function returns the squares first", "its last line: return weights, squares")
    accumulated = [
        Mistake(squares, "your squares are the old ones", "the new gradient's square is added to them"),
        Mistake(gradient**2, "your squares have forgotten the earlier gradients", "squares + gradient**2"),
        Mistake(squares + gradient, "you added the gradient and not its square", "squares + gradient**2"),
        Mistake(
            squares + np.abs(gradient), "you added the gradient's size and not its square", "squares + gradient**2"
        ),
    ]
    stepped = [
        Mistake(
            weights + learning_rate * gradient / np.sqrt(new), "your weights go uphill", "minus, against the gradient"
        ),
        Mistake(weights - learning_rate * gradient / new, "the root is missing", "divide by the root of the squares"),
        Mistake(
            weights - learning_rate * gradient / np.sqrt(squares),
            "you divided by the old squares",
            "add the new square first, then divide by the root of the sum",
        ),
        Mistake(weights - learning_rate * gradient, "this is a step of plain gradient descent", "divide by the root"),
        Mistake(-learning_rate * gradient / np.sqrt(new), "this is the step alone", "the old weights less the step"),
        Mistake(
            weights - learning_rate * gradient / (np.sqrt(squares) + np.abs(gradient)),
            "you took the root of each part of the sum",
            "the root comes last: np.sqrt(squares + gradient**2)",
        ),
        Mistake(weights - gradient / np.sqrt(new), "the learning rate is missing", "rate times the quotient"),
        Mistake(
            weights - learning_rate * gradient / np.sqrt(squares + (gradient**2).sum()),
            "all your numbers share one sum of squares",
            "each number has its own: gradient**2, no sum over it",
        ),
    ]
    answer.compare(value, weights - learning_rate * gradient / np.sqrt(new), stepped, "your list of weights")
    answer.compare(kept, new, accumulated, "your list of squares")


@exercise("6.4")
def adam_step(answer: Answer, generator: np.random.Generator) -> None:
    """`adam_step(weights, gradient, mean, square, step, rate)`: returns the new weights [n]; step counts from 1."""
    weights, gradient, learning_rate = generator.normal(size=4), generator.normal(size=4), 0.5
    step = 3
    mean = generator.normal(size=4)
    square = (1 - _BETA2**step) * generator.uniform(0.5, 2, size=4)  # as small as after so few steps
    value = answer.array(weights, gradient, mean, square, step, learning_rate, shape=[4])
    m, v = _BETA1 * mean + (1 - _BETA1) * gradient, _BETA2 * square + (1 - _BETA2) * gradient**2

    def moved(m: Array, v: Array, m_power: int = step, v_power: int = step, root: float = 0.5) -> Array:
        m_hat = m / (1 - _BETA1**m_power) if m_power else m
        v_hat = v / (1 - _BETA2**v_power) if v_power else v
        return np.asarray(weights - learning_rate * m_hat / (v_hat**root + _EPSILON))

    swapped = _BETA2 * mean + (1 - _BETA2) * gradient, _BETA1 * square + (1 - _BETA1) * gradient**2
    mistakes = [
        Mistake(moved(m, v, 0, 0), "both corrections are missing", "divide by 1 - 0.9**step and 1 - 0.999**step"),
        Mistake(moved(m, v, step, 0), "the square is not corrected", "divide it by 1 - 0.999**step"),
        Mistake(moved(m, v, 0, step), "the mean is not corrected", "divide it by 1 - 0.9**step"),
        Mistake(moved(m, v, step - 1, step - 1), "your steps are counted from 0", "the first step is 1"),
        Mistake(moved(m, v, root=1.0), "the root is missing", "divide by the root of the corrected square"),
        Mistake(moved(gradient, v, 0), "you step along the gradient", "Adam steps along the running mean"),
        Mistake(moved(mean, square), "you used the old mean and square", "let this gradient into both first"),
        Mistake(moved(*swapped), "your two constants are exchanged", "0.9 for the mean, 0.999 for the square"),
        Mistake(
            moved(_BETA1 * mean + gradient, _BETA2 * square + gradient**2),
            "your gradient counts in full",
            "a running mean: 0.9 * mean + 0.1 * gradient, and so the square",
        ),
        Mistake(
            moved(m, _BETA2 * square + (1 - _BETA2) * np.abs(gradient)),
            "you added the gradient and not its square",
            "0.999 * square + 0.001 * gradient**2",
        ),
        Mistake(moved(m, v) - weights, "this is the step alone", "the old weights less the step"),
        Mistake(2 * weights - moved(m, v), "your weights go uphill", "minus, against the mean"),
    ]
    answer.compare(value, moved(m, v), mistakes, "your list of weights")


@exercise("6.5")
def combine(answer: Answer, generator: np.random.Generator) -> None:
    """`combine(gradients, counts)`: the gradient of the mean loss of all predictions, from those of the ranks."""
    counts = np.array([40, 25, 5])
    gradients = generator.normal(size=(3, 4))
    value = answer.array(gradients, counts, shape=[4])
    weighted = (gradients * counts[:, None]).sum(axis=0)
    mistakes = [
        Mistake(gradients.mean(axis=0), "all ranks count alike", "one with few predictions must weigh less"),
        Mistake(gradients.sum(axis=0), "you added the gradients up", "that is a step several times as large"),
        Mistake(weighted, "this is the gradient of the sum of all losses", "divide by the number of all predictions"),
        Mistake(weighted / len(counts), "you divided by the number of ranks", "by the number of all predictions"),
        Mistake(
            (gradients / counts[:, None]).sum(axis=0) / (1 / counts).sum(),
            "your weights are the wrong way round",
            "a rank with many predictions weighs more",
        ),
    ]
    answer.compare(value, weighted / counts.sum(), mistakes, "your gradient")
