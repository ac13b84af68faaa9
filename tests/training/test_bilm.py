"""Pretraining: what it learns, that it repeats itself bit by bit, how it goes on, and and how it ends badly."""

from __future__ import annotations

import dataclasses
import functools
import io
import itertools
import math
import re
import threading
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from elmo.bilm import BiLM, bilm_from_files
from elmo.bilm_config import BiLMConfig
from elmo.convert.lark import write_lark
from elmo.errors import InputError, RunError
from elmo.models import read_model
from elmo.nn.native.precision import choose_precision
from elmo.nn.softmax import merged_softmax_loss
from elmo.runtime import paddle
from elmo.text.batches import SentenceIds
from elmo.text.vocabulary import Vocabulary
from elmo.training import bilm as module
from elmo.training.bilm import BiLMObjective, pretrain
from elmo.training.checkpoint import read_training_state
from elmo.training.optimizer import make_optimizer
from elmo.training.perplexity import evaluate_perplexity
from elmo.training.settings import OPTIMIZERS, PretrainSettings
from tests.runs import assert_same_run
from tests.training.texts import learn

# What follows a word, and what goes before it, is almost certain: a model that learns anything gets better at once.
SENTENCES = ["我 吃 苹果 。", "他 吃 米饭 。", "我 买 手机 。", "她 在 河边 散步 。", "今天 风 很 大 。", "好 。"]
SIZES = {"embed_size": 8, "hidden_size": 12, "dropout": 0.1}
SETTINGS = PretrainSettings(
    batch_size=8, num_steps=5, max_epoch=2, n_negative_samples_batch=9, log_interval=3, save_interval=0, dev_interval=0
)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """Training shards, held-out text and a vocabulary."""
    folder = tmp_path_factory.mktemp("text")
    for shard in range(2):
        lines = [SENTENCES[(5 * number + shard) % 6] for number in range(24)]
        (folder / f"train_{shard}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "dev").write_text("我 吃 米饭 。\n他 买 苹果 。\n今天 很 好 。\n", encoding="utf-8")
    words = dict.fromkeys(word for sentence in SENTENCES for word in sentence.split())
    Vocabulary(["<S>", "</S>", "<UNK>", *words]).save(folder / "vocabulary.txt")
    return folder


@pytest.fixture
def run(text, tmp_path):
    """Call `pretrain` on the text, with what a test changes."""

    def call(save="run", settings=SETTINGS, **more):
        return learn(text, save and tmp_path / save, settings=settings, **{"sizes": SIZES, **more})

    return call


changed = functools.partial(dataclasses.replace, SETTINGS)


def arrays_of(path) -> dict[str, Any]:
    return read_model(path).arrays


# Learning


@pytest.mark.parametrize(("optim", "rate"), [("adagrad", 0.2), ("sgd", 0.5), ("adam", 0.01), ("rmsprop", 0.005)])
def test_training_loss_and_held_out_perplexity_fall(run, optim, rate):
    history = run(None, changed(optim=optim, learning_rate=rate, max_epoch=3))
    assert [record["epoch"] for record in history] == [1, 2, 3]
    assert history[-1]["training_loss"] < 0.95 * history[0]["training_loss"]
    assert history[-1]["perplexity"] < 0.95 * history[0]["perplexity"]


def test_the_full_softmax_learns_too(run):
    history = run(None, changed(sample_softmax=False, max_epoch=3))
    assert history[-1]["training_loss"] < 0.95 * history[0]["training_loss"]
    # With every word in the softmax the two losses measure the same: exp(training loss) is near the perplexity.
    assert 0.5 < math.exp(history[-1]["training_loss"]) / history[-1]["perplexity"] < 2
    assert run(None, changed(n_negative_samples_batch=10_000, max_epoch=1))[0] is not None


@pytest.mark.parametrize("optim", OPTIMIZERS)
def test_gradients_by_rows_train_as_dense_ones_do_or_are_not_used(text, optim):
    vocabulary = Vocabulary.load(text / "vocabulary.txt")
    corpus = SentenceIds(f"{text}/train_0", vocabulary)
    results = []
    for by_rows in (True, False):
        paddle.seed(0)
        model = BiLM(BiLMConfig(len(vocabulary), 4, 6, dropout=0.0))
        settings = changed(optim=optim, learning_rate=0.05, max_grad_norm=0.5)
        objective = BiLMObjective(model, vocabulary, corpus, None, settings)
        model.sparse_gradient = model.sparse_gradient and by_rows
        optimizer = make_optimizer(settings, model.parameters())
        for batch in objective.begin_epoch(0):
            objective.training_loss(batch)[0].backward()
            optimizer.step()
            optimizer.clear_grad()
        results.append({name: parameter.numpy() for name, parameter in model.named_parameters()})
    for name, array in results[0].items():
        np.testing.assert_allclose(array, results[1][name], rtol=0, atol=1e-5, err_msg=name)  # float32, other sum order


def test_the_same_seed_gives_identical_numbers_and_another_one_does_not(run, tmp_path):
    first, _, other = run("first"), run("again"), run(None, changed(random_seed=1))
    assert_same_run(tmp_path / "first" / "epoch_002", tmp_path / "again" / "epoch_002")
    assert first[0]["training_loss"] != other[0]["training_loss"]


def test_measuring_more_often_does_not_change_what_is_learnt(run, tmp_path):
    run("seldom")
    run("often", changed(dev_interval=2, save_interval=3, log_interval=1))
    seldom, often = (arrays_of(tmp_path / name / "epoch_002") for name in ("seldom", "often"))
    assert [name for name, array in seldom.items() if not (array == often[name]).all()] == []


def test_every_epoch_reads_every_token_once_and_in_another_order(text):
    vocabulary = Vocabulary.load(text / "vocabulary.txt")
    corpus = SentenceIds(f"{text}/train_*", vocabulary)
    objective = BiLMObjective(BiLM(BiLMConfig(len(vocabulary), 4, 4)), vocabulary, corpus, None, SETTINGS)
    passes = [list(objective.begin_epoch(epoch)) for epoch in (0, 1, 0)]
    for batches in passes:
        assert sum(batch.num_tokens for batch in batches) == corpus.num_targets
        assert abs(len(batches) - objective.batches_per_epoch()) <= 1
    first, second, again = ([batch.forward_ids.tolist() for batch in batches] for batches in passes)
    assert first == again
    assert first != second


def test_without_shuffling_every_pass_is_in_the_order_of_the_shards(text):
    vocabulary = Vocabulary.load(text / "vocabulary.txt")
    corpus = SentenceIds(f"{text}/train_*", vocabulary)
    model = BiLM(BiLMConfig(len(vocabulary), 4, 4))
    objective = BiLMObjective(model, vocabulary, corpus, None, changed(shuffle=False))
    expected = [batch.forward_ids.tolist() for batch in corpus.batches(SETTINGS.batch_size, SETTINGS.num_steps)]
    for epoch in range(2):
        assert [batch.forward_ids.tolist() for batch in objective.begin_epoch(epoch)] == expected


def test_the_loss_is_larks_and_states_are_carried_without_their_gradients(text):
    vocabulary = Vocabulary.load(text / "vocabulary.txt")
    corpus = SentenceIds(f"{text}/train_0", vocabulary)
    model = BiLM(BiLMConfig(len(vocabulary), 4, 6, dropout=0.0))
    objective = BiLMObjective(model, vocabulary, corpus, None, changed(sample_softmax=False, reset_states=False))
    state = None
    for number, batch in enumerate(objective.begin_epoch(0)):
        loss, mean, count = objective.training_loss(batch)
        ids = paddle.to_tensor(batch.forward_ids), paddle.to_tensor(batch.backward_ids)
        forward, backward, state = model(*ids, state)
        state = tuple([(h.detach(), c.detach()) for h, c in states] for states in state)
        total = 0.0
        for outputs, targets in ((forward, batch.forward_targets), (backward, batch.backward_targets)):
            losses = model.losses(outputs[-1].reshape([-1, 4]), paddle.to_tensor(targets.ravel())).numpy()
            total += losses[batch.mask.ravel()].sum()
        assert float(mean) == pytest.approx(total / (2 * batch.num_tokens), rel=1e-5)  # float32 sums of 40 terms
        assert float(loss) == pytest.approx(total / (2 * SETTINGS.batch_size), rel=1e-5)
        assert count == batch.num_tokens
        loss.backward()  # would fail in the second batch if the first one's graph were still asked for
        if number == 2:
            break
    assert number == 2


# Perplexity


def test_perplexity_equals_one_computed_with_numpy_sentence_by_sentence(run, text, tmp_path):
    history = run("run", changed(batch_size=2, num_steps=3, max_epoch=1))
    files = read_model(tmp_path / "run" / "epoch_001")
    model, encode = bilm_from_files(files, "run"), files.vocabulary.encode
    bos, eos = files.vocabulary.bos_id, files.vocabulary.eos_id
    nats: tuple[list[float], list[float]] = ([], [])
    for line in (text / "dev").read_text(encoding="utf-8").splitlines():
        words = [bos, *encode(line.split()), eos]
        orders = (words, words[::-1])
        *both, _ = model(*(paddle.to_tensor([order[:-1]]) for order in orders))
        for found, outputs, order in zip(nats, both, orders, strict=True):
            logits = outputs[-1].numpy()[0].astype(np.float64) @ files.arrays["softmax_weight"].T.astype(np.float64)
            logits += files.arrays["softmax_bias"]
            log_sums = np.log(np.exp(logits).sum(axis=1))
            found += (log_sums - logits[np.arange(len(order) - 1), order[1:]]).tolist()
    # The run computes in float32 and several sentences at a time: relative error about 1e-6.
    assert history[0]["forward_perplexity"] == pytest.approx(math.exp(np.mean(nats[0])), rel=1e-5)
    assert history[0]["backward_perplexity"] == pytest.approx(math.exp(np.mean(nats[1])), rel=1e-5)
    assert history[0]["perplexity"] == pytest.approx(math.exp(np.mean(nats)), rel=1e-5)


def test_perplexity_depends_on_the_model_and_the_text_alone(run, tmp_path, text):
    run("run", changed(max_epoch=3, optim="adam", learning_rate=0.02))
    files = read_model(tmp_path / "run" / "epoch_003")
    lines = ["我 吃 米饭 。", "他 买", "今天 很 好 。 她 在 河边 散步 。", "。", "风 很 大"]
    scores = []
    for name, order in (("forwards", lines), ("backwards", lines[::-1])):
        (tmp_path / name).write_text("\n".join(order) + "\n", encoding="utf-8")
        dev = SentenceIds(tmp_path / name, files.vocabulary)
        for batch_size, sampled, steps in ((1, True, 5), (2, False, 5), (700, False, 40)):
            settings = changed(batch_size=batch_size, sample_softmax=sampled, num_steps=steps)
            model = bilm_from_files(files, "run")
            scores.append(BiLMObjective(model, files.vocabulary, dev, dev, settings).evaluate()["perplexity"])
    assert scores == pytest.approx([scores[0]] * 6, rel=1e-6)  # float32, summed in other orders


def test_a_command_s_perplexity_does_not_depend_on_its_batch_size(run, tmp_path, text):
    run("run", changed(max_epoch=1))
    scores = [
        evaluate_perplexity(tmp_path / "run/epoch_001", f"{text}/train_*", batch_size)["perplexity"]
        for batch_size in (1, 7, 64, 700)
    ]
    assert scores == pytest.approx([scores[0]] * 4, rel=1e-6)


def test_without_held_out_text_there_is_no_perplexity(run):
    (record,) = run(None, changed(max_epoch=1), test_path=None)
    assert "perplexity" not in record
    assert record["training_loss"] > 0


# Going on


@pytest.mark.parametrize("optim", ["adagrad", "adam"])
def test_going_on_after_the_first_epoch_ends_where_an_unbroken_run_does(run, tmp_path, optim):
    settings = changed(optim=optim, learning_rate=0.05)
    run("whole", settings)
    run("parts", dataclasses.replace(settings, max_epoch=1))
    run("parts", settings, load_dir=str(tmp_path / "parts" / "epoch_001"))
    assert_same_run(tmp_path / "whole" / "epoch_002", tmp_path / "parts" / "epoch_002")


def test_going_on_with_another_optimiser_is_refused(run, tmp_path):
    run("run", changed(max_epoch=1))
    with pytest.raises(InputError, match="was trained with optim 'adagrad', not 'adam'"):
        run("run", changed(optim="adam"), load_dir=str(tmp_path / "run" / "epoch_001"))


def test_starting_from_a_model_takes_its_parameters_and_begins_a_new_run(run, tmp_path):
    run("first")
    (record,) = run(
        "second",
        changed(max_epoch=1, learning_rate=1e-9),
        load_pretraining_params=str(tmp_path / "first" / "epoch_002"),
    )
    assert record["epoch"] == 1
    first, second = arrays_of(tmp_path / "first" / "epoch_002"), arrays_of(tmp_path / "second" / "epoch_001")
    for name, array in first.items():
        np.testing.assert_allclose(second[name], array, rtol=0, atol=1e-6)  # some 12 steps of 1e-9


def test_a_finished_run_that_is_gone_on_with_is_left_as_it_is(run, tmp_path):
    history = run("run")
    assert run("run", load_dir=str(tmp_path / "run" / "epoch_002")) == history


# Checkpoints and the log


def test_checkpoints_and_perplexities_come_at_their_intervals(run, tmp_path):
    log_file = io.StringIO()
    console = Console(file=log_file, width=200)
    history = run("run", changed(save_interval=4, dev_interval=5, log_interval=6), console=console)
    last, end_of_first = history[-1]["step"], history[0]["step"]
    assert last >= 12
    saved = sorted(path.name for path in (tmp_path / "run").iterdir())
    kept = list(range(4, last + 1, 4))[-3:]
    assert saved == ["best", "epoch_001", "epoch_002", *(f"step_{step:07d}" for step in kept)]
    log = log_file.getvalue()
    steps = {kind: [int(n) for n in re.findall(rf"^step (\d+): {kind}", log, re.M)] for kind in ("training", "perpl")}
    assert steps["perpl"] == list(range(5, last + 1, 5))
    assert steps["training"] == list(range(6, last + 1, 6))
    assert len(re.findall(r"^epoch \d+: training loss [\d.]+, perplexity [\d.]+", log, re.M)) == 2
    state = read_training_state(tmp_path / "run" / f"step_{kept[0]:07d}")
    assert (state.epoch, state.step) == (kept[0] > end_of_first, kept[0])


def test_a_checkpoint_says_what_it_was_made_from(run, tmp_path):
    history = run("run", changed(max_epoch=1))
    files = read_model(tmp_path / "run" / "epoch_001", kind="bilm")
    (this_run,) = files.provenance["runs"]
    assert this_run["history"] == history
    assert this_run["settings"] == dataclasses.asdict(changed(max_epoch=1, amp=choose_precision("auto")))
    assert files.provenance["paddle"] == paddle.__version__
    state = read_training_state(tmp_path / "run" / "epoch_001")
    assert state.settings == dataclasses.asdict(changed(max_epoch=1, amp=choose_precision("auto")))
    assert (state.epoch, state.history) == (1, history)


@pytest.mark.parametrize("earlier", ["epoch_001", "step_0010000"])
def test_checkpoints_of_another_run_are_not_overwritten_unasked(run, tmp_path, earlier):
    (tmp_path / "run" / earlier).mkdir(parents=True)
    with pytest.raises(InputError, match=f"holds checkpoints of another run .{earlier}"):
        run("run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == [earlier]
    run("run", changed(max_epoch=1), overwrite=True)
    assert (tmp_path / "run" / "epoch_001" / "model.safetensors").is_file()


@pytest.mark.parametrize("claim", [None, 0, "right", 12345])
def test_a_wrong_number_of_words_is_pointed_out_and_not_used(run, claim, text):
    words = sum(len((text / f"train_{shard}").read_text(encoding="utf-8").split()) for shard in range(2))
    log_file = io.StringIO()
    console = Console(file=log_file, width=200)
    run(None, changed(max_epoch=1), all_train_tokens=words if claim == "right" else claim, console=console)
    log = log_file.getvalue()
    assert f"{words} words in 48 training sentences (2 shards)" in log
    warned = f"warning: all_train_tokens is {claim}, but the training shards hold {words} words" in log
    assert warned == (claim in (0, 12345))


# Bad calls and bad ends


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0: give a whole number above 0"),
        ({"save_interval": -1}, "save_interval is -1: give a whole number, 0 or more"),
        ({"learning_rate": math.nan}, "learning_rate is nan: give a number above 0"),
        ({"optim": "adamw"}, "optim is 'adamw': give one of adagrad, sgd, adam, rmsprop"),
    ],
)
def test_a_bad_setting_is_refused_with_what_to_give(setting, message):
    with pytest.raises(InputError, match=message):
        PretrainSettings(**setting)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sizes": {"hidden_size": 0}}, "hidden_size is 0"),
        ({"sizes": {"depth": 3}}, "unknown field 'depth'"),
        ({"test_path": "/nowhere/dev"}, "/nowhere/dev: no such file"),
        ({"load_dir": "/nowhere"}, "/nowhere: no such model directory"),
        ({"load_pretraining_params": "/nowhere"}, "/nowhere: no such model directory"),
        ({"load_dir": "a", "load_pretraining_params": "b"}, "not both"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_written(run, tmp_path, arguments, message):
    with pytest.raises(InputError) as caught:
        run("run", **arguments)
    assert message in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_model_of_another_vocabulary_or_other_sizes_is_refused(run, tmp_path, text):
    run("run", changed(max_epoch=1))
    source = str(tmp_path / "run" / "epoch_001")
    with pytest.raises(InputError, match="has shape"):
        run("other", sizes={**SIZES, "hidden_size": 5}, load_pretraining_params=source)
    tokens = Vocabulary.load(text / "vocabulary.txt").tokens
    Vocabulary([*tokens[:-1], "别的"]).save(tmp_path / "words.txt")
    with pytest.raises(InputError, match="was trained with another vocabulary"):
        pretrain(
            f"{text}/train_0",
            str(tmp_path / "words.txt"),
            sizes=SIZES,
            para_save_dir=None,
            load_pretraining_params=source,
        )


def test_a_loss_that_is_not_finite_ends_the_run_and_leaves_the_checkpoints(run, tmp_path, monkeypatch):
    run("whole", changed(max_epoch=1))
    original, calls = module.BiLMObjective.training_loss, []

    def breaks_in_the_second_epoch(self, batch):
        calls.append(1)
        loss, mean, count = original(self, batch)
        return loss, mean * (math.nan if self.model.training and len(calls) > steps + 2 else 1.0), count

    steps = read_training_state(tmp_path / "whole" / "epoch_001").step
    monkeypatch.setattr(module.BiLMObjective, "training_loss", breaks_in_the_second_epoch)
    with pytest.raises(RunError) as caught:
        run("broken")
    assert str(caught.value).startswith(f"the loss is nan at step {steps + 3} (epoch 2): lower --learning_rate (0.2)")
    assert sorted(path.name for path in (tmp_path / "broken").iterdir()) == ["best", "epoch_001"]
    assert_same_run(tmp_path / "broken" / "epoch_001", tmp_path / "whole" / "epoch_001")


def test_a_rate_far_too_high_ends_in_one_line_and_no_checkpoint_holds_broken_numbers(run, tmp_path):
    with pytest.raises(RunError) as caught:
        run("run", changed(optim="sgd", learning_rate=1e38, max_grad_norm=1e38, save_interval=1))
    assert "\n" not in str(caught.value)
    for path in (tmp_path / "run").glob("*"):
        assert all(np.isfinite(array).all() for array in arrays_of(path).values())


def test_a_model_tells_all_runs_that_made_it(tmp_path):
    shard, vocabulary = tmp_path / "shard", tmp_path / "vocabulary.txt"
    shard.write_text("甲 乙 丙\n乙 丙\n" * 4, encoding="utf-8")
    vocabulary.write_text("<S>\n</S>\n<UNK>\n甲\n乙\n丙\n", encoding="utf-8")
    sizes = {"embed_size": 4, "hidden_size": 4}

    def train(name, max_epoch, **start):
        settings = PretrainSettings(batch_size=2, num_steps=4, max_epoch=max_epoch, sample_softmax=False)
        save_dir = str(tmp_path / name)
        pretrain(str(shard), str(vocabulary), sizes=sizes, settings=settings, para_save_dir=save_dir, **start)
        return read_model(tmp_path / name / f"epoch_{max_epoch:03d}").provenance["runs"]

    tokens = 4 * (4 + 3)  # every word and the end of its sentence, in each pass
    assert [run["tokens_read"] for run in train("first", 2)] == [2 * tokens]
    second = train("second", 1, load_pretraining_params=str(tmp_path / "first" / "epoch_002"))
    assert [run["tokens_read"] for run in second] == [2 * tokens, tokens]
    resumed = train("resumed", 3, load_dir=str(tmp_path / "first" / "epoch_001"))
    assert [run["tokens_read"] for run in resumed] == [3 * tokens]


# Words by their characters


@pytest.mark.slow
@pytest.mark.parametrize("alphabet", ["characters", "utf-8"])
def test_a_bilm_that_reads_characters_learns(run, alphabet):
    sizes = {**SIZES, "token_encoder": module.token_encoder_sizes("char_cnn", alphabet)}
    history = run(sizes=sizes, settings=changed(optim="adam", learning_rate=0.005, max_epoch=8))
    perplexities = [record["perplexity"] for record in history]
    assert perplexities[-1] < 0.7 * perplexities[0], perplexities


def test_characters_are_those_of_the_training_text(run, tmp_path):
    run(sizes={**SIZES, "token_encoder": module.token_encoder_sizes("char_cnn")}, settings=changed(max_epoch=1))
    alphabet = read_model(tmp_path / "run/epoch_001").config["token_encoder"]["alphabet"]
    assert set("".join(SENTENCES).replace(" ", "")) == {symbol for symbol in alphabet if len(symbol) == 1}


def test_training_on_other_text_keeps_the_alphabet_that_was_learnt(run, text, tmp_path):
    sizes = {**SIZES, "token_encoder": module.token_encoder_sizes("char_cnn")}
    run(sizes=sizes, settings=changed(max_epoch=1))
    (text / "train_new").write_text("我 吃 榴莲 。\n", encoding="utf-8")
    try:
        run("next", sizes=sizes, settings=changed(max_epoch=1), load_pretraining_params=tmp_path / "run/epoch_001")
    finally:
        (text / "train_new").unlink()
    alphabets = [read_model(tmp_path / name / "epoch_001").config["token_encoder"] for name in ("run", "next")]
    assert alphabets[0] == alphabets[1]


def test_a_run_on_characters_goes_on_as_if_it_had_not_stopped(run, tmp_path):
    sizes = {**SIZES, "token_encoder": module.token_encoder_sizes("char_cnn")}
    run("whole", sizes=sizes)
    run("part", sizes=sizes, settings=changed(max_epoch=1))
    run("part", sizes=sizes, load_dir=str(tmp_path / "part/epoch_001"))
    assert_same_run(tmp_path / "whole/epoch_002", tmp_path / "part/epoch_002")


def test_perplexity_of_a_model_that_reads_characters_is_measured_on_any_text(run, text, tmp_path):
    sizes = {**SIZES, "token_encoder": module.token_encoder_sizes("char_cnn")}
    history = run(sizes=sizes, settings=changed(max_epoch=1))
    measured = evaluate_perplexity(tmp_path / "run/epoch_001", f"{text}/dev", batch_size=8)
    assert measured["perplexity"] == pytest.approx(history[0]["perplexity"], rel=1e-5)


@pytest.mark.slow
def test_an_unknown_word_s_characters_tell_what_follows(text, tmp_path):
    # Each of two unknown words has a follower of its own: by word id both are <UNK>, by characters they differ.
    lines = ["赵 山 。", "钱 水 。"] * 60
    (tmp_path / "train").write_text("\n".join(lines) + "\n", encoding="utf-8")
    Vocabulary(["<S>", "</S>", "<UNK>", "山", "水", "。"]).save(tmp_path / "vocabulary.txt")
    perplexities = {}
    for name in ("word", "char_cnn"):
        history = pretrain(
            str(tmp_path / "train"),
            str(tmp_path / "vocabulary.txt"),
            test_path=str(tmp_path / "train"),
            sizes={
                "embed_size": 8,
                "hidden_size": 12,
                "dropout": 0.0,
                "token_encoder": module.token_encoder_sizes(name),
            },
            settings=changed(optim="adam", learning_rate=0.005, max_epoch=12, sample_softmax=False),
            para_save_dir=None,
        )
        perplexities[name] = history[-1]["forward_perplexity"]
    # four predictions a sentence: <UNK>, then one of two, then two that are certain
    assert perplexities["word"] > 1.9**0.25 and perplexities["char_cnn"] < 1.3**0.25, perplexities


@pytest.mark.parametrize(("name", "alphabet"), [("cnn", "characters"), ("char_cnn", "latin-1")])
def test_a_token_encoder_that_is_none_is_refused(name, alphabet):
    with pytest.raises(InputError, match=name if name == "cnn" else alphabet):
        module.token_encoder_sizes(name, alphabet)


def test_how_words_are_read_is_the_start_s(run, tmp_path):
    sizes = {**SIZES, "token_encoder": module.token_encoder_sizes("char_cnn")}
    run("characters", sizes=sizes, settings=changed(max_epoch=1))
    run("words", settings=changed(max_epoch=1))
    run("next", settings=changed(max_epoch=1), load_pretraining_params=str(tmp_path / "characters/epoch_001"))
    assert read_model(tmp_path / "next/epoch_001").config["token_encoder"] is not None
    with pytest.raises(InputError, match="give --token_encoder word"):
        run("other", sizes=sizes, load_pretraining_params=str(tmp_path / "words/epoch_001"))


def test_weights_without_softmax_are_trained_on_with_a_new_one(run, text, tmp_path):
    run("first", settings=changed(max_epoch=1))
    files = read_model(tmp_path / "first/epoch_001")
    arrays = {name: array for name, array in files.arrays.items() if not name.startswith("softmax")}
    write_lark(dataclasses.replace(files, arrays=arrays, config={**files.config, "softmax": False}), tmp_path / "lark")
    history = run("second", load_pretraining_params=str(tmp_path / "lark"))
    assert math.isfinite(history[-1]["perplexity"])
    assert read_model(tmp_path / "second/epoch_002").config["softmax"] is True


# States


@pytest.mark.parametrize("reset", [True, False])
def test_a_stream_that_has_ended_a_sentence_goes_on_from_zero_state_if_that_is_wanted(text, reset):
    vocabulary = Vocabulary.load(text / "vocabulary.txt")
    corpus = SentenceIds(f"{text}/train_*", vocabulary)
    model = BiLM(BiLMConfig(len(vocabulary), 4, 6))
    objective = BiLMObjective(model, vocabulary, corpus, None, changed(reset_states=reset))
    seen = set()
    for batch in objective.begin_epoch(0):
        objective.training_loss(batch)
        for row, ended in enumerate(batch.ended):
            zero = all(
                (part.numpy()[row] == 0).all() for states in objective._state for layer in states for part in layer
            )
            assert zero == (ended and reset)
            seen.add(bool(ended))
    assert seen == {True, False}


# The thread that makes batches


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "elmo-read-ahead"]


