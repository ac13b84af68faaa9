"""Inputs are regular files or standard input, lines have a bound, and every command ends when it is told to."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from elmo.corpora.lark_tsv import read_tag_dic, read_tsv
from elmo.corpora.peoples_daily import read_peoples_daily
from elmo.corpora.splits import split_raw
from elmo.corpora.tables import read_text
from elmo.corpora.tasks import read_cmrc
from elmo.corpora.universal_dependencies import read_ud
from elmo.errors import InputError
from elmo.explore.polysemy.senses import read_senses
from elmo.explore.words import read_similarity
from elmo.system import inputs, stopping
from elmo.system.inputs import MAX_LINE_BYTES, blocks_of_lines, lines, open_regular, read_whole
from elmo.system.run_folder import RunFolder
from elmo.tagging.baidu_files import numbered_lines
from elmo.tagging.files import tag_file
from elmo.text.pieces import PieceVocabulary
from elmo.text.preprocess import preprocess
from elmo.text.segment import JiebaSegmenter
from elmo.text.shards import read_lines, read_sentences
from elmo.text.units import read_words
from elmo.text.vocabulary import Vocabulary, count_words
from tests.commands import elmo, run_python
from tests.refusals import refusal

READERS: dict[str, Callable[[Path], object]] = {
    "lines": lambda path: list(read_lines(path)),
    "shards": lambda path: list(read_sentences([path])),
    "counts": lambda path: count_words([path]),
    "vocabulary": Vocabulary.load,
    "pieces": PieceVocabulary.load,
    "units": lambda path: list(read_words(path, tagged=True)),
    "documents": lambda path: preprocess([path], path.parent / "out", segmenter="whitespace", workers=1),
    "user dictionary": lambda path: JiebaSegmenter(user_dictionary=path),
    "LAC's dictionary": lambda path: list(numbered_lines(path)),
    "LARK's file": read_tsv,
    "LARK's tags": read_tag_dic,
    "People's Daily": lambda path: list(read_peoples_daily(path)),
    "Universal Dependencies": lambda path: list(read_ud(path)),
    "text to tag": lambda path: tag_file(path, path.parent / "out", model=path.parent),
    "table": read_text,
    "senses": read_senses,
    "similarities": read_similarity,
    "CMRC": lambda path: list(read_cmrc(path)),
    "a run's record": lambda path: RunFolder(path.parent).read(path.stem),
}


def special(path: Path, kind: str) -> Path:
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    return path


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
@pytest.mark.parametrize("reader", READERS)
def test_a_pipe_without_a_writer_an_endless_device_and_a_folder_are_refused(tmp_path, reader, kind):
    path = special(tmp_path / "input.json", kind)
    assert "input.json" in refusal(READERS[reader], path)
    assert os.listdir(tmp_path) == ["input.json"]


BY_LINES = ("lines", "shards", "counts", "units", "LARK's file", "People's Daily", "Universal Dependencies")


@pytest.mark.parametrize("reader", [*BY_LINES, "text to tag"])
def test_a_line_has_a_bound_in_every_reader(tmp_path, reader, monkeypatch):
    path = tmp_path / "input"
    path.write_bytes(b"a/n\n" + b"x" * (MAX_LINE_BYTES + 1))
    monkeypatch.setattr("elmo.tagging.files.load_tagger", lambda *_, **__: Tagger())
    with pytest.raises(InputError, match=r"(line 2 has more than 1,048,576 bytes|input:1: )"):
        READERS[reader](path)


class Tagger:
    def tag(self, texts: list[str]) -> list[tuple[list[str], list[str]]]:
        return [([text], ["n"]) for text in texts]


def test_raw_text_has_a_bound_too(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/a.txt").write_bytes(b"x" * (MAX_LINE_BYTES + 1))
    with pytest.raises(InputError, match="line 1 has more than"):
        split_raw(tmp_path / "raw", tmp_path / "out")
    assert os.listdir(tmp_path) == ["raw"]


def test_a_line_of_the_longest_length_is_read(tmp_path):
    path = tmp_path / "input"
    path.write_bytes(b"a\n" + b"x" * (MAX_LINE_BYTES - 1) + b"\n" + b"b" * MAX_LINE_BYTES)
    assert [len(line) for line in read_lines(path)] == [1, MAX_LINE_BYTES - 1, MAX_LINE_BYTES]
    assert sum(count_words([path]).values()) == 3


@pytest.mark.parametrize("block", [1, 3, 1 << 20])
def test_blocks_of_lines_are_the_file(monkeypatch, block):
    monkeypatch.setattr(inputs, "_BLOCK_BYTES", block)
    monkeypatch.setattr(inputs, "MAX_LINE_BYTES", 9)
    for content in (b"", b"\n", b"a", b"a\nbc\n\nd", b"12345678\n12345678"):
        found = list(blocks_of_lines(io.BytesIO(content)))
        assert b"".join(found) == content and all(each.endswith(b"\n") for each in found[:-1])
        assert b"".join(lines(io.BytesIO(content))) == content
    with pytest.raises(OSError, match="line 2 has more than 9 bytes"):
        list(blocks_of_lines(io.BytesIO(b"1\n1234567890")))


def test_a_file_that_is_read_as_a_whole_has_a_bound(tmp_path):
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(1 << 42)
    with pytest.raises(OSError, match="it has 4,398,046,511,104 bytes, more than"):
        read_whole(tmp_path / "sparse")
    with pytest.raises(InputError, match="it has 4,398,046,511,104 bytes"):
        Vocabulary.load(tmp_path / "sparse")
    with pytest.raises(OSError):
        open_regular("a\0b")


def test_closed_standard_input_is_said(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="standard input is closed"):
        list(read_lines("-"))
    with pytest.raises(InputError, match="standard input is closed"):
        tag_file("-", model="none")


# Ending


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    (folder / "long.txt").write_text("我 买 苹果 。\n" * 3_000_000, encoding="utf-8")
    Vocabulary.from_counts({"我": 9, "买": 9, "苹果": 9, "。": 9}).save(folder / "vocab.txt")
    return folder


ENDLESS = {
    "encode from standard input": ["encode", "elmo-zh-small", "-", "--output", "{t}/v.npz"],
    "encode": ["encode", "elmo-zh-small", "{p}/long.txt", "--output", "{t}/v.h5", "--segmenter", "whitespace"],
    "encode in huge batches": [
        *("encode", "elmo-zh-small", "{p}/long.txt", "--output", "{t}/v.npz", "--segmenter", "whitespace"),
        *("--batch_size", "100000"),
    ],
    "preprocess": ["preprocess", "{p}/long.txt", "--output", "{t}/shards", "--workers", "2"],
    "preprocess from standard input": ["preprocess", "-", "--output", "{t}/shards", "--workers", "1"],
    "word2vec": ["word2vec", "{p}/long.txt", "--output", "{t}/w", "--min_count", "1", "--max_epoch", "99"],
    "lac train": ["lac", "train", "--save_dir", "{t}/tagger", "--hidden_size", "512", "--use_gpu", "False"],
    "vocab": ["vocab", *["{p}/long.txt"] * 200, "--output", "{t}/vocab.txt"],
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "number"),
    [*((name, signal.SIGTERM) for name in ENDLESS), ("encode", signal.SIGINT), ("preprocess", signal.SIGINT)],
)
def test_commands_end_within_a_second_and_leave_nothing(place, tmp_path, repository, name, number):
    call = [part.format(p=place, t=tmp_path) for part in ENDLESS[name]]
    environment = {**os.environ, "PYTHONPATH": str(repository), "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "elmo", *call],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=tmp_path,
    )
    wait_until_at_work(process)
    slow = slowness()
    process.send_signal(number)
    sent = time.monotonic()
    error = process.communicate(timeout=30)[1].decode()
    took = (time.monotonic() - sent) / max(slow, slowness())  # as on a machine that does nothing else
    assert process.returncode == 128 + number, error
    assert "Traceback" not in error and "FatalError" not in error
    assert took < 1.5, took  # a second, and what stopping itself takes
    left = [path for path in tmp_path.rglob("*") if path.name not in ("elmo-cache",) and "tagger" not in path.parts]
    assert left == []


def slowness() -> float:
    """How many seconds by the clock a second of a processor takes at the moment; at least 1."""
    begun, used = time.monotonic(), time.process_time()
    while time.process_time() - used < 0.2:
        pass
    return max(1.0, (time.monotonic() - begun) / 0.2)


def wait_until_at_work(process: subprocess.Popen[bytes]) -> float:
    """Wait until a command has imported what it needs: it has used four seconds of a processor, or waits for input.

    Returns the seconds that it has used.
    """
    ticks, before = os.sysconf("SC_CLK_TCK"), -1.0
    for _ in range(240):
        time.sleep(0.25)
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        used = (int(fields[11]) + int(fields[12])) / ticks
        if used > 4 or (used > 0.5 and used == before):
            return used
        before = used
    return before


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_nothing_half_written_is_left_when_a_library_is_deaf(tmp_path, repository, number):
    code = (
        "import sys, time, pathlib\n"
        "from elmo.system.stopping import stoppable, half_written\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "with stoppable(), half_written(path), half_written(path.with_name('folder')):\n"
        "    path.write_text('half'); path.with_name('folder').mkdir()\n"
        "    (path.with_name('folder') / 'file').write_text('half')\n"
        "    end = time.monotonic() + 20\n"
        "    while time.monotonic() < end:\n"
        "        try:\n"
        "            print('ready', flush=True)\n"
        "            time.sleep(20)\n"
        "        except BaseException: pass\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "file")],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(repository)},
    )
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    sent = time.monotonic()
    assert process.wait(timeout=15) == 128 + number
    assert time.monotonic() - sent < 1.5 and os.listdir(tmp_path) == []
    process.stdout.close()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_where_python_drops_what_is_raised_ends_it_without_a_traceback(number):
    code = (
        "import os, sys, time\n"
        "from elmo.system.stopping import stoppable\n"
        "class Dies:\n"
        "    def __del__(self):\n"
        "        os.kill(os.getpid(), int(sys.argv[1]))\n"
        "        time.sleep(5)\n"
        "with stoppable():\n"
        "    Dies()\n"
        "    while True: time.sleep(0.01)\n"
    )
    done = run_python(code, int(number), check=False)
    assert done.returncode == 128 + number
    word = "interrupted" if number == signal.SIGINT else "stopped"
    assert done.stderr == f"elmo: {word}; nothing half-written is left behind\n"


@pytest.mark.slow
def test_who_asks_for_patience_is_ended_by_the_second_signal(tmp_path, repository):
    code = (
        "import time\n"
        "from elmo.system.stopping import stoppable, patient\n"
        "with stoppable(), patient():\n"
        "    while True:\n"
        "        try: print('ready', flush=True); time.sleep(20)\n"
        "        except BaseException: print('told', flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(repository)}
    )
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == b"told\n" and process.stdout.readline() == b"ready\n"
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1.2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 143
    process.stdout.close()


def test_handlers_are_as_before_when_a_command_has_ended():
    before = signal.getsignal(signal.SIGTERM)
    with stopping.stoppable():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before and signal.set_wakeup_fd(-1) == -1
    done: list[int] = []
    thread = threading.Thread(target=lambda: (stopping.stoppable().__enter__(), done.append(1)))
    thread.start()
    thread.join()
    assert done == [1]


def test_importing_paddle_leaves_our_handlers():
    code = (
        "import os, signal\nfrom elmo import runtime\n"
        "def stop(*_): raise SystemExit(77)\n"
        "signal.signal(signal.SIGTERM, stop)\nruntime.paddle.zeros([1])\nos.kill(os.getpid(), signal.SIGTERM)\n"
        "import time; time.sleep(5)"
    )
    assert run_python(code, check=False).returncode == 77


def test_what_a_library_makes_of_a_stop_is_still_a_stop():
    for number, ending in ((signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)):
        with pytest.raises(ending), stopping.stoppable():
            try:
                signal.raise_signal(number)
            except BaseException:
                raise OSError("External error") from None
    with pytest.raises(OSError), stopping.stoppable():
        raise OSError("an error of its own")


@pytest.mark.parametrize(
    "call",
    [
        ["info", "{n}"],
        ["convert", "{n}", "out"],
        ["encode", "{n}", "text", "--output", "v.npz"],
        ["encode", "elmo-zh-small", "{n}", "--output", "v.npz"],
        ["encode", "elmo-zh-small", "text", "--output", "{n}.npz"],
        ["vocab", "{n}", "--output", "v"],
        ["vocab", "text", "--output", "{n}"],
        ["preprocess", "{n}", "--output", "out"],
        ["preprocess", "text", "--output", "{n}"],
        ["word2vec", "text", "--output", "{n}"],
        ["pretrain", "--train_path", "text", "--vocab_path", "{n}"],
        ["pretrain", "--train_path", "text", "--vocab_path", "text", "--para_save_dir", "{n}"],
        ["pretrain", "--train_path", "text", "--vocab_path", "v", "--load_dir", "{n}"],
        ["lac", "tag", "{n}"],
        ["lac", "tag", "text", "--model", "{n}"],
        ["lac", "train", "--save_dir", "{n}"],
    ],
)
@pytest.mark.parametrize("kind", ["long", "circle"])
def test_names_that_lead_nowhere_are_an_error_of_one_line(tmp_path, monkeypatch, capsys, call, kind):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text("我 买 苹果 。\n", encoding="utf-8")
    (tmp_path / "circle").symlink_to("circle")
    name = "9" * 5000 if kind == "long" else "circle"
    code = elmo(*(part.format(n=name) for part in call))
    error = capsys.readouterr().err
    said = [line for line in error.splitlines() if line.startswith("elmo: ")]
    wrote = kind == "circle" and call[-1] == "{n}.npz"  # circle.npz is no link
    assert (code == 2 and len(said) == 1 and "Traceback" not in error) or wrote


def test_a_file_that_would_wait_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kmsg").write_bytes(b"x")  # as /proc/kmsg does until the kernel has something to say

    def wait(*_: object) -> bytes:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, "pread", wait)
    with pytest.raises(OSError, match="kmsg") as caught:
        open_regular(tmp_path / "kmsg")
    assert caught.value.errno == errno.EAGAIN


def test_standard_input_that_does_not_wait_is_read_to_its_end(tmp_path: Path, repository: Path) -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)  # as another program that shares it may have done
    code = "import sys; from elmo.text.shards import read_lines; print(len(list(read_lines('-'))))"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=reading,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(repository)},
    ) as process:
        os.close(reading)
        for text in (b"one\ntwo\nthr", b"ee\nfour\n"):
            os.write(writing, text)
            time.sleep(2)
        os.close(writing)
        assert process.communicate(timeout=60)[0] == b"4\n"
