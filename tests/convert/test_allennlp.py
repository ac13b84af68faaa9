"""Models of bilm-tf and AllenNLP: what is read gives the reference's vectors; what is wrong is refused in a line."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from elmo.convert import hdf5, safety
from elmo.convert.allennlp import is_allennlp, read_allennlp
from elmo.errors import InputError
from elmo.models import ModelFiles, read_model, write_model
from elmo.system.types import Array
from tests.refusals import refusal

Datasets = dict[str, Array]
WORDS = "苹果 发布 了 新 手机".split()
CELL = "RNN_{}/RNN/MultiRNNCell/Cell{}/LSTMCell"


def options(**changes: Any) -> dict[str, Any]:
    """Options of a small model; a change of "lstm__dim" is one of options["lstm"]["dim"]."""
    value: dict[str, Any] = {
        "lstm": {"dim": 8, "projection_dim": 6, "n_layers": 2, "cell_clip": 3, "proj_clip": 3.5},
        "char_cnn": {
            "embedding": {"dim": 3},
            "filters": [[1, 2], [2, 4], [3, 3]],
            "n_highway": 1,
            "n_characters": 261,
            "max_characters_per_token": 10,
            "activation": "tanh",
        },
        "dropout": 0.1,
    }
    for path, change in changes.items():
        *groups, key = path.split("__")
        place = value
        for group in groups:
            place = place[group]
        if change is None:
            del place[key]
        else:
            place[key] = change
    return value


def datasets(model: dict[str, Any]) -> Datasets:
    """Random weights as bilm-tf would dump them for these options."""
    generator = np.random.default_rng(7)
    dim, projection_dim = model["lstm"]["dim"], model["lstm"]["projection_dim"]
    shapes: dict[str, tuple[int, ...]] = {}
    if "char_cnn" in model:
        characters = model["char_cnn"]
        char_size, size = characters["embedding"]["dim"], sum(count for _, count in characters["filters"])
        shapes["char_embed"] = (261, char_size)
        for index, (width, count) in enumerate(characters["filters"]):
            shapes[f"CNN/W_cnn_{index}"], shapes[f"CNN/b_cnn_{index}"] = (1, width, char_size, count), (count,)
        for index in range(characters.get("n_highway", 0)):
            for gate in ("carry", "transform"):
                shapes[f"CNN_high_{index}/W_{gate}"], shapes[f"CNN_high_{index}/b_{gate}"] = (size, size), (size,)
        if size != projection_dim:
            shapes["CNN_proj/W_proj"], shapes["CNN_proj/b_proj"] = (size, projection_dim), (projection_dim,)
    for direction in range(2):
        for layer in range(model["lstm"].get("n_layers", 1)):
            cell = CELL.format(direction, layer)
            shapes[f"{cell}/W_0"], shapes[f"{cell}/B"] = (2 * projection_dim, 4 * dim), (4 * dim,)
            if dim != projection_dim:
                shapes[f"{cell}/W_P_0"] = (dim, projection_dim)
    return {name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def write(folder: Path, model: dict[str, Any], weights: Datasets | None = None, **how: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "options.json").write_text(json.dumps(model))
    libver = how.pop("libver", None)
    with h5py.File(folder / "weights.hdf5", "w", libver=libver) as file:
        for name, array in (datasets(model) if weights is None else weights).items():
            file.create_dataset(name, data=array, **how)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory that holds a good small model."""
    return write(tmp_path / "model", options())


def refused(folder: Path, **arguments: Any) -> str:
    message = refusal(read_allennlp, folder, **arguments)
    assert str(folder) in message or "vocab" in message
    return message


# The model in NumPy, on the parameters' names and in the gate order of this package


def sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def codes(token: str, max_characters: int) -> list[int]:
    inner = {"<S>": [256], "</S>": [257]}.get(token) or list(token.encode()[: max_characters - 2])
    word = [258, *inner, 259]
    return word + [260] * (max_characters - len(word))


