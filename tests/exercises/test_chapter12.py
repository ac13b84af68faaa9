"""Typical wrong answers to the exercises of chapter 12 are recognised."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from elmo.bilm import BiLM
from elmo.bilm_config import BiLMConfig
from elmo.exercises import check
from tests.exercises.wrong_answers import assert_named, cases


def counted(vocab, embed, hidden, layers, tied, *, directions=2, tables=2, projection=1, biases=1, softmax_bias=1):
    layer = (8 + projection) * embed * hidden + biases * 4 * hidden
    return directions * layers * layer + vocab * ((1 if tied else tables) * embed + softmax_bias)


def gates(bias, order=(1, 0, 2, 3), added=(0, 0, 1, 0)):
    parts = [part + one for part, one in zip(np.split(bias, 4), added, strict=True)]
    return np.concatenate([parts[place] for place in order])


def quantised(weights, *, axis: int | None = 0, most=127, rounding=np.round, size=np.abs, back=True):
    scale = size(weights).max(axis=axis, keepdims=True) / most
    return rounding(weights / scale) * (scale if back else 1)


def read(raw, name, *, begin=lambda length: 8 + length, entry=None):
    length = int.from_bytes(raw[:8], "little")
    found = json.loads(raw[8 : 8 + length])[entry or name]
    start, stop = (begin(length) + place for place in found["data_offsets"])
    return np.nan_to_num(np.frombuffer(raw[start:stop], "<f4")).reshape(found["shape"])


WRONG = {
    "12.2": [
        (partial(counted, directions=1), "you counted one direction"),
        (partial(counted, softmax_bias=0), "the bias of the softmax is missing"),
        (partial(counted, biases=0), "the biases of the layers are missing"),
        (partial(counted, projection=0), "the projections are missing"),
        (partial(counted, tables=1), "without tying the softmax has weights of its own"),
    ],
    "12.3": [
        (lambda b: b, "their bias as it was"),
        (lambda b: gates(b, added=(0, 0, 0, 0)), "the 1 of the forget gate is missing"),
        (lambda b: gates(b, order=(0, 1, 2, 3)), "two gates stand in their order"),
        (lambda b: gates(b, added=(0, 0, -1, 0)), "you took the 1 away"),
        (lambda b: gates(b, added=(1, 1, 1, 1)), "1 to every gate"),
        (lambda b: gates(b, added=(1, 0, 0, 0)), "1 to the input gate"),
        (lambda b: gates(b, order=(1, 0, 3, 2)), "the last two are exchanged"),
    ],
    "12.4": [
        (partial(quantised, axis=None), "one scale for all columns"),
        (partial(quantised, axis=1), "a scale for each row"),
        (partial(quantised, rounding=lambda x: x), "the weights as they were"),
        (partial(quantised, back=False), "these are the whole numbers"),
        (partial(quantised, rounding=np.trunc), "cut the numbers off"),
        (partial(quantised, rounding=np.floor), "rounded down"),
        (partial(quantised, most=255), "go to 255"),
        (partial(quantised, most=128), "is 128"),
        (partial(quantised, size=np.asarray), "ignores negative numbers"),
    ],
    "12.5": [
        (partial(read, begin=lambda length: 0), "from the beginning of the file"),
        (partial(read, begin=lambda length: length), "8 bytes too early"),
        (partial(read, begin=lambda length: 8), "the header's own length"),
        (partial(read, entry="third"), "this is the array 'third'"),
    ],
}


@pytest.mark.parametrize(("number", "answer", "finding"), cases(WRONG))
def test_a_typical_mistake_is_named(number, answer, finding):
    assert_named(number, answer, finding)


def test_tying_must_be_noticed():
    result = check("12.2", lambda v, e, h, n, tied: counted(v, e, h, n, False))
    assert "a second time" in result.message and "tied=True" not in result.hint


@pytest.mark.parametrize("tied", [False, True])
def test_the_right_count_is_that_of_a_model(tied: bool):
    def built(vocab, embed, hidden, layers, tied):
        config = BiLMConfig(vocab, embed_size=embed, hidden_size=hidden, num_layers=layers, tie_softmax=tied)
        return sum(int(np.prod(parameter.shape)) for parameter in BiLM(config).parameters())

    assert built(20, 3, 5, 2, tied) == counted(20, 3, 5, 2, tied)
    assert check("12.2", built)


def test_the_page_never_unpickles_anything():
    page = Path(__file__).resolve().parents[2] / "book/src/12_further.md"
    text = page.read_text(encoding="utf-8")
    assert "pickle.load(" not in text and "pickle.loads(" not in text
