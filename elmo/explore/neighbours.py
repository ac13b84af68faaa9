"""What stands nearest: sentences, by the contextual vector of a word in them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from elmo.errors import InputError
from elmo.explore.polysemy.senses import SenseSentence
from elmo.system.types import Vectors
from elmo.word_vectors import unit_rows


@dataclass(frozen=True)
class ContextNeighbour:
    """A sentence, and how near its word's vector is."""

    item: SenseSentence
    cosine: float
    row: int  # where the sentence stands in the index

    def __str__(self) -> str:
        before, after = self.item.sentence[: self.item.position], self.item.sentence[self.item.position :]
        rest = after.removeprefix(self.item.word)
        return f"{self.cosine:.3f}  {before}[{self.item.word}]{rest}  ({self.item.sense})"


class ContextIndex:
    """Words in their sentences, to be searched by contextual vector.

    Args:
        items: the sentences, such as `TargetVectors.items`.
        vectors: [items, dim], such as one layer of `TargetVectors.vectors`.

    Raises:
        InputError: not one vector for each sentence.
    """

    def __init__(self, items: Sequence[SenseSentence], vectors: Vectors) -> None:
        vectors = np.asarray(vectors)
        if vectors.ndim != 2 or len(vectors) != len(items):
            raise InputError(
                f"vectors have shape {list(vectors.shape)} for {len(items)} sentences: give one layer, [items, dim]"
            )
        self.items = list(items)
        self.vectors = vectors
        self._units = unit_rows(vectors)

    def __len__(self) -> int:
        return len(self.items)

    def nearest(self, vector: Vectors, topn: int = 10, *, exclude: Collection[int] = ()) -> list[ContextNeighbour]:
        """The `topn` sentences whose vectors have the highest cosine with `vector` [dim], nearest first.

        Args:
            exclude: rows that are passed over, such as that of the sentence the vector comes from.

        Raises:
            InputError: the vector has another size, or `topn` is less than 1.
        """
        cosines = _cosines(self._units, vector)
        return [
            ContextNeighbour(self.items[row], float(cosines[row]), row) for row in _best(cosines, topn, set(exclude))
        ]


def _cosines(units: Vectors, vector: Vectors) -> Vectors:
    vector = np.asarray(vector)
    if vector.shape != units.shape[1:]:
        raise InputError(f"the vector has shape {list(vector.shape)}: give one of shape {list(units.shape[1:])}")
    return np.asarray(units @ unit_rows(vector))


def _best(scores: Vectors, topn: int, exclude: Collection[int]) -> list[int]:
    """Rows of the highest scores, highest first, equal ones in their order."""
    if topn < 1:
        raise InputError(f"topn is {topn}: give 1 or more")
    order = np.argsort(-scores, kind="stable")[: topn + len(exclude)]
    return [int(row) for row in order if row not in exclude][:topn]
