"""What a model that is being trained is asked is answered without dropout, and its training goes on as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elmo.bilm import BiLM
from elmo.bilm_config import BiLMConfig
from elmo.encoding.bert import Bert
from elmo.encoding.encoder import Encoder, StatefulEncoder
from elmo.explore.cloze_scores import GAP, Question, masked_scores, sentence_scores
from elmo.masked_lm import MaskedLM, MaskedLMConfig
from elmo.nn.evaluating import evaluating
from elmo.runtime import paddle
from elmo.tagging.network import TaggerConfig, TaggerNetwork
from elmo.tagging.tagger import Tagger
from elmo.text.batches import SentenceIds
from elmo.text.masking import MaskedSequences
from elmo.text.pieces import PieceVocabulary
from elmo.text.segment import get_segmenter
from elmo.text.units import UnitText
from elmo.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from elmo.training.bilm import BiLMObjective
from elmo.training.masked import MaskedLMObjective, MaskedSettings
from elmo.training.settings import PretrainSettings

WORDS = "我 买 了 苹果 山 水 花".split()
TEXT = "我 买 了 苹果\n山 水 花\n"
VOCABULARY = Vocabulary([*SPECIAL_TOKENS, *WORDS])
PIECES = PieceVocabulary([*PieceVocabulary.special_tokens, *"我买了苹果山水花"])
QUESTION = Question("one", f"我买了{GAP}。", "花")
Asked = tuple[Any, Callable[[], Any]]  # a model, and what it is asked


def encoder() -> Encoder:
    return Encoder(BiLM(BiLMConfig(len(VOCABULARY), 6, 10, dropout=0.5)), VOCABULARY, get_segmenter("whitespace"))


def bert() -> Bert:
    sizes = {"hidden_size": 8, "num_layers": 2, "num_heads": 2, "intermediate_size": 8, "max_length": 12}
    return Bert(MaskedLM(MaskedLMConfig(len(PIECES), **sizes, dropout=0.5, attention_dropout=0.5)), PIECES)


def encode(_: Path) -> Asked:
    asked = encoder()
    return asked.model, lambda: asked.encode(["我 买 了 苹果"])[0]


def encode_with_state(_: Path) -> Asked:
    asked = encoder()
    return asked.model, lambda: StatefulEncoder(asked).encode(["我 买 了 苹果"])[0]


def score_sentences(_: Path) -> Asked:
    asked = encoder()
    return asked.model, lambda: sentence_scores(asked, [QUESTION], [["花", "水"]])[0]


def encode_pieces(_: Path) -> Asked:
    asked = bert()
    return asked.model, lambda: asked.encode(["我买了苹果"])[0]


def fill(_: Path) -> Asked:
    asked = bert()
    return asked.model, lambda: np.array([share for _, share in asked.fill("我买了[MASK]", len(PIECES))[0]])


def score_gaps(_: Path) -> Asked:
    asked = bert()
    return asked.model, lambda: masked_scores(asked, [QUESTION], [["花", "水"]])[0]


def tag(_: Path) -> Asked:
    config = TaggerConfig(("n", "v"), len(VOCABULARY), embedding_size=4, hidden_size=4, num_layers=2, dropout=0.5)
    tagger = Tagger(TaggerNetwork(config), VOCABULARY)
    tagger.network.train()
    emissions: list[np.ndarray] = []
    forward = tagger.network.forward

    def spied(*given: Any) -> Any:
        result = forward(*given)
        emissions.append(result[0].numpy())
        return result

    tagger.network.forward = spied
    return tagger.network, lambda: (tagger.tag("我买了苹果，山水花。"), emissions[-1])[1]


def perplexity(folder: Path) -> Asked:
    dev = SentenceIds(folder / "text", VOCABULARY)
    asked = BiLMObjective(encoder().model, VOCABULARY, dev, dev, PretrainSettings(batch_size=1))
    return asked.model, lambda: np.array(list(asked.evaluate().values()))


def masked_perplexity(folder: Path) -> Asked:
    dev = MaskedSequences(UnitText(folder / "text", PIECES), 12)
    asked = MaskedLMObjective(bert().model, PIECES, dev, dev, MaskedSettings())
    return asked.model, lambda: np.array(list(asked.evaluate().values()))


ASKED = [
    encode,
    encode_with_state,
    score_sentences,
    encode_pieces,
    fill,
    score_gaps,
    tag,
    perplexity,
    masked_perplexity,
]


@pytest.mark.parametrize("make", ASKED, ids=lambda make: make.__name__)
def test_dropout_has_no_say_in_an_answer_and_the_model_stays_as_it_was(make: Callable[[Path], Asked], tmp_path: Path):
    (tmp_path / "text").write_text(TEXT, encoding="utf-8")
    paddle.seed(3)
    model, ask = make(tmp_path)
    model.eval()
    expected = ask()
    assert not any(layer.training for layer in model.sublayers(include_self=True)), "an evaluated model is trained"
    model.train()
    for _ in range(2):
        np.testing.assert_array_equal(ask(), expected)
        assert all(layer.training for layer in model.sublayers(include_self=True))


def test_each_layer_comes_back_in_its_own_mode_even_after_an_error() -> None:
    model = paddle.nn.Sequential(paddle.nn.Linear(2, 2), paddle.nn.Dropout(0.5), paddle.nn.Dropout(0.5))
    model.train()
    model[1].eval()  # as a frozen biLM in a network that is trained
    before = [layer.training for layer in model.sublayers(include_self=True)]
    with pytest.raises(ZeroDivisionError), evaluating(model):
        assert not any(layer.training for layer in model.sublayers(include_self=True))
        assert model(paddle.ones([1, 2])).stop_gradient
        _ = 1 / 0
    assert [layer.training for layer in model.sublayers(include_self=True)] == before
    assert not model(paddle.ones([1, 2])).stop_gradient
