"""Reading the tab-separated files of questions, senses and pairs: a header that names the columns, then a line each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from elmo.errors import InputError
from elmo.system.inputs import read_whole
from elmo.text.vocabulary import invalid_utf8

PathLike = str | os.PathLike[str]


def read_text(path: PathLike) -> str:
    """The text of a UTF-8 file, with or without a byte order mark, its line ends as \\n."""
    try:
        return read_whole(path).decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give another file") from error
    except UnicodeDecodeError as error:
        raise invalid_utf8(path, error) from None


def read_rows(path: PathLike, columns: Sequence[str], what: str) -> Iterator[tuple[int, list[str]]]:
    """Number and fields, as many as there are columns, of each line behind the header that is not empty.

    Args:
        path: the file.
        columns: what the header must be.
        what: is in a line, such as "sentence".

    Raises:
        InputError: the file is missing, not UTF-8 or has no line, or the header or a line is malformed; says which.
    """
    header, *lines = read_text(path).split("\n")
    if header.split("\t") != list(columns):
        raise InputError(f"{path}:1: {header!r} is not the header; write {', '.join(columns)}, separated by tabs")
    for number, line in enumerate(lines, start=2):
        if line:
            fields = line.split("\t")
            if len(fields) != len(columns):
                raise InputError(
                    f"{path}:{number}: {len(fields)} columns, expected {len(columns)}: {', '.join(columns)}"
                )
            yield number, fields
    if not any(lines):
        raise InputError(f"{path}: holds no {what}; give a line each: {', '.join(columns)}, separated by tabs")


def check_filled(columns: Sequence[str], fields: Sequence[str], place: str) -> None:
    """InputError that names the column whose field is empty or white space."""
    for name, value in zip(columns, fields, strict=True):
        if not value.strip():
            raise InputError(f"{place}: the column {name} is empty; fill it in")
