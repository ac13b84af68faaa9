"""The program that grows through chapters 2 to 7: it computes what the package computes, and it learns."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from book.tools import BOOK, SOURCES
from elmo.bilm import BiLM
from elmo.bilm_config import BiLMConfig
from elmo.explore.polysemy.scores import pair_auc
from elmo.explore.polysemy.senses import read_senses
from elmo.runtime import paddle, seed_everything
from elmo.text.sentences import split_sentences

PROGRAM = BOOK / "from_scratch" / "elmo_from_scratch.py"
VOCAB, EMBED, HIDDEN = 40, 6, 10


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("elmo_from_scratch", PROGRAM)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def models(program: ModuleType) -> tuple[paddle.nn.Layer, BiLM]:
    """The program's biLM and the package's, with the same parameters, large enough to reach the clips."""
    seed_everything(0)
    ours = BiLM(BiLMConfig(VOCAB, EMBED, HIDDEN, dropout=0.0))
    generator = np.random.default_rng(0)
    for parameter in ours.parameters():
        scale = 2.5 if parameter.shape == [HIDDEN, EMBED] else 0.5  # the projection is what reaches its clip
        parameter.set_value(generator.normal(0, scale, parameter.shape).astype(np.float32))
    theirs = program.BiLM(VOCAB, EMBED, HIDDEN, dropout=0.0)
    missing, unexpected = theirs.set_state_dict(ours.state_dict())
    assert not missing and not unexpected
    return theirs, ours


@pytest.fixture
def batch(program: ModuleType) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(1)
    return program.pad([list(generator.integers(3, VOCAB, length)) for length in (5, 1, 8)])


def test_it_is_one_page_of_plain_paddle():
    text = PROGRAM.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 250
    imported = set(re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE))
    assert "elmo" not in imported and {"paddle", "jieba", "numpy"} <= imported


def test_its_sentences_words_and_vocabulary_are_those_of_the_package(program: ModuleType, data: Path):
    for part in ("train", "dev"):
        shard = (data / part / "sentence_file_00000").read_text(encoding="utf-8")
        sentences = program.read_sentences(data / "documents" / part)
        assert sentences == [line.split(" ") for line in shard.splitlines()]
        if part == "train":
            vocabulary = program.build_vocabulary(sentences)
            tokens = (data / "vocabulary_min5k.txt").read_text(encoding="utf-8").splitlines()
            assert list(vocabulary) == tokens and list(vocabulary.values()) == list(range(len(tokens)))


def test_closing_marks_stay_with_their_sentence(program: ModuleType):
    text = "“走吧！”他说。我们下了楼，雨还没停……算了，打车吧"
    assert program.SENTENCE.findall(text) == split_sentences(text)


def test_the_layers_are_those_of_the_package(program, models, batch):
    theirs, ours = models
    ids, lengths = batch
    arguments = paddle.to_tensor(ids), paddle.to_tensor(lengths)
    own = [layer.numpy() for layer in ours.layers(*arguments)]
    hole = [layer.numpy() for layer in ours.layers(*arguments, positions="hole")]
    ahead, behind = ([output.numpy() for output in outputs] for outputs in theirs(ids, lengths))
    assert np.abs(ahead[0]).max() == pytest.approx(3.0), "the clip was reached"
    tolerance = 1e-5 * np.abs(own[-1]).max()
    for row, length in enumerate(lengths):
        for layer in range(2):
            left, right = ahead[layer][row], behind[layer][row, length::-1]  # the right reader's steps turned round
            both = np.hstack([left[1 : length + 1], right[:length]])
            np.testing.assert_allclose(both, own[layer + 1][row, :length], atol=tolerance)
            both = np.hstack([left[:length], right[1 : length + 1]])
            np.testing.assert_allclose(both, hole[layer + 1][row, :length], atol=tolerance)
    places = lengths // 2
    vectors = program.word_vectors(theirs, ids, lengths, places)
    np.testing.assert_allclose(vectors, hole[-1][np.arange(len(ids)), places], atol=tolerance)


def test_the_loss_and_its_gradient_are_those_of_the_package(program, models, batch):
    theirs, ours = models
    ids, lengths = batch
    theirs.loss(ids, lengths).backward()
    losses = []
    for direction in ("forward", "backward"):
        words = ids if direction == "forward" else program.turn(ids, lengths)
        begin, end = (0, 1) if direction == "forward" else (1, 0)
        for row, length in zip(words, lengths, strict=True):
            read = paddle.to_tensor([[begin, *row[:length]]])
            layers = ours.forward_layers if direction == "forward" else ours.backward_layers
            outputs, _ = ours.run_direction(layers, ours.look_up(read, ours.embedding_para), None)
            losses.append(ours.losses(outputs[-1][0], paddle.to_tensor([*row[:length], end])))
    paddle.concat(losses).mean().backward()
    assert float(theirs.loss(ids, lengths)) == pytest.approx(float(paddle.concat(losses).mean()), rel=1e-5)
    for name, parameter in theirs.named_parameters():
        expected = dict(ours.named_parameters())[name].grad.numpy()
        scale = np.abs(expected).max()
        np.testing.assert_allclose(parameter.grad.numpy(), expected, atol=1e-4 * scale, err_msg=name)


def test_padding_has_no_say(program, models, batch):
    theirs, _ = models
    ids, lengths = batch
    longer = np.hstack([ids, np.full([len(ids), 3], 7)])
    assert float(theirs.loss(longer, lengths)) == pytest.approx(float(theirs.loss(ids, lengths)), rel=1e-6)


def test_the_auc_is_that_of_the_package(program: ModuleType):
    generator = np.random.default_rng(2)
    vectors, senses = generator.normal(size=(12, 4)), ["fruit"] * 5 + ["company"] * 7
    assert program.pair_auc(vectors, senses) == pytest.approx(pair_auc(vectors, senses, centre=True))
    assert program.pair_auc(np.ones((12, 4)), senses) == 0.5


def test_the_marked_word_is_found_in_its_sentence(program: ModuleType, data: Path):
    for item in read_senses(data / "senses.tsv"):
        assert item.word in program.cut(item.sentence)


def test_it_learns_at_toy_size_and_the_seed_decides(program: ModuleType):
    sentences = [[3, 4, 5, 6], [7, 4, 8, 6], [3, 9, 5]] * 8

    def trained(seed: int) -> list[float]:
        paddle.seed(seed)
        model = program.BiLM(10, 8, 12, dropout=0.1)
        before = program.perplexity(model, sentences)
        assert before == pytest.approx(10, rel=0.5)
        return program.train(model, sentences, sentences, epochs=30, seed=seed, size=6, rate=0.02)

    first = trained(0)
    assert first[-1] < 2.5 and first[-1] < first[0]
    assert trained(0) == first and trained(1) != first


def test_run_as_a_program_it_writes_its_scores(tmp_path: Path):
    """A copy beside a small data folder of its own."""
    copy = tmp_path / "book" / "from_scratch" / PROGRAM.name
    copy.parent.mkdir(parents=True)
    shutil.copy(PROGRAM, copy)
    # Grandma washes the apples. I bought a phone. My Apple has run out of battery.
    text = "奶奶洗苹果。\n我买手机。\n我的苹果没电了。\n"
    for part in ("train", "dev"):
        (tmp_path / "data" / "documents" / part).mkdir(parents=True)
        (tmp_path / "data" / "documents" / part / "a.txt").write_text(text * 2, encoding="utf-8")
    rows = ["fruit\t\t奶奶洗苹果。\t3", "fruit\t\t我买苹果。\t2", "company\t\t我的苹果没电了。\t2"]
    rows = [f"苹果\t{row}" for row in rows] + [f"算账\t{row.replace('苹果', '算账')}" for row in rows]
    table = "\n".join(["word\tsense\tgloss\tsentence\tposition", *rows])
    (tmp_path / "data" / "senses.tsv").write_text(table, encoding="utf-8")
    command = [sys.executable, str(copy), "--epochs", "1", "--seeds", "2", "--output", str(tmp_path / "scores.json")]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    scores = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert scores.keys() == {"0", "1"}
    for record in scores.values():
        assert record.keys() == {"untrained", "trained", "perplexity", "seconds"}
        assert record["trained"].keys() == {"苹果", "算账", "all"} and 0 <= record["trained"]["all"] <= 1


def test_each_chapter_shows_its_part():
    text = PROGRAM.read_text(encoding="utf-8")
    names = {2: "02_word2vec", 3: "03_text", 4: "04_lstmp", 5: "05_bilm", 6: "06_pretraining", 7: "07_pingguo"}
    headings = re.findall(r"^# --- (Chapter (\d): .*) ---$", text, re.MULTILINE)
    assert [int(number) for _, number in headings] == sorted(names)
    for heading, number in headings:
        page = (SOURCES / f"{names[int(number)]}.md").read_text(encoding="utf-8")
        assert "{literalinclude} from_scratch/elmo_from_scratch.py" in page
        assert f":start-after: '# --- {heading} ---'" in page, heading
