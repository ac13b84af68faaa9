"""Shards as ids on disk: encoded once, read where they are needed, so that a corpus may be far larger than memory.

The ids lie in the user's cache, in a folder named after a fingerprint of the text and the vocabulary: another run on
the same text finds them, and text that has changed is encoded again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import multiprocessing
import os
import shutil
import stat
import struct
from array import array
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from elmo.errors import InputError
from elmo.system.cache import CACHE_VARIABLE, cache_folder
from elmo.system.files import sha256_of, sync, temporary_directory
from elmo.system.inputs import open_regular
from elmo.system.locks import locked
from elmo.system.stopping import start_tracker
from elmo.system.trusted import UntrustedError, private_folder
from elmo.text.shards import read_sentences
from elmo.text.vocabulary import Vocabulary

_FORMAT = "elmo-ids/1"
_FLUSH_WORDS = 1 << 18  # so many ids are in memory while a shard is encoded
_PARALLEL_BYTES = 32 << 20  # less text than this is encoded before other processes would have started
_HASH_BYTES = 1 << 20


class Scheme(NamedTuple):
    """How the lines of a shard become ids."""

    name: str  # different for whatever gives different files
    encode_shard: Callable[[Path, Path, Sequence[str], str], int]  # see `_encode_shard`; sent to other processes
    beside: tuple[str, ...] = ()  # names of files of one byte for each id, which it writes too


class EncodedText:
    """The ids of some shards, read from disk sentence by sentence as they are asked for.

    Reading at a place of the file (pread) leaves the memory to the system's cache; pages that are mapped and touched at
    random would count as this process's own, and grow with the corpus.
    """

    def __init__(self, folder: Path) -> None:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        self.folder, self.num_words, self.num_sentences = folder, int(meta["words"]), int(meta["sentences"])
        self.dtype = np.dtype(meta["dtype"])
        self._ids = os.open(folder / "ids.bin", os.O_RDONLY | os.O_CLOEXEC)
        self._starts = os.open(folder / "starts.bin", os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        for name in ("_ids", "_starts"):
            if name in self.__dict__:
                os.close(self.__dict__[name])

    def span(self, number: int) -> tuple[int, int]:
        """Where a sentence begins and ends, in words of the whole text."""
        start, stop = struct.unpack("=qq", os.pread(self._starts, 16, 8 * number))
        return start, stop

    def lengths(self) -> npt.NDArray[np.int64]:
        """Words of each sentence, [sentences]."""
        starts = np.fromfile(self.folder / "starts.bin", np.int64)
        return starts[1:] - starts[:-1]

    def sentence(self, number: int) -> npt.NDArray[Any]:
        """Ids of a sentence, [words]."""
        start, stop = self.span(number)
        return self.read(start, stop)

    def read(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Ids from one place of the whole text to another."""
        size = self.dtype.itemsize
        return np.frombuffer(os.pread(self._ids, (stop - start) * size, start * size), self.dtype)


def encode_shards(
    paths: Sequence[Path], vocabulary: Vocabulary, workers: int = 1, scheme: Scheme | None = None
) -> EncodedText:
    """Encode shards into the cache, or find them there; what is damaged there is encoded again.

    Args:
        paths: the shards, in their order.
        vocabulary: what gives a word its id.
        workers: processes; more than one only where there is text enough.
        scheme: how lines become ids; by default each word is one.

    Raises:
        InputError: a shard can't be read or is not UTF-8, there is no sentence in any, or the cache can't be written.
    """
    scheme = scheme or Scheme(_FORMAT, _encode_shard)
    target = cache_folder() / "encoded" / _fingerprint(paths, vocabulary, scheme)
    kind = "H" if len(vocabulary) <= 1 << 16 else "i"
    try:
        target = private_folder(target.parent, parents=False) / target.name
        if not _is_sound(target, scheme, kind):
            with locked(target.with_suffix(".lock")):  # others wait until one has encoded
                if not _is_sound(target, scheme, kind):
                    for left in (target, *target.parent.glob(f".{target.name}.*")):  # damaged, or of a killed process
                        _remove(left)
                    _encode(paths, vocabulary, target, workers, scheme, kind)
        return EncodedText(target)
    except UntrustedError as error:
        raise InputError(f"{error}; or name another folder by {CACHE_VARIABLE}") from None
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{target.parent}: can't be written ({reason}); name a folder by {CACHE_VARIABLE}") from error


