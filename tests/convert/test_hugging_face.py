"""BERT and ERNIE in Hugging Face's layout give the vectors that the formulas say, and bad files one line."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from elmo.convert import convert, read_any, read_config
from elmo.encoding.bert import Bert
from elmo.errors import InputError
from elmo.explore.describe import describe_model, render
from elmo.masked_lm import masked_lm_from_files
from elmo.models import read_model
from elmo.runtime import paddle
from elmo.text.pieces import PieceVocabulary
from tests.refusals import refusal

_spec = importlib.util.spec_from_file_location("bert_reference", Path(__file__).with_name("bert_reference.py"))
assert _spec and _spec.loader
reference = importlib.util.module_from_spec(_spec)
sys.modules["bert_reference"] = reference
_spec.loader.exec_module(reference)

TOKENS = [*PieceVocabulary.special_tokens, *"我们今天去公园看花", "hello", "##s"]
CONFIG: dict[str, Any] = {
    "model_type": "bert",
    "architectures": ["BertModel"],
    "vocab_size": len(TOKENS),
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 20,
    "max_position_embeddings": 10,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
}


def write(folder: Path, *, head: bool = True, pooler: bool = True, prefix: str = "bert.", **fields: Any) -> dict:
    """Write a random model in Hugging Face's layout; returns its parameters by their names without the prefix."""
    config, generator = {**CONFIG, **fields}, np.random.default_rng(7)
    weights = {
        name: generator.normal(1.0 if "LayerNorm.weight" in name else 0.0, 0.3, shape).astype(np.float32)
        for name, shape in reference.shapes(config, head, pooler).items()
    }
    folder.mkdir(exist_ok=True)
    save(folder, {name if name.startswith("cls.") else prefix + name: array for name, array in weights.items()})
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    return {name: array.astype(np.float64) for name, array in weights.items()}


