"""What a biLM expects at a position: weights of words by their definition, and the vectors made of them."""

from __future__ import annotations

import numpy as np
import pytest

import elmo
from elmo.bilm import BiLM
from elmo.bilm_config import BiLMConfig
from elmo.encoding.encoder import Encoder
from elmo.encoding.substitutes import Substitutes
from elmo.errors import InputError
from elmo.explore.polysemy.scores import pair_auc
from elmo.explore.polysemy.senses import read_senses, target_vectors
from elmo.runtime import seed_everything
from elmo.system.project import project_data
from elmo.text.vocabulary import Vocabulary

WORDS = ["我", "吃", "苹果", "手机", "了", "。"]


def make_encoder(**changes: object) -> Encoder:
    seed_everything(3)
    vocabulary = Vocabulary(["<S>", "</S>", "<UNK>", *WORDS])
    config = BiLMConfig(vocab_size=len(vocabulary), embed_size=4, hidden_size=6, **changes)  # type: ignore[arg-type]
    return Encoder(BiLM(config), vocabulary, str.split)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return make_encoder()


@pytest.mark.parametrize("tied", [False, True])
def test_weights_and_vectors_by_their_definition(tied: bool) -> None:
    encoder = make_encoder(tie_softmax=tied)
    substitutes = Substitutes(encoder)
    weight, bias = (part.numpy().astype(np.float64) for part in encoder.model.softmax_parameters())
    (layers,) = encoder.encode([WORDS], positions="hole")
    (vectors,) = substitutes.encode([WORDS])
    for place, hole in enumerate(layers[-1].astype(np.float64)):
        expected = np.ones(len(bias))
        for state in (hole[:4], hole[4:]):
            scores = np.exp(weight @ state + bias)
            expected *= np.sqrt(scores / scores.sum())
        expected *= np.arange(len(bias)) + 2.7
        expected[:3] = 0
        expected /= expected.sum()
        found = substitutes.weights(layers[-1, place : place + 1])[0]
        np.testing.assert_allclose(found, expected, atol=1e-6)
        unit = weight / np.linalg.norm(weight, axis=1, keepdims=True)
        np.testing.assert_allclose(vectors[place], expected @ unit, atol=1e-5)


def test_the_word_itself_is_not_read(encoder: Encoder) -> None:
    substitutes = Substitutes(encoder)
    first, second = substitutes.encode([["我", "吃", "苹果", "。"], ["我", "吃", "手机", "。"]])
    np.testing.assert_allclose(first[2], second[2], atol=1e-6)
    assert np.abs(first[1] - second[1]).max() > 1e-4


def test_many_rows_are_as_one_after_another(encoder: Encoder) -> None:
    substitutes = Substitutes(encoder)
    holes = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    single = np.concatenate([substitutes.vectors(hole[None]) for hole in holes])
    np.testing.assert_allclose(substitutes.vectors(holes), single, atol=1e-6)
    assert substitutes.vectors(np.zeros((0, 8))).shape == (0, 4)


def test_what_cannot_be_answered_is_said(encoder: Encoder) -> None:
    substitutes = Substitutes(encoder)
    with pytest.raises(InputError, match=r"holes have the shape \[2, 4\]: give \[n, 8\]"):
        substitutes.weights(np.zeros((2, 4)))
    for position in (-1, 6):
        with pytest.raises(InputError, match=f"position {position}: the sentence has 6 words"):
            substitutes.words(WORDS, position)
    with pytest.raises(InputError, match="came without its softmax"):
        Substitutes(make_encoder(softmax=False))


def test_the_released_model_expects_food_to_be_eaten_and_tells_senses_apart() -> None:
    encoder = elmo.load_pretrained("elmo-zh-small")
    substitutes = Substitutes(encoder)
    words = [word for word, _ in substitutes.words(["他", "每天", "吃", "一个", "苹果", "。"], 4, 20)]
    assert len(set(words) & {"苹果", "鸡蛋", "西红柿", "西瓜", "水果", "面包", "饼干", "蛋糕"}) >= 3
    items = [item for item in read_senses(project_data("senses.tsv")) if item.word == "苹果"]
    found = target_vectors(items, lambda sentences: encoder.encode(sentences, positions="hole"), encoder.words)
    holes, labels = found.vectors[:, -1], [item.sense for item in found.items]

    def score(vectors: np.ndarray) -> float:  # type: ignore[type-arg]
        return pair_auc(vectors - vectors.mean(axis=0), labels)

    assert score(substitutes.vectors(holes)) > score(holes) + 0.05