def _remove(path: Path) -> None:
    """Remove a folder, or whatever stands in its place; a link alone, not what it leads to."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)


def _is_sound(folder: Path, scheme: Scheme, kind: str) -> bool:
    """Whether a text that was encoded so is there, byte for byte as it was written."""
    try:
        if not all(stat.S_ISREG(os.lstat(each.path).st_mode) for each in os.scandir(folder)) or folder.is_symlink():
            return False  # a pipe would be waited for
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        words, sentences = meta["words"], meta["sentences"]
        sizes = {"ids.bin": words * np.dtype(kind).itemsize, "starts.bin": 8 * (sentences + 1)}
        sizes |= {f"{name}.bin": words for name in scheme.beside}
        return (
            (meta["format"], meta["dtype"]) == (scheme.name, np.dtype(kind).str)
            and all((folder / name).stat().st_size == size for name, size in sizes.items())
            and all(sha256_of(folder / name) == meta["sha256"][name] for name in sizes)
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _fingerprint(paths: Sequence[Path], vocabulary: Vocabulary, scheme: Scheme) -> str:
    digest = hashlib.sha256(f"{scheme.name} {vocabulary.fingerprint} {len(paths)}".encode())
    for path in paths:
        try:
            with open_regular(path) as file:
                content = hashlib.file_digest(file, "sha256")
        except OSError as error:
            raise InputError(
                f"{path}: can't be read ({error.strerror}); give shards made by `elmo preprocess`"
            ) from error
        digest.update(content.digest())
    return digest.hexdigest()[:24]


def _encode(
    paths: Sequence[Path], vocabulary: Vocabulary, target: Path, workers: int, scheme: Scheme, kind: str
) -> None:
    with temporary_directory(target, mode=0o700) as temporary:
        parts = [temporary / f"part_{number}" for number in range(len(paths))]
        jobs = [(path, part, vocabulary.tokens, kind) for path, part in zip(paths, parts, strict=True)]
        enough = sum(path.stat().st_size for path in paths) >= _PARALLEL_BYTES
        if min(workers, len(paths)) > 1 and enough:
            with _pool(min(workers, len(paths))) as pool:
                lengths = list(pool.map(scheme.encode_shard, *zip(*jobs, strict=True)))
        else:
            lengths = [scheme.encode_shard(*job) for job in jobs]
        words, sentences = _join(parts, temporary, scheme.beside)
        if not sentences:
            raise InputError(f"{paths[0]}: holds no sentence; run `elmo preprocess` on documents with text")
        assert words == sum(lengths)
        meta = {
            "format": scheme.name,
            "dtype": np.dtype(kind).str,
            "words": words,
            "sentences": sentences,
            "sha256": {path.name: sha256_of(path) for path in sorted(temporary.iterdir())},
        }
        (temporary / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
        for path in (*temporary.iterdir(), temporary):
            sync(path)
        os.rename(temporary, target)


@contextlib.contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that are ended at once when the block fails: what they are at, a shard each, may take minutes."""
    others = set(multiprocessing.active_children())
    start_tracker()
    context = multiprocessing.get_context("spawn")  # a fork would copy the threads of what is loaded here
    with ProcessPoolExecutor(workers, context) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
                process.join()
            raise


def _encode_shard(path: Path, part: Path, tokens: Sequence[str], kind: str) -> int:
    """Write the ids of a shard, and the length of each sentence, to `part`.ids and `part`.lengths; return the words."""
    vocabulary = Vocabulary(tokens)
    ids, lengths = array(kind), array("i")
    total = 0
    with open(part.with_suffix(".ids"), "wb") as ids_file, open(part.with_suffix(".lengths"), "wb") as lengths_file:
        for words in read_sentences([path]):
            ids.extend(vocabulary.encode(words))
            lengths.append(len(words))
            total += len(words)
            if len(ids) >= _FLUSH_WORDS:
                ids.tofile(ids_file)
                lengths.tofile(lengths_file)
                ids, lengths = array(kind), array("i")
        ids.tofile(ids_file)
        lengths.tofile(lengths_file)
    return total


def _join(parts: Sequence[Path], folder: Path, beside: Sequence[str] = ()) -> tuple[int, int]:
    """Join the shards' files into ids.bin, starts.bin and those beside; returns how many words and sentences."""
    end = sentences = 0
    with open(folder / "ids.bin", "wb") as ids_file, open(folder / "starts.bin", "wb") as starts_file:
        np.zeros(1, np.int64).tofile(starts_file)
        for part in parts:
            with open(part.with_suffix(".ids"), "rb") as source:
                shutil.copyfileobj(source, ids_file, _HASH_BYTES)
            with open(part.with_suffix(".lengths"), "rb") as source:
                while len(lengths := np.fromfile(source, np.int32, _FLUSH_WORDS)):
                    starts = end + np.cumsum(lengths, dtype=np.int64)
                    starts.tofile(starts_file)
                    end, sentences = int(starts[-1]), sentences + len(lengths)
            part.with_suffix(".ids").unlink()
            part.with_suffix(".lengths").unlink()
    for name in beside:
        with open(folder / f"{name}.bin", "wb") as file:
            for part in parts:
                with open(part.with_suffix(f".{name}"), "rb") as source:
                    shutil.copyfileobj(source, file, _HASH_BYTES)
                part.with_suffix(f".{name}").unlink()
    return end, sentences
