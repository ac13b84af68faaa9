"""What would mislead is said: unknown words, another segmenter, another script, another encoding."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.test_cli import made, run

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
