"""Pretraining of a masked language model: it learns, its stages change on time, and it goes on bit by bit."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from elmo.commands import pretraining
from elmo.encoding.bert import Bert
from elmo.errors import InputError
from elmo.masked_lm import MaskedLM, MaskedLMConfig
from elmo.models import read_model
from elmo.runtime import paddle
from elmo.text.masking import MaskedSequences
from elmo.text.pieces import PieceVocabulary
from elmo.text.units import UnitText, count_shard_words
from elmo.training.bilm import pretrain
from elmo.training.checkpoint import checkpoints
from elmo.training.masked import MaskedLMObjective, MaskedSettings, parse_masking, pretrain_masked
from elmo.training.perplexity import evaluate_masked
from elmo.training.ranks import Ranks
from tests.commands import elmo
from tests.runs import assert_same_run
from tests.training.texts import learn

SIZES = {"hidden_size": 8, "num_layers": 1, "num_heads": 2, "intermediate_size": 12, "max_length": 18}
SETTINGS = MaskedSettings(
    batch_size=4,
    max_epoch=2,
    learning_rate=0.01,
    warmup_steps=3,
    save_interval=1,
    keep_checkpoints=999,
    stages=("characters", "words", "entities"),
    tagged=True,
)


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    """Tagged shards, held-out text and a vocabulary."""
    folder = tmp_path_factory.mktemp("masked")
    generator = np.random.default_rng(0)
    characters = [chr(0x4E00 + number) for number in range(30)]

    def sentence() -> str:
        words = ["".join(generator.choice(characters, generator.integers(1, 4))) for _ in range(6)]
        return " ".join(f"{word}/{tag}" for word, tag in zip(words, ["n", "LOC", "v", "PER", "u", "w"], strict=True))

    for name, count in (("train_0", 12), ("train_1", 8), ("dev", 5)):
        (folder / name).write_text("".join(f"{sentence()}\n" for _ in range(count)), encoding="utf-8")
    PieceVocabulary([*PieceVocabulary.special_tokens, *characters[:-1]]).save(folder / "vocabulary.txt")
    return folder


changed = functools.partial(dataclasses.replace, SETTINGS)


def train(text: Path, save: Path | None, settings: MaskedSettings = SETTINGS, **more: Any) -> list[dict[str, Any]]:
    return learn(text, save, run=pretrain_masked, settings=settings, **{"sizes": SIZES, **more})


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"accumulate_steps": 2, "stages": ("words",), "max_epoch": 3},
        {"shuffle": False, "stages": ("characters",), "tagged": False, "optim": "sgd", "max_epoch": 1},
    ],
    ids=["ernie", "accumulate", "bert"],
)
def test_from_every_checkpoint_a_run_goes_on_as_if_it_had_not_stopped(text, tmp_path, fields):
    settings = changed(**fields)
    train(text, tmp_path / "whole", settings)
    last = f"epoch_{settings.max_epoch:03d}"
    found = [path for path in checkpoints(tmp_path / "whole") if path.name != last]
    assert len(found) >= 3
    for path in found:
        seldom = dataclasses.replace(settings, save_interval=0)
        train(text, tmp_path / path.name, seldom, load_dir=str(path))
        assert_same_run(tmp_path / "whole" / last, tmp_path / path.name / last)
    train(text, tmp_path / "parts", settings, load_dir=str(found[-1]))
    for later in checkpoints(tmp_path / "parts"):
        assert_same_run(tmp_path / "whole" / later.name, later)


@pytest.mark.parametrize("name", ["pretrain", "pretrain_masked"])
def test_a_function_and_its_command_have_the_same_defaults(name):
    functions = {"pretrain": pretrain, "pretrain_masked": pretrain_masked}
    defaults = [
        {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()}
        for function in (functions[name], getattr(pretraining, name))
    ]
    shared = defaults[0].keys() & defaults[1].keys()
    assert shared >= {"train_path", "test_path", "para_save_dir", "load_dir", "resume", "overwrite", "visualdl_dir"}
    assert [name for name in sorted(shared) if defaults[0][name] != defaults[1][name]] == []


def test_a_resumed_run_keeps_its_stages_and_refuses_others(text, tmp_path):
    train(text, tmp_path / "run", changed(max_epoch=1, schedule_epochs=2))
    log = io.StringIO()
    train(text, tmp_path / "run", SETTINGS, resume=True, console=Console(file=log, width=300))
    assert "going on from" in log.getvalue() and "masking characters, words, entities" in log.getvalue()
    with pytest.raises(InputError, match=r"changes over 2 epochs, not 3: .* give --schedule_epochs 2"):
        train(text, tmp_path / "run", changed(max_epoch=3), resume=True)
    with pytest.raises(InputError, match="was trained with stages"):
        train(text, tmp_path / "run", changed(stages=("words",)), resume=True)
    with pytest.raises(InputError, match="holds checkpoints of another run"):
        train(text, tmp_path / "run")
    with pytest.raises(InputError, match=r"was trained with dropout 0\.1, not 0\.2"):
        train(text, tmp_path / "run", resume=True, sizes={**SIZES, "dropout": 0.2})


def test_stages_follow_one_another_in_equal_shares_of_the_run():
    stages = [SETTINGS.stage(batch, 9) for batch in range(11)]
    assert stages == ["characters"] * 3 + ["words"] * 3 + ["entities"] * 5
    assert {changed(stages=("words",)).stage(batch, 9) for batch in range(9)} == {"words"}


def test_a_run_changes_in_its_course_by_its_rate_or_its_stages():
    for schedule, stages, expected in (
        ("constant", ("words",), False),
        ("constant", ("words", "words"), False),
        ("constant", ("characters", "words"), True),
        ("cosine", ("words",), True),
    ):
        assert changed(lr_schedule=schedule, stages=stages).changes_in_its_course is expected


def test_stages_keep_to_the_schedule_and_the_last_one_stays(text):
    made = objective(text, changed(batch_size=4, max_epoch=9, schedule_epochs=2, shuffle=False))
    asked = []
    for epoch in range(3):
        stages: list[str] = []
        made.train.batches = lambda _size, stage, *_rest, seen=stages, **_more: seen.extend(map(stage, range(2)))
        made.batches_per_epoch = lambda: 2
        with contextlib.suppress(TypeError):  # there are no batches
            next(made.begin_epoch(epoch))
        asked += stages
    assert asked == ["characters", "characters", "words", "entities", "entities", "entities"]


def objective(text: Path, settings: MaskedSettings, ranks: Ranks | None = None) -> MaskedLMObjective:
    vocabulary = PieceVocabulary.load(text / "vocabulary.txt")
    train_text, dev_text = (UnitText(f"{text}/{name}", vocabulary, tagged=True) for name in ("train_*", "dev"))
    paddle.seed(0)
    model = MaskedLM(MaskedLMConfig(len(vocabulary), dropout=0.0, attention_dropout=0.0, **SIZES))
    train_sequences, dev_sequences = MaskedSequences(train_text, 18), MaskedSequences(dev_text, 18)
    return MaskedLMObjective(model, vocabulary, train_sequences, dev_sequences, settings, ranks or Ranks())


def gradients(made: MaskedLMObjective, loss: Any) -> dict[str, np.ndarray]:
    loss.backward()
    return {name: parameter.grad.numpy() for name, parameter in made.model.named_parameters()}


def test_the_mean_gradient_of_two_ranks_is_that_of_one_process(text):
    alone = objective(text, changed(batch_size=4))
    batch = next(iter(alone.begin_epoch(0)))
    whole = gradients(alone, alone.training_loss(batch)[0])
    halves = []
    for rank in (0, 1):
        part = objective(text, changed(batch_size=2), Ranks(rank, 2))
        assert part.batches_per_epoch() == alone.batches_per_epoch()
        halves.append(gradients(part, part.training_loss(next(iter(part.begin_epoch(0))))[0]))
    for name, gradient in whole.items():
        np.testing.assert_allclose((halves[0][name] + halves[1][name]) / 2, gradient, atol=1e-6)


def test_held_out_text_is_masked_alike_every_time(text):
    made = objective(text, SETTINGS)
    first = made.evaluate()
    for _ in made.begin_epoch(0):
        made.seed_step(0, 1)
    again = objective(text, changed(batch_size=3, random_seed=9, stages=("words",))).evaluate()
    assert first == made.evaluate()
    # Other batches: the same places, summed in float32 in another order.
    assert {name: pytest.approx(value, rel=1e-5) for name, value in first.items()} == again
    assert set(first) == {"perplexity", "word_perplexity"}
    assert 20 < first["perplexity"] < 60  # an untrained model knows nothing about 34 tokens


def test_perplexity_is_that_of_the_saved_model(text, tmp_path):
    history = train(text, tmp_path / "run")
    scores = evaluate_masked(tmp_path / "run" / "epoch_002", f"{text}/dev", tagged=True, batch_size=2)
    assert scores["perplexity"] == pytest.approx(history[-1]["perplexity"], rel=1e-5)
    assert scores["word_perplexity"] == pytest.approx(history[-1]["word_perplexity"], rel=1e-5)
    assert scores["characters_read"] > 0 and scores["test_characters"] > 0
    assert Bert.from_pretrained(tmp_path / "run" / "best").encode(["一丁"])[0].shape == (2, 2, 8)


def test_a_new_run_begins_with_the_frequencies_of_its_text(text, tmp_path):
    train(text, tmp_path / "run", changed(max_epoch=1, learning_rate=1e-12))
    bias = read_model(tmp_path / "run" / "epoch_001").arrays["head.decoder_bias"]
    vocabulary = PieceVocabulary.load(text / "vocabulary.txt")
    counts = np.maximum(UnitText(f"{text}/train_*", vocabulary, tagged=True).count_tokens(), 1)
    np.testing.assert_allclose(np.exp(bias), counts / counts.sum(), rtol=1e-5)


def test_a_run_may_start_from_a_model(text, tmp_path):
    train(text, tmp_path / "first", changed(max_epoch=1))
    start = str(tmp_path / "first" / "epoch_001")
    train(text, tmp_path / "second", changed(max_epoch=1, learning_rate=1e-12), load_pretraining_params=start)
    first, second = (read_model(tmp_path / name / "epoch_001") for name in ("first", "second"))
    for name, array in first.arrays.items():
        np.testing.assert_allclose(second.arrays[name], array, atol=1e-8)
    assert len(second.provenance["runs"]) == 2
    train(text, tmp_path / "third", changed(max_epoch=1), sizes=None, load_pretraining_params=start)  # its own sizes
    assert read_model(tmp_path / "third" / "epoch_001").config == first.config
    other = text / "other.txt"
    PieceVocabulary([*PieceVocabulary.special_tokens, "一"]).save(other)
    with pytest.raises(InputError, match="was trained with another vocabulary"):
        pretrain_masked(f"{text}/train_*", str(other), sizes=SIZES, load_pretraining_params=start, para_save_dir=None)


def test_a_run_on_our_own_text_begins_at_the_entropy_of_its_tokens_and_does_not_lose_it(data, tmp_path):
    lines = (data / "train" / "sentence_file_00000").read_text(encoding="utf-8").splitlines(keepends=True)[:400]
    (tmp_path / "train").write_text("".join(lines), encoding="utf-8")
    PieceVocabulary.from_words(count_shard_words([tmp_path / "train"]), min_count=3).save(tmp_path / "vocabulary.txt")
    settings = MaskedSettings(batch_size=8, max_epoch=4, learning_rate=5e-3, warmup_steps=5, stages=("characters",))
    history = pretrain_masked(
        str(tmp_path / "train"),
        str(tmp_path / "vocabulary.txt"),
        sizes={**SIZES, "hidden_size": 16, "max_length": 50},
        settings=settings,
        para_save_dir=None,
    )
    losses = [record["training_loss"] for record in history]
    vocabulary = PieceVocabulary.load(tmp_path / "vocabulary.txt")
    counts = UnitText(tmp_path / "train", vocabulary).count_tokens()
    shares = counts[counts > 0] / counts.sum()
    entropy = float(-(shares * np.log(shares)).sum())
    # Unknown tokens, whose share is in the entropy, are never masked; a run of seconds learns little beyond it.
    assert entropy - 1 < min(losses) <= max(losses) < entropy + 0.5 < np.log(len(vocabulary))


def test_what_stands_around_a_mask_is_used(tmp_path):
    characters = [chr(0x4E00 + number) for number in range(20)]
    text = [" ".join([character * 2] * 7) + "\n" for character in characters * 5]  # a line tells its every character
    (tmp_path / "train").write_text("".join(text), encoding="utf-8")
    (tmp_path / "dev").write_text("".join(text[:20]), encoding="utf-8")
    PieceVocabulary([*PieceVocabulary.special_tokens, *characters]).save(tmp_path / "vocabulary.txt")
    history = pretrain_masked(
        str(tmp_path / "train"),
        str(tmp_path / "vocabulary.txt"),
        test_path=str(tmp_path / "dev"),
        sizes={**SIZES, "hidden_size": 32, "max_length": 16},
        settings=MaskedSettings(batch_size=20, max_epoch=15, learning_rate=0.01, warmup_steps=10, stages=("words",)),
        para_save_dir=None,
    )
    assert max(history[-1]["perplexity"], history[-1]["word_perplexity"]) < 5  # of 20 by guessing


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"stages": ("phrases",)}, "stages are .*phrases.*: give some of characters, words, entities"),
        ({"stages": ()}, "stages are"),
        ({"tagged": False}, "the stage entities needs words with tags"),
        ({"tagged": 1}, "tagged is 1"),
        ({"learning_rate": 0}, "learning_rate is 0"),
    ],
)
def test_bad_settings_are_refused(fields, message):
    with pytest.raises(InputError, match=message):
        changed(**fields)


def test_masking_is_named_by_the_model_or_by_its_stages():
    assert parse_masking("bert") == ("characters",)
    assert parse_masking("ernie") == ("characters",) * 4 + ("words", "entities")
    assert parse_masking("characters,words") == ("characters", "words")


def test_the_commands_make_a_vocabulary_train_and_score(text, tmp_path, capsys):
    def run(*arguments: object) -> None:
        assert elmo(*arguments) == 0, capsys.readouterr().err

    run("vocab", f"{text}/train_*", "-o", tmp_path / "v.txt", "--pieces", "True", "--tagged", "True")
    small = [f"--{name}={value}" for name, value in SIZES.items()]
    shards = ["--train_path", f"{text}/train_*", "--test_path", text / "dev", "--vocab_path", tmp_path / "v.txt"]
    more = "--tagged True --max_epoch 1 --schedule_epochs 2 --batch_size 4 --warmup_steps 1 --use_gpu False".split()
    run("pretrain_masked", *shards, *small, *more, "--masking", "ernie", "--para_save_dir", tmp_path / "run")
    run("eval", "masked", tmp_path / "run/best", "--test_path", text / "dev", "--tagged", "True", "-o", tmp_path / "r")
    result = json.loads((tmp_path / "r").read_text(encoding="utf-8"))
    assert result["runs"][0]["settings"]["schedule_epochs"] == 2
    assert result["runs"][0]["settings"]["stages"] == [*["characters"] * 4, "words", "entities"]
    assert result["perplexity"] > 1 and result["word_perplexity"] > 1
