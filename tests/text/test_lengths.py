"""What is computed together, and how rows of ids become one array."""

from __future__ import annotations

import numpy as np
import pytest

from elmo.text.lengths import by_length, pad


def test_batches_of_like_length_hold_everything_once_the_shortest_first() -> None:
    assert list(by_length([3, 0, 2, 3, 1], 2)) == [[1, 4], [2, 0], [3]]  # equal ones in their order
    assert list(by_length([], 2)) == []


def test_rows_are_filled_up_behind_their_ends() -> None:
    padded, lengths = pad([[3, 4, 5], [], np.array([6])], fill=9)
    assert padded.tolist() == [[3, 4, 5], [9, 9, 9], [6, 9, 9]]
    assert lengths.tolist() == [3, 0, 1]
    assert padded.dtype == lengths.dtype == np.int64


@pytest.mark.parametrize(("rows", "shape"), [([], (0, 0)), ([[], []], (2, 0))])
def test_nothing_has_no_width(rows: list[list[int]], shape: tuple[int, int]) -> None:
    padded, lengths = pad(rows)
    assert padded.shape == shape
    assert lengths.shape == shape[:1]
