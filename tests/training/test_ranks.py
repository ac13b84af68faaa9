"""Several ranks, here two processes on a CPU: they learn what one process with all their streams would, or end."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elmo.bilm import BiLM
from elmo.bilm_config import BiLMConfig
from elmo.errors import InputError
from elmo.models import read_model
from elmo.runtime import paddle
from elmo.text.batches import SentenceIds
from elmo.text.vocabulary import Vocabulary
from elmo.training.bilm import BiLMObjective, pretrain, token_encoder_sizes
from elmo.training.checkpoint import checkpoints, read_training_state
from elmo.training.ranks import SINGLE, Ranks, join
from elmo.training.settings import PretrainSettings
from tests.commands import elmo
from tests.runs import without_speeds
from tests.training.texts import save_vocabulary, write_shard

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(200),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds processes in /proc"),
]

ROOT = Path(__file__).resolve().parents[2]
SIZES = {"embed_size": 8, "hidden_size": 12, "dropout": 0.0}
CHARACTERS = {**SIZES, "token_encoder": token_encoder_sizes("char_cnn")}
SETTINGS = PretrainSettings(
    batch_size=3,
    num_steps=4,
    max_epoch=3,
    n_negative_samples_batch=9,
    save_interval=0,
    keep_checkpoints=999,
    amp="none",
)

# Settings and sizes of runs that two ranks and one process do alike; a rank's batch_size is half of the one process's.
ALIKE: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "adagrad": ({}, SIZES, "uneven"),
    "adam": ({"optim": "adam", "learning_rate": 0.01, "sample_softmax": False}, SIZES, "uneven"),
    "bfloat16": ({"optim": "adam", "learning_rate": 0.01, "amp": "auto"}, SIZES, "uneven"),  # where this machine can
    "accumulate": ({"accumulate_steps": 2}, SIZES, "uneven"),
    # Adam would divide a convolution's gradients that are zero but for rounding by themselves: 2e-5 off.
    "characters": ({"max_epoch": 2}, CHARACTERS, "uneven"),
    "tied": ({"optim": "sgd", "shuffle": False, "reset_states": False}, {**SIZES, "tie_softmax": True}, "uneven"),
    "starved": ({"batch_size": 4}, SIZES, "few"),  # all three sentences are in streams of the first rank
    "starved-adam": ({"batch_size": 4, "optim": "adam", "learning_rate": 0.01}, CHARACTERS, "few"),
}

# Runs of `pretrain` one after the other on the ranks that the launcher started; one start serves all tests.
CASES = """
import json, os, sys
from elmo.training import ranks
from elmo.errors import InputError
from elmo.training.settings import PretrainSettings
from elmo.training.bilm import pretrain

joined = ranks.join(False)
with open(os.environ["ELMO_TEST_CASES"], encoding="utf-8") as file:
    cases = json.load(file)
for case in cases:
    settings = PretrainSettings(**case.pop("settings"))
    print("case", case["para_save_dir"], flush=True)
    try:
        pretrain(**case, settings=settings, ranks=joined)
    except InputError as error:
        if joined.rank == 0:
            with open(case["para_save_dir"] + ".error", "w", encoding="utf-8") as file:
                file.write(str(error))