def token_vectors(model: ModelFiles, tokens: list[str]) -> Array:
    arrays, encoder = model.arrays, model.config["token_encoder"]
    if encoder is None:
        return np.asarray(arrays["embedding_para"][model.vocabulary.encode(tokens)])
    length = encoder["max_characters"]
    characters = arrays["token_encoder.char_embedding"][[codes(token, length) for token in tokens]]
    parts = []
    for k, (width, _) in enumerate(encoder["filters"]):
        weight = arrays[f"token_encoder.convolutions.{k}.weight"]
        windows = sum(characters[:, j : length - width + 1 + j] @ weight[j] for j in range(width))
        best = (windows + arrays[f"token_encoder.convolutions.{k}.bias"]).max(axis=1)
        parts.append(np.maximum(best, 0) if encoder["activation"] == "relu" else np.tanh(best))
    x = np.concatenate(parts, axis=1)
    for k in range(encoder["num_highway"]):
        name = f"token_encoder.highways.{k}"
        gate = sigmoid(x @ arrays[f"{name}.gate_weight"] + arrays[f"{name}.gate_bias"])
        new = np.maximum(x @ arrays[f"{name}.transform_weight"] + arrays[f"{name}.transform_bias"], 0)
        x = gate * new + (1 - gate) * x
    return np.asarray(x @ arrays["token_encoder.projection_weight"] + arrays["token_encoder.projection_bias"])


class Encoder:
    """Both directions of the model, with one row of state that goes on from sentence to sentence."""

    def __init__(self, model: ModelFiles) -> None:
        self.model = model
        self.states: dict[str, tuple[Array, Array]] = {}

    def layer(self, name: str, x: Array) -> Array:
        arrays, config = self.model.arrays, self.model.config
        cell, hidden = self.states.get(name, (np.zeros(config["hidden_size"]), np.zeros(config["embed_size"])))
        cell_clip, proj_clip = config["cell_clip"] or np.inf, config["proj_clip"] or np.inf
        outputs = []
        for row in x:
            gates = row @ arrays[f"{name}.input_weight"] + hidden @ arrays[f"{name}.recurrent_weight"]
            a, i, f, o = np.split(gates + arrays[f"{name}.bias"], 4)
            cell = np.clip(sigmoid(f) * cell + sigmoid(i) * np.tanh(a), -cell_clip, cell_clip)
            hidden = (sigmoid(o) * np.tanh(cell)) @ arrays[f"{name}.projection_weight"]
            hidden = np.clip(hidden, -proj_clip, proj_clip)
            outputs.append(hidden)
        self.states[name] = cell, hidden
        return np.array(outputs)

    def top(self, words: list[str]) -> Array:
        """[2 (forward, backward), words, projection]."""
        tokens = token_vectors(self.model, ["<S>", *words, "</S>"])
        directions = []
        for name, step in (("forward_layers", 1), ("backward_layers", -1)):
            x = tokens[::step]
            for k in range(self.model.config["num_layers"]):
                y = self.layer(f"{name}.{k}", x)
                x = y + x if k and self.model.config["use_skip_connections"] else y
            directions.append(x[::step][1:-1])
        return np.array(directions)


@pytest.mark.parametrize("stream", [0, 1])
def test_the_reference_model_gives_the_references_vectors(shared: Path, stream: int) -> None:
    folder = shared / "parity/bilm_tf"
    encoder = Encoder(read_allennlp(folder))
    with h5py.File(folder / f"lm_embeddings_{stream}.hdf5") as expected:
        for index, sentence in enumerate(json.loads((folder / "sentences.json").read_text())[stream]):
            difference = np.abs(encoder.top(sentence.split()) - expected[str(index)][...]).max()
            assert difference < 2e-6  # the values are around 0.1; the reference adds in another order, in float32


def test_the_reference_models_files_are_recognised_and_its_sizes_read(shared: Path) -> None:
    folder = shared / "parity/bilm_tf"
    model = read_allennlp(folder)
    assert is_allennlp(folder)
    assert (model.kind, model.config["embed_size"], model.config["hidden_size"]) == ("bilm", 16, 64)
    assert model.config["token_encoder"]["filters"] == [[1, 4], [2, 8], [3, 16], [4, 32], [5, 64]]
    assert model.config["bos_id"] == model.vocabulary.tokens.index("<S>") == 207
    assert model.vocabulary.tokens[-1] == "<UNK>"
    assert model.config["vocab_size"] == 449
    assert model.provenance["notes"] == ["<UNK> added to the vocabulary"]


