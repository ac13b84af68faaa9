"""Preprocessing: shards hold every character, do not depend on the workers, and appear whole or not at all."""

from __future__ import annotations

import hashlib
import io
import os
import re
import signal
import subprocess
import sys
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import elmo.text.preprocess as module
from elmo.errors import InputError, RunError
from elmo.text import SEGMENTERS
from elmo.text.preprocess import preprocess
from elmo.text.segment import get_segmenter, segment_chunks
from elmo.text.sentences import split_sentences
from elmo.text.shards import find_shards, read_text_records
from tests.commands import run_python
from tests.refusals import refusal

TEXT = st.text(
    st.one_of(
        st.sampled_from(" \t\n\r\x00\x0b\x85\u2028\u3000\ufeff。！？…!?.，“”苹果熟了aB3"), st.characters(codec="utf-8")
    )
)
DOCUMENT = "今天下雨。我没带伞，淋湿了！\n妈妈问：“冷不冷？”我说不冷。\n"


@pytest.fixture
def write(tmp_path: Path):
    """Write text or bytes to a file below the test's folder and return its path."""

    def write_file(name: str, content: str | bytes = DOCUMENT) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "shards"


def shards(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if not path.name.startswith(".")}


def kept(text: str) -> str:
    """The characters that survive, by the documented rules."""
    return "".join(
        character
        for character in text
        if not (character.isspace() or character == "\ufeff" or unicodedata.category(character) == "Cc")
    )


def run(inputs, output, **options):
    return preprocess(inputs, output, progress=False, **{"workers": 1, "segmenter": "whitespace", **options})


@pytest.fixture(scope="module", autouse=True)
def loaded_jieba():
    """Add a segmenter "loaded jieba" for tests with one process, since loading jieba's dictionary takes a while."""
    segmenter = get_segmenter("jieba")
    SEGMENTERS["loaded jieba"] = lambda: segmenter
    yield segmenter
    del SEGMENTERS["loaded jieba"]


def test_a_shard_is_a_sentence_a_line_and_a_space_between_words(write, output):
    report = run([write("a.txt")], output, segmenter="loaded jieba")
    assert shards(output) == {
        "sentence_file_00000": (
            "今天 下雨 。\n我 没带 伞 ， 淋湿 了 ！\n妈妈 问 ： “ 冷不冷 ？ ”\n我 说 不 冷 。\n".encode()
        )
    }
    assert (report.documents, report.sentences, report.shards, report.warnings) == (1, 4, 1, ())
    assert report.words == 3 + 7 + 7 + 5
    assert report.characters == len(kept(DOCUMENT))


def test_every_shard_but_the_last_has_its_number_of_sentences(write, output):
    report = run([write("a.txt", "一。二。三。四。五。"), write("b.txt", "六。七。")], output, sentences_per_shard=3)
    assert shards(output) == {
        "sentence_file_00000": "一。\n二。\n三。\n".encode(),
        "sentence_file_00001": "四。\n五。\n六。\n".encode(),
        "sentence_file_00002": "七。\n".encode(),
    }
    assert report.shards == 3
    assert report.documents == 2


def test_no_empty_shard_follows_a_full_one(write, output):
    assert run([write("a.txt", "一。二。")], output, sentences_per_shard=2).shards == 1
    assert len(shards(output)) == 1


def test_sentences_do_not_run_from_one_document_into_the_next(write, output):
    run([write("a.txt", "没有句号"), write("b.txt", "也没有")], output, line_ends="join", segmenter="loaded jieba")
    assert shards(output)["sentence_file_00000"] == "没有 句号\n也 没有\n".encode()