def save(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    save_file(arrays, str(folder / "model.safetensors"), {"format": "pt"})


KINDS = {
    "BertModel": {"head": False, "prefix": ""},
    "BertForMaskedLM": {"pooler": False},
    "BertForPreTraining": {},
    "ErnieModel 1.0": {"head": False, "prefix": "", "model_type": "ernie", "hidden_act": "relu", "use_task_id": False},
    "ErnieForMaskedLM": {
        "pooler": False,
        "prefix": "ernie.",
        "model_type": "ernie",
        "use_task_id": True,
        "task_type_vocab_size": 3,
        "layer_norm_eps": 1e-5,
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_layer_and_every_score_is_that_of_the_formulas(tmp_path, kind):
    weights = write(tmp_path / "model", **KINDS[kind])
    config = {**CONFIG, **KINDS[kind]}
    bert = Bert.from_pretrained(tmp_path / "model")
    text = "我们今天hellos去"
    ids = [2, *(piece.id for piece in bert.tokenize(text)), 3]
    layers = reference.hidden_states(ids, weights, config)
    (vectors,) = bert.encode([text], special_tokens=True)
    # Float32 against double precision: sums of up to 20 numbers of about 1, through two blocks.
    np.testing.assert_allclose(vectors, np.stack(layers), atol=1e-5)
    if KINDS[kind].get("head", True):
        expected = reference.logits(layers[-1], weights, config)
        hidden = paddle.to_tensor(vectors[-1])
        found = bert.model.head.logits(hidden, bert.model.encoder.token_embedding)
        np.testing.assert_allclose(found.numpy(), expected, atol=2e-5)
    else:
        with pytest.raises(InputError, match="came without the head that predicts tokens"):
            bert.fill("我[MASK]")
    if KINDS[kind].get("pooler", True):
        pooled = np.tanh(layers[-1][:1] @ weights["pooler.dense.weight"].T + weights["pooler.dense.bias"])
        np.testing.assert_allclose(bert.model.pooler(paddle.to_tensor(vectors[-1:])).numpy(), pooled, atol=1e-5)


TRANSFORMERS = Path(__file__).with_name("transformers")  # written by make_transformers_models.py


@pytest.mark.parametrize("name", sorted(path.name for path in TRANSFORMERS.iterdir()))
def test_vectors_and_scores_are_those_of_transformers(name):
    bert = Bert.from_pretrained(TRANSFORMERS / name)
    text = "我们去看花，看花hello"
    with np.load(TRANSFORMERS / name / "expected.npz") as expected:
        ids, layers = expected["ids"], expected["hidden_states"]
        logits = expected.get("logits")
    assert [2, *(piece.id for piece in bert.tokenize(text)), 3] == ids.tolist()
    (vectors,) = bert.encode([text], special_tokens=True)
    np.testing.assert_allclose(vectors, layers, atol=1e-5)
    assert bert.model.config.head == (logits is not None)
    if logits is not None:
        found = bert.model.head.logits(paddle.to_tensor(vectors[-1]), bert.model.encoder.token_embedding)
        np.testing.assert_allclose(found.numpy(), logits, atol=2e-5)


def test_every_class_of_transformers_that_is_read_is_compared():
    names = ("BertModel", "BertForMaskedLM", "BertForPreTraining", "ErnieModel", "ErnieForMaskedLM")
    assert {path.name for path in TRANSFORMERS.iterdir()} == set(names)


def test_old_names_and_copies_of_tied_parameters_are_understood(tmp_path):
    write(tmp_path / "model")
    today = Bert.from_pretrained(tmp_path / "model").encode(["我们"])
    arrays = load_file(str(tmp_path / "model/model.safetensors"))
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): array
        for name, array in arrays.items()
    }
    old["cls.predictions.decoder.weight"] = arrays["bert.embeddings.word_embeddings.weight"].copy()
    old["cls.predictions.decoder.bias"] = arrays["cls.predictions.bias"].copy()
    old["cls.seq_relationship.weight"], old["cls.seq_relationship.bias"] = np.zeros((2, 12)), np.zeros(2)
    old["bert.embeddings.position_ids"] = np.arange(10)[None]
    save(tmp_path / "model", old)
    assert (Bert.from_pretrained(tmp_path / "model").encode(["我们"])[0] == today[0]).all()


def test_half_precision_is_read_and_letters_are_told_apart_where_the_tokenizer_says_so(tmp_path):
    write(tmp_path / "model")
    arrays = load_file(str(tmp_path / "model/model.safetensors"))
    save(tmp_path / "model", {name: array.astype(np.float16) for name, array in arrays.items()})
    (tmp_path / "model/tokenizer_config.json").write_text('{"do_lower_case": false}')
    bert = Bert.from_pretrained(tmp_path / "model")
    assert [piece.token for piece in bert.tokenize("Hello")] == ["[UNK]"]
    assert bert.model.encoder.token_embedding.dtype == paddle.float32


def test_a_converted_model_is_ours_and_gives_the_same_vectors(tmp_path):
    write(tmp_path / "model")
    convert(tmp_path / "model", tmp_path / "ours")
    assert read_model(tmp_path / "ours").kind == "masked_lm"
    first, second = (Bert.from_pretrained(tmp_path / name).encode(["我们"])[0] for name in ("model", "ours"))
    assert (first == second).all()
    for name in ("model", "ours"):
        info = describe_model(tmp_path / name)
        assert info.source == "Hugging Face" and info.config["hidden_size"] == 12
        assert "masked_lm" in render(info)
        assert read_config(tmp_path / name, kind="masked_lm")["num_layers"] == 2


def test_a_masked_lm_is_not_taken_for_a_bilm(tmp_path):
    write(tmp_path / "model")
    with pytest.raises(InputError, match="holds a masked_lm model where a bilm model is needed"):
        read_any(tmp_path / "model", kind="bilm")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model_type": "gpt2"}, "model_type is 'gpt2'; only bert and ernie are read"),
        ({"hidden_act": "swish"}, "hidden_act is 'swish'; only gelu, relu, gelu_new are supported"),
        ({"hidden_size": None}, "hidden_size is None; give a whole number from 1 to"),
        ({"num_hidden_layers": 1 << 40}, "num_hidden_layers is 1099511627776"),
        ({"num_attention_heads": 5}, "hidden_size 12 is no multiple of num_attention_heads 5"),
        ({"layer_norm_eps": 0.0}, "layer_norm_eps is 0.0"),
        ({"hidden_dropout_prob": 2}, "hidden_dropout_prob is 2"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type is 'relative_key'"),
        ({"is_decoder": True}, "is_decoder is True; only False is supported"),
        ({"use_task_id": True, "task_type_vocab_size": 0}, "task_type_vocab_size is 0"),
        ({"vocab_size": 99}, "vocab.txt: has 16 tokens, config.json says 99"),
        (
            {"max_position_embeddings": 9},
            r"position_embeddings.weight has shape \[10, 12\], config.json says \[9, 12\]",
        ),
        ({"num_hidden_layers": 3}, "the parameter encoder.layer.2.attention.self.query.weight is missing"),
        ({"num_hidden_layers": 1}, "bert.encoder.layer.1.attention.output.LayerNorm.bias is not part of a BERT"),
    ],
)
def test_an_odd_configuration_is_refused_in_one_line(tmp_path, fields, message):
    write(tmp_path / "model")
    (tmp_path / "model/config.json").write_text(json.dumps({**CONFIG, **fields}))
    assert re.search(message, refusal(Bert.from_pretrained, tmp_path / "model"))


