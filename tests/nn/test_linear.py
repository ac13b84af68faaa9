"""Adding a bias: the sum itself, and the gradient that is a product with ones."""

from __future__ import annotations

import numpy as np
import pytest

from elmo.nn.linear import add_bias
from elmo.runtime import paddle


@pytest.mark.parametrize("rows_fixed", [False, True])
@pytest.mark.parametrize("bias_fixed", [False, True])
def test_sum_and_gradients_equal_paddles_own_addition(rows_fixed, bias_fixed):
    generator = np.random.default_rng(0)
    row_array, bias_array, mix = generator.normal(size=(7, 3)), generator.normal(size=3), generator.normal(size=(7, 3))
    results = []
    for add in (add_bias, lambda rows, bias: rows + bias):
        rows = paddle.to_tensor(row_array, stop_gradient=rows_fixed)
        bias = paddle.to_tensor(bias_array, stop_gradient=bias_fixed)
        total = add(rows, bias)
        loss = (total * paddle.to_tensor(mix)).sum()
        if not (rows_fixed and bias_fixed):
            loss.backward()
        gradients = [None if tensor.grad is None else tensor.grad.numpy() for tensor in (rows, bias)]
        results.append((total.numpy(), *gradients))
    for ours, theirs in zip(*results, strict=True):
        if theirs is None:
            assert ours is None
        else:
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-14)  # seven float64 numbers, added in any order


def test_under_no_grad_nothing_is_recorded():
    rows, bias = paddle.ones([2, 3]), paddle.ones([3])
    rows.stop_gradient = bias.stop_gradient = False
    with paddle.no_grad():
        assert add_bias(rows, bias).stop_gradient
