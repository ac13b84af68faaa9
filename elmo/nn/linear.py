"""Linear maps of rows, in the precision of the moment, and rows of a table looked up; gradients are fast on a CPU."""

from __future__ import annotations

from typing import Any

from elmo.nn import native
from elmo.nn.shapes import check_range, check_shapes, check_whole_numbers
from elmo.runtime import paddle
from elmo.system.types import Tensor


class _AddBias(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, bias: Tensor) -> Tensor:
        return rows + bias

    @staticmethod
    def backward(ctx: Any, d_rows: Tensor) -> tuple[Tensor, Tensor]:
        return d_rows, _sum_of_rows(d_rows)


def add_bias(rows: Tensor, bias: Tensor) -> Tensor:
    """Add bias [dim] to rows [count, dim]; both must want a gradient where gradients are recorded.

    The bias's gradient is a product with a row of ones: Paddle's own sum over rows takes a hundred times as long.
    """
    return _AddBias.apply(rows, bias) if not (rows.stop_gradient or bias.stop_gradient) else rows + bias


def linear(rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """rows [count, inputs] @ weight [inputs, outputs] + bias [outputs], in the precision of `bfloat16_products`.

    Raises:
        InputError: shapes or types of number that do not fit.
    """
    check_shapes(
        "linear map", {"weight": (weight, "inputs outputs"), "bias": (bias, "outputs"), "rows": (rows, "count inputs")}
    )
    in_bfloat16 = native.product_type(rows.dtype) != rows.dtype and native.usable(rows, weight, bias)
    if not paddle.is_grad_enabled():
        return (
            native.product(rows, weight, dtype=paddle.bfloat16) + bias
            if in_bfloat16
            else paddle.addmm(bias, rows, weight)
        )
    if not in_bfloat16:
        return add_bias(paddle.matmul(rows, weight), bias)
    return _Linear.apply(rows, weight, bias)


class _Linear(paddle.autograd.PyLayer):
    """`linear` with factors in bfloat16."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.wanted = [not tensor.stop_gradient for tensor in (rows, weight, bias)]
        ctx.kept = (rows, weight) if any(ctx.wanted) else None
        return native.product(rows, weight, dtype=paddle.bfloat16) + bias

    @staticmethod
    def backward(ctx: Any, d_outputs: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight = ctx.kept
        ctx.kept = None
        d_rows = d_weight = d_bias = None
        rows_wanted, weight_wanted, bias_wanted = ctx.wanted
        if rows_wanted:
            d_rows = native.product(d_outputs, weight, transpose_y=True, dtype=paddle.bfloat16)  # (count, inputs)
        if weight_wanted:
            d_weight = native.product(rows, d_outputs, transpose_x=True, dtype=paddle.bfloat16)  # (inputs, outputs)
        if bias_wanted:
            d_bias = _sum_of_rows(d_outputs)  # (outputs,)
        return d_rows, d_weight, d_bias


def _sum_of_rows(rows: Tensor) -> Tensor:
    ones = paddle.ones([1, rows.shape[0]], rows.dtype)  # (1, count)
    return paddle.matmul(ones, rows)[0]  # (dim,)


class _TakeRows(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx: Any, table: Tensor, ids: Tensor) -> Tensor:
        ctx.ids = ids
        ctx.count = table.shape[0]
        return paddle.nn.functional.embedding(ids, table)

    @staticmethod
    def backward(ctx: Any, d_rows: Tensor) -> tuple[Tensor, None]:
        d_rows = d_rows.reshape([-1, d_rows.shape[-1]])  # (ids, dim)
        return native.scatter_rows(ctx.ids.flatten(), d_rows, ctx.count), None


def take_rows(table: Tensor, ids: Tensor, sparse: bool = False) -> Tensor:
    """Rows [..., dim] of a table [count, dim], for ids [...], int64 or int32.

    Args:
        table: what is looked up in.
        ids: of rows.
        sparse: let the table's gradient hold only the rows that were looked up (see `elmo.bilm.BiLM`).

    Raises:
        InputError: an id is not in the table.
    """
    count = table.shape[0]
    check_whole_numbers("look-up", "ids", ids)
    check_range("look-up", "ids", ids, 0, count - 1, f"{count} rows")  # Paddle reads before the table for id -1
    if sparse or table.stop_gradient or not (paddle.is_grad_enabled() and native.usable(table)):
        return paddle.nn.functional.embedding(ids, table, sparse=sparse)
    return _TakeRows.apply(table, ids.astype("int64"))
