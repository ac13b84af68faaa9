"""Looking rows of a table up, with a gradient that is fast on a CPU."""

from __future__ import annotations

from typing import Any

from elmo.nn import native
from elmo.nn.shapes import check_range, check_whole_numbers
from elmo.runtime import paddle

Tensor = Any


class _TakeRows(paddle.autograd.PyLayer):
    @staticmethod
    def forward(ctx: Any, table: Tensor, ids: Tensor) -> Tensor:
        ctx.ids, ctx.count = ids, table.shape[0]
        return paddle.nn.functional.embedding(ids, table)

    @staticmethod
    def backward(ctx: Any, d_rows: Tensor) -> tuple[Tensor, None]:
        return native.scatter_rows(ctx.ids.flatten(), d_rows.reshape([-1, d_rows.shape[-1]]), ctx.count), None


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
