"""Encoding much: one long line costs the others nothing, files can be small, any model gives vectors."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from rich.console import Console

from elmo import cli
from elmo.bilm import BiLM
from elmo.bilm_config import BiLMConfig
from elmo.commands import progress
from elmo.encoding import encoder as encoder_module
from elmo.encoding.any_model import load_encoder, read_sentences_of
from elmo.encoding.bert import Bert
from elmo.encoding.encoder import Encoder
from elmo.encoding.vectors_file import parse_layers, read_vectors, write_vectors
from elmo.errors import InputError
from elmo.masked_lm import MaskedLM, MaskedLMConfig
from elmo.models import write_model
from elmo.nn import native
from elmo.runtime import paddle
from elmo.text.lengths import blocks
from elmo.text.pieces import PieceVocabulary
from elmo.text.segment import WhitespaceSegmenter
from elmo.text.vocabulary import Vocabulary
from elmo.word_vectors import WordVectors
from tests.commands import elmo
from tests.parameters import files_of

WORDS = Vocabulary(["<S>", "</S>", "<UNK>", "我", "买", "苹果"])
PIECES = PieceVocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "我", "买", "苹", "果"])
formats = pytest.mark.parametrize("name", ["v.npz", "v.h5"])


@pytest.fixture
def model() -> BiLM:
    paddle.seed(0)
    return BiLM(BiLMConfig(len(WORDS), 4, 6, num_layers=2))


@pytest.fixture
def models(tmp_path: Path, model: BiLM) -> dict[str, Path]:
    """A directory of each kind."""
    bert = MaskedLM(MaskedLMConfig(len(PIECES), 8, 1, 2, 16, max_length=10))
    write_model(tmp_path / "elmo", files_of(model, WORDS))
    write_model(tmp_path / "bert", files_of(bert, PIECES))
    WordVectors(WORDS, np.arange(18, dtype=np.float32).reshape(6, 3)).save(tmp_path / "word2vec")
    return {name: tmp_path / name for name in ("elmo", "bert", "word2vec")}


def run(*arguments: object) -> int:
    return elmo(*arguments, "--use_gpu", "False")


# Memory


def test_a_long_sentence_is_not_padded_for_with_the_others(model, monkeypatch):
    shapes = []
    layers = model.layers

    def watched(ids, *rest):
        shapes.append(tuple(ids.shape))
        return layers(ids, *rest)

    monkeypatch.setattr(model, "layers", watched)
    encoder = Encoder(model, WORDS, WhitespaceSegmenter())
    found = encoder.encode([["我"] * 3] * 40 + [["买"] * 6000], batch_size=64)
    assert [len(vectors[0]) for vectors in found] == [3] * 40 + [6000]
    assert max(rows * columns for rows, columns in shapes) == 6000, shapes


@pytest.mark.parametrize("kind", ["elmo", "bert"])
def test_what_is_read_ahead_is_bounded_by_its_vectors(models, model, monkeypatch, kind):
    monkeypatch.setattr("elmo.encoding.pretrained._BLOCK_BYTES", 4096)
    taken = []

    def lines():
        for number in range(50):
            taken.append(number)
            yield "我 买 苹果"

    stream = load_encoder(models[kind], "whitespace").encode_stream(lines(), 2)
    next(stream)
    # 96 bytes a word of ELMo's three layers, 64 a piece of BERT's two: 14 lines, or 16, and one that is too many
    assert len(taken) <= 20, taken
    assert len(list(stream)) == 49


def test_blocks_have_their_bounds():
    found = list(blocks("a bb ccc dddddddd e f g".split(), len, 2, 4))
    assert found == [["a", "bb"], ["ccc"], ["dddddddd"], ["e", "f"], ["g"]]
    assert list(blocks([], len, 2, 4)) == []


def test_words_of_a_long_sentence_cost_an_archive_nothing_for_the_others(tmp_path):
    sentences = [["我"]] * 300 + [["我"] * 5000]
    vectors = (np.zeros((1, len(words), 1), np.float32) for words in sentences)
    write_vectors(tmp_path / "v.npz", zip(sentences, vectors, strict=True))
    with zipfile.ZipFile(tmp_path / "v.npz") as archive:
        assert archive.getinfo("sentences.npy").file_size < 50_000  # it was 36 MB: 30,000 characters for each line
    assert read_vectors(tmp_path / "v.npz")[0] == sentences


def test_archives_of_the_first_format_are_read(tmp_path):
    array = np.ones((1, 2), np.float32)
    header = {"format": "elmo-vectors/1", "layers": "0", "positions": "own", "model": "m"}
    np.savez(tmp_path / "v.npz", **{"0": array}, sentences=np.array(['["我"]']), **header)
    assert read_vectors(tmp_path / "v.npz")[0] == [["我"]]


# Smaller files


@formats
def test_vectors_can_be_compressed(tmp_path, name):
    pairs = [(["我"] * 50, np.tile(np.arange(4, dtype=np.float32), (2, 50, 1))), ([], np.zeros((2, 0, 4), np.float32))]
    write_vectors(tmp_path / name, pairs)
    write_vectors(tmp_path / f"packed_{name}", pairs, compress=True)
    (plain, packed) = (tmp_path / name, tmp_path / f"packed_{name}")
    if name == "v.npz":
        assert packed.stat().st_size < plain.stat().st_size
    else:
        with h5py.File(packed) as file:
            assert (file["0"].compression, file["0"].shuffle) == ("gzip", True)
            assert file["0"].id.get_storage_size() < file["0"].nbytes / 4
    for ours, theirs in zip(read_vectors(packed)[1], read_vectors(plain)[1], strict=True):
        np.testing.assert_array_equal(ours, theirs)


@formats
def test_a_sentence_has_one_vector_by_the_mean(tmp_path, name):
    vectors = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    pairs = [(["我", "买", "苹果"], vectors), ([], np.zeros((2, 0, 2), np.float32))]
    write_vectors(tmp_path / name, pairs, pool="mean")
    words, arrays = read_vectors(tmp_path / name)
    assert words == [["我", "买", "苹果"], []]
    np.testing.assert_allclose(arrays[0], vectors.mean(axis=1))
    np.testing.assert_array_equal(arrays[1], np.zeros((2, 2)))
    write_vectors(tmp_path / name, pairs, pool="mean", layers=1, overwrite=True)
    np.testing.assert_allclose(read_vectors(tmp_path / name)[1][0], vectors[1].mean(axis=0))
    with pytest.raises(InputError, match="pool is 'max': choose one of none, mean"):
        write_vectors(tmp_path / "other.npz", pairs, pool="max")


def test_several_layers_can_be_chosen(tmp_path):
    vectors = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    write_vectors(tmp_path / "v.npz", [(["我", "买"], vectors)], layers=parse_layers("2,0"))
    np.testing.assert_array_equal(read_vectors(tmp_path / "v.npz")[1][0], vectors[[2, 0]])
    with pytest.raises(InputError, match="there is no layer 3"):
        write_vectors(tmp_path / "w.npz", [(["我", "买"], vectors)], layers=(0, 3))
    for text in ("0,", "0,x", ",", "0;1"):
        with pytest.raises(InputError, match="or several as 0,2"):
            parse_layers(text)


# Any model, any lines


def test_every_kind_of_model_encodes(models, tmp_path):
    (tmp_path / "lines.txt").write_text("我 买 苹果\n\n", encoding="utf-8")
    shapes = {"elmo": (3, 3, 8), "bert": (2, 4, 8), "word2vec": (1, 3, 3)}
    for kind, path in models.items():
        target = tmp_path / f"{kind}.npz"
        assert run("encode", path, tmp_path / "lines.txt", "-o", target, "--segmenter", "whitespace") == 0
        words, arrays = read_vectors(target)
        assert [array.shape for array in arrays] == [shapes[kind], (shapes[kind][0], 0, shapes[kind][2])]
        assert words[0] == (["我", "买", "苹", "果"] if kind == "bert" else ["我", "买", "苹果"])
    np.testing.assert_allclose(arrays[0][0], [[9, 10, 11], [12, 13, 14], [15, 16, 17]])
    direct = Bert.from_pretrained(models["bert"]).encode(["我 买 苹果"])[0]
    np.testing.assert_allclose(read_vectors(tmp_path / "bert.npz")[1][0], direct, atol=1e-6)


def test_what_only_an_elmo_can_is_refused_for_others(models, tmp_path, capsys):
    (tmp_path / "lines.txt").write_text("我\n", encoding="utf-8")
    for flag in (["--positions", "hole"], ["--carry_state", "True"]):
        call = ["encode", models["bert"], tmp_path / "lines.txt", "-o", tmp_path / "v.npz", *flag]
        assert run(*call) == 2
        assert "is a masked_lm model: --positions and --carry_state are for an ELMo" in capsys.readouterr().err


def test_sentences_are_read_from_a_field_of_json_lines(models, tmp_path, capsys):
    records = [{"id": 1, "text": "我 买 苹果"}, {"text": ["我", "买"]}, {"text": ""}]
    path = tmp_path / "lines.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    call = ["encode", models["elmo"], path, "-o", tmp_path / "v.npz", "--segmenter", "whitespace"]
    assert run(*call, "--field", "text") == 0
    assert read_vectors(tmp_path / "v.npz")[0] == [["我", "买", "苹果"], ["我", "买"], []]
    assert run(*call, "--overwrite") == 2
    assert "say which field of its objects is the sentence, as in --field text" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "我"', ":2: is no JSON object"),
        ("[1]", ":2: is no JSON object"),
        ('{"body": "我"}', ":2: has no field 'text'; its fields are 'body'"),
        ('{"text": 3}', ":2: field 'text' is neither a string nor a list of words"),
        ("[" * 100_000, ":2: is no JSON object"),
    ],
    ids=["cut", "list", "other field", "number", "deep"],
)
def test_a_line_without_the_field_is_named(tmp_path, line, message):
    (tmp_path / "lines.jsonl").write_text(f'{{"text": "我"}}\n{line}\n', encoding="utf-8")
    with pytest.raises(InputError, match=message):
        list(read_sentences_of(tmp_path / "lines.jsonl", "text"))


# What is said


@pytest.mark.parametrize(
    ("stop", "code", "said"), [(KeyboardInterrupt(), 130, "interrupted"), (SystemExit(143), 143, "stopped")]
)
def test_who_stops_it_is_told_that_nothing_is_left(models, tmp_path, capsys, monkeypatch, stop, code, said):
    (tmp_path / "lines.txt").write_text("我\n", encoding="utf-8")

    def stopped(*_):
        raise stop

    monkeypatch.setattr(encoder_module.Encoder, "_encode_block", stopped)
    before = sorted(tmp_path.iterdir())
    assert run("encode", models["elmo"], tmp_path / "lines.txt", "-o", tmp_path / "v.npz") == code
    assert sorted(tmp_path.iterdir()) == before
    assert capsys.readouterr().err.endswith(f"elmo: {said}; nothing half-written is left behind\n")


def test_without_compiled_loops_a_line_says_what_is_slower(models, tmp_path, capsys, monkeypatch):
    (tmp_path / "lines.txt").write_text("我\n", encoding="utf-8")
    monkeypatch.setenv(native.SWITCH, "0")
    monkeypatch.setattr(native, "library", lambda: None)
    assert run("encode", models["elmo"], tmp_path / "lines.txt", "-o", tmp_path / "v.npz") == 0
    assert f"warning: the compiled loops are off: {native.SWITCH}=0: LSTM layers" in capsys.readouterr().err


def test_a_terminal_shows_how_many_are_done_and_a_pipe_nothing(monkeypatch):
    for is_terminal in (True, False):
        shown = io.StringIO()
        monkeypatch.setattr(
            progress, "stderr_console", lambda s=shown, t=is_terminal: Console(file=s, force_terminal=t)
        )
        assert list(progress.counted([1, 2, 3], "sentences")) == [1, 2, 3]
        assert ("3 sentences" in shown.getvalue()) == is_terminal


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_terminal_shows_what_takes_long_and_for_how_long(monkeypatch, is_terminal):
    shown = io.StringIO()
    monkeypatch.setattr(progress, "stderr_console", lambda: Console(file=shown, force_terminal=is_terminal))
    progress.shown_as_busy(lambda number: shown.write(f"did {number}"), "elmo eval perplexity")(3)
    assert "did 3" in shown.getvalue()
    assert ("elmo eval perplexity" in shown.getvalue()) == is_terminal


def test_every_evaluation_shows_that_it_is_at_work():
    commands = [command.callback for command in cli.evaluation.app.registered_commands]
    assert all(hasattr(command.__wrapped__, "__wrapped__") for command in commands)  # guarded, and shown as busy
