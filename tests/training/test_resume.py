"""A run that ends early, however it ends, and goes on from a checkpoint ends bit by bit like one that did not."""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import os
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from elmo.errors import InputError, RunError
from elmo.models import read_model
from elmo.training import checkpoint as checkpoint_module
from elmo.training.bilm import BiLMObjective, token_encoder_sizes
from elmo.training.checkpoint import checkpoints, newest_checkpoint, read_training_state
from elmo.training.settings import PretrainSettings
from tests.runs import alter, assert_same_run, cut
from tests.training.texts import learn, save_vocabulary, write_shard

pytestmark = [
    pytest.mark.timeout(150),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes by POSIX signals"),
]

SIZES = {"embed_size": 8, "hidden_size": 12, "dropout": 0.1}
SETTINGS = PretrainSettings(
    batch_size=6, num_steps=5, max_epoch=2, n_negative_samples_batch=9, save_interval=1, keep_checkpoints=999
)


def write_text(folder: Path, sentences: int, seed: int = 1) -> Path:
    """Two shards, held-out text and a vocabulary that lacks two words; sentences of 1 to 12 words."""
    folder.mkdir(exist_ok=True)
    chosen = random.Random(seed)
    for name, count in (("train_0", sentences // 3), ("train_1", sentences - sentences // 3), ("dev", 6)):
        write_shard(folder / name, chosen, count, longest=12)
    save_vocabulary(folder)
    return folder


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return write_text(tmp_path_factory.mktemp("resume") / "text", 24)


changed = functools.partial(dataclasses.replace, SETTINGS)


def train(text: Path, save: Path, settings: PretrainSettings = SETTINGS, **more: Any) -> str:
    """Pretrain into a folder and return the log."""
    log = io.StringIO()
    learn(text, save, settings=settings, console=Console(file=log, width=500), **{"sizes": SIZES, **more})
    return log.getvalue()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def newest_step(folder: Path) -> int:
    """Step of the newest checkpoint within an epoch, by its name."""
    return max((int(path.name[5:]) for path in folder.glob("step_*")), default=0)


# From every checkpoint


CHARACTERS = {**SIZES, "token_encoder": token_encoder_sizes("char_cnn")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sizes", "fields"),
    [
        pytest.param(SIZES, {}, id="adagrad"),
        pytest.param(SIZES, {"optim": "adam", "learning_rate": 0.01, "save_interval": 2, "num_steps": 4}, id="adam"),
        pytest.param(SIZES, {"optim": "adam", "learning_rate": 0.01, "amp": "none"}, id="adam-float32"),
        pytest.param(SIZES, {"accumulate_steps": 2, "max_epoch": 3, "reset_states": False}, id="adagrad-accumulate"),
        pytest.param(
            SIZES, {"optim": "adam", "learning_rate": 0.01, "accumulate_steps": 2, "max_epoch": 3}, id="adam-accumulate"
        ),
        pytest.param(CHARACTERS, {"save_interval": 3, "num_steps": 4}, id="adagrad-characters"),
        pytest.param(
            CHARACTERS,
            {"optim": "adam", "learning_rate": 0.01, "save_interval": 3, "num_steps": 4, "shuffle": False},
            id="adam-characters",
        ),
        pytest.param({**SIZES, "tie_softmax": True}, {"optim": "sgd", "sample_softmax": False}, id="sgd-tied"),
        pytest.param(
            {**SIZES, "num_layers": 1},
            {"optim": "rmsprop", "learning_rate": 0.01, "lr_schedule": "cosine", "warmup_steps": 4, "dev_interval": 3},
            id="rmsprop-cosine",
        ),
    ],
)
def test_from_every_checkpoint_a_run_goes_on_as_if_it_had_not_stopped(text, tmp_path, sizes, fields):
    settings = changed(**fields)
    train(text, tmp_path / "whole", settings, sizes=sizes)
    last = f"epoch_{settings.max_epoch:03d}"
    found = [path for path in checkpoints(tmp_path / "whole") if path.name != last]
    ends = {record["step"] for record in read_training_state(tmp_path / "whole" / last).history}
    steps = {int(path.name[5:]) for path in found if path.name.startswith("step_")}
    assert len(steps) >= 5 and min(steps) < min(ends) < max(steps)  # within the first epoch and within later ones
    for path in found:
        seldom = dataclasses.replace(settings, save_interval=0)
        log = train(text, tmp_path / path.name, seldom, sizes=sizes, load_dir=str(path))
        assert f"going on from {path}, step " in log
        assert_same_run(tmp_path / "whole" / last, tmp_path / path.name / last)
    # What is saved on the way is the same too: the run could be stopped again.
    train(text, tmp_path / "parts", settings, sizes=sizes, load_dir=str(found[-2]))
    for later in checkpoints(tmp_path / "parts"):
        assert_same_run(tmp_path / "whole" / later.name, later)


# Killed at any moment. Commands run in children of one process that has imported Paddle and run nothing with it yet:
# a child costs milliseconds where a new process costs seconds.

DRIVER = """
import json, os, resource, signal, sys, time
import elmo.training.checkpoint, elmo.cli, elmo.models, elmo.training.bilm
from elmo.training.bilm import BiLMObjective

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate"}
moments = 0

def kill_at(wanted):
    "Be killed before that change of a file or folder, counted from 1, or with the file half-written."

    def moment(half_written=None):
        global moments
        moments += 1
        if moments == wanted:
            if half_written:
                os.truncate(half_written, os.path.getsize(half_written) // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    def look(event, arguments):
        if event in CHANGES or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            moment()

    def watched(save_file):  # written without Python
        def save(arrays, path, *more):
            moment()
            save_file(arrays, path, *more)
            moment(half_written=path)
        return save

    for module in (elmo.training.checkpoint, elmo.models):
        module.save_file = watched(module.save_file)
    sys.addaudithook(look)

def command(job):
    log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(log, 1), os.dup2(log, 2)
    if job.get("limit"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["limit"], job["limit"]))
    if job.get("slow"):
        loss = BiLMObjective.training_loss
        def slow(*arguments):
            print("in a step", flush=True)
            time.sleep(60)
            return loss(*arguments)
        BiLMObjective.training_loss = slow
    if job.get("kill_at"):
        kill_at(job["kill_at"])
    sys.argv = ["elmo", *job["arguments"]]
    code = 0
    try:
        elmo.cli.main()
    except SystemExit as ending:
        code = ending.code or 0
    except BaseException:
        import traceback
        traceback.print_exc()
        code = 70
    print("moments:", moments)
    sys.stdout.flush(), sys.stderr.flush()
    os._exit(code)

print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if not child:
        command(json.loads(line))
    print(child, flush=True)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # it keeps its number until the test says so
    print("ended", flush=True)
    sys.stdin.readline()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Driver:
    """Runs `elmo` commands in forked children and kills them."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "log"
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
        )
        assert self._line() == "ready"

    def start(self, *arguments: object, **job: object) -> int:
        self.log.unlink(missing_ok=True)
        self._send(json.dumps({"arguments": [str(argument) for argument in arguments], "log": str(self.log), **job}))
        return int(self._line())

    def ended(self, seconds: float) -> bool:
        """Wait for the command's end, so long at most."""
        return bool(select.select([self.process.stdout], [], [], seconds)[0])

    def finish(self) -> int:
        """Return the exit code; negative for a signal."""
        assert self.ended(60), self.log.read_text(encoding="utf-8")
        assert self._line() == "ended"
        self._send("")
        return int(self._line())

    def run(self, *arguments: object, **job: object) -> tuple[int, str]:
        self.start(*arguments, **job)
        return self.finish(), self.log.read_text(encoding="utf-8")

    def close(self) -> None:
        for stream in (self.process.stdin, self.process.stdout):
            stream.close()
        self.process.wait(30)

    def _send(self, text: str) -> None:
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()

    def _line(self) -> str:
        # One line is read at a time and none is sent before it was read: nothing waits in Python's buffer.
        return self.process.stdout.readline().rstrip("\n")


def environment() -> dict[str, str]:
    root = str(Path(__file__).resolve().parents[2])
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": root}


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    driver = Driver(tmp_path_factory.mktemp("driver"))
    yield driver
    driver.close()


def flags(text: Path, save: Path, settings: PretrainSettings, **more: object) -> list[str]:
    values = {
        "train_path": f"{text}/train_*",
        "vocab_path": f"{text}/vocabulary.txt",
        "test_path": f"{text}/dev",
        "para_save_dir": save,
        "use_gpu": False,
        **SIZES,
        **{name: value for name, value in dataclasses.asdict(settings).items() if value is not None},
        **more,
    }
    return [text for name, value in values.items() for text in (f"--{name}", str(value))]


KILLS = int(os.environ.get("ELMO_TEST_KILLS", "24"))  # `make nightly` takes more, and another seed


@pytest.mark.slow
def test_a_run_that_is_killed_at_many_moments_ends_like_one_that_is_not(tmp_path, driver, test_seed):
    """A moment is a change of a file or folder: what a kill leaves behind is the same until the next one."""
    print(f"ELMO_TEST_SEED={test_seed}")
    chosen = random.Random(test_seed)
    text = write_text(tmp_path / "text", 5 * KILLS)
    # Every step is saved and every other one measured, so that there is much to break.
    settings = changed(batch_size=3, num_steps=4, save_interval=1, dev_interval=2, keep_checkpoints=2)
    code, log = driver.run("pretrain", *flags(text, tmp_path / "whole", settings), kill_at=10**9)
    assert code == 0, log
    steps = read_training_state(tmp_path / "whole/epoch_002").step
    moments_of_a_step = int(re.search(r"^moments: (\d+)$", log, re.M)[1]) // steps
    assert moments_of_a_step > 10 and steps > 3 * KILLS, "the run would be over before it was killed so often"

    arguments, folder = flags(text, tmp_path / "run", settings, resume=True), tmp_path / "run"
    in_a_write, reached = 0, [0]
    for _ in range(KILLS):
        child = driver.start("pretrain", *arguments, kill_at=chosen.randint(1, 5 * moments_of_a_step // 2))
        assert driver.finish() == -signal.SIGKILL
        log = driver.log.read_text(encoding="utf-8")
        assert "warning" not in log and "Traceback" not in log, log  # a kill never leaves a damaged checkpoint
        in_a_write += folder.exists() and any(f".{child}" in name for name in names(folder))
        newest = newest_checkpoint(folder, pytest.fail)
        reached.append(read_training_state(newest).step if newest else 0)
    code, log = driver.run("pretrain", *arguments)
    print(f"{KILLS} kills, {in_a_write} in a write, after steps {reached} of {steps}")
    assert code == 0 and "warning" not in log, log
    assert reached == sorted(reached) and len(set(reached)) > 4, reached  # it got on, and never lost a step
    assert in_a_write > 0
    assert names(tmp_path / "run") == names(tmp_path / "whole")
    for name in names(tmp_path / "whole"):
        assert_same_run(tmp_path / "whole" / name, tmp_path / "run" / name)


# What a kill leaves half done


@pytest.fixture(scope="module")
def unbroken(text, tmp_path_factory):
    """A whole run with all its checkpoints."""
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    train(text, folder)
    return folder


def part_of(unbroken: Path, folder: Path, *kept: str) -> Path:
    for name in kept:
        shutil.copytree(unbroken / name, folder / name)
    return folder


@pytest.fixture
def ended_process():
    """Number of a process that is gone."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_leftovers_of_ended_processes_are_removed_and_no_others(unbroken, text, tmp_path, ended_process):
    folder, gone = part_of(unbroken, tmp_path / "run", "step_0000002"), ended_process
    left = [f"..step_0000003.new.{gone}.{gone}", f".epoch_001.new.{gone}", f".step_0000002.old.{gone}", f".best.{gone}"]
    left += [f".step_0000001.gone.{gone}", f".step_0000001.new.{os.getpid()}"]  # our number was another's before
    others = [f".step_0000003.new.{os.getppid()}", ".epoch_001.backup", ".notes", "step_x", f".mine.new.{gone}"]
    for name in (*left, *others):
        (folder / name).mkdir()
        (folder / name / "vocabulary.txt").write_text("half", encoding="utf-8")
    train(text, folder, resume=True)
    after = names(folder)
    assert set(others) <= set(after) and not set(left) & set(after), after
    assert_same_run(unbroken / "epoch_002", folder / "epoch_002")


@pytest.mark.parametrize("resume", [True, False])
def test_a_checkpoint_whose_replacement_was_cut_short_is_put_back(unbroken, text, tmp_path, ended_process, resume):
    folder = part_of(unbroken, tmp_path / "run", "step_0000003", "best")
    for name in ("step_0000003", "best"):
        (folder / name).rename(folder / f".{name}.old.{ended_process}")
    (folder / f".step_0000003.new.{ended_process}").mkdir()
    if resume:
        assert f"going on from {folder}/step_0000003, step 3" in train(text, folder, resume=True)
        assert_same_run(unbroken / "epoch_002", folder / "epoch_002")
    else:
        with pytest.raises(InputError, match=r"holds checkpoints of another run \(step_0000003\)"):
            train(text, folder)
        assert {"best", "step_0000003"} <= set(names(folder))


def test_ctrl_c_between_the_renames_of_a_replacement_loses_nothing(unbroken, text, tmp_path, monkeypatch):
    folder = part_of(unbroken, tmp_path / "run", "step_0000002", "step_0000003")
    rename, target = os.rename, folder / "step_0000003"

    def interrupted(source, destination):
        rename(source, destination)
        if Path(source) == target:
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(text, folder, load_dir=str(folder / "step_0000002"))
    assert names(folder) == ["step_0000002", "step_0000003"]
    assert_same_run(unbroken / "step_0000003", target)


def test_best_is_marked_by_the_run_that_goes_on_if_a_kill_came_before(text, tmp_path, monkeypatch):
    settings = changed(dev_interval=1, max_epoch=1)
    train(text, tmp_path / "whole", settings)
    best = read_training_state(tmp_path / "whole/best").step

    class KilledError(Exception):
        pass

    def killed(written):
        raise KilledError

    monkeypatch.setattr("elmo.training.loop.mark_best", killed)
    with pytest.raises(KilledError):
        train(text, tmp_path / "run", settings)  # the first checkpoint is the best so far
    assert names(tmp_path / "run") == ["step_0000001"]
    monkeypatch.undo()
    marked = []
    mark = checkpoint_module.mark_best
    monkeypatch.setattr("elmo.training.loop.mark_best", lambda path: (marked.append(path.name), mark(path)))
    train(text, tmp_path / "run", settings, resume=True)
    assert marked[0] == "step_0000001"
    assert read_training_state(tmp_path / "run/best").step == best


# Damaged checkpoints


@pytest.mark.parametrize(
    ("damage", "name"), [(cut, "model.safetensors"), (alter, "training.json"), (Path.unlink, "vocabulary.txt")]
)
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(unbroken, text, tmp_path, damage, name):
    folder = part_of(unbroken, tmp_path / "run", "step_0000003", "epoch_001", "step_0000009")
    newest, before, _ = checkpoints(folder)
    assert newest.name == "step_0000009"
    damage(newest / name)
    log = train(text, folder, resume=True)
    (warning,) = [line for line in log.splitlines() if line.startswith("warning: ")]
    assert str(newest) in warning and name in warning and warning.endswith("; the one before it is used"), warning
    assert f"going on from {before}," in log
    assert_same_run(unbroken / "epoch_002", folder / "epoch_002")
    assert_same_run(unbroken / newest.name, newest)  # mended on the way


def test_several_damaged_checkpoints_are_named_one_by_one(unbroken, text, tmp_path):
    folder = part_of(unbroken, tmp_path / "run", "step_0000002", "step_0000003", "step_0000004")
    cut(folder / "step_0000003/optimizer.safetensors")
    (folder / "step_0000004/training.json").unlink()
    log = train(text, folder, resume=True)
    assert re.findall(r"^warning: \S+/(\S+): ", log, re.M) == ["step_0000004", "step_0000003"]
    assert f"going on from {folder}/step_0000002, step 2" in log
    assert_same_run(unbroken / "epoch_002", folder / "epoch_002")


def test_nothing_is_trained_over_checkpoints_that_are_all_damaged(unbroken, text, tmp_path):
    folder = part_of(unbroken, tmp_path / "run", "step_0000002", "step_0000003", "best")
    for number in (2, 3):
        alter(folder / f"step_000000{number}/model.safetensors")
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    with pytest.raises(InputError) as caught:
        train(text, folder, resume=True)
    message = str(caught.value)
    assert message.startswith(
        f"{folder}/step_0000003: the checkpoint is damaged (model.safetensors was cut or altered)"
    )
    assert "--overwrite True" in message and "\n" not in message
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before


def test_a_damaged_checkpoint_does_not_push_whole_ones_out(unbroken, text, tmp_path):
    folder = part_of(unbroken, tmp_path / "run", "step_0000002", "step_0000003")
    (folder / "step_0000003/training.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RunError):  # ends in step 8, before the damaged one is written anew by a run that saves seldom
        broken_off(text, folder, changed(save_interval=4, keep_checkpoints=1), after=8)
    assert names(folder) == ["best", "epoch_001", "step_0000008"]
    assert newest_checkpoint(folder, pytest.fail) == folder / "step_0000008"


def broken_off(text: Path, folder: Path, settings: PretrainSettings, after: int) -> None:
    """Go on, or begin, and fail after a step."""
    with pytest.MonkeyPatch.context() as patch:
        original = BiLMObjective.begin_epoch

        def begin_epoch(self, epoch, state=None):
            for batch in original(self, epoch, state):
                yield batch
                if newest_step(folder) >= after:
                    raise RunError("broken off")

        patch.setattr(BiLMObjective, "begin_epoch", begin_epoch)
        train(text, folder, settings, resume=True)


# A full disk


@pytest.mark.parametrize(("optim", "room"), [("adagrad", "nothing"), ("adam", "the model")])
def test_a_full_disk_ends_the_run_and_spares_what_was_saved(text, tmp_path, driver, optim, room):
    settings = changed(optim=optim, learning_rate=0.01, max_epoch=1)
    train(text, tmp_path / "whole", settings)
    folder = part_of(tmp_path / "whole", tmp_path / "run", "step_0000002", "step_0000003")
    sizes = {path.name: path.stat().st_size for path in (folder / "step_0000003").iterdir()}
    assert 4096 < sizes["model.safetensors"] < sizes["optimizer.safetensors"] or optim == "adagrad"
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    limit = {"nothing": 4096, "the model": sizes["model.safetensors"]}[room]  # bytes a file
    arguments = flags(text, folder, settings, resume=True)
    code, log = driver.run("pretrain", *arguments, limit=limit)
    assert code == 1
    (line,) = [line for line in log.splitlines() if line.startswith("elmo: ")]
    assert line.startswith(f"elmo: {folder}/step_0000004: the checkpoint could not be written (")
    assert "too large" in line and line.endswith("go on with --resume True") and "Traceback" not in log, log
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before
    assert names(folder) == ["step_0000002", "step_0000003"]
    assert driver.run("pretrain", *arguments)[0] == 0
    assert_same_run(tmp_path / "whole/epoch_001", folder / "epoch_001")


@pytest.mark.parametrize(
    ("place", "call"),
    [
        ("elmo.models.save_file", 1),
        ("elmo.training.checkpoint.save_file", 1),
        ("elmo.training.checkpoint.save_file", 2),
        ("elmo.training.checkpoint._write_text", 1),
        ("elmo.training.checkpoint.shutil.copytree", 1),
    ],
)
def test_no_space_at_any_file_leaves_nothing_half_written(unbroken, text, tmp_path, monkeypatch, place, call):
    folder, calls = part_of(unbroken, tmp_path / "run", "step_0000002", "step_0000003"), []
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    name = place.rpartition(".")[2]
    original = {"save_file": checkpoint_module.save_file, "_write_text": checkpoint_module._write_text}.get(name)

    def full(*arguments, **more):
        calls.append(1)
        if len(calls) >= call:
            raise OSError(28, "No space left on device")
        return original(*arguments, **more)

    monkeypatch.setattr(place, full)
    with pytest.raises(RunError) as caught:
        train(text, folder, changed(dev_interval=2), resume=True)
    monkeypatch.undo()
    assert "No space left on device" in str(caught.value) and "\n" not in str(caught.value)
    written = {"step_0000004"} if name == "copytree" else set()  # whole, but not yet marked as the best
    assert set(names(folder)) == {"step_0000002", "step_0000003"} | written
    assert {path: path.read_bytes() for path in before} == before
    assert newest_checkpoint(folder, pytest.fail) is not None
    train(text, folder, changed(dev_interval=2), resume=True)
    assert read_model(folder / "epoch_002").arrays.keys() == read_model(unbroken / "epoch_002").arrays.keys()
    for name, array in read_model(folder / "epoch_002").arrays.items():
        assert array.tobytes() == read_model(unbroken / "epoch_002").arrays[name].tobytes()


# Stopped by a signal


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_the_run_after_its_step_with_a_checkpoint(text, tmp_path, number, code):
    settings = changed(save_interval=0, log_interval=1, max_epoch=400)  # far more than there is time for
    process = subprocess.Popen(
        [sys.executable, "-m", "elmo", "pretrain", *flags(text, tmp_path / "run", settings)],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        cwd=tmp_path,
    )
    try:
        log = ""
        while "\nstep 5: " not in log:
            log += process.stderr.readline() or pytest.fail(log)
        process.send_signal(number)
        log += process.communicate(timeout=60)[1]
    finally:
        process.kill()
        process.wait()
    assert process.returncode == code, log
    assert "Traceback" not in log
    stopped = int(re.search(r"^stopped after step (\d+); go on with --resume True$", log, re.M)[1])
    (saved,) = [name for name in names(tmp_path / "run") if name.startswith("step_")]
    assert saved == f"step_{stopped:07d}" and stopped >= 5
    state = read_training_state(tmp_path / "run" / saved)
    until = changed(max_epoch=state.epoch + 1, save_interval=0)
    train(text, tmp_path / "run", until, resume=True)
    train(text, tmp_path / "whole", until)
    last = f"epoch_{state.epoch + 1:03d}"
    assert_same_run(tmp_path / "whole" / last, tmp_path / "run" / last)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_second_signal_ends_the_run_at_once(text, tmp_path, driver, number, code):
    child = driver.start("pretrain", *flags(text, tmp_path / "run", SETTINGS), slow=True)  # steps of a minute
    while not driver.log.is_file() or "in a step" not in driver.log.read_text(encoding="utf-8"):
        assert not driver.ended(0.02), driver.log.read_text(encoding="utf-8")
    os.kill(child, number)
    assert not driver.ended(0.3)  # it waits for the step
    os.kill(child, number)
    before = time.monotonic()
    assert driver.finish() == code
    assert time.monotonic() - before < 50  # the step would have taken a minute
    assert "Traceback" not in driver.log.read_text(encoding="utf-8")
    assert not (tmp_path / "run").exists() or names(tmp_path / "run") == []


@pytest.mark.parametrize("fields", [{"save_interval": 0}, {"save_interval": 0, "accumulate_steps": 2}])
@pytest.mark.parametrize("epoch", [1, 2])
def test_a_signal_in_the_measurement_after_an_epoch_ends_it_and_the_next_run_makes_up_for_it(
    text, tmp_path, monkeypatch, fields, epoch
):
    original, calls = BiLMObjective.evaluate, []

    def signalled(self):
        calls.append(self)
        if len(calls) == epoch:
            signal.raise_signal(signal.SIGINT)
            pytest.fail("it is to end at once")
        return original(self)

    settings = changed(**fields)
    train(text, tmp_path / "whole", settings)
    with monkeypatch.context() as patch:
        patch.setattr(BiLMObjective, "evaluate", signalled)
        with pytest.raises(KeyboardInterrupt):
            train(text, tmp_path / "run", settings)
    step = newest_step(tmp_path / "run")
    assert f"step_{step:07d}" in names(tmp_path / "run") and f"epoch_{epoch:03d}" not in names(tmp_path / "run")
    train(text, tmp_path / "run", settings, resume=True)
    for name in ("epoch_001", "epoch_002", "best"):
        assert_same_run(tmp_path / "whole" / name, tmp_path / "run" / name)


def test_a_signal_in_a_measurement_between_steps_ends_it(text, tmp_path, monkeypatch):
    settings = changed(save_interval=0, dev_interval=3)
    train(text, tmp_path / "whole", settings)

    def signalled(_):
        signal.raise_signal(signal.SIGINT)
        pytest.fail("it is to end at once")

    with monkeypatch.context() as patch:
        patch.setattr(BiLMObjective, "evaluate", signalled)
        with pytest.raises(KeyboardInterrupt):
            train(text, tmp_path / "run", settings)
    assert names(tmp_path / "run") == ["step_0000003"]
    train(text, tmp_path / "run", settings, resume=True)
    assert_same_run(tmp_path / "whole" / "epoch_002", tmp_path / "run" / "epoch_002")


def test_without_a_folder_a_stopped_run_says_that_nothing_was_saved(text, monkeypatch):
    original, log = BiLMObjective.training_loss, io.StringIO()

    def signalled(self, batch):
        signal.raise_signal(signal.SIGINT)
        return original(self, batch)

    monkeypatch.setattr(BiLMObjective, "training_loss", signalled)
    with pytest.raises(KeyboardInterrupt):
        learn(text, None, settings=SETTINGS, sizes=SIZES, test_path=None, console=Console(file=log))
    assert "stopped after step 1; no checkpoint was saved" in log.getvalue()


# Which checkpoints there are


def test_the_newest_step_checkpoints_are_kept_and_the_best_one(text, tmp_path):
    settings = changed(optim="sgd", learning_rate=3.0, max_epoch=2, dev_interval=1, save_interval=1)  # up and down
    train(text, tmp_path / "all", settings)
    scores = {}
    for path in checkpoints(tmp_path / "all"):
        history = read_training_state(path).history
        if path.name.startswith("epoch_"):
            scores[path.name] = history[-1]["perplexity"]
    best = read_training_state(tmp_path / "all/best")
    assert best.progress["best"] <= min(scores.values())
    last = read_training_state(tmp_path / "all/epoch_002").step
    assert best.step < last - 3  # it is none of those that are kept
    train(text, tmp_path / "few", dataclasses.replace(settings, keep_checkpoints=2))
    kept = [f"step_{step:07d}" for step in (last - 1, last)]
    assert [name for name in names(tmp_path / "few") if name.startswith("step_")] in (kept, [kept[0]])
    assert_same_run(tmp_path / "all/best", tmp_path / "few/best")


def test_going_on_never_takes_the_best_one(unbroken, text, tmp_path):
    folder = part_of(unbroken, tmp_path / "run", "step_0000002")
    shutil.copytree(unbroken / "step_0000005", folder / "best")
    assert "going on from" in (log := train(text, folder, resume=True)) and "step_0000002, step 2" in log
    shutil.rmtree(folder)
    part_of(unbroken, folder, "best")  # alone
    assert "going on from" not in train(text, folder, changed(max_epoch=1), resume=True)


def test_from_the_best_one_a_run_can_go_on_when_it_is_asked_to(unbroken, text, tmp_path):
    shutil.copytree(unbroken / "step_0000004", tmp_path / "run/best")
    train(text, tmp_path / "run", load_dir=str(tmp_path / "run/best"))
    assert_same_run(unbroken / "epoch_002", tmp_path / "run/epoch_002")


def test_overwriting_puts_the_first_checkpoint_in_the_place_of_all_of_the_other_run(unbroken, text, tmp_path):
    folder = shutil.copytree(unbroken, tmp_path / "run")
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    (folder / "ranks").mkdir()
    other = changed(random_seed=5, save_interval=4, max_epoch=1)
    before = names(folder)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(RunError, match="No space"):
        patch.setattr("elmo.training.checkpoint._write_text", lambda *_: (_ for _ in ()).throw(OSError(28, "No space")))
        train(text, folder, other, overwrite=True)
    assert names(folder) == before  # the other run's are spared until there is one of this run
    for name in ("step_0000003", "epoch_002", "best"):
        assert_same_run(unbroken / name, folder / name)
    train(text, folder, other, overwrite=True)
    assert names(folder) == ["best", "epoch_001", "notes.txt", "ranks", "step_0000004"]
    train(text, tmp_path / "clean", other)
    assert_same_run(tmp_path / "clean/epoch_001", folder / "epoch_001")
    assert f"going on from {folder}/epoch_001" in train(text, folder, other, resume=True)


# Asking to go on


def test_resume_begins_where_there_is_nothing(unbroken, text, tmp_path):
    log = train(text, tmp_path / "run", resume=True)
    assert "going on" not in log and "warning" not in log
    assert names(tmp_path / "run") == names(unbroken)
    assert_same_run(unbroken / "epoch_002", tmp_path / "run/epoch_002")


def test_a_finished_run_that_is_resumed_is_left_as_it_is(unbroken, text, tmp_path):
    folder = part_of(unbroken, tmp_path / "run", "step_0000003", "epoch_002", "best")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*.*")}
    train(text, folder, resume=True)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*.*")} == before


def test_resume_with_another_place_to_go_on_from_is_refused(unbroken, text, tmp_path, driver):
    folder = part_of(unbroken, tmp_path / "run", "step_0000003")
    arguments = flags(text, folder, SETTINGS, resume=True, load_dir=folder / "step_0000003")
    code, log = driver.run("pretrain", *arguments)
    assert code == 2
    (line,) = [line for line in log.splitlines() if line.startswith("elmo: ")]
    assert "--resume True" in line and "--load_dir" in line


@pytest.mark.parametrize(
    ("fields", "old", "new"),
    [
        ({"batch_size": 3}, "batch_size 6", "not 3"),
        ({"optim": "adam"}, "optim 'adagrad'", "not 'adam'"),
        ({"random_seed": 7}, "random_seed 0", "not 7"),
        ({"learning_rate": 0.1}, "learning_rate 0.2", "not 0.1"),
        ({"num_steps": 4}, "num_steps 5", "not 4"),
        ({"accumulate_steps": 2}, "accumulate_steps 1", "not 2"),
        ({"shuffle": False}, "shuffle True", "not False"),
        ({"lr_schedule": "cosine"}, "lr_schedule 'constant'", "not 'cosine'"),
    ],
)
def test_other_settings_are_refused(unbroken, text, tmp_path, fields, old, new):
    folder = part_of(unbroken, tmp_path / "run", "step_0000003")
    with pytest.raises(InputError, match=f"step_0000003: was trained with {old}, {new}; give that one"):
        train(text, folder, changed(**fields), resume=True)
    assert names(folder) == ["step_0000003"]


@pytest.mark.parametrize(
    ("fields", "old", "new"),
    [({"dropout": 0.2}, "dropout 0.1", "not 0.2"), ({"cell_clip": None}, "cell_clip 3.0", "not None")],
)
def test_another_model_is_refused(unbroken, text, tmp_path, fields, old, new):
    folder = part_of(unbroken, tmp_path / "run", "step_0000003")
    with pytest.raises(InputError, match=f"step_0000003: was trained with {old}, {new}; give that one"):
        train(text, folder, sizes={**SIZES, **fields}, resume=True)


def test_what_is_written_and_how_long_may_change(unbroken, text, tmp_path):
    folder = part_of(unbroken, tmp_path / "run", "step_0000003")
    other = changed(save_interval=0, log_interval=1, dev_interval=1, keep_checkpoints=2, max_epoch=3)
    train(text, folder, other, resume=True)
    for name, array in read_model(unbroken / "epoch_002").arrays.items():
        assert array.tobytes() == read_model(folder / "epoch_002").arrays[name].tobytes()
    assert read_training_state(folder / "epoch_003").epoch == 3


COSINE = {"lr_schedule": "cosine", "warmup_steps": 2, "save_interval": 0}


@pytest.mark.parametrize("other", [1, 3, 20])
def test_a_schedule_is_not_stretched_by_the_way(text, tmp_path, other):
    settings = changed(**COSINE)
    train(text, tmp_path / "run", settings)
    shutil.rmtree(tmp_path / "run/epoch_002")
    with pytest.raises(InputError) as caught:
        train(text, tmp_path / "run", dataclasses.replace(settings, max_epoch=other), resume=True)
    assert str(caught.value) == (
        f"{tmp_path}/run/epoch_001: its learning rate or masking changes over 2 epochs, not {other}: with this "
        f"--max_epoch give --schedule_epochs 2 to keep to that, or {other} to change it"
    )
    assert "epoch_002" not in names(tmp_path / "run")


def rates_of(monkeypatch) -> list[float]:
    """The rate of every step from here on."""
    seen, rate = [], PretrainSettings.rate
    monkeypatch.setattr(PretrainSettings, "rate", lambda *given: (seen.append(rate(*given)), seen[-1])[1])
    return seen


def test_a_run_can_end_early_or_go_on_at_the_last_rate_of_its_schedule(text, tmp_path, monkeypatch):
    settings = changed(**COSINE)
    train(text, tmp_path / "whole", settings)
    first = changed(**COSINE, max_epoch=1, schedule_epochs=2)
    train(text, tmp_path / "run", first)
    rates = rates_of(monkeypatch)
    train(text, tmp_path / "run", settings, resume=True)  # the same two epochs, said more shortly
    assert_same_run(tmp_path / "whole/epoch_002", tmp_path / "run/epoch_002")
    last = rates[-1]
    del rates[:]
    train(text, tmp_path / "run", changed(**COSINE, max_epoch=3, schedule_epochs=2), resume=True)
    assert max(rates) <= last < settings.learning_rate / 10
    assert read_training_state(tmp_path / "run/epoch_003").settings["schedule_epochs"] == 2


def test_a_schedule_is_changed_where_that_is_asked_for(text, tmp_path, monkeypatch):
    settings = changed(**COSINE)
    train(text, tmp_path / "run", settings)
    rates = rates_of(monkeypatch)
    log = train(text, tmp_path / "run", changed(**COSINE, max_epoch=4, schedule_epochs=4), resume=True)
    assert "the schedule, of 2 epochs so far, now has 4" in log
    assert rates[0] > settings.learning_rate / 3  # half of the new schedule is left
    with pytest.raises(InputError, match="changes over 4 epochs, not 6"):
        train(text, tmp_path / "run", changed(**COSINE, max_epoch=6), resume=True)


@pytest.mark.parametrize("sizes", [SIZES, CHARACTERS], ids=["words", "characters"])
@pytest.mark.parametrize("change", ["fewer shards", "more shards", "a word", "their order"])
def test_other_training_text_is_refused(text, tmp_path, sizes, change):
    mine = shutil.copytree(text, tmp_path / "text")
    train(mine, tmp_path / "run", changed(max_epoch=1), sizes=sizes)
    if change == "fewer shards":
        (mine / "train_1").unlink()
    elif change == "more shards":
        shutil.copy(mine / "train_0", mine / "train_2")
    elif change == "a word":
        lines = (mine / "train_1").read_text(encoding="utf-8")
        (mine / "train_1").write_text(lines.replace("词3", "词4", 1), encoding="utf-8")
    else:
        (mine / "train_0").rename(mine / "train_2")
    before = names(tmp_path / "run")
    with pytest.raises(InputError, match="the training text has changed since; give the same shards, or begin"):
        train(mine, tmp_path / "run", sizes=sizes, resume=True)
    assert names(tmp_path / "run") == before


@pytest.mark.parametrize("sizes", [SIZES, CHARACTERS], ids=["words", "characters"])
def test_the_same_text_elsewhere_and_other_held_out_text_may_be_given(text, tmp_path, sizes):
    train(text, tmp_path / "run", changed(max_epoch=1), sizes=sizes)
    moved = shutil.copytree(text, tmp_path / "moved")
    (moved / "dev").write_text("词1 词2 从未 见过\n", encoding="utf-8")
    train(moved, tmp_path / "run", sizes=sizes, resume=True)
    assert read_training_state(tmp_path / "run/epoch_002").epoch == 2
