"""`elmo grow`: a larger biLM that predicts what a trained one predicts, and learns on with all that is new."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from elmo.adapting.grow import grown
from elmo.bilm import BiLM, bilm_from_files
from elmo.bilm_config import BiLMConfig
from elmo.models import ModelFiles, read_model, write_model
from elmo.runtime import paddle
from elmo.text.characters import TokenEncoderConfig
from elmo.text.vocabulary import Vocabulary
from elmo.training.bilm import pretrain
from elmo.training.settings import PretrainSettings
from tests.commands import elmo as run
from tests.parameters import files_of
from tests.refusals import refusal

VOCABULARY = Vocabulary(["<S>", "</S>", "<UNK>", *"我 你 他 在 家 吃 喝 看 饭 水".split()])
SMALL = {"embed_size": 6, "hidden_size": 8}
LARGE = {"embed_size": 10, "hidden_size": 14}


def trained(**fields: object) -> ModelFiles:
    """A biLM whose parameters, biases among them, are all other than zero."""
    config = BiLMConfig(len(VOCABULARY), **SMALL, dropout=0.0, **fields)
    files = files_of(BiLM(config), VOCABULARY, {"runs": [{"tokens_read": 7}]})
    draw = np.random.default_rng(1)
    arrays = {name: draw.normal(0, 0.5, array.shape).astype("float32") for name, array in files.arrays.items()}
    return dataclasses.replace(files, arrays=arrays)


def read(files: ModelFiles) -> tuple[BiLM, list[np.ndarray], np.ndarray]:
    """A model, the outputs of its readers' layers over some words, and the losses of these."""
    model = bilm_from_files(files, "model")
    ids = paddle.to_tensor([[3, 5, 7, 9, 11], [4, 8, 6, 12, 10]])  # (2, 5)
    forward, backward, _ = model(ids, ids)
    tops = paddle.concat([forward[-1], backward[-1]]).reshape([20, -1])  # (20, embed)
    losses = model.losses(tops, paddle.concat([ids, ids]).reshape([20]))  # (20,)
    return model, [layer.numpy() for layer in (*forward, *backward)], losses.numpy()


@pytest.mark.parametrize("tied", [True, False])
def test_a_grown_model_computes_what_it_did_and_something_new(tied: bool) -> None:
    small = trained(tie_softmax=tied)
    _, layers, losses = read(small)
    _, larger_layers, larger_losses = read(grown(small, **LARGE))
    np.testing.assert_allclose(larger_losses, losses, atol=1e-5)
    for layer, larger in zip(layers, larger_layers, strict=True):
        np.testing.assert_allclose(larger[..., :6], layer, atol=1e-5)
        assert (np.abs(larger[..., 6:]).max(axis=(0, 1)) > 0).all()


@pytest.mark.parametrize("tied", [True, False])
def test_everything_new_learns(tied: bool) -> None:
    files = grown(trained(tie_softmax=tied), **LARGE)
    model = bilm_from_files(files, "model")
    ids = paddle.to_tensor([[3, 5, 7, 9, 11], [4, 8, 6, 12, 10]])  # (2, 5)
    optimizer = paddle.optimizer.SGD(0.1, parameters=model.parameters())
    for _ in range(3):  # a zero that hears of another zero waits for it
        forward, backward, _ = model(ids[:, :-1], ids[:, :-1])
        tops = paddle.concat([forward[-1], backward[-1]]).reshape([16, -1])  # (16, embed)
        model.losses(tops, paddle.concat([ids[:, 1:]] * 2).reshape([16])).mean().backward()
        optimizer.step()
        optimizer.clear_grad()
    began_at_zero = {name: array == 0 for name, array in files.arrays.items() if (array == 0).any()}
    tables = {"embedding_para"} if tied else {"softmax_weight"}
    assert len(began_at_zero) == 3 * 4 + 4 + len(tables)  # weights of four layers, biases of new cells, tables
    for name, parameter in model.named_parameters():
        if name in began_at_zero:
            still = (parameter.numpy() == 0)[began_at_zero[name]]
            assert still.mean() < 0.01, name


def test_nothing_is_added_where_the_sizes_stay() -> None:
    small = trained()
    same = grown(small, **SMALL)
    assert same.arrays.keys() == small.arrays.keys()
    assert all((same.arrays[name] == array).all() for name, array in small.arrays.items())


def test_the_command_makes_a_model_that_pretraining_goes_on_from(tmp_path: Path, capsys) -> None:
    source = write_model(tmp_path / "small", trained(tie_softmax=True))
    sizes = [f"--{name}={size}" for name, size in LARGE.items()]
    assert run("grow", source, "--output", tmp_path / "large", *sizes) == 0
    large = read_model(tmp_path / "large", kind="bilm")
    assert large.provenance["runs"] == [{"tokens_read": 7}]
    assert large.provenance["grown_from"] == {"model": "small", **SMALL}
    assert run("grow", source, "--output", tmp_path / "large", *sizes) == 2
    assert "exists" in capsys.readouterr().err
    shard, vocabulary = tmp_path / "shard", tmp_path / "vocabulary.txt"
    shard.write_text("我 在 家 吃 饭\n你 在 家 喝 水\n" * 20, encoding="utf-8")
    VOCABULARY.save(vocabulary)
    history = pretrain(
        str(shard),
        str(vocabulary),
        test_path=str(shard),
        settings=PretrainSettings(batch_size=4, num_steps=5, max_epoch=1, sample_softmax=False),
        sizes={**LARGE, "tie_softmax": True},
        para_save_dir=str(tmp_path / "run"),
        load_pretraining_params=str(tmp_path / "large"),
    )
    assert history[-1]["perplexity"] < len(VOCABULARY)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (
            {"embed_size": 5, "hidden_size": 8},
            "embed_size is 5, and small has 6: a model grows, so give at least as many",
        ),
        (
            {"embed_size": 6, "hidden_size": 7},
            "hidden_size is 7, and small has 8: a model grows, so give at least as many",
        ),
    ],
)
def test_a_model_does_not_shrink(sizes: dict[str, int], message: str) -> None:
    assert refusal(grown, trained(), **sizes, place="small") == message


def test_a_damaged_model_is_named(tmp_path: Path, capsys) -> None:
    files = trained()
    arrays = {name: array for name, array in files.arrays.items() if name != "forward_layers.1.bias"}
    source = write_model(tmp_path / "small", dataclasses.replace(files, arrays=arrays))
    sizes = [f"--{name}={size}" for name, size in LARGE.items()]
    assert run("grow", source, "--output", tmp_path / "large", *sizes) == 2
    assert "forward_layers.1.bias" in capsys.readouterr().err
    assert not (tmp_path / "large").exists()


def test_a_model_that_reads_characters_does_not_grow() -> None:
    encoder = TokenEncoderConfig(alphabet="utf-8")
    files = files_of(BiLM(BiLMConfig(len(VOCABULARY), **SMALL, token_encoder=encoder)), VOCABULARY)
    assert refusal(grown, files, **LARGE, place="small").startswith("small: reads words by their characters")
