"""Checkers of chapter 4, the LSTM with projection: its size, its step, its gates, and the gradient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from elmo.exercises.harness.checking import Answer, Mistake, exercise
from elmo.exercises.harness.lstmp_variants import (
    CLIP,
    looks_like,
    package_step,
    random_state,
    random_weights,
    wrong_cells,
    wrong_outputs,
)
from elmo.nn.lstmp import LSTMP
from elmo.runtime import paddle
from elmo.system.types import Array


@exercise("4.2")
def parameter_count(answer: Answer, generator: np.random.Generator) -> None:
    """`parameter_count(input_size, hidden_size, proj_size)`: numbers in one LSTMP."""
    n, h, p = (int(size) for size in generator.permutation([7, 11, 5]))
    right = sum(int(np.prod(parameter.shape)) for parameter in LSTMP(n, h, p).parameters())
    value = answer.number(n, h, p)
    three = 3 * h * (n + p + 1) + h * p
    answer.compare(
        np.asarray(value),
        right,
        [
            Mistake(right - 4 * h, "your number lacks the bias", "four blocks with a number for each cell"),
            Mistake(right - h * p, "your number lacks the projection", "W_p has the shape [hidden, proj]"),
            Mistake(
                right - 4 * h * p + 4 * h * h,
                "your recurrent weight reads the whole cell",
                "what the network reads back is the projected h, of proj numbers: that is what the projection saves",
            ),
            Mistake(
                4 * h * (n + h) + h * p,
                "your recurrent weight reads the whole cell, and the bias is missing",
                "what is read back is the projected h, of proj numbers; and each block adds a number for each cell",
            ),
            Mistake(
                4 * h * (n + h + 1),
                "your number is that of an LSTM without projection",
                "what is read back has proj numbers, and W_p comes on top",
            ),
            Mistake(
                right + 4 * h,
                "you count two biases in each block",
                "here W_x and W_h share one; PyTorch's LSTM has two",
            ),
            Mistake(
                4 * p * (n + p + 1) + h * p,
                "your blocks have proj columns",
                "gates and candidate are as wide as the cell: hidden columns each",
            ),
            Mistake(three, "you count three blocks", "there are three gates and the candidate: four blocks"),
            Mistake(
                h * (n + p + 1) + h * p,
                "you count one block",
                "there are three gates and the candidate, each with its own rows of numbers",
            ),
        ],
    )


@exercise("4.3")
def lstmp_step(answer: Answer, generator: np.random.Generator) -> None:
    """`lstmp_step(x, h, c, weights, clip)`: returns the next h [batch, proj] and c [batch, hidden]."""
    weights, (x, h, c) = random_weights(generator), random_state(generator, batch=4)
    value = answer.parts(x, h, c, weights, CLIP, names=("h", "c"))
    hidden, cell = package_step(x, h, c, weights, CLIP)
    if looks_like(value[0], cell) and looks_like(value[1], hidden):
        answer.wrong("your function returns c and h the other way round", "its last line: return h, c")
    new_cell = answer.as_array(value[1], cell.shape, "your c")
    answer.compare(new_cell, cell, wrong_cells(x, h, c, weights), "your c")
    new_hidden = answer.as_array(value[0], hidden.shape, "your h")
    answer.compare(new_hidden, hidden, wrong_outputs(x, h, c, weights), "your h")


@exercise("4.4")
def reorder_gates(answer: Answer, generator: np.random.Generator) -> None:
    """`reorder_gates(weight)`: weight [rows, 4 * hidden], its blocks i, f, a, o put in the order a, i, f, o."""
    blocks = generator.normal(size=(4, 3, 5))  # i, f, a, o; three rows, five cells
    i, f, a, o = blocks
    value = answer.array(np.concatenate([i, f, a, o], axis=1), shape=[3, 20])
    mistakes = [
        Mistake(
            np.concatenate([i, f, a, o], axis=1), "nothing has moved", "the blocks are columns: weight[:, :hidden]"
        ),
        Mistake(
            np.concatenate([f, a, i, o], axis=1),
            "you went the other way: your result is right for a, i, f, o put in the order i, f, a, o",
            "the third block comes first",
        ),
        Mistake(
            np.concatenate([a, f, i, o], axis=1),
            "you exchanged the first and the third block",
            "i and f keep their order behind a",
        ),
        Mistake(np.concatenate([i, a, f, o], axis=1), "you exchanged f and a", "a comes first: a, i, f, o"),
        Mistake(
            np.concatenate([i, f, a, o], axis=1).reshape(3, 5, 4)[:, :, [2, 0, 1, 3]].reshape(3, 20),
            "you took the numbers of one cell for neighbours",
            "a block is hidden columns in a row: the split is weight.reshape(rows, 4, hidden)",
        ),
    ]
    answer.compare(value, np.concatenate([a, i, f, o], axis=1), mistakes)


@exercise("4.5")
def slope(answer: Answer, generator: np.random.Generator) -> None:
    """`slope(function, point, eps)`: the central difference quotient at each number of point [n]."""
    eps, point = 0.1, generator.normal(size=4)

    def function(x: Array) -> float:
        return float((x**3 + 2 * x).sum())

    def at(moved: float) -> Array:
        shifts = moved * np.eye(len(point))
        return np.array([function(point + shift) for shift in shifts])

    value = answer.array(function, point, eps, shape=[4])
    exact = 3 * point**2 + 2
    centre = function(point)
    mistakes = [
        Mistake((at(eps) - centre) / eps, "you step to one side only", "f(x + eps) - f(x - eps): both sides"),
        Mistake((centre - at(-eps)) / eps, "you step to one side only", "f(x + eps) - f(x - eps): both sides"),
        Mistake(
            (at(eps) - at(-eps)) / eps,
            "your result is twice what it should be",
            "between x - eps and x + eps lie two eps",
        ),
        Mistake(at(eps) - at(-eps), "you did not divide", "by the distance of the two points, 2 * eps"),
        Mistake((at(eps) - at(-eps)) / 2 * eps, "you multiplied by eps", "brackets: / (2 * eps)"),
        Mistake(exact, "this is the exact derivative of this function", "try any other: only its values may be used"),
        Mistake(
            np.full(4, (function(point + eps) - function(point - eps)) / (2 * eps)),
            "you move all numbers of the point at once",
            "one number at a time: a copy of the point, and only its place k changed",
        ),
    ]
    answer.compare(value, (at(eps) - at(-eps)) / (2 * eps), mistakes)


@exercise("4.6")
def clip_by_norm(answer: Answer, generator: np.random.Generator) -> None:
    """`clip_by_norm(gradients, max_norm)`: returns the list of arrays, scaled together where their norm is larger."""
    large = [generator.normal(size=shape) for shape in ((3, 2), (4,))]
    small = [0.01 * gradient for gradient in large]
    max_norm = 1.5  # not 1, or nobody sees where it is missing
    for gradients in (large, small):
        given = answer.parts(gradients, max_norm, names=[f"gradient {number}" for number in range(1, 3)])
        value = np.concatenate(
            [
                answer.as_array(part, gradient.shape, "a gradient").ravel()
                for part, gradient in zip(given, gradients, strict=True)
            ]
        )
        right = _flat(_package_clip(gradients, max_norm))
        answer.compare(value, right, _wrong_clips(gradients, max_norm), "your gradient")


@exercise("4.7")
def coupled_weights(answer: Answer, generator: np.random.Generator) -> None:
    """`coupled_weights(weight)`: weight [rows, 4 * hidden] changed so that the input gate is 1 - the forget gate."""
    a, i, f, o = generator.normal(size=(4, 3, 5))
    value = answer.array(np.concatenate([a, i, f, o], axis=1), shape=[3, 20])
    mistakes = [
        Mistake(
            np.concatenate([a, 1 - f, f, o], axis=1),
            "you took 1 - f before the sigmoid",
            "1 - sigmoid(f) is the sigmoid of something simpler: of what?",
        ),
        Mistake(
            np.concatenate([a, f, f, o], axis=1),
            "both gates are equal now, not opposite",
            "1 - sigmoid(f) = sigmoid(-f)",
        ),
        Mistake(
            np.concatenate([a, i, -i, o], axis=1),
            "you changed the forget gate",
            "the forget gate stays; the input gate follows it",
        ),
        Mistake(
            np.concatenate([-f, i, f, o], axis=1),
            "you changed the candidate",
            "the blocks are a, i, f, o: the input gate is the second",
        ),
        Mistake(
            np.concatenate([a, i, f, o], axis=1), "nothing has changed", "the input gate is the second block of four"
        ),
    ]
    answer.compare(value, np.concatenate([a, -f, f, o], axis=1), mistakes)


def _package_clip(gradients: list[Array], max_norm: float) -> list[Array]:
    """What `paddle.nn.ClipGradByGlobalNorm`, which training uses, makes of gradients."""
    parameters = [paddle.create_parameter(gradient.shape, "float64") for gradient in gradients]
    pairs = [(p, paddle.to_tensor(gradient)) for p, gradient in zip(parameters, gradients, strict=True)]
    return [gradient.numpy() for _, gradient in paddle.nn.ClipGradByGlobalNorm(max_norm)(pairs)]


def _wrong_clips(gradients: list[Array], max_norm: float) -> list[Mistake]:
    norms = [float(np.sqrt((gradient**2).sum())) for gradient in gradients]
    squares = sum(norm**2 for norm in norms)
    return [
        Mistake(
            _flat([np.clip(gradient, -max_norm, max_norm) for gradient in gradients]),
            "you clip each number by itself",
            "that turns the gradient into another direction: multiply all by max_norm / norm",
        ),
        Mistake(
            _flat([g * min(1.0, max_norm / norm) for g, norm in zip(gradients, norms, strict=True)]),
            "you scale each array by its own norm",
            "one norm over all arrays, so that they shrink together",
        ),
        Mistake(
            _flat([gradient * max_norm / squares**0.5 for gradient in gradients]),
            "you scale a gradient that is small enough",
            "where the norm is below max_norm, nothing changes: min(1, max_norm / norm)",
        ),
        Mistake(
            _flat([gradient * min(1.0, max_norm / squares) for gradient in gradients]),
            "you forgot the root",
            "the norm is the root of the sum of squares",
        ),
        Mistake(
            _flat([gradient / squares**0.5 for gradient in gradients]),
            "your gradients have the norm 1, whatever max_norm is",
            "max_norm / norm, not 1 / norm",
        ),
        Mistake(_flat(gradients), "nothing was scaled", "is the norm larger than max_norm? then multiply"),
    ]


def _flat(arrays: Sequence[Array]) -> Array:
    return np.concatenate([array.ravel() for array in arrays])
