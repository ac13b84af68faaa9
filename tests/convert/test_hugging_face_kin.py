"""What people have in place of the three files as published: other files, fewer fields, heads of tasks."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from elmo.convert import read_any
from elmo.encoding.bert import Bert
from elmo.errors import InputError
from tests.convert.manylangs_reference import checkpoint
from tests.convert.test_hugging_face import CONFIG, TOKENS, reference, write
from tests.refusals import refusal

TEXT = "我们今天hello去"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def vectors(model: Path) -> np.ndarray:
    """Of the files as published."""
    found: np.ndarray = Bert.from_pretrained(model).encode([TEXT])[0]
    return found


def arrays_of(model: Path) -> dict[str, np.ndarray]:
    return load_file(str(model / "model.safetensors"))


def configure(model: Path, without: tuple[str, ...] = (), **fields: Any) -> None:
    config = {name: value for name, value in {**CONFIG, **fields}.items() if name not in without}
    (model / "config.json").write_text(json.dumps(config), encoding="utf-8")


def check(model: Path, vectors: np.ndarray) -> None:
    np.testing.assert_array_equal(Bert.from_pretrained(model).encode([TEXT])[0], vectors)


def write_shards(model: Path, arrays: dict[str, np.ndarray]) -> None:
    """Two safetensors files and their index in place of one."""
    (model / "model.safetensors").unlink()
    names = sorted(arrays)
    places = {name: f"model-0000{1 + number % 2}-of-00002.safetensors" for number, name in enumerate(names)}
    for file in set(places.values()):
        save_file({name: arrays[name] for name in names if places[name] == file}, str(model / file), {"format": "pt"})
    index = {"metadata": {"total_size": 1}, "weight_map": places}
    (model / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


def test_a_vocabulary_may_name_fewer_tokens_than_there_are_rows(tmp_path):
    # As ERNIE 1.0 was published: vocab_size 18,000, and 17,964 lines in vocab.txt.
    tokens = [*TOKENS, *(f"word{number}" for number in range(1000))]
    weights = write(tmp_path / "model", model_type="ernie", hidden_act="relu", vocab_size=len(tokens) + 3)
    (tmp_path / "model/vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    with pytest.warns(UserWarning, match=r"vocab.txt: names 1,016 of 1,019 tokens: the last 3 are unused"):
        bert = Bert.from_pretrained(tmp_path / "model")
    assert bert.vocabulary.tokens[-3:] == ("[unused1016]", "[unused1017]", "[unused1018]")
    config = {**CONFIG, "hidden_act": "relu"}
    ids = [2, *(piece.id for piece in bert.tokenize("我们")), 3]
    layers = reference.hidden_states(ids, weights, config)
    np.testing.assert_allclose(bert.encode(["我们"], special_tokens=True)[0], np.stack(layers), atol=1e-5)
    assert sum(share for _, share in bert.fill("我[MASK]", len(tokens) + 3)[0]) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("head", ["classifier", "qa_outputs"])
def test_the_head_of_a_fine_tuned_model_is_left_out_with_a_line(tmp_path, head):
    write(tmp_path / "model", head=False)
    vectors = Bert.from_pretrained(tmp_path / "model").encode([TEXT])[0]
    head_arrays = {f"{head}.weight": np.zeros((3, 12), np.float32), f"{head}.bias": np.zeros(3, np.float32)}
    save_file({**arrays_of(tmp_path / "model"), **head_arrays}, str(tmp_path / "model/model.safetensors"))
    with pytest.warns(UserWarning, match=f"model: was fine-tuned; its {head} are left out"):
        check(tmp_path / "model", vectors)


def test_weights_in_several_files_are_read_by_their_index(model, vectors):
    write_shards(model, arrays_of(model))
    check(model, vectors)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bert.pooler.dense.bias": "../secret.safetensors"}, "leads out of the directory"),
        ({"bert.pooler.dense.bias": "gone.safetensors"}, "gone.safetensors: can't be read"),
        ({"bert.pooler.dense.bias": "config.json"}, r"is in 'config.json': no .safetensors file"),
        ({"bert.more": "model-00001-of-00002.safetensors"}, "holds bert.more: it does not"),
    ],
    ids=["outside", "missing", "other file", "other parameter"],
)
def test_an_odd_index_is_refused_in_one_line(model, change, message):
    write_shards(model, arrays_of(model))
    path = model / "model.safetensors.index.json"
    index = json.loads(path.read_text(encoding="utf-8"))
    index["weight_map"].update(change)
    path.write_text(json.dumps(index), encoding="utf-8")
    assert re.search(message, refusal(Bert.from_pretrained, model))
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="has no weight_map from parameters to files"):
        Bert.from_pretrained(model)


def test_a_pytorch_checkpoint_is_read_without_being_executed(model, vectors):
    (model / "pytorch_model.bin").write_bytes(checkpoint(arrays_of(model)))  # what torch.save writes
    (model / "model.safetensors").unlink()
    check(model, vectors)
    (model / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(InputError, match=r"pytorch_model\.bin: "):
        Bert.from_pretrained(model)


def test_an_old_configuration_does_not_say_which_model_it_is(model, vectors):
    configure(model, without=("model_type",))
    check(model, vectors)


def test_a_tokenizer_s_file_alone_has_the_tokens(model, vectors):
    (model / "vocab.txt").unlink()
    ids = {token: number for number, token in enumerate(TOKENS) if number >= 5}
    added = [{"id": number, "content": token} for number, token in enumerate(TOKENS[:5])]
    tokenizer = {
        "model": {"type": "WordPiece", "vocab": ids},
        "added_tokens": added,
        "normalizer": {"lowercase": False},
    }
    path = model / "tokenizer.json"
    path.write_text(json.dumps(tokenizer), encoding="utf-8")
    check(model, vectors)
    assert [piece.token for piece in Bert.from_pretrained(model).tokenize("Hello")] == ["[UNK]"]
    for changed, message in (
        ({"model": {"type": "BPE", "vocab": {}}}, "its model is 'BPE', not WordPiece"),
        ({"model": {"type": "WordPiece", "vocab": {"a": 9}}}, "the ids of its tokens are not 0 to 5"),
        ({"model": None}, "its model is 'None', not WordPiece"),
        ({"normalizer": {"lowercase": 1}}, "lowercase is 1; it is true or false"),
    ):
        path.write_text(json.dumps({**tokenizer, **changed}), encoding="utf-8")
        with pytest.raises(InputError, match=message):
            Bert.from_pretrained(model)


@pytest.mark.parametrize("name", ["gelu_new", "gelu_pytorch_tanh"])
def test_gelu_by_tanh_is_that_of_its_formula(tmp_path, name):
    weights = write(tmp_path / "model", hidden_act=name)
    bert = Bert.from_pretrained(tmp_path / "model")
    ids = [2, *(piece.id for piece in bert.tokenize("我们")), 3]
    (found,) = bert.encode(["我们"], special_tokens=True)
    layers = {act: reference.hidden_states(ids, weights, {**CONFIG, "hidden_act": act}) for act in ("gelu", "gelu_new")}
    np.testing.assert_allclose(found, np.stack(layers["gelu_new"]), atol=1e-5)
    assert np.abs(found - np.stack(layers["gelu"])).max() > 3e-5  # the two are not the same


def test_task_embeddings_are_used_where_the_configuration_says_nothing_of_them(tmp_path):
    fields = {"model_type": "ernie", "use_task_id": True, "task_type_vocab_size": 3}
    weights = write(tmp_path / "model", **fields)
    configure(tmp_path / "model", model_type="ernie")
    bert = Bert.from_pretrained(tmp_path / "model")
    assert bert.model.config.task_type_vocab_size == 3
    ids = [2, *(piece.id for piece in bert.tokenize("我们")), 3]
    layers = reference.hidden_states(ids, weights, {**CONFIG, **fields})
    np.testing.assert_allclose(bert.encode(["我们"], special_tokens=True)[0], np.stack(layers), atol=1e-5)
    configure(tmp_path / "model", model_type="ernie", use_task_id=False)
    with pytest.warns(UserWarning, match="use_task_id is false: its task embeddings are left out"):
        without = Bert.from_pretrained(tmp_path / "model")
    layers = reference.hidden_states(ids, weights, CONFIG)
    np.testing.assert_allclose(without.encode(["我们"], special_tokens=True)[0], np.stack(layers), atol=1e-5)
    assert read_any(tmp_path / "model").config["task_type_vocab_size"] == 0
