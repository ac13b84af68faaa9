"""Models on disk: what is written comes back, whatever is damaged is refused in one line, nothing is half-written."""

from __future__ import annotations

import dataclasses
import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.numpy import save_file

from elmo import from_pretrained
from elmo import models as model_files
from elmo.convert import read_any, read_config
from elmo.convert.lark import write_lark
from elmo.errors import InputError
from elmo.explore.describe import describe_model
from elmo.models import ModelFiles, check_parameters, export_model, find_model, read_header, read_model, write_model
from elmo.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from tests.commands import elmo
from tests.refusals import refusal

VOCABULARY = Vocabulary([*SPECIAL_TOKENS, "苹果", "手机"])
WEIGHTS, WORDS = "model.safetensors", "vocabulary.txt"


def make_files(scale: float = 1.0) -> ModelFiles:
    generator = np.random.default_rng(0)
    arrays = {"embedding": (generator.normal(size=(5, 3)) * scale).astype(np.float32), "bias": np.zeros(5, np.float32)}
    return ModelFiles("bilm", {"vocab_size": 5, "clip": None}, VOCABULARY, arrays, {"text": "自己写的"})


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "model", make_files())


def tree(folder) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too, with its bytes."""
    found = {}
    for root, folders, names in os.walk(folder):
        for name in [*folders, *names]:
            path = os.path.join(root, name)
            found[os.path.relpath(path, folder)] = b"" if os.path.isdir(path) else open(path, "rb").read()  # noqa: SIM115
    return found


def refused(path, **arguments) -> str:
    """The error of reading a model, which must be one line that names the place."""
    message = refusal(read_model, path, **arguments)
    assert str(path) in message
    return message


def change_header(path, change) -> None:
    """Rewrite the JSON header of a safetensors file."""
    data = (path / WEIGHTS).read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    change(header)
    text = json.dumps(header).encode()
    (path / WEIGHTS).write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])


# Round trips


def test_what_is_written_comes_back(model):
    written, read = make_files(), read_model(model, kind="bilm")
    assert (read.kind, read.config, read.provenance) == (written.kind, written.config, written.provenance)
    assert read.vocabulary == written.vocabulary
    assert read.arrays.keys() == written.arrays.keys()
    for name, array in written.arrays.items():
        assert read.arrays[name].dtype == np.float32
        assert (read.arrays[name] == array).all()


def test_float16_halves_the_numbers_and_comes_back_as_float32(tmp_path):
    files = make_files()
    write_model(tmp_path / "half", files, dtype="float16")
    read = read_model(tmp_path / "half")
    for name, array in files.arrays.items():
        assert read.arrays[name].dtype == np.float32
        assert (read.arrays[name] == array.astype(np.float16)).all()
    whole = (write_model(tmp_path / "whole", files) / WEIGHTS).stat().st_size
    assert whole - (tmp_path / "half" / WEIGHTS).stat().st_size == pytest.approx(2 * 20, abs=8)  # 20 numbers; padding


def test_a_copy_says_what_was_added_and_what_the_original_said(tmp_path, model):
    export_model(model, tmp_path / "copy", note="for a test", licence="Apache-2.0")
    copied, original = read_model(tmp_path / "copy"), read_model(model)
    assert copied.provenance == {**original.provenance, "note": "for a test", "licence": "Apache-2.0"}
    np.testing.assert_array_equal(copied.arrays["embedding"], original.arrays["embedding"].astype(np.float16))
    export_model(model, tmp_path / "plain", dtype="float32")
    assert read_model(tmp_path / "plain").provenance == original.provenance


def test_arrays_of_any_layout_come_back_as_they_are(tmp_path):
    base = np.arange(12, dtype=np.float32).reshape(3, 4)
    arrays = {"turned": base.T, "every_other": base[:, ::2], "empty": base[:0], "single": np.array(3.0, np.float32)}
    write_model(tmp_path / "model", ModelFiles("bilm", {}, VOCABULARY, arrays))
    read = read_model(tmp_path / "model").arrays
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)


def test_the_header_can_be_read_without_the_weights(model):
    header = read_header(model, kind="bilm")
    assert header["kind"] == "bilm"
    assert header["vocabulary_sha256"] == VOCABULARY.fingerprint
    assert json.loads(header["config"]) == {"vocab_size": 5, "clip": None}


# Finding


def test_a_model_is_found_by_path_or_by_the_name_of_one_that_comes_along(tmp_path, monkeypatch, model):
    monkeypatch.setattr(model_files, "models_folders", lambda: [tmp_path / "nowhere", tmp_path])
    assert find_model(model) == model
    monkeypatch.chdir(tmp_path.parent)
    assert find_model("model") == model
    message = "elmo-zh: no such model directory; models that come with the project: model"
    assert refusal(find_model, "elmo-zh") == message
    with pytest.raises(InputError, match="no such model directory"):
        find_model(tmp_path / "other" / "model")


# Damage


@pytest.mark.parametrize("name", [WEIGHTS, WORDS])
def test_a_missing_file_is_refused(model, name):
    (model / name).unlink()
    assert f"{name} is missing" in refused(model)


@settings(max_examples=60)
@given(share=st.floats(0, 1, exclude_max=True))
def test_weights_cut_anywhere_are_refused(model, share):
    data = (model / WEIGHTS).read_bytes()
    try:
        (model / WEIGHTS).write_bytes(data[: int(share * len(data))])
        assert "truncated or not a safetensors file" in refused(model)
    finally:
        (model / WEIGHTS).write_bytes(data)


@settings(max_examples=150)
@given(data=st.data())
def test_a_changed_byte_in_the_header_is_refused_or_changes_nothing_but_names_and_sizes(model, data):
    original = (model / WEIGHTS).read_bytes()
    (size,) = struct.unpack("<Q", original[:8])
    place = data.draw(st.integers(0, 7 + size))
    value = data.draw(st.integers(0, 255))
    try:
        (model / WEIGHTS).write_bytes(original[:place] + bytes([value]) + original[place + 1 :])
        try:
            read = read_model(model, kind="bilm")
        except InputError as error:
            assert "\n" not in str(error)
        else:
            assert isinstance(read.config, dict)
            assert all(np.isfinite(array).all() for array in read.arrays.values())
    finally:
        (model / WEIGHTS).write_bytes(original)


@pytest.mark.parametrize("data", [b"", b"\xff" * 64, b"not a model at all", b"\x80\x04\x95pickle"])
def test_what_is_no_safetensors_file_is_refused(model, data):
    (model / WEIGHTS).write_bytes(data)
    assert "truncated or not a safetensors file" in refused(model)


def test_bytes_behind_the_end_are_refused(model):
    with open(model / WEIGHTS, "ab") as file:
        file.write(b"more")
    assert "truncated or not a safetensors file" in refused(model)


@pytest.mark.parametrize("tokens", [VOCABULARY.tokens[:-1], (*VOCABULARY.tokens[:3], "手机", "苹果")])
def test_another_vocabulary_is_refused(model, tokens):
    Vocabulary(tokens).save(model / WORDS)
    message = refused(model)
    assert "not the vocabulary this model was trained with" in message
    assert VOCABULARY.fingerprint[:12] in message


def test_a_damaged_vocabulary_is_refused(model):
    (model / WORDS).write_bytes(b"\xff\n")
    assert "not UTF-8" in refused(model)


def test_another_kind_is_refused(model):
    assert "holds a bilm model where a skipgram model is needed" in refused(model, kind="skipgram")
    with pytest.raises(InputError, match="holds a bilm model"):
        read_header(model, kind="skipgram")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused_when_read_and_when_written(model, tmp_path, value):
    data = (model / WEIGHTS).read_bytes()
    (model / WEIGHTS).write_bytes(data[:-4] + np.float32(value).tobytes())
    assert "holds values that are not finite" in refused(model)
    files = make_files()
    files.arrays["embedding"][1, 1] = value
    before = tree(tmp_path)
    with pytest.raises(InputError, match="embedding holds values that are not finite"):
        write_model(tmp_path / "new", files)
    assert tree(tmp_path) == before


def test_int8_keeps_each_row_to_a_127th_of_its_largest_number(tmp_path):
    generator = np.random.default_rng(1)
    rows = generator.normal(size=(40, 32)) * np.logspace(-3, 2, 40)[:, None]
    rows[7] = 0
    files = make_files()
    files = dataclasses.replace(files, arrays={**files.arrays, "embedding": rows.astype(np.float32)})
    sizes = {}
    for dtype in ("float32", "int8"):
        write_model(tmp_path / dtype, files, dtype=dtype)
        sizes[dtype] = (tmp_path / dtype / WEIGHTS).stat().st_size
    read = read_model(tmp_path / "int8").arrays
    largest = np.abs(rows).max(axis=1, keepdims=True)
    # Half a step, and what rounding the factor to half precision can move the largest number (2 ** -11 of it).
    assert (np.abs(read["embedding"] - rows) <= largest * (0.5 / 127 + 2**-10) + 1e-12).all()
    assert read["embedding"].dtype == read["bias"].dtype == np.float32
    assert sizes["int8"] < 0.45 * sizes["float32"]
    assert read.keys() == files.arrays.keys()


def test_int8_of_what_was_int8_is_the_same(tmp_path):
    write_model(tmp_path / "once", make_files(), dtype="int8")
    export_model(tmp_path / "once", tmp_path / "twice", dtype="int8")
    once, twice = (read_model(tmp_path / name).arrays["embedding"] for name in ("once", "twice"))
    np.testing.assert_allclose(twice, once, rtol=2e-3)  # the factor is rounded again


def test_int8_without_its_factors_is_refused(model):
    save_file({"embedding": np.ones((5, 3), np.int8)}, model / WEIGHTS, dict(read_header(model)))
    assert "without a factor for each row" in refused(model)


def test_an_unknown_dtype_is_refused(tmp_path):
    with pytest.raises(InputError, match="dtype is 'int4'"):
        write_model(tmp_path / "new", make_files(), dtype="int4")
    assert tree(tmp_path) == {}


def test_numbers_too_large_for_float16_are_not_written(tmp_path):
    with pytest.raises(InputError, match="not finite in float16"):
        write_model(tmp_path / "new", make_files(scale=1e6), dtype="float16")
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("number", ["BF16", "I32", "BOOL", "F8_E4M3"])
def test_other_kinds_of_number_are_refused(model, number):
    width = {"BF16": 2, "I32": 4, "BOOL": 1, "F8_E4M3": 1}[number]

    def change(header):
        for name in ("bias", "embedding"):
            header.pop(name)
        header["bias"] = {"dtype": number, "shape": [80 // width], "data_offsets": [0, 80]}

    change_header(model, change)
    assert f"bias is {number}, not F16, F32, F64 or I8" in refused(model)


def metadata(**fields):
    return lambda header: header["__metadata__"].update(fields)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (metadata(config="{"), "its header is damaged"),
        (metadata(config="[1, 2]"), "its header is damaged (config is no JSON object)"),
        (metadata(config="3"), "its header is damaged (config is no JSON object)"),
        (metadata(config="[" * 100_000), "its header is damaged"),
        (metadata(provenance='"text"'), "its header is damaged (provenance is no JSON object)"),
        (metadata(provenance="x"), "its header is damaged"),
        (metadata(config=3), "truncated or not a safetensors file"),
        (metadata(vocabulary_sha256="0" * 64), "not the vocabulary this model was trained with"),
        (lambda header: header["__metadata__"].pop("vocabulary_sha256"), "its header is damaged"),
        (lambda header: header["__metadata__"].pop("config"), "its header is damaged"),
        (lambda header: header["__metadata__"].pop("kind"), "holds a None model"),
        (metadata(format="elmo/2"), "not a model of this package"),
        (lambda header: header.pop("__metadata__"), "not a model of this package"),
        (lambda header: header["bias"].update(shape=[6]), "truncated or not a safetensors file"),
        (lambda header: header["bias"].update(data_offsets=[0, 16]), "truncated or not a safetensors file"),
    ],
)
def test_a_damaged_header_is_refused(model, change, message):
    change_header(model, change)
    assert message in refused(model, kind="bilm")


def test_a_model_without_provenance_is_read(model):
    change_header(model, lambda header: header["__metadata__"].pop("provenance"))
    assert read_model(model).provenance == {}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.zeros(2)}, "place: the parameter b is missing"),
        (
            {"a": np.zeros(2), "b": np.zeros((2, 3)), "c": np.zeros(1)},
            "place: the parameter c is not part of the model",
        ),
        ({"a": np.zeros(2), "b": np.zeros((3, 2))}, "place: b has shape [3, 2], the configuration says [2, 3]"),
    ],
)
def test_parameters_that_do_not_fit_a_configuration_are_named(arrays, message):
    expected = {"a": (2,), "b": (2, 3)}
    check_parameters(expected, {"a": np.zeros(2), "b": np.zeros((2, 3))}, "place")
    assert refusal(check_parameters, expected, arrays, "place").startswith(message)


# Writing whole or not at all


def test_an_existing_directory_is_kept_unless_overwriting_is_asked_for(tmp_path, model):
    before = tree(tmp_path)
    with pytest.raises(InputError, match="exists already"):
        write_model(model, make_files(scale=2.0))
    assert tree(tmp_path) == before
    write_model(model, make_files(scale=2.0), overwrite=True)
    assert (read_model(model).arrays["embedding"] == make_files(scale=2.0).arrays["embedding"]).all()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["model"], "nothing is left beside it"


def fail(error):
    def raise_error(*arguments, **more):
        raise error

    return raise_error


FAILURES = {
    "disk full": ("save_file", OSError(28, "No space left on device")),
    "disk full, as safetensors says it": ("save_file", SafetensorError("I/O error: File too large (os error 27)")),
    "no renaming": ("os.rename", OSError(13, "Permission denied")),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("existing", [False, True])
def test_a_failed_write_leaves_everything_as_it_was(tmp_path, monkeypatch, failure, existing):
    target = tmp_path / "model"
    if existing:
        write_model(target, make_files())
    before = tree(tmp_path)
    name, error = FAILURES[failure]
    monkeypatch.setattr(f"elmo.models.{name}", fail(error))
    with pytest.raises(InputError) as caught:
        write_model(target, make_files(scale=2.0), overwrite=True)
    monkeypatch.undo()
    assert f"{target}: can't be written" in str(caught.value)
    assert tree(tmp_path) == before


def test_an_interruption_leaves_everything_as_it_was(tmp_path, monkeypatch, model):
    before = tree(tmp_path)
    monkeypatch.setattr("elmo.models.save_file", fail(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        write_model(model, make_files(scale=2.0), overwrite=True)
    assert tree(tmp_path) == before


def test_the_old_model_comes_back_when_the_new_one_cannot_take_its_place(tmp_path, monkeypatch, model):
    before, old_model, rename = tree(tmp_path), tree(model), os.rename

    def new_model_fails(source, target):
        if Path(target) == model and tree(source) != old_model:
            raise OSError(5, "Input/output error")
        rename(source, target)

    monkeypatch.setattr("elmo.models.os.rename", new_model_fails)
    with pytest.raises(InputError, match="can't be written"):
        write_model(model, make_files(scale=2.0), overwrite=True)
    assert tree(tmp_path) == before


def test_a_file_in_the_models_place_is_not_overwritten(tmp_path):
    (tmp_path / "model").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="is a file and no directory"):
        write_model(tmp_path / "model", make_files(), overwrite=True)
    assert tree(tmp_path) == {"model": b"mine"}


def test_missing_folders_above_are_made(tmp_path):
    assert read_model(write_model(tmp_path / "a" / "b" / "model", make_files())).kind == "bilm"


def test_others_may_read_a_model_as_far_as_the_umask_allows(tmp_path):
    before = os.umask(0o027)
    try:
        path = write_model(tmp_path / "model", make_files())
    finally:
        os.umask(before)
    assert (path / "model.safetensors").stat().st_mode & 0o777 == 0o640


def test_a_copy_takes_a_models_place_only_when_it_is_told_to(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    files = ModelFiles("skipgram", {}, Vocabulary(SPECIAL_TOKENS), {"vectors": np.ones((3, 2), np.float32)})
    write_model(source, files)
    assert elmo("export", source, target) == 0
    assert elmo("export", source, target, "--note", "later") == 2
    assert "note" not in read_model(target).provenance
    assert elmo("export", source, target, "--note", "later", "--overwrite") == 0
    assert read_model(target).provenance["note"] == "later"
    assert elmo("export", source, source, "--overwrite") == 2


@pytest.mark.parametrize("command", [["info"], ["convert", "{source}", "{target}"], ["export", "{source}", "{target}"]])
def test_a_kind_that_is_not_known_is_told_by_every_command(tmp_path, capsys, command):
    source = tmp_path / "source"
    write_model(source, ModelFiles("oracle", {}, Vocabulary(SPECIAL_TOKENS), {"vectors": np.ones((3, 2), np.float32)}))
    call = [part.format(source=source, target=tmp_path / "target") for part in command]
    assert elmo(*call, *([source] if len(call) == 1 else [])) == 2
    assert "holds a model of kind 'oracle'" in capsys.readouterr().err
    assert not (tmp_path / "target").exists()


def test_another_vocabulary_that_is_named_is_refused_and_its_own_is_not(repository, tmp_path):
    model = repository / "data/models/word2vec-zh-small"
    assert read_any(model, vocab_path=model / WORDS).kind == "skipgram"
    Vocabulary([*SPECIAL_TOKENS, "花"]).save(tmp_path / WORDS)
    for read in (read_any, read_config, describe_model):
        with pytest.raises(InputError, match="was trained with another vocabulary than"):
            read(model, vocab_path=tmp_path / WORDS)


def test_nor_is_another_one_taken_for_a_model_of_another_system_that_has_its_own(repository, tmp_path):
    theirs = repository / "tests/convert/transformers/BertForMaskedLM"
    first, *others, last = (theirs / "vocab.txt").read_text(encoding="utf-8").splitlines()
    (tmp_path / "turned.txt").write_text("\n".join([first, *others[:-1], last, others[-1]]) + "\n", encoding="utf-8")
    assert read_any(theirs, vocab_path=theirs / "vocab.txt").kind == "masked_lm"
    with pytest.raises(InputError, match="was trained with another vocabulary than"):
        read_any(theirs, vocab_path=tmp_path / "turned.txt")


def test_a_name_that_no_system_takes_is_no_model():
    with pytest.raises(InputError, match="no such model directory"):
        from_pretrained("x" * 300)


def test_a_vocabulary_can_be_named_in_place_of_one_that_is_damaged(data, tmp_path):
    files = read_model(data / "models/elmo-zh-small")
    write_lark(files, tmp_path / "lark")
    (tmp_path / "lark" / WORDS).write_bytes(b"\xff\n")
    with pytest.raises(InputError, match="UTF-8"):
        read_any(tmp_path / "lark")
    assert read_any(tmp_path / "lark", vocab_path=data / "models/elmo-zh-small" / WORDS).vocabulary == files.vocabulary