@pytest.mark.parametrize("error", [RunError, KeyboardInterrupt, MemoryError])
def test_no_thread_reads_on_after_a_run_that_failed(run, monkeypatch, error):
    assert readers() == []
    original = BiLMObjective.training_loss

    def failing(self, batch):
        if self._state is not None:
            assert readers() != []
            raise error("no more")
        return original(self, batch)

    monkeypatch.setattr(BiLMObjective, "training_loss", failing)
    with pytest.raises(error) as caught:
        run(None, changed(batch_size=1, num_steps=1))  # far more batches than are made ahead
    assert caught.value is not None and readers() == []


def test_no_thread_is_left_after_a_run(run):
    run(None, changed(max_epoch=1))
    assert readers() == []


# The learning rate


def test_the_rate_rises_then_falls_to_a_hundredth():
    settings = changed(learning_rate=1.0, lr_schedule="cosine", warmup_steps=9)
    rates = [settings.rate(step, 109) for step in range(110)]
    assert rates[:10] == pytest.approx([0.1 * step for step in range(1, 11)])
    assert all(later < earlier for earlier, later in itertools.pairwise(rates[9:]))
    assert rates[59] == pytest.approx(0.505) and rates[-1] == pytest.approx(0.01)


def test_a_constant_rate_stays_and_steps_past_the_end_keep_the_last():
    assert {changed(learning_rate=0.3).rate(step, 10) for step in range(20)} == {0.3}
    assert changed(learning_rate=1.0, lr_schedule="cosine").rate(1000, 10) == pytest.approx(0.01)


