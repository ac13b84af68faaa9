"""What stands for a word in its sentence: own vector, hole, window, sentence; of a biLM and of word vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from elmo.explore.polysemy.forms import BAG_FORMS, ELMO_FORMS, bag_forms, elmo_forms, pick_bag_forms, pick_elmo_forms
from elmo.explore.polysemy.senses import SenseSentence, target_vectors
from elmo.explore.polysemy.wic_files import Mention, WicPair
from elmo.explore.polysemy.wic_vectors import pair_vectors

LAYERS, WORDS, DIM = 3, 9, 4
Array = np.ndarray[Any, Any]


@pytest.fixture
def encoded() -> Array:
    """Own vectors [layers, words, dim], then those of the hole."""
    return np.random.default_rng(7).normal(size=(2 * LAYERS, WORDS, DIM)).astype(np.float32)


def by_form(picked: Array, forms: dict[str, str]) -> dict[str, Array]:
    return dict(zip(forms, picked.reshape(len(forms), -1, DIM), strict=True))


@pytest.mark.parametrize(("place", "begin", "end"), [(0, 0, 3), (1, 0, 4), (4, 2, 7), (8, 6, 9)])
def test_forms_of_one_word_by_their_definitions(encoded: Array, place: int, begin: int, end: int) -> None:
    found = by_form(pick_elmo_forms(encoded, range(place, place + 1)), ELMO_FORMS)
    own, hole = encoded[:LAYERS], encoded[LAYERS:]
    np.testing.assert_array_equal(found["own"], own[:, place])
    np.testing.assert_array_equal(found["hole"], hole[:, place])
    np.testing.assert_allclose(found["window"], own[:, begin:end].mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(found["sentence"], own.mean(axis=1), atol=1e-6)


def test_the_hole_of_several_words_lies_before_the_first_and_behind_the_last(encoded: Array) -> None:
    found = by_form(pick_elmo_forms(encoded, range(3, 6)), ELMO_FORMS)
    hole = encoded[LAYERS:]
    np.testing.assert_array_equal(found["hole"], np.concatenate([hole[:, 3, :2], hole[:, 5, 2:]], axis=1))
    np.testing.assert_allclose(found["own"], encoded[:LAYERS, 3:6].mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(found["window"], encoded[:LAYERS, 1:8].mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("places", [range(0, 1), range(4, 5), range(3, 5), range(8, 9)])
def test_a_bag_s_forms_by_their_definitions(places: range) -> None:
    vectors = np.random.default_rng(8).normal(size=(1, WORDS, DIM)).astype(np.float32)
    found = by_form(pick_bag_forms(vectors, places), BAG_FORMS)

    def mean(chosen: list[int]) -> Array:
        return vectors[0, chosen].mean(axis=0)

    near = [place for place in range(WORDS) if places[0] - 2 <= place <= places[-1] + 2]
    wide = [place for place in range(WORDS) if places[0] - 5 <= place <= places[-1] + 5]
    expected = {
        "own": mean(list(places)),
        "hole": mean([place for place in range(WORDS) if place not in places]),
        "window": mean(near),
        "window, hole": mean([place for place in near if place not in places]),
        "wide window, hole": mean([place for place in wide if place not in places]),
        "sentence": mean(list(range(WORDS))),
    }
    assert found.keys() == expected.keys()
    for form, vector in expected.items():
        np.testing.assert_allclose(found[form][0], vector, atol=1e-6, err_msg=form)


def test_what_is_without_the_word_does_not_change_with_it() -> None:
    vectors = np.random.default_rng(9).normal(size=(1, WORDS, DIM)).astype(np.float32)
    other = vectors.copy()
    other[0, 3:5] += 1
    before, after = (by_form(pick_bag_forms(array, range(3, 5)), BAG_FORMS) for array in (vectors, other))
    unchanged = {form for form in BAG_FORMS if (before[form] == after[form]).all()}
    assert unchanged == {"hole", "window, hole", "wide window, hole"}


def test_a_word_alone_in_its_sentence_leaves_a_hole_of_zeros() -> None:
    found = by_form(pick_bag_forms(np.ones((1, 1, DIM), np.float32), range(0, 1)), BAG_FORMS)
    assert (found["hole"] == 0).all() and (found["sentence"] == 1).all()


class Reader:
    """Its own vectors hold the word, its holes the words before and behind: both as the first letter's number."""

    num_layers = 2

    def encode(self, sentences: list[list[str]], *, positions: str = "own") -> list[Array]:
        arrays = []
        for words in sentences:
            codes = [0, *(float(ord(word[0])) for word in words), 0]
            left, right = (codes[1:-1], codes[1:-1]) if positions == "own" else (codes[:-2], codes[2:])
            arrays.append(np.stack([np.stack([left, right], axis=1)] * 2).astype(np.float32))
        return arrays

    def words(self, sentence: str) -> list[str]:
        return list(sentence)


def test_a_reader_s_rows_are_named_by_layer_and_form() -> None:
    forms = elmo_forms(Reader())
    item = SenseSentence("b", "s", "g", "abc", 1)
    found = target_vectors([item], forms.encode, list, forms.pick)
    assert len(forms.names) == found.vectors.shape[1] == 8
    rows = dict(zip(forms.names, found.vectors[0], strict=True))
    assert rows["layer 1, own"].tolist() == [ord("b")] * 2
    assert rows["layer 1, hole"].tolist() == [ord("a"), ord("c")]


def test_a_target_that_was_cut_in_two_has_one_hole() -> None:
    forms = elmo_forms(Reader())
    mentions = Mention("abcd", 1, 3), Mention("bcd", 0, 2)
    cut = {"abcd": ["a", "b", "c", "d"], "bcd": ["b", "c", "d"]}
    pair = WicPair("1", "bc", *mentions, True)
    found = pair_vectors([pair], forms.encode, cut.__getitem__, forms.pick)
    hole = forms.names.index("layer 1, hole")
    assert found.vectors[:, hole].tolist() == [[ord("a"), ord("d")], [0, ord("d")]]
    assert not found.is_whole.any()


def test_words_without_a_vector_count_as_zeros() -> None:
    class Space:
        def vector(self, word: str) -> Array:
            return np.full(DIM, 6.0, np.float32)

        def __contains__(self, word: object) -> bool:
            return word == "甜"

    forms = bag_forms(Space(), DIM)
    (array,) = forms.encode([["苹果", "很", "甜"]])
    found = by_form(forms.pick(array, range(0, 1)), BAG_FORMS)
    assert (found["own"] == 0).all() and (found["hole"] == 3).all() and (found["sentence"] == 2).all()


def test_what_is_expected_in_the_hole_is_a_row_of_its_own() -> None:
    class Doubled:
        def vectors(self, holes: Array) -> Array:
            return np.asarray(holes)[:, :1] * 2

    forms = elmo_forms(Reader(), Doubled())
    item = SenseSentence("b", "s", "g", "abc", 1)
    found = target_vectors([item], forms.encode, list, forms.pick)
    rows = dict(zip(forms.names, found.vectors[0], strict=True))
    assert forms.names[-1] == "substitutes" and len(forms.names) == 9
    assert rows["substitutes"].tolist() == [2 * ord("a"), 0]  # zeros behind: the rows have one length
