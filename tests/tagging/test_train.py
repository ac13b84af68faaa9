"""Training: it learns, stops at the best epoch, and a run that was stopped goes on bit by bit as if it had not been."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from elmo.corpora.tagged import LAC_TAGS, Tagged
from elmo.encoding.encoder import load_pretrained
from elmo.encoding.features import ElmoFeatures, Features, WordVectorFeatures
from elmo.errors import InputError, RunError
from elmo.models import read_model
from elmo.tagging import train as tagger_train
from elmo.tagging.examples import Examples, evaluate, make_examples, make_vocabulary, segment_gold, whole_words
from elmo.tagging.network import TaggerConfig, TaggerNetwork
from elmo.tagging.projection import word_chunks
from elmo.tagging.score import count_chunks
from elmo.tagging.tagger import SentenceReader, Tagger
from elmo.tagging.train import TaggerTrainer, TrainSettings, train_tagger
from elmo.training.checkpoint import read_training_state
from tests.refusals import refusal
from tests.runs import without_speeds

TAGS = tuple(LAC_TAGS)
SIZES = {"embedding_size": 8, "hidden_size": 6, "num_layers": 1}
SETTINGS = TrainSettings(batch_size=4, learning_rate=0.01, max_epoch=5)
Gold = dict[str, list[Tagged]]


@pytest.fixture
def train(own_gold: Gold) -> list[Tagged]:
    return own_gold["train"][:14]


@pytest.fixture
def dev(own_gold: Gold) -> list[Tagged]:
    return own_gold["dev"][:4]


def f1_of_majority(train: list[Tagged], dev: list[Tagged]) -> float:
    """F1 of giving each word of the segmenter the tag that most gold words of the training part have."""
    tag = Counter(tag for sentence in train for tag in sentence.tags).most_common(1)[0][0]
    found = [word_chunks(words, [tag] * len(words)) for words in segment_gold(dev)]
    return count_chunks([word_chunks(sentence.words, sentence.tags) for sentence in dev], found).tagged().score().f1


@pytest.mark.parametrize("tokens", ["words", "characters", "mixed"])
def test_it_learns(own_gold: Gold, tokens: str) -> None:
    settings = TrainSettings(learning_rate=5e-3, max_epoch=3, batch_size=10)
    sizes = {"embedding_size": 32, "hidden_size": 24, "num_layers": 1}
    train, dev = own_gold["train"][:120], own_gold["dev"][:40]
    tagger = train_tagger(train, dev, tags=TAGS, tokens=tokens, settings=settings, sizes=sizes)
    history = tagger.provenance["history"]
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]
    assert max(record["dev_f1"] for record in history) > 2 * f1_of_majority(train, dev)  # 0.17


# Examples


def reader(gold: list[Tagged], tokens: str = "words", tags: tuple[str, ...] = TAGS) -> SentenceReader:
    vocabulary = make_vocabulary(segment_gold(gold), tokens)
    return SentenceReader(vocabulary, TaggerConfig(tags, len(vocabulary), tokens, **SIZES))


def test_tokens_that_hold_several_gold_words_are_counted() -> None:
    gold = [Tagged(["我", "们", "明", "天去"], ["r", "n", "n", "v"]), Tagged(["去"], ["v"])]
    read = reader(gold)
    examples = make_examples(gold, [["我们", "明天", "去"], ["去"]], read)
    assert (examples.straddling, examples.num_tokens, len(examples)) == (2, 4, 2)
    labels = [read.config.labels[label] for label in examples.sentences[0].labels]
    assert labels == ["n-B", "v-B", "v-I"]
    assert examples.gold[0] == [(0, 1, "r"), (1, 2, "n"), (2, 3, "n"), (3, 5, "v")]


def test_characters_never_straddle(own_gold: Gold) -> None:
    gold = own_gold["dev"]
    examples = make_examples(gold, segment_gold(gold), reader(gold, "characters"))
    assert examples.straddling == 0
    assert examples.num_tokens == sum(len(sentence.text) for sentence in gold)


def test_frequent_words_stay_whole_in_mixed_tokens_unless_the_gold_cuts_them() -> None:
    many = [Tagged(["我们", "去", "河边"], ["r", "v", "n"])] * 20  # as often as it takes
    cut = [Tagged(["明", "天", "好"], ["n", "n", "a"])] * 20
    rare = [Tagged(["散步", "好"], ["v", "a"])]
    gold = [*many, *cut, *rare]
    segmented = [["我们", "去", "河边"]] * 20 + [["明天", "好"]] * 20 + [["散步", "好"]]
    assert whole_words(gold, segmented) == {"我们": 20, "河边": 20}
    assert whole_words(gold[1:], segmented[1:]) == {}  # one less
    vocabulary = make_vocabulary(segmented, "mixed", gold=gold)
    assert {"我们", "河边", "我", "们", "明", "天", "散", "步"} <= set(vocabulary)
    assert "明天" not in vocabulary and "散步" not in vocabulary
    read = SentenceReader(vocabulary, TaggerConfig(TAGS, len(vocabulary), "mixed", **SIZES))
    (sentence,) = read.read([["我们", "明天", "散步"]])
    assert sentence.tokens == ["我们", "明", "天", "散", "步"]
    assert (sentence.places.tolist(), sentence.owners.tolist()) == ([3, 0, 2, 0, 2], [0, 1, 1, 2, 2])
    assert make_examples(gold, segmented, read).straddling == 0


def test_a_sentence_of_white_space_is_left_out() -> None:
    gold = [Tagged(["\u3000"], ["w"]), Tagged(["去"], ["v"])]
    examples = make_examples(gold, segment_gold(gold), reader(gold))
    assert [sentence.tokens for sentence in examples.sentences] == [["去"]]
    assert examples.gold == [[(0, 1, "v")]]


def test_an_unknown_tag_is_named_with_its_place() -> None:
    gold = [Tagged(["去"], ["v"], "file.tsv:1"), Tagged(["我", "们"], ["odd", "n"], "file.tsv:2")]
    with pytest.raises(InputError, match=r"file\.tsv:2: the tag 'odd' is none of the tagger's \(n v\)"):
        make_examples(gold, [["去"], ["我们"]], reader(gold, tags=("n", "v")))  # though no token has it
    bare = [Tagged(["我们"], ["odd"])]
    with pytest.raises(InputError, match=r"^'我们': the tag 'odd'"):
        make_examples(bare, [["我们"]], reader(bare, tags=("n",)))


def test_a_word_without_a_tag_is_named_with_its_place() -> None:
    gold = [Tagged(["去"], ["O"], "file.tsv:7")]
    with pytest.raises(InputError, match=r"^file\.tsv:7: a gold word has the tag 'O'"):
        make_examples(gold, [["去"]], reader(gold))


def test_what_is_scored_is_what_the_tagger_answers(own_gold: Gold, make_tagger: Callable[[str], Tagger]) -> None:
    gold = [Tagged(s.words, ["n"] * len(s.words)) for s in own_gold["dev"]]
    for kind in ("words", "characters", "elmo", "character_elmo"):
        tagger = make_tagger(kind)
        read = SentenceReader(tagger.vocabulary, tagger.network.config, tagger.features, dtype="float16")
        counts = evaluate(tagger.network, make_examples(gold, segment_gold(gold), read), batch_size=5)
        tagged = tagger.tag([sentence.text for sentence in gold])
        answers = count_chunks([word_chunks(s.words, s.tags) for s in gold], [word_chunks(*each) for each in tagged])
        assert counts.tagged().score() == answers.tagged().score()
        assert counts.tagged().score().predicted > 100


# What is learnt, and how fast


def trainer_of(gold: list[Tagged], features: Features | None = None, **fields: Any) -> TaggerTrainer:
    """A trainer for the gold sentences, without a development part."""
    vocabulary = make_vocabulary(segment_gold(gold), "words")
    given = (0, 0) if features is None else (features.layers, features.size)
    config = TaggerConfig(TAGS, len(vocabulary), feature_layers=given[0], feature_size=given[1], dropout=0.0, **SIZES)
    examples = make_examples(gold, segment_gold(gold), SentenceReader(vocabulary, config, features))
    settings = dataclasses.replace(SETTINGS, **{"max_epoch": 1, **fields})
    return TaggerTrainer(TaggerNetwork(config), settings, examples, None, vocabulary)


def moves(trainer: TaggerTrainer) -> dict[str, Any]:
    """How far each parameter moves in training."""
    before = {name: parameter.numpy().copy() for name, parameter in trainer.network.named_parameters()}
    trainer.run()
    return {name: np.abs(p.numpy() - before[name]) for name, p in trainer.network.named_parameters()}


def test_rates_are_multiplied_for_the_embedding_and_the_crf(train: list[Tagged]) -> None:
    trainer = trainer_of(train, batch_size=len(train), learning_rate=0.001, unknown=0.0)
    moved = moves(trainer)  # in one step, which in Adam's first is the learning rate itself, whatever the gradient
    for name, multiple in (("embedding.weight", 5.0), ("transitions", 0.2), ("output.weight", 1.0)):
        assert moved[name].max() == pytest.approx(0.001 * multiple, rel=1e-2), name  # Adam's epsilon, and float32


def test_the_scalar_mix_is_learnt(train: list[Tagged], tiny_elmo: Path) -> None:
    moved = moves(trainer_of(train, ElmoFeatures(tiny_elmo)))
    assert moved["scalar_mix.weights"].min() > 1e-4
    assert moved["scalar_mix.gamma"].min() > 1e-4


def test_frozen_elmo_stays_and_fine_tuned_elmo_moves(train: list[Tagged], tiny_elmo: Path) -> None:
    encoder = load_pretrained(tiny_elmo, "whitespace")
    start = {name: parameter.numpy().copy() for name, parameter in encoder.model.named_parameters()}
    settings = dataclasses.replace(SETTINGS, max_epoch=1)
    train_tagger(train, tags=TAGS, features=ElmoFeatures(encoder), settings=settings, sizes=SIZES)
    assert all((parameter.numpy() == start[name]).all() for name, parameter in encoder.model.named_parameters())

    moved = dict(
        train_tagger(
            train, tags=TAGS, fine_tune=str(tiny_elmo), settings=settings, sizes=SIZES
        ).network.elmo.bilm.named_parameters()
    )
    assert set(start) - set(moved) == {"softmax_weight", "softmax_bias"}
    for name, parameter in moved.items():
        assert 1e-5 < np.abs(parameter.numpy() - start[name]).max() < 0.1, name  # it began with what was pretrained


def test_words_seen_once_teach_what_is_unknown(train: list[Tagged]) -> None:
    for unknown, learnt in ((0.5, True), (0.0, False)):
        trainer = trainer_of(train, unknown=unknown)
        unknown_id = trainer.vocabulary.unk_id if trainer.vocabulary else -1
        assert bool(moves(trainer)["embedding.weight"][unknown_id].max() > 0) == learnt


def test_the_same_seed_gives_the_same_tagger(train: list[Tagged]) -> None:
    settings = dataclasses.replace(SETTINGS, max_epoch=1)
    runs = []
    for seed in (0, 0, 1):
        tagger = train_tagger(train, tags=TAGS, settings=dataclasses.replace(settings, random_seed=seed), sizes=SIZES)
        runs.append(tagger.network.output.weight.numpy())
    assert (runs[0] == runs[1]).all()
    assert (runs[0] != runs[2]).any()


# When it stops


def play(patch: pytest.MonkeyPatch, *scores: float) -> list[dict[str, Any]]:
    """Let the development part have these F1 scores; return a list that gets each epoch's parameters."""
    rest: Iterator[float] = iter(scores)
    seen: list[dict[str, Any]] = []

    def told(network: TaggerNetwork, examples: Examples) -> Any:
        seen.append({name: parameter.numpy().copy() for name, parameter in network.named_parameters()})
        score = SimpleNamespace(f1=next(rest))
        return SimpleNamespace(tagged=lambda: SimpleNamespace(score=lambda: score))

    patch.setattr(tagger_train, "evaluate", told)
    return seen


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict[str, Any]]]:
    """`play` for this test."""
    return partial(play, monkeypatch)


