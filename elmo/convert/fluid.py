"""The variable file of Paddle 1.x: one parameter a file, as `fluid.io.save_vars` wrote it; read without any Paddle.

Format, little-endian (`SerializeToStream` of a LoDTensor): u32 version 0; u64 number of LoD levels, each a u64 byte
count and so many bytes; u32 version 0; i32 size of a protobuf message TensorDesc (field 1 the data type, field 2 the
dimensions); the raw values.
"""

from __future__ import annotations

import math
import os
import stat
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from elmo.convert.safety import check_memory
from elmo.errors import InputError
from elmo.system.files import whole_file
from elmo.system.types import Array, PathLike

# Paddle's VarType.Type; what is little-endian in the file is so on every machine.
_DTYPES: dict[int, np.dtype[Any]] = {
    number: np.dtype(code) for number, code in ((2, "<i4"), (3, "<i8"), (4, "<f2"), (5, "<f4"), (6, "<f8"))
}
_TYPE_NUMBERS = {dtype: number for number, dtype in _DTYPES.items()}
_MAX_LOD_LEVELS = 16  # parameters have none, sequences of sequences two
_MAX_DIMENSIONS = 32  # NumPy 1 holds no more
_MAX_DESCRIPTOR = 1024  # bytes; 32 dimensions take 354
_MAX_VARINT = 10  # bytes of 7 bits, for 64
_VARINT, _BYTES = 0, 2  # wire types of protobuf
_DATA_TYPE, _DIMENSIONS = 1, 2  # fields of TensorDesc


@dataclass(frozen=True)
class FluidHeader:
    """What a variable file says about its values."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int  # byte at which the values begin

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)


def read_header(path: PathLike) -> FluidHeader:
    """Read data type and shape of a variable file, and check that its values are all there, without reading them.

    Raises:
        InputError: it can't be read, is damaged, or holds more or less than its shape says; names the byte.
    """
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):  # opening a FIFO would wait for ever
            raise InputError(f"{path}: is not a regular file; give a variable file of Paddle 1.x")
        with open(path, "rb") as file:
            return _Reader(file, path, os.fstat(file.fileno()).st_size).header()
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror}); give a variable file of Paddle 1.x") from None


def read_variable(path: PathLike, shape: tuple[int, ...] | None = None) -> Array:
    """Read a variable file into an array of its own data type.

    Args:
        shape: what it must be, where that is known.

    Raises:
        InputError: as `read_header` does; the shape is another; the values would not fit in memory.
    """
    header = read_header(path)
    if shape is not None and header.shape != tuple(shape):
        raise InputError(f"{path}: has shape {list(header.shape)} where {list(shape)} is needed; give the right file")
    check_memory(header.size * header.dtype.itemsize, path)
    try:
        values = np.fromfile(path, header.dtype, header.size, offset=header.offset)
    except (OSError, MemoryError) as error:
        raise InputError(f"{path}: can't be read ({error}); copy it again, or use a larger machine") from None
    if values.size != header.size:
        raise InputError(f"{path}: became shorter while it was read; read it again when it is complete")
    return values.reshape(header.shape)


def write_variable(path: PathLike, array: Array) -> None:
    """Write an array as a variable file, byte for byte as Paddle 1.x does; the file appears whole or not at all.

    Raises:
        InputError: the format can't hold its data type or shape, or the file can't be written.
    """
    number = _TYPE_NUMBERS.get(array.dtype.newbyteorder("<"))
    if number is None:
        known = ", ".join(dtype.name for dtype in _TYPE_NUMBERS)
        raise InputError(f"{path}: an array of {array.dtype} can't be written as a variable; make it one of {known}")
    if array.ndim > _MAX_DIMENSIONS or 0 in array.shape:
        raise InputError(f"{path}: shape {list(array.shape)} can't be written as a variable; give an array with values")
    descriptor = bytes([_DATA_TYPE << 3 | _VARINT, number])
    for dimension in array.shape:
        descriptor += bytes([_DIMENSIONS << 3 | _VARINT]) + _varint(dimension)
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        file.write(struct.pack("<IQIi", 0, 0, 0, len(descriptor)) + descriptor)
        file.write(np.ascontiguousarray(array, dtype=_DTYPES[number]).data)


def _varint(value: int) -> bytes:
    """Encode a number 0 .. 2**64 - 1: seven bits a byte, the lowest first, the top bit set where more follow."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


