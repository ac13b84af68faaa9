"""Weights of other systems give, through our own code, the vectors that these systems computed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import parity
from elmo.convert import convert
from elmo.encoding.encoder import StatefulEncoder, load_pretrained

MODELS = ["bilm_tf", "elmoformanylangs/word", "elmoformanylangs/charword"]


def test_every_layer_of_every_system_agrees(shared: Path):
    systems = parity.measure(shared / "parity")
    found = {
        (system, case, layer): difference
        for system, cases in systems.items()
        for case, layers in cases.items()
        for layer, difference in layers.items()
    }
    assert len(found) == 1 + 2 * 4 * 3
    assert {place: difference for place, difference in found.items() if difference > 1e-5} == {}


def test_the_recorded_differences_are_within_the_tolerance(data: Path):
    record = json.loads((data / "results/parity.json").read_text(encoding="utf-8"))
    assert record["tolerance"] == 1e-5
    systems = record["largest_differences"].values()
    assert max(value for cases in systems for layers in cases.values() for value in layers.values()) <= 1e-5


def test_without_the_carried_state_the_reference_is_missed(shared: Path):
    # what makes the test above one that can fail: the state does matter, from the second sentence on
    folder = shared / "parity/bilm_tf"
    sentence = json.loads((folder / "sentences.json").read_text(encoding="utf-8"))[0][:2]
    encoder = load_pretrained(folder, "whitespace")
    fresh = encoder.encode([words.split() for words in sentence])
    stateful = StatefulEncoder(encoder)
    carried = [stateful.encode([words.split()])[0] for words in sentence]
    np.testing.assert_allclose(carried[0], fresh[0], atol=1e-6)
    assert np.abs(carried[1] - fresh[1]).max() > 1e-3


@pytest.mark.parametrize("model", MODELS)
def test_a_converted_model_is_the_same_model(shared: Path, tmp_path: Path, model: str):
    convert(shared / "parity" / model, tmp_path / "ours")
    words = ["苹果", "New", "，", "未知的词"]
    original, converted = (
        load_pretrained(place, "whitespace") for place in (shared / "parity" / model, tmp_path / "ours")
    )
    assert (original.encode([words])[0] == converted.encode([words])[0]).all()
    assert converted.provenance["source"] == original.provenance["source"]
    assert converted.provenance["converted_from"] == Path(model).name


@pytest.mark.parametrize("model", MODELS)
def test_what_stands_beside_a_sentence_does_not_change_it(shared: Path, model: str):
    encoder = load_pretrained(shared / "parity" / model, "whitespace")
    sentences = [["苹果"], ["a", "very", "long", "sentence", "of", "nine", "words", "，", "。"], ["手机", "好"]]
    for words, vectors in zip(sentences, encoder.encode(sentences), strict=True):
        np.testing.assert_allclose(encoder.encode([words])[0], vectors, atol=1e-6)


def test_an_unknown_word_has_a_vector_of_its_own_where_characters_are_read(shared: Path):
    for model, differ in (("bilm_tf", True), ("elmoformanylangs/charword", True), ("elmoformanylangs/word", False)):
        encoder = load_pretrained(shared / "parity" / model, "whitespace")
        first, second = encoder.encode([["北从qz"], ["的zz在"]])
        assert (np.abs(first[0] - second[0]).max() > 1e-4) == differ, model
