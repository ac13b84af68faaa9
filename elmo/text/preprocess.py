"""From documents to shards: files, folders or standard input become `sentence_file_*`, a segmented sentence a line.

Text flows through in blocks: one process reads, decodes and splits into sentences; workers segment; the first process
writes what they return, in order. So memory does not grow with the input, nor do the shards depend on the workers.
"""

from __future__ import annotations

import codecs
import glob
import json
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn

from elmo.errors import InputError, RunError
from elmo.runtime import available_cores
from elmo.system.files import folders_above
from elmo.system.inputs import STANDARD_INPUT, encoding_hint, find_codec, opened
from elmo.system.stopping import half_written, remove_half_written, undisturbed
from elmo.system.terminal import bar_on_stderr
from elmo.system.types import PathLike
from elmo.text.normalise import Normaliser
from elmo.text.segment import segment_chunks, segmenter_factory
from elmo.text.segment.dictionary import describe_segmenter
from elmo.text.sentences import MAX_SENTENCE_CHARS, LineEnds, SentenceSplitter
from elmo.text.shards import record_file

SHARD_PREFIX = "sentence_file_"

_MOST_WORKERS = 1024
_BLOCK_BYTES = 1 << 18
_CHUNK_CHARS = 1 << 15  # what a worker segments at a time: about 0.1 s of work
_BYTES_WORTH_A_WORKER = 1 << 20  # starting a worker takes as long as segmenting about this much


@dataclass(frozen=True)
class PreprocessReport:
    """What `preprocess` read and wrote."""

    documents: int  # files read; standard input counts as one
    sentences: int
    words: int
    characters: int  # in words, so without white space
    shards: int
    removed_control_characters: int
    cut_sentences: int  # sentences longer than max_sentence_chars, each now several lines
    seconds: float
    warnings: tuple[str, ...]  # one line each, such as a document without a sentence


