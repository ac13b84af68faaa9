"""Dropout: how many numbers are dropped, what the others become, and that a seed decides which."""

from __future__ import annotations

import numpy as np
import pytest

from elmo.nn.dropout import dropout
from elmo.runtime import paddle


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5])
def test_the_share_that_is_dropped_and_the_scale_of_what_is_left(share: float) -> None:
    paddle.seed(1)
    values = dropout(paddle.ones([200, 500]), share).numpy()
    kept = values != 0
    np.testing.assert_allclose(values[kept], 1 / (1 - share), rtol=1e-6)
    deviation = (share * (1 - share) / values.size) ** 0.5
    assert abs(1 - kept.mean() - share) < 5 * deviation  # passed over by one seed in two million


def test_the_gradient_is_that_of_what_was_kept() -> None:
    values = paddle.full([40, 7], 2.0)
    values.stop_gradient = False
    dropped = dropout(values, 0.4)
    dropped.sum().backward()
    np.testing.assert_array_equal(values.grad.numpy(), dropped.numpy() / 2)


def test_the_seed_decides() -> None:
    drawn = []
    for seed in (3, 3, 4):
        paddle.seed(seed)
        drawn.append([dropout(paddle.ones([50]), 0.5).numpy() for _ in range(2)])
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0][0] != drawn[0][1]).any() and (drawn[0][0] != drawn[2][0]).any()


def test_nothing_is_dropped_outside_training_or_with_a_share_of_zero() -> None:
    values = paddle.rand([3, 4])
    assert dropout(values, 0.5, training=False) is values
    assert dropout(values, 0.0) is values


@pytest.mark.parametrize("shape", [[0, 3], [1], [2, 3, 5]])
def test_values_of_any_shape_and_type(shape: list[int]) -> None:
    values = dropout(paddle.ones(shape, "float64"), 0.5)
    assert values.shape == shape and values.dtype == paddle.float64