"""


changed = functools.partial(dataclasses.replace, SETTINGS)


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """Two corpora: three uneven shards with a prime number of sentences; and fewer sentences than streams."""
    folder, chosen = tmp_path_factory.mktemp("ranks"), random.Random(3)
    save_vocabulary(folder)
    for name, counts in (("uneven", (17, 1, 5)), ("few", (3,))):
        (folder / name).mkdir()
        for shard, count in enumerate(counts):
            write_shard(folder / name / f"train_{shard}", chosen, count, longest=14)
    (folder / "dev").write_text("词1 词2 词3\n词4 词5\n", encoding="utf-8")
    return folder


def case(texts: Path, save: Path, settings: PretrainSettings, sizes: dict[str, Any], text: str, **more: Any) -> Any:
    return {
        "train_path": f"{texts}/{text}/train_*",
        "vocab_path": f"{texts}/vocabulary.txt",
        "test_path": f"{texts}/dev",
        "sizes": sizes,
        "settings": settings,
        "para_save_dir": str(save),
        **more,
    }


class Job:
    """A program that starts processes of its own, none of which outlives the test."""

    def __init__(self, command: list[object], folder: Path, **environment: object) -> None:
        self.mark, self.log = f"ELMO_TEST_RUN={uuid.uuid4()}", folder / "launcher.log"
        # The first python3, which run.sh takes where there is no .venv, is the one that runs the tests.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        variables = {"OMP_NUM_THREADS": "1", "PYTHONPATH": "", "PATH": path, **environment}
        variables |= dict([self.mark.split("=")])
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **{name: str(value) for name, value in variables.items()}},
                cwd=folder,
            )

    def wait(self, seconds: float) -> int:
        return self.process.wait(seconds)

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def ranks(self) -> dict[int, int]:
        """Process numbers by rank."""
        found = {}
        for process, environment in self._processes():
            if number := re.search(r"(?:^|\0)PADDLE_TRAINER_ID=(\d+)", environment):
                found[int(number[1])] = process
        return found

    def close(self) -> list[int]:
        """Kill what is left of it; returns the process numbers of what was."""
        left = [process for process, _ in self._processes() if process != self.process.pid]
        for process in (*left, self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.process.wait(30)
        return left

    def _processes(self) -> list[tuple[int, str]]:
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    environment = (entry / "environ").read_text(encoding="utf-8", errors="replace")
                    if self.mark in environment:
                        found.append((int(entry.name), environment))
        return found


def launch(folder: Path, program: object, *arguments: object, **environment: object) -> Job:
    launcher = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", 2, "--log_dir", folder / "logs"]
    return Job([*launcher, program, *arguments], folder, **environment)


@pytest.fixture(scope="module")
def two_ranks(texts, tmp_path_factory):
    """Folder of what two ranks wrote: all runs of ALIKE, one with dropout and parts of it, and one that was refused."""
    folder = tmp_path_factory.mktemp("two")
    cases = [
        case(texts, folder / name, changed(**fields), sizes, text) for name, (fields, sizes, text) in ALIKE.items()
    ]
    random_run = changed(optim="adam", learning_rate=0.01, save_interval=2, accumulate_steps=2, amp="auto")
    sizes = {**SIZES, "dropout": 0.2}
    cases.append(case(texts, folder / "whole", random_run, sizes, "uneven"))
    for step in (2, 8):
        seldom = dataclasses.replace(random_run, save_interval=0)
        start = str(folder / f"whole/step_{step:07d}")
        cases.append(case(texts, folder / f"from_{step}", seldom, sizes, "uneven", load_dir=start))
    pretrain(**case(texts, folder / "alone", changed(max_epoch=1), SIZES, "uneven"))
    alone = str(folder / "alone/epoch_001")
    cases.append(case(texts, folder / "refused", SETTINGS, SIZES, "uneven", load_dir=alone))
    for one in cases:
        one["settings"] = dataclasses.asdict(one["settings"])
    (folder / "cases.py").write_text(CASES, encoding="utf-8")
    (folder / "cases.json").write_text(json.dumps(cases), encoding="utf-8")
    job = launch(folder, folder / "cases.py", ELMO_TEST_CASES=folder / "cases.json", PYTHONPATH=ROOT)
    try:
        assert job.wait(150) == 0, job.text()
        yield folder
    finally:
        job.close()


# What they learn


@pytest.mark.parametrize("name", ALIKE)
def test_two_ranks_learn_what_one_process_with_all_streams_does(two_ranks, texts, tmp_path, name):
    fields, sizes, text = ALIKE[name]
    settings = changed(**{**fields, "batch_size": 2 * fields.get("batch_size", SETTINGS.batch_size)})
    pretrain(**case(texts, tmp_path / "one", settings, sizes, text))
    last = f"epoch_{settings.max_epoch:03d}"
    bound = 2**-9 if settings.amp != "none" else 1e-5 if settings.optim == "adam" else 1e-6
    one, two = read_model(tmp_path / "one" / last), read_model(two_ranks / name / last)
    assert one.arrays.keys() == two.arrays.keys()
    for parameter, array in one.arrays.items():
        difference = np.abs(array - two.arrays[parameter]).max() / np.abs(array).max()
        # The ranks' sums are added in another order: roundings of float32, 1e-7 each; measured 3e-7 at most. Adam
        # divides gradients by their size and makes more of those of small ones: 1.5e-6 without the compiled loops. In
        # bfloat16 such a rounding may turn another by 2^-9, of one of many terms.
        assert difference <= bound, parameter
    ours, theirs = (read_training_state(folder / last) for folder in (tmp_path / "one", two_ranks / name))
    assert (ours.step, ours.epoch) == (theirs.step, theirs.epoch)
    assert [run["tokens_read"] for run in one.provenance["runs"]] == [
        run["tokens_read"] for run in two.provenance["runs"]
    ]
    for first, second in zip(ours.history, theirs.history, strict=True):
        for score in ("training_loss", "perplexity", "forward_perplexity", "backward_perplexity"):
            assert np.isfinite(second[score])
            assert first[score] == pytest.approx(second[score], rel=2 * bound)


def test_a_rank_without_a_sentence_has_no_loss_and_gradients_of_zero(texts):
    vocabulary = Vocabulary.load(texts / "vocabulary.txt")
    corpus = SentenceIds(f"{texts}/few/train_*", vocabulary)
    for fields in ({}, {"sample_softmax": False}):
        model = BiLM(BiLMConfig(len(vocabulary), 8, 12))
        objective = BiLMObjective(model, vocabulary, corpus, None, changed(**fields), ranks=Ranks(1, 2))
        batches = list(objective.begin_epoch(0))
        assert batches and not any(batch.mask.any() for batch in batches)
        for batch in batches:
            loss, mean, count = objective.training_loss(batch)
            assert (float(loss), float(mean), count) == (0.0, 0.0, 0)
            loss.backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None and not parameter.grad.numpy().any(), name


def test_ranks_begin_with_one_order_and_their_own_dropout(texts):
    vocabulary = Vocabulary.load(texts / "vocabulary.txt")
    corpus = SentenceIds(f"{texts}/uneven/train_*", vocabulary)
    drawn, candidates = [], []
    for rank in range(2):
        model = BiLM(BiLMConfig(len(vocabulary), 8, 12))
        objective = BiLMObjective(model, vocabulary, corpus, None, SETTINGS, ranks=Ranks(rank, 2))
        objective.seed_step(1, 5)
        drawn.append(paddle.rand([4]).tolist())
        candidates.append(objective._generator.integers(0, 1000, 8).tolist())
    assert drawn[0] != drawn[1]
    assert candidates[0] == candidates[1]


# Going on


@pytest.mark.parametrize("step", [2, 8])
def test_two_ranks_go_on_as_if_they_had_not_stopped(two_ranks, step):
    whole, part = two_ranks / "whole/epoch_003", two_ranks / f"from_{step}/epoch_003"
    steps = [record["step"] for record in read_training_state(whole).history]
    assert 2 < steps[0] < 8 < steps[1]  # one within the first epoch, one within the second
    for name, array in read_model(whole).arrays.items():
        assert array.tobytes() == read_model(part).arrays[name].tobytes(), name
    ours, theirs = read_training_state(whole), read_training_state(part)
    assert ours.world_size == theirs.world_size == 2
    for name, array in ours.optimizer.items():
        assert array.tobytes() == theirs.optimizer[name].tobytes(), name
    assert without_speeds(ours.history) == without_speeds(theirs.history)
    assert ours.progress["ranks"] == theirs.progress["ranks"]


def test_going_on_with_another_number_of_ranks_is_refused(two_ranks, texts, tmp_path):
    start = two_ranks / "adagrad/epoch_003"
    with pytest.raises(InputError, match=r"epoch_003: was trained by 2 ranks, not 1; start as many"):
        pretrain(**case(texts, tmp_path / "run", changed(max_epoch=4), SIZES, "uneven", load_dir=str(start)))
    refused = (two_ranks / "refused.error").read_text(encoding="utf-8")
    assert refused == f"{two_ranks}/alone/epoch_001: was trained by 1 ranks, not 2; start as many"
    assert not (tmp_path / "run").exists() and not (two_ranks / "refused").exists()


def test_ranks_that_see_different_checkpoints_say_so(monkeypatch, texts):
    monkeypatch.setattr(Ranks, "gather", lambda self, arrays: {"step": np.array([[7], [0]])})
    with pytest.raises(InputError, match="go on from steps 7, 0: --para_save_dir must be a folder that all of them"):
        pretrain(**case(texts, Path("run"), SETTINGS, SIZES, "uneven") | {"para_save_dir": None})


# The command


def tiny_flags(texts: Path, save: Path, **more: object) -> list[object]:
    values = {
        "train_path": f"{texts}/uneven/train_*",
        "vocab_path": texts / "vocabulary.txt",
        "test_path": texts / "dev",
        "para_save_dir": save,
        **{"embed_size": 8, "hidden_size": 12, "batch_size": 3, "num_steps": 4, "n_negative_samples_batch": 9},
        **{"log_interval": 1, "save_interval": 2, "use_gpu": False, "max_epoch": 1, **more},
    }
    return [part for name, value in values.items() for part in (f"--{name}", value)]


@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_rank_ends_the_job(texts, tmp_path, killed):
    arguments = tiny_flags(texts, tmp_path / "run", max_epoch=100_000)
    job = launch(tmp_path, ROOT / "elmo/__main__.py", "pretrain", *arguments, "--local", False)
    try:
        logs = [tmp_path / "logs" / f"workerlog.{rank}" for rank in range(2)]
        until = time.monotonic() + 90
        while not logs[0].is_file() or "step 5: " not in logs[0].read_text(encoding="utf-8"):
            assert job.process.poll() is None and time.monotonic() < until, job.text()
            time.sleep(0.05)
        ranks = job.ranks()
        assert sorted(ranks) == [0, 1]
        os.kill(ranks[killed], signal.SIGKILL)
        begun = time.monotonic()
        assert job.wait(60) != 0
        print(f"rank {killed} killed: the job was over after {time.monotonic() - begun:.1f} s")
        assert job.close() == []  # no process is left
        assert "Pod failed" in job.text() and "exit code" in job.text().lower()
        # The first rank alone has written.
        assert "training loss" not in logs[1].read_text(encoding="utf-8")
        assert "training on" not in logs[1].read_text(encoding="utf-8")
        assert len([path for path in checkpoints(tmp_path / "run") if read_training_state(path)]) >= 1
    finally:
        job.close()


def test_run_sh_starts_a_process_a_card(texts, tmp_path, repository):
    script, save = repository / "run.sh", tmp_path / "run"
    (tmp_path / "tmp").mkdir()
    before = sorted(path.name for path in repository.iterdir())
    job = Job(["bash", script, *tiny_flags(texts, save)], tmp_path, CUDA_VISIBLE_DEVICES="0,1", TMPDIR=tmp_path / "tmp")
    try:
        assert job.wait(120) == 0, job.text()
        assert job.close() == []
    finally:
        job.close()
    (logs,) = (tmp_path / "tmp").glob("elmo-ranks.*")
    assert f"run.sh: 2 processes, their logs in {logs}" in job.text()
    first, second = ((logs / f"workerlog.{rank}").read_text(encoding="utf-8") for rank in range(2))
    assert "training on cpu, 2 ranks" in first and "epoch 1: training loss" in first
    assert "training" not in second and "step" not in second and "words in" not in second
    assert "epoch 1: training loss" in job.text()  # the launcher shows the first rank's log
    assert read_training_state(save / "epoch_001").world_size == 2
    steps = [read_training_state(path).step for path in checkpoints(save)]
    assert steps == sorted(steps, reverse=True) and len(steps) >= 2
    assert not [path for path in save.iterdir() if path.name.startswith(".")]
    assert sorted(path.name for path in repository.iterdir()) == before


@pytest.mark.parametrize(
    ("cards", "arguments"), [("0,1", ["--help"]), ("0,1", ["--local", "True", "--batch_size", "0"]), ("0", ["--help"])]
)
def test_run_sh_starts_one_process_where_that_is_asked_for(tmp_path, repository, cards, arguments):
    job = Job(["bash", repository / "run.sh", *arguments], tmp_path, CUDA_VISIBLE_DEVICES=cards, TMPDIR=tmp_path)
    try:
        code = job.wait(60)
    finally:
        job.close()
    assert code == (0 if "--help" in arguments else 2), job.text()
    assert "processes" not in job.text() and not list(tmp_path.glob("elmo-ranks*"))


@pytest.mark.parametrize(
    ("local", "launched", "words"),
    [
        ("True", 2, ["--local True asks for one process, and the launcher started 2", "--local False"]),
        (
            "False",
            0,
            ["--local False needs Paddle's launcher", "paddle.distributed.launch", "elmo/__main__.py pretrain"],
        ),
    ],
)
def test_a_launcher_that_is_missing_or_one_too_many_is_a_bad_call(
    texts, tmp_path, monkeypatch, capsys, local, launched, words
):
    for name in ("PADDLE_TRAINERS_NUM", "PADDLE_TRAINER_ID"):
        monkeypatch.delenv(name, raising=False)
    if launched:
        monkeypatch.setenv("PADDLE_TRAINERS_NUM", str(launched))
        monkeypatch.setenv("PADDLE_TRAINER_ID", "0")
    arguments = ["pretrain", *tiny_flags(texts, tmp_path / "run"), "--local", local]
    assert elmo(*arguments) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("elmo: ") and all(word in line for word in words), line
    assert not (tmp_path / "run").exists()


def test_one_launched_process_and_none_at_all_are_alone(monkeypatch):
    monkeypatch.delenv("PADDLE_TRAINERS_NUM", raising=False)
    assert join(True) is SINGLE
    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "1")
    monkeypatch.setenv("PADDLE_TRAINER_ID", "0")
    assert join(False) is SINGLE and join(True) is SINGLE


def test_the_package_by_its_path_shadows_no_module(tmp_path):
    program = (
        "import runpy, sys; sys.argv = ['elmo', '--help']; path = sys.argv.pop(0) and sys.path\n"
        f"sys.path[0] = {str(ROOT / 'elmo')!r}\n"  # as Python does for a program that is given by its path
        f"try:\n    runpy.run_path({str(ROOT / 'elmo/__main__.py')!r}, run_name='__main__')\n"
        "except SystemExit:\n    pass\n"
        f"assert {str(ROOT / 'elmo')!r} not in sys.path, sys.path\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path, capture_output=True)