def preprocess(
    inputs: Sequence[PathLike],
    output_dir: PathLike,
    *,
    segmenter: str = "jieba",
    segmenter_options: Mapping[str, Any] | None = None,
    normalise: Sequence[str] = (),
    encoding: str = "utf-8",
    line_ends: LineEnds = "sentence",
    max_sentence_chars: int = MAX_SENTENCE_CHARS,
    sentences_per_shard: int = 100_000,
    prefix: str = SHARD_PREFIX,
    overwrite: bool = False,
    workers: int | None = None,
    progress: bool = True,
) -> PreprocessReport:
    """Split documents into sentences and words and write them as shards `sentence_file_00000`, ...

    A shard is UTF-8, a sentence a line, words separated by one space. The folder gets all of its shards or, after an
    error or an interruption, none; its bytes are the same for any number of workers.

    Args:
        inputs: files, globs (`**` goes down), folders (every .txt below) and "-" for standard input, read in this
            order, what a glob or folder holds by path. A file met twice is read once, shards in `output_dir` never.
        output_dir: made where it does not exist.
        segmenter, segmenter_options: name and options of a segmenter, see `elmo.text.segment`.
        normalise: steps that make spellings alike, see `elmo.text.normalise`. With the segmenter they are written down
            beside the shards, and from there go into the model that is trained on them.
        encoding: of the documents: "utf-8", or "gb18030", which covers gbk and gb2312.
        line_ends, max_sentence_chars: see `SentenceSplitter`.
        sentences_per_shard: every shard but the last has so many lines.
        prefix: what a shard's name begins with.
        overwrite: replace the shards that `output_dir` holds, once all new ones are written.
        workers: processes that segment; 1 starts none. None: as many as there are cores, fewer for little text.
        progress: show a bar on standard error if that is a terminal.

    Raises:
        InputError: an input is missing, matches nothing, is not of the encoding or no input has a sentence; the folder
            holds shards already or cannot be written; an option is not allowed.
        RunError: writing failed, or a worker died.
    """
    started = time.perf_counter()
    codec = find_codec(encoding)
    if sentences_per_shard < 1:
        raise InputError(f"sentences_per_shard is {sentences_per_shard}: give 1 or more")
    if workers is not None and not 1 <= workers <= _MOST_WORKERS:
        raise InputError(f"workers is {workers}: give a whole number from 1 to {_MOST_WORKERS}")
    if not prefix or Path(prefix).name != prefix:
        raise InputError(f"prefix is {prefix!r}: give the beginning of a file name")
    if line_ends == "join" and segmenter == "whitespace":
        raise InputError("line_ends 'join' would join words of segmented text: choose 'space' or 'sentence'")
    splitter = SentenceSplitter(line_ends=line_ends, max_sentence_chars=max_sentence_chars)
    options = dict(segmenter_options or {})
    make_segmenter = segmenter_factory(segmenter, normalise=normalise, **options)
    record = {
        "segmenter": describe_segmenter(segmenter, options.get("user_dictionary")),
        "normalise": list(Normaliser(normalise).steps),
    }
    target = Path(os.path.abspath(output_dir))
    is_shard = re.compile(re.escape(prefix) + r"\d{5,}").fullmatch
    real_target = Path(os.path.realpath(target))

    def is_output(path: Path) -> bool:
        return path.parent == real_target and bool(is_shard(path.name))

    documents = _find_documents(inputs, is_output)
    dictionary = options.get("user_dictionary")
    if dictionary is not None and is_output(Path(os.path.realpath(dictionary))):
        raise InputError(f"{dictionary}: is a shard of the output, which would be replaced; give a copy elsewhere")
    warnings: list[str] = []
    size = _total_size(documents)
    if workers is None:
        workers = available_cores() if size is None else min(available_cores(), 1 + size // _BYTES_WORTH_A_WORKER)

    sentences = words = characters = shards = 0
    with _staged(target, prefix, is_shard, overwrite) as folder, _progress_bar(progress, size) as advance:
        chunks = _chunks(_sentences(documents, codec, splitter, advance, warnings), sentences_per_shard)
        with closing(segment_chunks(chunks, make_segmenter, workers)) as results:
            for shard, chunk in results:
                _append(folder / f"{prefix}{shard:05d}", chunk.lines)
                sentences += chunk.sentences
                words += chunk.words
                characters += chunk.characters
                shards = shard + 1
        if sentences == 0:
            named = _name(documents[0]) + (f" and {len(documents) - 1} more" if len(documents) > 1 else "")
            raise InputError(f"{named}: no sentence in all of the input; give documents with text")
        _append(folder / record_file(prefix), (json.dumps(record, ensure_ascii=False) + "\n").encode())
    return PreprocessReport(
        documents=len(documents),
        sentences=sentences,
        words=words,
        characters=characters,
        shards=shards,
        removed_control_characters=splitter.removed_control_characters,
        cut_sentences=splitter.cut_sentences,
        seconds=time.perf_counter() - started,
        warnings=tuple(warnings),
    )


def _find_documents(inputs: Sequence[PathLike], is_output: Callable[[Path], bool]) -> list[str]:
    if isinstance(inputs, (str, os.PathLike)):
        inputs = [inputs]
    documents: dict[str, str] = {}
    for given in inputs:
        for path in _expand(os.fspath(given)):
            real = path if path == STANDARD_INPUT else os.path.realpath(path)
            if not is_output(Path(real)):
                documents.setdefault(real, path)
    if not documents:
        raise InputError(f"inputs {[str(given) for given in inputs]}: give documents; shards of the output are none")
    return list(documents.values())


def _expand(given: str) -> list[str]:
    if given == STANDARD_INPUT:
        return [given]
    if os.path.isdir(given):
        found = sorted(str(path) for path in Path(given).rglob("*.txt") if path.is_file())
        if not found:
            raise InputError(f"{given}: the folder holds no .txt file; give other files by name or as a glob")
        return found
    if os.path.exists(given):
        return [given]
    if any(character in given for character in "*?["):
        found = sorted(path for path in glob.glob(given, recursive=True) if not os.path.isdir(path))
        if not found:
            raise InputError(f"{given}: no file matches this glob; check it, and that it starts from {os.getcwd()}")
        return found
    raise InputError(f"{given}: there is no such file or folder; check the path")


def _total_size(documents: Iterable[str]) -> int | None:
    """Return the size of all documents in bytes, None if it cannot be known beforehand."""
    if any(document == STANDARD_INPUT or not os.path.isfile(document) for document in documents):
        return None
    return sum(os.path.getsize(document) for document in documents)


def _sentences(
    documents: Iterable[str],
    codec: str,
    splitter: SentenceSplitter,
    advance: Callable[[int], None],
    warnings: list[str],
) -> Iterator[str]:
    for document in documents:
        is_empty = True
        for text in _decoded(document, codec, advance, warnings):
            for sentence in splitter.feed(text):
                is_empty = False
                yield sentence
        for sentence in splitter.finish():
            is_empty = False
            yield sentence
        if is_empty:
            warnings.append(f"{_name(document)}: holds no sentence")


def _decoded(document: str, codec: str, advance: Callable[[int], None], warnings: list[str]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(codec)()
    name = _name(document)
    offset = line_ends = 0
    last = b""  # byte before this block, for a line end of two bytes that two blocks share
    try:
        with opened(document) as file:
            while data := file.read(_BLOCK_BYTES):
                if offset == 0 and codec != "utf-8" and _is_utf8(data):
                    warnings.append(f"{name}: reads as UTF-8 too; if its text looks wrong, use encoding utf-8")
                yield decoder.decode(data)
                offset += len(data)
                line_ends += _count_line_ends(last + data) - _count_line_ends(last)
                last = data[-1:]
                advance(len(data))
            decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        line = 1 + line_ends + _count_line_ends(last + error.object[: error.start]) - _count_line_ends(last)
        byte = offset + len(data) - len(error.object) + error.start
        problem = f"byte {byte} of the file, 0x{error.object[error.start]:02x}, is not {codec.upper()}"
        raise InputError(f"{name}:{line}: {problem}; {encoding_hint(codec, error.object, error.start)}") from None
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror}); check that it is a file you may read") from error


