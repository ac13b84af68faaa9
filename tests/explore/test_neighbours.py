"""Neighbours: nearest first, by cosine, without what was excluded."""

from __future__ import annotations

import numpy as np
import pytest

from elmo.errors import InputError
from elmo.explore.neighbours import ContextIndex
from elmo.explore.polysemy.senses import SenseSentence

ITEMS = [
    SenseSentence("苹果", "fruit", "", "树上结满苹果。", 4),
    SenseSentence("苹果", "company", "", "苹果发布新手机。", 0),
    SenseSentence("苹果", "fruit", "", "一袋苹果", 2),
]
VECTORS = np.array([[1, 0, 0], [0, 5, 0], [2, 1, 0]], dtype=np.float32)


def test_sentences_come_nearest_first_with_their_sense_and_cosine():
    found = ContextIndex(ITEMS, VECTORS).nearest(np.array([3, 0, 0]))
    assert [neighbour.row for neighbour in found] == [0, 2, 1]
    assert [neighbour.item.sense for neighbour in found] == ["fruit", "fruit", "company"]
    assert [neighbour.cosine for neighbour in found] == pytest.approx([1, 2 / 5**0.5, 0], abs=1e-6)  # float32


def test_a_sentence_is_not_its_own_neighbour():
    index = ContextIndex(ITEMS, VECTORS)
    assert [neighbour.row for neighbour in index.nearest(VECTORS[2], exclude={2})] == [0, 1]
    assert [neighbour.row for neighbour in index.nearest(VECTORS[2], 1, exclude={0, 2})] == [1]


def test_the_word_is_marked_where_it_stands():
    repeated = SenseSentence("苹果", "fruit", "", "苹果和苹果", 3)
    assert str(ContextIndex([repeated], VECTORS[:1]).nearest(VECTORS[0])[0]) == "1.000  苹果和[苹果]  (fruit)"


def test_equal_sentences_keep_their_order_and_zero_vectors_are_near_nothing():
    index = ContextIndex(ITEMS, np.array([[1.0, 0], [1, 0], [0, 0]]))
    found = index.nearest(np.array([1.0, 0]))
    assert [(neighbour.row, neighbour.cosine) for neighbour in found] == [(0, 1), (1, 1), (2, 0)]
    assert [neighbour.cosine for neighbour in index.nearest(np.zeros(2))] == [0, 0, 0]


def test_what_cannot_be_searched_is_an_error():
    index = ContextIndex(ITEMS, VECTORS)
    assert len(index) == 3
    with pytest.raises(InputError, match=r"shape \[2\]: give one of shape \[3\]"):
        index.nearest(np.ones(2))
    with pytest.raises(InputError, match="topn is 0"):
        index.nearest(np.ones(3), 0)
    with pytest.raises(InputError, match=r"shape \[3, 3\] for 1 sentences"):
        ContextIndex(ITEMS[:1], VECTORS)
