"""Adding a bias to rows, with a gradient that is fast on a CPU."""

from __future__ import annotations

from typing import Any

from elmo.runtime import paddle

Tensor = Any


class _AddBias(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, bias: Tensor) -> Tensor:
        return rows + bias

    @staticmethod
    def backward(ctx: Any, d_rows: Tensor) -> tuple[Tensor, Tensor]:
        ones = paddle.ones([1, d_rows.shape[0]], dtype=d_rows.dtype)
        return d_rows, paddle.matmul(ones, d_rows)[0]


def add_bias(rows: Tensor, bias: Tensor) -> Tensor:
    """Add bias [dim] to rows [count, dim]; both must want a gradient where gradients are recorded.

    The bias's gradient is a product with a row of ones: Paddle's own sum over rows takes a hundred times as long.
    """
    return _AddBias.apply(rows, bias) if not (rows.stop_gradient or bias.stop_gradient) else rows + bias
