"""`elmo adapt`: from raw text to a model of a domain, with the source's own sizes, vocabulary and segmenter."""

from __future__ import annotations

import dataclasses
import io
import random
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from elmo.adapting import adapt as module
from elmo.adapting.adapt import adapt, settings_for
from elmo.adapting.held_out import split_shards
from elmo.adapting.new_words import add_words, choose_new_words
from elmo.bilm import BiLM
from elmo.bilm_config import BiLMConfig
from elmo.errors import InputError
from elmo.models import read_model, write_model
from elmo.runtime import paddle
from elmo.text.vocabulary import UNK, Vocabulary
from tests.commands import elmo as run
from tests.parameters import files_of

OLD = "我 你 他 在 家 学校 吃 喝 看 饭 水 书 今天 明天 。".split()


def sentences(count: int, seed: int = 0, words: tuple[str, ...] = ()) -> list[str]:
    """Sentences of four places, each with words of its own, so that there is something to learn."""
    draw = random.Random(seed)
    places = ["我 你 他".split(), "在家 今天 明天".split(), "吃 喝 看".split(), ["饭", "水", "书", *words]]
    return [" ".join([*(draw.choice(place) for place in places), str(number), "。"]) for number in range(count)]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    vocabulary = Vocabulary(["<S>", "</S>", "<UNK>", *OLD])
    config = BiLMConfig(len(vocabulary), 6, 8, num_layers=1, tie_softmax=True, cell_clip=2.0, dropout=0.2)
    paddle.seed(0)
    provenance = {"text": {"segmenter": {"name": "whitespace"}, "normalise": ["width"]}, "runs": []}
    return write_model(tmp_path / "source", files_of(BiLM(config), vocabulary, provenance))


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "texts" / "text.txt"
    path.parent.mkdir()
    path.write_text("\n".join(sentences(150)) + "\n", encoding="utf-8")
    return path


def test_one_command_makes_a_better_model_with_the_source_s_own_sizes(source, text, tmp_path, capsys):
    target, options = tmp_path / "mine", ["--learning_rate", 0.02, "--max_epoch", 4]
    assert run("adapt", source, text.parent, "--output", target, "--segmenter", "whitespace", *options) == 0
    ours, theirs = read_model(target, kind="bilm"), read_model(source)
    assert ours.config == theirs.config
    assert ours.vocabulary == theirs.vocabulary
    found = ours.provenance["adaptation"]
    assert found["after"] < 0.9 * found["before"]
    assert found["parts"] == {"train": 130, "dev": 20}
    assert (ours.provenance["text"], ours.provenance["adapted_from"]) == (theirs.provenance["text"], "source")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "source", "texts"]  # nothing else is left
    said = capsys.readouterr().err
    assert f"{found['before']:.2f} before, {found['after']:.2f} after" in said


def test_what_can_only_get_worse_stays_as_it_was(source, text, tmp_path, monkeypatch):
    files = read_model(source)
    worse = [{"epoch": 1, "perplexity": 1e9}]

    def pretrain(*_, para_save_dir, **__):
        random_arrays = {name: array + 3 for name, array in files.arrays.items()}
        write_model(Path(para_save_dir) / "best", dataclasses.replace(files, arrays=random_arrays))
        return worse

    monkeypatch.setattr(module, "pretrain", pretrain)
    done = adapt(source, [text], tmp_path / "mine", segmenter="whitespace")
    assert done.epochs == 0
    assert done.after == done.before
    for name, array in read_model(tmp_path / "mine").arrays.items():
        assert (array == files.arrays[name]).all(), name


def test_a_run_that_was_stopped_goes_on_and_ends_as_one_that_was_not(source, text, tmp_path, monkeypatch):
    options = {"max_epoch": 3, "learning_rate": 0.02}
    adapt(source, [text], tmp_path / "whole", segmenter="whitespace", **options)
    monkeypatch.setattr(module, "write_model", _failing_at(tmp_path / "parts", module.write_model))
    with pytest.raises(OSError, match="no room"):
        adapt(source, [text], tmp_path / "parts", segmenter="whitespace", **options)
    monkeypatch.undo()
    assert (tmp_path / "parts.run/checkpoints/epoch_003").is_dir()
    with pytest.raises(InputError, match="other options or texts"):
        adapt(source, [text], tmp_path / "parts", segmenter="whitespace", **options, new_words=1)
    adapt(source, [text], tmp_path / "parts", segmenter="whitespace", **options)
    whole, parts = (read_model(tmp_path / name).arrays for name in ("whole", "parts"))
    assert all((array == parts[name]).all() for name, array in whole.items())
    assert not (tmp_path / "parts.run").exists()


