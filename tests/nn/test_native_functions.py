"""Every function of elmo.nn.native computes what NumPy does in float64, at any size, or refuses what it is given.

A case is a set of arrays that belong together, with sizes from 0 on. It is given as it is, or with one array changed:
longer or shorter, of another number of axes, of another type, a view, on another device. Then either the result is what
the formula gives for the arrays as they are, or there is an InputError.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elmo.errors import InputError, RunError
from elmo.nn import native
from elmo.runtime import paddle
from tests.commands import run_python
from tests.nn.formulas import block, gru, lstmp, softmax, viterbi

Arrays = dict[str, Any]
SIZES = st.sampled_from([0, 1, 2, 3, 5, 31, 33])  # 32 numbers: a panel of our own products in float32
SMALL = st.sampled_from([0, 1, 2, 4])
TYPES = st.sampled_from(["float32", "float64"])
# Of sums of at most 66 products of order 1: float32 rounds by 6e-8 of a value, float64 by 1e-16.
TOLERANCE = {"float32": 2e-5, "float64": 1e-12, "int64": 0.0}  # ids: none
CHANGES = ("longer", "shorter", "an axis more", "an axis less", "another type", "half", "whole numbers", "view", "away")


pytestmark = pytest.mark.usefixtures("onednn_loops")


class Away:
    """A tensor as it would look on another device."""

    class place:  # noqa: N801
        @staticmethod
        def is_cpu_place() -> bool:
            return False

    def __init__(self, tensor: Any) -> None:
        self._tensor = tensor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tensor, name)


def draw_array(generator: np.random.Generator, dtype: str, *shape: int) -> Any:
    return generator.uniform(-1, 1, shape).astype(dtype)


def changed(array: Any, change: str, axis: int) -> Any:
    """The tensor that is given instead of an array."""
    axis = axis % array.ndim
    if change == "longer":
        shape = [int(i == axis) if size == 0 or i == axis else size for i, size in enumerate(array.shape)]
        array = np.concatenate([array, np.zeros(shape, array.dtype)], axis) if 0 not in shape else np.ones(shape)
    elif change == "shorter":
        array = np.take(array, range(1, array.shape[axis]), axis)
    elif change == "an axis more":
        array = np.expand_dims(array, axis)
    elif change == "an axis less":
        array = array.reshape(array.shape[0], -1)[:, :1].reshape(-1) if array.size else array.reshape(0)
    elif change == "another type":
        array = array.astype({"float32": "float64", "float64": "float32", "int64": "int32"}[str(array.dtype)])
    elif change == "half":
        array = array.astype("float16")
    elif change == "whole numbers":
        array = array.astype("int64" if array.dtype != np.int64 else "float32")
    elif change == "view" and array.ndim > 1 and array.size:
        return paddle.to_tensor(np.ascontiguousarray(array.T)).transpose(list(range(array.ndim))[::-1])
    tensor = paddle.to_tensor(np.ascontiguousarray(array))
    return Away(tensor) if change == "away" else tensor


def check(
    call: Callable[..., Any], expected: Callable[..., Any], arrays: Arrays, data: Any, changes: Any = CHANGES
) -> None:
    """Give the arrays, or one of them changed, and compare the results with those expected."""
    name = data.draw(st.sampled_from([None, *arrays]), label="changed array")
    tensors = {each: changed(array, "none", 0) for each, array in arrays.items()}
    if name is not None:
        change = data.draw(st.sampled_from(changes), label="change")
        tensors[name] = changed(arrays[name], change, data.draw(st.integers(0, 2), label="axis"))
    given_arrays = {each: tensor.numpy() for each, tensor in tensors.items()}  # before anything is overwritten
    try:
        results = call(**tensors)
    except InputError as error:
        assert name is not None, error
        assert "\n" not in str(error)
        return
    for result, right in zip(results, expected(**as_double(given_arrays)), strict=True):
        found = result.numpy()
        np.testing.assert_allclose(found, right, rtol=0, atol=TOLERANCE[str(found.dtype)])


def as_double(arrays: Arrays) -> Arrays:
    return {name: array if array.dtype == np.int64 else array.astype("float64") for name, array in arrays.items()}


def check_gradients(
    gradients: Arrays, outputs: Callable[..., Any], arrays: Arrays, mixes: list[Any], tolerance: float
) -> None:
    """Along a random direction the gradients are the slope of the outputs, each weighed by its mix."""
    arrays = {name: array.astype("float64") for name, array in arrays.items()}
    generator, step = np.random.default_rng(1), 1e-6
    directions = {name: generator.uniform(-1, 1, arrays[name].shape) for name in gradients}

    def loss(by: float) -> float:
        moved = {name: array + by * directions[name] if name in directions else array for name, array in arrays.items()}
        return float(sum((mix * part).sum() for mix, part in zip(mixes, outputs(**moved), strict=True)))

    slope = sum((gradients[name].numpy() * directions[name]).sum() for name in gradients)
    # Central differences in float64 err by 1e-9; the slope is a sum of as many rounded numbers as there are gradients.
    count = sum(direction.size for direction in directions.values())
    assert abs(slope - (loss(step) - loss(-step)) / (2 * step)) <= 1e-8 * count + tolerance * math.sqrt(count) * 10


# Products


@settings(max_examples=120)
@given(st.data(), SIZES, SIZES, SIZES, st.booleans(), st.booleans(), TYPES)
def test_a_product_is_right_whichever_factor_is_transposed(data, m, n, k, transpose_x, transpose_y, dtype):
    generator = np.random.default_rng(m * 100 + n * 10 + k)
    arrays = {
        "x": draw_array(generator, dtype, *((k, m) if transpose_x else (m, k))),
        "y": draw_array(generator, dtype, *((n, k) if transpose_y else (k, n))),
    }

    def expected(x: Any, y: Any) -> Any:
        return [(x.T if transpose_x else x) @ (y.T if transpose_y else y)]

    here = [change for change in CHANGES if change != "away"]  # elsewhere it is Paddle's own product
    check(lambda x, y: [native.product(x, y, transpose_x, transpose_y)], expected, arrays, data, here)


@pytest.mark.parametrize("sizes", [(7, 29), (1, 37), (41, 3)])  # asked for nowhere else: oneDNN keeps what it has made
@pytest.mark.parametrize("transpose_x", [True, False])
def test_a_product_over_a_single_number_is_right(sizes, transpose_x):
    x, y = (np.arange(1, size + 1, dtype=np.float32) for size in sizes)
    factors = paddle.to_tensor(x).unsqueeze(0 if transpose_x else 1), paddle.to_tensor(y).unsqueeze(1)
    by_onednn = paddle.bfloat16 if native.bfloat16_refusal() is None else None  # which holds these numbers exactly
    for dtype in (None, by_onednn):
        np.testing.assert_array_equal(native.product(*factors, transpose_x, True, dtype).numpy(), np.outer(x, y))


def test_a_product_in_float32_is_paddles_own():
    x, y = paddle.randn([640, 64]), paddle.randn([640, 128])  # sums long enough to differ in another order
    np.testing.assert_array_equal(native.product(x, y, True).numpy(), paddle.matmul(x, y, True).numpy())


def test_gradients_of_gates_take_the_memory_of_the_gates():
    batch, time, size, hidden, proj = 2, 3, 4, 5, 4
    weight, bias = paddle.randn([size + proj, 4 * hidden]), paddle.randn([4 * hidden])
    projection, cell = paddle.randn([hidden, proj]), paddle.zeros([batch, hidden])
    given = paddle.randn([batch, time, size]), paddle.zeros([batch, proj]), cell, weight, bias, projection
    outputs, last_cell, kept = native.lstmp_forward(*given, (None, None), record=True)
    gates = kept[1].data_ptr()
    found = native.lstmp_backward(outputs, last_cell, cell, weight, projection, (None, None), kept)
    assert found[4].data_ptr() == gates


# LSTMP


def lstmp_arrays(batch: int, time: int, size: int, hidden: int, proj: int, dtype: str) -> Arrays:
    generator = np.random.default_rng([batch, time, size, hidden, proj])
    shapes = {
        "inputs": (batch, time, size),
        "hidden": (batch, proj),
        "cell": (batch, hidden),
        "weight": (size + proj, 4 * hidden),
        "bias": (4 * hidden,),
        "projection": (hidden, proj),
    }
    return {name: draw_array(generator, dtype, *shape) for name, shape in shapes.items()}


@settings(max_examples=120)
@given(st.data(), SIZES, SMALL, SIZES, SIZES, SIZES, TYPES, st.sampled_from([None, 0.3]))
def test_lstmp_forward_is_right_or_refused(data, batch, time, size, hidden, proj, dtype, clip):
    def call(**tensors: Any) -> Any:
        return native.lstmp_forward(**tensors, clips=(clip, clip), record=False)[:2]

    arrays = lstmp_arrays(batch, time, size, hidden, proj, dtype)
    check(call, lambda **given: lstmp(**given, clip=clip or np.inf), arrays, data)


@settings(max_examples=60)
@given(st.data(), SIZES, SMALL, SIZES, SIZES, SIZES, TYPES)
def test_lstmp_backward_is_right_or_refused(data, batch, time, size, hidden, proj, dtype):
    arrays = lstmp_arrays(batch, time, size, hidden, proj, dtype)
    tensors = {name: paddle.to_tensor(array) for name, array in arrays.items()}
    _, _, kept = native.lstmp_forward(**tensors, clips=(None, None), record=True)
    generator = np.random.default_rng(0)
    mixes = [draw_array(generator, dtype, batch, time, proj), draw_array(generator, dtype, batch, hidden)]
    named = {"d_outputs": mixes[0], "d_last_cell": mixes[1]}
    named |= {name: arrays[name] for name in ("cell", "weight", "projection")}
    named |= {f"kept{i}": tensor.numpy() for i, tensor in enumerate(kept)}

    def call(**given: Any) -> Any:
        states = tuple(given.pop(f"kept{i}") for i in range(4))
        found = native.lstmp_backward(**given, clips=(None, None), kept=states)
        d_gates = found[4].reshape([time * batch, 4 * hidden]).numpy()
        rows = states[0].numpy()[:time].reshape(time * batch, size + proj)
        gradients = dict(zip(("inputs", "hidden", "cell", "bias"), found, strict=False))
        gradients["weight"] = paddle.to_tensor(rows.T @ d_gates)
        check_gradients(gradients, lstmp, arrays, mixes, TOLERANCE[dtype])
        return []

    refuses_changes(call, named, data, free=("kept3",))  # which is for the weights' gradient, made elsewhere


def refuses_changes(call: Callable[..., Any], arrays: Arrays, data: Any, free: tuple[str, ...] = ()) -> None:
    """The call checks its gradients for the arrays as they are, or for a view; any other change is refused."""
    name = data.draw(st.sampled_from([None, *arrays]), label="changed array")
    tensors = {each: changed(array, "none", 0) for each, array in arrays.items()}
    if name is None:
        call(**tensors)
        return
    change = data.draw(st.sampled_from(CHANGES), label="change")
    tensors[name] = changed(arrays[name], change, data.draw(st.integers(0, 2), label="axis"))
    same = (
        tensors[name].shape == list(arrays[name].shape)
        and tensors[name].dtype == changed(arrays[name], "none", 0).dtype
    )
    if name in free or (same and change != "away"):
        try:
            call(**tensors)
        except InputError as error:  # what was kept must be as it was
            assert change == "view" or name in free, error
    else:
        with pytest.raises(InputError):
            call(**tensors)


# GRU


def gru_arrays(counts: list[int], size: int, dtype: str) -> Arrays:
    generator, tokens = np.random.default_rng([*counts, size]), sum(counts)
    shapes = {
        "gates": (tokens, 2 * size),
        "candidates": (tokens, size),
        "gate_weight": (size, 2 * size),
        "candidate_weight": (size, size),
    }
    arrays = {name: draw_array(generator, dtype, *shape) for name, shape in shapes.items()}
    return {**arrays, "counts": np.array(counts, np.int64)}


COUNTS = st.lists(st.sampled_from([1, 2, 9, 40]), min_size=1, max_size=4).map(lambda counts: sorted(counts)[::-1])


@settings(max_examples=100)
@given(st.data(), COUNTS, SIZES, TYPES)
def test_gru_forward_is_right_or_refused(data, counts, size, dtype):
    def call(gates: Any, candidates: Any, **others: Any) -> Any:
        return [native.gru_forward(gates, candidates, **others, record=False)[0]]

    check(call, gru, gru_arrays(counts, size, dtype), data)


@settings(max_examples=60)
@given(st.data(), COUNTS, SIZES, TYPES)
def test_gru_backward_is_right_or_refused(data, counts, size, dtype):
    arrays = gru_arrays(counts, size, dtype)
    tensors = {name: paddle.to_tensor(array) for name, array in arrays.items()}
    order = ("gates", "candidates", "gate_weight", "candidate_weight", "counts")
    _, kept = native.gru_forward(*(tensors[name].clone() for name in order), record=True)
    mix = draw_array(np.random.default_rng(0), dtype, sum(counts), size)
    named = {"d_outputs": mix, **{name: arrays[name] for name in ("gate_weight", "candidate_weight", "counts")}}
    named |= {f"kept{i}": tensor.numpy() for i, tensor in enumerate(kept)}

    def call(**given: Any) -> Any:
        states = tuple(given.pop(f"kept{i}") for i in range(4))
        d_gates, d_candidates = native.gru_backward(**given, kept=states, dtype=tensors["gates"].dtype)
        gradients = {
            "gates": d_gates,
            "candidates": d_candidates,
            "gate_weight": paddle.to_tensor(states[2].numpy().T @ d_gates.numpy()),
            "candidate_weight": paddle.to_tensor(kept[3].numpy().T @ d_candidates.numpy()),
        }
        doubles = {name: arrays[name].astype("float64") for name in gradients}
        outputs = lambda **moved: gru(**moved, counts=arrays["counts"])  # noqa: E731
        check_gradients(gradients, outputs, doubles, [mix], TOLERANCE[dtype])
        return []

    refuses_changes(call, named, data, free=("kept3",))  # which is for the weights' gradient, made elsewhere


@pytest.mark.parametrize("counts", [[3, 4], [5, 0], [7], [6, -1, 2], [2**62, 2**62, 2**62, 2**62, 7], []])
def test_counts_of_another_packing_are_refused(counts):
    arrays = {**gru_arrays([4, 3], 2, "float32"), "counts": np.array(counts, np.int64)}
    tensors = {name: paddle.to_tensor(array) for name, array in arrays.items()}
    if counts == [7]:  # seven sentences of one token
        assert native.gru_forward(tensors.pop("gates"), tensors.pop("candidates"), **tensors, record=False)
        return
    with pytest.raises(InputError, match="GRU: "):
        native.gru_forward(tensors.pop("gates"), tensors.pop("candidates"), **tensors, record=False)


# CRF


@settings(max_examples=100)
@given(st.data(), COUNTS, SIZES, TYPES)
def test_viterbi_is_right_or_refused(data, counts, size, dtype):
    generator = np.random.default_rng([*counts, size])
    arrays = {
        "emissions": draw_array(generator, dtype, sum(counts), size),
        "transitions": draw_array(generator, dtype, size + 2, size),
        "counts": np.array(counts, np.int64),
    }
    if size:
        check(lambda **given: [native.viterbi(**given)], viterbi, arrays, data)
    else:
        with pytest.raises(InputError, match="there is no tag to choose: give at least one"):
            native.viterbi(**{name: paddle.to_tensor(array) for name, array in arrays.items()})


@pytest.mark.parametrize("counts", [[3, 4], [5, 0], [7], [6, -1, 2], [2**62, 2**62, 2**62, 2**62, 7], []])
def test_viterbi_refuses_counts_of_another_packing(counts):
    emissions, transitions = paddle.ones([7, 3]), paddle.ones([5, 3])
    if counts == [7]:
        assert native.viterbi(emissions, transitions, paddle.to_tensor(counts)).tolist() == [0] * 7
        return
    with pytest.raises(InputError, match=r"viterbi: .*(packed tokens|never grow)"):
        native.viterbi(emissions, transitions, paddle.to_tensor(np.array(counts, np.int64)))


# Softmax


@settings(max_examples=150)
@given(st.data(), SIZES, SIZES, SIZES, TYPES, st.booleans())
def test_softmax_forward_is_right_or_refused(data, rows, count, dim, dtype, sampled):
    generator = np.random.default_rng([rows, count, dim])
    count = max(count, 0 if sampled else 1)
    arrays = {
        "features": draw_array(generator, dtype, rows, dim),
        "candidates": draw_array(generator, dtype, count, dim),
        "biases": draw_array(generator, dtype, count),
        "hits": generator.integers(-1 if sampled else 0, count, rows),
    }
    if sampled:
        arrays["label_logits"] = draw_array(generator, dtype, rows)

    def call(label_logits: Any = None, **others: Any) -> Any:
        losses, kept = native.softmax_forward(**others, label_logits=label_logits, record=True)
        return losses, *kept

    check(call, softmax, arrays, data)


@pytest.mark.parametrize("hit", [-2, 3, 2**40, -(2**40)])
@pytest.mark.parametrize("sampled", [True, False])
def test_a_candidate_that_there_is_not_is_refused(hit, sampled):
    hits = paddle.to_tensor(np.array([0, hit]))
    labels = paddle.zeros([2]) if sampled else None
    with pytest.raises(InputError, match=f"softmax: {hit} is among the hits: give -?[01] to 2, of 3 candidates"):
        native.softmax_forward(paddle.ones([2, 4]), paddle.ones([3, 4]), paddle.ones([3]), labels, hits, False)


# The Transformer's block


def block_arrays(batch: int, time: int, dim: int, inner: int, padded: bool) -> Arrays:
    generator = np.random.default_rng([batch, time, dim, inner])
    shapes = {
        "rows": (batch, time, dim),
        "qkv": (dim, 3 * dim),
        "attention_output": (dim, dim),
        "attention_norm": (dim,),
        "intermediate": (dim, inner),
        "output": (inner, dim),
        "output_norm": (dim,),
        "qkv_bias": (3 * dim,),
        "attention_output_bias": (dim,),
        "attention_norm_bias": (dim,),
        "intermediate_bias": (inner,),
        "output_bias": (dim,),
        "output_norm_bias": (dim,),
    }
    arrays = {name: draw_array(generator, "float32", *shape) for name, shape in shapes.items()}
    arrays["seeds"] = np.arange(3)
    if padded:
        arrays["lengths"] = generator.integers(1, time + 1, batch) if time else np.ones(batch, np.int64)
    return arrays


def split_block_tensors(tensors: dict[str, Any]) -> tuple[Any, Any, Any, dict[str, Any]]:
    tensors = dict(tensors)
    return tensors.pop("rows"), tensors.pop("lengths", None), tensors.pop("seeds"), tensors


HEADS = st.sampled_from([(1, 1), (4, 1), (4, 2), (4, 4), (33, 3), (5, 2), (0, 1), (4, 0), (4, -1)])  # numbers and heads
EPS = 0.1  # large, so that rows of one number or of equal numbers have a slope that can be compared


@settings(max_examples=120)
@given(st.data(), SMALL, st.sampled_from([0, 1, 2, 5, 300]), HEADS, SMALL, st.booleans(), st.booleans())
def test_block_forward_is_right_or_refused(data, batch, time, sizes, inner, padded, gelu):
    dim, heads = sizes
    batch = min(batch, 2) if time == 300 else batch  # more positions than a chunk has rows
    arrays = block_arrays(batch, time, dim, inner, padded)
    possible = batch and time and dim and inner and heads > 0 and dim % heads == 0

    def call(**tensors: Any) -> Any:
        chosen = native.BlockSettings(heads, gelu, EPS, 0.0, 0.0)
        return [native.block_forward(*split_block_tensors(tensors), chosen, record=False)[0]]

    def expected(seeds: Any, **given: Any) -> Any:
        return block(**given, heads=heads, gelu=gelu, eps=EPS)

    if possible:
        check(call, expected, arrays, data)
    else:
        with pytest.raises(InputError):
            call(**{name: paddle.to_tensor(array) for name, array in arrays.items()})


@settings(max_examples=60)
@given(st.data(), st.sampled_from([1, 3]), st.sampled_from([1, 4]), HEADS, st.sampled_from([1, 5]), st.booleans())
def test_block_backward_is_right_or_refused(data, batch, time, sizes, inner, padded):
    dim, heads = sizes if sizes[1] > 0 and sizes[0] and sizes[0] % sizes[1] == 0 else (4, 2)
    arrays = block_arrays(batch, time, dim, inner, padded)
    chosen = native.BlockSettings(heads, True, EPS, 0.0, 0.0)
    tensors = {name: paddle.to_tensor(array) for name, array in arrays.items()}
    _, lengths, seeds, parameters = split_block_tensors(tensors)
    _, kept = native.block_forward(tensors["rows"], lengths, seeds, parameters, chosen, record=True)
    mix = draw_array(np.random.default_rng(0), "float32", batch, time, dim)
    named = {"d_results": mix, **{name: arrays[name] for name in arrays if name != "rows"}}
    named |= {f"kept {name}": tensor.numpy() for name, tensor in kept.items()}

    def call(**given: Any) -> Any:
        states = {name: given.pop(f"kept {name}") for name in kept}
        d_results = given.pop("d_results")
        _, own_lengths, own_seeds, own = split_block_tensors({"rows": None, **given})
        found = native.block_backward(d_results, own_lengths, own_seeds, own, chosen, states)
        gradients = {name.removeprefix("d_"): tensor for name, tensor in found.items()}

        def outputs(**moved: Any) -> Any:
            return block(**moved, heads=heads, gelu=True, eps=EPS, lengths=arrays.get("lengths"))

        doubles = {name: array for name, array in arrays.items() if name not in ("lengths", "seeds")}
        # gelu's and exp's own errors are 1.5e-7 and 2 units in the last place
        check_gradients(gradients, outputs, doubles, [mix], 10 * TOLERANCE["float32"])
        return []

    unread = [name for name in arrays if name.endswith("_bias")]  # whose values are not asked for
    factors = [f"kept {name}" for name in ("kept_rows", "context", "middle", "activated")]  # of products
    refuses_changes(call, named, data, free=(*unread, *factors))


@pytest.mark.parametrize("share", [-0.1, 1.0, 7.0, math.nan])
def test_a_share_that_cannot_be_dropped_is_refused(share):
    tensors = {name: paddle.to_tensor(array) for name, array in block_arrays(1, 2, 4, 3, False).items()}
    for shares in ((share, 0.0), (0.0, share)):
        with pytest.raises(InputError, match=r"is dropped: give 0 to below 1"):
            native.block_forward(*split_block_tensors(tensors), native.BlockSettings(2, True, EPS, *shares), False)


@pytest.mark.parametrize("lengths", [[0, 2], [3, 2], [-1, 1], [2**40, 1]])
def test_lengths_that_cannot_be_are_refused(lengths):
    arrays = {**block_arrays(2, 2, 4, 3, False), "lengths": np.array(lengths)}
    tensors = {name: paddle.to_tensor(array) for name, array in arrays.items()}
    with pytest.raises(InputError, match="is among the lengths: give 1 to 2, of 2 positions"):
        native.block_forward(*split_block_tensors(tensors), native.BlockSettings(2, True, EPS, 0.0, 0.0), False)


# Adding rows up, and Adam


@settings(max_examples=80)
@given(st.data(), SIZES, SIZES, SIZES, TYPES)
def test_rows_are_added_up_where_they_belong_or_refused(data, count, number, dim, dtype):
    generator = np.random.default_rng([count, number, dim])
    number = number if count else 0
    arrays = {"ids": generator.integers(0, max(count, 1), number), "rows": draw_array(generator, dtype, number, dim)}

    def expected(ids: Any, rows: Any) -> Any:
        table = np.zeros((count, rows.shape[1]))
        np.add.at(table, ids, rows)
        return [table]

    check(lambda ids, rows: [native.scatter_rows(ids, rows, count)], expected, arrays, data)


@pytest.mark.parametrize("bad", [-1, 4, 2**40])
def test_rows_that_belong_nowhere_are_refused(bad):
    with pytest.raises(InputError, match=f"scatter_rows: {bad} is among the ids: give 0 to 3, of 4 rows"):
        native.scatter_rows(paddle.to_tensor(np.array([0, bad])), paddle.ones([2, 3]), 4)


@settings(max_examples=60)
@given(st.data(), st.lists(SIZES, min_size=1, max_size=3), SIZES, st.sampled_from([0.0, 0.5]))
def test_a_step_of_adam_is_right_or_refused(data, lengths, width, max_norm):
    generator = np.random.default_rng([*lengths, width])
    names = ("parameters", "gradients", "moments1", "moments2")
    arrays = {
        f"{name} {i}": np.abs(draw_array(generator, "float32", length, width))
        for name in names
        for i, length in enumerate(lengths)
    }
    step = native.AdamStep(0.01, 0.9, 0.99, 1e-3, max_norm)

    def columns(named: dict[str, Any]) -> list[list[Any]]:
        return [[named[f"{name} {i}"] for i in range(len(lengths))] for name in names]

    def call(**tensors: Any) -> Any:
        norm = native.adam(*columns(tensors), step)
        return [*tensors.values(), paddle.to_tensor(norm)]

    def expected(**given: Any) -> Any:
        parameters, gradients, first, second = columns(given)
        norm = np.sqrt(sum((gradient**2).sum() for gradient in gradients))
        scaled = [gradient * min(1, max_norm / norm if max_norm and norm else 1) for gradient in gradients]
        first = [0.9 * moment + 0.1 * gradient for moment, gradient in zip(first, scaled, strict=True)]
        second = [0.99 * moment + 0.01 * gradient**2 for moment, gradient in zip(second, scaled, strict=True)]
        moved = zip(parameters, first, second, strict=True)
        parameters = [parameter - 0.01 * m / (np.sqrt(v) + 1e-3) for parameter, m, v in moved]
        return [*parameters, *gradients, *first, *second, norm]

    check(call, expected, arrays, data)


def test_adam_refuses_columns_of_several_lengths():
    step, one = native.AdamStep(0.01, 0.9, 0.99, 1e-3, 0.0), [paddle.ones([2])]
    with pytest.raises(InputError, match="adam: 1 and 1 and 2 and 1 tensors"):
        native.adam(one, one, one * 2, one, step)


def test_too_little_memory_ends_the_call_and_not_the_process():
    if "libasan" in os.environ.get("LD_PRELOAD", ""):
        pytest.skip("AddressSanitizer ends the process itself where there is too little memory")
    # Room for the scores of one head over 40,000 positions takes 6.4 GB; no more than 2 GB are given.
    code = """