def bilm_tf_layer(weights: Datasets, cell: str, x: Array, clips: tuple[float, float]) -> Array:
    """One layer from zero state, as TensorFlow's LSTMCell calculates it on its own names."""
    dim = weights[f"{cell}/B"].size // 4
    c, h, outputs = np.zeros(dim), np.zeros(x.shape[1]), []
    for row in x:
        i, j, f, o = np.split(np.concatenate([row, h]) @ weights[f"{cell}/W_0"] + weights[f"{cell}/B"], 4)
        c = np.clip(sigmoid(f + 1) * c + sigmoid(i) * np.tanh(j), -clips[0], clips[0])
        h = sigmoid(o) * np.tanh(c)
        if f"{cell}/W_P_0" in weights:
            h = np.clip(h @ weights[f"{cell}/W_P_0"], -clips[1], clips[1])
        outputs.append(h)
    return np.array(outputs)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"lstm__use_skip_connections": True},
        {"lstm__cell_clip": None, "lstm__proj_clip": None},
        {"lstm__dim": 6},  # no projection, and then no clip of it
        {"lstm__n_layers": 1},
        {
            "char_cnn__filters": [[1, 2], [3, 4]],
            "char_cnn__n_highway": None,
            "char_cnn__activation": "relu",
        },  # no CNN_proj
    ],
)
def test_a_model_of_any_shape_calculates_as_in_its_own_names(tmp_path: Path, changes: dict[str, Any]) -> None:
    theirs = options(**{"lstm__proj_clip": 0.02, "lstm__cell_clip": 0.3, **changes})
    weights = datasets(theirs)
    model = read_allennlp(write(tmp_path / "model", theirs))
    x = token_vectors(model, ["<S>", *WORDS, "</S>"])
    expected = []
    clips = theirs["lstm"].get("cell_clip", np.inf), theirs["lstm"].get("proj_clip", np.inf)
    for direction, step in ((0, 1), (1, -1)):
        y = x[::step]
        for layer in range(theirs["lstm"]["n_layers"]):
            output = bilm_tf_layer(weights, CELL.format(direction, layer), y, clips)
            y = output + y if layer and theirs["lstm"].get("use_skip_connections") else output
        expected.append(y[::step][1:-1])
    # float64 in both; the bias with its 1 is rounded to float32 once
    np.testing.assert_allclose(Encoder(model).top(WORDS), expected, atol=1e-6)


def test_one_layer_is_also_read_as_bilm_tf_dumps_it(tmp_path: Path) -> None:
    model = options(lstm__n_layers=1)
    expected = read_allennlp(write(tmp_path / "a", model)).arrays
    renamed = {name.replace("MultiRNNCell/Cell0/", ""): array for name, array in datasets(model).items()}
    found = read_allennlp(write(tmp_path / "b", model, renamed)).arrays
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_gates_change_places_and_the_forget_gate_gets_its_one(folder: Path) -> None:
    theirs, ours = datasets(options()), read_allennlp(folder).arrays
    cell, name = CELL.format(1, 0), "backward_layers.0"
    i, j, f, o = np.split(theirs[f"{cell}/W_0"], 4, axis=1)
    np.testing.assert_array_equal(ours[f"{name}.input_weight"], np.hstack([j, i, f, o])[:6])
    np.testing.assert_array_equal(ours[f"{name}.recurrent_weight"], np.hstack([j, i, f, o])[6:])
    i, j, f, o = np.split(theirs[f"{cell}/B"], 4)
    np.testing.assert_array_equal(ours[f"{name}.bias"], np.concatenate([j, i, f + np.float32(1), o]))


