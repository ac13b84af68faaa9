"""What would mislead is said: unknown words, another segmenter, another script, another encoding."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from elmo.encoding.any_model import load_encoder
from elmo.encoding.bert import Bert
from elmo.encoding.encoder import load_pretrained
from elmo.encoding.vectors_file import read_vectors
from elmo.masked_lm import MaskedLM, MaskedLMConfig
from elmo.models import read_model, write_model
from elmo.text.pieces import PieceVocabulary
from elmo.text.segment.dictionary import TextRecord
from tests.parameters import files_of
from tests.test_cli import SMALL, made, run

__all__ = ["made"]

TRADITIONAL = "舊手機換成了新蘋果，橋邊漲水，學校開門。\n"


@pytest.fixture
def model(made: Path, tmp_path: Path) -> Path:
    """A checkpoint that one epoch made."""
    return Path(shutil.copytree(made / "checkpoints" / "epoch_001", tmp_path / "model"))


def test_encode_reports_unknown_words_and_warns_of_another_script(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, target = tmp_path / "lines.txt", tmp_path / "v.npz"
    text.write_text("雨下了一夜，河水涨到了桥边。\n", encoding="utf-8")
    code, _, err = run(capsys, "encode", model, text, "-o", target)
    assert code == 0 and "1 sentences in" in err and "0.0% of their words are unknown" in err
    assert "warning" not in err
    text.write_text(TRADITIONAL, encoding="utf-8")
    code, _, err = run(capsys, "encode", model, text, "-o", target, "--overwrite")
    assert code == 0
    assert re.search(r"warning: \d\d% of the words are unknown to the vocabulary.*segment.*simplified.*elmo vocab", err)


def test_eval_perplexity_reports_unknown_words_and_nats_per_character(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = tmp_path / "scores.json"
    (tmp_path / "known").write_text("雨下 了 一夜 ，\n", encoding="utf-8")
    code, _, err = run(capsys, "eval", "perplexity", model, "--test_path", tmp_path / "known", "-o", scores)
    assert code == 0 and "nats a character, 0.0% of the words unknown" in err and "warning" not in err
    (tmp_path / "raw").write_text("雨下了一夜，河水涨到了桥边。\n你明天来不来？\n", encoding="utf-8")
    code, _, err = run(capsys, "eval", "perplexity", model, "--test_path", tmp_path / "raw", "-o", scores)
    assert code == 0 and "warning: 100% of the words are unknown" in err
    known = json.loads(scores.read_text(encoding="utf-8"))
    assert known["unknown_share"] == 1 and known["nats_per_character"] > 2


@pytest.mark.slow
def test_a_model_knows_how_its_text_was_made_and_warns_where_it_is_used_otherwise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "words.txt").write_text("苹果熟了\n", encoding="utf-8")
    (tmp_path / "document.txt").write_text("园里苹果熟了，１２３。\n" * 5, encoding="utf-8")
    own = ["--user_dictionary", tmp_path / "words.txt"]
    made = ["--normalise", "width", *own, "--workers", 1]
    assert run(capsys, "preprocess", tmp_path / "document.txt", "-o", tmp_path / "shards", *made)[0] == 0
    assert run(capsys, "vocab", tmp_path / "shards/*", "-o", tmp_path / "vocab.txt")[0] == 0
    flags = ["--train_path", tmp_path / "shards/*", "--vocab_path", tmp_path / "vocab.txt", "--max_epoch", 1]
    code, _, err = run(capsys, "pretrain", *flags, "--para_save_dir", tmp_path / "run", *SMALL)
    assert code == 0 and "warning" not in err
    model = tmp_path / "run/epoch_001"
    text = read_model(model).provenance["text"]
    assert text["segmenter"]["user_dictionary"]["name"] == "words.txt" and text["normalise"] == ["width"]

    (tmp_path / "lines.txt").write_text("园里苹果熟了，１２３。\n", encoding="utf-8")
    call = ["encode", model, tmp_path / "lines.txt", "-o", tmp_path / "v.npz", "--overwrite"]
    code, _, err = run(capsys, *call, *own)
    assert code == 0 and "0.0% of their words are unknown" in err and "warning" not in err
    sentences, _ = read_vectors(tmp_path / "v.npz")
    assert sentences == [["园里", "苹果熟了", "，", "123", "。"]]
    _, _, err = run(capsys, *call)
    assert re.search(r"warning: .*its text was cut by jieba with words\.txt \(SHA-256 \w{12}\), not by jieba", err)
    (tmp_path / "words.txt").write_text("苹果熟了\n苹果\n", encoding="utf-8")
    _, _, err = run(capsys, *call, *own, "--normalise", "none")
    assert len(re.findall("its text was cut by", err)) == 1
    assert "its text was normalised by width, not by none: give --normalise width" in err

    score = ["eval", "perplexity", model, "-o", tmp_path / "scores.json", "--test_path"]
    assert "warning" not in run(capsys, *score, tmp_path / "shards/*")[2]
    plain = ["preprocess", tmp_path / "document.txt", "-o", tmp_path / "plain", "--workers", 1]
    assert run(capsys, *plain)[0] == 0
    _, _, err = run(capsys, *score, tmp_path / "plain/*")
    assert len(re.findall("warning: .*its text was (cut|normalised) by", err)) == 2

    adapt = ["adapt", model, tmp_path / "document.txt", "--max_epoch", 1, "--output"]
    (tmp_path / "words.txt").write_text("苹果熟了\n", encoding="utf-8")
    (tmp_path / "document.txt").write_text("".join(f"园里苹果熟了{n}个。\n" for n in range(70)), encoding="utf-8")
    code, _, err = run(capsys, *adapt, tmp_path / "mine", *own)
    assert code == 0 and "warning: the text was made" not in err
    assert read_model(tmp_path / "mine").provenance["text"] == text
    assert "warning: the text was made in several ways" in run(capsys, *adapt, tmp_path / "other")[2]


def test_bert_reads_text_as_that_of_its_training_was_normalised(tmp_path: Path) -> None:
    vocabulary = PieceVocabulary([*PieceVocabulary.special_tokens, "我", "1", "é"])
    config = MaskedLMConfig(len(vocabulary), 8, 1, 2, 16, max_length=10, lower_case=False)
    record = {"text": {"segmenter": {"name": "jieba"}, "normalise": ["nfc", "width"]}}
    write_model(tmp_path / "bert", files_of(MaskedLM(config), vocabulary, record))
    written, normal = "\ufeff１我e\u0301", "1我é"
    bert = Bert.from_pretrained(tmp_path / "bert")
    assert [piece.token for piece in bert.tokenize(written)] == list(normal)
    assert bert.tokenize(list("１我é")) == bert.tokenize(normal)
    assert (bert.encode([written])[0] == bert.encode([normal])[0]).all()
    for sentence in (written, [written]):
        ((pieces, _),) = load_encoder(tmp_path / "bert").encode_stream([sentence])
        assert pieces == list(normal)
    with pytest.warns(UserWarning, match="normalised by nfc, width, not by none: give --normalise nfc,width"):
        assert "[UNK]" in [
            piece.token for piece in Bert.from_pretrained(tmp_path / "bert", normalise=()).tokenize("１")
        ]


def test_text_of_two_ways_is_warned_about(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "document.txt").write_text("园里苹果熟了。\n" * 5, encoding="utf-8")
    for name, steps in (("one", "none"), ("two", "width")):
        made = ["--normalise", steps, "--workers", 1]
        assert run(capsys, "preprocess", tmp_path / "document.txt", "-o", tmp_path / name, *made)[0] == 0
    assert run(capsys, "vocab", tmp_path / "one/*", "-o", tmp_path / "vocab.txt")[0] == 0
    flags = ["--train_path", tmp_path / "one/*", "--test_path", tmp_path / "two/*", "--max_epoch", 1]
    call = ["pretrain", *flags, "--vocab_path", tmp_path / "vocab.txt", "--para_save_dir", tmp_path / "run", *SMALL]
    code, _, err = run(capsys, *call)
    assert code == 0 and "warning: the text was made in several ways" in err


def test_what_a_foreign_header_says_of_its_text_does_no_harm(model: Path) -> None:
    for text in (None, 3, {}, {"segmenter": 1}, {"segmenter": {"name": ["x"]}, "normalise": 7}):
        assert TextRecord.of({"text": text}).usable_segmenter == "jieba"
        assert TextRecord.of({"text": text}).normalise == ()
    assert load_pretrained(model).segmenter.name == "jieba"


@pytest.mark.slow
def test_encode_reads_gb18030_and_says_so_where_it_is_not_asked_to(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lines.txt").write_bytes("雨下了一夜\n桥边\n".encode("gb18030"))
    call = ["encode", model, tmp_path / "lines.txt", "-o", tmp_path / "v.npz"]
    code, _, err = run(capsys, *call)
    assert code == 2 and re.search(r"lines\.txt:1: byte 1 of the line, 0x\w\w, is not UTF-8; .*--encoding gb18030", err)
    assert run(capsys, *call, "--encoding", "gbk")[0] == 0
    assert ["".join(words) for words in read_vectors(tmp_path / "v.npz")[0]] == ["雨下了一夜", "桥边"]
    code, _, err = run(capsys, *call, "--encoding", "ebcdic", "--overwrite")
    assert code == 2 and "encoding 'ebcdic' cannot be read" in err
