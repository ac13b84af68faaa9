"""The variable file of Paddle 1.x: what is read and written, and what is refused."""

from __future__ import annotations

import os
import random
import struct
from pathlib import Path

import numpy as np
import pytest

from elmo.convert import safety
from elmo.convert.fluid import read_header, read_variable, write_variable
from elmo.errors import InputError
from tests.refusals import refusal

TYPES = {"int32": 2, "int64": 3, "float16": 4, "float32": 5, "float64": 6}


def variable(description: bytes, data: bytes, lod: bytes = struct.pack("<Q", 0)) -> bytes:
    """A variable file by hand, independent of `write_variable`."""
    return struct.pack("<I", 0) + lod + struct.pack("<Ii", 0, len(description)) + description + data


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fc_0.w_0"


def refused(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    message = refusal(read_header, path)
    assert refusal(read_variable, path) == message
    assert str(path) in message
    return message


@pytest.mark.parametrize(("dtype", "number"), TYPES.items())
def test_values_shape_and_type_are_read_from_the_bytes(path: Path, dtype: str, number: int) -> None:
    values = np.arange(2 * 300, dtype=dtype).reshape(2, 300)
    path.write_bytes(variable(bytes([8, number, 16, 2, 16, 0xAC, 0x02]), values.tobytes()))
    header = read_header(path)
    assert (header.dtype, header.shape, header.offset) == (values.dtype, (2, 300), 27)
    array = read_variable(path, shape=(2, 300))
    assert array.dtype == values.dtype
    np.testing.assert_array_equal(array, values)
    array[0, 0] = 7  # it is the caller's own


@pytest.mark.parametrize("dtype", [*TYPES, ">f4", ">i8"])
@pytest.mark.parametrize("shape", [(1,), (3, 2), (1, 130, 2), ()])
def test_what_is_written_is_read_again(path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(1).integers(-99, 99, shape).astype(dtype)
    write_variable(path, values)
    array = read_variable(path)
    assert array.shape == shape
    assert array.dtype == values.dtype.newbyteorder("<")
    np.testing.assert_array_equal(array, values)
    assert os.listdir(path.parent) == [path.name]


def test_a_transposed_array_is_written_in_its_own_order(path: Path) -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3).T
    write_variable(path, values)
    assert path.read_bytes() == variable(bytes([8, 5, 16, 3, 16, 2]), struct.pack("<6f", 0, 3, 1, 4, 2, 5))


@pytest.mark.parametrize("values", [np.zeros(2, bool), np.zeros(2, complex), np.array(["a"]), np.zeros((2, 0), "f4")])
def test_what_the_format_cannot_hold_is_not_written(path: Path, values: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"can't be written as a variable"):
        write_variable(path, values)
    assert not path.exists()


def test_a_failed_writing_leaves_nothing_behind(path: Path) -> None:
    path.mkdir()
    with pytest.raises(InputError, match=r"can't be written"):
        write_variable(path, np.zeros(2, np.float32))
    assert os.listdir(path.parent) == [path.name]


def test_packed_dimensions_are_read_too(path: Path) -> None:
    path.write_bytes(variable(bytes([8, 5, 18, 2, 2, 3]), bytes(24)))
    assert read_header(path).shape == (2, 3)


def test_lod_levels_are_passed_over(path: Path) -> None:
    lod = struct.pack("<QQQQQQ", 2, 16, 0, 2, 8, 9)
    path.write_bytes(variable(bytes([8, 5, 16, 2]), struct.pack("<2f", 1, 2), lod))
    np.testing.assert_array_equal(read_variable(path), np.float32([1, 2]))


def test_real_files_are_read_and_written_again_byte_for_byte(shared: Path, path: Path) -> None:
    expected = {"word_emb": (58224, 128), "crfw": (51, 49), "fc_4.w_0": (256, 49), "fc_4.b_0": (49,)}
    for layer in range(4):
        inputs = 128 if layer < 2 else 256
        expected |= {f"fc_{layer}.w_0": (inputs, 384), f"fc_{layer}.b_0": (384,)}
        expected |= {f"gru_{layer}.w_0": (128, 384), f"gru_{layer}.b_0": (1, 384)}
    model = shared / "models/baidu_lac/model"
    assert {file.name for file in model.iterdir()} == expected.keys()
    for name, shape in expected.items():
        array = read_variable(model / name, shape)
        assert array.dtype == np.float32
        assert 0 < np.abs(array).max() < 100
        write_variable(path, array)
        assert path.read_bytes() == (model / name).read_bytes()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "byte 0: the file ends within the version of the variable"),
        (struct.pack("<IQ", 1, 0), "byte 0: the variable has version 1"),
        (struct.pack("<IQI", 0, 0, 9), "byte 12: the tensor has version 9"),
        (struct.pack("<IQ", 0, 2**64 - 1) + bytes(99), "byte 4: 18446744073709551615 LoD levels"),
        (struct.pack("<IQQ", 0, 1, 2**63) + bytes(99), "byte 20: the file ends within LoD level 0"),
        (struct.pack("<IQIi", 0, 0, 0, -1) + bytes(99), "byte 16: a description of -1 bytes"),
        (struct.pack("<IQIi", 0, 0, 0, 2**31 - 1) + bytes(99), "byte 16: a description of 2147483647 bytes"),
        (struct.pack("<IQIi", 0, 0, 0, 9) + bytes(8), "byte 20: the file ends within the description"),
        (bytes(99), "byte 20: the description names no data type"),
        (variable(bytes([16, 2]), bytes(8)), "byte 20: the description names no data type"),
        (variable(bytes([8, 22, 16, 2]), bytes(4)), "byte 20: data type 22"),
        (variable(bytes([8, 5, 8, 5, 16, 2]), bytes(8)), "byte 22: field 1 of wire type 0"),
        (variable(bytes([8, 5, 24, 2]), bytes(8)), "byte 22: field 3 of wire type 0"),
        (variable(bytes([8, 5, 21, 2, 0, 0, 0]), bytes(8)), "byte 22: field 2 of wire type 5"),
        (variable(bytes([8, 5, 22, 2]), bytes(8)), "byte 22: field 2 of wire type 6"),
        (variable(bytes([8, 5, 18, 3, 2, 2]), bytes(16)), "byte 22: packed dimensions of 3 bytes"),
        (variable(bytes([8, 5, 18, 2, 2, 0x80, 1]), bytes(16)), "byte 25: a number runs beyond its end"),
        (variable(bytes([8, 5, 16, 0x82]), bytes(16)), "byte 23: a number runs beyond its end"),
        (variable(bytes([8, 5, 16, *[0x80] * 10, 1]), bytes(16)), "byte 23: a number takes more than 10 bytes"),
        (variable(bytes([8, 5, 16, *[0xFF] * 9, 2]), bytes(16)), "byte 23: a number takes more than 64 bits"),
        (variable(bytes([8, 5, 16, *[0xFF] * 9, 1]), bytes(16)), "byte 23: a dimension of -1"),
        (variable(bytes([8, 5, 16, 0]), b""), "byte 23: a dimension of 0"),
        (variable(bytes([8, 5, *[16, 1] * 33]), bytes(4)), "byte 20: 33 dimensions"),
        (variable(bytes([8, 5, *[16, *[0xFF] * 8, 0x7F] * 4]), bytes(16)), "byte 62: 16 bytes of values follow"),
        (variable(bytes([8, 5, *[16, *[0x80] * 4, 0x10] * 4]), b""), "byte 46: 0 bytes of values follow"),
        (variable(bytes([8, 5, 16, 2]), bytes(7)), "byte 24: 7 bytes of values follow where float32 [2] needs 8"),
        (variable(bytes([8, 5, 16, 2]), bytes(9)), "save it alone if the file holds several variables"),
    ],
)
def test_a_damaged_file_is_refused_with_its_byte(path: Path, content: bytes, problem: str) -> None:
    assert problem in refused(path, content)


