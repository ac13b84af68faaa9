"""Tables: the header must be the one, every line has its number, and what is wrong is said with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from elmo.corpora.tables import read_table, read_text
from elmo.errors import InputError
from tests.refusals import refusal

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def call(content: str | bytes) -> Path:
        path = tmp_path / "table"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return call


def test_fields_come_with_the_number_of_their_line(write: Write) -> None:
    path = write('word\tsense\n苹果\tfruit\n\n小米\t"company\n')
    assert list(read_table(path, ("word", "sense"), "word")) == [(2, ["苹果", "fruit"]), (4, ["小米", '"company'])]


def test_a_byte_order_mark_and_line_ends_of_windows_change_nothing(write: Write) -> None:
    path = write(b"\xef\xbb\xbfa\tb\r\n1\t2\r\n")
    assert list(read_table(path, ("a", "b"), "pair")) == [(2, ["1", "2"])]
    assert read_text(path) == "a\tb\n1\t2\n"


def test_only_a_line_feed_ends_a_line(write: Write) -> None:
    path = write("a\tb\n1\u2028\t2\x85\n")
    assert list(read_table(path, ("a", "b"), "pair")) == [(2, ["1\u2028", "2\x85"])]


def test_quoted_fields_of_csv_hold_commas_and_lines(write: Write) -> None:
    path = write('label,review\n1,"好, 快\n再来"\n\n0,坏\n')
    rows = list(read_table(path, ("label", "review"), "review", delimiter=","))
    assert rows == [(3, ["1", "好, 快\n再来"]), (5, ["0", "坏"])]  # the line in which a record ends


def test_fields_may_be_empty_where_that_is_said(write: Write) -> None:
    path = write("a\tb\n\t \n")
    assert list(read_table(path, ("a", "b"), "pair", filled=False)) == [(2, ["", " "])]


@pytest.mark.parametrize(
    ("content", "delimiter", "message"),
    [
        ("", "\t", ":1: '' is not the header; write a, b, separated by tabs"),
        ("a,b\n", "\t", ":1: 'a,b' is not the header; write a, b, separated by tabs"),
        ("a\tb\n", ",", ":1: 'a\\tb' is not the header; write a, b, separated by commas"),
        ("a\tb\n\n", "\t", ": holds no pair; give a line each: a, b, separated by tabs"),
        ("a\tb\n1\t2\n1\n", "\t", ":3: 1 columns, expected 2: a, b"),
        ("a\tb\n1\t2\t3\n", "\t", ":2: 3 columns, expected 2: a, b"),
        ("a\tb\n1\t \n", "\t", ":2: the column b is empty; fill it in"),
        ("a,b\n1,2\n,2\n", ",", ":3: the column a is empty; fill it in"),
        ('a,b\n1,"' + "x" * 200_000 + '"\n', ",", ":2: not CSV (field larger than field limit"),
        (b"a\tb\n\xff\t2\n", "\t", ":2: byte 1 of the line, 0xff, is not UTF-8"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_a_line(write: Write, content: str | bytes, delimiter: str, message: str) -> None:
    path = write(content)
    assert refusal(lambda: list(read_table(path, ("a", "b"), "pair", delimiter=delimiter))).startswith(
        f"{path}{message}"
    )


def test_a_header_of_a_whole_book_is_not_shown(write: Write) -> None:
    with pytest.raises(InputError) as caught:
        list(read_table(write("x" * 10_000), ("a", "b"), "pair"))
    assert len(str(caught.value)) < 500


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none: can't be read \(No such file"):
        list(read_table(tmp_path / "none", ("a", "b"), "pair"))