@settings(max_examples=50)
@given(
    st.lists(TEXT, min_size=1, max_size=3),
    st.sampled_from(["utf-8", "gb18030"]),
    st.sampled_from(["sentence", "space", "join"]),
)
def test_no_character_is_lost_and_words_are_those_of_the_sentences(
    tmp_path_factory, loaded_jieba, texts, encoding, line_ends
):
    folder = tmp_path_factory.mktemp("preprocess")
    paths = [folder / f"{number}.txt" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(text.encode(encoding))
    options = {"segmenter": "loaded jieba", "encoding": encoding, "line_ends": line_ends, "sentences_per_shard": 2}
    if not any(map(kept, texts)):
        with pytest.raises(InputError, match="no sentence in all of the input"):
            run(paths, folder / "out", **options)
        return
    report = run(paths, folder / "out", **options)
    lines = b"".join(shards(folder / "out").values()).decode().removesuffix("\n").split("\n")
    sentences = [sentence for text in texts for sentence in split_sentences(text, line_ends=line_ends)]
    assert [line.split(" ") for line in lines] == [loaded_jieba.cut(sentence) for sentence in sentences]
    assert kept("".join(texts)) == "".join(lines).replace(" ", "")
    assert report.characters == len(kept("".join(texts)))
    assert report.words == sum(len(line.split(" ")) for line in lines)
    assert report.sentences == len(lines)


@pytest.mark.parametrize("block_bytes", [1, 7, 1 << 18])
def test_the_size_of_blocks_and_chunks_makes_no_difference(write, output, monkeypatch, block_bytes):
    text = "\ufeff" + DOCUMENT * 20 + "\r\n\r\n𠀀😀\r" + DOCUMENT.replace("\n", "\r\n")
    for encoding in ("utf-8", "gb18030"):
        run([write(f"{encoding}.txt", text.encode(encoding))], output.with_name(encoding), encoding=encoding)
    monkeypatch.setattr(module, "_BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(module, "_CHUNK_CHARS", 10)
    for encoding in ("utf-8", "gb18030"):
        small = output.with_name(f"{encoding}-small")
        run([output.parent / f"{encoding}.txt"], small, encoding=encoding)
        assert shards(small) == shards(output.with_name("utf-8"))


@pytest.mark.parametrize("segmenters", [["whitespace"] * 3, ["loaded jieba", "jieba"]])
def test_workers_make_no_difference(write, output, monkeypatch, segmenters):
    monkeypatch.setattr(module, "_CHUNK_CHARS", 50)
    paths = [write("a.txt", DOCUMENT * 30), write("b.txt", "苹果熟了。" * 50), write("c.txt", "没有句号" * 400)]
    reports, folders = [], []
    for workers, segmenter in enumerate(segmenters, 1):
        folders.append(output.with_name(str(workers)))
        report = run(paths, folders[-1], workers=workers, segmenter=segmenter, sentences_per_shard=37)
        reports.append({**vars(report), "seconds": 0})
    assert len(shards(folders[0])) > 3
    assert all(shards(folder) == shards(folders[0]) for folder in folders)
    assert all(report == reports[0] for report in reports)


def test_how_the_text_was_made_stands_beside_the_shards_where_no_glob_finds_it(write, output, tmp_path):
    (tmp_path / "words.txt").write_text("苹果熟了\n", encoding="utf-8")
    options = {"segmenter": "jieba", "segmenter_options": {"user_dictionary": tmp_path / "words.txt"}}
    run([write("a.txt", "１２３ＡＢＣ，苹果熟了。cafe\u0301！")], output, normalise=["width", "nfc"], **options)
    assert shards(output) == {"sentence_file_00000": "123ABC ， 苹果熟了 。\ncaf é ！\n".encode()}
    (shard,) = find_shards(f"{output}/*")
    sha = hashlib.sha256((tmp_path / "words.txt").read_bytes()).hexdigest()
    dictionary = {"name": "words.txt", "sha256": sha}
    made = {"segmenter": {"name": "jieba", "user_dictionary": dictionary}, "normalise": ["nfc", "width"]}
    assert read_text_records([shard]) == [made]
    with pytest.raises(InputError, match="normalise has no step 'nfkc': give some of nfc, width, simplified"):
        run([write("a.txt", "好。")], output, normalise=["nfkc"], overwrite=True)


def test_many_workers_are_not_started_for_little_text(write, output, monkeypatch):
    asked = []

    def segment(chunks, make_segmenter, workers):
        asked.append(workers)
        return segment_chunks(chunks, make_segmenter, workers)

    monkeypatch.setattr(module, "available_cores", lambda: 8)
    monkeypatch.setattr(module, "segment_chunks", segment)
    run([write("a.txt")], output, workers=None)
    assert asked == [1]


def test_removed_characters_and_cut_sentences_are_reported(write, output):
    report = run([write("a.txt", "\ufeff苹\x00果\x07。一二三四五六七八。")], output, max_sentence_chars=5)
    assert (report.removed_control_characters, report.cut_sentences) == (2, 1)
    assert shards(output)["sentence_file_00000"] == "苹果。\n一二三四五\n六七八。\n".encode()


def test_files_globs_folders_and_standard_input_are_read_in_the_order_given(write, output, tmp_path, monkeypatch):
    for name in ("b.txt", "a.txt", "deep/er/c.txt", "deep/d.md", "e.txt"):
        write(name, name[-5])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("标准输入".encode())))
    report = run([str(tmp_path / "e.txt"), "-", tmp_path / "deep", str(tmp_path / "**" / "*.txt")], output)
    assert shards(output)["sentence_file_00000"].decode().split() == ["e", "标准输入", "c", "a", "b"]
    assert report.documents == 5


