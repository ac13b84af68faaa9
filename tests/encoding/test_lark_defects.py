"""Each of LARK's defects changes what it says and nothing else; without any, a biLM gives what it always gives."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elmo.bilm import BiLM
from elmo.encoding.encoder import load_pretrained
from elmo.encoding.features import ElmoFeatures
from elmo.encoding.lark_defects import DEFECTS, LarkTransfer, check_defects
from elmo.errors import InputError
from elmo.runtime import paddle

LENGTHS = [4, 1, 7, 6]
Arrays = list[Any]


@pytest.fixture(scope="module")
def bilm(tiny_elmo: Path) -> BiLM:
    model = load_pretrained(tiny_elmo, "whitespace").model
    for parameter in model.parameters():  # so large that layers differ well beyond rounding
        parameter.set_value(parameter * 3)
    return model


@pytest.fixture(scope="module")
def batch(bilm: BiLM) -> tuple[Any, Any]:
    """Ids [batch, time] and lengths of four sentences."""
    ids = np.random.default_rng(0).integers(0, bilm.config.vocab_size, [len(LENGTHS), max(LENGTHS)])
    return paddle.to_tensor(ids), paddle.to_tensor(np.array(LENGTHS))


def vectors(model: BiLM, batch: tuple[Any, Any]) -> Arrays:
    """For each layer the vectors of each sentence, without padding."""
    with paddle.no_grad():
        layers = model.layers(*batch)
    return [[row[:length] for row, length in zip(layer.numpy(), LENGTHS, strict=True)] for layer in layers]


@pytest.fixture
def correct(bilm: BiLM, batch: tuple[Any, Any]) -> Arrays:
    return vectors(bilm, batch)


def same(ours: Arrays, theirs: Arrays) -> bool:
    return all((a == b).all() for a, b in zip(ours, theirs, strict=True))


def halves(sentence: Any) -> tuple[Any, Any]:
    """Forward and backward part of a sentence's vectors."""
    return np.split(sentence, 2, axis=1)


def test_without_defects_the_vectors_are_those_of_the_bilm(bilm: BiLM, batch: tuple[Any, Any], correct: Arrays) -> None:
    found = vectors(LarkTransfer(bilm, []), batch)
    assert all(same(ours, theirs) for ours, theirs in zip(found, correct, strict=True))


def test_parameters_are_those_of_the_bilm(bilm: BiLM) -> None:
    theirs = dict(bilm.named_parameters())
    ours = dict(LarkTransfer(bilm, DEFECTS).named_parameters())
    assert ours.keys() == theirs.keys()
    assert all(ours[name] is theirs[name] for name in ours)


def test_reversed_gives_a_word_the_backward_state_of_its_mirror(
    bilm: BiLM, batch: tuple[Any, Any], correct: Arrays
) -> None:
    found = vectors(LarkTransfer(bilm, ["reversed"]), batch)
    assert same(found[0], correct[0])
    for layer in (1, 2):
        for ours, theirs in zip(found[layer], correct[layer], strict=True):
            assert (halves(ours)[0] == halves(theirs)[0]).all()
            assert (halves(ours)[1] == halves(theirs)[1][::-1]).all()
        assert not same(found[layer], correct[layer])


def test_same_input_changes_layer_2_alone_which_reads_the_words(
    bilm: BiLM, batch: tuple[Any, Any], correct: Arrays
) -> None:
    found = vectors(LarkTransfer(bilm, ["same_input"]), batch)
    assert same(found[0], correct[0]) and same(found[1], correct[1])
    for row, (ours, theirs) in enumerate(zip(found[2], correct[2], strict=True)):
        assert all(np.abs(a - b).max() > 1e-3 for a, b in zip(halves(ours), halves(theirs), strict=True))
        ids = [bilm.config.bos_id, *batch[0].numpy()[row, : LENGTHS[row]].tolist()]
        with paddle.no_grad():
            words = bilm.look_up(paddle.to_tensor([ids]), bilm.word_vectors())
            expected = bilm.forward_layers[1](words)[0] + words
        np.testing.assert_allclose(halves(ours)[0], expected.numpy()[0, 1:], atol=1e-5)  # products of other shapes


