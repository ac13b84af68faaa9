"""The block of a Transformer in compiled loops: what Paddle gives, on any number of threads, and its dropout."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

from elmo.nn import native
from elmo.nn.dropout import Dropout
from elmo.nn.transformer import Block
from elmo.runtime import paddle
from tests.nn.test_transformer import SIZES
from tests.parameters import shake


def run_block(block: Block, rows: np.ndarray, batch: int, lengths, record: bool = True) -> dict[str, np.ndarray]:
    """Results, and where they are recorded the gradients of a weighed sum of them."""
    given = paddle.to_tensor(rows, stop_gradient=False)
    lengths = None if lengths is None else paddle.to_tensor(lengths)
    with paddle.set_grad_enabled(record):
        results = block(given, batch, lengths, Dropout(False))
    found = {"results": results.numpy()}
    if record:
        weights = np.random.default_rng(1).normal(size=rows.shape).astype(np.float32)
        (results * paddle.to_tensor(weights)).sum().backward()
        found |= {"rows": given.grad.numpy(), **{name: p.grad.numpy() for name, p in block.named_parameters()}}
        block.clear_gradients()
    return found


pytestmark = pytest.mark.usefixtures("onednn_loops")


@pytest.mark.parametrize("activation", ["gelu", "relu"])
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize(
    ("heads", "dim", "inner", "batch", "time"),
    [(1, 7, 5, 3, 4), (2, 34, 67, 5, 9), (4, 36, 33, 1, 1), (4, 4, 1, 9, 3), (1, 1, 1, 1, 1), (2, 6, 10, 2, 270)],
)
def test_the_compiled_block_is_paddles_own_operations(activation, padded, heads, dim, inner, batch, time, monkeypatch):
    sizes = SIZES._replace(
        num_heads=heads, hidden_size=dim, intermediate_size=inner, hidden_act=activation, layer_norm_eps=1e-5
    )
    block, generator = Block(sizes), np.random.default_rng(0)
    shake(block)
    rows = generator.normal(size=(batch * time, dim)).astype(np.float32)
    lengths = generator.integers(1, time + 1, batch) if padded else None
    found = run_block(block, rows, batch, lengths)
    np.testing.assert_array_equal(run_block(block, rows, batch, lengths, record=False)["results"], found["results"])
    monkeypatch.setenv(native.SWITCH, "0")
    expected = run_block(block, rows, batch, lengths)
    for name, right in expected.items():
        # float32 rounds by 6e-8; sums of up to 540 numbers, and gelu to 1.5e-7. Gradients grow with what is added up.
        np.testing.assert_allclose(found[name], right, rtol=0, atol=2e-6 * max(1, np.abs(right).max()), err_msg=name)


@pytest.mark.parametrize("threads", ["2", "5"])
@pytest.mark.parametrize(("batch", "time"), [(1, 5), (7, 3), (3, 100), (130, 5)])
def test_the_number_of_threads_does_not_change_the_block(threads, batch, time, monkeypatch):
    block = Block(SIZES)
    shake(block)
    rows = np.random.default_rng(0).normal(size=(batch * time, 12)).astype(np.float32)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    alone = run_block(block, rows, batch, None)
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    for name, array in run_block(block, rows, batch, None).items():
        scale = max(1, np.abs(alone[name]).max())  # of a gradient, over up to 650 rows
        np.testing.assert_allclose(array, alone[name], rtol=0, atol=2e-6 * scale, err_msg=name)


@pytest.mark.parametrize("mode", ["no backward", "backward", "no_grad"])
def test_what_the_blocks_backward_pass_needs_is_freed_with_the_results(mode, monkeypatch):
    kept = []
    original = native.block_forward

    def watched(*arguments):
        results = original(*arguments)
        kept.extend(weakref.ref(tensor) for tensor in results[1].values())
        return results

    monkeypatch.setattr(native, "block_forward", watched)
    rows = paddle.randn([6, 12])
    with paddle.set_grad_enabled(mode != "no_grad"):
        results = Block(SIZES)(rows, 2, None, Dropout(False))
    assert len(kept) == (0 if mode == "no_grad" else 11)
    assert all(tensor() is not None for tensor in kept)
    if mode == "backward":
        results.sum().backward()
        assert all(tensor() is None for tensor in kept)
    del results
    assert all(tensor() is None for tensor in kept)


def dropped_block(seeds: list[int], shares: tuple[float, float], arrays: dict[str, np.ndarray]):
    """Results and what was kept, of a block that drops."""
    parameters = {name: paddle.to_tensor(array) for name, array in arrays.items() if name != "rows"}
    chosen = native.BlockSettings(3, True, 0.1, *shares)
    arguments = (None, paddle.to_tensor(seeds), parameters, chosen)
    results, kept = native.block_forward(paddle.to_tensor(arrays["rows"]), *arguments, record=True)
    return results, kept, arguments


def block_arrays(batch: int, time: int, dim: int, inner: int) -> dict[str, np.ndarray]:
    generator, sizes = np.random.default_rng(0), {"batch": batch, "time": time, "dim": dim, "inner": inner}
    sizes["3*dim"] = 3 * dim
    axes = {name: array.axes.split() for name, array in native.SIGNATURES["block_forward"].arrays.items()}
    names = ["rows", *(name for name in axes if set(axes[name]) <= {"dim", "3*dim", "inner"})]
    return {name: generator.normal(0, 0.5, [sizes[a] for a in axes[name]]).astype(np.float32) for name in names}


@pytest.mark.parametrize("shares", [(0.4, 0.0), (0.0, 0.4), (0.3, 0.2)])
def test_the_same_numbers_are_dropped_backwards_as_forwards(shares):
    arrays = block_arrays(4, 5, 12, 20)
    results, kept, arguments = dropped_block([5, 2**32 - 1, 7], shares, arrays)
    assert (dropped_block([5, 2**32 - 1, 7], shares, arrays)[0] == results).all()
    assert (dropped_block([6, 3, 8], shares, arrays)[0] != results).any()
    mix = np.random.default_rng(1).normal(size=arrays["rows"].shape).astype(np.float32)
    gradients = native.block_backward(paddle.to_tensor(mix), *arguments, kept)
    step = 2.0**-7

    def loss(moved: dict[str, np.ndarray]) -> float:
        return float((dropped_block([5, 2**32 - 1, 7], shares, moved)[0].numpy().astype(np.float64) * mix).sum())

    for name, array in arrays.items():
        gradient = gradients[f"d_{name}"].numpy()
        direction = gradient / np.linalg.norm(gradient)  # along it the slope is the gradient's norm
        above, below = (loss({**arrays, name: array + by * direction}) for by in (step, -step))
        # Differences err by the third derivative times step^2 / 6, here 2e-3 of a slope, and by 1e-5 / step in float32.
        assert (above - below) / (2 * step) == pytest.approx(np.linalg.norm(gradient), rel=0.01, abs=0.002), name


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_block_drops_the_share_that_it_is_told_to(share):
    arrays = {name: np.zeros_like(array) for name, array in block_arrays(16, 20, 60, 3).items()}
    arrays["attention_output_bias"] += 1.0  # all that there is to drop behind the attention
    _, kept, _ = dropped_block([1, 2, 3], (share, 0.0), arrays)
    dropped = kept["normal1"].numpy() < 0  # below the mean of its row
    # 19,200 draws: the standard deviation of the share is at most 0.0036, five of them are allowed.
    assert dropped.mean() == pytest.approx(share, abs=0.018)
    rows, columns = dropped.mean(axis=(0, 1)), dropped.mean(axis=2)
    assert rows.std() < 0.06 and columns.std() < 0.12  # no pattern: 0.028 and 0.065 are to be expected at one half


def test_gradients_of_a_block_that_drops_are_the_same_in_bfloat16_but_for_rounding():
    if (refusal := native.bfloat16_refusal()) is not None:
        pytest.skip(f"products in bfloat16 can't be made here: {refusal}")
    arrays = block_arrays(4, 5, 12, 20)
    mix = paddle.to_tensor(np.random.default_rng(1).normal(size=arrays["rows"].shape).astype(np.float32))
    found = []
    for in_bfloat16 in (False, True):
        with native.bfloat16_products(in_bfloat16):
            results, kept, arguments = dropped_block([1, 2, 3], (0.3, 0.2), arrays)
        found.append({"results": results, **native.block_backward(mix, *arguments, kept)})
    for name, right in found[0].items():
        error = np.linalg.norm(found[1][name].numpy() - right.numpy()) / np.linalg.norm(right.numpy())
        assert error < 28**0.5 * 2.0**-9, (
            name
        )  # see test_bfloat16.py; another mask would be as wrong as the gradient is large
