"""The tensors of a PyTorch checkpoint (what `torch.save(model.state_dict(), path)` writes), without PyTorch.

Both of its formats: a zip archive (PyTorch 1.6 and later) and consecutive pickles followed by raw values (before).
Nothing in a file is executed: see `elmo.convert.pickles`.
"""

from __future__ import annotations

import io
import math
import os
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from elmo.convert.pickles import BFLOAT16, STORAGES, RefusedError, Storage, StoredTensor, interpret, shown, tensors_of
from elmo.convert.safety import BoundedFile, check_memory
from elmo.errors import InputError
from elmo.system.types import PathLike

Bytes = npt.NDArray[np.uint8]

_READ_BYTES = 1 << 20  # at most so much is read at a time; a zip's directory is far smaller
_PICKLE_BYTES = 1 << 18  # a state_dict's pickle takes some 150 a tensor
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


@dataclass(frozen=True)
class _Checkpoint:
    tensors: dict[str, StoredTensor]
    read_storage: Callable[[Storage], Bytes]


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


def _view(tensor: StoredTensor, raw: Bytes) -> npt.NDArray[Any]:
    """Values of a tensor: a view of the whole of its storage, or a copy of a part."""
    dtype = np.dtype(STORAGES[tensor.storage.kind])
    strides = tuple(stride * dtype.itemsize for stride in tensor.strides)
    array: npt.NDArray[Any]
    if math.prod(tensor.shape):
        array = np.ndarray(tensor.shape, dtype, raw.data, tensor.offset * dtype.itemsize, strides)
    else:
        array = np.empty(tensor.shape, dtype)
    if tensor.storage.kind == BFLOAT16:
        return (array.astype("<u4") << 16).view("<f4")
    return array if array.nbytes == raw.nbytes and array.flags.c_contiguous else array.copy(order="C")


@contextmanager
def _opened(path: PathLike) -> Iterator[_Checkpoint]:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise RefusedError("is not a regular file; give the checkpoint itself")
        with BoundedFile(path, _READ_BYTES, _too_much) as file:
            if file.peek(4)[:4] != b"PK\3\4":
                yield _read_legacy(file)
                return
            with zipfile.ZipFile(file) as archive:
                yield _read_zip(archive, file.size)
    except InputError:
        raise
    except RefusedError as error:
        raise InputError(f"{path}: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror or error}); give the checkpoint itself") from None
    except (ValueError, LookupError, TypeError, ArithmeticError, EOFError, RuntimeError) as error:
        raise _damaged(path, error) from None
    except (struct.error, zipfile.BadZipFile, Warning) as error:  # a warning: where Python makes errors of them
        raise _damaged(path, error) from None


def _damaged(path: PathLike, error: Exception) -> InputError:
    return InputError(f"{path}: is damaged or no PyTorch checkpoint ({shown(str(error))}); copy or download it again")


def _too_much(size: int) -> ValueError:
    return ValueError(f"a part that must be small takes {size:,} bytes")


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
            raise RefusedError(f"holds {shown(name)} twice, which PyTorch never does; download it again")
        if name.startswith("/") or "\\" in name or ".." in name.split("/"):
            raise RefusedError(f"holds {shown(name)}, a name that leads out of the archive; download it again")
        if (
            member.flag_bits & 1
            or member.compress_type != zipfile.ZIP_STORED
            or member.file_size != member.compress_size
        ):
            raise RefusedError(f"{shown(name)} in it is encrypted or compressed, as PyTorch never does; save it again")
        members[name] = member
    if sum(member.file_size for member in members.values()) > file_size:
        raise ValueError("its members claim to be larger than the file")
    pickles = [name for name in members if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise RefusedError(
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
        raise RefusedError(f"byte order is {shown(repr(order))}, only little is read; save it on a usual machine")
    storages: dict[str, Storage] = {}
    tensors = tensors_of(interpret(io.BytesIO(read_small(pickles[0])), storages))
    for storage in storages.values():
        found = members.get(f"{folder}data/{storage.key}")
        if found is None or found.file_size != storage.num_bytes:
            held = "is missing" if found is None else f"holds {found.file_size:,} bytes"
            raise ValueError(f"storage {shown(storage.key)} of {storage.num_bytes:,} bytes {held}")
    return _Checkpoint(tensors, lambda storage: read_member(f"{folder}data/{storage.key}"))


def _read_legacy(file: BoundedFile) -> _Checkpoint:
    """Format before PyTorch 1.6: five pickles (magic number, protocol, system, object, keys of the storages), then for
    each key the number of values, a little-endian int64, and the values.
    """
    pickles = io.BytesIO(file.read(min(file.size, _PICKLE_BYTES)))
    storages: dict[str, Storage] = {}
    if interpret(pickles, storages) != _MAGIC or interpret(pickles, storages) != _PROTOCOL:
        raise RefusedError("is a pickle but no checkpoint; give what torch.save wrote of a state_dict")
    system = interpret(pickles, storages)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise RefusedError("byte order is not little, which alone is read; save it on a usual machine")
    tensors = tensors_of(interpret(pickles, storages))
    keys = interpret(pickles, storages)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or sorted(keys) != sorted(storages):
        raise ValueError("its list of storages is not that of its tensors")
    starts: dict[str, int] = {}
    position = pickles.tell()
    for key in keys:
        file.seek(position)
        num_values = int.from_bytes(file.read(8), "little")
        if num_values != storages[key].num_values:
            raise ValueError(f"storage {shown(key)} has {num_values:,} values, not {storages[key].num_values:,}")
        starts[key] = position + 8
        position += 8 + storages[key].num_bytes
        if position > file.size:
            raise ValueError(f"storage {shown(key)} goes to byte {position:,} of {file.size:,}")

    def read_storage(storage: Storage) -> Bytes:
        file.seek(starts[storage.key])
        return _read_bytes(file, storage.num_bytes)

    return _Checkpoint(tensors, read_storage)
