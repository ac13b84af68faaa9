"""AUC of each kind of vectors on each word, in each resample too, so that kinds can be chosen and compared in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from elmo.errors import InputError
from elmo.explore.polysemy.scores import bootstrap_auc, pair_auc
from elmo.explore.polysemy.senses import TargetVectors, Vectors
from elmo.system.types import Floats

Row = tuple[str, str]  # vectors and variant, such as ("layer 2, hole", "centred")

VARIANTS = {
    "raw": "as they are",
    "centred": "less the mean of the word's vectors in the marked sentences; in MCL-WiC, of all vectors",
}


@dataclass(frozen=True)
class Scored:
    """A score of each row on each of several parts, such as words, and the same in each resample."""

    rows: list[Row]
    parts: list[str]
    values: Floats  # [parts, rows]
    drawn: Floats  # [parts, rows, resamples]; NaN where a resample has no score

    def of(self, rows: Sequence[int]) -> tuple[float, Floats]:
        """Mean over the parts, each by the row named for it, and that mean in each resample."""
        parts = np.arange(len(self.parts))
        return float(self.values[parts, rows].mean()), np.nanmean(self.drawn[parts, rows], axis=0)

    def everywhere(self, row: int) -> list[int]:
        """One row for all parts."""
        return [row] * len(self.parts)

    def best(self) -> list[int]:
        """The row with the highest mean, known in hindsight only."""
        return self.everywhere(int(self.values.mean(axis=0).argmax()))

    def chosen_elsewhere(self) -> list[int]:
        """For each part the row with the highest mean over all others.

        Raises:
            InputError: there is one part only.
        """
        if len(self.parts) < 2:
            raise InputError(f"{self.parts[0]!r} is the only word with senses: a choice on other words needs another")
        return [int(others.argmax()) for others in self.values.sum(axis=0) - self.values]

    def place(self, name: str) -> int:
        """Where a part stands; InputError if it has no score."""
        if name not in self.parts:
            raise InputError(f"{name!r} is not among the words with two senses: give marked sentences with it")
        return self.parts.index(name)

    def part(self, name: str) -> Scored:
        """One part alone."""
        place = self.place(name)
        return Scored(self.rows, [name], self.values[[place]], self.drawn[[place]])


def middle_of(picked: TargetVectors, word: str) -> Vectors:
    """Mean of a word's vectors, [rows, dim]."""
    return np.asarray(picked.vectors[[item.word == word for item in picked.items]].mean(axis=0))


def score_words(
    picked: TargetVectors, names: Sequence[str], resamples: int, seed: int, *, middle: Vectors | None = None
) -> Scored:
    """`pair_auc` of each word by each row of its vectors [items, rows, dim], raw and centred.

    Sentences are drawn anew within each word; the same seed draws the same sentences for every system.

    Args:
        picked: the vectors.
        names: of the rows.
        middle: [rows, dim], what is subtracted; if not given, the mean of each word's vectors.

    Raises:
        InputError: no word has two senses, one of them with two sentences.
    """
    places_of: dict[str, list[int]] = {}
    for place, item in enumerate(picked.items):
        places_of.setdefault(item.word, []).append(place)
    words, values, drawn = [], [], []
    for number, (word, places) in enumerate(places_of.items()):
        labels = [picked.items[place].sense for place in places]
        if len(set(labels)) in (1, len(labels)):
            continue
        vectors = picked.vectors[places]
        shifted = vectors - (middle_of(picked, word) if middle is None else middle)
        both = [rows[:, column] for column in range(len(names)) for rows in (vectors, shifted)]
        words.append(word)
        values.append([pair_auc(row, labels) for row in both])
        drawn.append([bootstrap_auc(row, labels, resamples=resamples, seed=[seed, number]) for row in both])
    if not words:
        raise InputError(f"none of {len(places_of)} words has two senses, one of them twice: give more sentences")
    return Scored([(name, variant) for name in names for variant in VARIANTS], words, np.array(values), np.array(drawn))
