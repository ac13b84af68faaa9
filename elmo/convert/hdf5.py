"""HDF5 from elsewhere: datasets of plain floats that are in the file and nowhere else, each checked before it is read.

HDF5 can lead to other files (external links, external storage, virtual datasets) and unpack a few bytes to any number;
none of this is followed.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from elmo.errors import InputError
from elmo.system.types import Array, Shape

_MAX_OBJECTS, _MAX_DEPTH, _MAX_CHUNKS = 10_000, 8, 10_000  # of an HDF5 file; a model has some 40 datasets, 6 deep
_MAX_CHUNK_BYTES = 64 << 20  # of a dataset that is smaller than its chunk
_FLOATS = [getattr(h5py.h5t, f"IEEE_F{bits}{order}") for bits in (16, 32, 64) for order in ("LE", "BE")]
_FILTERS: tuple[list[int], ...] = ([], [h5py.h5z.FILTER_DEFLATE], [h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE])
_DAMAGE = (OSError, RuntimeError, LookupError, ValueError, TypeError, ArithmeticError, MemoryError, zlib.error)


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Turn whatever HDF5 says about a damaged file into an InputError."""
    try:
        yield
    except InputError:
        raise
    except _DAMAGE as error:
        reason = " ".join(str(error).encode(errors="backslashreplace").decode().split())
        raise InputError(
            f"{path}: damaged, or not HDF5 ({reason or type(error).__name__}); copy or download it again"
        ) from None


def inner_dataset(file: h5py.Group, name: str) -> h5py.Dataset:
    """A dataset of a file whose name is not a path, and whose values are in that file and nowhere else.

    Raises:
        KeyError: there is none. ValueError: it is a link, or has its values in another file.
    """
    link = file.get(name, getlink=True)
    if link is None:
        raise KeyError(name)
    if "/" in name or not isinstance(link, h5py.HardLink):
        raise ValueError(f"{name!r} is a link, which is not followed")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"{name!r} is not a dataset")
    if is_elsewhere(dataset):
        raise ValueError(f"{name!r} has its values in another file, which is not read")
    return dataset


def is_elsewhere(dataset: h5py.Dataset) -> bool:
    """Whether a dataset's values are in another file: it is virtual, or its storage is external."""
    properties = dataset.id.get_create_plist()
    return bool(properties.get_layout() == h5py.h5d.VIRTUAL or properties.get_external_count())