def test_the_optimiser_gets_the_rate_of_the_step(run, text, monkeypatch):
    seen = []
    make = make_optimizer

    def watched(settings, parameters):
        optimizer = make(settings, parameters)
        step = optimizer.step
        monkeypatch.setattr(optimizer, "step", lambda: (seen.append(optimizer.get_lr()), step())[1], raising=False)
        return optimizer

    monkeypatch.setattr("elmo.training.loop.make_optimizer", watched)
    settings = changed(optim="adam", learning_rate=0.01, lr_schedule="cosine", warmup_steps=2)
    history = run(settings=settings)
    steps = history[-1]["step"]
    words = SentenceIds(f"{text}/train_*", Vocabulary.load(text / "vocabulary.txt"))
    total = 2 * math.ceil(words.num_targets / (settings.batch_size * settings.num_steps))  # of two epochs
    assert seen == pytest.approx([settings.rate(step, total) for step in range(steps)])
    assert seen[0] < seen[2] > seen[-1]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"lr_schedule": "step"}, "'step'"),
        ({"warmup_steps": -1}, "-1"),
        ({"schedule_epochs": 0}, "schedule_epochs is 0: give a whole number above 0"),
        ({"schedule_epochs": 1.5}, "schedule_epochs is 1.5"),
    ],
)
def test_a_schedule_that_is_none_is_refused(fields, message):
    with pytest.raises(InputError, match=message):
        changed(**fields)


