"""What can stand for a word in its sentence: its own vector, that of the hole it leaves, or a mean over more of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from elmo.encoding.protocols import ContextEncoder, WordSpace, vectors_of
from elmo.system.types import Vectors

ELMO_FORMS = {
    "own": "what the readers know once they have read the word",
    "hole": "what the readers know of its place before they read the word",
    "window": "mean over the word and two words on either side",
    "sentence": "mean over all words of the sentence",
}
SUBSTITUTES = "substitutes"  # a row of its own: only the last layer predicts words
SUBSTITUTES_MEANING = "mean of the vectors of the words that the readers expect in its place"
BAG_FORMS = {
    "own": "the word's vector, the same in every sentence",
    "hole": "mean of all other words of the sentence",
    "window": "mean of the word and two words on either side",
    "window, hole": "mean of two words on either side",
    "wide window, hole": "mean of five words on either side",
    "sentence": "mean of all words of the sentence",
}


@dataclass(frozen=True)
class Forms:
    """All that a model offers for a word. `encode` and `pick` are what `senses.target_vectors` takes."""

    names: list[str]  # of the rows, such as "layer 2, hole"
    encode: Callable[[list[list[str]]], Iterable[Vectors]]
    pick: Callable[[Vectors, range], Vectors]  # what was encoded of a sentence, places of its words -> [rows, dim]


class SubstituteSpace(Protocol):
    """Makes vectors of what is expected in holes, such as `elmo.encoding.substitutes.Substitutes`."""

    def vectors(self, holes: npt.ArrayLike) -> Vectors:
        """Return [n, size] for holes [n, dim]."""
        ...


def elmo_forms(encoder: ContextEncoder, substitutes: SubstituteSpace | None = None) -> Forms:
    """Each of `ELMO_FORMS` in each layer, and `SUBSTITUTES` if something makes them."""

    def encode(sentences: list[list[str]]) -> list[Vectors]:
        both = zip(encoder.encode(sentences), encoder.encode(sentences, positions="hole"), strict=True)
        return [np.concatenate([own, hole]) for own, hole in both]  # [own and hole, layers in turn; words, dim]

    names = [f"layer {layer}, {form}" for form in ELMO_FORMS for layer in range(encoder.num_layers)]
    if substitutes is None:
        return Forms(names, encode, pick_elmo_forms)
    hole = names.index(f"layer {encoder.num_layers - 1}, hole")

    def pick(vectors: Vectors, places: range) -> Vectors:
        forms = pick_elmo_forms(vectors, places)
        (expected,) = substitutes.vectors(forms[[hole]])
        filled = np.zeros((1, forms.shape[1]), forms.dtype)
        filled[0, : len(expected)] = expected  # zeros behind: no cosine changes
        return np.concatenate([forms, filled])

    return Forms([*names, SUBSTITUTES], encode, pick)


def pick_elmo_forms(vectors: Vectors, places: range) -> Vectors:
    """Forms of one or several words that stand together, [forms * layers, dim], as ordered in `ELMO_FORMS`.

    Args:
        vectors: [2 * layers, words, dim], own vectors and those of the hole.
        places: of the words. Their hole lies before the first for the reader from the left, behind the last for the
            other.
    """
    own, hole = np.split(vectors, 2)
    half = vectors.shape[2] // 2
    forms = [
        _mean(own, places),
        np.concatenate([hole[:, places.start, :half], hole[:, places.stop - 1, half:]], axis=1),
        _mean(own, _around(places, 2, vectors.shape[1])),
        _mean(own, range(vectors.shape[1])),
    ]
    return np.concatenate(forms)


def bag_forms(space: WordSpace, dim: int) -> Forms:
    """`BAG_FORMS` of word vectors; words without a vector count as zeros."""

    def encode(sentences: list[list[str]]) -> list[Vectors]:
        return [vectors_of(space, words, dim)[None] for words in sentences]

    return Forms(list(BAG_FORMS), encode, pick_bag_forms)


def pick_bag_forms(vectors: Vectors, places: range) -> Vectors:
    """Forms of one or several words that stand together, [forms, dim], from the word vectors [1, words, dim]."""
    count = vectors.shape[1]
    near, wide, everything = _around(places, 2, count), _around(places, 5, count), range(count)

    def without_the_word(chosen: range) -> Vectors:
        return _mean(vectors, [place for place in chosen if place not in places])

    forms = [
        _mean(vectors, places),
        without_the_word(everything),
        _mean(vectors, near),
        without_the_word(near),
        without_the_word(wide),
        _mean(vectors, everything),
    ]
    return np.concatenate(forms)


def _around(places: range, reach: int, words: int) -> range:
    """Places with those at most `reach` words away, within a sentence of so many words."""
    return range(max(places.start - reach, 0), min(places.stop + reach, words))


def _mean(vectors: Vectors, places: range | list[int]) -> Vectors:
    """Mean [layers, dim] over places of vectors [layers, words, dim]; zeros over none."""
    if not places:
        return np.zeros(vectors[:, 0].shape, vectors.dtype)
    return np.asarray(vectors[:, list(places)].mean(axis=1))