def damage_weights(folder: Path, **arrays: np.ndarray | None) -> None:
    """Change parameters; None takes one out."""
    changed = {**load_file(str(folder / "model.safetensors")), **arrays}
    save(folder, {name: array for name, array in changed.items() if array is not None})


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("bert.pooler.dense.bias", None, "the parameter pooler.dense.bias is missing"),
        ("bert.extra", np.zeros(1, np.float32), "bert.extra is not part of a BERT of these sizes"),
        ("bert.pooler.dense.bias", np.full(12, np.nan, np.float32), "pooler.dense.bias holds values that are not fin"),
        ("bert.pooler.dense.bias", np.zeros(12, np.int64), "pooler.dense.bias is I64, not F16, F32 or F64"),
        ("cls.predictions.decoder.weight", np.zeros((16, 12), np.float32), "decoder.weight is not tied to embeddings"),
        ("cls.predictions.decoder.bias", np.zeros(3, np.float32), r"decoder.bias has shape \[3\]"),
    ],
)
def test_odd_weights_are_refused_in_one_line(tmp_path, name, array, message):
    write(tmp_path / "model")
    damage_weights(tmp_path / "model", **{name: array})
    assert re.search(message, refusal(Bert.from_pretrained, tmp_path / "model"))


def test_missing_and_cut_files_are_refused_in_one_line(tmp_path):
    folder = tmp_path / "model"
    write(folder)
    weights, tokens = (folder / "model.safetensors").read_bytes(), (folder / "vocab.txt").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-9])
    with pytest.raises(InputError, match="truncated or not a safetensors file"):
        Bert.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    (folder / "tf_model.h5").write_bytes(b"\x80\x04.")
    with pytest.raises(InputError, match=r"holds tf_model.h5, not model.safetensors; download that file"):
        Bert.from_pretrained(folder)
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(InputError, match=r"pytorch_model.bin: is damaged or no PyTorch checkpoint"):
        Bert.from_pretrained(folder)
    (folder / "pytorch_model.bin").unlink()
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "vocab.txt").unlink()
    with pytest.raises(InputError, match=r"vocab.txt is missing; put the model's own there"):
        Bert.from_pretrained(folder)
    (tmp_path / "elsewhere.txt").write_bytes(tokens)
    masked_lm_from_files(read_any(folder, vocab_path=tmp_path / "elsewhere.txt"), folder)
    (folder / "vocab.txt").symlink_to(tmp_path / "elsewhere.txt")
    with pytest.raises(InputError, match="is a symbolic link out of"):
        Bert.from_pretrained(folder)
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": 1}')
    with pytest.raises(InputError, match="do_lower_case is 1; it is true or false"):
        read_any(folder, vocab_path=tmp_path / "elsewhere.txt")
    (folder / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config\.json: is not readable JSON"):
        Bert.from_pretrained(folder)