def test_a_file_whose_name_looks_like_a_glob_is_a_file(write, output):
    assert run([write("[a]*.txt", "一")], output).sentences == 1


def test_one_path_may_be_given_without_a_list(write, output):
    assert run(str(write("a.txt", "一")), output).documents == 1


def test_shards_of_the_output_folder_are_not_read_as_input(write, tmp_path):
    write("a.txt", "一")
    run([tmp_path], tmp_path)
    for again in ([str(tmp_path / "*")], [tmp_path / "a.txt", tmp_path / "sentence_file_00000"], [tmp_path]):
        assert run(again, tmp_path, overwrite=True).documents == 1
        assert shards(tmp_path)["sentence_file_00000"] == "一\n".encode()
    with pytest.raises(InputError, match="give documents; shards of the output are none"):
        run([tmp_path / "sentence_file_00000"], tmp_path, overwrite=True)


def test_an_empty_document_among_others_is_a_warning(write, output):
    report = run([write("a.txt", "一"), write("b.txt", "\ufeff \n\x00")], output)
    assert [warning.rpartition("/")[2] for warning in report.warnings] == ["b.txt: holds no sentence"]
    assert (report.documents, report.sentences) == (2, 1)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], r"inputs \[\]: give documents"),
        (["nowhere.txt"], r"nowhere\.txt: there is no such file"),
        (["*.text"], r"\*\.text: no file matches this glob"),
        (["empty folder"], "empty folder: the folder holds no .txt file"),
        (["empty.txt", "blank.txt"], r"no sentence in all of the input"),
    ],
)
def test_input_without_text_is_an_error_of_one_line(write, tmp_path, monkeypatch, inputs, message):
    write("empty.txt", "")
    write("blank.txt", " \n\n")
    (tmp_path / "empty folder").mkdir()
    monkeypatch.chdir(tmp_path)
    assert re.search(message, refusal(run, inputs, "shards"))
    assert not (tmp_path / "shards").exists()


