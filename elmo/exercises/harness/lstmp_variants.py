"""One step of an LSTMP by the package, and the ways in which readers get it wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from elmo.exercises.harness.checking import Mistake
from elmo.nn.lstmp import LSTMP
from elmo.runtime import paddle
from elmo.system.types import Array

CLIP = 0.5  # low enough to be reached by random weights
_INPUT, _HIDDEN, _PROJ = 3, 5, 2  # all different, so that no wrong product fits


def random_weights(generator: np.random.Generator) -> dict[str, Array]:
    """Weights of a small LSTMP by name."""
    columns = 4 * _HIDDEN
    shapes = {"W_x": (_INPUT, columns), "W_h": (_PROJ, columns), "b": (columns,), "W_p": (_HIDDEN, _PROJ)}
    return {name: generator.normal(size=shape) for name, shape in shapes.items()}


def random_state(generator: np.random.Generator, batch: int) -> tuple[Array, Array, Array]:
    """x, h and c of a batch."""
    x, h, c = (generator.normal(size=(batch, size)) for size in (_INPUT, _PROJ, _HIDDEN))
    return x, h, c


def package_step(x: Array, h: Array, c: Array, weights: dict[str, Array], clip: float) -> tuple[Array, Array]:
    """One step of `elmo.nn.lstmp.LSTMP`: (h, c)."""
    layer = LSTMP(_INPUT, _HIDDEN, _PROJ, clip, clip)
    parameters = (layer.input_weight, layer.recurrent_weight, layer.bias, layer.projection_weight)
    for parameter, name in zip(parameters, ("W_x", "W_h", "b", "W_p"), strict=True):
        parameter.set_value(weights[name].astype(np.float32))
    tensors = [paddle.to_tensor(array.astype(np.float32)) for array in (x, h, c)]
    with paddle.no_grad():
        _, (hidden, cell) = layer(tensors[0].unsqueeze(1), (tensors[1], tensors[2]))
    return hidden.numpy(), cell.numpy()


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def _blocks(x: Array, h: Array, weights: dict[str, Array]) -> list[Array]:
    return np.split(x @ weights["W_x"] + h @ weights["W_h"] + weights["b"], 4, axis=1)


def _next_cell(blocks: Sequence[Array], c: Array, clip: float = CLIP) -> Array:
    a, i, f, _ = blocks
    return np.asarray(np.clip(_sigmoid(f) * c + _sigmoid(i) * np.tanh(a), -clip, clip))


def wrong_cells(x: Array, h: Array, c: Array, weights: dict[str, Array]) -> list[Mistake]:
    """Wrong variants of c."""
    a, i, f, o = blocks = _blocks(x, h, weights)
    without_bias = _blocks(x, h, {**weights, "b": 0 * weights["b"]})
    without_state = _blocks(x, 0 * h, weights)
    orders = {  # how the blocks are taken to be ordered: what is then used as a, i, f, o
        "i, f, a, o": (f, a, i, o),
        "a, f, i, o": (a, f, i, o),
        "i, f, o, a": (o, a, i, f),
        "i, a, f, o": (i, a, f, o),
    }
    mistakes = [
        Mistake(
            _next_cell(blocks, c, np.inf),
            "your c equals that without the clip",
            "np.clip(c, -clip, clip), before c is used and returned",
        ),
        Mistake(
            np.minimum(_next_cell(blocks, c, np.inf), CLIP), "your c is clipped above only", "np.clip(c, -clip, clip)"
        ),
        Mistake(_next_cell(without_bias, c), "your c equals that without the bias", "x @ W_x + h @ W_h + b"),
        Mistake(
            _next_cell(without_state, c),
            "your c equals that without the last output h",
            "x @ W_x + h @ W_h + b: the network reads back what it put out",
        ),
        Mistake(
            _next_cell((a, i, np.full_like(f, 50), o), c),
            "your c equals that of an open forget gate",
            "the old c is multiplied by sigmoid(f)",
        ),
        Mistake(
            np.clip(_sigmoid(i) * np.tanh(a), -CLIP, CLIP),
            "your c has nothing of the old c in it",
            "sigmoid(f) * c + ...",
        ),
        Mistake(
            np.clip(_sigmoid(f) * c + _sigmoid(i) * a, -CLIP, CLIP),
            "your candidate lacks its tanh",
            "the candidate is np.tanh(a)",
        ),
        Mistake(
            np.clip(_sigmoid(f) * c + _sigmoid(i) * _sigmoid(a), -CLIP, CLIP),
            "your candidate goes through a sigmoid",
            "gates go through the sigmoid, the candidate through tanh",
        ),
        Mistake(
            np.clip(_sigmoid(f) * c - _sigmoid(i) * np.tanh(a), -CLIP, CLIP),
            "your candidate has the wrong sign",
            "sigmoid(f) * c plus sigmoid(i) * tanh(a)",
        ),
        Mistake(
            np.clip(f * c + i * np.tanh(a), -CLIP, CLIP),
            "your gates lack their sigmoid",
            "a gate is a share, between 0 and 1",
        ),
    ]
    for order, taken in orders.items():
        mistakes.append(
            Mistake(
                _next_cell(taken, c),
                f"your c is right for weights whose blocks are in the order {order}",
                "the four blocks are candidate, input, forget and output gate, in this order",
            )
        )
    return mistakes


def wrong_outputs(x: Array, h: Array, c: Array, weights: dict[str, Array]) -> list[Mistake]:
    """Wrong h for a right c."""
    *_, o = blocks = _blocks(x, h, weights)
    cell = _next_cell(blocks, c)
    unprojected = _sigmoid(o) * np.tanh(cell)
    projected = unprojected @ weights["W_p"]
    unclipped = _sigmoid(o) * np.tanh(_next_cell(blocks, c, np.inf)) @ weights["W_p"]
    return [
        Mistake(
            projected, "your h equals that without the clip", "the projected output is clipped, too, as the cell was"
        ),
        Mistake(
            np.clip(unclipped, -CLIP, CLIP),
            "your h was computed from the c before its clip",
            "clip c first, then use it: np.tanh(c)",
        ),
        Mistake(
            np.clip(_sigmoid(o) * cell @ weights["W_p"], -CLIP, CLIP),
            "your output lacks its tanh",
            "sigmoid(o) * np.tanh(c), then the projection",
        ),
        Mistake(
            np.clip(np.tanh(cell) @ weights["W_p"], -CLIP, CLIP),
            "your output equals that of an open output gate",
            "np.tanh(c) is multiplied by sigmoid(o)",
        ),
        Mistake(
            np.clip(_sigmoid(o) * np.tanh(c) @ weights["W_p"], -CLIP, CLIP),
            "your h was computed from the old c",
            "the output gate shows the new memory",
        ),
    ]


def looks_like(value: Any, right: Array) -> bool:
    """Whether a plain value equals an array."""
    return (
        isinstance(value, np.ndarray)
        and value.dtype.kind in "fiu"
        and value.shape == right.shape
        and bool(np.allclose(value, right, atol=1e-4))
    )
