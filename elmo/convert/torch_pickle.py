"""The tensors of a PyTorch checkpoint (what `torch.save(model.state_dict(), path)` writes), without PyTorch.

Both of its formats: a zip archive (PyTorch 1.6 and later) and consecutive pickles followed by raw values (before).
Nothing in a file is executed: see `_interpret`.
"""

from __future__ import annotations

import io
import math
import os
import pickletools
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from elmo.convert.safety import check_memory
from elmo.errors import InputError

PathLike = str | os.PathLike[str]
Bytes = npt.NDArray[np.uint8]

_READ_BYTES = 1 << 20  # at most so much is read at a time; a zip's directory is far smaller
_PICKLE_BYTES = 1 << 18  # a state_dict's pickle takes some 150 a tensor
_MAX_DIMENSIONS = 16
_MAX_SIZE = 1 << 40
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_BFLOAT16 = "torch BFloat16Storage"
_STORAGES = {
    "torch FloatStorage": "<f4",
    "torch DoubleStorage": "<f8",
    "torch HalfStorage": "<f2",
    _BFLOAT16: "<u2",  # NumPy has no such number: becomes float32, of which it is the upper half
    "torch LongStorage": "<i8",
    "torch IntStorage": "<i4",
    "torch ShortStorage": "<i2",
    "torch CharStorage": "<i1",
    "torch ByteStorage": "<u1",
    "torch BoolStorage": "?",
}
_DICT, _TENSOR, _PARAMETER = (
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_LITERALS = {"BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE", "SHORT_BINUNICODE"}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class _RefusedError(ValueError):
    """A file that is whole and holds what is not read: the message says what to do."""


@dataclass(frozen=True)
class _Name:
    text: str  # a class or function the pickle asks for, "module name": only its name, never the thing


@dataclass(frozen=True)
class _Storage:
    key: str
    kind: str  # of _STORAGES
    num_values: int

    @property
    def num_bytes(self) -> int:
        return self.num_values * np.dtype(_STORAGES[self.kind]).itemsize


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int  # this and the strides count values
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class _Checkpoint:
    tensors: dict[str, _Tensor]
    read_storage: Callable[[_Storage], Bytes]


def tensor_shapes(path: PathLike) -> dict[str, tuple[int, ...]]:
    """Shape of each tensor of a checkpoint by name, read without the tensors; raises as `read_tensors` does."""
    with _opened(path) as checkpoint:
        return {name: tensor.shape for name, tensor in checkpoint.tensors.items()}


def read_tensors(path: PathLike) -> dict[str, npt.NDArray[Any]]:
    """Read the tensors of a checkpoint by name, each in its own type (bfloat16 as float32).

    Raises:
        InputError: the file is missing, damaged or no checkpoint of tensors only; it asks for a class or function that
            makes no tensor; a tensor reaches outside its storage; or they don't fit in memory.
    """
    with _opened(path) as checkpoint:
        tensors = checkpoint.tensors
        storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
        wanted = sum(4 * math.prod(tensor.shape) for tensor in tensors.values())
        check_memory(max(wanted, sum(storage.num_bytes for storage in storages.values())), path)
        raw = {key: checkpoint.read_storage(storage) for key, storage in storages.items()}
        return {name: _view(tensor, raw[tensor.storage.key]) for name, tensor in tensors.items()}


def _view(tensor: _Tensor, raw: Bytes) -> npt.NDArray[Any]:
    """Values of a tensor: a view of the whole of its storage, or a copy of a part."""
    dtype = np.dtype(_STORAGES[tensor.storage.kind])
    strides = tuple(stride * dtype.itemsize for stride in tensor.strides)
    array: npt.NDArray[Any]
    if math.prod(tensor.shape):
        array = np.ndarray(tensor.shape, dtype, raw.data, tensor.offset * dtype.itemsize, strides)
    else:
        array = np.empty(tensor.shape, dtype)
    if tensor.storage.kind == _BFLOAT16:
        return (array.astype("<u4") << 16).view("<f4")
    return array if array.nbytes == raw.nbytes and array.flags.c_contiguous else array.copy(order="C")


@contextmanager
def _opened(path: PathLike) -> Iterator[_Checkpoint]:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise _RefusedError("is not a regular file; give the checkpoint itself")
        with _BoundedFile(io.FileIO(os.fspath(path))) as file:
            if file.peek(4)[:4] != b"PK\3\4":
                yield _read_legacy(file)
                return
            with zipfile.ZipFile(file) as archive:
                yield _read_zip(archive, file.size)
    except InputError:
        raise
    except _RefusedError as error:
        raise InputError(f"{path}: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror or error}); give the checkpoint itself") from None
    except (ValueError, LookupError, TypeError, ArithmeticError, EOFError, RuntimeError) as error:
        raise _damaged(path, error) from None
    except (struct.error, zipfile.BadZipFile, Warning) as error:  # a warning: where Python makes errors of them
        raise _damaged(path, error) from None


def _damaged(path: PathLike, error: Exception) -> InputError:
    return InputError(f"{path}: is damaged or no PyTorch checkpoint ({_shown(str(error))}); copy or download it again")


class _BoundedFile(io.BufferedReader):
    """A file that no reader of it can make read more than a little at a time, whatever sizes the file itself claims."""

    def __init__(self, raw: io.FileIO) -> None:
        super().__init__(raw)
        self.size = os.fstat(self.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = max(self.size - self.tell(), 0)
        if size > _READ_BYTES:
            raise ValueError(f"a part that must be small takes {size:,} bytes")
        return super().read(size)


def _read_bytes(file: io.BufferedIOBase, num_bytes: int) -> Bytes:
    """Read exactly so many bytes, which the caller has compared with the size of the file."""
    raw = np.empty(num_bytes, np.uint8)
    for start in range(0, num_bytes, _READ_BYTES):
        wanted = min(_READ_BYTES, num_bytes - start)
        if file.readinto(raw[start : start + wanted].data) != wanted:
            raise ValueError("it ends too early")
    return raw


def _read_zip(archive: zipfile.ZipFile, file_size: int) -> _Checkpoint:
    """Format of PyTorch 1.6 and later: `NAME/data.pkl`, `NAME/byteorder`, and a storage in each `NAME/data/KEY`."""
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = member.filename
        if name in members:
            raise _RefusedError(f"holds {_shown(name)} twice, which PyTorch never does; download it again")
        if name.startswith("/") or "\\" in name or ".." in name.split("/"):
            raise _RefusedError(f"holds {_shown(name)}, a name that leads out of the archive; download it again")
        if (
            member.flag_bits & 1
            or member.compress_type != zipfile.ZIP_STORED
            or member.file_size != member.compress_size
        ):
            raise _RefusedError(
                f"{_shown(name)} in it is encrypted or compressed, as PyTorch never does; save it again"
            )
        members[name] = member
    if sum(member.file_size for member in members.values()) > file_size:
        raise ValueError("its members claim to be larger than the file")
    pickles = [name for name in members if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise _RefusedError(
            f"is a zip archive with {len(pickles)} data.pkl, not a checkpoint; give what torch.save wrote"
        )
    folder = pickles[0].removesuffix("data.pkl")

    def read_member(name: str) -> Bytes:
        with archive.open(members[name]) as file:  # which compares the check sum at its end
            return _read_bytes(cast(io.BufferedIOBase, file), members[name].file_size)

    def read_small(name: str) -> bytes:
        if members[name].file_size > _PICKLE_BYTES:
            raise ValueError(f"{name} takes {members[name].file_size:,} bytes and must be small")
        return read_member(name).tobytes()

    if folder + "byteorder" in members and (order := read_small(folder + "byteorder")) != b"little":
        raise _RefusedError(f"byte order is {_shown(repr(order))}, only little is read; save it on a usual machine")
    storages: dict[str, _Storage] = {}
    tensors = _tensors_of(_interpret(io.BytesIO(read_small(pickles[0])), storages))
    for storage in storages.values():
        found = members.get(f"{folder}data/{storage.key}")
        if found is None or found.file_size != storage.num_bytes:
            held = "is missing" if found is None else f"holds {found.file_size:,} bytes"
            raise ValueError(f"storage {_shown(storage.key)} of {storage.num_bytes:,} bytes {held}")
    return _Checkpoint(tensors, lambda storage: read_member(f"{folder}data/{storage.key}"))


def _read_legacy(file: _BoundedFile) -> _Checkpoint:
    """Format before PyTorch 1.6: five pickles (magic number, protocol, system, object, keys of the storages), then for
    each key the number of values, a little-endian int64, and the values.
    """
    pickles = io.BytesIO(file.read(min(file.size, _PICKLE_BYTES)))
    storages: dict[str, _Storage] = {}
    if _interpret(pickles, storages) != _MAGIC or _interpret(pickles, storages) != _PROTOCOL:
        raise _RefusedError("is a pickle but no checkpoint; give what torch.save wrote of a state_dict")
    system = _interpret(pickles, storages)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise _RefusedError("byte order is not little, which alone is read; save it on a usual machine")
    tensors = _tensors_of(_interpret(pickles, storages))
    keys = _interpret(pickles, storages)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or sorted(keys) != sorted(storages):
        raise ValueError("its list of storages is not that of its tensors")
    starts: dict[str, int] = {}
    position = pickles.tell()
    for key in keys:
        file.seek(position)
        num_values = int.from_bytes(file.read(8), "little")
        if num_values != storages[key].num_values:
            raise ValueError(f"storage {_shown(key)} has {num_values:,} values, not {storages[key].num_values:,}")
        starts[key] = position + 8
        position += 8 + storages[key].num_bytes
        if position > file.size:
            raise ValueError(f"storage {_shown(key)} goes to byte {position:,} of {file.size:,}")

    def read_storage(storage: _Storage) -> Bytes:
        file.seek(starts[storage.key])
        return _read_bytes(file, storage.num_bytes)

    return _Checkpoint(tensors, read_storage)


def _interpret(pickle: io.BytesIO, storages: dict[str, _Storage]) -> object:
    """Value of the next pickle; the storages it names are added to `storages`.

    The standard library's tokenizer, which executes nothing, and the two dozen operations that a state_dict needs. This
    is safer than a `pickle.Unpickler` with a `find_class`, and hardly longer: nothing here can call, import or set an
    attribute, each argument is looked at, values are only shared, never multiplied, and only strings are hashed.
    """
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def pop(count: int) -> list[Any]:
        if len(stack) < count:
            raise ValueError("its pickle takes what was never put")
        taken = stack[len(stack) - count :]
        del stack[len(stack) - count :]
        return taken

    def pop_to_mark() -> list[Any]:
        return pop(max(len(stack) - marks.pop(), 0))

    argument: Any
    for opcode, argument, _ in pickletools.genops(pickle):
        operation = opcode.name
        if operation in _LITERALS:
            stack.append(argument)
        elif operation in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif operation == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif operation in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif operation in _CONSTANTS:
            stack.append(_CONSTANTS[operation])
        elif operation in _TUPLES:
            stack.append(tuple(pop(_TUPLES[operation])))
        elif operation == "MARK":
            marks.append(len(stack))
        elif operation == "TUPLE":
            stack.append(tuple(pop_to_mark()))
        elif operation == "EMPTY_DICT":
            stack.append({})
        elif operation == "EMPTY_LIST":
            stack.append([])
        elif operation in ("SETITEM", "SETITEMS"):
            pairs = pop(2) if operation == "SETITEM" else pop_to_mark()
            _set_items(stack[-1], pairs)
        elif operation in ("APPEND", "APPENDS"):
            items = pop(1) if operation == "APPEND" else pop_to_mark()
            if not isinstance(stack[-1], list):
                raise ValueError("its pickle appends to what is no list")
            stack[-1].extend(items)
        elif operation == "GLOBAL":
            stack.append(_name(str(argument)))
        elif operation == "STACK_GLOBAL":
            module, name = pop(2)
            stack.append(_name(f"{module} {name}" if isinstance(module, str) and isinstance(name, str) else "?"))
        elif operation == "BINPERSID":
            storage = _storage(*pop(1))
            if storages.setdefault(storage.key, storage) != storage:
                raise ValueError(f"storage {_shown(storage.key)} is described in two ways")
            stack.append(storage)
        elif operation == "REDUCE":
            stack.append(_rebuild(*pop(2)))
        elif operation == "BUILD":  # a state_dict's versions of its modules
            pop(1)
            if not isinstance(stack[-1], dict):
                raise _RefusedError("sets the attributes of what is no dictionary: not executed; save its state_dict")
        elif operation == "STOP":
            return pop(1)[0]
        elif operation not in ("PROTO", "FRAME"):
            what = f"{operation} {argument}" if operation == "INST" else operation
            raise _RefusedError(f"asks for {_shown(what)}, which no tensor needs: not executed; save its state_dict")
    raise ValueError("its pickle has no end")


def _name(text: str) -> _Name:
    if text not in _STORAGES and text not in (_DICT, _TENSOR, _PARAMETER):
        asked = _shown(text.replace(" ", "."))
        raise _RefusedError(
            f"asks for {asked}, which is no tensor: not executed; save only its state_dict with torch.save"
        )
    return _Name(text)


def _set_items(target: object, pairs: list[Any]) -> None:
    if not isinstance(target, dict) or len(pairs) % 2:
        raise ValueError("its pickle sets an item of what is no dictionary")
    for key, value in zip(pairs[::2], pairs[1::2], strict=True):
        if not isinstance(key, str) or key in target:
            raise ValueError("its pickle has a key that is no name, or one name twice")
        target[key] = value


def _storage(identifier: object) -> _Storage:
    """Storage named by ("storage", kind, key, device, number of values) and, in the older format, None."""
    if not isinstance(identifier, tuple) or len(identifier) not in (5, 6) or identifier[5:] not in ((), (None,)):
        raise ValueError("its pickle names what is no storage")
    _, kind, key, _, num_values = identifier[:5]
    if not isinstance(kind, _Name) or kind.text not in _STORAGES or not isinstance(key, str):
        raise ValueError("its pickle names what is no storage")
    if type(num_values) is not int or not 0 <= num_values <= _MAX_SIZE:
        raise ValueError(f"storage {_shown(key)} claims an impossible number of values")
    return _Storage(key, kind.text, num_values)


def _rebuild(function: object, arguments: object) -> object:
    """What the one dictionary and the two functions that make a tensor would have made."""
    if not isinstance(function, _Name) or not isinstance(arguments, tuple):
        raise ValueError("its pickle calls what is no function")
    if function.text == _DICT and not arguments:
        return {}
    if function.text == _PARAMETER and arguments and isinstance(arguments[0], _Tensor):
        return arguments[0]
    if function.text != _TENSOR or len(arguments) < 4 or not isinstance(arguments[0], _Storage):
        raise ValueError(f"its pickle calls {function.text.replace(' ', '.')} with what makes no tensor")
    storage, offset, shape, strides = arguments[:4]
    if (
        not isinstance(shape, tuple)
        or not isinstance(strides, tuple)
        or len(shape) != len(strides)
        or len(shape) > _MAX_DIMENSIONS
        or not all(type(number) is int and 0 <= number <= _MAX_SIZE for number in (offset, *shape, *strides))
    ):
        raise ValueError("a tensor has impossible sizes")
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    num_values = math.prod(shape)
    if num_values and (last >= storage.num_values or num_values > storage.num_values):
        raise ValueError(
            f"a tensor of shape {list(shape)} reaches outside its storage of {storage.num_values:,} values"
        )
    return _Tensor(storage, offset, shape, strides)


def _tensors_of(value: object) -> dict[str, _Tensor]:
    if not isinstance(value, dict) or not value:
        raise _RefusedError("holds no dictionary of tensors; save a model's state_dict with torch.save")
    for name, tensor in value.items():
        if not name.isprintable() or len(name) > 200:
            raise ValueError(f"a tensor has an impossible name, {_shown(name)}")
        if not isinstance(tensor, _Tensor):
            raise _RefusedError(f"{_shown(name)} in it is no tensor; save only the model's state_dict with torch.save")
    return value


def _shown(text: str) -> str:
    """Text of a file as it may stand in a message of one line."""
    return text if text.isprintable() and len(text) <= 100 else repr(text[:100])
