"""The checker of the chapter before the first: one training step on a loss with one parameter."""

from __future__ import annotations

import numpy as np

from elmo.exercises.harness.checking import Answer, Mistake, exercise


@exercise("0.2")
def step(answer: Answer, generator: np.random.Generator) -> None:
    """`step(w, rate)`: the parameter after a step of this rate on the loss (3w - 6) ** 2."""
    w, rate = 1.25, 0.04
    value = np.array(answer.number(w, rate))
    difference = 3 * w - 6
    gradient = 2 * difference * 3
    answer.compare(
        value,
        w - rate * gradient,
        [
            Mistake(w, "the parameter has not moved: your gradient is 0", "the gradient is 2 * (3 * w - 6) * 3"),
            Mistake(
                w + rate * gradient,
                "you went along the gradient, uphill, where the loss grows",
                "subtract the rate times the gradient",
            ),
            Mistake(
                w - rate * 2 * difference,
                "the inner derivative is missing: 3w grows three times as fast as w",
                "the chain rule gives another factor 3",
            ),
            Mistake(
                w - rate * difference * 3,
                "the factor 2 of the square's derivative is missing",
                "the derivative of x ** 2 is 2 * x",
            ),
            Mistake(w - gradient, "you took the whole gradient: the rate is missing", "multiply it by `rate`"),
            Mistake(-rate * gradient, "you returned the change alone", "w minus that"),
            Mistake(gradient, "you returned the gradient", "the step is w - rate * gradient"),
        ],
    )
    near = np.array(answer.number(2.0, rate))
    answer.compare(near, 2.0, [], "your result for w = 2, where the loss is 0,")
