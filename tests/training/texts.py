"""Random text of twenty words, and a pretraining on a folder of text with what a test gives."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from elmo.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from elmo.training.bilm import pretrain

WORDS = [f"词{number}" for number in range(20)]


def save_vocabulary(folder: Path) -> None:
    """All words but the last two."""
    Vocabulary([*SPECIAL_TOKENS, *WORDS[:-2]]).save(folder / "vocabulary.txt")


def write_shard(path: Path, chosen: random.Random, sentences: int, longest: int) -> None:
    """Sentences of 1 to `longest` words."""
    lines = [" ".join(chosen.choices(WORDS, k=chosen.randint(1, longest))) + "\n" for _ in range(sentences)]
    path.write_text("".join(lines), encoding="utf-8")


def learn(
    text: Path, save: Path | None, *, run: Callable[..., list[dict[str, Any]]] = pretrain, **given: Any
) -> list[dict[str, Any]]:
    """Pretrain on the shards of a folder, with its vocabulary and held-out text; returns a record an epoch."""
    save_dir = None if save is None else str(save)
    arguments = {"test_path": f"{text}/dev", **given}
    return run(f"{text}/train*", f"{text}/vocabulary.txt", para_save_dir=save_dir, **arguments)