def test_a_tied_bilm_learns(run):
    history = run(sizes={**SIZES, "tie_softmax": True}, settings=changed(optim="adam", learning_rate=0.01, max_epoch=6))
    assert history[-1]["perplexity"] < 0.8 * history[0]["perplexity"]


# Curves


def test_curves_are_drawn_for_visualdl(run, tmp_path):
    from visualdl import LogReader

    history = run(settings=changed(log_interval=2, dev_interval=4), visualdl_dir=str(tmp_path / "curves"))
    (file,) = (tmp_path / "curves").iterdir()
    reader = LogReader(file_path=str(file))
    last = history[-1]["step"]
    assert [point.id for point in reader.get_data("scalar", "training_loss")] == list(range(2, last + 1, 2))
    ends = [record["step"] for record in history]
    drawn = {point.id: point.value for point in reader.get_data("scalar", "perplexity")}
    assert sorted(drawn) == sorted({*range(4, last + 1, 4), *ends})
    assert drawn[last] == pytest.approx(history[-1]["perplexity"], rel=1e-5)


def test_checkpoints_of_another_run_are_safe_from_one_that_goes_on_elsewhere(run, tmp_path):
    run("mine", settings=changed(max_epoch=1))
    run("other", settings=changed(max_epoch=1))
    with pytest.raises(InputError, match="holds checkpoints of another run"):
        run("other", load_dir=str(tmp_path / "mine/epoch_001"))
    run("new", load_dir=str(tmp_path / "mine/epoch_001"))


