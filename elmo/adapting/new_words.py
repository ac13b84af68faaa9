"""New words in a trained biLM's vocabulary: where their rows begin."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from elmo.errors import InputError
from elmo.models import ModelFiles
from elmo.text.vocabulary import Vocabulary

STARTS = ("characters", "unknown")
_LEAST_COUNT = 2  # of a word that is taken up: from one place nothing is learnt that holds elsewhere
_RARE = 0.01  # share of the vocabulary, at its end, whose mean bias new words begin with
_ROWS = ("embedding_para", "softmax_weight")


def choose_new_words(counts: Mapping[str, int], vocabulary: Vocabulary, most: int) -> list[str]:
    """Return the most frequent words that a vocabulary lacks, at most so many, each met twice or more.

    Args:
        counts: of the words of the text that is learnt from.
    """
    found = [word for word, count in counts.items() if count >= _LEAST_COUNT and word not in vocabulary]
    return sorted(found, key=lambda word: (-counts[word], word))[:most]


def add_words(files: ModelFiles, words: list[str], start: str = "characters") -> ModelFiles:
    """A biLM whose vocabulary has some words more, at its end.

    Args:
        files: the model; it looks word ids up.
        words: that its vocabulary lacks.
        start: what a new row is at first. "characters": the mean of the rows of the word's characters, as far as they
            are words of the vocabulary, and the row of `<UNK>` where none is. "unknown": the row of `<UNK>`.

    Raises:
        InputError: the model reads characters, so that no word is unknown to it, or `start` is neither.
    """
    if not words:
        return files
    if files.config.get("token_encoder") is not None:
        raise InputError("this model reads words by their characters: leave --new_words out")
    if start not in STARTS:
        raise InputError(f"start is {start!r}: give one of {', '.join(STARTS)}")
    vocabulary = files.vocabulary
    arrays = dict(files.arrays)
    for name in _ROWS:
        if name in arrays:
            rows = [_row(arrays[name], word, vocabulary, start) for word in words]
            arrays[name] = np.concatenate([arrays[name], np.array(rows, arrays[name].dtype)])
    if (bias := arrays.get("softmax_bias")) is not None:
        rare = bias[-max(1, round(_RARE * len(bias))) :].mean()
        arrays["softmax_bias"] = np.concatenate([bias, np.full(len(words), rare, bias.dtype)])
    larger = Vocabulary([*vocabulary.tokens, *words])
    return dataclasses.replace(
        files, config={**files.config, "vocab_size": len(larger)}, vocabulary=larger, arrays=arrays
    )


def _row(table: npt.NDArray[Any], word: str, vocabulary: Vocabulary, start: str) -> npt.NDArray[Any]:
    unknown = vocabulary.unk_id
    known = [index for index in vocabulary.encode(word) if index != unknown] if start == "characters" else []
    row: npt.NDArray[Any] = table[known].mean(axis=0) if known else table[unknown]
    return row