def same(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    assert ours.keys() == theirs.keys()
    return all((array == theirs[name]).all() for name, array in ours.items())


def arrays(tagger: Tagger) -> dict[str, Any]:
    return {name: parameter.numpy() for name, parameter in tagger.network.named_parameters()}


def test_it_stops_when_patience_ends_and_keeps_the_best(
    train: list[Tagged], dev: list[Tagged], scripted: Callable[..., list[dict[str, Any]]]
) -> None:
    seen = scripted(0.3, 0.5, 0.5, 0.4, 0.45, 0.9)
    lines: list[str] = []
    settings = dataclasses.replace(SETTINGS, max_epoch=9, decay=0.5)
    tagger = train_tagger(train, dev, tags=TAGS, settings=settings, sizes=SIZES, report=lines.append)
    history = tagger.provenance["history"]
    assert [record["dev_f1"] for record in history] == [0.3, 0.5, 0.5, 0.4, 0.45]
    assert same(arrays(tagger), seen[1])
    assert not same(arrays(tagger), seen[4])
    assert [record["learning_rate"] for record in history] == [0.01, 0.01, 0.01, 0.005, 0.0025]
    assert [line.endswith("*") for line in lines if line.startswith("epoch")] == [True, True, False, False, False]
    assert "dev F1 50.00" in lines[2]


def test_without_a_development_part_the_last_epoch_is_kept(train: list[Tagged]) -> None:
    settings = dataclasses.replace(SETTINGS, max_epoch=2)
    lines: list[str] = []
    tagger = train_tagger(train, tags=TAGS, settings=settings, sizes=SIZES, report=lines.append)
    assert len(tagger.provenance["history"]) == 2
    assert not any("F1" in line or "*" in line for line in lines)


def test_a_loss_that_is_not_finite_ends_the_run_with_one_line(train: list[Tagged]) -> None:
    settings = dataclasses.replace(SETTINGS, learning_rate=3e38)
    with pytest.raises(RunError, match="lower learning_rate") as caught:
        train_tagger(train, tags=TAGS, settings=settings, sizes=SIZES)
    assert "\n" not in str(caught.value)


# Stopped and gone on


def run(train: list[Tagged], dev: list[Tagged] | None, folder: Path | None, epochs: int, **more: Any) -> Tagger:
    settings = dataclasses.replace(more.pop("settings", SETTINGS), max_epoch=epochs)
    return train_tagger(train, dev, **{"tags": TAGS, "settings": settings, "sizes": SIZES, "save_dir": folder, **more})


def assert_same_checkpoint(first: Path, second: Path) -> None:
    states = [read_training_state(folder) for folder in (first, second)]
    assert same(read_model(first).arrays, read_model(second).arrays)
    assert same(states[0].optimizer, states[1].optimizer)
    assert same(states[0].position, states[1].position)
    assert without_speeds(states[0].history) == without_speeds(states[1].history)
    assert states[0].progress == states[1].progress
    assert (states[0].epoch, states[0].step) == (states[1].epoch, states[1].step)


@pytest.mark.parametrize("kind", ["words", "characters", "elmo", "fine_tuned"])
def test_a_run_that_was_stopped_goes_on_as_if_it_had_not(
    train: list[Tagged], dev: list[Tagged], tiny_elmo: Path, tmp_path: Path, kind: str, scripted: Callable[..., Any]
) -> None:
    scores = [0.3, 0.5, 0.4, 0.45]  # so the best is not the newest where it is stopped after the third
    more: dict[str, Any] = {
        "words": {},
        "characters": {"tokens": "characters"},
        "elmo": {"features": ElmoFeatures(tiny_elmo)},
        "fine_tuned": {"fine_tune": str(tiny_elmo)},
    }[kind]
    scripted(*scores)
    whole = run(train, dev, tmp_path / "whole", 4, **more)
    for stop in (1, 3) if kind == "words" else (3,):
        scripted(*scores[:stop])
        run(train, dev, tmp_path / f"{stop}", stop, **more)
        scripted(*scores[stop:])
        parts = run(train, dev, tmp_path / f"{stop}", 4, resume=True, **more)
        assert same(arrays(parts), arrays(whole))
        assert_same_checkpoint(tmp_path / f"{stop}/epoch_004", tmp_path / "whole/epoch_004")
    texts = [sentence.text for sentence in dev]
    loaded = Tagger.from_pretrained(tmp_path / "whole/epoch_004")  # the newest, not the best
    assert loaded.tokens(texts) == whole.tokens(texts)


def test_without_a_development_part_it_goes_on_too(train: list[Tagged], tmp_path: Path) -> None:
    whole = run(train, None, tmp_path / "whole", 3)
    run(train, None, tmp_path / "parts", 2)
    assert same(arrays(run(train, None, tmp_path / "parts", 3, resume=True)), arrays(whole))
    assert_same_checkpoint(tmp_path / "parts/epoch_003", tmp_path / "whole/epoch_003")


def test_an_interruption_loses_its_epoch_alone(
    train: list[Tagged], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(train, None, None, 3)
    calls, loss = itertools.count(1), TaggerNetwork.loss

    def interrupted(self: TaggerNetwork, sentences: Any) -> Any:
        if next(calls) == 10:  # of four batches an epoch: in the third
            raise KeyboardInterrupt
        return loss(self, sentences)

    lines: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(TaggerNetwork, "loss", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(train, None, tmp_path, 3, report=lines.append)
    assert lines[-1] == f"stopped: {tmp_path / 'epoch_002'} is saved; go on with --resume True"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch_001", "epoch_002"]
    assert same(arrays(run(train, None, tmp_path, 3, resume=True)), arrays(whole))


def test_an_interruption_before_the_first_checkpoint_says_so(
    train: list[Tagged], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: TaggerNetwork, sentences: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(TaggerNetwork, "loss", interrupted)
    for folder in (None, tmp_path / "none"):
        lines: list[str] = []
        with pytest.raises(KeyboardInterrupt):
            run(train, None, folder, 3, report=lines.append)
        assert lines[-1] == "stopped: nothing is saved"


@pytest.fixture(scope="module")
def stopped_run(own_gold: Gold, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.MonkeyPatch.context() as patch:
        play(patch, 0.3, 0.5, 0.4)
        run(own_gold["train"][:14], own_gold["train"][:2], folder, 3)
    return folder


@pytest.fixture
def stopped(stopped_run: Path, tmp_path: Path) -> Path:
    """The folder of a run of three epochs, of which the second is the best."""
    return Path(shutil.copytree(stopped_run, tmp_path / "run"))


def test_a_truncated_checkpoint_is_passed_over_for_the_one_before(
    train: list[Tagged], stopped: Path, scripted: Callable[..., Any], tmp_path: Path
) -> None:
    assert sorted(path.name for path in stopped.iterdir()) == ["epoch_002", "epoch_003"]
    whole = Path(shutil.copytree(stopped, tmp_path / "whole"))
    scripted(0.45)
    expected = run(train, train[:2], whole, 4, resume=True)
    weights = stopped / "epoch_003/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    scripted(0.4, 0.45)
    lines: list[str] = []
    found = run(train, train[:2], stopped, 4, resume=True, report=lines.append)
    assert any("epoch_003" in line and "the one before it is used" in line for line in lines)
    assert "going on after epoch 2" in lines
    assert same(arrays(found), arrays(expected))
    assert_same_checkpoint(stopped / "epoch_004", whole / "epoch_004")


def test_if_no_checkpoint_is_whole_it_does_not_begin_anew(train: list[Tagged], stopped: Path) -> None:
    for name in ("epoch_002", "epoch_003"):
        (stopped / name / "optimizer.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="no other of the 2 checkpoints there is whole"):
        run(train, train[:2], stopped, 4, resume=True)


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"settings": dataclasses.replace(SETTINGS, learning_rate=0.02)}, "learning_rate"),
        ({"settings": dataclasses.replace(SETTINGS, random_seed=1)}, "random_seed"),
        ({"sizes": {**SIZES, "dropout": 0.1}}, "dropout"),
        ({"tags": TAGS[::-1]}, "tags"),
        ({"tokens": "characters"}, "tokens"),
    ],
)
def test_other_settings_are_refused(train: list[Tagged], stopped: Path, more: dict[str, Any], name: str) -> None:
    with pytest.raises(InputError, match=f"epoch_003 was trained with another {name}") as caught:
        run(train, train[:2], stopped, 4, resume=True, **more)
    assert len(str(caught.value)) < 300


def test_other_sentences_are_refused(train: list[Tagged], stopped: Path) -> None:
    with pytest.raises(InputError, match="another training part"):
        run(train[::-1], train[:2], stopped, 4, resume=True)
    for other in (train[2:4], None):
        with pytest.raises(InputError, match="another development part"):
            run(train, other, stopped, 4, resume=True)


def test_more_epochs_and_more_patience_are_free(
    train: list[Tagged], stopped: Path, scripted: Callable[..., Any]
) -> None:
    scripted(0.4, 0.4, 0.4, 0.4)
    settings = dataclasses.replace(SETTINGS, patience=4)
    tagger = run(train, train[:2], stopped, 9, resume=True, settings=settings)
    assert len(tagger.provenance["history"]) == 6


def test_another_elmo_is_refused(train: list[Tagged], tiny_elmo: Path, tmp_path: Path) -> None:
    run(train, None, tmp_path, 1, features=ElmoFeatures(tiny_elmo))
    other = load_pretrained(tiny_elmo, "whitespace")
    for parameter in other.model.parameters():
        parameter.set_value(parameter * 2)
    with pytest.raises(InputError, match="another features"):
        run(train, None, tmp_path, 2, resume=True, features=ElmoFeatures(other))


def test_resume_begins_where_there_is_nothing(train: list[Tagged], tmp_path: Path) -> None:
    run(train, None, tmp_path / "new", 1, resume=True)
    assert (tmp_path / "new/epoch_001").is_dir()
    with pytest.raises(InputError, match="give save_dir"):
        run(train, None, None, 1, resume=True)


def test_a_finished_run_that_goes_on_is_finished(train: list[Tagged], stopped: Path) -> None:
    tagger = run(train, train[:2], stopped, 3, resume=True)
    assert len(tagger.provenance["history"]) == 3
    assert same(arrays(tagger), read_model(stopped / "epoch_002").arrays)


def test_another_run_is_overwritten_only_when_asked_for(train: list[Tagged], stopped: Path) -> None:
    with pytest.raises(InputError, match=r"holds checkpoints of another run \(epoch_003\): go on with --resume True"):
        run(train, train[:2], stopped, 1)
    run(train, None, stopped, 1, overwrite=True)
    assert [path.name for path in stopped.iterdir()] == ["epoch_001"]


def test_a_checkpoint_of_another_kind_is_refused(train: list[Tagged], stopped: Path, tiny_elmo: Path) -> None:
    for name in ("model.safetensors", "vocabulary.txt"):
        shutil.copy(tiny_elmo / name, stopped / "epoch_003" / name)
    shutil.rmtree(stopped / "epoch_002")
    with pytest.raises(InputError, match="epoch_003"):
        run(train, train[:2], stopped, 4, resume=True)


# Bad calls


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"learning_rate": 0}, "learning_rate is 0: give a number above 0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan: give a number"),
        ({"batch_size": 2.5}, "batch_size is 2.5: give a whole number"),
        ({"max_epoch": "9"}, "max_epoch is '9': give a whole number"),
        ({"patience": 0}, "patience is 0"),
        ({"decay": -1.0}, "decay is -1.0"),
        ({"crf_rate": -0.1}, "crf_rate is -0.1: give a number, 0 or more"),
        ({"unknown": 1.5}, "unknown is 1.5: give a share from 0 to 1"),
        ({"random_seed": -1}, "random_seed is -1"),
    ],
)
def test_bad_settings_are_named(fields: dict[str, Any], message: str) -> None:
    assert refusal(TrainSettings, **fields).startswith(message)


def test_bad_calls_are_one_line(train: list[Tagged], tiny_elmo: Path, tiny_word2vec: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    calls: list[tuple[dict[str, Any], str]] = [
        ({"train": []}, "there is no training sentence"),
        ({"train": [Tagged([" "], ["w"])]}, "there is no training sentence"),
        ({"dev": []}, "there is no development sentence"),
        ({"features": WordVectorFeatures(tiny_word2vec), "fine_tune": str(tiny_elmo)}, "not both"),
        ({"fine_tune": "none"}, "none: no such model directory"),
        ({"sizes": {"size": 3}}, "unknown field 'size'"),
        ({"sizes": {"tokens": "words"}}, "sizes has 'tokens'"),
        ({"tokens": "syllables"}, "tokens is 'syllables'"),
        ({"segmenter": "knife"}, "there is no segmenter 'knife'"),
        ({"save_dir": tmp_path / "file"}, "file is a file: give a folder"),
    ]
    for change, message in calls:
        assert message in refusal(train_tagger, **{"train": train, "tags": TAGS, "sizes": SIZES, **change})
