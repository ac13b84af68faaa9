"""The bidirectional GRU: its formula, its packing and its hand-written gradients, in float64 against slow loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from elmo.errors import InputError
from elmo.nn.gru import GRU, BidirectionalGRU, Packing
from elmo.runtime import paddle
from tests.nn.gradients import assert_gradient, assert_parameter_gradients
from tests.parameters import draw

INPUT, HIDDEN = 3, 4
LENGTHS = [3, 5, 0, 1, 5]
WEIGHTS = ("input_weight", "bias", "gate_weight", "candidate_weight")


pytestmark = pytest.mark.usefixtures("loops")


def make_layer(seed: int = 0, input_size: int = INPUT) -> BidirectionalGRU:
    """In float64, with weights large enough to use the curved parts of its functions."""
    layer = BidirectionalGRU(input_size, HIDDEN)
    layer.to(dtype="float64")
    draw(layer, seed)
    return layer


def make_inputs(seed: int = 0) -> Any:
    return np.random.default_rng([seed, 1]).normal(size=(len(LENGTHS), max(LENGTHS), INPUT))


def read(gru: GRU, sentence: Any) -> Any:
    """The formula of Paddle 1.x's dynamic_gru for one sentence, step by step."""
    w_x, b, w_g, w_c = (getattr(gru, name).numpy() for name in WEIGHTS)
    h, outputs = np.zeros(HIDDEN), []
    for x in sentence:
        pre = x @ w_x + b
        u, r = np.split(1 / (1 + np.exp(-(pre[: 2 * HIDDEN] + h @ w_g))), 2)
        c = np.tanh(pre[2 * HIDDEN :] + (r * h) @ w_c)
        h = (1 - u) * h + u * c
        outputs.append(h)
    return np.array(outputs).reshape(-1, HIDDEN)


def reference(layer: BidirectionalGRU, inputs: Any) -> Any:
    outputs = np.zeros((*inputs.shape[:2], 2 * HIDDEN))
    for row, length in enumerate(LENGTHS):
        sentence = inputs[row, :length]
        outputs[row, :length, :HIDDEN] = read(layer.forwards, sentence)
        outputs[row, :length, HIDDEN:] = read(layer.backwards, sentence[::-1])[::-1]
    return outputs


@pytest.mark.parametrize("records_gradients", [True, False])
def test_each_direction_follows_the_formula_and_padding_is_zero(records_gradients: bool) -> None:
    layer, inputs = make_layer(), make_inputs()
    with paddle.set_grad_enabled(records_gradients):
        outputs = layer(paddle.to_tensor(inputs), LENGTHS).numpy()
    np.testing.assert_allclose(outputs, reference(layer, inputs), rtol=0, atol=1e-14)


def test_what_stands_in_the_padding_changes_nothing() -> None:
    layer, inputs = make_layer(), make_inputs()
    before = layer(paddle.to_tensor(inputs), LENGTHS).numpy()
    for row, length in enumerate(LENGTHS):
        inputs[row, length:] = 1e6
    np.testing.assert_array_equal(layer(paddle.to_tensor(inputs), LENGTHS).numpy(), before)


def test_gradients_agree_with_finite_differences() -> None:
    layer, inputs = make_layer(), make_inputs()
    weights = np.random.default_rng(2).normal(size=(len(LENGTHS), max(LENGTHS), 2 * HIDDEN))

    def loss() -> float:
        return float((layer(paddle.to_tensor(inputs), LENGTHS).numpy() * weights).sum())

    tensor = paddle.to_tensor(inputs, stop_gradient=False)
    (layer(tensor, LENGTHS) * paddle.to_tensor(weights)).sum().backward()
    assert_gradient(tensor.grad, inputs, loss)
    assert_parameter_gradients(layer, loss)