def test_no_residual_changes_layer_2_alone_by_layer_1(bilm: BiLM, batch: tuple[Any, Any], correct: Arrays) -> None:
    found = vectors(LarkTransfer(bilm, ["no_residual"]), batch)
    assert same(found[0], correct[0]) and same(found[1], correct[1])
    for ours, whole, first in zip(found[2], correct[2], correct[1], strict=True):
        np.testing.assert_allclose(ours, whole - first, atol=1e-5)  # a sum less a summand
        assert np.abs(first).max() > 1e-3


def test_dropout_gives_other_vectors_each_time_but_not_other_words(
    bilm: BiLM, batch: tuple[Any, Any], correct: Arrays
) -> None:
    model = LarkTransfer(bilm, ["dropout"])
    paddle.seed(1)
    once, twice = vectors(model, batch), vectors(model, batch)
    assert same(once[0], correct[0])
    for layer in (1, 2):
        assert not same(once[layer], twice[layer])
        assert not same(once[layer], correct[layer])
    paddle.seed(1)
    again = vectors(model, batch)
    assert all(same(ours, theirs) for ours, theirs in zip(once, again, strict=True))


def test_no_boundaries_lets_both_directions_begin_with_a_word(
    bilm: BiLM, batch: tuple[Any, Any], correct: Arrays
) -> None:
    found = vectors(LarkTransfer(bilm, ["no_boundaries"]), batch)
    assert same(found[0], correct[0])
    for layer in (1, 2):
        for row, (ours, theirs) in enumerate(zip(found[layer], correct[layer], strict=True)):
            assert all(np.abs(a - b).max() > 1e-3 for a, b in zip(halves(ours), halves(theirs), strict=True))
            ids = batch[0].numpy()[row : row + 1, : LENGTHS[row]]
            turned = np.ascontiguousarray(ids[:, ::-1])
            with paddle.no_grad():
                ahead, behind, _ = bilm(paddle.to_tensor(ids), paddle.to_tensor(turned))
            expected = [ahead[layer - 1].numpy()[0], behind[layer - 1].numpy()[0, ::-1]]
            for part, reference in zip(halves(ours), expected, strict=True):
                np.testing.assert_allclose(part, reference, atol=1e-5)  # products of other shapes


def test_defects_add_up(bilm: BiLM, batch: tuple[Any, Any]) -> None:
    """Two at once are neither one of them alone; reversing afterwards undoes nothing else."""
    for pair in itertools.combinations([name for name in DEFECTS if name != "dropout"], 2):
        both, *single = (vectors(LarkTransfer(bilm, names), batch) for names in (pair, pair[:1], pair[1:]))
        assert not any(same(both[2], each[2]) for each in single), pair
        if "reversed" in pair:
            other = single[1 - pair.index("reversed")]
            for ours, theirs in zip(both[2], other[2], strict=True):
                assert (halves(ours)[1] == halves(theirs)[1][::-1]).all()


def test_features_take_defects_by_name(tiny_elmo: Path) -> None:
    sentence = [["今晚", "的", "演出", "我"]]
    plain, turned = (ElmoFeatures(tiny_elmo, defects=names).encode(sentence)[0] for names in ((), ["reversed"]))
    assert (turned[1][:, 5:] == plain[1][::-1, 5:]).all()


def test_names_are_put_in_order_and_unknown_ones_refused() -> None:
    assert check_defects(["dropout", "same_input", "dropout"]) == ("same_input", "dropout")
    with pytest.raises(InputError, match="'slow' is none of LARK's defects: same_input, reversed"):
        check_defects(["slow"])


def test_lark_reads_no_hole(bilm: BiLM, batch: tuple[Any, Any]) -> None:
    with pytest.raises(InputError, match="positions is 'hole'"):
        LarkTransfer(bilm, ["reversed"]).layers(*batch, positions="hole")
