"""How both directions read whole sentences, one of them from the end: their ids, and where a word's outputs stand."""

from __future__ import annotations

from typing import Literal, cast, get_args

from elmo.errors import InputError
from elmo.runtime import paddle
from elmo.system.types import Tensor

Positions = Literal["own", "hole"]  # where the readers stand: having read the word, or just before it


def check_positions(positions: str) -> Positions:
    """Return positions; InputError if there are no such."""
    if positions not in get_args(Positions):
        raise InputError(f"positions is {positions!r}: give {' or '.join(get_args(Positions))}")
    return cast(Positions, positions)


def check_ids(token_ids: Tensor, lengths: Tensor, num_words: int) -> None:
    """Refuse what Paddle would read from beyond a table of so many words, or crash on.

    Raises:
        InputError: an id of [batch, time] is not in the table, or a length of [batch] below 0 or beyond the padding.
    """
    for name, values, end in (("word id", token_ids, num_words), ("length", lengths, None)):
        if not values.shape or 0 in values.shape:
            continue
        low, high = int(values.min()), int(values.max())
        end = token_ids.shape[1] + 1 if end is None else end
        if low < 0 or high >= end:
            raise InputError(f"{name} {low if low < 0 else high} is out of range: give 0 to {end - 1}")


def with_boundaries(token_ids: Tensor, order: Tensor, bos_id: int, eos_id: int) -> tuple[Tensor, Tensor]:
    """Ids [batch, 1 + time] as each direction reads them, its own boundary first.

    Args:
        token_ids: [batch, time].
        order: [batch, time], see `elmo.nn.lstmp.reading_order`.
        bos_id, eos_id: of `<S>` and `</S>`.
    """
    batch = token_ids.shape[0]
    bos = paddle.full([batch, 1], bos_id, dtype=token_ids.dtype)
    eos = paddle.full([batch, 1], eos_id, dtype=token_ids.dtype)
    turned_round = paddle.take_along_axis(token_ids, order, axis=1)
    return paddle.concat([bos, token_ids], axis=1), paddle.concat([eos, turned_round], axis=1)


def side_by_side(ahead: Tensor, behind: Tensor, order: Tensor) -> Tensor:
    """Join both directions' vectors [batch, time, dim] of each word: [batch, time, 2 * dim].

    Args:
        ahead: in the order of the words.
        behind: in the order in which the backward direction reads.
        order: that order, [batch, time]; see `elmo.nn.lstmp.reading_order`.
    """
    index = order.unsqueeze(2).expand(behind.shape)
    return paddle.concat([ahead, paddle.take_along_axis(behind, index, axis=1)], axis=2)
