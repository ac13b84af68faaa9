"""The command `elmo`: from documents to vectors, and one clear line with the right exit code for what goes wrong."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from elmo import cli
from elmo.commands import pretraining
from elmo.commands.options import LarkCommand, flag
from elmo.encoding.vectors_file import read_vectors
from elmo.models import read_model
from elmo.nn.native.precision import choose_precision
from elmo.training.masked import MaskedSettings
from elmo.training.settings import PretrainSettings
from tests.commands import COMMAND, elmo, run_python

TEXT = """我昨天买了一斤苹果，又红又甜。
他把旧手机换成了一部新的苹果，屏幕大得多！
雨下了一夜，河水涨到了桥边。
你明天来不来？她没有说。
"""
SMALL = (
    "--embed_size 8 --hidden_size 12 --batch_size 2 --num_steps 5 --n_negative_samples_batch 4 --use_gpu False".split()
)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run the command in this process; return exit code, standard output and standard error."""
    code, captured = elmo(*arguments), capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents, shards, a vocabulary and a checkpoint, made once by the command itself."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "document.txt").write_text(TEXT * 3, encoding="utf-8")
    calls: list[list[object]] = [
        ["preprocess", folder / "document.txt", "-o", folder / "shards", "--workers", 1],
        ["vocab", folder / "shards/sentence_file_*", "-o", folder / "vocab.txt"],
        ["pretrain", *data_flags(folder), "--para_save_dir", folder / "checkpoints", "--max_epoch", 1, *SMALL],
    ]
    for arguments in calls:
        assert elmo(*arguments) == 0
    return folder


@pytest.fixture
def work(made: Path, tmp_path: Path) -> Path:
    """A folder with documents, shards and a vocabulary."""
    return Path(shutil.copytree(made, tmp_path / "work", ignore=shutil.ignore_patterns("checkpoints")))


@pytest.fixture
def model(made: Path, tmp_path: Path) -> Path:
    """A checkpoint that one epoch made."""
    return Path(shutil.copytree(made / "checkpoints" / "epoch_001", tmp_path / "model"))


def data_flags(work: Path) -> list[object]:
    shards = work / "shards/sentence_file_*"
    return ["--train_path", shards, "--test_path", shards, "--vocab_path", work / "vocab.txt"]


