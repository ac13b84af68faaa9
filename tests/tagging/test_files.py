"""`elmo lac tag` and LAC as a segmenter: a line for each line, whole files or none, one clear line for bad input."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elmo.errors import InputError
from elmo.tagging import files as lac_command
from elmo.tagging.baidu import Lac
from elmo.tagging.files import tag_file
from elmo.tagging.segmenter import LacSegmenter
from elmo.text.preprocess import preprocess
from elmo.text.segment import get_segmenter
from tests.commands import elmo as run

LONG = ("我们明天去河边散步。" * 1000)[:10_000]
LINES = ["我们明天去河边散步", "", "走了👍🏽\0 好 \t们", "\u3000", LONG, "河\u2028边\x85\r散\r", "ＡＢＣ　１２３abc"]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A file of lines, the last of which has no end."""
    path = tmp_path / "text.txt"
    path.write_bytes("\n".join(LINES).encode())
    return path


def test_each_line_has_a_line_and_an_empty_one_an_empty_one(
    text: Path, tiny_lac: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert run("lac", "tag", text, "--model", tiny_lac) == 0
    out, err = capsysbinary.readouterr()
    lines = out.decode().removesuffix("\n").split("\n")
    assert len(lines) == len(LINES)
    assert (lines[1], lines[3], err) == ("", "", b"")
    for line, source in zip(lines, LINES, strict=True):
        parts = [part.rpartition("/") for part in line.split(" ")] if line else []
        assert "".join(word for word, _, _ in parts) == "".join(source.replace("\0", "").split())


def test_words_of_json_join_to_the_line(text: Path, tiny_lac: Path, tmp_path: Path) -> None:
    assert tag_file(text, tmp_path / "out.jsonl", model=tiny_lac, as_json=True) == len(LINES)
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().decode().split("\n")[:-1]]
    read = [line.removesuffix("\r").replace("\0", "") for line in LINES]  # neither its end nor a NUL is part of it
    assert ["".join(record["words"]) for record in records] == read
    assert [(record["words"], record["tags"]) for record in records] == Lac.from_pretrained(tiny_lac).tag(read)


@settings(max_examples=30)
@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\ufeff"))), st.sampled_from([1, 5, 1 << 18])
)
def test_neither_line_ends_nor_blocks_change_the_lines(lines: list[str], block_bytes: int) -> None:
    data = "".join(f"{line}\n" for line in lines).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lac_command, "_BLOCK_BYTES", block_bytes)
        for content in (data, data.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" * bool(lines) + data):
            blocks = lac_command._read_blocks(io.BufferedReader(io.BytesIO(content)), "text.txt", "utf-8")
            assert [line.removeprefix("\ufeff") for block in blocks for line in block] == lines


def test_standard_input_is_read_and_a_file_written(
    tiny_lac: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("我们\n好".encode()), encoding="ascii"))
    (tmp_path / "out.txt").write_text("old")
    assert run("lac", "tag", "-", "--model", tiny_lac, "-o", tmp_path / "out.txt", "--batch_size", 1) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"2 lines in {tmp_path / 'out.txt'}\n")
    assert (tmp_path / "out.txt").read_text(encoding="utf-8").count("\n") == 2


