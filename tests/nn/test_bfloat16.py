"""Products in bfloat16: how far they are from float64, what they hide (nothing), and where they are made.

Rounding to bfloat16, which has 8 significant bits, errs by at most U = 2^-8 of a number. What is measured of a layer is
the error of a whole array, by its norm: a rounding errs by 0.4 U in the mean (root of the mean square), n of them that
are independent of one another by sqrt(n) times that, and sqrt(n) U / 2 is allowed. n is two factors for each product on
the longest way from an input to a result and back to a gradient, and what is kept rounded on this way.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from elmo.errors import InputError
from elmo.nn import native
from elmo.nn.dropout import Dropout
from elmo.nn.gru import BidirectionalGRU
from elmo.nn.linear import linear
from elmo.nn.lstmp import LSTMP
from elmo.nn.softmax import LogUniformSampler, full_softmax_loss, sampled_softmax_loss
from elmo.nn.transformer import Block, Linear, Sizes
from elmo.runtime import paddle
from tests.nn.formulas import lstmp, softmax

U = 2.0**-8
SUMS = 2.0**-20  # of up to a hundred numbers of order 1 in float32, whose roundings err by 2^-24


@pytest.fixture(autouse=True)
def products_in_bfloat16() -> None:
    """Nothing here is to be tested on a machine that can't."""
    if (refusal := native.bfloat16_refusal()) is not None:
        pytest.skip(f"products in bfloat16 can't be made here: {refusal}")


