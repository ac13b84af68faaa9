"""Linear probes: what a layer has is found, what it lacks is not, and control tasks show what a probe remembers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from elmo.encoding.bert import Bert
from elmo.errors import InputError
from elmo.explore.probing.probe_tasks import ProbeTask, read_marked_words, read_tagged_words
from elmo.explore.probing.probes import evaluate_probes, folds_of, probe_layer, probe_outcomes
from elmo.explore.probing.word_layers import by_words
from tests.commands import elmo

TAGGED = [("我 在 北京 看书", "r p LOC v"), ("他 明天 去 上海", "r TIME v LOC"), ("老周 很 高兴", "PER d a")] * 8
MARKED = "苹果\tfruit\t水果\t他吃苹果{}。\t2\n苹果\tcompany\t公司\t她去苹果{}。\t2\n"


def numbers_of(words: list[str]) -> np.ndarray:
    return np.arange(len(words))


@pytest.fixture
def task() -> ProbeTask:
    """Two hundred words of fifty types in forty sentences; the label is drawn anew for each word."""
    generator = np.random.default_rng(0)
    types = generator.integers(50, size=200).astype(str)
    labels = generator.choice(["n", "v"], 200)
    return ProbeTask([["x"] * 5] * 40, np.repeat(np.arange(40), 5), np.tile(np.arange(5), 40), labels, types)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "lac").mkdir()
    lines = "".join(f"{words}\t{tags}\n" for words, tags in TAGGED)
    (tmp_path / "lac/train.tsv").write_text(lines, encoding="utf-8")
    marked = "".join(MARKED.format(extra, extra) for extra in ("了", "吗", "吧", "呢", "啊", "呀"))
    (tmp_path / "senses.tsv").write_text("word\tsense\tgloss\tsentence\tposition\n" + marked, encoding="utf-8")
    return tmp_path


def test_what_the_vectors_hold_is_found_and_a_probe_can_remember_little_of_it(task: ProbeTask) -> None:
    generator = np.random.default_rng(1)
    noise = generator.normal(size=(200, 8)).astype(np.float32)
    holds = noise + 6 * (task.labels == "n")[:, None].astype(np.float32)
    found = probe_layer(task, holds, seeds=2)
    assert found["right"].mean() > 0.98 and found["control"].mean() < 0.7
    assert 0.3 < probe_layer(task, noise, seeds=2)["right"].mean() < 0.7


def test_vectors_that_name_the_word_win_the_control_task_alone(task: ProbeTask) -> None:
    names = np.eye(50, dtype=np.float32)[task.types.astype(int)]
    found = probe_layer(task, names, seeds=2)
    assert found["control"].mean() > 0.9 > 0.7 > found["right"].mean()


def test_a_sentence_lies_in_one_fold_and_senses_are_dealt_out_evenly(task: ProbeTask) -> None:
    folds = folds_of(task, seed=3)
    assert all(len(np.unique(folds[task.sentence == row])) == 1 for row in range(40))
    assert not np.array_equal(folds, folds_of(task, seed=4))
    labels = np.repeat(["fruit", "company"], 10)
    rows = np.arange(20)
    senses = ProbeTask([["苹果"]] * 20, rows, 0 * rows, labels, np.full(20, "苹果"), separate=True)
    dealt = folds_of(senses, seed=0)
    assert all((labels[dealt == fold] == "fruit").sum() == 2 for fold in range(5))


def test_control_labels_belong_to_types(task: ProbeTask) -> None:
    labels = task.control_labels(0)
    assert all(len(np.unique(labels[task.types == word])) == 1 for word in np.unique(task.types))
    assert set(labels) <= set(task.labels) and not np.array_equal(labels, task.control_labels(1))


def test_a_probe_whose_folds_have_one_label_gives_it() -> None:
    labels, fold = np.array(["n", "n", "v"]), np.array([0, 0, 1])
    right = probe_outcomes(np.zeros((3, 2), np.float32), labels, np.full(3, ""), fold)
    assert right.tolist() == [0, 0, 0]  # each fold is asked for the other's label


def test_the_commonest_label_is_counted_for_each_word(files: Path) -> None:
    pos, names = read_tagged_words(files / "lac")
    assert set(names.labels) == {"LOC", "TIME", "PER"} and set(pos.labels) == {"r", "p", "v", "d", "a"}
    assert pos.majority() == pytest.approx(16 / 56)  # r, or v
    assert read_marked_words(files / "senses.tsv").majority() == 0.5


def test_a_words_vector_is_the_mean_of_its_characters() -> None:
    bert = Bert.from_pretrained("bert-zh-small")
    words = ["我", "喜欢", "苹果"]
    joined, pieces = by_words(bert)([words])[0], bert.encode([words])[0]
    assert joined.shape == (bert.num_layers, 3, bert.output_size)
    np.testing.assert_allclose(joined[:, 1], pieces[:, 1:3].mean(axis=1), atol=1e-6)
    assert not by_words(bert)([["我", " "]])[0][:, 1].any()  # no character, no vector


def test_the_command_writes_every_layer_with_its_intervals(files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    output = files / "probes.json"
    options = ("--tagged", files / "lac", "--senses", files / "senses.tsv", "--seeds", 1, "-o", output)
    assert elmo("eval", "probes", "elmo-zh-small", "word2vec-zh-small", *options) == 0
    found = json.loads(output.read_text(encoding="utf-8"))
    assert found["tasks"].keys() == {"part_of_speech", "names", "senses"}
    rows = found["tasks"]["part_of_speech"]["models"]["elmo-zh-small"]["layers"]
    assert [row["layer"] for row in rows] == ["0", "1", "2"]
    for row in rows:
        assert row["selectivity"]["value"] == pytest.approx(row["accuracy"]["value"] - row["control"]["value"])
        assert row["accuracy"]["low"] <= row["accuracy"]["value"] <= row["accuracy"]["high"]
    senses = found["tasks"]["senses"]["models"]["word2vec-zh-small"]["layers"]
    assert "control" not in senses[0] and senses[0]["layer"] == "word"
    assert "layer 2: " in capfd.readouterr().err


@pytest.mark.parametrize(("text", "what"), [(None, "holds no .tsv file"), ("我 看书\tr v\n", "0 of 2 words are names")])
def test_tagged_sentences_that_can_not_be_probed_are_refused(tmp_path: Path, text: str | None, what: str) -> None:
    if text:
        (tmp_path / "a.tsv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=what):
        read_tagged_words(tmp_path)


def test_no_seed_is_refused(files: Path) -> None:
    with pytest.raises(InputError, match="seeds is 0"):
        evaluate_probes(["word2vec-zh-small"], files / "lac", files / "senses.tsv", seeds=0)