def test_another_shape_than_needed_is_refused(path: Path) -> None:
    write_variable(path, np.zeros((2, 3), np.float32))
    with pytest.raises(InputError, match=r"fc_0.w_0: has shape \[2, 3\] where \[3, 2\] is needed"):
        read_variable(path, (3, 2))


@pytest.mark.timeout(20)
def test_what_is_no_regular_file_is_not_opened(path: Path, tmp_path: Path) -> None:
    os.mkfifo(path)
    for name, problem in ((path.name, "not a regular file"), ("", "not a regular file"), ("none", "No such file")):
        with pytest.raises(InputError, match=problem):
            read_variable(tmp_path / name)


def test_values_beyond_the_memory_are_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_variable(path, np.zeros(1000, np.float32))
    monkeypatch.setattr(safety, "available_memory", lambda: 7999)
    with pytest.raises(InputError, match=r"GB of memory"):
        read_variable(path)
    monkeypatch.setattr(safety, "available_memory", lambda: 8000)
    assert read_variable(path).shape == (1000,)


def mutate(content: bytes, generator: random.Random) -> bytes:
    """Damage bytes: mostly near the beginning, where they have a meaning."""
    damaged = bytearray(content)
    for _ in range(generator.randint(1, 3)):
        at = generator.randrange(min(len(damaged), generator.choice([30, len(content)])) or 1)
        match generator.randrange(4):
            case 0:
                damaged[at : at + 1] = bytes([generator.randrange(256)])
            case 1:
                damaged[at:at] = generator.randbytes(generator.randint(1, 9))
            case 2:
                del damaged[at : at + generator.randint(1, 9)]
            case 3:
                del damaged[at:]
    return bytes(damaged)


@pytest.mark.timeout(60)
def test_any_damage_ends_in_an_array_or_a_refusal(path: Path) -> None:
    values = np.arange(600, dtype=np.float32).reshape(2, 300)
    write_variable(path, values)
    content, read = path.read_bytes(), 0
    for seed in range(300):
        path.write_bytes(mutate(content, random.Random(seed)))
        try:
            array = read_variable(path)
        except InputError as error:
            assert str(path) in str(error), f"seed {seed}"
        else:
            read += 1
            assert 0 < array.nbytes <= path.stat().st_size, f"seed {seed}"
    assert 0 < read < 300
