"""Contextual vectors on disk, written a sentence at a time: NPZ (.npz) or HDF5 (.h5, .hdf5).

Each sentence is a dataset whose key is its number as a decimal string: "0", "1", ... The dataset "sentences" holds the
words of each sentence as a JSON list: in HDF5 a string each, in NPZ a line each of one UTF-8 text, an array of bytes.
"format", "layers", "pool", "positions" and "model" (attributes in HDF5) say what the vectors are.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal, TypeVar

import h5py
import numpy as np

from elmo.checks import is_count
from elmo.convert.hdf5 import inner_dataset
from elmo.convert.safety import check_memory
from elmo.errors import InputError
from elmo.system.files import whole_file
from elmo.system.inputs import DAMAGE
from elmo.system.types import PathLike, Vectors

Layers = Literal["all", "average"] | int | tuple[int, ...]
Add = Callable[[str, str, Vectors], None]  # takes a sentence's key, its words as JSON, its vectors
Entry = Callable[[str], Any]
Format = TypeVar("Format")

FORMAT = "elmo-vectors/2"
_FORMATS = (FORMAT, "elmo-vectors/1")  # before, NPZ had a row of the longest sentence's characters for each sentence
POOLS = ("none", "mean")
_DTYPES = ("float32", "float16")
_SENTENCES = "sentences"
_HEADER = ("format", "layers", "pool", "positions", "model")
_FILTERS = frozenset({h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE})
_MOST_DEFLATED = 1032  # bytes that one of zlib's can stand for
_BLOCK = 1024  # lists of words that are written together
_BLOCK_BYTES = 16 * _BLOCK  # of them, as HDF5 refers to strings


def parse_layers(text: str) -> Layers:
    """Read which layers are wanted: "all", "average", the number of one, from 0, or several numbers as "0,2".

    Raises:
        InputError: it is none of these.
    """
    if text == "all":
        return "all"
    if text == "average":
        return "average"
    numbers = text.split(",")
    if not all(map(is_count, numbers)):
        raise InputError(f"layers is {text!r}: give all, average, the number of one layer, from 0, or several as 0,2")
    return int(text) if len(numbers) == 1 else tuple(map(int, numbers))


def write_vectors(
    path: PathLike,
    encoded: Iterable[tuple[Sequence[str], Vectors]],
    *,
    layers: Layers = "all",
    pool: str = "none",
    dtype: str = "float32",
    compress: bool = False,
    positions: str = "own",
    model: str = "",
    overwrite: bool = False,
) -> int:
    """Write the vectors of sentences as they come; the file appears when it is whole, or not at all.

    Args:
        path: ends in .npz, .h5 or .hdf5, which chooses the format.
        encoded: words and vectors [layers, words, dim] of each sentence, such as `Encoder.encode_stream` yields.
        layers: "all" keeps [layers, words, dim], as do several numbers in their order; "average" and the number of a
            layer give [words, dim].
        pool: "mean" gives one vector for a sentence, the mean of its words', [layers, dim] or [dim]; zeros for a
            sentence without words.
        dtype: "float32", or "float16" for half the size.
        compress: deflate the vectors too, byte by byte of all numbers in HDF5: some tenths less, and slower.
        positions: where the vectors were read, as `elmo.encoding.encoder.Encoder.encode` took it; the file says so.
        model: what made the vectors, such as the fingerprint of its weights.
        overwrite: take the place of a file that is there.

    Returns:
        the number of sentences.

    Raises:
        InputError: the path or an option is not allowed or the file can't be written, or vectors do not fit: another
            number of words, a missing layer, a number that is not finite or too large for `dtype`.
    """
    target = Path(path)
    writer = _by_suffix(target, _npz_writer, _hdf5_writer)
    if not isinstance(layers, tuple):
        layers = parse_layers(str(layers))
    if pool not in POOLS:
        raise InputError(f"pool is {pool!r}: choose one of {', '.join(POOLS)}")
    if dtype not in _DTYPES:
        raise InputError(f"dtype is {dtype!r}: choose one of {', '.join(_DTYPES)}")
    if os.path.lexists(target) and not overwrite:
        raise InputError(
            f"{target} exists already: choose another place, or give --overwrite True (in Python overwrite=True)"
        )
    shown = ",".join(map(str, layers)) if isinstance(layers, tuple) else str(layers)
    header = dict(zip(_HEADER, (FORMAT, shown, pool, positions, model), strict=True))
    count = 0
    with whole_file(target) as temporary, writer(temporary, header, compress) as add:
        for words, vectors in encoded:
            add(str(count), _to_json(words, count), _select(vectors, words, layers, pool == "mean", dtype, count))
            count += 1
    return count


def read_vectors(path: PathLike) -> tuple[list[list[str]], list[Vectors]]:
    """Read all that `write_vectors` wrote: the words of each sentence, and its vectors, in their order.

    Raises:
        InputError: the file is missing, damaged or not such a file.
    """
    with _opened(path) as entry:
        pool = str(entry("pool")) if str(entry("format")) == FORMAT else "none"
        sentences = [json.loads(str(text)) for text in _lines(entry(_SENTENCES))]
        arrays = [entry(str(number)) for number in range(len(sentences))]
    for number, (words, array) in enumerate(zip(sentences, arrays, strict=True)):
        is_words = isinstance(words, list) and all(isinstance(word, str) for word in words)
        is_vectors = isinstance(array, np.ndarray) and array.dtype.kind == "f"
        if pool == "none":
            is_vectors = is_vectors and array.ndim in (2, 3) and array.shape[-2] == len(words)
        if not (is_words and is_vectors and array.ndim):
            raise InputError(f"{path}: sentence {number} and its vectors do not belong together; write the file again")
    return sentences, arrays


def _lines(sentences: Any) -> Any:
    """The words of each sentence as JSON: an array of strings, or one of the bytes of a text."""
    if getattr(sentences, "dtype", None) != np.uint8:
        return sentences
    lines = sentences.tobytes().decode().split("\n")
    if lines.pop():
        raise ValueError("its sentences were cut")
    return lines


def _select(vectors: Vectors, words: Sequence[str], layers: Layers, is_mean: bool, dtype: str, number: int) -> Vectors:
    """The layers that are wanted, as they are written."""
    vectors = np.asarray(vectors)
    if vectors.ndim != 3 or vectors.shape[1] != len(words):
        raise InputError(
            f"sentence {number} has {len(words)} words and vectors of shape {list(vectors.shape)}: "
            "they must be [layers, words, dim]"
        )
    if layers == "average":
        vectors = vectors.mean(axis=0, dtype=np.float32)
    elif layers != "all":
        for layer in layers if isinstance(layers, tuple) else [layers]:
            if layer >= len(vectors):
                raise InputError(f"there is no layer {layer}: the vectors have {len(vectors)}, counted from 0")
        vectors = vectors[list(layers) if isinstance(layers, tuple) else layers]
    if is_mean:
        vectors = vectors.sum(axis=-2, dtype=np.float32) / np.float32(max(len(words), 1))
    with np.errstate(over="ignore"):
        vectors = np.ascontiguousarray(vectors, dtype=dtype)
    if not np.isfinite(vectors).all():
        raise InputError(f"sentence {number}: a number in its vectors is not finite as {dtype}; check the model")
    return vectors


def _to_json(words: Sequence[str], number: int) -> str:
    text = json.dumps(list(words), ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(f"sentence {number} holds a lone surrogate, which is no text; remove it") from None
    return text


def _by_suffix(path: Path, npz: Format, hdf5: Format) -> Format:
    suffix = path.suffix.lower()
    if suffix not in (".npz", ".h5", ".hdf5"):
        raise InputError(f"{path}: the name tells no format; let it end in .npz, .h5 or .hdf5")
    return npz if suffix == ".npz" else hdf5


@contextmanager
def _npz_writer(path: Path, header: dict[str, str], compress: bool) -> Iterator[Add]:
    """An archive of .npy files: vectors stored as they are, unless `compress`, the rest deflated."""
    size, compression = 0, zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive,
        tempfile.TemporaryFile("w+b", dir=path.parent) as texts,
    ):

        def entry(name: str, compression: int = zipfile.ZIP_DEFLATED) -> IO[bytes]:
            info = zipfile.ZipInfo(f"{name}.npy")  # dated 1980: equal vectors give equal files
            info.compress_type = compression
            return archive.open(info, "w", force_zip64=True)

        def add(key: str, text: str, array: Vectors) -> None:
            nonlocal size
            with entry(key, compression) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
            size += texts.write(text.encode() + b"\n")

        yield add

        texts.seek(0)
        with entry(_SENTENCES) as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (size,)})
            shutil.copyfileobj(texts, file)
        for name, value in header.items():
            with entry(name) as file:
                np.lib.format.write_array(file, np.array(value), allow_pickle=False)


@contextmanager
def _npz_reader(path: Path) -> Iterator[Entry]:
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
        check_memory(sum(member.file_size for member in archive.zip.infolist()), path)
        yield archive.__getitem__


class _Disk(io.FileIO):
    """A file for HDF5 that never says that a disk is full: HDF5 would end in a segmentation fault when it is closed.

    What can't be written is lost, and `check` says so.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "r+")
        self._error: OSError | None = None

    def check(self) -> None:
        """Raise the first error there was."""
        if self._error is not None:
            raise self._error

    def write(self, data: Any, /) -> int:
        """Write all of a piece, or lose it."""
        left = memoryview(data).cast("B")
        size = len(left)
        try:
            while left and self._error is None:
                left = left[super().write(left) or 0 :]
        except OSError as error:
            self._error = error
        return size

    def truncate(self, size: int | None = None, /) -> int:
        """Change the size, unless that fails."""
        try:
            return super().truncate(size)
        except OSError as error:
            self._error = self._error or error
            return size or 0

    def readinto(self, buffer: Any, /) -> int:
        """Fill a buffer, with zeros where nothing could be written."""
        view = memoryview(buffer).cast("B")
        count = 0
        while count < len(view) and (read := super().readinto(view[count:])):
            count += read
        view[count:] = bytes(len(view) - count)
        return len(view)