def test_parts_of_the_token_encoder_find_their_names(folder: Path) -> None:
    theirs, ours = datasets(options()), read_allennlp(folder).arrays
    for name, dataset in (
        ("char_embedding", "char_embed"),
        ("convolutions.1.bias", "CNN/b_cnn_1"),
        ("highways.0.gate_weight", "CNN_high_0/W_carry"),
        ("highways.0.gate_bias", "CNN_high_0/b_carry"),
        ("highways.0.transform_weight", "CNN_high_0/W_transform"),
        ("highways.0.transform_bias", "CNN_high_0/b_transform"),
        ("projection_weight", "CNN_proj/W_proj"),
        ("projection_bias", "CNN_proj/b_proj"),
    ):
        np.testing.assert_array_equal(ours[f"token_encoder.{name}"], theirs[dataset])
    np.testing.assert_array_equal(ours["token_encoder.convolutions.1.weight"], theirs["CNN/W_cnn_1"][0])


def test_where_they_do_not_project_the_projection_changes_nothing(tmp_path: Path) -> None:
    arrays = read_allennlp(write(tmp_path / "model", options(char_cnn__filters=[[1, 2], [3, 4]], lstm__dim=6))).arrays
    for name in ("token_encoder.projection_weight", "forward_layers.1.projection_weight"):
        np.testing.assert_array_equal(arrays[name], np.eye(6))
    assert not arrays["token_encoder.projection_bias"].any()


def test_what_is_read_is_a_model_that_can_be_written(folder: Path, tmp_path: Path) -> None:
    model = read_allennlp(folder)
    assert all(array.dtype == np.float32 for array in model.arrays.values())
    write_model(tmp_path / "ours", model)
    again = read_model(tmp_path / "ours")
    assert again.config == model.config
    assert again.provenance == model.provenance
    assert model.provenance["source"] == "AllenNLP / bilm-tf"
    assert model.provenance["converted_from"] == "model"


# Vocabulary, word ids, softmax


def test_without_a_vocabulary_there_are_the_three_special_tokens(folder: Path) -> None:
    model = read_allennlp(folder)
    assert model.vocabulary.tokens == ("<S>", "</S>", "<UNK>")
    assert model.provenance["notes"] == ["no vocabulary came with the weights"]


def test_a_vocabulary_is_read_as_bilm_tf_reads_it(folder: Path) -> None:
    (folder / "vocab-2018.txt").write_text(
        "</S>\r\n<S>\n<UNK>\n 苹果 \n\u3000\n!!!MAXTERMID\n手机\n\n", encoding="utf-8"
    )
    model = read_allennlp(folder)
    assert model.vocabulary.tokens == ("</S>", "<S>", "<UNK>", "苹果", "\u3000", "手机")
    assert (model.config["bos_id"], model.config["eos_id"], model.config["vocab_size"]) == (1, 0, 6)


def test_a_vocabulary_that_is_named_goes_before_those_in_the_directory(folder: Path, tmp_path: Path) -> None:
    for name in ("vocab1.txt", "vocab2.txt"):
        (folder / name).write_text("<S>\n</S>\n<UNK>\n")
    assert "vocab1.txt, vocab2.txt" in refused(folder)
    (tmp_path / "tokens").write_text("<S>\n</S>\n<UNK>\n手机\n", encoding="utf-8")
    assert "手机" in read_allennlp(folder, vocab_path=tmp_path / "tokens").vocabulary


@pytest.mark.parametrize("data", [b"<S>\n</S>\n\xff\n", b"a\n\nb\n", b"a\na\n"])
def test_a_damaged_vocabulary_is_refused_with_its_line(folder: Path, data: bytes) -> None:
    (folder / "vocab.txt").write_bytes(data)
    assert "vocab.txt:" in refused(folder)


def test_a_vocabulary_that_is_missing_or_no_file_is_refused(folder: Path, tmp_path: Path) -> None:
    refused(folder, vocab_path=tmp_path / "nothing.txt")
    os.mkfifo(tmp_path / "vocab")
    refused(folder, vocab_path=tmp_path / "vocab")