class _Reader:
    """The parts of a variable file in their order, each checked against the file's size before it is read."""

    def __init__(self, file: BinaryIO, path: PathLike, size: int) -> None:
        self.file, self.path, self.size = file, path, size

    def header(self) -> FluidHeader:
        self._version("the variable")
        levels = self._number("<Q", "the number of LoD levels")
        if levels > _MAX_LOD_LEVELS:
            raise self.error(self.file.tell() - 8, f"{levels} LoD levels are claimed, {_MAX_LOD_LEVELS} are too many")
        for level in range(levels):
            length = self._number("<Q", f"the size of LoD level {level}")
            self._check_there(length, f"LoD level {level}")
            self.file.seek(length, os.SEEK_CUR)
        self._version("the tensor")
        length = self._number("<i", "the size of the description")
        if not 0 <= length <= _MAX_DESCRIPTOR:
            raise self.error(self.file.tell() - 4, f"a description of {length} bytes is claimed")
        start = self.file.tell()
        data_type, shape = _Descriptor(self._take(length, "the description"), start, self).parse()
        dtype = _DTYPES.get(data_type)
        if dtype is None:
            raise self.error(start, f"data type {data_type} is not among those that are read ({_known_types()})")
        header = FluidHeader(dtype, shape, self.file.tell())
        wanted, there = header.size * dtype.itemsize, self.size - header.offset
        if wanted != there:
            several = "" if wanted > there else ", or save it alone if the file holds several variables"
            raise self.error(
                header.offset,
                f"{there:,} bytes of values follow where {dtype.name} {list(shape)} needs {wanted:,}",
                several,
            )
        return header

    def _version(self, what: str) -> None:
        version = self._number("<I", f"the version of {what}")
        if version != 0:
            raise self.error(self.file.tell() - 4, f"{what} has version {version} where Paddle 1.x writes 0")

    def _number(self, code: str, what: str) -> int:
        return int(struct.unpack(code, self._take(struct.calcsize(code), what))[0])

    def _take(self, length: int, what: str) -> bytes:
        self._check_there(length, what)
        taken = self.file.read(length)
        if len(taken) != length:
            raise self.error(self.size, f"the file became shorter while {what} was read")
        return taken

    def _check_there(self, length: int, what: str) -> None:
        position = self.file.tell()
        if length > self.size - position:
            raise self.error(position, f"the file ends within {what}, {length} bytes of which {self.size - position}")

    def error(self, byte: int, problem: str, advice: str = "") -> InputError:
        return InputError(f"{self.path}: byte {byte}: {problem}; give a variable file of Paddle 1.x{advice}")


class _Descriptor:
    """A TensorDesc message; strict, since nothing but the two fields was ever written there."""

    def __init__(self, message: bytes, start: int, reader: _Reader) -> None:
        self.message, self.start, self.reader = message, start, reader
        self.position = 0

    def parse(self) -> tuple[int, tuple[int, ...]]:
        data_type: int | None = None
        shape: list[int] = []
        while self.position < len(self.message):
            at = self.position
            key = self._varint(len(self.message))
            if key == _DATA_TYPE << 3 | _VARINT and data_type is None:
                data_type = self._varint(len(self.message))
            elif key == _DIMENSIONS << 3 | _VARINT:
                shape.append(self._dimension(len(self.message)))
            elif key == _DIMENSIONS << 3 | _BYTES:  # packed: other writers of protobuf do so
                length = self._varint(len(self.message))
                end = self.position + length
                if end > len(self.message):
                    raise self.error(at, f"packed dimensions of {length} bytes lead out of the description")
                while self.position < end:
                    shape.append(self._dimension(end))
            else:
                raise self.error(at, f"field {key >> 3} of wire type {key & 7} is not expected there")
        if data_type is None:
            raise self.error(0, "the description names no data type")
        if len(shape) > _MAX_DIMENSIONS:
            raise self.error(0, f"{len(shape)} dimensions are more than {_MAX_DIMENSIONS}")
        return data_type, tuple(shape)

    def _dimension(self, end: int) -> int:
        at = self.position
        value = self._varint(end)
        if not 0 < value < 1 << 63:
            signed = value - (1 << 64) if value else 0
            raise self.error(at, f"a dimension of {signed} is claimed")
        return value

    def _varint(self, end: int) -> int:
        at, value = self.position, 0
        for index in range(_MAX_VARINT):
            if self.position >= end:
                raise self.error(at, "a number runs beyond its end")
            byte = self.message[self.position]
            self.position += 1
            value |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                break
        else:
            raise self.error(at, f"a number takes more than {_MAX_VARINT} bytes")
        if value >= 1 << 64:
            raise self.error(at, "a number takes more than 64 bits")
        return value

    def error(self, at: int, problem: str) -> InputError:
        return self.reader.error(self.start + at, problem)


def _known_types() -> str:
    return ", ".join(f"{number} {dtype.name}" for number, dtype in _DTYPES.items())
