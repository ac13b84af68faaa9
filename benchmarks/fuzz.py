"""Damaged files and odd calls, made by chance, against every reader and command: `make fuzz SECONDS=600`.

Each case has a seed, by which it can be repeated alone (`--only SEED`). A process of its own runs the cases one after
the other; if it crashes or hangs, the case that it was at is the one to blame, and another process goes on. Wrong is: a
traceback, a crash, more than a message of one line, a control character on the terminal, more than `--limit` seconds,
and a file that is made, changed or removed anywhere but in the case's own target. The log names each case's seed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import re
import resource
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Case = Callable[[Path, random.Random], object]

KINDS = ("all", "readers", "commands", "checkers")

_MEMORY = 6 << 30  # by which a process may grow
_SPECIAL = [
    b"\0",
    b"\xff",
    b"\n",
    b"\r\n",
    b"\t",
    b'"',
    b"[" * 3000,
    b"1e999",
    b"-1",
    b"9" * 30,
    b"NaN",
    b"null",
    b"\x1b[2J",
]
_NUMBERS = [
    "0",
    "-1",
    "1",
    "3",
    str(1 << 31),
    str(1 << 63),
    str(1 << 64),
    "9" * 5000,
    "nan",
    "inf",
    "x",
    "",
    "2.5",
    "\x1b[31m",
]


def main() -> None:
    """Run cases until the time is over; exits with 1 if one was wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the first case; the others follow")
    parser.add_argument("--limit", type=float, default=30, help="seconds that a case may take")
    parser.add_argument("--log", type=Path, default=Path("fuzz.log"))
    parser.add_argument("--cases", choices=KINDS, default="all", help="what is tried; all: readers and commands")
    parser.add_argument("--only", type=int, help="run this case alone, with the --cases of its run")
    parser.add_argument("--worker", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only is not None:
        run_cases(options.cases, options.only, 1, 0)
    elif options.worker is not None:
        run_cases(options.cases, options.seed, None, options.worker)
    else:
        sys.exit(supervise(options.cases, options.seconds, options.seed, options.limit, options.log))


def supervise(cases: str, seconds: float, seed: int, limit: float, log: Path) -> int:
    """Start processes that run cases, one after the other, and blame cases for what befalls their process."""
    from elmo.nn import native

    native.library()  # compiled here, where nothing waits for the first case, and kept in the user's cache
    end, wrong, done = time.monotonic() + seconds, 0, 0
    print(f"{cases}: seeds from {seed}, log in {log}", flush=True)
    with open(log, "w", encoding="utf-8") as file:
        while (left := end - time.monotonic()) > 0:
            command = [sys.executable, __file__, "--cases", cases, "--seed", str(seed), "--worker", str(left)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file, text=True, errors="replace") as worker:
                at = _follow(worker, file, limit)
                worker.kill()
            done += at.done
            wrong += at.wrong
            if at.seed is None and time.monotonic() < end:
                print(f"no case could be begun: see {log}")
                return 1
            if worker.wait() != 0 and at.seed is not None:
                reason = "took too long" if at.is_late else f"ended its process with {worker.returncode}"
                if time.monotonic() < end or not at.is_late:
                    file.write(f"WRONG {at.seed} {at.name}: {reason}\n")
                    wrong += 1
            seed = (at.seed if at.seed is not None else seed) + 1
    print(f"{done:,} cases, {wrong} wrong" + (f": see {log}" if wrong else ""))
    return 1 if wrong else 0


class _Progress:
    """Where a process is."""

    def __init__(self) -> None:
        self.seed: int | None = None
        self.name, self.done, self.wrong, self.is_late = "", 0, 0, False


def _follow(worker: subprocess.Popen[str], log: io.TextIOBase | Any, limit: float) -> _Progress:
    """Copy a process's lines into the log until it ends, or is too long at one case."""
    at = _Progress()
    assert worker.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(worker.stdout, selectors.EVENT_READ)
        while True:
            if not selector.select(timeout=limit + (60 if at.seed is None else 0)):
                at.is_late = True
                return at
            line = worker.stdout.readline()
            if not line:
                return at
            log.write(line)
            log.flush()
            word, _, rest = line.partition(" ")
            if word == "case":
                number, _, at.name = rest.strip().partition(" ")
                at.seed, at.done = int(number), at.done + 1
            at.wrong += word == "WRONG"


def run_cases(kinds: str, seed: int, count: int | None, seconds: float) -> None:
    """Run cases with rising seeds, in this process."""
    end = time.monotonic() + seconds
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from elmo.nn import native

    native.library()  # before the user's cache is left
    with tempfile.TemporaryDirectory(prefix="elmo-fuzz-") as name:
        root = Path(name).resolve()
        os.environ["ELMO_CACHE"], os.environ["TMPDIR"] = str(root / "cache"), str(root / "tmp")
        tempfile.tempdir = None
        (root / "tmp").mkdir()
        samples = make_samples(root / "samples")
        cases = cases_of(kinds, samples)
        pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
        resource.setrlimit(resource.RLIMIT_AS, (pages * 4096 + _MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
        while count is None or count > 0:
            if count is None and time.monotonic() > end:
                return
            generator = random.Random(seed)
            kind = generator.choice(sorted(cases))
            print(f"case {seed} {kind}", flush=True)
            problem = run_case(cases[kind], root / "work", samples, generator)
            if problem:
                print(f"WRONG {seed} {kind}: {problem}", flush=True)
            seed, count = seed + 1, None if count is None else count - 1


def run_case(case: Case, work: Path, samples: Path, generator: random.Random) -> str:
    """Run a case in a folder of its own; returns what was wrong with it."""
    from elmo.errors import ElmoError

    shutil.rmtree(work, ignore_errors=True)
    (work / "target").mkdir(parents=True)
    (work / "beside").write_text("not ours", encoding="utf-8")
    before = _tree(samples)
    os.chdir(work)
    try:
        case(work, generator)
    except ElmoError as error:
        if "\n" in str(error) or len(str(error)) > 4000:
            return f"no message of one line: {str(error)[:300]!r}"
    except MemoryError:
        pass  # the command says so in one line
    except BaseException:
        return "a traceback\n" + traceback.format_exc()
    if (work / "beside").read_text(encoding="utf-8") != "not ours" or _tree(samples) != before:
        return "a file outside the target was changed"
    odd = sorted(path.name for path in work.iterdir() if path.name not in ("beside", "target", "input"))
    return f"{odd} were made outside the target" if odd else ""


def _tree(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


# Samples: small and whole


def make_samples(folder: Path) -> Path:
    """Write a small whole file or directory of every kind."""
    from elmo.bilm import BiLM
    from elmo.bilm_config import BiLMConfig
    from elmo.convert.lark import write_lark
    from elmo.encoding.vectors_file import write_vectors
    from elmo.masked_lm import MaskedLM, MaskedLMConfig
    from elmo.models import ModelFiles, write_model
    from elmo.system.project import project_data
    from elmo.text.pieces import PieceVocabulary
    from elmo.text.vocabulary import SPECIAL_TOKENS, Vocabulary
    from elmo.training.checkpoint import write_checkpoint
    from elmo.training.checkpoint.record import TrainingState

    folder.mkdir()
    text = "我 买 了 苹果 。\n河水 涨 到 桥边 。\n他 没有 说 。\n"
    (folder / "shards").write_text(text * 3, encoding="utf-8")
    (folder / "document.txt").write_text("我买了苹果。他没有说！\n河水涨到桥边，很急。\n", encoding="utf-8")
    (folder / "tagged.tsv").write_text("我 买 苹果\tr-B v-B n-B\n他 说\tr v\n", encoding="utf-8")
    (folder / "tags.dic").write_text("n-B\nn-I\nv-B\n", encoding="utf-8")
    (folder / "daily.txt").write_text(
        "19980101-01-001-001/m  我/r  买/v  [中国/ns  银行/n]nt  。/w\n", encoding="utf-8"
    )
    (folder / "ud.conll").write_text(
        "1\t我\t我\tPRON\tPRP\t_\t2\tnsubj\t_\t_\n2\t买\t买\tVERB\tVV\t_\t0\troot\t_\t_\n\n"
    )
    (folder / "pairs.txt").write_text("苹果\t手机\t4.5\n河水\t桥边\t2\n", encoding="utf-8")
    (folder / "dictionary.txt").write_text("花/n 开/v\n苹果 5 n\n", encoding="utf-8")
    cmrc = {
        "context": "我买了苹果。他说了。",
        "qas": [{"question": "谁?", "answers": [{"text": "我", "answer_start": 0}]}],
    }
    (folder / "cmrc.json").write_text(json.dumps({"data": [{"paragraphs": [cmrc]}]}), encoding="utf-8")
    shutil.copy(project_data("senses.tsv"), folder / "senses.tsv")
    vocabulary = Vocabulary([*SPECIAL_TOKENS, *sorted(set(text.split()))])
    vocabulary.save(folder / "vocabulary.txt")
    bilm = BiLM(BiLMConfig(len(vocabulary), 4, 6, 1))
    arrays = {name: value.numpy() for name, value in bilm.named_parameters()}
    files = ModelFiles(
        "bilm", bilm.config.to_dict(), vocabulary, arrays, {"note": "a note", "runs": [{"tokens_read": 3}]}
    )
    write_model(folder / "bilm", files)
    write_lark(files, folder / "lark")
    write_checkpoint(folder / "ck" / "step_0000001", files, TrainingState(0, 1, {"optim": "sgd"}))
    write_checkpoint(folder / "ck" / "step_0000002", files, TrainingState(0, 2, {"optim": "sgd"}))
    pieces = PieceVocabulary.from_words(Counter(text.split()))
    masked = MaskedLM(MaskedLMConfig(len(pieces), 4, 1, 2, 8, 16))
    arrays = {name: value.numpy() for name, value in masked.named_parameters()}
    write_model(folder / "masked", ModelFiles("masked_lm", masked.config.to_dict(), pieces, arrays))
    shutil.copytree(Path(__file__).parent.parent / "tests/convert/transformers/BertForMaskedLM", folder / "public")
    words = ModelFiles(
        "skipgram", {"vector_size": 2}, vocabulary, {"vectors": np.ones((len(vocabulary), 2), np.float32)}
    )
    write_model(folder / "words", words)
    for name in ("v.h5", "v.npz"):
        write_vectors(folder / name, [(["我", "买"], np.ones((2, 2, 3), np.float32))] * 3)
    for kind in ("zip", "gztar"):
        shutil.make_archive(str(folder / "bilm_archive"), kind, folder, "bilm")
    return folder


# Damage


def damage(data: bytes, generator: random.Random) -> bytes:
    """A file's bytes with one to four things done to them."""
    changed = bytearray(data)
    for _ in range(generator.randint(1, 4)):
        place = generator.randrange(len(changed) + 1)
        match generator.randrange(7):
            case 0:
                del changed[place:]
            case 1:
                del changed[place : place + generator.choice((1, 2, 8, 100))]
            case 2:
                changed[place:place] = generator.choice(_SPECIAL)
            case 3 if place < len(changed):
                changed[place] ^= 1 << generator.randrange(8)
            case 4 if place < len(changed):
                changed[place : place + 8] = generator.choice((b"\xff" * 8, bytes(8), b"\0\0\0\0\0\1\0\0"))
            case 5:
                changed[place:place] = changed[place : place + generator.choice((1, 50, 5000))]
            case _:
                changed[:] = _other_number(bytes(changed), generator)
    return bytes(changed)


def _other_number(data: bytes, generator: random.Random) -> bytes:
    """Put an odd value in the place of one of the numbers in a text."""
    numbers = list(re.finditer(rb"-?[0-9]+(?:\.[0-9]+)?", data[:100_000]))
    if not numbers:
        return data
    chosen = generator.choice(numbers)
    value = generator.choice([*_NUMBERS, "[1]", "{}", '"a"', "true", "null"]).encode()
    return data[: chosen.start()] + value + data[chosen.end() :]


def damaged(source: Path, work: Path, generator: random.Random) -> Path:
    """A copy of a sample, one of whose files is damaged, missing, or something else than a file."""
    target = work / "input"
    if source.is_dir():
        shutil.copytree(source, target)
        victim = generator.choice(sorted(path for path in target.rglob("*") if path.is_file()))
    else:
        target.mkdir()
        victim = target / source.name
        shutil.copy(source, victim)
        target = victim
    match generator.randrange(12):
        case 0 if source.is_dir():
            victim.unlink()
        case 1:
            victim.unlink()
            os.mkfifo(victim)
        case 2:
            victim.unlink()
            victim.symlink_to("/dev/zero")
        case 3:
            victim.unlink()
            victim.mkdir()
        case _ if victim.name == "model.safetensors" and generator.random() < 0.6:
            _damage_header(victim, generator)
        case _:
            victim.write_bytes(damage(victim.read_bytes(), generator))
    return target


def _damage_header(path: Path, generator: random.Random) -> None:
    """Change what a safetensors header says, and keep its length right, so that readers come further."""
    blob = path.read_bytes()
    length = int.from_bytes(blob[:8], "little")
    header = damage(blob[8 : 8 + length], generator)
    path.write_bytes(len(header).to_bytes(8, "little") + header + blob[8 + length :])


# Cases


def cases_of(kinds: str, samples: Path) -> dict[str, Case]:
    """What is tried, by name."""
    if kinds == "checkers":
        sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a script's own folder is there, its parent not
        from benchmarks.fuzz_checkers import checker_cases

        return checker_cases()
    readers = reader_cases(samples) if kinds in ("all", "readers") else {}
    return {**readers, **(command_cases(samples) if kinds in ("all", "commands") else {})}


def reader_cases(samples: Path) -> dict[str, Case]:
    """Every reader, on a damaged file."""
    from elmo.corpora.lark_tsv import read_tag_dic, read_tsv
    from elmo.corpora.peoples_daily import read_peoples_daily
    from elmo.corpora.tasks import read_cmrc
    from elmo.corpora.universal_dependencies import read_ud
    from elmo.encoding.bert import Bert
    from elmo.encoding.encoder import load_pretrained
    from elmo.encoding.vectors_file import read_vectors
    from elmo.explore.describe import describe_model, render
    from elmo.explore.polysemy.senses import read_senses
    from elmo.explore.words import read_analogies, read_similarity
    from elmo.tagging.baidu_text import UserDictionary
    from elmo.text.batches import SentenceIds
    from elmo.text.pieces import PieceVocabulary
    from elmo.text.vocabulary import Vocabulary, count_words
    from elmo.training.checkpoint import newest_checkpoint
    from elmo.word_vectors import WordVectors

    vocabulary = Vocabulary.load(samples / "vocabulary.txt")

    def encode(path: Path) -> object:
        return load_pretrained(path, "whitespace").encode(["我 买 了"])

    def from_cache(work: Path, generator: random.Random) -> object:
        os.environ["ELMO_CACHE"] = str(work / "target")
        try:
            folder = SentenceIds(str(samples / "shards"), vocabulary).text.folder
            victim = generator.choice(sorted(folder.iterdir()))
            victim.write_bytes(damage(victim.read_bytes(), generator))
            text = SentenceIds(str(samples / "shards"), vocabulary)
            assert [len(text[number]) for number in range(len(text))] == [5, 5, 4] * 3, "the text is another"
            return None
        finally:
            os.environ["ELMO_CACHE"] = str(samples.parent / "cache")

    readers: dict[str, tuple[str, Callable[[Path], object]]] = {
        "a biLM": ("bilm", encode),
        "info of a biLM": ("bilm", lambda path: render(describe_model(path))),
        "info of a masked model": ("masked", lambda path: render(describe_model(path))),
        "a masked model": ("masked", lambda path: Bert.from_pretrained(path).encode(["我买"])),
        "a public model": ("public", lambda path: Bert.from_pretrained(path).encode(["我买"])),
        "LARK's checkpoint": ("lark", encode),
        "a zip": ("bilm_archive.zip", encode),
        "a tar": ("bilm_archive.tar.gz", encode),
        "word vectors": ("words", WordVectors.load),
        "checkpoints": ("ck", lambda path: newest_checkpoint(path, lambda _: None)),
        "HDF5": ("v.h5", read_vectors),
        "NPZ": ("v.npz", read_vectors),
        "shards": ("shards", lambda path: count_words([path])),
        "encoded shards": ("shards", lambda path: SentenceIds(str(path), vocabulary)),
        "vocabulary": ("vocabulary.txt", Vocabulary.load),
        "pieces": ("masked/vocabulary.txt", PieceVocabulary.load),
        "LARK's tagged text": ("tagged.tsv", read_tsv),
        "LARK's tags": ("tags.dic", read_tag_dic),
        "People's Daily": ("daily.txt", read_peoples_daily),
        "Universal Dependencies": ("ud.conll", read_ud),
        "similarities": ("pairs.txt", read_similarity),
        "analogies": ("pairs.txt", read_analogies),
        "senses": ("senses.tsv", read_senses),
        "LAC's dictionary": ("dictionary.txt", UserDictionary),
        "CMRC": ("cmrc.json", lambda path: list(read_cmrc(path))),
    }

    def case(name: str, read: Callable[[Path], object]) -> Case:
        return lambda work, generator: read(damaged(samples / name, work, generator))

    return {**{name: case(*parts) for name, parts in readers.items()}, "a damaged cache": from_cache}


def command_cases(samples: Path) -> dict[str, Case]:
    """Every command, on a damaged file, with an odd value for one of its options, or into an odd target."""
    quick = "--use_gpu False --max_epoch 1"
    small = f"--embed_size 4 --hidden_size 6 --n_negative_samples_batch 4 {quick}"
    trained = "--vocab_path {s}/vocabulary.txt --para_save_dir"
    masked = "--vocab_path {s}/masked/vocabulary.txt --para_save_dir {t} --hidden_size 4 --num_heads 2 --num_layers 1"
    output = "--output {t} --workers 1 --segmenter whitespace"
    calls = {  # sample that is damaged ({i}), the call, options that may get an odd value
        "info": ("bilm", "info {i}", "vocab_path"),
        "convert": ("bilm", "convert {i} {t}", "to half overwrite vocab_path"),
        "convert to LARK": ("bilm", "convert {i} {t} --to lark", "overwrite"),
        "convert a public model": ("public", "convert {i} {t}", "half overwrite"),
        "export": ("bilm", "export {i} {t}", "dtype note licence"),
        "encode": (
            "bilm",
            "encode {i} {s}/shards --output {t}.npz --segmenter whitespace",
            "layers batch_size half carry_state overwrite",
        ),
        "encode text": (
            "shards",
            "encode {s}/bilm {i} --output {t}.h5 --segmenter whitespace",
            "layers batch_size segmenter overwrite",
        ),
        "vocab": ("shards", "vocab {i} --output {t}", "min_count max_size pieces tagged"),
        "preprocess": (
            "document.txt",
            f"preprocess {{i}} {output}",
            "encoding line_ends max_sentence_chars sentences_per_shard workers",
        ),
        "word2vec": (
            "shards",
            f"word2vec {{i}} --output {{t}} --min_count 1 {quick}",
            "vector_size window negative sample learning_rate random_seed overwrite",
        ),
        "pretrain": (
            "shards",
            f"pretrain --train_path {{i}} {trained} {{t}} {small}",
            "batch_size num_steps learning_rate num_layers hidden_size random_seed cell_clip dropout overwrite resume "
            "test_path save_interval load_dir",
        ),
        "pretrain from a checkpoint": (
            "ck",
            f"pretrain --train_path {{s}}/shards {trained} {{i}} {small}",
            "resume overwrite",
        ),
        "pretrain_masked": (
            "shards",
            f"pretrain_masked --train_path {{i}} {masked} {quick}",
            "max_length masking intermediate_size num_layers tagged batch_size dropout",
        ),
        "perplexity": ("bilm", "eval perplexity {i} --test_path {s}/shards --output {t}", "batch_size"),
        "lac train": (
            "tagged.tsv",
            f"lac train --train {{i}} --save_dir {{t}} --hidden_size 4 {quick}",
            "tokens format num_layers dropout batch_size layers random_seed",
        ),
        "data": ("shards", "data show raw", ""),
    }

    def case(name: str, call: str, options: str) -> Case:
        def run(work: Path, generator: random.Random) -> None:
            source = damaged(samples / name, work, generator) if generator.random() < 0.6 else samples / name
            places = {"i": str(source), "s": str(samples), "t": str(work / "target" / "out")}
            arguments, flags = [part.format(**places) for part in call.split()], options.split()
            for flag in generator.sample(flags, min(len(flags), generator.randrange(3))):
                arguments += [
                    f"--{flag}",
                    generator.choice([*_NUMBERS, "True", "False", str(samples / "bilm"), "{i}[/b]"]),
                ]
            _odd_target(work / "target", generator)
            if name == "ck" and source == samples / name:  # that one is not the case's to change
                return
            call_command(arguments)

        return run

    return {f"elmo {name}": case(*parts) for name, parts in calls.items()}


def _odd_target(target: Path, generator: random.Random) -> None:
    """Put something in the place of what will be written."""
    for name in ("out", "out.npz", "out.h5"):
        path = target / name
        match generator.randrange(12):
            case 0:
                path.write_text("old", encoding="utf-8")
            case 1:
                path.mkdir()
                (path / "thesis.txt").write_text("mine", encoding="utf-8")
            case 2:
                os.mkfifo(path)
            case 3:
                (target / "linked").write_text("old", encoding="utf-8")
                path.symlink_to(target / "linked")
            case 4:
                path.symlink_to(path)
            case _:
                pass


def call_command(arguments: list[str]) -> None:
    """Run a command in this process, and raise where it does not end as a command should."""
    from elmo import cli

    out, err = io.StringIO(), io.StringIO()
    before, sys.argv = sys.argv, ["elmo", *arguments]
    code: object = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            cli.main()
    except SystemExit as stop:
        code = stop.code or 0
    finally:
        sys.argv = before
    text = out.getvalue() + err.getvalue()
    shown = f"\n{arguments}\n{text[-3000:]}"
    if code not in (0, 1, 2):
        raise AssertionError(f"exit code {code!r}{shown}")
    if "Traceback" in text:
        raise AssertionError(f"a traceback{shown}")
    if any(ord(character) < 32 and character not in "\n\t\r" for character in text):
        raise AssertionError(f"a control character{shown!a}")


if __name__ == "__main__":
    main()
