"""Vectors beside a tagger's own: a biLM's layers as its encoder gives them, or one vector a word."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elmo.convert import read_any
from elmo.encoding.encoder import load_pretrained
from elmo.encoding.features import ElmoFeatures, WordVectorFeatures, make_features
from elmo.encoding.text_encoders import load_text_encoder
from elmo.errors import InputError
from elmo.models import ModelFiles, export_model
from elmo.word_vectors import WordVectors
from tests.refusals import refusal

SENTENCES = [["我", "的", "演出"], ["好"], ["今晚", "的", "演出", "，", "生词"]]


def test_elmo_gives_the_layers_of_its_encoder(tiny_elmo: Path) -> None:
    features = ElmoFeatures(tiny_elmo)
    assert (features.layers, features.size) == (3, 10)
    for ours, theirs in zip(
        features.encode(SENTENCES), load_pretrained(tiny_elmo, "whitespace").encode(SENTENCES), strict=True
    ):
        assert (ours == theirs).all()


def test_chosen_layers_are_those_of_their_numbers(tiny_elmo: Path) -> None:
    every, chosen = ElmoFeatures(tiny_elmo), ElmoFeatures(load_pretrained(tiny_elmo, "whitespace"), [2, 0])
    assert chosen.layers == 2
    for whole, part in zip(every.encode(SENTENCES), chosen.encode(SENTENCES), strict=True):
        assert (part == whole[[2, 0]]).all()


@pytest.mark.parametrize("layers", [[], [3], [-1], ["0"], [0.0]])
def test_layers_that_there_are_not_are_refused(tiny_elmo: Path, layers: list[Any]) -> None:
    with pytest.raises(InputError, match=r"layers \[.*\]: give some of 0 to 2"):
        ElmoFeatures(tiny_elmo, layers)


def test_a_word_has_its_vector_everywhere_and_one_without_has_zeros(tiny_word2vec: Path) -> None:
    features = WordVectorFeatures(tiny_word2vec)
    assert (features.layers, features.size) == (1, 6)
    first, second, third = features.encode(SENTENCES)
    assert [part.shape for part in (first, second, third)] == [(1, 3, 6), (1, 1, 6), (1, 5, 6)]
    vectors = WordVectors.load(tiny_word2vec)
    assert (first[0, 1] == vectors.vector("的")).all() and (third[0, 1] == vectors.vector("的")).all()
    assert not second.any()  # 好 is in the vocabulary, but has no vector
    assert not third[0, 4].any()


def test_vectors_are_of_what_the_vocabulary_has(tiny_elmo: Path, tiny_character_elmo: Path) -> None:
    words, characters = ElmoFeatures(tiny_elmo), ElmoFeatures(tiny_character_elmo)
    assert (words.unit, characters.unit) == ("words", "characters")
    assert "unit" not in words.describe()  # as in taggers that were saved before there was another
    assert characters.describe()["unit"] == "characters"
    assert make_features(characters.describe()).unit == "characters"
    older = {name: value for name, value in characters.describe().items() if name != "unit"}
    assert make_features(older).unit == "words"
    with pytest.raises(InputError, match=r"vocabulary has the word '.+': it reads words, not characters"):
        ElmoFeatures(tiny_elmo, unit="characters")
    with pytest.raises(InputError, match="unit is 'syllables': give one of words, characters"):
        ElmoFeatures(tiny_elmo, unit="syllables")


def test_a_task_reads_characters_where_the_elmo_does(tiny_elmo: Path, tiny_character_elmo: Path) -> None:
    words, owners = ["今晚", "的"], np.array([0, 0, 1])
    for path, units, expected in (
        (tiny_elmo, words, [0, 0, 1]),
        (tiny_character_elmo, ["今", "晚", "的"], [0, 1, 2]),
    ):
        encoder = load_text_encoder(path)
        read, of_character = encoder.read("今晚 的", words, owners)
        assert (read, of_character.tolist()) == (units, expected)
        assert encoder.encode([read])[0].shape == (3, len(units), 10)


def test_a_model_is_opened_once(
    tiny_elmo: Path, tiny_word2vec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_and_remove(place: Path) -> ModelFiles:
        files = read_any(place)
        shutil.rmtree(place)
        return files

    monkeypatch.setattr("elmo.encoding.text_encoders.read_any", read_and_remove)
    for path in (tiny_elmo, tiny_word2vec):
        expected = make_features({"kind": path.name.removeprefix("tiny-"), "source": str(path)}).encode(SENTENCES)
        encoder = load_text_encoder(shutil.copytree(path, tmp_path / path.name))
        for ours, theirs in zip(encoder.encode(SENTENCES), expected, strict=True):
            assert (ours == theirs).all()


def test_a_description_makes_the_same_again(tiny_elmo: Path, tiny_character_elmo: Path, tiny_word2vec: Path) -> None:
    for features in (
        ElmoFeatures(tiny_elmo),
        ElmoFeatures(tiny_character_elmo),
        ElmoFeatures(tiny_elmo, [1], ["reversed"]),
        WordVectorFeatures(tiny_word2vec),
    ):
        again = make_features(features.describe())
        assert again.describe() == features.describe()
        for ours, theirs in zip(again.encode(SENTENCES), features.encode(SENTENCES), strict=True):
            assert (ours == theirs).all()


def test_what_came_from_memory_has_no_name(tiny_elmo: Path, tiny_word2vec: Path) -> None:
    for features in (
        ElmoFeatures(load_pretrained(tiny_elmo, "whitespace")),
        WordVectorFeatures(WordVectors.load(tiny_word2vec)),
    ):
        with pytest.raises(InputError, match="is not named: give it when loading"):
            make_features(features.describe())


def test_a_description_of_another_model_is_refused(tiny_elmo: Path, tmp_path: Path) -> None:
    other = export_model(tiny_elmo, tmp_path / "half")
    description = {**ElmoFeatures(tiny_elmo).describe(), "source": str(other)}
    assert "half: is another elmo model now than in training" in refusal(make_features, description)
    assert np.shape(make_features(description, check=False).encode([["好"]])[0]) == (3, 1, 10)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "bert"}, "features of kind 'bert' are unknown: elmo and word2vec are known"),
        ({"source": 3}, "is not named"),
        ({"layers": "all"}, "layers 'all' and defects"),
        ({"defects": "all"}, "defects 'all'"),
        ({"defects": ["slow"]}, "'slow' is none of LARK's defects"),
        ({"unit": ["characters"]}, "unit is \"['characters']\": give one of words, characters"),
    ],
)
def test_a_damaged_description_is_one_line(tiny_elmo: Path, fields: dict[str, Any], message: str) -> None:
    assert message in refusal(make_features, {**ElmoFeatures(tiny_elmo).describe(), **fields})