@contextmanager
def _hdf5_writer(path: Path, header: dict[str, str], compress: bool) -> Iterator[Add]:
    with _Disk(path) as disk:
        with h5py.File(disk, "w") as file:
            yield from _hdf5_datasets(file, header, compress, disk.check)
        disk.check()


def _hdf5_datasets(file: h5py.File, header: dict[str, str], compress: bool, check: Callable[[], None]) -> Iterator[Add]:
    """Yield what adds a sentence to a file, and write what is left at the end."""
    file.attrs.update(header)
    sentences = file.create_dataset(
        _SENTENCES, shape=(0,), maxshape=(None,), chunks=(_BLOCK,), dtype=h5py.string_dtype("utf-8")
    )
    block: list[str] = []

    def flush() -> None:
        sentences.resize(len(sentences) + len(block), axis=0)
        sentences[len(sentences) - len(block) :] = block
        block.clear()

    def add(key: str, text: str, array: Vectors) -> None:
        check()
        packing = {"compression": "gzip", "shuffle": True, "chunks": array.shape} if compress and array.size else {}
        file.create_dataset(key, data=array, **packing)
        block.append(text)
        if len(block) == _BLOCK:
            flush()

    yield add
    if block:
        flush()


@contextmanager
def _hdf5_reader(path: Path) -> Iterator[Entry]:
    with h5py.File(path, "r", locking=False) as file:
        size, unpacked = path.stat().st_size, 0

        def entry(name: str) -> Any:
            nonlocal unpacked
            if name in _HEADER:
                return file.attrs[name]
            dataset = inner_dataset(file, name)
            plan = dataset.id.get_create_plist()
            filters = {plan.get_filter(number)[0] for number in range(plan.get_nfilters())}
            if dataset.nbytes > (_MOST_DEFLATED if filters else 1) * size + _BLOCK_BYTES or filters - _FILTERS:
                raise ValueError(f"{name} claims {dataset.nbytes:,} bytes in a file of {size:,}, or is packed")
            if filters:
                unpacked += dataset.nbytes
                check_memory(unpacked, path)
            return dataset.asstr()[()] if name == _SENTENCES else dataset[()]

        yield entry


@contextmanager
def _opened(path: PathLike) -> Iterator[Entry]:
    """A function that reads an entry by its name; what is wrong with the file becomes an InputError."""
    source = Path(path)
    reader = _by_suffix(source, _npz_reader, _hdf5_reader)
    if not source.is_file():
        raise InputError(f"{path}: no such file; `elmo encode` writes one")
    try:
        with reader(source) as entry:
            found = str(entry("format"))
            if found not in _FORMATS:
                raise InputError(f"{path}: its format is {found!r}, expected {FORMAT!r}; write it with `elmo encode`")
            yield entry
    except InputError:
        raise
    except DAMAGE as error:
        raise InputError(f"{path}: damaged or not a file of vectors ({error}); write or copy it again") from error