@pytest.mark.slow
def test_a_vocabulary_that_knows_nothing_has_a_low_perplexity_but_not_a_low_cost_per_character(run, tmp_path, text):
    sizes = {**SIZES, "dropout": 0.0}
    (tmp_path / "few.txt").write_text("<S>\n</S>\n<UNK>\n。\n很\n", encoding="utf-8")
    log = io.StringIO()
    console = Console(file=log, width=400)
    few = pretrain(
        f"{text}/train_*",
        str(tmp_path / "few.txt"),
        test_path=f"{text}/dev",
        sizes=sizes,
        settings=changed(max_epoch=20),
        para_save_dir=str(tmp_path / "few"),
        console=console,
    )[-1]
    whole = run("whole", changed(max_epoch=20), sizes=sizes)[-1]
    assert few["perplexity"] < whole["perplexity"], "what misleads"
    assert few["nats_per_character"] > 2 * whole["nats_per_character"], "what does not"
    assert (few["unknown_share"], whole["unknown_share"]) == (8 / 12, 0)
    written = log.getvalue()
    assert re.search(
        r"\d\d\.\d% of the training words are unknown\n.*\n66\.7% of the held-out words are unknown\n", written
    )
    assert "warning: 67% of the held-out words are unknown to the vocabulary" in written
    assert read_model(tmp_path / "few/epoch_020").provenance["unknown_train_words"] > 0