def _name(document: str) -> str:
    return "standard input" if document == STANDARD_INPUT else document


def _count_line_ends(data: bytes) -> int:
    returns = data.count(b"\r")
    return data.count(b"\n") + (returns - data.count(b"\r\n") if returns else 0)


def _is_utf8(data: bytes) -> bool:
    with suppress(UnicodeDecodeError):
        return any(character >= "\u0800" for character in codecs.getincrementaldecoder("utf-8")().decode(data))
    return False


def _chunks(sentences: Iterable[str], sentences_per_shard: int) -> Iterator[tuple[int, list[str]]]:
    """Collect sentences into chunks, each of one shard; return the shard's number and the chunk."""
    chunk: list[str] = []
    shard = in_shard = characters = 0
    for sentence in sentences:
        chunk.append(sentence)
        characters += len(sentence)
        in_shard += 1
        if characters >= _CHUNK_CHARS or in_shard == sentences_per_shard:
            yield shard, chunk
            chunk, characters = [], 0
            if in_shard == sentences_per_shard:
                shard, in_shard = shard + 1, 0
    if chunk:
        yield shard, chunk


def _append(shard: Path, text: bytes) -> None:
    try:
        with open(shard, "ab") as file:
            file.write(text)
    except OSError as error:
        raise RunError(f"{shard.name} cannot be written ({error.strerror}); nothing was kept") from error


@contextmanager
def _staged(target: Path, prefix: str, is_shard: Callable[[str], object], overwrite: bool) -> Iterator[Path]:
    """Give a folder to write shards to; at the end they move to the target at once, after an error they are removed."""
    old = _old_shards(target, prefix, is_shard, overwrite)
    exists = target.exists()
    parent = target if exists else target.parent
    staging = parent / f".{prefix}{secrets.token_hex(8)}"
    with folders_above(staging), half_written(staging):
        try:
            try:
                parent.mkdir(parents=True, exist_ok=True)
                staging.mkdir()
            except OSError as error:
                raise InputError(f"{target}: cannot be written to ({error.strerror}); choose another folder") from error
            yield staging
            _publish(staging, target, old if exists else None)
        finally:
            remove_half_written(staging)


def _publish(staging: Path, target: Path, old: set[str] | None) -> None:
    """Move all shards to the target, which holds the old ones; None: there is no target yet."""
    try:
        if old is None:
            os.rename(staging, target)
            return
        new = {shard.name for shard in staging.iterdir()}
        with undisturbed():  # else some shards would be of the old text and some of the new
            for name in sorted(new):
                os.replace(staging / name, target / name)
            for name in old - new:
                (target / name).unlink()
    except OSError as error:
        raise RunError(f"{target}: shards cannot be moved there ({error.strerror}); choose another folder") from error


def _old_shards(target: Path, prefix: str, is_shard: Callable[[str], object], overwrite: bool) -> set[str]:
    if not os.path.lexists(target):
        return set()
    if not os.path.exists(target):
        raise InputError(f"{target}: is a symbolic link that leads nowhere; choose a folder for the shards")
    if not target.is_dir():
        raise InputError(f"{target}: is a file; choose a folder for the shards")
    found = sorted(path.name for path in target.iterdir() if path.name.startswith(prefix))
    if found and not overwrite:
        raise InputError(f"{target}: holds {found[0]} already; choose another folder, or overwrite")
    for name in found:
        if not is_shard(name) or not (target / name).is_file() or (target / name).is_symlink():
            raise InputError(f"{target / name}: would be read with the shards but is none; move it away")
    return set(found)


@contextmanager
def _progress_bar(wanted: bool, total: int | None) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("segmenting"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with bar_on_stderr(wanted, *columns) as bar:
        task = bar.add_task("segmenting", total=total)
        yield lambda size: bar.advance(task, size)
