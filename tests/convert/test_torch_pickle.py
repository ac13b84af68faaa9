"""PyTorch checkpoints: both formats are read bit for bit; whatever else a file asks for is refused, never done."""

from __future__ import annotations

import math
import os
import pickle
import random
import struct
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

import elmo.convert.safety
from elmo.convert.torch_pickle import read_tensors, tensor_shapes
from elmo.errors import InputError
from tests.convert.manylangs_reference import (
    KINDS,
    ORDERED_DICT,
    checkpoint,
    damaged,
    legacy_file,
    name,
    number,
    several,
    state_dict,
    storage,
    tensor,
    text,
    zip_file,
)
from tests.refusals import refusal

SIX = np.arange(6, dtype="<f4")
WHOLE = tensor(storage("Float", "0", 6), 0, [6], [1])


def refused(path: Path, content: bytes) -> str:
    """The one line with which a file is refused; nothing else may happen."""
    path.write_bytes(content)
    message = refusal(tensor_shapes, path)
    assert refusal(read_tensors, path) == message
    assert message.startswith(f"{path}: ") and len(message) < 500
    return message.removeprefix(f"{path}: ")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.pkl"


@pytest.mark.parametrize("model", ["word", "charword"])
def test_files_written_by_pytorch_are_read_bit_for_bit(shared: Path, model: str) -> None:
    folder = shared / "parity/elmoformanylangs" / model
    read = {
        f"{part}.{label}": array
        for part in ("token_embedder", "encoder")
        for label, array in read_tensors(folder / f"{part}.pkl").items()
    }
    with np.load(folder / "weights.npz") as expected:
        assert read.keys() == set(expected.files)
        for label in expected.files:
            assert read[label].dtype == expected[label].dtype and read[label].shape == expected[label].shape
            assert read[label].tobytes() == expected[label].tobytes()


@pytest.mark.parametrize("legacy", [False, True])
def test_every_kind_of_number_is_read_in_both_formats(path: Path, legacy: bool) -> None:
    arrays = {f"a.{kind}": np.array([[0, 1, 1], [1, 0, 1]], dtype) for dtype, kind in KINDS.items()}
    arrays |= {"one": np.array(3.5, "<f4"), "none": np.empty((0, 5), "<f4")}
    path.write_bytes(checkpoint(arrays, legacy=legacy))
    read = read_tensors(path)
    assert list(read) == list(arrays) and tensor_shapes(path) == {label: array.shape for label, array in arrays.items()}
    for label, array in arrays.items():
        assert read[label].dtype == array.dtype
        np.testing.assert_array_equal(read[label], array)


def test_bfloat16_becomes_float32(path: Path) -> None:
    values = np.array([1.0, -2.5, 3.140625], "<f4")  # exact in bfloat16
    raw = (values.view("<u4") >> 16).astype("<u2").tobytes()
    path.write_bytes(zip_file(state_dict({"a": tensor(storage("BFloat16", "0", 3), 0, [3], [1])}), {"0": raw}))
    np.testing.assert_array_equal(read_tensors(path)["a"], values)


@pytest.mark.parametrize("legacy", [False, True])
def test_views_of_one_storage_are_read_apart(path: Path, legacy: bool) -> None:
    base = storage("Float", "0", 6, legacy=legacy)
    data = state_dict({"transposed": tensor(base, 0, [3, 2], [1, 3]), "tail": tensor(base, 4, [2], [1])})
    path.write_bytes(legacy_file(data, {"0": (6, SIX.tobytes())}) if legacy else zip_file(data, {"0": SIX.tobytes()}))
    read = read_tensors(path)
    np.testing.assert_array_equal(read["transposed"], SIX.reshape(2, 3).T)
    np.testing.assert_array_equal(read["tail"], [4, 5])
    assert read["transposed"].flags.c_contiguous and not np.shares_memory(read["transposed"], read["tail"])


def test_parameters_newer_protocols_and_no_byte_order_are_read(path: Path) -> None:
    parameter = name("torch._utils", "_rebuild_parameter") + several(WHOLE, b"\x88", ORDERED_DICT) + b"R"
    path.write_bytes(zip_file(state_dict({"a": parameter}), {"0": SIX.tobytes()}, order=None))
    np.testing.assert_array_equal(read_tensors(path)["a"], SIX)
    short = b"\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94"  # SHORT_BINUNICODE, MEMOIZE, STACK_GLOBAL
    newer = b"\x80\4\x95" + struct.pack("<Q", 0) + short + text("a") + WHOLE + b"s."
    path.write_bytes(zip_file(newer, {"0": SIX.tobytes()}))
    np.testing.assert_array_equal(read_tensors(path)["a"], SIX)


