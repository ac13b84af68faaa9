"""Benchmarks of trainings go the whole way: from what a training left to the figures that the book shows."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import adapt as of_adapt
from benchmarks import unknown_words as of_unknown_words
from book.tools.results import choices, figures
from elmo.system.terminal import PlainConsole
from elmo.text.pieces import PieceVocabulary
from elmo.text.vocabulary import Vocabulary, count_words
from elmo.training.bilm import pretrain
from elmo.training.masked import MaskedSettings, pretrain_masked
from elmo.training.settings import PretrainSettings
from tests.commands import elmo

EVERY_TWO = {"batch_size": 2, "max_epoch": 1, "log_interval": 2, "save_interval": 2, "dev_interval": 2, "amp": "none"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """Text, and of a biLM and a masked language model the log, the checkpoints and the model."""
    folder = tmp_path_factory.mktemp("trained")
    lines = (data / "train/sentence_file_00000").read_text(encoding="utf-8").splitlines()
    (folder / "train").write_text("\n".join(lines[:60]) + "\n", encoding="utf-8")
    (folder / "dev").write_text("\n".join(lines[60:80]) + "\n", encoding="utf-8")
    words = count_words([folder / "train"])
    Vocabulary.from_counts(words, max_size=200).save(folder / "vocabulary.txt")
    characters = dict.fromkeys("".join(words))
    PieceVocabulary([*PieceVocabulary.special_tokens, *characters]).save(folder / "pieces.txt")
    train, dev = f"{folder}/train", f"{folder}/dev"
    settings = PretrainSettings(num_steps=8, n_negative_samples_batch=8, **EVERY_TWO)
    sizes: dict[str, Any] = {"embed_size": 4, "hidden_size": 6}
    with open(folder / "bilm.log", "w", encoding="utf-8") as file:
        console, place = PlainConsole(file=file, soft_wrap=True), str(folder / "bilm")
        vocabulary = f"{folder}/vocabulary.txt"
        pretrain(train, vocabulary, test_path=dev, sizes=sizes, settings=settings, para_save_dir=place, console=console)
    masked = MaskedSettings(stages=("characters", "words"), warmup_steps=2, **EVERY_TWO)
    sizes = {"hidden_size": 8, "num_layers": 1, "num_heads": 2, "intermediate_size": 8, "max_length": 64}
    with open(folder / "masked.log", "w", encoding="utf-8") as file:
        console, place = PlainConsole(file=file, soft_wrap=True), str(folder / "masked")
        pieces = f"{folder}/pieces.txt"
        pretrain_masked(
            train, pieces, test_path=dev, sizes=sizes, settings=masked, para_save_dir=place, console=console
        )
    for name in ("bilm", "masked"):
        assert elmo("export", folder / name / "epoch_001", folder / f"{name}_model", "--dtype", "float32") == 0
    return folder


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Runs a benchmark; returns what it has written, which has all figures that the book shows of such a file."""

    def run(benchmark: str, result: str, *arguments: object) -> dict[str, Any]:
        output = tmp_path / f"{result}.json"
        monkeypatch.setattr(sys, "argv", [benchmark, *map(str, arguments), "-o", str(output)])
        importlib.import_module(f"benchmarks.{benchmark}").main()
        found: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
        for line in choices()[result]["figures"]:
            assert list(figures(found, line)), line["label"]
        return found

    return run


def test_curves_are_read_from_what_a_training_prints_today(trained: Path, run: Callable[..., dict[str, Any]]) -> None:
    log = trained / "bilm.log"
    found = run("training_curve", "curve_small", log, log, "--steps", 2, "--tokens_per_step", 16)
    assert [point["step"] for point in found["losses"]][:3] == [2, 4, 6]
    assert [score["run"] for score in found["scores"]][:2] == [1, 2]
    masked = (trained / "masked.log", trained / "masked_model")
    given = [argument for name in ("bert", "ernie", "ernie_early") for argument in (f"--{name}", *masked)]
    given += ["--elmo", log, trained / "bilm_model", trained / "train"]
    models = run("budget_curves", "masked_small", *given)["models"]
    for model in (models["bert"], models["elmo"]):
        assert [step for step, _ in model["loss"]][:2] == [2, 4]
        assert model["scores"][-1]["characters"] == model["characters_read"]
    assert [stage for stage, _ in models["bert"]["stages"]] == ["characters", "words"]


