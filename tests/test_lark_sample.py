"""LARK's own command on LARK's own sample text, at small sizes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands import elmo


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_perplexity_falls_every_epoch_with_larks_flags(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").symlink_to(shared / "lark" / "sample")
    monkeypatch.chdir(tmp_path)
    command = (
        "pretrain --train_path=data/train/sentence_file_* --test_path=data/dev/sentence_file_* "
        "--vocab_path data/vocabulary_min5k.txt --learning_rate 0.2 --use_gpu True --all_train_tokens 35479 "
        "--local True --embed_size 32 --hidden_size 64 --max_epoch 3"
    )
    assert elmo(*command.split()) == 0
    history = json.loads((tmp_path / "checkpoints/epoch_003/training.json").read_text(encoding="utf-8"))["history"]
    perplexities = [record["perplexity"] for record in history]
    assert len(perplexities) == 3
    assert perplexities[0] > perplexities[1] > perplexities[2]
    assert "all_train_tokens is 35479, but the training shards hold 35469 words" in capsys.readouterr().err