@pytest.mark.parametrize(
    ("data", "encoding", "message"),
    [
        ("苹果\n好".encode() + b"\xff\n", "utf-8", r"a\.txt:2: byte 10 of the file, 0xff, is not UTF-8; mend"),
        ("你好\n苹果".encode("gb18030"), "utf-8", r"a\.txt:1: byte 0 .* is not UTF-8; it reads as GB18030: try"),
        ("苹果".encode("utf-16"), "utf-8", r"a\.txt:1: byte 0 .* looks like UTF-16"),
        (b"ab\r\nab\r\n\xff", "utf-8", r"a\.txt:3: byte 8 of the file"),
        ("ok\r\rok\r\n好".encode()[:-1], "utf-8", r"a\.txt:4: byte 8 of the file"),
        ("ok\n好好".encode()[:-1], "gb18030", r"a\.txt:2: byte 7 .*, 0xa5, is not GB18030; mend"),
        ("ok\n好。x".encode(), "gb18030", r"a\.txt:2: byte 7 .* is not GB18030; it reads as UTF-8: try"),
    ],
)
@pytest.mark.parametrize("block_bytes", [3, 1 << 18])
def test_bytes_that_are_no_text_are_an_error_that_names_them(
    write, output, monkeypatch, data, encoding, message, block_bytes
):
    monkeypatch.setattr(module, "_BLOCK_BYTES", block_bytes)
    with pytest.raises(InputError, match=message if block_bytes > 3 else message.partition(";")[0]):
        run([write("b.txt", "ok"), write("a.txt", data)], output, encoding=encoding)
    assert not output.exists()


def test_utf8_read_as_gb18030_is_a_warning(write, output):
    report = run([write("a.txt", "苹果")], output, encoding="gbk")
    assert "reads as UTF-8 too" in report.warnings[0]
    assert run([write("b.txt", "苹果".encode("gbk"))], output, encoding="GB2312", overwrite=True).warnings == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoding": "latin-1"}, "encoding 'latin-1' cannot be read: choose utf-8 or gb18030"),
        ({"encoding": "klingon"}, "encoding 'klingon' cannot be read"),
        ({"sentences_per_shard": 0}, "sentences_per_shard is 0"),
        ({"workers": 0}, "workers is 0"),
        ({"prefix": "a/b"}, "prefix is 'a/b'"),
        ({"prefix": ""}, "prefix is ''"),
        ({"segmenter": "hanlp"}, "no segmenter 'hanlp'"),
        ({"line_ends": "lines"}, "line_ends is 'lines'"),
        ({"line_ends": "join"}, "line_ends 'join' would join words of segmented text"),
    ],
)
def test_options_that_make_no_sense_are_errors(write, output, options, message):
    with pytest.raises(InputError, match=message):
        run([write("a.txt")], output, **options)
    assert not output.exists()


def test_a_folder_with_shards_is_refused_unless_they_are_to_be_replaced(write, output):
    run([write("a.txt", "一。二。三。")], output, sentences_per_shard=1)
    (output / "notes.md").write_text("mine")
    with pytest.raises(InputError, match="holds sentence_file_00000 already"):
        run([write("b.txt", "四。五。")], output)
    run([write("b.txt", "四。五。")], output, sentences_per_shard=1, overwrite=True)
    assert shards(output) == {
        "notes.md": b"mine",
        "sentence_file_00000": "四。\n".encode(),
        "sentence_file_00001": "五。\n".encode(),
    }


def test_a_signal_does_not_leave_shards_of_two_texts(write, output, monkeypatch):
    run([write("a.txt", "一。二。三。")], output, sentences_per_shard=1)
    replace = os.replace

    def replace_and_ring(old, new):
        replace(old, new)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("elmo.text.preprocess.os.replace", replace_and_ring)
    with pytest.raises(KeyboardInterrupt):
        run([write("b.txt", "四。五。")], output, sentences_per_shard=1, overwrite=True)
    assert shards(output) == {"sentence_file_00000": "四。\n".encode(), "sentence_file_00001": "五。\n".encode()}


