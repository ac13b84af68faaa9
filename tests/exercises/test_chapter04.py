"""Typical wrong answers to the exercises of chapter 4 are recognised."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from tests.exercises.wrong_answers import assert_named, cases


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def step(
    x, h, c, weights, clip, *, order="aifo", bias=1, state=1, cell_clip=1, proj_clip=1, keep=sigmoid, squash=np.tanh,
    sign=1, show=np.tanh, late=False, swapped=False,
):  # fmt: skip
    blocks = np.split(x @ weights["W_x"] + state * h @ weights["W_h"] + bias * weights["b"], 4, axis=1)
    a, i, f, o = (blocks[order.index(name)] for name in "aifo")
    raw = keep(f) * c + sign * sigmoid(i) * squash(a)
    c = np.clip(raw, -clip, clip) if cell_clip else raw
    h = (sigmoid(o) * show(raw if late else c)) @ weights["W_p"]
    h = np.clip(h, -clip, clip) if proj_clip else h
    return (c, h) if swapped else (h, c)


def reordered(order):
    return lambda weight: np.concatenate([np.split(weight, 4, axis=1)[block] for block in order], axis=1)


def quotients(difference):
    return lambda function, point, eps: np.array(
        [difference(function, point, shift, eps) for shift in eps * np.eye(len(point))]
    )


def moved_itself(function, point, eps):
    point += eps
    return point


def norm(arrays):
    return np.sqrt(sum((array**2).sum() for array in arrays))


def coupled(change):
    return lambda weight: np.concatenate(change(*np.split(weight, 4, axis=1)), axis=1)


WRONG = {
    "4.2": [
        (lambda n, h, p: 4 * h * (n + p) + h * p, "lacks the bias"),
        (lambda n, h, p: 4 * h * (n + p + 1), "lacks the projection"),
        (lambda n, h, p: 4 * h * (n + h + 1) + h * p, "reads the whole cell"),
        (lambda n, h, p: 4 * h * (n + h) + h * p, "whole cell, and the bias is missing"),
        (lambda n, h, p: 4 * h * (n + p + 1) + h * p + 7, "is right for this input"),
        (lambda n, h, p: 3 * h * (n + p + 1) + h * p, "three blocks"),
        (lambda n, h, p: h * (n + p + 1) + h * p, "one block"),
    ],
    "4.3": [
        (partial(step, cell_clip=0), "your c equals that without the clip"),
        (partial(step, proj_clip=0), "your h equals that without the clip"),
        (partial(step, bias=0), "without the bias"),
        (partial(step, state=0), "without the last output h"),
        (partial(step, order="ifao"), "order i, f, a, o"),
        (partial(step, order="afio"), "order a, f, i, o"),
        (partial(step, keep=np.ones_like), "open forget gate"),
        (partial(step, keep=np.zeros_like), "nothing of the old c"),
        (partial(step, squash=lambda a: a), "candidate lacks its tanh"),
        (partial(step, squash=sigmoid), "candidate goes through a sigmoid"),
        (partial(step, sign=-1), "candidate has the wrong sign"),
        (partial(step, show=lambda c: c), "output lacks its tanh"),
        (partial(step, late=True), "computed from the c before its clip"),
        (partial(step, swapped=True), "the other way round"),
    ],
    "4.4": [
        (reordered([0, 1, 2, 3]), "nothing has moved"),
        (reordered([1, 2, 0, 3]), "the other way"),
        (reordered([2, 1, 0, 3]), "the first and the third"),
        (reordered([0, 2, 1, 3]), "you exchanged f and a"),
    ],
    "4.5": [
        (quotients(lambda f, p, s, eps: (f(p + s) - f(p)) / eps), "to one side only"),
        (quotients(lambda f, p, s, eps: (f(p) - f(p - s)) / eps), "to one side only"),
        (quotients(lambda f, p, s, eps: (f(p + s) - f(p - s)) / eps), "twice what it should be"),
        (quotients(lambda f, p, s, eps: f(p + s) - f(p - s)), "you did not divide"),
        (quotients(lambda f, p, s, eps: (f(p - s) - f(p + s)) / (2 * eps)), "wrong sign"),
        (quotients(lambda f, p, s, eps: (f(p + eps) - f(p - eps)) / (2 * eps)), "all numbers of the point at once"),
        (lambda f, p, eps: 3 * p**2 + 2, "exact derivative"),
        (moved_itself, "changes an array"),
    ],
    "4.6": [
        (lambda g, m: [np.clip(array, -m, m) for array in g], "each number by itself"),
        (lambda g, m: [array * min(1, m / norm([array])) for array in g], "each array by its own norm"),
        (lambda g, m: [array * m / norm(g) for array in g], "small enough"),
        (lambda g, m: [array * min(1, m / norm(g) ** 2) for array in g], "forgot the root"),
        (lambda g, m: g, "nothing was scaled"),
        (lambda g, m: g[0], "2 things are asked for"),
    ],
    "4.7": [
        (coupled(lambda a, i, f, o: (a, 1 - f, f, o)), "1 - f before the sigmoid"),
        (coupled(lambda a, i, f, o: (a, f, f, o)), "equal now"),
        (coupled(lambda a, i, f, o: (a, i, -i, o)), "changed the forget gate"),
        (coupled(lambda a, i, f, o: (-f, i, f, o)), "changed the candidate"),
        (coupled(lambda a, i, f, o: (a, i, f, o)), "nothing has changed"),
    ],
}


@pytest.mark.parametrize(("number", "answer", "finding"), cases(WRONG))
def test_a_typical_mistake_is_named(number, answer, finding):
    assert_named(number, answer, finding)


def test_coupled_weights_couple_the_packages_gates():
    from elmo.nn.lstmp import LSTMP
    from elmo.runtime import paddle

    generator = np.random.default_rng(0)
    layer = LSTMP(3, 5, 2)
    coupled = LSTMP(3, 5, 2)
    coupled.set_state_dict(layer.state_dict())
    for weight in (coupled.input_weight, coupled.recurrent_weight, coupled.bias):
        a, _, f, o = np.split(weight.numpy(), 4, axis=-1)
        weight.set_value(np.concatenate([a, -f, f, o], axis=-1))
    x, h, c = (generator.normal(size=(4, size)).astype("float32") for size in (3, 2, 5))
    _, (_, cell) = coupled(paddle.to_tensor(x[:, None]), (paddle.to_tensor(h), paddle.to_tensor(c)))
    parameters = (layer.input_weight, layer.recurrent_weight, layer.bias)
    W_x, W_h, b = (weight.numpy() for weight in parameters)  # noqa: N806
    a, _, f, _ = np.split(x @ W_x + h @ W_h + b, 4, axis=1)
    expected = sigmoid(f) * c + (1 - sigmoid(f)) * np.tanh(a)
    np.testing.assert_allclose(cell.numpy(), expected, atol=1e-6)  # float32
