"""Checkpoints of LARK: a model of ours out of one and back, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import re
import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from elmo.convert import safety
from elmo.convert.lark import is_lark, read_lark, write_lark
from elmo.errors import InputError
from elmo.models import ModelFiles, read_model, write_model
from tests.refusals import refusal

VOCAB, EMBED, HIDDEN, LAYERS = 7, 3, 5, 2
WORDS = ["<S>", "</S>", "<UNK>", "的", "是", "在", "北京"]
Change = Callable[[Path], object]


def variable(array: np.ndarray, data_type: int = 5) -> bytes:
    """A variable file by hand, independent of `write_variable`; dimensions below 128."""
    description = bytes([8, data_type]) + b"".join(bytes([16, dimension]) for dimension in array.shape)
    return struct.pack("<IQIi", 0, 0, 0, len(description)) + description + array.tobytes()


def lark_arrays(seed: int = 0, num_layers: int = LAYERS, softmax: bool = True) -> dict[str, np.ndarray]:
    """Random parameters by LARK's names."""
    shapes = {"embedding_para": (VOCAB, EMBED)}
    for layer in range(1, num_layers + 1):
        shapes |= {f"{way}w_layer{layer}_gate_w": (EMBED, 4 * HIDDEN) for way in "fb"}
    for number in range(2 * num_layers):
        shapes[f"lstmp_{number}.w_0"] = (EMBED, 4 * HIDDEN)
        shapes[f"lstmp_{number}.w_1"] = (HIDDEN, EMBED)
        shapes[f"lstmp_{number}.b_0"] = (1, 4 * HIDDEN)
    if softmax:
        shapes |= {"softmax_weight": (VOCAB, EMBED), "softmax_bias": (VOCAB,)}
    generator = np.random.default_rng(seed)
    return {name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def save(directory: Path, arrays: dict[str, np.ndarray]) -> Path:
    directory.mkdir()
    for name, array in arrays.items():
        (directory / name).write_bytes(variable(array))
    (directory / "vocabulary_min5k.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    return directory


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return save(tmp_path / "baike_elmo_checkpoint", lark_arrays())


def replace(name: str, array: np.ndarray, data_type: int = 5) -> Change:
    return lambda directory: (directory / name).write_bytes(variable(array, data_type))


def remove(*names: str) -> Change:
    return lambda directory: [(directory / name).unlink() for name in names]


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def assert_same(files: ModelFiles, others: ModelFiles) -> None:
    assert files.config == others.config
    assert files.vocabulary == others.vocabulary
    assert files.arrays.keys() == others.arrays.keys()
    for name, array in files.arrays.items():
        np.testing.assert_array_equal(array, others.arrays[name], err_msg=name)


def test_every_parameter_comes_to_its_place(checkpoint: Path) -> None:
    theirs, files = lark_arrays(), read_lark(checkpoint)
    expected = {name: theirs[name] for name in ("embedding_para", "softmax_weight", "softmax_bias")}
    # Forward layers are numbered first, then backward ones.
    for ours, gate, lstmp in (
        ("forward_layers.0", "fw_layer1", "lstmp_0"),
        ("forward_layers.1", "fw_layer2", "lstmp_1"),
        ("backward_layers.0", "bw_layer1", "lstmp_2"),
        ("backward_layers.1", "bw_layer2", "lstmp_3"),
    ):
        expected[f"{ours}.input_weight"] = theirs[f"{gate}_gate_w"]
        expected[f"{ours}.recurrent_weight"] = theirs[f"{lstmp}.w_0"]
        expected[f"{ours}.projection_weight"] = theirs[f"{lstmp}.w_1"]
        expected[f"{ours}.bias"] = theirs[f"{lstmp}.b_0"][0]
    assert files.arrays.keys() == expected.keys()
    for name, array in expected.items():
        assert files.arrays[name].dtype == np.float32
        np.testing.assert_array_equal(files.arrays[name], array, err_msg=name)


def test_configuration_vocabulary_and_provenance_are_larks(checkpoint: Path) -> None:
    files = read_lark(checkpoint)
    assert files.kind == "bilm"
    assert files.config == {
        "vocab_size": VOCAB,
        "embed_size": EMBED,
        "hidden_size": HIDDEN,
        "num_layers": LAYERS,
        "cell_clip": 3.0,
        "proj_clip": 3.0,
        "dropout": 0.1,
        "bos_id": 0,
        "eos_id": 1,
        "use_skip_connections": True,
        "softmax": True,
        "token_encoder": None,
    }
    assert list(files.vocabulary) == WORDS
    assert files.provenance["source"] == "LARK"
    assert files.provenance["converted_from"] == "baike_elmo_checkpoint"
    assert files.provenance["licence"] == "not stated in the files"
    assert str(checkpoint.parent) not in json.dumps(files.provenance)


def test_begin_and_end_are_found_wherever_they_stand(checkpoint: Path) -> None:
    (checkpoint / "vocabulary_min5k.txt").write_text("\n".join(WORDS[::-1]), encoding="utf-8")
    files = read_lark(checkpoint)
    assert (files.config["bos_id"], files.config["eos_id"]) == (6, 5)


@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("softmax", [True, False])
def test_any_number_of_layers_goes_there_and_back(tmp_path: Path, num_layers: int, softmax: bool) -> None:
    source = save(tmp_path / "a", lark_arrays(4, num_layers, softmax))
    files = read_lark(source)
    assert (files.config["num_layers"], files.config["softmax"]) == (num_layers, softmax)
    assert any("no softmax" in note for note in files.provenance["notes"]) is not softmax
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_lark(files, tmp_path / "b")
    (source / "vocabulary_min5k.txt").rename(source / "vocabulary.txt")
    assert {path.name: path.read_bytes() for path in source.iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "b").iterdir()
    }
    assert_same(read_lark(tmp_path / "b"), files)


def test_what_was_read_can_be_kept_as_a_model_of_ours(checkpoint: Path, tmp_path: Path) -> None:
    (checkpoint / os.fsdecode(b"left\xff\nover")).touch()
    files = read_lark(checkpoint)
    ours = read_model(write_model(tmp_path / "ours", files))
    assert_same(ours, files)
    write_lark(ours, tmp_path / "back")
    assert_same(read_lark(tmp_path / "back"), files)


def test_the_original_vocabulary_fits_the_original_size(shared: Path, tmp_path: Path) -> None:
    source = save(tmp_path / "a", lark_arrays())
    description = bytes([8, 5, 16, 0xDD, 0x99, 0x03, 16, EMBED])  # 52445 rows
    table = np.random.default_rng(0).normal(size=(52445, EMBED)).astype(np.float32)
    head = struct.pack("<IQIi", 0, 0, 0, len(description)) + description
    (source / "embedding_para").write_bytes(head + table.tobytes())
    remove("softmax_weight", "softmax_bias", "vocabulary_min5k.txt")(source)
    files = read_lark(source, shared / "lark/sample/vocabulary_min5k.txt")
    assert files.config["vocab_size"] == len(files.vocabulary) == 52445
    np.testing.assert_array_equal(files.arrays["embedding_para"], table)


@pytest.mark.parametrize("shape", [(VOCAB,), (1, VOCAB), (VOCAB, 1)])
def test_the_softmax_may_lie_otherwise_where_that_is_clear(checkpoint: Path, shape: tuple[int, ...]) -> None:
    theirs = lark_arrays()
    replace("softmax_bias", theirs["softmax_bias"].reshape(shape))(checkpoint)
    replace("softmax_weight", np.ascontiguousarray(theirs["softmax_weight"].T))(checkpoint)
    replace("lstmp_1.b_0", theirs["lstmp_1.b_0"].reshape(-1))(checkpoint)
    files = read_lark(checkpoint)
    np.testing.assert_array_equal(files.arrays["softmax_bias"], theirs["softmax_bias"])
    np.testing.assert_array_equal(files.arrays["softmax_weight"], theirs["softmax_weight"])
    np.testing.assert_array_equal(files.arrays["forward_layers.1.bias"], theirs["lstmp_1.b_0"][0])


def test_other_precisions_become_float32(checkpoint: Path) -> None:
    table = np.arange(VOCAB * EMBED).reshape(VOCAB, EMBED) / 8
    replace("embedding_para", table.astype(np.float64), 6)(checkpoint)
    replace("softmax_weight", table.astype(np.float16), 4)(checkpoint)
    files = read_lark(checkpoint)
    for name in ("embedding_para", "softmax_weight"):
        assert files.arrays[name].dtype == np.float32
        np.testing.assert_array_equal(files.arrays[name], table)


def test_what_is_no_parameter_is_left_unread_and_named(checkpoint: Path) -> None:
    leftovers = [
        "@LR_DECAY_COUNTER@",
        "embedding_para_moment_0",
        "fw_layer1_gate_w_moment_0",
        "learning_rate_0",
        "lstmp_0.w_0_moment_0",
        "lstmp_9.tmp_0_moment_0",
        "reduce_mean_0.tmp_0",
        "softmax_bias_moment_0",
    ]
    os.mkfifo(checkpoint / leftovers[0])
    for name in leftovers[1:]:
        (checkpoint / name).write_bytes(b"no variable")
    notes = read_lark(checkpoint).provenance["notes"]
    (note,) = [note for note in notes if "not read" in note]
    assert "8 (@LR_DECAY_COUNTER@, embedding_para_moment_0, fw_layer1_gate_w_moment_0, ...)" in note


@pytest.mark.parametrize("name", ["embedding_para", "fw_layer1_gate_w"])
def test_a_checkpoint_is_known_by_its_file_names(tmp_path: Path, name: str) -> None:
    assert not is_lark(tmp_path)
    assert not is_lark(tmp_path / "none")
    (tmp_path / name).touch()
    assert is_lark(tmp_path)
    assert not is_lark(tmp_path / name)


NAN = zeros(HIDDEN, EMBED)
NAN[2, 1] = np.nan
GATES = 4 * HIDDEN


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (remove("embedding_para"), "embedding_para is missing"),
        (remove("bw_layer2_gate_w"), "bw_layer2_gate_w is missing, by fw_layer2_gate_w the model has 2 layers"),
        (remove("fw_layer1_gate_w", "bw_layer1_gate_w"), "fw_layer1_gate_w is missing"),
        (remove("lstmp_3.b_0"), "lstmp_3.b_0 is missing"),
        (remove("softmax_bias"), "softmax_weight is there but softmax_bias is missing"),
        (remove("softmax_weight"), "softmax_bias is there but softmax_weight is missing"),
        (remove("vocabulary_min5k.txt"), "holds no vocabulary; give the one of 7 words .* by --vocab_path"),
        (
            replace("fw_layer3_gate_w", zeros(EMBED, GATES)),
            "lstmp_4.w_0 is missing, by fw_layer3_gate_w the model has 3",
        ),
        (replace("fw_layer4_gate_w", zeros(EMBED, GATES)), "fw_layer4_gate_w has no place in a model of 2 layers"),
        (replace("fw_layer01_gate_w", zeros(EMBED, GATES)), "fw_layer01_gate_w has no place"),
        (replace("bw_layer1_gate_b", zeros(GATES)), "bw_layer1_gate_b has no place"),
        (replace(f"fw_layer{10**40}_gate_w", zeros(1)), "fw_layer10+_gate_w has no place"),
        (replace("lstmp_7.w_0", zeros(EMBED, GATES)), "lstmp_7.w_0 has no place .*lstmp_0 to lstmp_3"),
        (replace("lstmp_0.w_2", zeros(EMBED)), "lstmp_0.w_2 has no place"),
        (replace("embedding_para", zeros(VOCAB)), r"embedding_para: has shape \[7\] where a matrix is needed"),
        (replace("embedding_para", zeros(VOCAB, 4)), r"fw_layer1_gate_w: has shape \[3, 20\].*call for \[4, 20\]"),
        (replace("embedding_para", zeros(8, EMBED)), r"softmax_weight: has shape \[7, 3\].*call for \[8, 3\]"),
        (replace("fw_layer1_gate_w", zeros(EMBED, 18)), "fw_layer1_gate_w: has 18 columns"),
        (replace("lstmp_2.w_0", zeros(EMBED, 16)), r"lstmp_2.w_0: has shape \[3, 16\].*call for \[3, 20\]"),
        (replace("lstmp_2.w_1", zeros(EMBED, HIDDEN)), r"lstmp_2.w_1: has shape \[3, 5\].*call for \[5, 3\]"),
        (replace("lstmp_0.b_0", zeros(1, 7 * HIDDEN)), r"lstmp_0.b_0: has shape \[1, 35\].*call for \[1, 20\]"),
        (replace("softmax_bias", zeros(8)), "softmax_bias: has shape"),
        (replace("lstmp_1.w_1", zeros(HIDDEN, EMBED).astype(np.int64), 3), "lstmp_1.w_1: holds int64"),
        (replace("lstmp_1.w_1", NAN), "lstmp_1.w_1: .*not finite"),
        (replace("embedding_para", np.full((VOCAB, EMBED), 1e300), 6), "embedding_para: .*not finite"),
        (lambda source: os.truncate(source / "lstmp_2.w_1", 50), "lstmp_2.w_1: byte 26: 24 bytes of values follow"),
        (lambda source: os.truncate(source / "vocabulary_min5k.txt", 0), "vocabulary is empty"),
        (lambda source: (source / "vocab.txt").touch(), "holds vocabulary_min5k.txt and vocab.txt; .*--vocab_path"),
        (
            lambda source: (source / "vocabulary_min5k.txt").write_text("\n".join(WORDS[:6]), encoding="utf-8"),
            "vocabulary_min5k.txt: has 6 words, .*embedding_para has 7",
        ),
        (
            lambda source: os.truncate(source / "vocabulary_min5k.txt", 10**9),
            "vocabulary_min5k.txt: 1000000000 bytes are too many",
        ),
    ],
)
def test_what_does_not_make_a_model_is_refused(checkpoint: Path, change: Change, problem: str) -> None:
    change(checkpoint)
    message = refusal(read_lark, checkpoint)
    assert re.search(problem, message) and str(checkpoint) in message


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", ["lstmp_2.w_1", "vocabulary_min5k.txt"])
@pytest.mark.parametrize(
    ("put", "problem"),
    [
        (os.mkfifo, "is not a regular file"),
        (os.mkdir, "is not a regular file"),
        (lambda path: path.symlink_to(path.parent.parent / "elsewhere"), "symbolic link out of"),
        (lambda path: path.symlink_to(path), "can't be read"),
    ],
)
def test_only_regular_files_inside_are_read(checkpoint: Path, name: str, put: Change, problem: str) -> None:
    (checkpoint / name).rename(checkpoint.parent / "elsewhere")
    put(checkpoint / name)
    with pytest.raises(InputError, match=problem):
        read_lark(checkpoint)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("put", [os.mkfifo, os.mkdir, lambda path: None])
