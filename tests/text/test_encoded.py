"""Shards as ids on disk: the same as in memory, made once, whole or not at all, and flat in memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from elmo.errors import InputError
from elmo.text import encoded
from elmo.text.batches import SentenceIds
from elmo.text.encoded import encode_shards
from elmo.text.pieces import PieceVocabulary
from elmo.text.units import UnitText
from elmo.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from tests.commands import run_python

VOCABULARY = Vocabulary([*SPECIAL_TOKENS, *"山水风雨花木鱼鸟"])
LINES = ["山 水 山", "风", "", "火星 雨 花", "木 鱼 鸟 山 水 风 雨"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ELMO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"shard_{number}" for number in range(3)]
    for number, path in enumerate(paths):
        path.write_text("\n".join(LINES[number:]) + "\n", encoding="utf-8")
    return paths


def expected(paths: list[Path]) -> list[list[int]]:
    lines = [line for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
    return [VOCABULARY.encode(line.split()) for line in lines if line.split()]


def sentences_of(text: encoded.EncodedText) -> list[list[int]]:
    return [text.sentence(number).tolist() for number in range(text.num_sentences)]


def test_ids_on_disk_are_those_of_the_words(shards: list[Path]):
    text = encode_shards(shards, VOCABULARY)
    assert sentences_of(text) == expected(shards)
    assert text.num_words == sum(map(len, expected(shards))) and text.dtype == np.uint16


def test_a_large_vocabulary_takes_larger_numbers(shards: list[Path]):
    large = Vocabulary([*SPECIAL_TOKENS, *(f"w{number}" for number in range(70_000)), "山"])
    text = encode_shards(shards, large)
    assert text.dtype == np.int32 and text.sentence(0)[0] == 70_003


def test_several_processes_give_the_same_files(shards: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch):
    alone = [path.read_bytes() for path in sorted(encode_shards(shards, VOCABULARY).folder.iterdir())]
    monkeypatch.setenv("ELMO_CACHE", str(cache / "other"))
    monkeypatch.setattr(encoded, "_PARALLEL_BYTES", 0)
    together = [path.read_bytes() for path in sorted(encode_shards(shards, VOCABULARY, workers=2).folder.iterdir())]
    assert alone == together


def test_text_is_encoded_once_and_again_when_it_or_the_vocabulary_changes(shards: list[Path]):
    def written(paths: list[Path], vocabulary: Vocabulary) -> tuple[Path, int]:
        folder = encode_shards(paths, vocabulary).folder
        return folder, (folder / "ids.bin").stat().st_mtime_ns

    first = written(shards, VOCABULARY)
    assert written(shards, VOCABULARY) == first
    others = [written(shards, Vocabulary([*SPECIAL_TOKENS, "山"])), written(shards[:2], VOCABULARY)]
    shards[0].write_text("风\n", encoding="utf-8")
    others.append(written(shards, VOCABULARY))
    assert len({first, *others}) == 4
    assert sentences_of(encode_shards(shards, VOCABULARY)) == expected(shards)


def test_a_failure_leaves_nothing_behind(shards: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch):
    shards[2].write_bytes("山\n".encode() + b"\xff\n")
    with pytest.raises(InputError, match=r"shard_2:2: byte 1 of the line, 0xff"):
        encode_shards(shards, VOCABULARY)
    assert [path for path in (cache / "encoded").iterdir() if path.suffix != ".lock"] == []

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    shards[2].write_text("山\n", encoding="utf-8")
    monkeypatch.setattr(encoded, "_join", full)
    with pytest.raises(InputError, match=r"can't be written \(No space left on device\); name a folder by ELMO_CACHE"):
        encode_shards(shards, VOCABULARY)
    assert [path for path in (cache / "encoded").iterdir() if path.suffix != ".lock"] == []


def test_missing_and_empty_shards_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="can't be read"):
        encode_shards([tmp_path / "gone"], VOCABULARY)
    (tmp_path / "blank").write_text(" \n\n", encoding="utf-8")
    with pytest.raises(InputError, match="holds no sentence"):
        encode_shards([tmp_path / "blank"], VOCABULARY)


def test_processes_that_start_together_encode_once(shards: list[Path], cache: Path, repository: Path):
    code = (
        "import sys; from pathlib import Path; from elmo.text import encoded; from elmo.text.vocabulary import *\n"
        "encode = encoded._encode\n"
        "encoded._encode = lambda *given: (print('encoded'), encode(*given))\n"
        "v = Vocabulary([*SPECIAL_TOKENS, *'山水风雨花木鱼鸟'])\n"
        "print(encoded.encode_shards([Path(p) for p in sys.argv[1:]], v).num_words)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    command = [sys.executable, "-c", code, *map(str, shards)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(3)]
    outputs = [process.communicate(timeout=60)[0].split() for process in running]
    assert sum("encoded" in output for output in outputs) == 1
    assert {output[-1] for output in outputs} == {str(sum(map(len, expected(shards))))}


@pytest.mark.slow
def test_memory_does_not_grow_with_the_text(tmp_path: Path):
    """Ten times the text, at most 1.1 times the peak: encoding, shuffling and a whole pass of batches."""
    generator = np.random.default_rng(0)
    lines = [" ".join(generator.choice(list("山水风雨花木鱼鸟"), 10)) for _ in range(4_000)]
    code = (
        "import sys; from elmo.text.batches import SentenceIds; from elmo.text.vocabulary import *\n"
        "v = Vocabulary([*SPECIAL_TOKENS, *'山水风雨花木鱼鸟'])\n"
        "corpus = SentenceIds(sys.argv[1], v)\n"
        "tokens = sum(batch.num_tokens for batch in corpus.batches(64, 200, (1,)))\n"
        "assert tokens == corpus.num_targets\n"
        "lines = open('/proc/self/status').read().splitlines()\n"
        "print(next(line.split()[1] for line in lines if line.startswith('VmHWM')))\n"
    )
    if not Path("/proc/self/status").exists():
        pytest.skip("needs /proc to measure the peak")
    peaks = []
    for times in (5, 50):  # 200,000 and 2,000,000 words: 16 MB of ids and starts, were they in memory
        path = tmp_path / f"text_{times}"
        path.write_text("\n".join(lines * times) + "\n", encoding="utf-8")
        peaks.append(int(run_python(code, path).stdout))
    assert peaks[1] < 1.1 * peaks[0], peaks


def test_a_corpus_says_its_numbers(shards: list[Path], tmp_path: Path):
    corpus = SentenceIds(f"{tmp_path}/shard_*", VOCABULARY, workers=2)
    words = expected(shards)
    assert (len(corpus), corpus.num_words) == (len(words), sum(map(len, words)))
    assert corpus.num_targets == corpus.num_words + len(corpus)
    assert [corpus[index].tolist() for index in range(len(corpus))] == words


DAMAGES = {
    "ids are short": lambda folder: (folder / "ids.bin").write_bytes((folder / "ids.bin").read_bytes()[:-2]),
    "ids are missing": lambda folder: (folder / "ids.bin").unlink(),
    "an id beyond the vocabulary": lambda folder: put(folder / "ids.bin", 0, b"\xff\xff"),
    "a start of 2^40": lambda folder: put(folder / "starts.bin", 8, (1 << 40).to_bytes(8, "little")),
    "starts are empty": lambda folder: (folder / "starts.bin").write_bytes(b""),
    "starts are a folder": lambda folder: ((folder / "starts.bin").unlink(), (folder / "starts.bin").mkdir()),
    "meta is empty": lambda folder: (folder / "meta.json").write_bytes(b""),
    "meta is a list": lambda folder: (folder / "meta.json").write_text("[]"),
    "meta is deep": lambda folder: (folder / "meta.json").write_text("[" * 100_000),
    "meta says more": lambda folder: change(folder / "meta.json", words=1 << 40),
    "meta says less": lambda folder: change(folder / "meta.json", words=1, sentences=1),
    "meta says text": lambda folder: change(folder / "meta.json", words="many"),
    "meta of the version before": lambda folder: change(folder / "meta.json", sha256=None),
    "all is missing": lambda folder: [path.unlink() for path in folder.iterdir()],
    "meta is a pipe": lambda folder: ((folder / "meta.json").unlink(), os.mkfifo(folder / "meta.json")),
    "meta leads to an endless file": lambda folder: (
        (folder / "meta.json").unlink(),
        (folder / "meta.json").symlink_to("/dev/zero"),
    ),
    "a file is in its place": lambda folder: (shutil.rmtree(folder), folder.write_text("not ours")),
    "a pipe is in its place": lambda folder: (shutil.rmtree(folder), os.mkfifo(folder)),
    "a link is in its place": lambda folder: (folder.rename(folder.with_name("moved")), folder.symlink_to("moved")),
    "a link to nothing is in its place": lambda folder: (shutil.rmtree(folder), folder.symlink_to("nothing")),
}


def put(path: Path, place: int, data: bytes) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:place] + data + content[place + len(data) :])


def change(path: Path, **fields: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_encoded_again(shards: list[Path], damage: str):
    folder = encode_shards(shards, VOCABULARY).folder
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    DAMAGES[damage](folder)
    assert sentences_of(encode_shards(shards, VOCABULARY)) == expected(shards)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_units_of_characters_are_watched_too(shards: list[Path]):
    vocabulary = PieceVocabulary.from_words(Counter("山水风雨花木鱼鸟火星"))
    text = UnitText(shards[0], vocabulary)
    before = (text.text.folder / "units.bin").read_bytes()
    put(text.text.folder / "units.bin", 0, b"\xff")
    assert UnitText(shards[0], vocabulary).read(0, 1)[1].tolist() == [before[0]]


def test_what_a_killed_process_left_is_removed(shards: list[Path]):
    folder = encode_shards(shards, VOCABULARY).folder
    left = folder.with_name(f".{folder.name}.0123456789abcdef")
    folder.rename(left)
    encode_shards(shards, VOCABULARY)
    assert folder.is_dir() and not left.exists()


@pytest.mark.parametrize("kind", ["lock", "folder"])
def test_a_planted_link_is_not_followed(shards: list[Path], cache: Path, tmp_path: Path, kind: str):
    folder = encode_shards(shards, VOCABULARY).folder
    shutil.rmtree(folder)
    (tmp_path / "victim").write_text("mine", encoding="utf-8")
    (tmp_path / "victims").mkdir()
    (tmp_path / "victims/file").write_text("mine", encoding="utf-8")
    folder.with_suffix(".lock").unlink()
    if kind == "lock":
        folder.with_suffix(".lock").symlink_to(tmp_path / "victim")
        with pytest.raises(InputError, match="ELMO_CACHE"):
            encode_shards(shards, VOCABULARY)
    else:
        folder.with_name(f".{folder.name}.{os.getpid()}").symlink_to(tmp_path / "victims")
        assert sentences_of(encode_shards(shards, VOCABULARY)) == expected(shards)
    assert (tmp_path / "victim").read_text(encoding="utf-8") == "mine" and (tmp_path / "victims/file").exists()


def test_a_cache_that_others_can_write_to_is_refused(shards: list[Path], cache: Path):
    (cache / "encoded").mkdir(parents=True)
    (cache / "encoded").chmod(0o777)
    with pytest.raises(InputError, match=r"encoded: other users can write there.*; or name another folder by ELMO_"):
        encode_shards(shards, VOCABULARY)
    (cache / "encoded").chmod(0o755)
    assert encode_shards(shards, VOCABULARY).folder.stat().st_mode & 0o77 == 0


def test_files_are_on_the_disk_before_they_have_their_name(shards: list[Path], monkeypatch: pytest.MonkeyPatch):
    done: list[str] = []
    sync, rename = encoded.sync, os.rename
    monkeypatch.setattr(encoded, "sync", lambda path: (done.append(path.name), sync(path)))
    monkeypatch.setattr(os, "rename", lambda old, new: (done.append("rename"), rename(old, new)))
    encode_shards(shards, VOCABULARY)
    assert {"ids.bin", "starts.bin", "meta.json"} < set(done[:-1]) and done[-1] == "rename"