def test_a_text_becomes_shards_vocabulary_model_and_vectors(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lines.txt").write_text("我买了苹果。\n\n雨/下 了\n", encoding="utf-8")
    for name in ("vectors.npz", "vectors.h5"):
        code, _, _ = run(capsys, "encode", model, tmp_path / "lines.txt", "-o", tmp_path / name, "--use_gpu", "False")
        assert code == 0
        sentences, arrays = read_vectors(tmp_path / name)
        assert ["".join(words) for words in sentences] == ["我买了苹果。", "", "雨/下了"]
        assert [array.shape for array in arrays] == [(3, len(words), 16) for words in sentences]


def test_a_checkpoint_goes_out_as_lark_s_files_and_comes_back(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "convert", model, tmp_path / "lark", "--to", "lark")[0] == 0
    (tmp_path / "lark/vocabulary.txt").rename(tmp_path / "words.txt")
    code, _, err = run(capsys, "info", tmp_path / "lark")
    assert code == 2 and "--vocab_path" in err
    code, out, _ = run(capsys, "convert", tmp_path / "lark", tmp_path / "back", "--vocab_path", tmp_path / "words.txt")
    assert code == 0 and "LARK (converted from lark)" in out
    (tmp_path / "lines.txt").write_text("我买了苹果。\n雨下了\n雨\n", encoding="utf-8")
    for name in (model, tmp_path / "back"):
        target = tmp_path / f"{name.name}.npz"
        assert run(capsys, "encode", name, tmp_path / "lines.txt", "-o", target, "--use_gpu", "False")[0] == 0
    (_, ours), (_, theirs) = read_vectors(tmp_path / "model.npz"), read_vectors(tmp_path / "back.npz")
    assert all((a == b).all() for a, b in zip(ours, theirs, strict=True))


def test_carried_state_changes_what_comes_later(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lines.txt").write_text("我买了苹果。\n我买了苹果。\n", encoding="utf-8")
    vectors = {}
    for value in ("False", "True"):
        flags = ["--batch_size", 1, "--carry_state", value, "--use_gpu", "False"]
        assert run(capsys, "encode", model, tmp_path / "lines.txt", "-o", tmp_path / f"{value}.npz", *flags)[0] == 0
        vectors[value] = read_vectors(tmp_path / f"{value}.npz")[1]
    assert (vectors["False"][0] == vectors["False"][1]).all()
    assert not np.allclose(vectors["True"][0], vectors["True"][1])


def test_vectors_in_bfloat16_are_nearly_those_in_float32(capsys, model, tmp_path):
    (tmp_path / "lines.txt").write_text("我买了1斤苹果。\n我新买了1个苹果X。\n", encoding="utf-8")
    vectors = {}
    for amp in ("none", "auto"):
        target = tmp_path / f"{amp}.npz"
        call = ["encode", model, tmp_path / "lines.txt", "-o", target, "--amp", amp, "--use_gpu", "False"]
        assert run(capsys, *call)[0] == 0
        with np.load(target) as file:
            vectors[amp] = np.concatenate([file[key].reshape([-1, file[key].shape[-1]]) for key in ("0", "1")])
    exact, rounded = vectors["none"], vectors["auto"]
    cosines = (exact * rounded).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(rounded, axis=1)
    assert cosines.min() > 0.999  # a factor is rounded by 2^-9 at most
    assert (exact == rounded).all() == (choose_precision("auto") == "none")


def test_vectors_of_the_hole_do_not_know_the_word_in_it(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lines.txt").write_text("我 买 苹果\n我 雨 苹果\n", encoding="utf-8")
    flags = ["--segmenter", "whitespace", "--use_gpu", "False"]
    for positions in ("own", "hole"):
        target = tmp_path / f"{positions}.npz"
        call = ["encode", model, tmp_path / "lines.txt", "-o", target, "--positions", positions, *flags]
        assert run(capsys, *call)[0] == 0
        with np.load(target) as archive:
            assert archive["positions"] == positions
        first, second = (array[:, 1] for array in read_vectors(target)[1])
        assert (first == second).all() == (positions == "hole")


def test_a_model_may_read_characters(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = [*SMALL, "--token_encoder", "char_cnn", "--max_epoch", 1, "--para_save_dir", work / "out"]
    assert run(capsys, "pretrain", *data_flags(work), *flags)[0] == 0
    code, out, _ = run(capsys, "info", work / "out/epoch_001")
    assert code == 0 and re.search(r"token encoder +\d+ characters, at most 12 a word", out)


def test_larks_flags_are_taken_as_they_are(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--learning_rate", 0.2, "--use_gpu", "False", "--all_train_tokens", 35479, "--local", "True"]
    flags += ["--max_grad_norm", 10, "--cell_clip", 3, "--proj_clip", 3, "--num_layers", 2, "--dropout", 0.1]
    flags += ["--optim", "adagrad", "--sample_softmax", "True", "--log_interval", 100, "--save_interval", 10000]
    flags += ["--dev_interval", 10000, "--random_seed", 0, "--update_method", "nccl2", "--max_epoch", 2]
    flags += ["--schedule_epochs", 2]  # ours
    code, _, err = run(capsys, "pretrain", *data_flags(work), *flags, *SMALL, "--para_save_dir", work / "out")
    assert code == 0
    assert "all_train_tokens is 35479" in err
    assert sorted(path.name for path in (work / "out").iterdir()) == ["best", "epoch_001", "epoch_002"]
    history = json.loads((work / "out/epoch_002/training.json").read_text(encoding="utf-8"))["history"]
    assert all(math.isfinite(record["perplexity"]) for record in history)


def test_a_run_from_a_model_takes_its_sizes_from_it(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--max_epoch", 1, "--n_negative_samples_batch", 4, "--batch_size", 2, "--patience", 1]
    sizes = ["--embed_size", 8, "--hidden_size", 12, "--tie_softmax", "--cell_clip", "none", "--dropout", 0.3]
    assert run(capsys, "pretrain", *data_flags(work), *flags, *sizes, "--para_save_dir", work / "first")[0] == 0
    first = work / "first/epoch_001"
    flags += ["--load_pretraining_params", first]
    assert run(capsys, "pretrain", *data_flags(work), *flags, "--para_save_dir", work / "next")[0] == 0
    ours, theirs = read_model(work / "next/epoch_001").config, read_model(first).config
    assert (ours, ours["cell_clip"], ours["tie_softmax"]) == (theirs, None, True)


def test_switches_mean_what_they_say(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for value in ("False", "false", "0", "no"):
        out = work / f"out_{value}"
        arguments = [*SMALL, "--sample_softmax", value, "--max_epoch", 1, "--para_save_dir", out]
        assert run(capsys, "pretrain", *data_flags(work), *arguments)[0] == 0
        settings = json.loads((out / "epoch_001/training.json").read_text(encoding="utf-8"))["settings"]
        assert settings["sample_softmax"] is False
    code, _, err = run(capsys, "pretrain", *data_flags(work), "--shuffle", "perhaps")
    assert code == 2 and "'perhaps' is neither True nor False" in err


def spoil_vocabulary(model: Path) -> None:
    (model / "vocabulary.txt").write_text("<S>\n</S>\n<UNK>\n别的\n", encoding="utf-8")


def cut_weights(model: Path) -> None:
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (shutil.rmtree, "no such model directory"),
        (lambda model: (model / "vocabulary.txt").unlink(), "vocabulary.txt is missing"),
        (lambda model: (model / "model.safetensors").unlink(), "model.safetensors is missing"),
        (cut_weights, "truncated"),
        (spoil_vocabulary, "not the vocabulary this model was trained with"),
    ],
)
def test_a_damaged_model_is_refused_in_one_line(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: object, message: str
) -> None:
    spoil(model)  # type: ignore[operator]
    (tmp_path / "lines.txt").write_text("雨\n", encoding="utf-8")
    code, out, err = run(
        capsys, "encode", model, tmp_path / "lines.txt", "-o", tmp_path / "v.npz", "--use_gpu", "False"
    )
    assert code == 2 and out == "" and message in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "v.npz").exists()


def test_corpora_are_listed_and_one_that_is_missing_says_how_to_get_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELMO_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = run(capsys, "data", "list")
    assert code == 0 and "waimai" in out and str(tmp_path / "home") in out.replace("\n", "")
    code, out, _ = run(capsys, "data", "show", "waimai")
    assert code == 1 and "licence:" in out and "is not there" in out
    code, _, err = run(capsys, "data", "fetch", "waimai")  # no terminal to accept the licence on
    assert code == 2 and "licence" in err and not (tmp_path / "home").exists()


PRETRAIN = ["pretrain", "--train_path", "{w}/shards/*", "--vocab_path", "{w}/vocab.txt"]
BAD_CALLS = [
    (["data", "show", "waimei"], "did you mean waimai"),
    (["data", "fetch", "nothing"], "is no dataset"),
    (["preprocess", "{w}/nothing_*", "-o", "{w}/x"], "nothing_*"),
    (["preprocess", "{w}/missing.txt", "-o", "{w}/x"], "missing.txt"),
    (["preprocess", "{w}/empty.txt", "-o", "{w}/x"], "empty.txt"),
    (["preprocess", "{w}/latin.txt", "-o", "{w}/x"], "latin.txt:2"),
    (["preprocess", "{w}/document.txt", "-o", "{w}/x", "--segmenter", "lac3"], "lac3"),
    (["preprocess", "{w}/document.txt", "-o", "{w}/x", "--encoding", "ebcdic"], "ebcdic"),
    (["preprocess", "{w}/document.txt", "-o", "{w}/shards"], "shards"),
    (["vocab", "{w}/nothing_*", "-o", "{w}/v"], "nothing_*"),
    (["vocab", "{w}/shards/sentence_file_*", "-o", "{w}/v", "--min_count", "0"], "min_count is 0"),
    (["pretrain", "--train_path", "{w}/nope_*", "--vocab_path", "{w}/vocab.txt"], "nope_*"),
    (["pretrain", "--train_path", "{w}/shards/*", "--vocab_path", "{w}/missing"], "missing"),
    (["pretrain", "--train_path", "{w}/shards/*", "--vocab_path", "{w}/no_unk"], "<UNK>"),
    (["pretrain", "--train_path", "{w}/shards/*", "--vocab_path", "{w}/double"], "double:4"),
    (["pretrain", "--train_path", "{w}/empty.txt", "--vocab_path", "{w}/vocab.txt"], "holds no sentence"),
    (["pretrain", "--train_path", "{w}/latin.txt", "--vocab_path", "{w}/vocab.txt"], "latin.txt:2"),
    ([*PRETRAIN, "--dropout", "1"], "dropout is 1.0"),
    ([*PRETRAIN, "--batch_size", "0"], "batch_size"),
    ([*PRETRAIN, "--optim", "sofia"], "sofia"),
    ([*PRETRAIN, "--update_method", "pserver"], "pserver"),
    ([*PRETRAIN, "--load_dir", "{w}/none"], "none"),
    (["encode", "{w}/none", "{w}/document.txt", "-o", "{w}/v.npz"], "no such model directory"),
    (["encode", "{w}/none", "{w}/document.txt", "-o", "{w}/v.npz", "--layers", "top"], "top"),
    (["encode", "{w}/none", "{w}/document.txt", "-o", "{w}/v.npz", "--positions", "top"], "give own or hole"),
    ([*PRETRAIN, "--token_encoder", "cnn"], "'cnn'"),
    ([*PRETRAIN, "--alphabet", "x"], "alphabet is 'x'"),
    (["convert", "{w}/none", "{w}/target"], "no such model directory"),
    (["convert", "{w}/shards", "{w}/target"], "holds no model"),
    (["convert", "{w}/document.txt", "{w}/target"], "document.txt"),
    (["convert", "{w}/shards", "{w}/shards"], "exists already"),
    (["convert", "{w}/shards", "{w}/target", "--to", "onnx"], "'onnx'"),
    (["info", "{w}/none"], "no such model directory"),
    (["word2vec", "{w}/nothing_*", "-o", "{w}/vectors"], "nothing_*"),
    (["eval", "senses", "{w}/none", "-o", "{w}/r.json"], "no such model directory"),
    (["eval", "forms", "{w}/none", "--word2vec", "{w}/none", "-o", "{w}/r.json"], "no such model directory"),
    (["data", "split", "{w}/shards", "-o", "{w}/split"], "no .txt file"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_CALLS)
def test_bad_input_prints_one_line_exits_with_2_and_writes_nothing(
    work: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    (work / "empty.txt").write_bytes(b"")
    (work / "latin.txt").write_bytes("雨。\n".encode() + b"caf\xe9\n")
    (work / "no_unk").write_text("<S>\n</S>\n雨\n", encoding="utf-8")
    (work / "double").write_text("<S>\n</S>\n<UNK>\n<S>\n", encoding="utf-8")
    before = sorted(path for path in work.rglob("*"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(work)
        code, out, err = run(capsys, *[argument.format(w=work) for argument in arguments])
    assert code == 2
    assert out == ""
    errors = [line for line in err.strip().splitlines() if line.startswith("elmo: ")]
    assert len(errors) == 1 and message in errors[0]
    assert "Traceback" not in err
    assert sorted(path for path in work.rglob("*")) == before


def test_a_loss_that_is_not_finite_ends_the_run_with_1(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*SMALL, "--optim", "sgd", "--learning_rate", "1e30", "--cell_clip", "none", "--proj_clip", "none"]
    code, _, err = run(capsys, "pretrain", *data_flags(work), *arguments, "--para_save_dir", work / "out")
    assert code == 1
    assert re.search(r"elmo: the loss is \S+ at step \d+", err)
    assert not list((work / "out").glob("*")) if (work / "out").exists() else True


def test_word_vectors_can_be_trained_and_loaded(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from elmo.word_vectors import WordVectors

    arguments = ["--vector_size", 8, "--min_count", 1, "--max_epoch", 1, "--use_gpu", "False"]
    assert run(capsys, "word2vec", work / "shards/sentence_file_*", "-o", work / "vectors", *arguments)[0] == 0
    assert WordVectors.load(work / "vectors").vector("苹果").shape == (8,)
    assert np.isfinite(WordVectors.load(work / "vectors").vectors).all()


def run_sh(repository: Path, *arguments: str, cwd: Path | None = None, **environment: str) -> str:
    """What run.sh says; it must end well. Where there is no .venv, it takes the first python3: the one of the tests."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", str(repository / "run.sh"), *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env={**os.environ, "PATH": path, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.slow
def test_run_sh_pretrains_on_our_data_with_a_flag_of_mine(repository: Path, tmp_path: Path) -> None:
    arguments = ["--max_epoch", "1", "--embed_size", "8", "--hidden_size", "8", "--n_negative_samples_batch", "64"]
    arguments += ["--para_save_dir", str(tmp_path / "checkpoints"), "--use_gpu", "False", "--batch_size", "64"]
    assert "epoch 1: training loss" in run_sh(repository, *arguments)
    assert (tmp_path / "checkpoints/epoch_001/model.safetensors").is_file()


@pytest.mark.slow
def test_run_sh_takes_paths_from_where_it_is_called(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards/one").write_text("我 买 苹果 。\n河水 涨 了 。\n" * 3, encoding="utf-8")
    (tmp_path / "words.txt").write_text("<S>\n</S>\n<UNK>\n我\n买\n苹果\n", encoding="utf-8")
    arguments = ["--train_path", "shards/*", "--vocab_path", "words.txt", "--max_epoch", "1", *SMALL]
    run_sh(repository, *arguments, cwd=tmp_path, PYTHONPATH="")
    assert (tmp_path / "checkpoints/epoch_001/model.safetensors").is_file()  # not in the checkout


def test_models_of_two_kinds_do_not_share_a_folder() -> None:
    folders = [
        inspect.signature(command).parameters["para_save_dir"].default
        for command in (pretraining.pretrain, pretraining.pretrain_masked)
    ]
    assert folders == ["checkpoints", "checkpoints_masked"]


@pytest.mark.parametrize("command", [pretraining.pretrain, pretraining.pretrain_masked])
def test_every_flag_of_a_pretraining_fills_something(command: Callable[..., None]) -> None:
    (function,) = ast.parse(inspect.getsource(command)).body
    body = [node for line in getattr(function, "body", []) for node in ast.walk(line)]
    used = {node.id for node in body if isinstance(node, ast.Name)}
    assert set(inspect.signature(command).parameters) - used == set()


@pytest.mark.parametrize(
    ("command", "kind", "left"),
    [(pretraining.pretrain, PretrainSettings, set()), (pretraining.pretrain_masked, MaskedSettings, {"stages"})],
)
def test_every_field_of_the_settings_has_its_flag(command: Callable[..., None], kind: type, left: set[str]) -> None:
    fields = {field.name for field in dataclasses.fields(kind)}
    assert fields - set(inspect.signature(command).parameters) == left


@pytest.mark.parametrize(
    ("given", "half"),
    [
        (["--half"], True),
        (["--half", "True"], True),
        (["--half", "false"], False),
        (["--half", "--dtype", "int8"], True),
        ([], False),
    ],
)
def test_a_switch_can_stand_bare_or_have_its_value_as_in_lark(given, half):
    app = typer.Typer()
    seen = []

    @app.command(cls=LarkCommand)
    def run(half: Annotated[Any, flag("half", "")] = False, dtype: str = "") -> None:
        seen.append(half)

    assert CliRunner().invoke(app, given).exit_code == 0
    assert seen == [half]


def test_every_command_takes_its_switches_bare():
    def commands(group):
        for command in group.commands.values():
            yield from commands(command) if hasattr(command, "commands") else [command]

    for command in commands(typer.main.get_command(cli.app)):
        assert isinstance(command, LarkCommand)
        assert not any(getattr(option, "is_flag", False) for option in command.params)  # all take True or False


@pytest.mark.parametrize("kind", [[], ["--pieces", "True"]])
def test_a_vocabulary_of_nothing_is_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: list[str]
) -> None:
    (tmp_path / "empty").write_text("\n\n", encoding="utf-8")
    assert elmo("vocab", tmp_path / "empty", "--output", tmp_path / "v.txt", *kind) == 2
    assert "there is no word in all of it" in capsys.readouterr().err
    assert not (tmp_path / "v.txt").exists()


def test_a_working_directory_that_is_gone_is_named(tmp_path: Path) -> None:
    (tmp_path / "document.txt").write_text("一。", encoding="utf-8")
    (tmp_path / "gone").mkdir()
    code = f"import os; os.rmdir(os.getcwd()); {COMMAND}"
    arguments = ["preprocess", tmp_path / "document.txt", "--output", "out"]
    done = run_python(code, *arguments, cwd=tmp_path / "gone", check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("elmo: the working directory: No such file or directory")
