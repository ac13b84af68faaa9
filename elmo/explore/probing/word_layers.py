"""One vector for each word in each layer, of a model of any kind: ELMo, BERT or ERNIE, word2vec."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from elmo.convert import read_any
from elmo.encoding.any_model import AnyModel, open_files
from elmo.encoding.bert import Bert
from elmo.encoding.encoder import Encoder
from elmo.explore.report import static_layers
from elmo.system.types import PathLike, Vectors
from elmo.text.pieces import Piece

Encode = Callable[[list[list[str]]], list[Vectors]]

OWN, MEAN = "word", "mean of the sentence"  # what word vectors offer for a word


@dataclass(frozen=True)
class WordLayers:
    """What a model offers for words in their sentences."""

    kind: str  # "bilm", "masked_lm" or "skipgram"
    layers: list[str]
    encode: Encode  # sentences, lists of words -> an array [layers, words, dim] for each


def open_model(place: PathLike) -> tuple[str, AnyModel]:
    """Kind and model of what lies at a path, or has this name; InputError as `read_any` and `open_files`."""
    files = read_any(place)
    return files.kind, open_files(files, place)


def word_layers(place: PathLike) -> WordLayers:
    """Layers of a model by words; raises as `open_model`."""
    kind, model = open_model(place)
    if isinstance(model, Encoder):
        return WordLayers(kind, [str(layer) for layer in range(model.num_layers)], model.encode)
    if isinstance(model, Bert):
        return WordLayers(kind, [str(layer) for layer in range(model.num_layers)], by_words(model))
    return WordLayers(kind, [OWN, MEAN], static_layers(model, model.vectors.shape[1]))


def by_words(bert: Bert) -> Encode:
    """Encode with a model that reads characters: a word's vector is the mean over its pieces, zeros if it has none."""

    def encode(sentences: list[list[str]]) -> list[Vectors]:
        encoded = bert.encode_stream(sentences)
        return [_join(words, pieces, vectors) for words, (pieces, vectors) in zip(sentences, encoded, strict=True)]

    return encode


def _join(words: Sequence[str], pieces: Sequence[Piece], vectors: Vectors) -> Vectors:
    """Mean over each word's pieces: [layers, pieces, dim] -> [layers, words, dim]."""
    ends = np.cumsum([len(word) for word in words])
    begins = np.array([piece.begin for piece in pieces], dtype=np.int64)
    owner = np.searchsorted(ends, begins, side="right")  # the word that each piece lies in
    joined = np.zeros((vectors.shape[0], len(words), vectors.shape[2]), np.float32)
    for place in range(len(words)):
        if (own := owner == place).any():
            joined[:, place] = vectors[:, own].mean(axis=1)
    return joined
