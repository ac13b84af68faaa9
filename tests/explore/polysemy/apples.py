"""苹果 as a fruit and as a company: sentences, reviews and pairs in files, and an encoder that tells the two apart."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
SIZE = 8


def drawn(text: str, *shape: int) -> Array:
    """Numbers that belong to a text."""
    return np.random.default_rng(list(text.encode())).normal(size=shape)


class FakeEncoder:
    """Layer 0 knows the word alone. The hole of layer 1 knows whether its sentence is about something to eat.

    So does the own vector of layer 1 if the encoder is `sighted`; otherwise it knows nothing but the word, too.
    """

    num_layers = 2

    def __init__(self, words: Callable[[str], list[str]], *, sighted: bool) -> None:
        self.words = words
        self.sighted = sighted
        self.read: list[tuple[str, str]] = []  # sentences, and where their words' vectors were taken

    def encode(self, sentences: list[list[str]], *, positions: str = "own") -> list[Array]:
        arrays = []
        for words in sentences:
            text = "".join(words)
            self.read.append((text, positions))
            own = np.array([drawn(word, SIZE) for word in words])
            context = drawn(text, len(words), SIZE)
            context[:, 0] += 8 if "很甜" in text or "斤" in text else -8
            in_own = own + context if self.sighted else own
            arrays.append(np.array([own, in_own] if positions == "own" else [0 * own, context], np.float32))
        return arrays


def write_senses(path: Path, marked: list[tuple[str, str, str]]) -> Path:
    """Marked sentences: a word, its sense, a sentence."""
    lines = [f"{word}\t{sense}\t{sense}\t{text}\t{text.index(word)}\n" for word, sense, text in marked]
    path.write_text("word\tsense\tgloss\tsentence\tposition\n" + "".join(lines), encoding="utf-8")
    return path


def write_reviews_and_pairs(folder: Path) -> dict[str, Path]:
    """Reviews of both senses, and 24 pairs of MCL-WiC: every second one in two senses."""
    paths = {name: folder / name for name in ("reviews.csv", "dev.data", "dev.gold")}
    rows = [f"水果,1,第{n}次买，苹果很甜\n平板,1,第{n}次买，苹果手机好\n" for n in range(150)]
    paths["reviews.csv"].write_text("cat,label,review\n" + "".join(rows), encoding="utf-8")
    data = []
    for n in range(24):
        begin = len(f"{n}号 ")
        first = {"sentence1": f"{n}号 苹果 手机", "start1": begin, "end1": begin + 2}
        second = {"sentence2": f"{n}年 苹果 {'手机' if n % 2 else '很甜'}", "start2": begin, "end2": begin + 2}
        data.append({"id": str(n), "lemma": f"苹果{n}", **first, **second})
    paths["dev.data"].write_text(json.dumps(data), encoding="utf-8")
    gold = [{"id": str(n), "tag": "T" if n % 2 else "F"} for n in range(24)]
    paths["dev.gold"].write_text(json.dumps(gold), encoding="utf-8")
    return paths