def test_word_ids_are_looked_up_in_the_vocabularys_order(tmp_path: Path) -> None:
    theirs = options(char_cnn=None)
    embedding = np.arange(5 * 6, dtype=np.float32).reshape(5, 6)
    folder = write(tmp_path / "model", theirs, {**datasets(theirs), "embedding": embedding})
    assert "needs its vocabulary" in refused(folder)
    (folder / "vocab.txt").write_text("<S>\n</S>\n苹果\n手机\n发布\n", encoding="utf-8")
    assert "needs its vocabulary" in refused(folder)  # without <UNK> there is no row for it
    (folder / "vocab.txt").write_text("<S>\n</S>\n<UNK>\n苹果\n", encoding="utf-8")
    assert "embedding has shape [5, 6], by the options and the vocabulary it would be [4, 6]" in refused(folder)
    (folder / "vocab.txt").write_text("<S>\n</S>\n<UNK>\n苹果\n手机\n", encoding="utf-8")
    model = read_allennlp(folder)
    assert model.config["token_encoder"] is None
    np.testing.assert_array_equal(model.arrays["embedding_para"], embedding)


@pytest.mark.parametrize("apart", [True, False])
def test_the_softmax_is_read_where_the_vocabulary_has_its_rows(tmp_path: Path, apart: bool) -> None:
    softmax = {"softmax/W": np.ones((4, 6), np.float32), "softmax/b": np.arange(4, dtype=np.float32)}
    folder = write(tmp_path / "model", options(), datasets(options()) | ({} if apart else softmax))
    if apart:
        with h5py.File(folder / "elmo_softmax_weights.hdf5", "w") as file:
            for name, array in softmax.items():
                file[name] = array
    assert "softmax over 4 tokens was left out" in read_allennlp(folder).provenance["notes"][-1]
    (folder / "vocab.txt").write_text("<S>\n</S>\n苹果\n手机\n", encoding="utf-8")
    assert not read_allennlp(folder).config["softmax"]  # <UNK> was added, and has no row
    (folder / "vocab.txt").write_text("<S>\n</S>\n<UNK>\n手机\n", encoding="utf-8")
    model = read_allennlp(folder)
    assert model.config["softmax"]
    np.testing.assert_array_equal(model.arrays["softmax_weight"], softmax["softmax/W"])
    np.testing.assert_array_equal(model.arrays["softmax_bias"], softmax["softmax/b"])


# Files and options


def test_only_options_with_hdf5_are_taken_for_such_a_model(folder: Path, tmp_path: Path) -> None:
    assert is_allennlp(folder)
    (folder / "options.json").rename(folder / "elmo_2x4096_512_2048cnn_2xhighway_options.json")
    (folder / "weights.hdf5").rename(folder / "elmo.h5")
    assert is_allennlp(folder)
    read_allennlp(folder)
    (folder / "elmo.h5").unlink()
    assert not is_allennlp(folder)
    assert not is_allennlp(tmp_path / "nothing")
    assert not is_allennlp(folder / "options.json")
    refused(tmp_path / "nothing")


def test_other_hdf5_files_beside_the_weights_are_left_alone(folder: Path) -> None:
    (folder / "lm_embeddings_0.hdf5").write_bytes(b"anything")
    read_allennlp(folder)
    (folder / "old_weights.hdf5").write_bytes(b"anything")
    assert "old_weights.hdf5, weights.hdf5; keep exactly one file of weights" in refused(folder)