def attacks(target: Path) -> dict[str, bytes]:
    """Pickles that would make a directory if anything in them were executed."""
    place = text(str(target))
    call = several(place)
    by_stack = text("os") + text("mkdir") + b"\x93"
    code = several(text(f"__import__('os').mkdir({str(target)!r})"))
    return {
        "os.mkdir": name("os", "mkdir") + call + b"R",
        "os.mkdir by the stack": by_stack + call + b"R",
        "builtins.eval": name("builtins", "eval") + code + b"R",
        "NEWOBJ": name("pathlib", "Path") + call + b"\x81",
        "NEWOBJ_EX": name("pathlib", "Path") + call + b"}\x92",
        "INST": b"(" + place + b"ios\nmkdir\n",
        "OBJ": b"(" + name("os", "mkdir") + place + b"o",
        "OBJ of what is allowed": b"(" + name("collections", "OrderedDict") + place + b"o",
        "NEWOBJ of what is allowed": name("collections", "OrderedDict") + b")\x81",
        "BUILD of a tensor": WHOLE + b"}" + text("__class__") + place + b"sb",
        "BUILD of a name": name("torch", "FloatStorage") + b"}" + text("__reduce__") + place + b"sb",
        "EXT1": b"\x82\1",
        "PERSID": b"Pos.mkdir\n",
        "LONG4": b"\x8b\xff\xff\xff\x7f",
        "a call of a storage": name("torch", "FloatStorage") + b")R",
        "a call of a string": place + b")R",
        "a dictionary that is filled by the call": name("collections", "OrderedDict") + call + b"R",
        "torch.load": name("torch", "load") + call + b"R",
        "a name of two lines": text("os\nfoo\x1b[0m") + text("mkdir") + b"\x93",
    }


@pytest.mark.parametrize("which", attacks(Path()))
@pytest.mark.parametrize("legacy", [False, True])
def test_nothing_a_pickle_asks_for_is_executed(path: Path, which: str, legacy: bool) -> None:
    target = path.parent / "made"
    attack = attacks(target)[which]
    for data in (b"\x80\2" + attack + b".", state_dict({"weight": attack})):
        content = legacy_file(data, {}) if legacy else zip_file(data, {})
        message = refused(path, content)
        if which.split()[0] in ("os.mkdir", "builtins.eval", "torch.load"):
            assert f"asks for {which.split()[0]}" in message and "not executed" in message
    assert refused(path, b"\x80\2" + attack + b".")
    assert not target.exists()


def test_attributes_are_set_of_nothing(path: Path) -> None:
    state = b"}" + text("__class__") + text("x") + b"sb"
    for attacked in (WHOLE + state, name("torch", "FloatStorage") + state + WHOLE):
        data = state_dict({"a": WHOLE, "b": attacked})
        assert "sets the attributes" in refused(path, zip_file(data, {"0": SIX.tobytes()}))


def test_a_class_among_tensors_is_named(path: Path) -> None:
    message = refused(path, zip_file(state_dict({"a": WHOLE, "b": name("os", "system")}), {"0": SIX.tobytes()}))
    assert message == ("asks for os.system, which is no tensor: not executed; save only its state_dict with torch.save")


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (0, [7], [1]),
        (1, [6], [1]),
        (6, [1], [1]),
        (0, [2, 3], [4, 1]),
        (0, [2], [6]),
        (0, [1000000], [0]),  # one value claimed many times
        (-1, [2], [1]),
        (0, [-2], [1]),
        (5, [2], [-1]),
        (0, [2, 3], [1]),
        (0, [2**45], [1]),
        (0, [0, 2**39, 2**39], [1, 1, 1]),
        (0, [1] * 40, [1] * 40),
        (2**80, [1], [1]),
    ],
)
def test_a_tensor_outside_its_storage_is_refused(path: Path, offset: int, shape: list[int], strides: list[int]) -> None:
    base = storage("Float", "0", 6)
    data = state_dict({"a": tensor(base, offset, shape, strides)})
    if shape[:1] == [0]:  # no value, and sizes that NumPy has no number for
        path.write_bytes(zip_file(data, {"0": SIX.tobytes()}))
        with pytest.raises(InputError, match="damaged"):
            read_tensors(path)
    else:
        assert "damaged" in refused(path, zip_file(data, {"0": SIX.tobytes()}))


