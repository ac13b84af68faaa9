"""Shards: files of segmented sentences, found by a path or a glob, and read a line at a time."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from elmo.errors import InputError
from elmo.system.inputs import STANDARD_INPUT, lines, open_regular, opened
from elmo.text.vocabulary import invalid_utf8

PathLike = str | os.PathLike[str]


def find_shards(pattern: str | os.PathLike[str]) -> list[Path]:
    """Expand a path or glob of shards, in sorted order.

    Raises:
        InputError: nothing matches.
    """
    names = [os.fspath(pattern)] if os.path.isfile(pattern) else sorted(glob.glob(os.fspath(pattern), recursive=True))
    paths = [Path(name) for name in names if os.path.isfile(name)]
    if not paths:
        raise InputError(
            f"{pattern}: no such file; give shards made by `elmo preprocess`, as in 'data/train/sentence_file_*'"
        )
    return paths


def read_lines(path: str | os.PathLike[str]) -> Iterator[str]:
    r"""Yield every line of a UTF-8 file, or of standard input for "-", without its end (\n or \r\n); empty ones too.

    Raises:
        InputError: it can't be read, is no regular file, has a line of more than `MAX_LINE_BYTES`, or is
            not UTF-8 (naming line and byte).
    """
    try:
        with opened(path) as file:
            for number, line in enumerate(lines(file), 1):
                try:
                    text = decode_line(line, number)
                except UnicodeDecodeError as error:
                    name = "standard input" if os.fspath(path) == STANDARD_INPUT else path
                    raise invalid_utf8(name, error, number) from None
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


def decode_line(line: bytes, number: int) -> str:
    """Decode a line of a file, counted from 1; a byte order mark is no part of the first word."""
    text = line.decode()
    return text.removeprefix("\ufeff") if number == 1 else text