def test_checkpoints_of_a_masked_language_model_are_asked_for_the_order(
    trained: Path, run: Callable[..., dict[str, Any]]
) -> None:
    arguments = (f"bert={trained / 'masked'}", "--sentences", trained / "dev")
    found = run("masked_plateau", "masked_plateau", *arguments)["models"]["bert"]
    assert len(found) > 1 and found == sorted(found, key=lambda record: record["step"])
    assert all(0 < share < 1 for record in found for heads in record["neighbours"] for share in heads)


def test_pretrainings_of_other_seeds_are_set_beside_each_other(
    trained: Path, data: Path, tmp_path: Path, run: Callable[..., dict[str, Any]]
) -> None:
    lines = (data / "senses.tsv").read_text(encoding="utf-8").splitlines()
    words = ("苹果", "小米")
    (tmp_path / "few.tsv").write_text(
        "\n".join([lines[0], *(line for line in lines if line.startswith(words))]) + "\n", encoding="utf-8"
    )
    early_stage = min((trained / "bilm").glob("step_*"))
    models = [early_stage, trained / "bilm_model"]
    found = run(
        *("seeds", "pretraining_seeds", *models, "--word2vec", data / "models/word2vec-zh-small"),
        *("--senses", tmp_path / "few.tsv", "--test_path", trained / "dev"),
    )
    assert found["models"] == [early_stage.name, "bilm_model"]
    early, late = found["perplexity"]["values"]
    assert early != late and found["perplexity"]["deviation"] == pytest.approx(abs(early - late) / 2**0.5)
    assert {name.partition(", ")[0] for name in found["scores"]} == {"senses", "word"}
    for score in found["scores"].values():
        assert len(score["values"]) == 2 and score["mean"] == sum(score["values"]) / 2
        assert score["deviation"] == pytest.approx(abs(score["values"][0] - score["values"][1]) / 2**0.5)
        assert score["half_width"] > 0


@pytest.mark.slow
def test_a_model_is_adapted_to_a_domain_and_measured(
    trained: Path, data: Path, tmp_path: Path, run: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_adapt, "TEST_SENTENCES", 5)
    monkeypatch.setattr(of_adapt, "project_data", lambda path: tmp_path / "data" / path)  # it reads our documents again
    document = tmp_path / "data/documents/dev/letter.txt"
    document.parent.mkdir(parents=True)
    document.write_text("我们明天去河边散步。老师买了苹果。", encoding="utf-8")
    lines = (data / "train/sentence_file_00000").read_text(encoding="utf-8").splitlines()[80:160]
    (tmp_path / "domain.txt").write_text("\n".join(lines).replace(" ", ""), encoding="utf-8")
    sizes = ("--sizes", 60, 61, "--seeds", 1, 2, "--new_words", 3)
    found = run("adapt", "adapt", f"letters={tmp_path / 'domain.txt'}", "--model", trained / "bilm_model", *sizes)
    after = found["domains"]["letters"]["after"]
    assert [name.partition(", ")[2] for name in after] == [
        "",
        "",
        "new words from characters",
        "new words from unknown",
    ]
    assert all(row["test"]["min"] <= row["test"]["mean"] <= row["test"]["max"] for row in after.values())


@pytest.mark.slow
def test_models_with_and_without_characters_are_trained_and_probed(
    trained: Path, tmp_path: Path, run: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_unknown_words, "PROBE_WORDS", 30)
    days = [*of_unknown_words.TRAIN_DAYS, *of_unknown_words.TEST_DAYS]
    words = "我们/r 明天/t 去/v 河边/s 散步/v 。/w 老师/n 买/v 苹果/n 。/w"
    tagged = "".join(f"{day}-01-001-001/m  {words}\n" for day in days)
    (tmp_path / "tagged.txt").write_text(tagged, encoding="utf-8")
    text = ("--train", trained / "train", "--dev", trained / "dev", "--tagged", tmp_path / "tagged.txt")
    found = run("unknown_words", "unknown_words", *text, "--work", tmp_path, "--vocab_size", 100, "--seeds", 1)
    assert found["seeds"] == 1 and set(found["runs"]) == {"word_0", "char_cnn_0"}