@pytest.mark.parametrize("num_values", [5, 7, 10**12, 2**62, 2**500, -1])
def test_a_storage_of_another_size_is_refused(path: Path, num_values: int) -> None:
    data = state_dict({"a": tensor(storage("Float", "0", num_values), 0, [1], [1])})
    assert "storage 0" in refused(path, zip_file(data, {"0": SIX.tobytes()}))
    data = state_dict({"a": tensor(storage("Float", "0", num_values, legacy=True), 0, [1], [1])})
    assert "storage 0" in refused(path, legacy_file(data, {"0": (6, SIX.tobytes())}))
    claimed = min(abs(num_values), 2**63)
    assert "storage 0" in refused(path, legacy_file(data, {"0": (claimed, SIX[:1].tobytes())}))


def laughs() -> dict[str, bytes]:
    """Pickles of a few hundred bytes whose value has more than 2 ** 60 parts, where it isn't shared."""
    parts = b")q\0" + b"".join(b"h" + bytes([i]) + b"h" + bytes([i]) + b"\x86q" + bytes([i + 1]) for i in range(60))
    last = b"h" + bytes([60])
    call = tensor(storage("Float", "0", 6), 0, [6], [1])
    return {
        "as a key": parts + b"}" + last + b"K\1s",
        "as a shape": parts + call.replace(several(number(6)), last, 1),
        "as an offset": parts + call.replace(number(0) + several(number(6)), last + several(number(6)), 1),
        "as a tensor": parts + b"}" + text("a") + last + b"s",
        "as the storage": parts + last + b"Q",
        "as the storage's key": parts + storage("Float", "0", 6).replace(text("0"), last),
        "as a module": parts + last + text("mkdir") + b"\x93",
        "as the call": parts + last + last + b"R",
        "as the whole": parts + last,
    }


@pytest.mark.timeout(20)
@pytest.mark.parametrize("which", laughs())
def test_values_that_multiply_are_refused_at_once(path: Path, which: str) -> None:
    data = b"\x80\2" + laughs()[which] + b"."
    refused(path, zip_file(data, {}))
    refused(path, legacy_file(data, {}))


@pytest.mark.timeout(20)
def test_a_deep_or_long_pickle_is_refused(path: Path) -> None:
    refused(path, zip_file(b"\x80\2" + b")" + b"\x85" * 250_000 + b".", {}))
    refused(path, zip_file(b"\x80\2" + ORDERED_DICT * 5_000 + b".", {}))
    refused(path, zip_file(b"\x80\2" + b"(" * 100_000 + b"t.", {}))
    assert "must be small" in refused(path, zip_file(b"\x80\2" + b")" * (1 << 18) + b".", {}))
    refused(path, legacy_file(b"\x80\2" + b")" * (1 << 18) + b".", {}))
    refused(path, b"\x80\2X\xff\xff\xff\xff" + b"a" * 100)


@pytest.mark.parametrize("bad", ["../evil", "/etc/evil", "archive/../../evil", "archive\\evil"])
def test_member_names_that_lead_out_are_refused(path: Path, bad: str) -> None:
    path.write_bytes(zip_file(state_dict({"a": WHOLE}), {"0": SIX.tobytes()}))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(bad, b"x")
    assert "leads out of the archive" in refused(path, path.read_bytes())
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_unusual_archives_are_refused(path: Path) -> None:
    good = zip_file(state_dict({"a": WHOLE}), {"0": SIX.tobytes()})
    path.write_bytes(good)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/data/0", SIX[::-1].tobytes())
    assert "twice" in refused(path, path.read_bytes())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", state_dict({"a": WHOLE}))
        archive.writestr("archive/data/0", bytes(10_000_000))
    assert "compressed" in refused(path, path.read_bytes())
    entry = good.index(b"PK\1\2")
    encrypted = bytearray(good)
    encrypted[entry + 8] |= 1
    assert "encrypted" in refused(path, bytes(encrypted))
    huge = bytearray(good)
    huge[entry + 20 : entry + 28] = struct.pack("<II", 4_000_000_000, 4_000_000_000)
    assert "larger than the file" in refused(path, bytes(huge))
    assert "byte order" in refused(path, zip_file(state_dict({"a": WHOLE}), {"0": SIX.tobytes()}, order="big"))
    assert "0 data.pkl" in refused(path, good.replace(b"data.pkl", b"data.pk2"))
    assert "is missing" in refused(path, zip_file(state_dict({"a": WHOLE}), {}))
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(25_000):
            archive.writestr(f"archive/data/{index}", b"")
    assert "must be small" in refused(path, path.read_bytes())


