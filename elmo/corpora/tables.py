"""Reading tables: a header that names the columns, then a line each, separated by tabs, or by commas as CSV has it."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence

from elmo.errors import InputError
from elmo.system.inputs import read_whole
from elmo.system.types import PathLike
from elmo.text.vocabulary import invalid_utf8

_SHOWN = 60  # characters of a header that is another


def read_text(path: PathLike) -> str:
    """The text of a UTF-8 file, with or without a byte order mark, its line ends as \\n."""
    try:
        return read_whole(path).decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror}); give another file") from error
    except UnicodeDecodeError as error:
        raise invalid_utf8(path, error) from None


def read_table(
    path: PathLike, columns: Sequence[str], what: str, *, delimiter: str = "\t", filled: bool = True
) -> Iterator[tuple[int, list[str]]]:
    """Number and fields, as many as there are columns, of each line behind the header that is not empty.

    Args:
        path: the file.
        columns: what the header must be.
        what: is in a line, such as "sentence".
        delimiter: between fields; "," reads quoted fields as CSV has them, which may go on in the next line.
        filled: refuse fields that are empty or white space.

    Raises:
        InputError: the file is missing, not UTF-8 or has no line, or the header or a line is malformed; says which.
    """
    wanted = f"{', '.join(columns)}, separated by {'commas' if delimiter == ',' else 'tabs'}"
    records = _records(path, delimiter)
    _, header = next(records, (1, [""]))
    if header != list(columns):
        raise InputError(f"{path}:1: {delimiter.join(header)[:_SHOWN]!r} is not the header; write {wanted}")
    is_empty = True
    for number, fields in records:
        if len(fields) != len(columns):
            raise InputError(f"{path}:{number}: {len(fields)} columns, expected {len(columns)}: {', '.join(columns)}")
        for name, value in zip(columns, fields, strict=True):
            if filled and not value.strip():
                raise InputError(f"{path}:{number}: the column {name} is empty; fill it in")
        is_empty = False
        yield number, fields
    if is_empty:
        raise InputError(f"{path}: holds no {what}; give a line each: {wanted}")


def _records(path: PathLike, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Fields of each record that is not an empty line, and the number of the line in which it ends."""
    lines = read_text(path).split("\n")
    if delimiter != ",":
        yield from ((number, line.split(delimiter)) for number, line in enumerate(lines, 1) if line)
        return
    reader = csv.reader(line + "\n" for line in lines)
    try:
        yield from ((reader.line_num, fields) for fields in reader if fields)
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: not CSV ({error}); correct the line") from None
