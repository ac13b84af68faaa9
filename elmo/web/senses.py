"""What the page shows of words with several senses: marked sentences, the vectors of their gaps, and a map of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from elmo.encoding.encoder import Encoder
from elmo.encoding.substitutes import Substitutes
from elmo.explore.polysemy.senses import SenseSentence, TargetVectors, read_senses, target_vectors
from elmo.system.types import Vectors
from elmo.word_vectors import WordVectors

_NEIGHBOURS = 10  # words that word2vec is asked for


@dataclass(frozen=True)
class SenseData:
    """The words for the header, and their arrays."""

    words: dict[str, Any]
    arrays: dict[str, Vectors]


@dataclass(frozen=True)
class _WordArrays:
    """What is packed of one word; vectors are less the word's mean, as the comparison of senses asks for."""

    layers: Vectors  # [sentences, layers, dim], of the hole
    means: Vectors  # [layers, dim]
    expected: Vectors  # [sentences, dim / 2], substitute vectors, times `stretch`
    expected_mean: Vectors  # [dim / 2], before it was stretched
    stretch: float

    @classmethod
    def of(cls, holes: Vectors, substitutes: Vectors) -> _WordArrays:
        layers, expected = holes - holes.mean(axis=0), substitutes - substitutes.mean(axis=0)
        stretch = _stretch(layers[:, -1], expected)
        return cls(layers, holes.mean(axis=0), expected * np.float32(stretch), substitutes.mean(axis=0), stretch)


def sense_data(encoder: Encoder, path: Path, word_vectors: WordVectors | None = None) -> SenseData:
    """Read and encode marked sentences.

    Args:
        encoder: gives the vectors: the states before the word is read, and the substitute vectors made of the last.
        path: tab-separated word, sense, gloss, sentence, position; see `elmo.explore.polysemy.senses.read_senses`.
        word_vectors: one vector a word, whose neighbours stand beside.

    Raises:
        InputError: the file is missing or malformed, or no word is a token of its own.
    """
    found = target_vectors(
        read_senses(path),
        lambda sentences: encoder.encode(sentences, positions="hole"),
        encoder.words,
        pick=lambda vectors, places: vectors[:, places.start],
    )
    substitutes = Substitutes(encoder).vectors(found.vectors[:, -1])
    words: dict[str, Any] = {}
    parts: list[_WordArrays] = []
    first = 0  # row of the word's first sentence
    for number, (word, places) in enumerate(_by_word(found).items()):
        parts.append(_WordArrays.of(found.vectors[places], substitutes[places]))
        words[word] = {
            "number": number,
            "first": first,
            "stretch": parts[-1].stretch,
            "senses": {found.items[place].sense: found.items[place].gloss for place in places},
            "sentences": [_described(found.items[place]) for place in places],
            "static": _static(word, word_vectors),
        }
        first += len(places)
    return SenseData(words, _arrays_of(parts))


def principal_axes(centred: Vectors) -> Vectors:
    """The two directions [2, dim] in which vectors [count, dim] around zero spread most, each of length 1.

    Fewer than two vectors leave an axis of zeros.
    """
    axes = np.zeros((2, centred.shape[1]), np.float32)
    directions = np.linalg.svd(centred, full_matrices=False)[2][:2]
    axes[: len(directions)] = directions
    return axes


def map_axes(top: Vectors, expected: Vectors) -> Vectors:
    """Axes [2, dim + dim / 2] of a map on which states of the top layer and substitute vectors can be mixed.

    Each has its own principal axes. Those of the substitute vectors point to where the same sentences have the states
    on their side, so that a mix of both doesn't cancel out.
    """
    of_states, of_expected = principal_axes(top), principal_axes(expected)
    agreement = ((top @ of_states.T) * (expected @ of_expected.T)).sum(axis=0)
    return np.concatenate([of_states, of_expected * np.where(agreement < 0, -1, 1)[:, None]], axis=1, dtype=np.float32)


def _arrays_of(parts: list[_WordArrays]) -> dict[str, Vectors]:
    return {
        "senseVectors": np.concatenate([part.layers.reshape(-1, part.layers.shape[-1]) for part in parts]),
        "senseMeans": np.concatenate([part.means.ravel() for part in parts]),
        "senseExpected": np.concatenate([part.expected for part in parts]),
        "senseExpectedMeans": np.concatenate([part.expected_mean for part in parts]),
        "senseAxes": np.concatenate([map_axes(part.layers[:, -1], part.expected).ravel() for part in parts]),
    }


def _stretch(states: Vectors, expected: Vectors) -> float:
    """The factor that makes substitute vectors as long, in the mean square, as states, so that a mix has both."""
    squares = float((expected**2).sum())
    return float(np.sqrt((states**2).sum() / squares)) if squares else 1.0


def _by_word(found: TargetVectors) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for place, item in enumerate(found.items):
        places.setdefault(item.word, []).append(place)
    return places


def _described(item: SenseSentence) -> dict[str, Any]:
    return {"text": item.sentence, "position": item.position, "sense": item.sense}


def _static(word: str, word_vectors: WordVectors | None) -> list[str]:
    if word_vectors is None or word not in word_vectors:
        return []
    return [other for other, _ in word_vectors.most_similar(word, topn=_NEIGHBOURS)]
