"""Vectors for the words of a sentence that a task puts beside its own: contextual ones of a biLM, or word2vec's.

A biLM whose vocabulary is of characters has vectors of characters: no mistake of a segmenter is in them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from elmo.encoding.encoder import Encoder, load_pretrained
from elmo.encoding.lark_defects import LarkTransfer, check_defects
from elmo.encoding.protocols import vectors_of
from elmo.errors import InputError
from elmo.system.types import PathLike, Vectors
from elmo.text.vocabulary import Vocabulary
from elmo.word_vectors import WordVectors

WORDS, CHARACTERS = UNITS = ("words", "characters")  # what vectors are of


class Features(Protocol):
    """What gives vectors; `layers` of them, which a scalar mix weighs."""

    layers: int
    size: int
    unit: str  # one of `UNITS`

    def encode(self, sentences: Sequence[Sequence[str]]) -> list[Vectors]:
        """Vectors [layers, units, size] of each sentence of words, or of characters where these are the unit."""
        ...

    def describe(self) -> dict[str, Any]:
        """What `make_features` needs to make the same again, and to see that they are the same."""
        ...


class ElmoFeatures:
    """A frozen biLM's layers.

    Args:
        elmo: a loaded encoder, or what `elmo.load_pretrained` takes.
        use_layers: which layers; None for all. Layer 0 is the word vector.
        defects: errors of LARK's transfer program to repeat, see `elmo.encoding.lark_defects`; for measuring them.
        unit: what it has read in pretraining, "words" or "characters"; None: characters if its vocabulary has nothing
            else.

    Raises:
        InputError: there are no such layers, defects or units, or the unit is characters and the model's words are not.
    """

    def __init__(
        self,
        elmo: Encoder | PathLike,
        use_layers: Sequence[int] | None = None,
        defects: Sequence[str] = (),
        unit: str | None = None,
    ) -> None:
        # What it encodes is cut already: any segmenter will do.
        self._encoder = elmo if isinstance(elmo, Encoder) else load_pretrained(elmo, "whitespace")
        self._source = None if isinstance(elmo, Encoder) else os.fspath(elmo)
        known = range(self._encoder.num_layers)
        self._use = tuple(known if use_layers is None else use_layers)
        if not self._use or not all(type(layer) is int and layer in known for layer in self._use):
            raise InputError(f"layers {list(self._use)}: give some of 0 to {known[-1]}")
        self._defects = check_defects(defects)
        if self._defects:
            transfer = LarkTransfer(self._encoder.model, self._defects)
            self._encoder = Encoder(transfer, self._encoder.vocabulary, self._encoder.segmenter)
        self.layers, self.size = len(self._use), self._encoder.output_size
        self.unit = unit_of(self._encoder.vocabulary, unit)

    def encode(self, sentences: Sequence[Sequence[str]]) -> list[Vectors]:
        """Vectors [layers, units, 2 * projection] of each sentence of units."""
        return [vectors[list(self._use)] for vectors in self._encoder.encode(sentences)]

    def describe(self) -> dict[str, Any]:
        """Source, layers, defects, a fingerprint of what the vectors are computed from; and the unit if not words."""
        parameters = dict(self._encoder.model.named_parameters())
        used = [parameters[name].numpy() for name in sorted(parameters) if not name.startswith("softmax")]
        return {
            "kind": "elmo",
            "source": self._source,
            "layers": list(self._use),
            "defects": list(self._defects),
            "sha256": _fingerprint(self._encoder.vocabulary.fingerprint, used),
            **({} if self.unit == WORDS else {"unit": self.unit}),
        }


def unit_of(vocabulary: Vocabulary, unit: str | None = None) -> str:
    """What a biLM of this vocabulary has read: the unit that is given, or, for None, what the vocabulary has.

    Raises:
        InputError: there is no such unit, or it is characters and the vocabulary has a longer word.
    """
    longer = next((token for token in vocabulary if len(token) > 1 and token not in vocabulary.special_tokens), None)
    if unit is None:
        return CHARACTERS if longer is None else WORDS
    if unit not in UNITS:
        raise InputError(f"unit is {unit!r}: give one of {', '.join(UNITS)}")
    if unit == CHARACTERS and longer is not None:
        raise InputError(f"the ELMo's vocabulary has the word {longer[:20]!r}: it reads words, not characters")
    return unit


class WordVectorFeatures:
    """One vector a word, the same in every sentence; words without one get zeros.

    Args:
        word_vectors: a loaded model, or what `elmo.word_vectors.WordVectors.load` takes.
    """

    layers, unit = 1, WORDS

    def __init__(self, word_vectors: WordVectors | PathLike) -> None:
        self._source = None if isinstance(word_vectors, WordVectors) else os.fspath(word_vectors)
        self._vectors = word_vectors if isinstance(word_vectors, WordVectors) else WordVectors.load(word_vectors)
        self.size = self._vectors.vectors.shape[1]

    def encode(self, sentences: Sequence[Sequence[str]]) -> list[Vectors]:
        """Vectors [1, words, size] of each sentence of words."""
        return [vectors_of(self._vectors, words, self.size)[None] for words in sentences]

    def describe(self) -> dict[str, Any]:
        """Source, and a fingerprint of the vectors."""
        fingerprint = _fingerprint(self._vectors.vocabulary.fingerprint, [self._vectors.vectors])
        return {"kind": "word2vec", "source": self._source, "sha256": fingerprint}


def make_features(description: dict[str, Any], *, check: bool = True) -> Features:
    """Make the features that `describe` described.

    Args:
        description: from `describe`.
        check: refuse a model that is not the one which was described, though it may have the same sizes.

    Raises:
        InputError: their model is not named, can't be loaded or is another one, or the description is damaged.
    """
    source, kind = description.get("source"), description.get("kind")
    if kind not in ("elmo", "word2vec"):
        raise InputError(f"features of kind {kind!r} are unknown: elmo and word2vec are known")
    if not isinstance(source, str):
        raise InputError(f"the {kind} model that the features come from is not named: give it when loading")
    features: Features
    if kind == "word2vec":
        features = WordVectorFeatures(source)
    else:
        layers, defects = description.get("layers"), description.get("defects") or ()
        if not isinstance(layers, list | None) or not isinstance(defects, list | tuple):
            raise InputError(f"layers {layers!r} and defects {defects!r} of the features are no lists; correct them")
        unit = description.get("unit", WORDS)  # taggers that say nothing were trained before there were others
        features = ElmoFeatures(source, layers, defects, unit if isinstance(unit, str) else repr(unit))
    if check and "sha256" in description and description["sha256"] != features.describe()["sha256"]:
        raise InputError(f"{source}: is another {kind} model now than in training; give the one of then when loading")
    return features


def _fingerprint(vocabulary: str, arrays: Iterable[npt.NDArray[Any]]) -> str:
    """SHA-256 of a vocabulary's fingerprint and of numbers."""
    digest = hashlib.sha256(vocabulary.encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