@pytest.mark.parametrize("name", ["options.json", "weights.hdf5"])
def test_a_file_that_is_a_link_out_of_the_directory_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).rename(tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    assert "symbolic link" in refused(folder)


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("lstm__dim", 0),
        ("lstm__dim", "8"),
        ("lstm__dim", 8.0),
        ("lstm__dim", True),
        ("lstm__dim", 10**30),
        ("lstm__projection_dim", 9),
        ("lstm__projection_dim", None),
        ("lstm__n_layers", 10**9),
        ("lstm__n_layers", [2]),
        ("lstm__cell_clip", -1),
        ("lstm__cell_clip", 0),
        ("lstm__cell_clip", 10**400),
        ("lstm__proj_clip", float("nan")),
        ("lstm__proj_clip", "3"),
        ("lstm__use_skip_connections", 1),
        ("char_cnn__n_characters", 6000),
        ("char_cnn__n_characters", None),
        ("char_cnn__activation", "gelu"),
        ("char_cnn__activation", []),
        ("char_cnn__filters", []),
        ("char_cnn__filters", [[1, 2, 3]]),
        ("char_cnn__filters", [[11, 2]]),
        ("char_cnn__filters", [[1, -2]]),
        ("char_cnn__filters", [[1, 2]] * 10_000),
        ("char_cnn__filters", {"1": 2}),
        ("char_cnn__max_characters_per_token", 2),
        ("char_cnn__max_characters_per_token", 10**6),
        ("char_cnn__embedding", 3),
        ("char_cnn__n_highway", -1),
        ("char_cnn", "yes"),
        ("bidirectional", False),
        ("dropout", 1.5),
        ("lstm", []),
    ],
)
def test_options_that_describe_no_model_are_refused_by_name(folder: Path, key: str, wrong: Any) -> None:
    (folder / "options.json").write_text(json.dumps(options(**{key: wrong})))
    message = refused(folder)
    assert key.split("__")[0] in message
    assert "options.json" in message
    assert len(message) < 400


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"lstm": 1e999}', "\ud800"])
def test_options_that_are_no_json_object_are_refused(folder: Path, text: str) -> None:
    (folder / "options.json").write_bytes(text.encode(errors="surrogatepass"))
    refused(folder)


# Weights


@pytest.mark.parametrize("name", sorted(datasets(options())))
def test_a_dataset_that_is_missing_or_misshapen_is_named(tmp_path: Path, name: str) -> None:
    weights = datasets(options())
    array = weights.pop(name)
    assert f"the dataset {name} is missing" in refused(write(tmp_path / "model", options(), weights))
    message = refused(write(tmp_path / "model", options(), {**weights, name: array[:-1]}))
    assert f"{name} has shape {[len(array) - 1, *array.shape[1:]]}, by the options" in message
    assert str(list(array.shape)) in message


@pytest.mark.parametrize(
    "name", [CELL.format(0, 2) + "/B", "RNN_2/x", "CNN/W_cnn_3", "CNN_high_1/W_carry", "embedding"]
)
def test_a_parameter_that_the_options_do_not_explain_is_refused(folder: Path, name: str) -> None:
    with h5py.File(folder / "weights.hdf5", "a") as file:
        file[name] = np.zeros(3, np.float32)
    assert f"{name!r} is not part of the model" in refused(folder)


def test_a_dataset_that_is_no_parameter_is_noted(folder: Path) -> None:
    with h5py.File(folder / "weights.hdf5", "a") as file:
        file["global_step"] = 5
        file["train/损\n失"] = 5
    notes = read_allennlp(folder).provenance["notes"]
    assert notes[-1] == "datasets that are no parameters: 'global_step', 'train/损\\n失'"


@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8", ">f8"])
def test_other_kinds_of_float_are_read(tmp_path: Path, dtype: str) -> None:
    weights = {name: array.astype(dtype) for name, array in datasets(options()).items()}
    arrays = read_allennlp(write(tmp_path / "model", options(), weights)).arrays
    found = arrays["token_encoder.char_embedding"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, weights["char_embed"].astype(np.float32))


@pytest.mark.parametrize(
    "value",
    [
        np.zeros((261, 3), np.int32),
        np.zeros((261, 3), np.complex64),
        np.zeros((261, 3), np.longdouble),
        np.zeros((261, 3), [("a", "<f4")]),
        np.full((261, 3), b"x"),
    ],
)
def test_what_is_no_plain_float_is_refused(tmp_path: Path, value: Array) -> None:
    message = refused(write(tmp_path / "model", options(), {**datasets(options()), "char_embed": value}))
    assert "char_embed" in message
    assert "float64" in message


def test_floats_of_another_making_are_refused(folder: Path) -> None:
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_ebias(100)
    with h5py.File(folder / "weights.hdf5", "a") as file:
        del file["char_embed"]
        dataset = h5py.h5d.create(file.id, b"char_embed", kind, h5py.h5s.create_simple((261, 3)))
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ones((261, 3), np.float32))
    assert "char_embed" in refused(folder)