def test_an_empty_file_has_no_lines(tiny_lac: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    assert tag_file(tmp_path / "empty.txt", tmp_path / "out.txt", model=tiny_lac) == 0
    assert (tmp_path / "out.txt").read_bytes() == b""


def test_words_of_the_user_are_kept_whole(text: Path, tiny_lac: Path, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("明天去河边/ACT\n", encoding="utf-8")
    tag_file(text, tmp_path / "out.txt", model=tiny_lac, user_dictionary=tmp_path / "words.txt")
    assert " 明天去河边/ACT " in (tmp_path / "out.txt").read_text(encoding="utf-8").split("\n")[0]


@pytest.mark.parametrize("block_bytes", [1, 1 << 18])
def test_a_byte_that_is_not_utf8_is_named_by_file_and_line(
    tiny_lac: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    monkeypatch.setattr(lac_command, "_BLOCK_BYTES", block_bytes)
    (tmp_path / "bad.txt").write_bytes("我们\n\n好".encode() + b"\xff\n")
    with pytest.raises(InputError, match=r"bad\.txt:3: byte 4 of the line, 0xff, is not UTF-8"):
        tag_file(tmp_path / "bad.txt", tmp_path / "out.txt", model=tiny_lac)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.txt", "lac_model"]


def test_text_of_another_encoding_is_read_or_named(
    tiny_lac: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gb.txt").write_bytes("好\n我们明天去\n".encode("gb18030"))
    assert run("lac", "tag", tmp_path / "gb.txt", "--model", tiny_lac) == 2
    assert "gb.txt:1: byte 1 of the line" in (err := capsys.readouterr().err) and "try --encoding gb18030" in err
    assert run("lac", "tag", tmp_path / "gb.txt", "--model", tiny_lac, "--encoding", "gb18030", "--json") == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert ["".join(record["words"]) for record in records] == ["好", "我们明天去"]


def test_text_is_normalised_and_marks_are_dropped_before_it_is_tagged(tiny_lac: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_bytes("\ufeff１２ＡＢ\0好\n\ufeff好\n".encode())
    tag_file(tmp_path / "text.txt", tmp_path / "out.txt", model=tiny_lac, normalise=["width"], as_json=True)
    records = [json.loads(line) for line in (tmp_path / "out.txt").read_text(encoding="utf-8").splitlines()]
    assert ["".join(record["words"]) for record in records] == ["12AB好", "好"]


def test_words_that_hold_the_separator_are_named_by_their_line(
    tiny_lac: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "words.txt").write_text("甲|乙/n\n", encoding="utf-8")
    (tmp_path / "text.txt").write_text("好\n去 甲|乙\n", encoding="utf-8")
    flags = ["--model", tiny_lac, "--user_dictionary", tmp_path / "words.txt", "-o", tmp_path / "out.txt"]
    assert run("lac", "tag", tmp_path / "text.txt", *flags, "--separator", "|") == 2
    assert "text.txt:2: the word '甲|乙' holds the separator '|'" in capsys.readouterr().err
    assert run("lac", "tag", tmp_path / "text.txt", *flags, "--separator", "\t") == 0
    second = (tmp_path / "out.txt").read_text(encoding="utf-8").splitlines()[1]
    assert "".join(part.rpartition("/")[0] for part in second.split("\t")) == "去 甲|乙"
    assert run("lac", "tag", tmp_path / "text.txt", *flags, "--separator", "/") == 2


def test_the_original_s_rule_is_there_for_comparison(tiny_lac: Path, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("我们明/n\n明天去/v\n", encoding="utf-8")
    (tmp_path / "text.txt").write_text("我们明天去\n", encoding="utf-8")
    flags = ["--model", tiny_lac, "--user_dictionary", tmp_path / "words.txt", "-o", tmp_path / "out.txt"]
    lines = {}
    for rule in ("longest", "original"):
        assert run("lac", "tag", tmp_path / "text.txt", *flags, "--dictionary_rule", rule) == 0
        lines[rule] = (tmp_path / "out.txt").read_text(encoding="utf-8").split()
    assert lines["longest"][0] == "我们明/n" and lines["original"][-1] == "明天去/v"


BAD_CALLS = [
    (["{t}/none.txt"], "{t}/none.txt: can't be read (No such file"),
    (["{t}"], "{t}: can't be read (Is a directory"),
    (["{t}/text.txt", "-o", "{t}/none/out.txt"], "{t}/none/out.txt: can't be written (No such file"),
    (["{t}/text.txt", "-o", "{t}/lac_model"], "{t}/lac_model: can't be written (Is a directory)"),
    (["{t}/text.txt", "-o", os.devnull], f"{os.devnull}: can't be written (it is a device)"),
    (["{t}/text.txt", "-o", "{t}/out.txt", "--model", "{t}/none"], "{t}/none: there is no such folder"),
    (["{t}/text.txt", "-o", "{t}/out.txt", "--batch_size", "0"], "batch_size is 0"),
    (["{t}/text.txt", "-o", "{t}/out.txt", "--user_dictionary", "{t}/none"], "{t}/none: the dictionary can't be read"),
]


@pytest.mark.skipif(os.name == "nt", reason="the system's messages are those of POSIX")
@pytest.mark.parametrize(("arguments", "message"), BAD_CALLS)
def test_bad_calls_print_one_line_exit_with_2_and_write_nothing(
    text: Path, tiny_lac: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    before = sorted(tmp_path.rglob("*"))
    code = run("lac", "tag", "--model", tiny_lac, *[argument.format(t=tmp_path) for argument in arguments])
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert err.startswith(f"elmo: {message.format(t=tmp_path)}")
    assert err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_an_interruption_leaves_everything_as_it_was(
    text: Path, tiny_lac: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out.txt").write_text("old")
    before = sorted(tmp_path.iterdir())
    seen: list[Path] = []

    def interrupted(lac: Lac, lines: list[str]) -> None:
        seen.extend(set(tmp_path.iterdir()) - set(before))
        raise KeyboardInterrupt

    monkeypatch.setattr(Lac, "tag", interrupted)
    assert run("lac", "tag", text, "--model", tiny_lac, "-o", tmp_path / "out.txt") == 130
    assert len(seen) == 1  # what was being written
    assert (tmp_path / "out.txt").read_text() == "old"
    assert sorted(tmp_path.iterdir()) == before


def test_a_failure_while_writing_names_the_output_and_not_the_file_beside_it(
    text: Path, tiny_lac: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device", source)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError) as caught:
        tag_file(text, tmp_path / "out.txt", model=tiny_lac)
    assert str(caught.value) == f"{tmp_path / 'out.txt'}: can't be written (No space left on device); " + (
        "choose another place"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lac_model", "text.txt"]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
@pytest.mark.parametrize("unbuffered", ["", "1"])  # Python's unbuffered output writes less than it is given
def test_a_pipe_is_answered_at_once_and_may_be_closed_in_silence(tiny_lac: Path, unbuffered: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": unbuffered}
    command = [sys.executable, "-m", "elmo", "lac", "tag", "-", "--model", str(tiny_lac)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        process.stdin.write("我们\n".encode())
        process.stdin.flush()
        assert process.stdout.readline().decode().replace("/", "").startswith("我")
        process.stdout.close()
        process.stdin.write("我们去河边\n".encode() * 10)
        process.stdin.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="writes to /dev/full")
def test_standard_output_that_is_full_is_an_error_of_one_line(text: Path, tiny_lac: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "elmo", "lac", "tag", str(text), "--model", str(tiny_lac)]
    with open("/dev/full", "wb") as full:
        process = subprocess.run(command, env=environment, stdout=full, stderr=subprocess.PIPE, check=False)
    assert process.returncode == 2
    assert process.stderr.decode().startswith("elmo: standard output: can't be written")
    assert process.stderr.count(b"\n") == 1


DOCUMENT = "我们明天去河边散步。好！\n去河边，　走了👍🏽\n" * 20


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "document.txt"
    path.write_text(DOCUMENT, encoding="utf-8")
    return path


@pytest.mark.slow
def test_preprocess_segments_by_lac_in_every_process(
    document: Path, tiny_lac: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("elmo.text.preprocess._CHUNK_CHARS", 100)
    (tmp_path / "words.txt").write_text("明天去河边\n", encoding="utf-8")
    flags = ["--segmenter", "lac", "--model", tiny_lac, "--user_dictionary", tmp_path / "words.txt"]
    for workers in (1, 2):
        assert run("preprocess", document, "-o", tmp_path / f"{workers}", "--workers", workers, *flags) == 0
    one, two = (sorted((tmp_path / name).glob("sentence_file_*")) for name in ("1", "2"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    lines = one[0].read_text(encoding="utf-8").splitlines()
    segmenter = LacSegmenter(model=tiny_lac, user_dictionary=tmp_path / "words.txt")
    assert lines[:3] == [
        " ".join(segmenter.cut(sentence)) for sentence in ("我们明天去河边散步。", "好！", "去河边，　走了👍🏽")
    ]
    assert "明天去河边" in lines[0].split()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_model_that_is_not_there_is_named_before_anything_is_written(
    document: Path, tmp_path: Path, workers: int
) -> None:
    options = {"model": tmp_path / "none"}
    with pytest.raises(InputError, match=r"none: there is no such folder; give that of LAC"):
        preprocess([document], tmp_path / "out", segmenter="lac", segmenter_options=options, workers=workers)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["document.txt"]


def test_lac_is_a_segmenter_by_its_name(tiny_lac: Path) -> None:
    segmenter = get_segmenter("lac", model=tiny_lac)
    assert segmenter.name == "lac"
    assert "".join(segmenter.cut("我们 去河边")) == "我们去河边"


def test_released_model_tags_a_line_as_it_tags_the_text(released: Path, text: Path, tmp_path: Path) -> None:
    tag_file(text, tmp_path / "out.txt", model=released)
    first = (tmp_path / "out.txt").read_text(encoding="utf-8").split("\n")[0]
    assert first == "我们/r 明天/TIME 去/v 河边/s 散步/v"
