"""A masked language model's vectors belong to the sentence alone, and every piece has one."""

from __future__ import annotations

import numpy as np
import pytest

from elmo.encoding.bert import Bert, _windows
from elmo.errors import InputError
from elmo.masked_lm import MaskedLM, MaskedLMConfig, masked_lm_from_files
from elmo.models import read_model, write_model
from elmo.runtime import paddle
from elmo.text.pieces import PieceVocabulary
from tests.parameters import files_of, shake

VOCABULARY = PieceVocabulary([*PieceVocabulary.special_tokens, *"我们今天去公园看花很好", "apple", "##s"])
CONFIG = MaskedLMConfig(
    len(VOCABULARY), hidden_size=16, num_layers=2, num_heads=2, intermediate_size=24, max_length=12, pooler=True
)
TEXTS = ["我们今天去公园", "花", "", "我们看apples很好。", "好好"]


@pytest.fixture(scope="module")
def bert() -> Bert:
    paddle.seed(1)
    model = MaskedLM(CONFIG)
    shake(model)
    model.eval()
    return Bert(model, VOCABULARY)


def test_every_piece_has_a_vector_of_every_layer(bert):
    for text, vectors in zip(TEXTS, bert.encode(TEXTS), strict=True):
        assert vectors.shape == (3, len(bert.tokenize(text)), 16) and vectors.dtype == np.float32
    assert [piece.token for piece in bert.tokenize("看apples。")] == ["看", "apple", "##s", "[UNK]"]
    assert (bert.num_layers, bert.output_size) == (3, 16)
    assert repr(bert) == "Bert(2 layers, 16 numbers a vector, 18 tokens)"


def test_a_sentence_has_the_same_vectors_alone_and_in_a_batch(bert):
    together = bert.encode(TEXTS)
    for text, vectors, small in zip(TEXTS, together, bert.encode(TEXTS, batch_size=2), strict=True):
        np.testing.assert_allclose(vectors, bert.encode([text])[0], atol=1e-5)
        np.testing.assert_allclose(vectors, small, atol=1e-5)
        assert (bert.encode([text])[0] == bert.encode([text])[0]).all()


def test_special_tokens_stand_before_and_behind(bert):
    for plain, special in zip(bert.encode(TEXTS), bert.encode(TEXTS, special_tokens=True), strict=True):
        assert special.shape[1] == plain.shape[1] + 2
        np.testing.assert_allclose(special[:, 1:-1], plain, atol=1e-5)
        assert np.isfinite(special).all() and (special[0, 0] != special[0, -1]).any()


def test_words_are_read_one_by_one_and_their_places_are_in_the_whole(bert):
    words = ["我们", "apples", "花"]
    assert [(piece.token, piece.begin, piece.end) for piece in bert.tokenize(words)] == [
        ("我", 0, 1),
        ("们", 1, 2),
        ("apple", 2, 7),
        ("##s", 7, 8),
        ("花", 8, 9),
    ]
    np.testing.assert_allclose(bert.encode([words])[0], bert.encode(["我们apples花"])[0], atol=1e-5)


def test_a_long_text_is_read_in_windows_that_are_those_of_its_parts(bert):
    text = ("我们今天去公园看花很好" * 3)[:25]
    (vectors,) = bert.encode([text], special_tokens=True)
    assert vectors.shape == (3, 27, 16)
    for begin, end, first, last in _windows(25, 10):
        (part,) = bert.encode([text[begin:end]])
        np.testing.assert_allclose(vectors[:, first + 1 : last + 1], part[:, first - begin : last - begin], atol=1e-5)


@pytest.mark.parametrize("room", [1, 2, 3, 10])
@pytest.mark.parametrize("count", range(32))
def test_windows_cover_a_text_once_and_leave_context_on_both_sides(count, room):
    windows = _windows(count, room)
    assert [window[2] for window in windows] == [0, *(window[3] for window in windows[:-1])]
    assert windows[-1][3] == count
    for begin, end, first, last in windows:
        assert 0 <= begin <= first <= last <= end <= count and end - begin == min(room, count)
        assert first == 0 or first - begin >= room // 4
        assert last == count or end - last >= (room - 1) // 4


def test_the_loss_is_that_of_the_predictions_and_needs_no_other_places(bert):
    ids = paddle.to_tensor([[2, 5, 4, 7, 3], [2, 4, 9, 9, 3]])
    places, targets = paddle.to_tensor([2, 6]), paddle.to_tensor([6, 5])
    logs = bert.model.predictions(ids, paddle.to_tensor([5, 5]), places).numpy()
    losses = bert.model.losses(ids, places, targets).numpy()
    np.testing.assert_allclose(losses, [-logs[0, 6], -logs[1, 5]], rtol=1e-5)
    np.testing.assert_allclose(np.exp(logs).sum(axis=1), 1, rtol=1e-5)


def test_fill_names_the_most_probable_tokens_of_every_mask(bert):
    first, second = bert.fill("我[MASK]今天[MASK]", 3)
    assert len(first) == len(second) == 3
    assert first[0][1] >= first[1][1] >= first[2][1] > 0 and first[0][0] in VOCABULARY
    for count in (0, -1):
        with pytest.raises(InputError, match=rf"count is {count}: give 1 or more"):
            bert.fill("我[MASK]", count)
    assert len(bert.fill("我[MASK]", 10_000)[0]) == len(VOCABULARY)
    with pytest.raises(InputError, match=r"'我们' has no \[MASK\]"):
        bert.fill("我们")
    with pytest.raises(InputError, match=r"a text of 14 tokens with .* is too long for this model, which reads 12"):
        bert.fill("我们今天去公园看花很好[MASK]")


@pytest.mark.parametrize("bad", ["我们", [3], [["我", 3]]])
def test_what_is_no_list_of_sentences_is_refused(bert, bad):
    with pytest.raises(InputError):
        bert.encode(bad)


def test_a_model_comes_back_from_its_directory(bert, tmp_path):
    write_model(tmp_path / "model", files_of(bert.model, VOCABULARY))
    again = Bert.from_pretrained(tmp_path / "model")
    assert (again.encode(TEXTS)[0] == bert.encode(TEXTS)[0]).all()
    files = read_model(tmp_path / "model")
    del files.arrays["encoder.blocks.1.qkv.bias"]
    with pytest.raises(InputError, match=r"the parameter encoder\.blocks\.1\.qkv\.bias is missing"):
        masked_lm_from_files(files, "model")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hidden_size": 0}, "hidden_size is 0: give a whole number above 0"),
        ({"num_heads": 5}, "hidden_size is 256: give a multiple of num_heads, 5"),
        ({"max_length": 2}, "max_length is 2: give a whole number above 2"),
        ({"dropout": 1.0}, "dropout is 1.0: give a share from 0 to below 1"),
        ({"hidden_act": "tanh"}, "hidden_act is 'tanh': give one of gelu, relu"),
        ({"layer_norm_eps": 0}, "layer_norm_eps is 0"),
        ({"task_type_vocab_size": -1}, "task_type_vocab_size is -1"),
        ({"head": "yes"}, "head is 'yes': give true or false"),
        ({"depth": 3}, "unknown field 'depth'"),
    ],
)
def test_a_bad_configuration_is_refused(fields, message):
    with pytest.raises(InputError, match=message):
        MaskedLMConfig.from_dict({"vocab_size": 20, **fields})


def test_a_configuration_comes_back_from_its_fields():
    assert MaskedLMConfig.from_dict(CONFIG.to_dict()) == CONFIG
    with pytest.raises(InputError, match="lacks vocab_size"):
        MaskedLMConfig.from_dict({})
