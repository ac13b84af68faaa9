"""Shards: files of segmented sentences, found by a path or a glob, and read a line at a time.

Beside them, in a file that no glob finds, stands how `elmo preprocess` made them: segmenter and normalisation.
"""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from elmo.errors import InputError
from elmo.system.inputs import STANDARD_INPUT, encoding_hint, find_codec, lines, open_regular, opened, read_whole
from elmo.system.types import PathLike
from elmo.text.vocabulary import invalid_utf8


def find_shards(pattern: PathLike) -> list[Path]:
    """Expand a path or glob of shards, in sorted order.

    Raises:
        InputError: nothing matches.
    """
    names = [os.fspath(pattern)] if os.path.isfile(pattern) else sorted(glob.glob(os.fspath(pattern), recursive=True))
    paths = [Path(name) for name in names if os.path.isfile(name)]
    for name in names if not paths else []:
        if not os.path.isdir(name):
            raise InputError(f"{name}: is no regular file, and only those are read; give shards of `elmo preprocess`")
    if not paths:
        raise InputError(
            f"{pattern}: no such file; give shards made by `elmo preprocess`, as in 'data/train/sentence_file_*'"
        )
    return paths


def record_file(prefix: str) -> str:
    """Name of the file that says how the shards beside it were made."""
    return f".{prefix}text.json"


def read_text_records(paths: Iterable[PathLike]) -> list[dict[str, Any]]:
    """How shards were made, see `elmo.text.preprocess.preprocess`: each way once; nothing where no file says it."""
    files = {Path(path).parent / record_file(re.sub(r"\d+$", "", Path(path).name)): None for path in paths}
    found: list[dict[str, Any]] = []
    for file in files:
        try:
            record = json.loads(read_whole(file))
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(record, dict) and record not in found:
            found.append(record)
    return found


def read_lines(path: PathLike, encoding: str | None = None) -> Iterator[str]:
    r"""Yield every line of a file, or of standard input for "-", without its end (\n or \r\n); empty ones too.

    Args:
        path: the file.
        encoding: utf-8 or gb18030, where the user can choose; None: UTF-8.

    Raises:
        InputError: it can't be read, is no regular file, has a line of more than `MAX_LINE_BYTES`, or is not of the
            encoding (naming line and byte), or there is no such encoding.
    """
    codec = find_codec(encoding or "utf-8")
    try:
        with opened(path) as file:
            for number, line in enumerate(lines(file), 1):
                try:
                    text = decode_line(line, number, codec)
                except UnicodeDecodeError as error:
                    name = "standard input" if os.fspath(path) == STANDARD_INPUT else path
                    if encoding is None:
                        raise invalid_utf8(name, error, number) from None
                    raise undecodable(name, error, number, codec) from None
                yield text.removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror}); give a UTF-8 file, a sentence a line") from error


def read_sentences(paths: Iterable[PathLike]) -> Iterator[list[str]]:
    """Yield the words of each sentence of segmented shards; empty lines are passed over.

    Raises:
        InputError: a file can't be read, or is not UTF-8 (naming line and byte).
    """
    for path in paths:
        try:
            with open_regular(path) as file:
                for number, line in enumerate(lines(file), 1):
                    try:
                        words = decode_line(line, number).split()
                    except UnicodeDecodeError as error:
                        raise invalid_utf8(path, error, number) from None
                    if words:
                        yield words
        except OSError as error:
            raise InputError(
                f"{path}: can't be read ({error.strerror}); give shards made by `elmo preprocess`"
            ) from error


def decode_line(line: bytes, number: int, codec: str = "utf-8") -> str:
    """Decode a line of a file, counted from 1; a byte order mark is no part of the first word."""
    text = line.decode(codec)
    return text.removeprefix("\ufeff") if number == 1 else text


def undecodable(path: PathLike, error: UnicodeDecodeError, first_line: int, codec: str) -> InputError:
    """As `invalid_utf8`, where the user can choose the encoding: says which one the text may have."""
    line = first_line + error.object.count(b"\n", 0, error.start)
    byte = error.start - error.object.rfind(b"\n", 0, error.start)
    hint = encoding_hint(codec, error.object, error.start)
    value = error.object[error.start]
    return InputError(f"{path}:{line}: byte {byte} of the line, 0x{value:02x}, is not {codec.upper()}; {hint}")
