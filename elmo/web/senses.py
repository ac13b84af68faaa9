"""What the page shows of words with several senses: marked sentences, the vectors of their gaps, and a map of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from elmo.encoding.encoder import Encoder
from elmo.explore.polysemy.senses import SenseSentence, TargetVectors, read_senses, target_vectors
from elmo.word_vectors import WordVectors

Floats = npt.NDArray[np.float32]

_NEIGHBOURS = 10  # words that word2vec is asked for


@dataclass(frozen=True)
class SenseData:
    """The words for the header, and their arrays."""

    words: dict[str, Any]
    arrays: dict[str, Floats]


def sense_data(encoder: Encoder, path: Path, word_vectors: WordVectors | None = None) -> SenseData:
    """Read and encode marked sentences.

    Args:
        encoder: gives the vectors: those of the hole, which tell senses apart best.
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
    words: dict[str, Any] = {}
    rows: list[Floats] = []
    means: list[Floats] = []
    axes: list[Floats] = []
    first = 0  # row of the word's first sentence
    for number, (word, places) in enumerate(_by_word(found).items()):
        vectors = found.vectors[places]  # [sentences, layers, dim]
        mean = vectors.mean(axis=0)
        words[word] = {
            "number": number,
            "first": first,
            "senses": {found.items[place].sense: found.items[place].gloss for place in places},
            "sentences": [_described(found.items[place]) for place in places],
            "static": _static(word, word_vectors),
        }
        first += len(places)
        rows.append(vectors - mean)
        means.append(mean)
        axes.append(principal_axes((vectors - mean)[:, -1]))
    arrays = {
        "senseVectors": np.concatenate([each.reshape(-1, each.shape[-1]) for each in rows]),
        "senseMeans": np.concatenate([mean.ravel() for mean in means]),
        "senseAxes": np.concatenate([axis.ravel() for axis in axes]),
    }
    return SenseData(words, arrays)


def principal_axes(centred: Floats) -> Floats:
    """The two directions [2, dim] in which vectors [count, dim] around zero spread most, each of length 1.

    Fewer than two vectors leave an axis of zeros.
    """
    axes = np.zeros((2, centred.shape[1]), np.float32)
    directions = np.linalg.svd(centred, full_matrices=False)[2][:2]
    axes[: len(directions)] = directions
    return axes


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