def test_a_vocabulary_elsewhere_is_a_file_too(checkpoint: Path, put: Change) -> None:
    put(checkpoint.parent / "words")
    with pytest.raises(InputError, match=r"words: .*--vocab_path"):
        read_lark(checkpoint, checkpoint.parent / "words")


def test_parameters_in_one_file_are_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "__params__").write_bytes(b"".join(variable(array) for array in lark_arrays().values()))
    for source in (tmp_path, tmp_path / "__params__"):
        with pytest.raises(InputError, match=r"__params__: .*not supported; .*save_persistables without a filename"):
            read_lark(source)


@pytest.mark.parametrize("name", ["", "none"])
def test_a_directory_without_a_checkpoint_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="give LARK's checkpoint directory"):
        read_lark(tmp_path / name)


def test_a_model_beyond_the_memory_is_refused_before_any_value_is_read(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    num_bytes = sum(array.nbytes for array in lark_arrays().values())
    monkeypatch.setattr(safety, "available_memory", lambda: 2 * num_bytes)
    read_lark(checkpoint)
    monkeypatch.setattr(safety, "available_memory", lambda: 2 * num_bytes - 1)
    monkeypatch.setattr("elmo.convert.lark.read_variable", None)
    with pytest.raises(InputError, match=r"baike_elmo_checkpoint: .*GB of memory"):
        read_lark(checkpoint)


@pytest.mark.timeout(60)
def test_any_damage_ends_in_a_model_or_a_refusal(checkpoint: Path) -> None:
    names = ["embedding_para", "fw_layer1_gate_w", "lstmp_3.w_1", "lstmp_0.b_0", "softmax_bias", "vocabulary_min5k.txt"]
    contents = {name: (checkpoint / name).read_bytes() for name in names}
    read = 0
    for seed in range(300):
        generator = random.Random(seed)
        name = generator.choice(names)
        damaged = bytearray(contents[name])
        at = generator.randrange(generator.choice([30, len(damaged)]))
        match generator.randrange(4):
            case 0:
                damaged[at] = generator.randrange(256)
            case 1:
                damaged[at:at] = generator.randbytes(generator.randint(1, 9))
            case 2:
                del damaged[at : at + generator.randint(1, 9)]
            case 3:
                del damaged[at:]
        (checkpoint / name).write_bytes(damaged)
        try:
            files = read_lark(checkpoint)
        except InputError as error:
            assert name in str(error) or "call for" in str(error), f"seed {seed}"
        else:
            read += 1
            assert all(np.isfinite(array).all() for array in files.arrays.values()), f"seed {seed}"
        (checkpoint / name).write_bytes(contents[name])
    assert 0 < read < 300


@pytest.mark.parametrize("clip", [None, 5.0])
def test_clips_that_larks_code_does_not_have_are_warned_of(checkpoint: Path, tmp_path: Path, clip: float) -> None:
    files = read_lark(checkpoint)
    files = dataclasses.replace(files, config={**files.config, "proj_clip": clip})
    with pytest.warns(UserWarning, match=rf"cell_clip 3.0 and proj_clip {clip} .*LARK's code applies 3.0"):
        write_lark(files, tmp_path / "out")
    assert is_lark(tmp_path / "out")


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"token_encoder": {"alphabet": "utf-8"}}, "from characters"),
        ({"use_skip_connections": False}, "no skip connections"),
        ({"bos_id": 3}, "bos_id and eos_id"),
        ({"vocab_size": 8}, "vocabulary has 7 words, its configuration says 8"),
        ({"num_layers": 10**9}, "sizes"),
        ({"hidden_size": None}, "sizes"),
        ({"hidden_size": 6}, r"backward_layers.0.bias has shape \[20\]"),
        ({"softmax": False}, "softmax_bias is not part of"),
    ],
)
def test_a_model_that_the_format_cannot_hold_is_not_written(
    checkpoint: Path, tmp_path: Path, config: dict[str, object], problem: str
) -> None:
    files = read_lark(checkpoint)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=problem):
        write_lark(dataclasses.replace(files, config={**files.config, **config}), tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == before


def test_one_layer_needs_no_skip_connection(tmp_path: Path) -> None:
    files = read_lark(save(tmp_path / "a", lark_arrays(num_layers=1)))
    write_lark(dataclasses.replace(files, config={**files.config, "use_skip_connections": False}), tmp_path / "b")
    assert_same(read_lark(tmp_path / "b"), files)


def test_other_kinds_and_values_that_are_not_finite_are_not_written(checkpoint: Path, tmp_path: Path) -> None:
    files = read_lark(checkpoint)
    with pytest.raises(InputError, match="skipgram model is not a biLM"):
        write_lark(dataclasses.replace(files, kind="skipgram"), tmp_path / "out")
    files.arrays["softmax_bias"][3] = np.inf
    with pytest.raises(InputError, match=r"softmax_bias holds values that are not finite"):
        write_lark(files, tmp_path / "out")
    assert os.listdir(tmp_path) == [checkpoint.name]


def test_a_directory_is_replaced_only_when_told_and_only_a_checkpoint(checkpoint: Path, tmp_path: Path) -> None:
    files = read_lark(checkpoint)
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="exists already"):
        write_lark(files, tmp_path / "out")
    write_lark(files, tmp_path / "out", overwrite=True)
    (tmp_path / "out" / "learning_rate_0").touch()
    with pytest.raises(InputError, match="out/learning_rate_0 is not a file that such a directory of ours has"):
        write_lark(files, tmp_path / "out", overwrite=True)
    (tmp_path / "out" / "learning_rate_0").unlink()
    write_lark(files, tmp_path / "out", overwrite=True)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter").touch()
    with pytest.raises(InputError, match="letter is not a file"):
        write_lark(files, tmp_path / "home", overwrite=True)
    with pytest.raises(InputError, match="is a file"):
        write_lark(files, tmp_path / "home" / "letter", overwrite=True)
    assert (tmp_path / "home" / "letter").exists()
    assert sorted(os.listdir(tmp_path)) == [checkpoint.name, "home", "out"]


def test_a_place_that_cannot_be_written_is_an_input_error(checkpoint: Path) -> None:
    with pytest.raises(InputError, match="can't be written"):
        write_lark(read_lark(checkpoint), checkpoint / "embedding_para" / "out")