import resource
from elmo.nn import native
from elmo.runtime import paddle

def run(time):
    axes = {name: array.axes for name, array in native.SIGNATURES["block_forward"].arrays.items()}
    weights = [name for name in axes if set(axes[name].split()) <= {"dim", "3*dim", "inner"}]
    parameters = {name: paddle.ones([{"3*dim": 3}.get(axis, 1) for axis in axes[name].split()]) for name in weights}
    settings = native.BlockSettings(1, True, 0.1, 0.0, 0.0)
    rows, seeds = paddle.ones([1, time, 1]), paddle.zeros([3], "int64")
    return native.block_forward(rows, None, seeds, parameters, settings, record=False)

run(2)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**31, -1))
try:
    run(40_000)
except RuntimeError as error:
    print(error)
run(2)
"""
    assert run_python(code).stdout == (
        "block_forward_float32: there is not enough memory; go on without compiled loops: ELMO_NATIVE=0\n"
    )


def test_what_was_begun_with_compiled_loops_cannot_go_on_without(monkeypatch):
    monkeypatch.setenv(native.SWITCH, "0")
    with pytest.raises(RunError, match="scatter_rows_float32: compiled loops are off: ELMO_NATIVE=0"):
        native.scatter_rows(paddle.to_tensor([1]), paddle.ones([1, 2]), 3)