def rounded(array: Any) -> Any:
    """To the nearest number in bfloat16, ties to even: its upper 16 bits as float32."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    kept = (bits + np.uint32(0x7FFF) + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)
    return kept.view(np.float32)


def tensors_of(arrays: dict[str, Any], dtype: str) -> dict[str, Any]:
    return {name: paddle.to_tensor(array.astype(dtype), stop_gradient=False) for name, array in arrays.items()}


# Single products


@pytest.mark.parametrize("sizes", [(1, 1, 1), (5, 33, 1), (1, 31, 64), (37, 3, 70), (64, 130, 257)])
@pytest.mark.parametrize("types", ["float32 float32", "float32 bfloat16", "bfloat16 float32", "bfloat16 bfloat16"])
@pytest.mark.parametrize("transposed", [(False, False), (False, True), (True, False), (True, True)])
def test_a_product_is_the_exact_one_of_rounded_factors(sizes, types, transposed):
    (m, n, k), generator = sizes, np.random.default_rng(0)
    x, y = generator.normal(size=(m, k)).astype(np.float32), generator.normal(size=(k, n)).astype(np.float32)
    given = [
        paddle.to_tensor(np.ascontiguousarray(array.T if turned else array)).astype(dtype)
        for array, turned, dtype in zip((x, y), transposed, types.split(), strict=True)
    ]
    product = native.product(*given, *transposed, dtype=paddle.bfloat16)
    assert product.dtype == paddle.float32
    exact = rounded(x).astype(np.float64) @ rounded(y).astype(np.float64)
    magnitudes = np.abs(rounded(x)) @ np.abs(rounded(y))
    assert (np.abs(product.numpy() - exact) <= k * 2.0**-24 * magnitudes).all()  # of k sums in float32, in any order


def test_factors_of_two_types_are_multiplied_in_bfloat16_only_where_that_is_asked_for():
    x, y = paddle.ones([2, 3]), paddle.ones([3, 4], "bfloat16")
    assert (native.product(x, y, dtype=paddle.bfloat16) == 3).all()
    for arguments in ({}, {"dtype": paddle.float32}):
        with pytest.raises(InputError, match="factors are float32 and bfloat16, to be multiplied as float32"):
            native.product(x, y, **arguments)


@pytest.mark.parametrize("bits", [0x7F800001, 0xFF800001, 0x7FC00000, 0x7FFFFFFF])
def test_rounding_makes_no_number_of_what_is_none(bits):
    x = np.array([[bits]], np.uint32).view(np.float32)
    for given in ((x, np.ones((1, 1), np.float32)), (np.ones((1, 1), np.float32), x)):
        assert np.isnan(native.product(*map(paddle.to_tensor, given), dtype=paddle.bfloat16).item())


def test_what_is_too_large_for_bfloat16_becomes_infinite():
    x = paddle.to_tensor([[3.4e38]])
    assert native.product(x, paddle.ones([1, 1]), dtype=paddle.bfloat16).item() == math.inf


# Whole layers, against themselves in float64


class Case(NamedTuple):
    """A layer, what it is given, and how it is called."""

    make: Callable[[], Any]  # a Paddle layer, or None
    inputs: dict[str, tuple[int, ...]]
    run: Callable[..., list[Any]]  # the layer and the inputs by name to the outputs
    roundings: int


TIME = 4
LENGTHS = np.array([TIME, 1, 3] * 4)
SIZES = Sizes(11, 24, 1, 3, 40, 9, 2, 0, "gelu", 0.0, 0.0, 1e-12)
LABELS = np.arange(21) * 5 % 90


def run_block(block: Block, rows: Any, lengths: Any = None) -> list[Any]:
    return [block(rows.reshape([-1, 24]), 9, lengths, Dropout(False))]


def run_sampled(_: None, features: Any, weight: Any, bias: Any) -> list[Any]:
    sampler, generator = LogUniformSampler(90, 37), np.random.default_rng(0)
    return [sampled_softmax_loss(features, paddle.to_tensor(LABELS), weight, bias, sampler, generator, False)]


SOFTMAX = {"features": (21, 33), "weight": (90, 33), "bias": (90,)}
IN_A_STEP = 2 * 2 + 1  # two products, and the gates are kept rounded
CASES = {
    "lstmp": Case(
        lambda: LSTMP(19, 70, 33),
        {"inputs": (37, TIME, 19), "hidden": (37, 33), "cell": (37, 70)},
        lambda layer, inputs, hidden, cell: [layer(inputs, (hidden, cell))[0], layer(inputs, (hidden, cell))[1][1]],
        2 * TIME * IN_A_STEP + 2,
    ),
    "gru": Case(
        lambda: BidirectionalGRU(19, 33),
        {"inputs": (12, TIME, 19)},
        lambda layer, inputs: [layer(inputs, LENGTHS)],
        2 * TIME * IN_A_STEP + 2,
    ),
    "block with gelu": Case(lambda: Block(SIZES), {"rows": (9, 5, 24)}, run_block, 2 * 6 * 2 + 2 + 2),
    "block with relu": Case(
        lambda: Block(SIZES._replace(hidden_act="relu")), {"rows": (9, 5, 24)}, run_block, 2 * 6 * 2 + 2 + 2
    ),
    "block with padding": Case(
        lambda: Block(SIZES),
        {"rows": (9, 5, 24)},
        lambda block, rows: run_block(block, rows, paddle.to_tensor([1, 2, 3, 4, 5, 5, 4, 3, 2])),
        2 * 6 * 2 + 2 + 2,
    ),
    "linear": Case(lambda: Linear(33, 19), {"rows": (37, 33)}, lambda layer, rows: [layer(rows)], 2),
    "a map to one number": Case(lambda: Linear(33, 1), {"rows": (37, 33)}, lambda layer, rows: [layer(rows)], 2),
    "full softmax": Case(
        lambda: None,
        SOFTMAX,
        lambda _, **given: [full_softmax_loss(labels=paddle.to_tensor(LABELS), **given)],
        2 + 2 + 1,
    ),
    "sampled softmax": Case(lambda: None, SOFTMAX, run_sampled, 2 + 2 + 1),
}


def results_of(case: Case, dtype: str, in_bfloat16: bool, backward_within: bool = True) -> dict[str, Any]:
    """Outputs and all gradients by name, of fixed numbers."""
    generator = np.random.default_rng(0)
    layer = case.make()
    if layer is not None:
        for parameter in layer.parameters():
            scale = 1.0 if parameter.ndim == 1 else parameter.shape[0] ** -0.5
            parameter.set_value(generator.normal(0, scale, parameter.shape).astype(np.float32))
        if dtype == "float64":
            layer.to(dtype=dtype)
    arrays = {name: generator.normal(0, 0.5, shape).astype(np.float32) for name, shape in case.inputs.items()}
    inputs = tensors_of(arrays, dtype)
    with native.bfloat16_products(in_bfloat16):
        outputs = case.run(layer, **inputs)
        mixes = [paddle.to_tensor(generator.normal(size=output.shape).astype(dtype)) for output in outputs]
        total = sum((output * mix).sum() for output, mix in zip(outputs, mixes, strict=True))
        if backward_within:
            total.backward()
    if not backward_within:
        total.backward()
    named = {**inputs, **({} if layer is None else dict(layer.named_parameters()))}
    gradients = {f"gradient of {name}": tensor.grad.numpy() for name, tensor in named.items()}
    return {**{f"output {i}": output.numpy() for i, output in enumerate(outputs)}, **gradients}


@pytest.mark.parametrize("threads", ["1", "2", "5"])
@pytest.mark.parametrize("name", CASES)
def test_outputs_and_gradients_of_a_layer_are_near_those_in_float64(name, threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    case = CASES[name]
    expected = results_of(case, "float64", False)
    found, single = results_of(case, "float32", True), results_of(case, "float32", False)
    for each, right in expected.items():
        error, size = np.linalg.norm(found[each] - right), np.linalg.norm(right)
        assert error <= math.sqrt(case.roundings) * U / 2 * size, f"{each}: {error / size / U:.2f} U"
        assert np.linalg.norm(single[each] - right) <= 1e-5 * size, each  # and float32 is as it was
    exact = ("bias", "attention_norm")  # gradients that are sums, and gelu's
    assert any(np.abs(found[each] - single[each]).max() > U / 100 for each in found if not each.endswith(exact))


@pytest.mark.parametrize("name", CASES)
def test_the_backward_pass_goes_on_in_bfloat16_wherever_it_is_run(name):
    inside, outside = (results_of(CASES[name], "float32", True, backward_within) for backward_within in (True, False))
    for each, array in inside.items():
        np.testing.assert_array_equal(array, outside[each], err_msg=each)


# The softmax's arithmetic: of numbers that are in bfloat16 already, so that only what it rounds itself errs


@pytest.mark.parametrize("sampled", [True, False])
def test_losses_of_rounded_numbers_are_exact_and_only_the_means_are_not(sampled):
    generator = np.random.default_rng(1)
    features, candidates = (rounded(generator.normal(size=shape)) for shape in ((50, 21), (70, 21)))
    arrays = {"features": features, "candidates": candidates, "biases": generator.normal(size=70).astype(np.float32)}
    hits = generator.integers(-1 if sampled else 0, 70, 50)
    labels = {"label_logits": generator.normal(size=50).astype(np.float32) if sampled else None}
    tensors = {each: paddle.to_tensor(array) for each, array in {**arrays, "hits": hits}.items()}
    with native.bfloat16_products():
        logits = None if not sampled else paddle.to_tensor(labels["label_logits"])
        losses, kept = native.softmax_forward(**tensors, label_logits=logits, record=True)
    doubles = {each: array.astype(np.float64) for each, array in arrays.items()}
    right = softmax(**doubles, hits=hits, **labels)
    np.testing.assert_allclose(losses.numpy(), right[0], rtol=0, atol=16 * SUMS)  # losses are of order 10
    np.testing.assert_allclose(kept[0].numpy(), right[1], rtol=1e-5, atol=1e-8)
    assert kept[1].dtype == paddle.bfloat16
    probabilities = kept[1].astype("float32").numpy()
    assert (np.abs(probabilities - right[2]) <= U * right[2] + 1e-8).all()
    assert (np.abs(kept[2].numpy() - right[3]) <= (U + SUMS) * (right[2] @ np.abs(doubles["candidates"])) + 1e-7).all()


# What is not a number


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_lstmp_does_not_hide_what_is_not_a_number(bad):
    inputs = np.random.default_rng(0).normal(size=(3, 4, 8)).astype(np.float32)
    inputs[1, 1, 0] = bad
    with native.bfloat16_products():
        outputs = LSTMP(8, 16, 4, 0.4, 0.3)(paddle.to_tensor(inputs))[0].numpy()
    assert np.isfinite(outputs[[0, 2]]).all() and np.isfinite(outputs[1, 0]).all()
    if np.isnan(bad):
        assert np.isnan(outputs[1, 1:]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_block_does_not_hide_what_is_not_a_number(bad):
    rows = np.random.default_rng(0).normal(size=(3, 4, 24)).astype(np.float32)
    rows[1, 2, 5] = bad
    with native.bfloat16_products():
        results = (
            Block(SIZES)(paddle.to_tensor(rows.reshape(12, 24)), 3, None, Dropout(False)).numpy().reshape(3, 4, 24)
        )
    assert np.isfinite(results[[0, 2]]).all()
    assert np.isnan(results[1]).all()  # each of its positions attends to the bad one


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("sampled", [True, False])
def test_the_softmaxes_do_not_hide_what_is_not_a_number(bad, sampled):
    features = np.random.default_rng(0).normal(size=(21, 33)).astype(np.float32)
    features[4, 7] = bad
    weight = paddle.to_tensor(np.random.default_rng(1).normal(size=(90, 33)).astype(np.float32))
    given = {"features": paddle.to_tensor(features), "weight": weight, "bias": paddle.zeros([90])}
    with native.bfloat16_products():
        losses = CASES["sampled softmax" if sampled else "full softmax"].run(None, **given)[0].numpy()
    assert np.flatnonzero(~np.isfinite(losses)).tolist() == [4]


# Clips


@pytest.mark.parametrize("clip", [0.35, 0.4, 3.0, 3.1])  # in bfloat16: below itself, above, the same, below
@pytest.mark.parametrize("sign", [1, -1])
def test_a_state_inside_its_clip_keeps_its_gradient_and_one_that_was_clipped_has_none(clip, sign):
    generator, count = np.random.default_rng(0), 3000
    ones = paddle.ones([1, 1])
    cell = float(1 / (1 + np.exp(-2.0)) + np.tanh(2.0) / (1 + np.exp(-2.0)))  # all gates are of 2, the last cell is 1
    unprojected = rounded(np.tanh(cell) / (1 + np.exp(-2.0))).item()
    projection = (sign * clip / unprojected * (1 + generator.uniform(-2, 2, (1, count)) * U)).astype(np.float32)
    given = [
        paddle.zeros([1, 1, 1]),
        paddle.zeros([1, count]),
        ones,
        paddle.zeros([1 + count, 4]),
        paddle.full([4], 2.0),
    ]
    with native.bfloat16_products():
        outputs, _, kept = native.lstmp_forward(*given, paddle.to_tensor(projection), (None, clip), record=True)
    found = native.lstmp_backward(
        paddle.ones([1, 1, count]), ones, ones, given[3], paddle.to_tensor(projection), (None, clip), kept
    )
    sizes = np.abs(outputs.numpy().reshape(-1))
    inside = sizes < np.float32(clip)
    near = inside & (sizes > clip * (1 - U))
    assert inside.any() and not inside.all() and near.any()
    np.testing.assert_array_equal(found[5].astype("float32").numpy().reshape(-1), inside.astype(np.float32))


# Sizes of none


@pytest.mark.parametrize("none", ["batch", "time", "size", "hidden", "proj"])
def test_lstmp_of_nothing_is_right(none):
    sizes = {"batch": 3, "time": 2, "size": 5, "hidden": 7, "proj": 4, none: 0}
    batch, time, size, hidden, proj = sizes.values()
    shapes = [
        (batch, time, size),
        (batch, proj),
        (batch, hidden),
        (size + proj, 4 * hidden),
        (4 * hidden,),
        (hidden, proj),
    ]
    generator = np.random.default_rng(0)
    arrays = [generator.normal(size=shape).astype(np.float32) for shape in shapes]
    with native.bfloat16_products():
        outputs, cell, kept = native.lstmp_forward(*map(paddle.to_tensor, arrays), (None, None), record=True)
    for found, right in zip((outputs, cell), lstmp(*(array.astype(np.float64) for array in arrays)), strict=True):
        np.testing.assert_allclose(found.numpy(), right, rtol=0, atol=8 * U)  # numbers of order 1, two steps
    mixes = paddle.ones([batch, time, proj]), paddle.ones([batch, hidden])
    weights = [paddle.to_tensor(arrays[i]) for i in (2, 3, 5)]
    gradients = native.lstmp_backward(*mixes, *weights, (None, None), kept)
    assert all(np.isfinite(gradient.astype("float32").numpy()).all() for gradient in gradients)


@pytest.mark.parametrize("sizes", [(0, 5, 3), (4, 0, 3), (4, 5, 0), (1, 1, 1)])
def test_a_softmax_over_nothing_is_right(sizes):
    rows, count, dim = sizes
    given = paddle.ones([rows, dim]), paddle.ones([count, dim]), paddle.zeros([count])
    with native.bfloat16_products():
        losses, kept = native.softmax_forward(*given, paddle.zeros([rows]), paddle.full([rows], -1, "int64"), True)
    right = np.log(1 + count * np.exp(dim))  # a label of 0, and candidates of dim
    np.testing.assert_allclose(losses.numpy(), np.full(rows, right), rtol=1e-6)
    np.testing.assert_allclose(kept[0].numpy(), np.full(rows, np.exp(-right)), rtol=1e-5)
    np.testing.assert_allclose(kept[2].numpy(), np.full((rows, dim), 1 - np.exp(-right)), rtol=2 * U)


# Where it is on


def test_it_is_on_within_its_context_alone_and_in_no_other_thread():
    def chosen() -> Any:
        return native.product_type(paddle.float32)

    seen: list[Any] = []
    with native.bfloat16_products():
        assert chosen() == paddle.bfloat16
        assert native.product_type(paddle.float64) == paddle.float64
        other = threading.Thread(target=lambda: seen.append(chosen()))
        other.start()
        other.join()
        with native.bfloat16_products(False):
            assert chosen() == paddle.float32
        assert chosen() == paddle.bfloat16
    assert chosen() == paddle.float32 and seen == [paddle.float32]
    with pytest.raises(ZeroDivisionError), native.bfloat16_products():
        raise ZeroDivisionError
    assert chosen() == paddle.float32


def test_linear_is_the_same_where_gradients_are_not_recorded():
    rows, weight, bias = paddle.randn([5, 7]), paddle.randn([7, 3]), paddle.randn([3])
    with native.bfloat16_products():
        recorded = linear(rows, weight, bias)
        with paddle.no_grad():
            assert (linear(rows, weight, bias) == recorded).all()