def test_a_file_that_is_no_shard_but_would_be_read_as_one_is_not_removed(write, output):
    foreign = write("shards/sentence_file_notes.txt", "mine")
    with pytest.raises(InputError, match=r"sentence_file_notes\.txt: would be read with the shards"):
        run([write("a.txt")], output, overwrite=True)
    assert foreign.read_text() == "mine"


def test_an_output_folder_that_is_a_file_or_below_one_is_refused(write):
    file = write("a.txt")
    with pytest.raises(InputError, match="is a file; choose a folder"):
        run([file], file)
    with pytest.raises(InputError, match="cannot be written to"):
        run([file], file / "below")


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
@pytest.mark.parametrize("workers", [1, 2])
def test_an_interruption_leaves_everything_as_it_was(write, output, monkeypatch, error, workers):
    monkeypatch.setattr(module, "_CHUNK_CHARS", 10)
    run([write("a.txt", "一。二。")], output)
    before = shards(output)
    real_open = open

    def failing_open(path, mode="r"):
        if mode == "ab" and len(list(Path(path).parent.iterdir())) == 3:
            raise error
        return real_open(path, mode)

    monkeypatch.setattr(module, "open", failing_open, raising=False)
    for folder in (output, output.parent / "new" / "folder"):
        with pytest.raises((KeyboardInterrupt, RunError)):
            run([write("b.txt", DOCUMENT * 20)], folder, sentences_per_shard=5, overwrite=True, workers=workers)
    assert shards(output) == before
    assert sorted(path.name for path in output.parent.iterdir()) == ["a.txt", "b.txt", "shards"]


def test_a_folder_that_somebody_else_fills_meanwhile_is_left_to_them(write, output, monkeypatch):
    def fill_meanwhile(*arguments):
        write("shards/theirs.txt", "theirs")
        return segment_chunks(*arguments)

    monkeypatch.setattr(module, "segment_chunks", fill_meanwhile)
    with pytest.raises(RunError, match="shards cannot be moved there"):
        run([write("a.txt")], output)
    assert shards(output) == {"theirs.txt": b"theirs"}
    assert sorted(path.name for path in output.parent.iterdir()) == ["a.txt", "shards"]


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT to a process group")
def test_ctrl_c_ends_all_processes_and_leaves_nothing(write, output):
    code = (
        "import sys; from elmo.text.preprocess import preprocess\n"
        "if __name__ == '__main__': preprocess('-', sys.argv[1], workers=2, segmenter='whitespace')\n"
    )
    command = [sys.executable, write("script.py", code), output]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    assert process.stdin is not None
    process.stdin.write(DOCUMENT.encode() * 10_000)  # more to follow, which never comes
    process.stdin.flush()
    while not list(output.parent.glob(".sentence_file_*/sentence_file_00000")):
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode != 0
    assert errors.count(b"Traceback") == 1  # only the first process's own
    assert b"KeyboardInterrupt" in errors
    assert sorted(path.name for path in output.parent.iterdir()) == ["script.py"]
    with pytest.raises(ProcessLookupError):  # Python's own helper process ends a moment after the first process
        for _ in range(500):
            os.killpg(process.pid, 0)
            time.sleep(0.02)


def test_paddle_is_not_imported():
    run_python("import sys, elmo.text.preprocess; sys.exit('paddle' in sys.modules)")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory from /proc")
def test_memory_does_not_grow_with_the_input(write, output):
    code = (
        "import sys; from elmo.text.preprocess import preprocess\n"
        "preprocess([sys.argv[1]], sys.argv[2], segmenter='whitespace', workers=1)\n"
        "print(*(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))\n"
    )
    peaks = []
    for name, repeats in (("one", 100_000), ("ten", 1_000_000)):  # 2 and 20 MB, both a single line
        path = write(f"{name}.txt", "苹果 熟 了 ， " * repeats)
        peaks.append(int(run_python(code, path, output.with_name(name)).stdout))
    assert peaks[1] < peaks[0] + 5_000  # in kB: a quarter of what the larger input would add if it were kept