class Hdf5File:
    """An HDF5 file whose datasets are in it and nowhere else, of which only the expected is read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._used: set[str] = set()
        with damage_named(path):
            self._file = h5py.File(path, "r", locking=False)
            try:
                self._names = list(self._walk(self._file, "", 0, [0]))
            except BaseException:
                self._file.close()
                raise

    def __enter__(self) -> Hdf5File:
        return self

    def __exit__(self, *_: object) -> None:
        with damage_named(self.path):
            self._file.close()

    def refuse(self, name: str, reason: str) -> InputError:
        """Make the error that names a dataset and what is wrong with it."""
        return InputError(f"{self.path}: {name!r} {reason}; copy or download the model again from a place you trust")

    def _walk(self, group: h5py.Group, prefix: str, depth: int, count: list[int]) -> Iterator[str]:
        """Names of all datasets. There being no link to another file, no soft link can lead to one either."""
        for name in group:
            path = f"{prefix}{name}"
            count[0] += 1
            if count[0] > _MAX_OBJECTS or depth > _MAX_DEPTH:
                raise self.refuse(path, "is one object too many, or too deep, for a model")
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.SoftLink):
                yield path
            elif not isinstance(link, h5py.HardLink):
                raise self.refuse(path, "is a link to another file, which is not followed")
            else:
                value = group[name]
                if isinstance(value, h5py.Group):
                    yield from self._walk(value, f"{path}/", depth + 1, count)
                elif isinstance(value, h5py.Dataset):
                    yield path

    def has(self, name: str) -> bool:
        """Whether there is a dataset or group of this name."""
        with damage_named(self.path):
            return name in self._file

    def num_rows(self, name: str) -> int:
        """First dimension of a dataset, 0 if it has none."""
        with damage_named(self.path):
            return int((self._dataset(name).shape or (0,))[0])

    def unused(self) -> list[str]:
        """Names of the datasets that were never checked."""
        return [name for name in self._names if name not in self._used]

    def check(self, name: str, shape: Shape) -> None:
        """Refuse a dataset that is not there, or not plain floats of this shape; none of its values is read."""
        self._used.add(name)
        with damage_named(self.path):
            self._check(name, shape)

    def read(self, name: str, shape: Shape, rows: slice = slice(None)) -> Array:
        """Read a dataset that was checked, or some of its rows, as float32."""
        with damage_named(self.path):
            dataset = self._dataset(name)
            if dataset.compression is not None:
                self._check_gzip(name, dataset)
            array = np.empty((len(range(shape[0])[rows]), *shape[1:]), np.float32)
            dataset.read_direct(array, np.s_[rows])
            return array

    def _dataset(self, name: str) -> h5py.Dataset:
        dataset = self._file.get(name)
        if dataset is None:
            raise InputError(f"{self.path}: the dataset {name} is missing; give the weights that belong to the options")
        if not isinstance(dataset, h5py.Dataset):
            raise self.refuse(name, "is not a dataset")
        if is_elsewhere(dataset):
            raise self.refuse(name, "has its values in another file, which is not read")
        return dataset

    def _check(self, name: str, shape: Shape) -> None:
        dataset = self._dataset(name)
        if not any(dataset.id.get_type().equal(kind) for kind in _FLOATS):
            raise self.refuse(name, f"has values of type {dataset.dtype}, not float16, float32 or float64")
        if dataset.shape != shape:
            has = None if dataset.shape is None else list(dataset.shape)
            raise InputError(
                f"{self.path}: {name} has shape {has}, by the options and the vocabulary it would be {list(shape)}; "
                "give the files that belong together"
            )
        properties = dataset.id.get_create_plist()
        filters = [properties.get_filter(index)[0] for index in range(properties.get_nfilters())]
        if filters not in _FILTERS:
            raise self.refuse(name, f"is packed by the HDF5 filters {filters} and only gzip can be read")
        if dataset.id.get_storage_size() == 0:
            raise self.refuse(name, "was never written")
        if dataset.chunks is not None:
            num_bytes, num_chunks = _chunk_bytes(dataset), dataset.id.get_num_chunks()
            if num_bytes > max(_MAX_CHUNK_BYTES, dataset.nbytes) or num_chunks > _MAX_CHUNKS:
                raise self.refuse(name, f"is stored in {num_chunks:,} chunks of {num_bytes:,} bytes")

    def _check_gzip(self, name: str, dataset: h5py.Dataset) -> None:
        """Refuse gzip that unpacks to anything but a chunk: HDF5 itself would unpack it, however much it is."""
        num_bytes, num_filters = _chunk_bytes(dataset), dataset.id.get_create_plist().get_nfilters()
        chunks: list[Any] = []
        dataset.id.chunk_iter(chunks.append)
        for chunk in chunks:
            if chunk.filter_mask >> (num_filters - 1) & 1:  # stored as it is
                continue
            if chunk.size > 2 * num_bytes + 1024:
                raise self.refuse(name, f"has a packed chunk of {chunk.size:,} bytes")
            _, packed = dataset.id.read_direct_chunk(chunk.chunk_offset)
            if len(zlib.decompressobj().decompress(packed, num_bytes + 1)) != num_bytes:
                raise self.refuse(name, f"has a chunk that does not unpack to {num_bytes:,} bytes")


def _chunk_bytes(dataset: h5py.Dataset) -> int:
    return int(math.prod(dataset.chunks) * dataset.dtype.itemsize)
