"""What does not fit is refused in one line, the same with compiled loops and without, before anything reads memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from elmo.bilm import BiLM
from elmo.bilm_config import BiLMConfig
from elmo.errors import InputError
from elmo.nn import native
from elmo.nn.char_cnn import TokenEncoder
from elmo.nn.crf import log_likelihood, viterbi
from elmo.nn.dropout import Dropout
from elmo.nn.gru import GRU, BidirectionalGRU, Packing
from elmo.nn.linear import take_rows
from elmo.nn.lstmp import LSTMP
from elmo.nn.scalar_mix import ScalarMix
from elmo.nn.shapes import check_range, check_shapes
from elmo.nn.softmax import LogUniformSampler, full_softmax_loss, sampled_softmax_loss
from elmo.nn.transformer import Block, Linear, Sizes, TransformerEncoder
from elmo.runtime import paddle
from elmo.text.characters import Lexicon, TokenEncoderConfig
from tests.refusals import refusal

SIZES = Sizes(11, 12, 1, 3, 20, 9, 2, 0, "gelu", 0.0, 0.0, 1e-12)
FOUR_TOKENS_AND_EIGHT = Packing([4, 5, 3])  # 12 tokens


def ones(*shape: int, dtype: str = "float32") -> Any:
    return paddle.ones(shape, dtype)


def run_lstmp(inputs: Any, hidden: Any = None, cell: Any = None) -> Any:
    return LSTMP(8, 16, 4)(inputs, None if hidden is None else (hidden, cell))


def run_softmax(features: Any, labels: Any, weight: Any = None, bias: Any = None, sampled: bool = True) -> Any:
    table = ones(50, 6) if weight is None else weight, ones(50) if bias is None else bias
    labels = paddle.to_tensor(labels)
    if sampled:
        return sampled_softmax_loss(features, labels, *table, LogUniformSampler(50, 7), np.random.default_rng(0))
    return full_softmax_loss(features, labels, *table)


def run_encoder(ids: Any, lengths: Any = None, segments: Any = None) -> Any:
    given = (None if each is None else paddle.to_tensor(each) for each in (ids, lengths, segments))
    return TransformerEncoder(SIZES)(*given)


def run_block(rows: Any, batch: int, lengths: Any = None) -> Any:
    return Block(SIZES)(rows, batch, None if lengths is None else paddle.to_tensor(lengths), Dropout(False))


def run_bilm(ids: Any) -> Any:
    bilm = BiLM(BiLMConfig(vocab_size=9, embed_size=4, hidden_size=8, num_layers=1))
    return bilm.look_up(paddle.to_tensor(ids), bilm.word_vectors())


def run_crf(emissions: Any, tags: Any, transitions: Any) -> Any:
    return log_likelihood(emissions, paddle.to_tensor(tags), transitions, FOUR_TOKENS_AND_EIGHT)


def run_token_encoder(word_ids: Any, codes: Any) -> Any:
    config = TokenEncoderConfig(filters=((1, 2),), max_characters=5, word_embed_size=3)
    return TokenEncoder(config, 10, 4)(Lexicon(np.array(word_ids), np.array(codes)))


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "state of 2 rows for 64": (
        lambda: run_lstmp(ones(64, 3, 8), ones(2, 4), ones(2, 16)),
        "LSTMP: state's hidden has shape [2, 4], not [64, 4] (batch, proj)",
    ),
    "cell of 2 rows for 64": (
        lambda: run_lstmp(ones(64, 3, 8), ones(64, 4), ones(2, 16)),
        "LSTMP: state's cell has shape [2, 16], not [64, 16] (batch, hidden)",
    ),
    "state of one row": (
        lambda: run_lstmp(ones(64, 3, 8), *LSTMP(8, 16, 4).zero_state(1)),
        "LSTMP: state's hidden has shape [1, 4], not [64, 4] (batch, proj)",
    ),
    "hidden and cell changed places": (
        lambda: run_lstmp(ones(2, 3, 8), ones(2, 16), ones(2, 4)),
        "LSTMP: state's hidden has shape [2, 16], not [2, 4] (batch, proj)",
    ),
    "input of 12 for 8": (
        lambda: run_lstmp(ones(2, 3, 12)),
        "LSTMP: inputs has shape [2, 3, 12], not [2, 3, 8] (batch, time, input)",
    ),
    "inputs without a time": (
        lambda: run_lstmp(ones(2, 8)),
        "LSTMP: inputs has shape [2, 8], not [batch, time, 8] (batch, time, input)",
    ),
    "no time at all": (lambda: run_lstmp(ones(2, 0, 8)), "LSTMP: inputs has shape [2, 0, 8]: give at least one step"),
    "double inputs": (
        lambda: run_lstmp(ones(2, 3, 8, dtype="float64")),
        "LSTMP: inputs is float64, but input_weight is float32: give one type",
    ),
    "half inputs": (
        lambda: run_lstmp(ones(2, 3, 8, dtype="float16")),
        "LSTMP: inputs is float16, but input_weight is float32: give one type",
    ),
    "inputs that are whole numbers": (
        lambda: run_lstmp(ones(2, 3, 8, dtype="int64")),
        "LSTMP: inputs is int64: give floating-point numbers, such as float32",
    ),
    "7 packed tokens for 12": (
        lambda: GRU(3, 4)(ones(7, 3), FOUR_TOKENS_AND_EIGHT),
        "GRU: inputs has shape [7, 3], not [12, 3] (tokens, input)",
    ),
    "7 packed tokens for 12, both ways": (
        lambda: BidirectionalGRU(3, 4).run_packed(ones(7, 3), FOUR_TOKENS_AND_EIGHT),
        "GRU: inputs has shape [7, 3], not [12, 3] (tokens, input)",
    ),
    "packed tokens for none": (
        lambda: BidirectionalGRU(3, 4).run_packed(ones(7, 3), Packing([0])),
        "GRU: inputs has shape [7, 3], not [0, 3] (tokens, input)",
    ),
    "packed inputs of 5 for 3": (
        lambda: GRU(3, 4)(ones(12, 5), FOUR_TOKENS_AND_EIGHT),
        "GRU: inputs has shape [12, 5], not [12, 3] (tokens, input)",
    ),
    "double packed inputs": (
        lambda: GRU(3, 4)(ones(12, 3, dtype="float64"), FOUR_TOKENS_AND_EIGHT),
        "GRU: inputs is float64, but input_weight is float32: give one type",
    ),
    "unpacking 7 tokens of 12": (
        lambda: FOUR_TOKENS_AND_EIGHT.unpack(ones(7, 3)),
        "packing: packed has shape [7, 3], not [12, 3] (tokens, dim)",
    ),
    "packing a batch without vectors": (
        lambda: FOUR_TOKENS_AND_EIGHT.pack(ones(3, 5)),
        "packing: inputs has shape [3, 5], not [3, 5, dim] (batch, time, dim)",
    ),
    "8 rows and 6 labels": (lambda: run_softmax(ones(8, 6), [1] * 6), "softmax: labels has shape [6], not [8] (count)"),
    "8 rows and 6 labels, whole softmax": (
        lambda: run_softmax(ones(8, 6), [1] * 6, sampled=False),
        "softmax: labels has shape [6], not [8] (count)",
    ),
    "a label behind the vocabulary": (
        lambda: run_softmax(ones(2, 6), [1, 50]),
        "softmax: 50 is among the labels: give 0 to 49, of 50 words",
    ),
    "a label before the vocabulary": (
        lambda: run_softmax(ones(2, 6), [-1, 1]),
        "softmax: -1 is among the labels: give 0 to 49, of 50 words",
    ),
    "a label before the vocabulary, whole softmax": (
        lambda: run_softmax(ones(2, 6), [-1, 1], sampled=False),
        "softmax: -1 is among the labels: give 0 to 49, of 50 words",
    ),
    "labels that are no whole numbers": (
        lambda: run_softmax(ones(2, 6), [1.0, 2.0]),
        "softmax: labels is float32: give whole numbers, int64",
    ),
    "features of 5 for 6": (
        lambda: run_softmax(ones(2, 5), [1, 2]),
        "softmax: features has shape [2, 5], not [2, 6] (count, dim)",
    ),
    "a bias for other words": (
        lambda: run_softmax(ones(2, 6), [1, 2], bias=ones(49)),
        "softmax: bias has shape [49], not [50] (vocab)",
    ),
    "a vocabulary that the sampler does not have": (
        lambda: run_softmax(ones(2, 6), [1, 2], ones(60, 6), ones(60)),
        "softmax: weight has 60 words, but the sampler draws from 50",
    ),
    "double features": (
        lambda: run_softmax(ones(2, 6, dtype="float64"), [1, 2]),
        "softmax: features is float64, but weight is float32: give one type",
    ),
    "a token that is no word": (
        lambda: run_encoder([[1, 11]]),
        "look-up: 11 is among the ids: give 0 to 10, of 11 rows",
    ),
    "a negative token": (lambda: run_encoder([[1, -1]]), "look-up: -1 is among the ids: give 0 to 10, of 11 rows"),
    "tokens that are no whole numbers": (
        lambda: run_encoder([[1.0, 2.0]]),
        "Transformer: token_ids is float32: give whole numbers, int64",
    ),
    "tokens of no batch": (
        lambda: run_encoder([1, 2]),
        "Transformer: token_ids has shape [2], not [batch, time] (batch, time)",
    ),
    "too many positions": (
        lambda: run_encoder([[1] * 10]),
        "Transformer: token_ids has shape [1, 10]: give 1 to 9 tokens a row",
    ),
    "no positions": (
        lambda: run_encoder(np.zeros((2, 0), np.int64)),
        "Transformer: token_ids has shape [2, 0]: give 1 to 9 tokens a row",
    ),
    "a length of 0": (
        lambda: run_encoder([[1, 2], [3, 4]], [2, 0]),
        "Transformer: 0 is among the lengths: give 1 to 2, of 2 positions",
    ),
    "a length beyond the end": (
        lambda: run_encoder([[1, 2], [3, 4]], [2, 3]),
        "Transformer: 3 is among the lengths: give 1 to 2, of 2 positions",
    ),
    "lengths of other rows": (
        lambda: run_encoder([[1, 2], [3, 4]], [2]),
        "Transformer: lengths has shape [1], not [2] (batch)",
    ),
    "a segment that there is not": (
        lambda: run_encoder([[1, 2]], None, [[0, 2]]),
        "look-up: 2 is among the ids: give 0 to 1, of 2 rows",
    ),
    "segments of other tokens": (
        lambda: run_encoder([[1, 2]], None, [[0]]),
        "Transformer: segment_ids has shape [1, 1], not [1, 2] (batch, time)",
    ),
    "a sentence's word before the vocabulary": (
        lambda: run_bilm([[2, -1]]),
        "look-up: -1 is among the ids: give 0 to 8, of 9 rows",
    ),
    "a sentence's word behind the vocabulary": (
        lambda: run_bilm([[2, 9]]),
        "look-up: 9 is among the ids: give 0 to 8, of 9 rows",
    ),
    "ids that are no whole numbers": (
        lambda: take_rows(ones(3, 2), ones(2)),
        "look-up: ids is float32: give whole numbers, int64",
    ),
    "rows of 10 for a map of 12": (
        lambda: Linear(12, 3)(ones(6, 10)),
        "linear map: rows has shape [6, 10], not [6, 12] (count, inputs)",
    ),
    "double rows for a map": (
        lambda: Linear(12, 3)(ones(6, 12, dtype="float64")),
        "linear map: rows is float64, but weight is float32: give one type",
    ),
    "a block's rows of 10 for 12": (
        lambda: run_block(ones(6, 10), 2),
        "block: rows has shape [6, 10], not [6, 12] (rows, dim)",
    ),
    "a block's rows that are no sequences": (
        lambda: run_block(ones(7, 12), 2),
        "block: rows has shape [7, 12]: give as many rows for each of 2 sequences",
    ),
    "a block without sequences": (
        lambda: run_block(ones(0, 12), 0),
        "block: rows has shape [0, 12]: give as many rows for each of 0 sequences",
    ),
    "a block's lengths of others": (
        lambda: run_block(ones(6, 12), 2, [3]),
        "block: lengths has shape [1], not [2] (batch)",
    ),
    "a tag that there is not": (
        lambda: run_crf(ones(12, 3), [3] * 12, ones(5, 3)),
        "CRF: 3 is among the tags: give 0 to 2, of 3 tags",
    ),
    "a negative tag": (
        lambda: run_crf(ones(12, 3), [-1] * 12, ones(5, 3)),
        "CRF: -1 is among the tags: give 0 to 2, of 3 tags",
    ),
    "tags of other tokens": (
        lambda: run_crf(ones(12, 3), [1] * 7, ones(5, 3)),
        "CRF: tags has shape [7], not [12] (tokens)",
    ),
    "scores of other tokens": (
        lambda: run_crf(ones(7, 3), [1] * 12, ones(5, 3)),
        "CRF: emissions has shape [7, 3], not [12, 3] (tokens, tags)",
    ),
    "a table of transitions alone": (
        lambda: run_crf(ones(12, 3), [1] * 12, ones(3, 3)),
        "CRF: transitions has shape [3, 3], not [5, 3] (tags+2, tags)",
    ),
    "the best tags of more tokens": (
        lambda: viterbi(np.ones((15, 3)), np.ones((5, 3)), FOUR_TOKENS_AND_EIGHT),
        "CRF: emissions has shape [15, 3], not [12, 3] (tokens, tags)",
    ),
    "a symbol that there is not": (
        lambda: run_token_encoder([1], [[0, 1, 2, 3, 261]]),
        "token encoder: 261 is among the codes: give 0 to 260, of 261 symbols",
    ),
    "a word that there is not": (
        lambda: run_token_encoder([-1], [[0, 1, 2, 3, 4]]),
        "token encoder: -1 is among the word ids: give 0 to 9, of 10 words",
    ),
    "words of other lengths": (
        lambda: run_token_encoder([1], [[0, 1, 2]]),
        "token encoder: codes has shape [1, 3], not [1, 5] (words, characters)",
    ),
    "codes of other words": (
        lambda: run_token_encoder([1, 2], [[0, 1, 2, 3, 4]]),
        "token encoder: codes has shape [1, 5], not [2, 5] (words, characters)",
    ),
    "layers of several shapes": (
        lambda: ScalarMix(2)([ones(2, 3, 4), ones(2, 1, 4)]),
        "scalar mix: layer 1 has shape [2, 1, 4], layer 0 [2, 3, 4]: give one",
    ),
}


@pytest.mark.parametrize("loops", ["compiled", "paddle"])
@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_refused_in_the_same_words_with_compiled_loops_and_without(name, loops, monkeypatch):
    monkeypatch.setenv(native.SWITCH, "1" if loops == "compiled" else "0")
    if loops == "compiled" and native.library() is None:
        pytest.skip(f"compiled loops are {native.status()}")
    call, message = WRONG[name]
    assert refusal(call) == message


def test_labels_lengths_and_tags_may_be_of_32_bits():
    labels = np.array([1, 2], np.int32)
    assert run_softmax(ones(2, 6), labels).shape == run_softmax(ones(2, 6), labels, sampled=False).shape == [2]
    assert run_encoder(np.array([[1, 2]], np.int32), np.array([2], np.int32))[0].shape == [1, 2, 12]
    assert run_crf(ones(12, 3), np.ones(12, np.int32), ones(5, 3)).shape == [3]


def test_sizes_come_from_the_first_tensor_that_has_them_and_from_what_is_known():
    tensors = {
        "gates": (ones(3, 2, 20), "time+1 batch 4*hidden"),
        "cell": (ones(2, 5), "batch hidden"),
        "no": (None, "x"),
    }
    assert check_shapes("cell", tensors, {"time": 2}) == {"time": 2, "batch": 2, "hidden": 5}
    with pytest.raises(InputError, match=r"cell: gates has shape \[3, 2, 20\], not \[time\+1, 2, 20\]"):
        check_shapes("cell", tensors)  # nothing says how many steps there are


def test_types_may_be_mixed_within_paddles_automatic_mixed_precision_alone(monkeypatch):
    tensors = {"x": (ones(2), "n"), "y": (ones(2, dtype="bfloat16"), "n")}
    with pytest.raises(InputError, match="y is bfloat16, but x is float32"):
        check_shapes("sum", tensors)
    monkeypatch.setattr(paddle, "is_autocast_enabled", lambda: True)  # which has no effect on a CPU
    assert check_shapes("sum", tensors) == {"n": 2}


def test_no_number_is_out_of_range_where_there_is_none():
    check_range("table", "ids", paddle.zeros([0, 3], "int64"), 0, -1, "0 words")
