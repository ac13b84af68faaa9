"""Averages of contextual vectors: over which sentences, and of what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elmo.errors import InputError
from elmo.explore.averages import average_vectors
from elmo.explore.report import evaluate_averages


class Counting:
    """Layer 0 is the place in the sentence, layer 1 the sentence's length."""

    num_layers = 2

    def __init__(self) -> None:
        self.sentences: list[Sequence[str]] = []

    def encode_stream(self, sentences: Iterable[Sequence[str]], batch_size: int = 64) -> Iterator[tuple[Any, Any]]:
        for words in sentences:
            self.sentences.append(words)
            places = np.arange(len(words), dtype=np.float32)
            yield list(words), np.stack([places, np.full(len(words), len(words), np.float32)])[:, :, None]


SENTENCES = [["花", "开", "了"], ["他", "花", "钱"], ["风"], ["花"], ["钱", "花"]]


def test_a_words_vector_is_the_mean_over_its_mentions() -> None:
    spaces = average_vectors(Counting(), SENTENCES, ["花", "钱", "雪"])
    assert [space.vector("花").tolist() for space in spaces] == [[0.5], [2.25]]
    assert spaces[0].vector("钱").tolist() == [1.0]
    assert list(spaces[0]) == ["花", "钱"] and "雪" not in spaces[0] and len(spaces[0]) == 2


def test_no_more_sentences_are_encoded_than_are_wanted() -> None:
    encoder = Counting()
    average_vectors(encoder, SENTENCES, ["花"], most=2)
    assert encoder.sentences == SENTENCES[:2]


def test_long_sentences_and_those_without_a_wanted_word_are_passed_over() -> None:
    encoder = Counting()
    average_vectors(encoder, SENTENCES, ["花", "风"], longest=2)
    assert encoder.sentences == SENTENCES[2:]


def test_sentences_are_not_only_those_of_the_shard_whose_name_comes_first(tmp_path: Path) -> None:
    for number, subject in enumerate("城林河海山田路桥"):
        (tmp_path / f"sentence_file_{number}").write_text(f"{subject} 花 钱\n{subject} 花 风\n", encoding="utf-8")
    (tmp_path / "pairs.txt").write_text("花\t钱\t5\n花\t风\t3\n钱\t风\t1\n", encoding="utf-8")
    encoder = Counting()
    for _ in range(2):
        scores = evaluate_averages(encoder, f"{tmp_path}/sentence_file_*", [tmp_path / "pairs.txt"], most=8)
    assert [found["pairs"]["covered"] for found in scores.values()] == [3, 3]
    half = len(encoder.sentences) // 2
    first, again = encoder.sentences[:half], encoder.sentences[half:]
    assert first == again, "the same order each time"
    subjects = [words[0] for words in first]
    assert subjects[::2] == subjects[1::2] and subjects[::2] != sorted(subjects[::2], key="城林河海山田路桥".index)


def test_words_that_stand_nowhere_are_an_error_and_have_no_vector() -> None:
    with pytest.raises(InputError, match="none of the 1 words"):
        average_vectors(Counting(), SENTENCES, ["雪"])
    with pytest.raises(InputError, match="'雪'"):
        average_vectors(Counting(), SENTENCES, ["花"])[0].vector("雪")
