"""A command that is asked to end leaves nothing half-written and no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from elmo.system.stopping import stoppable

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="ends processes by POSIX signals"),
    pytest.mark.timeout(120),
]

# Stands in for work that takes long: says that it has begun, and waits.
SLOW = """
import os, time
def slow(*_, **__):
    os.write(2, b"at work\\n")  # in one piece, whoever writes beside
    time.sleep(600)
def slow_shard(path, part, tokens, kind):
    part.with_suffix(".ids").write_bytes(b"half")
    slow()
"""
# What is made slow, and the command.
PRETRAIN = (
    "pretrain --train_path shard --vocab_path vocabulary.txt --embed_size 4 --hidden_size 4 --use_gpu False".split()
)
WORK = {
    "a file": ("elmo.system.files.os.replace", ["eval", "words", "word2vec-zh-small", "analogies", "-o", "out"]),
    "vectors": (
        "elmo.encoding.encoder.Encoder._encode_block",
        ["encode", "elmo-zh-small", "shard", "--output", "out.h5"],
    ),
    "a folder": ("elmo.text.preprocess.segment_chunks", ["preprocess", "shard", "--output", "out"]),
    "encoded text": ("elmo.text.encoded._join", PRETRAIN),
    "a model": ("elmo.models.save_file", ["export", "elmo-zh-small", "out"]),
}
PROGRAM = """
import sys, importlib, slow
from elmo import cli
target = sys.argv.pop(1)
module, _, name = target.rpartition(".")
try:
    holder = importlib.import_module(module)
except ModuleNotFoundError:
    module, _, inner = module.rpartition(".")
    holder = getattr(importlib.import_module(module), inner)
setattr(holder, name, slow.slow)
cli.main()
"""


@pytest.fixture
def start(tmp_path: Path, repository: Path):
    """Start a Python in an empty folder, beside one with what it needs; it is gone after the test."""
    work, cache = tmp_path / "work", tmp_path / "cache"
    work.mkdir()
    (tmp_path / "slow.py").write_text(SLOW, encoding="utf-8")
    (work / "shard").write_text("我 买 了 苹果 。\n风 很 大 。\n", encoding="utf-8")
    (work / "analogies").write_text("他 她 我 你\n", encoding="utf-8")
    (work / "vocabulary.txt").write_text("<S>\n</S>\n<UNK>\n我\n", encoding="utf-8")
    started = []

    def call(code: str, *arguments: str) -> subprocess.Popen[str]:
        path = f"{tmp_path}{os.pathsep}{repository}"
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            env={**os.environ, "PYTHONPATH": path, "ELMO_CACHE": str(cache), "ELMO_NATIVE": "0"},
            cwd=work,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield call
    for process in started:
        process.kill()
        process.wait()


def begun(process: subprocess.Popen[str]) -> None:
    """Wait until it is at work."""
    lines = []
    for line in process.stderr:
        if line == "at work\n":
            return
        lines.append(line)
    pytest.fail("".join(lines))


def files(folder: Path) -> list[str]:
    """All below a folder but locks and what jieba keeps."""
    found = (path for path in folder.rglob("*") if path.suffix not in (".lock", ".cache"))
    return sorted(str(path.relative_to(folder)) for path in found)


@pytest.mark.parametrize("name", WORK)
def test_what_is_half_written_is_removed(start, tmp_path, name):
    target, arguments = WORK[name]
    before = files(tmp_path / "work")
    process = start(PROGRAM, target, *arguments)
    begun(process)
    process.send_signal(signal.SIGTERM)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 143, errors
    assert "Traceback" not in errors
    assert files(tmp_path / "work") == before
    assert files(tmp_path / "cache") in ([], ["encoded"])


def test_what_takes_long_to_remove_is_removed_all_the_same(start, tmp_path):
    late = (
        "import shutil, time\n"
        "rmtree = shutil.rmtree\n"
        "def late(path, ignore_errors=False):\n"
        "    time.sleep(1.5)\n"
        "    rmtree(path, ignore_errors=ignore_errors)\n"
        "shutil.rmtree = late\n"
    )
    target, arguments = WORK["a folder"]
    before = files(tmp_path / "work")
    process = start(late + PROGRAM, target, *arguments)
    begun(process)
    process.send_signal(signal.SIGTERM)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 143, errors
    assert files(tmp_path / "work") == before


def test_a_closed_terminal_is_minded_too_and_nohup_is_kept(start, tmp_path):
    process = start(PROGRAM, *WORK["encoded text"][:1], *PRETRAIN)
    begun(process)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 129
    assert files(tmp_path / "cache") == ["encoded"]
    nohup = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    process = start(nohup + PROGRAM, "elmo.text.encoded._join", *PRETRAIN)
    begun(process)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="finds processes in /proc")
def test_a_closed_terminal_ends_workers_too_and_only_we_say_so(start, tmp_path):
    (tmp_path / "work" / "long").write_text("我 买 了 苹果 。\n" * 200_000, encoding="utf-8")
    arguments = ["preprocess", "long", "--output", "out", "--workers", "2", "--segmenter", "whitespace"]
    process = start("from elmo import cli\nif __name__ == '__main__': cli.main()", *arguments)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while len(children.read_text().split()) < 3 and process.poll() is None:  # workers, and what tidies up after all
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGHUP)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 129
    assert errors == "elmo: stopped; nothing half-written is left behind\n"


def test_processes_that_encode_are_ended_too(start, tmp_path):
    code = (
        "import slow; from pathlib import Path; from elmo.text import encoded; from elmo.text.vocabulary import *\n"
        "from elmo.system.stopping import stoppable\n"
        "if __name__ == '__main__':\n"
        "    encoded._PARALLEL_BYTES = 0\n"
        "    vocabulary, shards = Vocabulary([*SPECIAL_TOKENS, '我']), [Path('shard'), Path('analogies')]\n"
        "    with stoppable():\n"
        "        encoded.encode_shards(shards, vocabulary, 2, encoded.Scheme('slow', slow.slow_shard))\n"
    )
    process = start(code)
    begun(process)
    begun(process)  # both
    assert len(files(tmp_path / "cache")) > 1
    process.send_signal(signal.SIGTERM)
    errors = process.communicate(timeout=60)[1]  # when the last process has closed its end
    assert process.returncode == 143, errors
    assert files(tmp_path / "cache") == ["encoded"]


def test_what_a_killed_process_left_is_removed_by_the_next_that_encodes_the_same(start, tmp_path):
    process = start(PROGRAM, "elmo.text.encoded._join", *PRETRAIN)
    begun(process)
    process.kill()
    process.wait()
    assert any(name.startswith("encoded/.") for name in files(tmp_path / "cache"))
    code = (
        "from pathlib import Path; from elmo.text.encoded import encode_shards; from elmo.text.vocabulary import *\n"
        "encode_shards([Path('shard')], Vocabulary.load('vocabulary.txt'))\n"
    )
    process = start(code)
    assert process.wait(60) == 0
    assert not any(name.startswith("encoded/.") for name in files(tmp_path / "cache"))


def test_signals_are_left_as_they_were():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    with stoppable():
        assert signal.getsignal(signal.SIGTERM) != before[0]
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)] == before


def test_in_another_thread_signals_are_left_alone():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def look() -> None:
        with stoppable():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [before]
