"""What is asked here of the models that are compared: one vector a word, or vectors of words in their sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, Protocol

import numpy as np

from elmo.system.types import Vectors


class WordSpace(Protocol):
    """Words in falling order of frequency, each with a vector, such as `elmo.word_vectors.WordVectors`."""

    def vector(self, word: str) -> Vectors:
        """Return the vector of a word."""
        ...

    def __contains__(self, word: object) -> bool: ...

    def __iter__(self) -> Iterator[str]: ...


def vectors_of(space: WordSpace, words: Sequence[str], dim: int) -> Vectors:
    """The vectors of words, [words, dim]; of a word that has none, zeros."""
    rows = np.zeros((len(words), dim), np.float32)
    for place, word in enumerate(words):
        if word in space:
            rows[place] = space.vector(word)
    return rows


class ContextEncoder(Protocol):
    """A biLM with its vocabulary, such as `elmo.load_pretrained` returns."""

    @property
    def num_layers(self) -> int:
        """Layers of an encoded sentence."""
        ...

    def encode(self, sentences: list[list[str]], *, positions: Literal["own", "hole"] = "own") -> list[Vectors]:
        """Return [layers, words, dim] for each sentence."""
        ...

    def encode_stream(
        self, sentences: Iterable[Sequence[str]], batch_size: int = 64
    ) -> Iterator[tuple[list[str], Vectors]]:
        """Words and vectors [layers, words, dim] of each sentence."""
        ...

    def words(self, sentence: str) -> list[str]:
        """Cut a sentence into words."""
        ...
