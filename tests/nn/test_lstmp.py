"""LSTMP: its formula, its hand-written gradients, its clips and its state, in float64 against slow references.

Every test is run twice: with compiled loops, and with Paddle's operations alone.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest

from elmo.nn import native
from elmo.nn.lstmp import LSTMP
from elmo.runtime import paddle
from tests.nn.gradients import DIFFERENCE_TOLERANCE, STEP, assert_gradient, assert_parameter_gradients
from tests.parameters import draw

BATCH, TIME, INPUT, HIDDEN, PROJ = 2, 3, 2, 4, 3
WEIGHTS = ("input_weight", "recurrent_weight", "bias", "projection_weight")
CLIPS = [(None, None), (0.4, None), (None, 0.3), (0.4, 0.3)]


pytestmark = pytest.mark.usefixtures("loops")


def make_layer(seed: int, cell_clip: float | None = None, proj_clip: float | None = None) -> LSTMP:
    """A small LSTMP in float64 whose weights are large enough to use the curved parts of its functions."""
    layer = LSTMP(INPUT, HIDDEN, PROJ, cell_clip, proj_clip)
    layer.to(dtype="float64")
    draw(layer, seed)
    return layer


def make_arrays(seed: int, batch: int = BATCH, time: int = TIME) -> dict[str, Any]:
    """Inputs and a state that is not zero."""
    generator = np.random.default_rng([seed, 1])
    return {
        "inputs": generator.normal(size=(batch, time, INPUT)),
        "hidden": generator.uniform(-0.3, 0.3, (batch, PROJ)),
        "cell": generator.uniform(-0.4, 0.4, (batch, HIDDEN)),
    }


def run(layer: LSTMP, arrays: dict[str, Any]) -> tuple[Any, Any, Any]:
    outputs, (hidden, cell) = layer(
        paddle.to_tensor(arrays["inputs"]), (paddle.to_tensor(arrays["hidden"]), paddle.to_tensor(arrays["cell"]))
    )
    return outputs.numpy(), hidden.numpy(), cell.numpy()


def reference(layer: LSTMP, arrays: dict[str, Any]) -> tuple[Any, Any, Any, list[float]]:
    """The formula, one sentence and one step at a time; also how far each value was from its clip."""
    w_x, w_h, b, w_p = (getattr(layer, name).numpy() for name in WEIGHTS)
    hidden, cell = arrays["hidden"].copy(), arrays["cell"].copy()
    outputs = np.zeros((*arrays["inputs"].shape[:2], PROJ))
    distances: list[float] = []
    for row in range(outputs.shape[0]):
        h, c = hidden[row], cell[row]
        for step in range(outputs.shape[1]):
            a, i, f, o = np.split(arrays["inputs"][row, step] @ w_x + h @ w_h + b, 4)
            i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
            c = f * c + i * np.tanh(a)
            if layer.cell_clip is not None:
                distances += list(np.abs(c) - layer.cell_clip)
                c = np.clip(c, -layer.cell_clip, layer.cell_clip)
            h = (o * np.tanh(c)) @ w_p
            if layer.proj_clip is not None:
                distances += list(np.abs(h) - layer.proj_clip)
                h = np.clip(h, -layer.proj_clip, layer.proj_clip)
            outputs[row, step] = h
        hidden[row], cell[row] = h, c
    return outputs, hidden, cell, distances


@pytest.mark.parametrize(("cell_clip", "proj_clip"), CLIPS)
def test_outputs_and_state_follow_the_formula(cell_clip, proj_clip):
    layer, arrays = make_layer(0, cell_clip, proj_clip), make_arrays(0)
    for computed, expected in zip(run(layer, arrays), reference(layer, arrays)[:3], strict=True):
        np.testing.assert_allclose(computed, expected, rtol=0, atol=1e-13)  # float64, sums of a few terms


@pytest.mark.parametrize(("cell_clip", "proj_clip"), CLIPS)
def test_every_gradient_equals_finite_differences(cell_clip, proj_clip, seed=1):
    layer, arrays = make_layer(seed, cell_clip, proj_clip), make_arrays(seed)
    distances = np.array(reference(layer, arrays)[3])
    if len(distances):
        assert (distances > 0).any(), "no clip is active: the test would show nothing"
        assert (distances < 0).any()
        assert np.abs(distances).min() > 1e-4, "a value so near to its clip has no derivative to compare with"
    generator = np.random.default_rng([seed, 2])
    mixes = [generator.normal(size=shape) for shape in ((BATCH, TIME, PROJ), (BATCH, PROJ), (BATCH, HIDDEN))]

    def loss() -> float:
        return float(sum((mix * part).sum() for mix, part in zip(mixes, run(layer, arrays), strict=True)))

    tensors = {name: paddle.to_tensor(array, stop_gradient=False) for name, array in arrays.items()}
    outputs, (hidden, cell) = layer(tensors["inputs"], (tensors["hidden"], tensors["cell"]))
    total = sum((paddle.to_tensor(mix) * part).sum() for mix, part in zip(mixes, (outputs, hidden, cell), strict=True))
    total.backward()

    for name, array in arrays.items():
        assert_gradient(tensors[name].grad, array, loss, name)
    assert_parameter_gradients(layer, loss)


@pytest.mark.parametrize("used", ["outputs", "hidden", "cell"])
def test_gradients_are_right_when_only_one_result_is_used(used):
    layer, arrays = make_layer(3), make_arrays(3)
    chosen = {"outputs": 0, "hidden": 1, "cell": 2}[used]
    inputs = paddle.to_tensor(arrays["inputs"], stop_gradient=False)
    outputs, (hidden, cell) = layer(inputs, (paddle.to_tensor(arrays["hidden"]), paddle.to_tensor(arrays["cell"])))
    (outputs, hidden, cell)[chosen].sum().backward()
    index = (0, 1, 1)
    values = []
    for change in (STEP, -STEP):
        moved = {**arrays, "inputs": arrays["inputs"].copy()}
        moved["inputs"][index] += change
        values.append(run(layer, moved)[chosen].sum())
    assert abs(inputs.grad.numpy()[index] - (values[0] - values[1]) / (2 * STEP)) < DIFFERENCE_TOLERANCE


def test_outputs_and_gradients_equal_those_of_paddles_lstm_with_projection():
    layer, arrays = make_layer(4), make_arrays(4)
    default = paddle.get_default_dtype()
    paddle.set_default_dtype("float64")
    try:
        other = paddle.nn.LSTM(INPUT, HIDDEN, proj_size=PROJ)
    finally:
        paddle.set_default_dtype(default)
    # Paddle's gates are input, forget, candidate, output, in rows; ours candidate, input, forget, output, in columns.
    order = np.concatenate([np.arange(HIDDEN) + gate * HIDDEN for gate in (1, 2, 0, 3)])
    theirs = dict(other.named_parameters())
    projection = next(name for name in theirs if name.endswith("weight_ho"))
    theirs["weight_ih_l0"].set_value(layer.input_weight.numpy().T[order])
    theirs["weight_hh_l0"].set_value(layer.recurrent_weight.numpy().T[order])
    theirs["bias_ih_l0"].set_value(layer.bias.numpy()[order])
    theirs["bias_hh_l0"].set_value(np.zeros(4 * HIDDEN))  # Paddle adds two biases where one will do
    theirs[projection].set_value(layer.projection_weight.numpy())

    mix = paddle.to_tensor(np.random.default_rng(4).normal(size=(BATCH, TIME, PROJ)))
    ours_in = {name: paddle.to_tensor(array, stop_gradient=False) for name, array in arrays.items()}
    theirs_in = {name: paddle.to_tensor(array, stop_gradient=False) for name, array in arrays.items()}
    outputs, (hidden, cell) = layer(ours_in["inputs"], (ours_in["hidden"], ours_in["cell"]))
    state = (theirs_in["hidden"].unsqueeze(0), theirs_in["cell"].unsqueeze(0))
    other_outputs, (other_hidden, other_cell) = other(theirs_in["inputs"], state)
    ((outputs * mix).sum() + cell.sum()).backward()
    ((other_outputs * mix).sum() + other_cell.sum()).backward()

    def same(ours, theirs):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=0, atol=1e-12)  # both float64, other sum order

    same(outputs, other_outputs)
    same(hidden, other_hidden[0])
    same(cell, other_cell[0])
    for name in arrays:
        same(ours_in[name].grad, theirs_in[name].grad)
    back = np.argsort(order)
    same(layer.input_weight.grad.T, theirs["weight_ih_l0"].grad[back])
    same(layer.recurrent_weight.grad.T, theirs["weight_hh_l0"].grad[back])
    same(layer.bias.grad, theirs["bias_ih_l0"].grad[back])
    same(layer.projection_weight.grad, theirs[projection].grad)


@pytest.mark.parametrize("half", [1, 2])
def test_two_parts_with_the_state_carried_equal_the_whole(half):
    layer, arrays = make_layer(5, 0.4, 0.3), make_arrays(5)
    whole = run(layer, arrays)
    first = run(layer, {**arrays, "inputs": arrays["inputs"][:, :half]})
    second = run(layer, {"inputs": arrays["inputs"][:, half:], "hidden": first[1], "cell": first[2]})
    np.testing.assert_allclose(np.concatenate([first[0], second[0]], axis=1), whole[0], rtol=0, atol=1e-14)
    np.testing.assert_allclose(second[2], whole[2], rtol=0, atol=1e-14)


def test_no_state_means_the_zero_state():
    layer, inputs = make_layer(6), paddle.to_tensor(make_arrays(6)["inputs"])
    assert (layer(inputs)[0] == layer(inputs, layer.zero_state(BATCH))[0]).all()


def test_the_last_output_is_the_carried_hidden_state():
    layer = make_layer(6)
    outputs, (hidden, cell) = layer(paddle.to_tensor(make_arrays(6)["inputs"]))
    assert (outputs[:, -1] == hidden).all()
    assert list(cell.shape) == [BATCH, HIDDEN]


def test_clips_bound_cell_and_output_however_large_the_inputs():
    layer = make_layer(7, 0.5, 0.25)
    arrays = make_arrays(7, time=20)
    arrays["inputs"] *= 1000
    outputs, _, cell = run(layer, arrays)
    assert np.abs(outputs).max() == 0.25
    assert np.abs(cell).max() == 0.5


def test_rows_of_a_batch_do_not_touch_each_other():
    layer, arrays = make_layer(8, 0.4, 0.3), make_arrays(8, batch=3)
    together = run(layer, arrays)[0]
    for row in range(3):
        alone = run(layer, {name: array[row : row + 1] for name, array in arrays.items()})[0]
        np.testing.assert_allclose(together[row : row + 1], alone, rtol=0, atol=1e-14)


def test_no_grad_gives_the_same_numbers_and_wants_no_gradient():
    layer, inputs = make_layer(9, 0.4, 0.3), paddle.to_tensor(make_arrays(9)["inputs"])
    recorded, _ = layer(inputs)
    with paddle.no_grad():
        outputs, (hidden, cell) = layer(inputs)
    assert (outputs == recorded).all()
    assert outputs.stop_gradient
    assert hidden.stop_gradient
    assert cell.stop_gradient


def test_weights_learn_from_inputs_that_want_no_gradient():
    layer, arrays = make_layer(10), make_arrays(10)
    inputs = paddle.to_tensor(arrays["inputs"], stop_gradient=True)
    layer(inputs)[0].sum().backward()
    assert inputs.grad is None
    with_gradient = paddle.to_tensor(arrays["inputs"], stop_gradient=False)
    expected = {name: getattr(layer, name).grad.numpy() for name in WEIGHTS}
    layer.clear_gradients()
    layer(with_gradient)[0].sum().backward()
    for name in WEIGHTS:
        np.testing.assert_allclose(getattr(layer, name).grad.numpy(), expected[name], rtol=0, atol=1e-13)


@pytest.mark.parametrize("frozen", [*((name,) for name in WEIGHTS), WEIGHTS])
def test_frozen_parameters_get_no_gradient_and_the_others_keep_theirs(frozen):
    layer, arrays = make_layer(11), make_arrays(11)
    inputs = paddle.to_tensor(arrays["inputs"], stop_gradient=False)
    layer(inputs)[0].sum().backward()
    expected = {name: getattr(layer, name).grad.numpy() for name in WEIGHTS}
    expected_inputs = inputs.grad.numpy()
    layer = make_layer(11)
    inputs = paddle.to_tensor(arrays["inputs"], stop_gradient=False)
    for name in frozen:
        getattr(layer, name).stop_gradient = True
    layer(inputs)[0].sum().backward()
    np.testing.assert_allclose(inputs.grad.numpy(), expected_inputs, rtol=0, atol=1e-13)
    for name in WEIGHTS:
        gradient = getattr(layer, name).grad
        if name in frozen:
            assert gradient is None
        else:
            np.testing.assert_allclose(gradient.numpy(), expected[name], rtol=0, atol=1e-13)


@pytest.mark.parametrize("mode", ["no backward", "backward", "no_grad"])
def test_what_the_backward_pass_needs_is_freed_with_the_results(mode, loops, monkeypatch):
    kept: list[weakref.ref[Any]] = []

    def watch(module, name, parts):
        original = getattr(module, name)

        def watched(*arguments):
            result = original(*arguments)
            kept.extend(map(weakref.ref, parts(result)))
            return result

        monkeypatch.setattr(module, name, watched)

    if loops == "compiled":
        watch(native, "lstmp_forward", lambda result: result[2])
    else:
        watch(paddle.nn.functional, "sigmoid", lambda result: [result])
    layer, inputs = make_layer(12, 0.4, 0.3), paddle.to_tensor(make_arrays(12)["inputs"])
    if mode == "no_grad":
        with paddle.no_grad():
            outputs, state = layer(inputs)
        assert sum(part() is not None for part in kept) <= 1, "kept for a gradient that nobody can ask for"
    else:
        outputs, state = layer(inputs)
        assert sum(part() is not None for part in kept) >= TIME
        if mode == "backward":
            outputs.sum().backward()
    del outputs, state
    assert all(part() is None for part in kept)


@pytest.mark.parametrize(
    ("batch", "size", "hidden", "proj"), [(1, 5, 7, 3), (37, 19, 70, 33), (70, 32, 64, 16), (3, 4, 300, 5)]
)  # the last: gradients over more than one block
def test_single_precision_is_right_to_its_own_rounding_at_any_size(batch, size, hidden, proj):
    layers = [LSTMP(size, hidden, proj, 0.5, 0.4) for _ in range(2)]
    layers[1].to(dtype="float64")
    generator = np.random.default_rng(13)
    for first, second in zip(*(layer.parameters() for layer in layers), strict=True):
        array = generator.normal(0.0, first.shape[0] ** -0.5, first.shape).astype(np.float32)
        first.set_value(array)
        second.set_value(array.astype(np.float64))
    arrays = [generator.normal(size=shape).astype(np.float32) for shape in ((batch, 6, size), (batch, proj))]
    arrays.append(generator.uniform(-0.5, 0.5, (batch, hidden)).astype(np.float32))
    mixes = [generator.normal(size=shape).astype(np.float32) for shape in ((batch, 6, proj), (batch, hidden))]
    results = []
    for layer, dtype in zip(layers, ("float32", "float64"), strict=True):
        inputs, state_hidden, cell = (paddle.to_tensor(array.astype(dtype), stop_gradient=False) for array in arrays)
        outputs, (_, last_cell) = layer(inputs, (state_hidden, cell))
        (
            (outputs * paddle.to_tensor(mixes[0].astype(dtype))).sum() / batch
            + (last_cell * paddle.to_tensor(mixes[1].astype(dtype))).sum() / batch
        ).backward()
        gradients = [tensor.grad for tensor in (inputs, state_hidden, cell, *layer.parameters())]
        results.append([outputs.numpy(), last_cell.numpy(), *(gradient.numpy() for gradient in gradients)])
    for single, double in zip(*results, strict=True):
        # float32 rounds by 6e-8 of a value, and here at most a few hundred values of order 1 are added.
        np.testing.assert_allclose(single, double, rtol=0, atol=2e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_a_number_is_not_hidden(bad):
    layer, arrays = make_layer(14, 0.4, 0.3), make_arrays(14)
    layer.to(dtype="float32")
    inputs = arrays["inputs"].astype(np.float32)
    inputs[0, 1, 0] = bad
    outputs = layer(paddle.to_tensor(inputs))[0].numpy()
    assert np.isfinite(outputs[0, 0]).all()
    assert np.isfinite(outputs[1]).all()
    if np.isnan(bad):
        assert np.isnan(outputs[0, 1:]).all()


def test_inputs_that_are_views_of_other_tensors_count_as_they_read():
    layer, array = make_layer(15), make_arrays(15)["inputs"]
    swapped = paddle.to_tensor(np.ascontiguousarray(array.transpose(1, 0, 2))).transpose([1, 0, 2])
    assert (layer(swapped)[0] == layer(paddle.to_tensor(array))[0]).all()