@pytest.mark.parametrize("dtype", [h5py.string_dtype(), h5py.ref_dtype, h5py.vlen_dtype(np.float32)])
def test_objects_and_references_are_refused(folder: Path, dtype: Any) -> None:
    with h5py.File(folder / "weights.hdf5", "a") as file:
        del file["char_embed"]
        file.create_dataset("char_embed", (261, 3), dtype=dtype)
    assert "has values of type object" in refused(folder)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(tmp_path: Path, bad: float) -> None:
    weights = datasets(options())
    weights["CNN_proj/b_proj"][2] = bad
    assert "token_encoder.projection_bias" in refused(write(tmp_path / "model", options(), weights))


def test_a_double_that_float32_cannot_hold_is_refused(tmp_path: Path) -> None:
    weights = datasets(options())
    weights["char_embed"] = np.full((261, 3), 1e300)
    assert "not finite" in refused(write(tmp_path / "model", options(), weights))


@pytest.mark.parametrize("how", [{"compression": "gzip"}, {"compression": "gzip", "shuffle": True}, {"chunks": True}])
def test_packed_weights_are_read(tmp_path: Path, folder: Path, how: dict[str, Any]) -> None:
    packed = read_allennlp(write(tmp_path / "packed", options(), **how)).arrays
    plain = read_allennlp(folder).arrays
    assert all(np.array_equal(packed[name], plain[name]) for name in plain)


@pytest.mark.parametrize("how", [{"compression": "lzf"}, {"scaleoffset": 3}, {"fletcher32": True}])
def test_other_packing_is_refused(tmp_path: Path, how: dict[str, Any]) -> None:
    assert "only gzip" in refused(write(tmp_path / "model", options(), **how))


def test_gzip_that_unpacks_to_more_than_its_chunk_is_refused(folder: Path) -> None:
    import zlib

    with h5py.File(folder / "weights.hdf5", "a") as file:
        del file["char_embed"]
        dataset = file.create_dataset("char_embed", (261, 3), np.float32, chunks=(261, 3), compression="gzip")
        dataset.id.write_direct_chunk((0, 0), zlib.compress(bytes(1 << 22), 9))
    assert "does not unpack to 3,132 bytes" in refused(folder)


def test_a_dataset_that_was_never_written_is_refused(folder: Path) -> None:
    with h5py.File(folder / "weights.hdf5", "a") as file:
        del file["char_embed"]
        file.create_dataset("char_embed", (261, 3), np.float32)
    assert "never written" in refused(folder)


def test_a_model_that_does_not_fit_in_memory_is_refused_before_it_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    num_bytes = 4 * sum(array.size for array in read_allennlp(folder).arrays.values())
    monkeypatch.setattr(safety, "available_memory", lambda: 2 * num_bytes)
    read_allennlp(folder)
    monkeypatch.setattr(safety, "available_memory", lambda: 2 * num_bytes - 1)
    monkeypatch.setattr(hdf5.Hdf5File, "read", lambda *_: pytest.fail("was read"))
    assert "of memory" in refused(folder)


@pytest.fixture
def trap(folder: Path) -> Path:
    """What opens this file waits for ever: nobody writes to it."""
    os.mkfifo(folder / "trap.bin")
    with h5py.File(folder / "weights.hdf5", "a") as file:
        del file["char_embed"]
    return folder / "trap.bin"


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "make",
    [
        lambda file, trap: file.__setitem__("char_embed", h5py.ExternalLink(trap, "char_embed")),
        lambda file, trap: file.__setitem__("elsewhere/char_embed", h5py.ExternalLink(trap, "char_embed")),
        lambda file, trap: (
            file.__setitem__("other", h5py.ExternalLink(trap, "/")),
            file.__setitem__("char_embed", h5py.SoftLink("/other/char_embed")),
        ),
    ],
)
def test_a_link_to_another_file_is_refused_and_not_followed(
    folder: Path, trap: Path, make: Callable[[h5py.File, str], object]
) -> None:
    with h5py.File(folder / "weights.hdf5", "a") as file:
        make(file, str(trap))
    assert "link to another file" in refused(folder)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("unlimited", [True, False])