def test_a_weight_that_is_frozen_gets_no_gradient_and_the_others_the_same() -> None:
    inputs = paddle.to_tensor(make_inputs())
    free, frozen = make_layer(), make_layer()
    frozen.forwards.candidate_weight.stop_gradient = True
    for layer in (free, frozen):
        layer(inputs, LENGTHS).sum().backward()
    assert frozen.forwards.candidate_weight.grad is None
    np.testing.assert_array_equal(frozen.forwards.gate_weight.grad.numpy(), free.forwards.gate_weight.grad.numpy())


def test_layers_on_layers_stay_packed() -> None:
    first, second = make_layer(0), make_layer(1, 2 * HIDDEN)
    inputs, packing = paddle.to_tensor(make_inputs()), Packing(LENGTHS)
    packed = second.run_packed(first.run_packed(packing.pack(inputs), packing), packing)
    padded = second(first(inputs, LENGTHS), LENGTHS)
    np.testing.assert_allclose(packing.unpack(packed).numpy(), padded.numpy(), rtol=0, atol=1e-14)


def test_packing_keeps_every_token_once() -> None:
    packing = Packing(LENGTHS)
    assert packing.counts.tolist() == [4, 3, 3, 2, 2]
    inputs = paddle.to_tensor(make_inputs())
    unpacked = packing.unpack(packing.pack(inputs)).numpy()
    for row, length in enumerate(LENGTHS):
        np.testing.assert_array_equal(unpacked[row, :length], inputs.numpy()[row, :length])
        assert not unpacked[row, length:].any()


def test_mirrored_and_preceding_tokens_are_those_of_the_same_sentence() -> None:
    packing = Packing(LENGTHS)
    sentence, step = np.divmod(packing.rows, packing.time)
    np.testing.assert_array_equal(sentence[packing.mirrored], sentence)
    np.testing.assert_array_equal(step[packing.mirrored], packing.lengths[sentence] - 1 - step)
    inner = packing.preceding >= 0
    np.testing.assert_array_equal(inner, step > 0)
    np.testing.assert_array_equal(sentence[packing.preceding[inner]], sentence[inner])
    np.testing.assert_array_equal(step[packing.preceding[inner]], step[inner] - 1)
    np.testing.assert_array_equal(packing.is_last, step == packing.lengths[sentence] - 1)


def test_a_batch_without_tokens_has_outputs_without_tokens() -> None:
    outputs = make_layer()(paddle.zeros([2, 0, INPUT], "float64"), [0, 0])
    assert outputs.shape == [2, 0, 2 * HIDDEN]


@pytest.mark.parametrize("lengths", [[], [3, -1], [1.5], [2.0, 3.0], [True], ["2"], [float("nan")]])
def test_lengths_that_are_none_are_refused(lengths: list[Any]) -> None:
    with pytest.raises(InputError, match="lengths"):
        Packing(lengths)


def test_inputs_of_another_size_than_the_lengths_say_are_refused() -> None:
    with pytest.raises(InputError, match=r"inputs has shape \[5, 5, 3\], not \[2, 3, 3\]"):
        make_layer()(paddle.to_tensor(make_inputs()), [3, 2])


@pytest.mark.parametrize("threads", ["1", "3"])
def test_many_sentences_give_what_each_gives_alone(threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", threads)  # the compiled loops cut a batch into chunks for their threads
    gru, generator = GRU(5, 70), np.random.default_rng(2)
    gru.to(dtype="float64")
    sentences = [generator.normal(size=(length, 5)) for length in generator.integers(1, 9, 75)]
    packing = Packing([len(sentence) for sentence in sentences])
    padded = np.zeros([len(sentences), packing.time, 5])
    for row, sentence in zip(padded, sentences, strict=True):
        row[: len(sentence)] = sentence
    together = packing.unpack(gru(packing.pack(paddle.to_tensor(padded)), packing)).numpy()
    for row, sentence in zip(together, sentences, strict=True):
        alone = gru(paddle.to_tensor(sentence), Packing([len(sentence)])).numpy()
        np.testing.assert_allclose(row[: len(sentence)], alone, rtol=0, atol=1e-14)