def test_nats_per_character_count_the_spelling_of_unknown_words(run, tmp_path, text):
    run("run", changed(max_epoch=1))
    model = tmp_path / "run/epoch_001"
    (tmp_path / "held_out").write_text("我 吃 拖拉机 。\n", encoding="utf-8")
    found = evaluate_perplexity(model, str(tmp_path / "held_out"))
    alphabet = len(set("".join(SENTENCES)) - {" "})
    spelling = 4 * math.log(alphabet + 2) + 3 * math.log(0x110000)  # 拖, 拉, 机 (in 手机) and the end
    spelling -= math.log(0x110000)
    predicted = 5 * math.log(found["perplexity"])  # four words and the boundary
    assert found["nats_per_character"] == pytest.approx((predicted + spelling) / 6, rel=1e-9)
    assert found["unknown_share"] == 1 / 4


def test_words_that_are_not_in_both_vocabularies_count_as_one(run, tmp_path, text):
    run("run", changed(max_epoch=2))
    model, dev = tmp_path / "run/epoch_002", f"{text}/dev"
    whole = evaluate_perplexity(model, dev)["perplexity"]
    tokens = read_model(model).vocabulary.tokens
    (tmp_path / "same.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    same = evaluate_perplexity(model, dev, 7, tmp_path / "same.txt")
    assert same["perplexity"] == pytest.approx(whole, rel=1e-6) and same["tokens_in_both"] == len(tokens) - 1
    (tmp_path / "few.txt").write_text("\n".join([*tokens[: len(tokens) // 2], "拖拉机"]) + "\n", encoding="utf-8")
    assert 1 < evaluate_perplexity(model, dev, 7, tmp_path / "few.txt")["perplexity"] < whole

    files = read_model(model)
    bilm, kept = bilm_from_files(files, model), np.arange(len(tokens)) % 2 == 0
    outputs, targets = (
        np.random.default_rng(0).normal(size=(9, SIZES["embed_size"])).astype("float32"),
        np.arange(9) % 5,
    )
    weight, bias = bilm.softmax_parameters()
    losses = merged_softmax_loss(paddle.to_tensor(outputs), targets, weight, bias, kept).numpy()
    scores = outputs.astype(np.float64) @ weight.numpy().T + bias.numpy()
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    right = [row[target] if kept[target] else row[~kept].sum() for row, target in zip(shares, targets, strict=True)]
    np.testing.assert_allclose(losses, -np.log(right), rtol=1e-5)