def test_a_dataset_whose_values_are_in_another_file_is_refused_and_not_read(
    folder: Path, trap: Path, unlimited: bool
) -> None:
    with h5py.File(folder / "weights.hdf5", "a") as file:
        layout = h5py.VirtualLayout((261, 3), np.float32, (None, 3) if unlimited else None)
        source = h5py.VirtualSource(str(trap), "char_embed", (261, 3), np.float32, (None, 3) if unlimited else None)
        if unlimited:
            layout[: h5py.h5s.UNLIMITED, :] = source[: h5py.h5s.UNLIMITED, :]
        else:
            layout[:, :] = source
        file.create_virtual_dataset("char_embed", layout)
    assert "in another file" in refused(folder)
    with h5py.File(folder / "weights.hdf5", "a") as file:
        del file["char_embed"]
        file.create_dataset("char_embed", (261, 3), np.float32, external=[(str(trap), 0, 261 * 12)])
    assert "in another file" in refused(folder)


def test_a_soft_link_inside_the_file_is_followed_and_one_to_nowhere_refused(folder: Path) -> None:
    with h5py.File(folder / "weights.hdf5", "a") as file:
        file.move("char_embed", "kept/there")
        file["char_embed"] = h5py.SoftLink("/kept/there")
    np.testing.assert_array_equal(
        read_allennlp(folder).arrays["token_encoder.char_embedding"], datasets(options())["char_embed"]
    )
    with h5py.File(folder / "weights.hdf5", "a") as file:
        del file["char_embed"]
        file["char_embed"] = h5py.SoftLink("/char_embed")
    assert "weights.hdf5" in refused(folder)


def test_groups_that_go_in_circles_or_are_too_many_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with h5py.File(folder / "weights.hdf5", "a") as file:
        file["CNN/again"] = file["/"]
    assert "too deep" in refused(folder)
    monkeypatch.setattr(hdf5, "_MAX_OBJECTS", 20)
    assert "too many" in refused(folder)


@pytest.mark.slow
@pytest.mark.parametrize("how", [{}, {"libver": "latest"}, {"compression": "gzip", "shuffle": True}])
def test_damaged_weights_end_in_a_line(tmp_path: Path, how: dict[str, Any]) -> None:
    generator = random.Random(2018)
    # few datasets and small, so that most bytes are HDF5's own
    model = options(lstm__n_layers=1, char_cnn__filters=[[2, 6]], char_cnn__n_highway=None, char_cnn__embedding__dim=1)
    folder = write(tmp_path / "model", model, **how)
    path = folder / "weights.hdf5"
    data = path.read_bytes()
    num_refused = 0
    for _ in range(250):
        changed = bytearray(data)
        kind = generator.randrange(8)
        if kind == 0:
            del changed[generator.randrange(len(changed)) :]
        elif kind == 1:
            place = generator.randrange(len(changed))
            changed[place:place] = generator.randbytes(generator.choice([1, 8, 512]))
        else:
            for _ in range(generator.choice([1, 2, 8, 64])):
                place = generator.randrange(len(changed))
                changed[place] = generator.choice([0, 0xFF, 0x7F, changed[place] ^ 1 << generator.randrange(8)])
        path.write_bytes(changed)
        try:
            model_files = read_allennlp(folder)
            assert all(np.isfinite(array).all() for array in model_files.arrays.values())
        except InputError as error:
            assert "\n" not in str(error)
            num_refused += 1
    assert num_refused > 60  # what hits a value, or nothing that matters, passes


def test_damaged_options_end_in_a_line(folder: Path) -> None:
    generator = random.Random(2018)
    path = folder / "options.json"
    data = path.read_bytes()
    for _ in range(200):
        changed = bytearray(data)
        for _ in range(generator.choice([1, 2, 8])):
            place = generator.randrange(len(changed))
            changed[place : place + generator.randrange(3)] = generator.choice(
                [b"0", b"9", b'"', b"]", b"e9", b"\xff", b""]
            )
        path.write_bytes(changed)
        try:
            read_allennlp(folder)
        except InputError as error:
            assert "\n" not in str(error)