def test_who_stops_a_run_is_told_how_to_go_on(source, text, tmp_path, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "pretrain", stopped)
    said = io.StringIO()
    with pytest.raises(KeyboardInterrupt):
        adapt(source, [text], tmp_path / "mine", segmenter="whitespace", console=Console(file=said, width=500))
    assert f"is in {tmp_path}/mine.run: the same command goes on from there" in said.getvalue()
    assert not (tmp_path / "mine").exists()


def _failing_at(place, write):
    def failing(target, *rest, **options):
        if Path(target) == place:
            raise OSError("no room")
        return write(target, *rest, **options)

    return failing


def test_a_folder_that_is_no_run_s_is_not_touched(source, text, tmp_path):
    (tmp_path / "mine.run").mkdir()
    (tmp_path / "mine.run/thesis.txt").write_text("all of it")
    with pytest.raises(InputError, match="is not a folder of elmo adapt's"):
        adapt(source, [text], tmp_path / "mine", segmenter="whitespace")
    assert (tmp_path / "mine.run/thesis.txt").read_text() == "all of it"


def test_new_words_are_taken_up_and_perplexity_stays_comparable(source, text, tmp_path):
    text.write_text("\n".join(sentences(200, words=("吃饭", "榴莲"))), encoding="utf-8")
    done = adapt(
        source, [text], tmp_path / "mine", segmenter="whitespace", new_words=2, max_epoch=4, learning_rate=0.02
    )
    ours = read_model(tmp_path / "mine")
    assert done.new_words == 2
    assert len(ours.vocabulary) == len(OLD) + 3 + 2 == ours.config["vocab_size"]
    assert done.unknown_after < done.unknown_before
    assert done.after < done.before


def test_new_rows_begin_as_their_characters_or_as_unknown(source):
    files = read_model(source)
    table, ids = files.arrays["embedding_para"], dict(zip(files.vocabulary.tokens, range(99), strict=False))
    larger = add_words(files, ["吃饭", "榴莲"])
    assert larger.vocabulary.tokens[-2:] == ("吃饭", "榴莲")
    rows = larger.arrays["embedding_para"]
    np.testing.assert_allclose(rows[-2], (table[ids["吃"]] + table[ids["饭"]]) / 2, rtol=1e-6)
    np.testing.assert_array_equal(rows[-1], table[ids[UNK]])
    np.testing.assert_array_equal(rows[:-2], table)
    assert len(larger.arrays["softmax_bias"]) == len(table) + 2
    np.testing.assert_array_equal(add_words(files, ["吃饭"], "unknown").arrays["embedding_para"][-1], table[ids[UNK]])
    with pytest.raises(InputError, match="give one of characters, unknown"):
        add_words(files, ["吃饭"], "zero")


def test_only_frequent_words_are_new(source):
    counts = {"我": 9, "吃饭": 5, "甲": 2, "乙": 2, "once": 1}
    assert choose_new_words(counts, read_model(source).vocabulary, 2) == ["吃饭", "乙"]
    assert choose_new_words(counts, read_model(source).vocabulary, 99) == ["吃饭", "乙", "甲"]


def test_a_sentence_is_on_one_side_only_and_at_least_twenty_are_held_out(tmp_path):
    (tmp_path / "shard").write_text("\n".join(sentences(100) * 3) + "\n", encoding="utf-8")
    parts = split_shards([tmp_path / "shard"], tmp_path / "train", tmp_path / "dev")
    train, dev = ((tmp_path / name).read_text(encoding="utf-8").splitlines() for name in ("train", "dev"))
    assert not set(train) & set(dev)
    assert (len(set(dev)), parts.train, parts.dev) == (20, 240, 60)
    (tmp_path / "shard").write_text("\n".join(sentences(1000)), encoding="utf-8")
    assert split_shards([tmp_path / "shard"], tmp_path / "train", tmp_path / "dev").dev == 100


def test_too_little_text_is_said_in_a_line(source, text, tmp_path):
    text.write_text("\n".join(sentences(59)), encoding="utf-8")
    with pytest.raises(InputError, match="the text has 59 distinct sentences: give 60 or more, 20 of which"):
        adapt(source, [text], tmp_path / "mine", segmenter="whitespace")
    with pytest.raises(InputError, match="the text has 59 distinct sentences"):
        adapt(source, [text], tmp_path / "far/below/model", segmenter="whitespace")
    assert not (tmp_path / "far").exists()


def test_little_text_is_learnt_in_small_steps():
    few, many = settings_for(3_000, 0.001, 20, 2), settings_for(3_000_000, 0.001, 20, 2)
    assert few.batch_size * few.num_steps == 160
    assert not few.sample_softmax
    assert many.batch_size * many.num_steps == 2560
    assert many.sample_softmax