def test_a_changed_value_is_noticed_by_the_check_sum(path: Path) -> None:
    content = zip_file(state_dict({"a": WHOLE}), {"0": SIX.tobytes()})
    path.write_bytes(content.replace(SIX[1:3].tobytes(), SIX[2:4].tobytes()))
    with pytest.raises(InputError, match="CRC"):
        read_tensors(path)


def test_legacy_files_that_disagree_with_themselves_are_refused(path: Path) -> None:
    base = storage("Float", "7", 6, legacy=True)
    data = state_dict({"a": tensor(base, 0, [6], [1])})
    values = {"7": (6, SIX.tobytes())}
    whole = legacy_file(data, values)
    path.write_bytes(whole)
    np.testing.assert_array_equal(read_tensors(path)["a"], SIX)
    assert "byte order" in refused(path, legacy_file(data, values, little_endian=False))
    assert "list of storages" in refused(path, legacy_file(data, {}))
    assert "list of storages" in refused(path, legacy_file(data, {**values, "8": (6, SIX.tobytes())}))
    assert "no checkpoint" in refused(path, pickle.dumps({"a": [1, 2]}, 2))
    for length in range(0, len(whole) - 1, 7):
        refused(path, whole[:length])
    view = data.replace(b"NtQ", several(text("7"), number(0), number(6)) + b"tQ")
    assert view != data and "no storage" in refused(path, legacy_file(view, values))
    twice = state_dict({"a": tensor(base, 0, [6], [1]), "b": tensor(storage("Int", "7", 6, legacy=True), 0, [6], [1])})
    assert "two ways" in refused(path, legacy_file(twice, values))


@pytest.mark.parametrize("value", [b"K\1", b"N", b"}", b"]", text("a"), ORDERED_DICT, storage("Float", "0", 6)])
def test_what_is_no_dictionary_of_tensors_is_refused(path: Path, value: bytes) -> None:
    refused(path, zip_file(b"\x80\2" + value + b".", {"0": SIX.tobytes()}))
    message = refused(path, zip_file(state_dict({"a": WHOLE, "epoch": value}), {"0": SIX.tobytes()}))
    assert "epoch in it is no tensor" in message


def test_names_that_would_break_a_message_are_refused(path: Path) -> None:
    for label in ("a\nb", "a\x1b[31m", "a" * 1000, "\ud800"):
        refused(path, zip_file(state_dict({label: WHOLE}), {"0": SIX.tobytes()}))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "pipe", tmp_path / "absent", tmp_path / "a\0b"):
        with pytest.raises(InputError):
            read_tensors(place)


def test_memory_is_asked_for_before_anything_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(checkpoint({"a": np.zeros((100, 100), "<f4")}))
    monkeypatch.setattr(elmo.convert.safety, "available_memory", lambda: 50_000)
    assert tensor_shapes(path) == {"a": (100, 100)}
    with pytest.raises(InputError, match="memory"):
        read_tensors(path)


@pytest.mark.parametrize("legacy", [False, True])
def test_damaged_files_are_refused_or_read(path: Path, legacy: bool) -> None:
    generator = random.Random(20181031)
    good = checkpoint({"a.weight": np.arange(12.0).reshape(3, 4), "a.bias": SIX, "n": np.arange(3)}, legacy=legacy)
    interesting = [b"\xff\xff\xff\x7f", b"\xff" * 8, b"PK\1\2", b"(", b".", b"R", b"b", b"Q", b"u", b"q\0", b"h\1"]
    begin, read = time.process_time(), 0
    for _ in range(300):
        path.write_bytes(damaged(good, generator, interesting))
        try:
            arrays = read_tensors(path)
        except InputError as error:
            assert "\n" not in str(error)
        else:
            read += 1
            assert sum(array.nbytes for array in arrays.values()) < 10 * len(good)
            assert all(math.prod(array.shape) == array.size for array in arrays.values())
    assert read < 300  # some were damaged; an older file has no check sum, so changed values are read
    assert time.process_time() - begin < 60
