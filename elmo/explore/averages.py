"""One vector a word from a contextual model, the average over sentences that have it, to compare with word2vec."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from elmo.encoding.protocols import ContextEncoder
from elmo.errors import InputError
from elmo.system.types import Vectors


class AverageVectors:
    """Vectors of one layer, a word space as `elmo.explore.words` scores it."""

    def __init__(self, words: Sequence[str], vectors: Vectors) -> None:
        self._rows = {word: row for row, word in enumerate(words)}
        self._vectors = vectors

    def vector(self, word: str) -> Vectors:
        """Return the vector of a word, [dim]; InputError if it has none."""
        if word not in self._rows:
            raise InputError(f"{word!r} stands in none of the sentences: it has no vector")
        return np.asarray(self._vectors[self._rows[word]])

    def __contains__(self, word: object) -> bool:
        return word in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def average_vectors(
    encoder: ContextEncoder,
    sentences: Iterable[Sequence[str]],
    words: Collection[str],
    most: int = 50,
    longest: int = 100,
) -> list[AverageVectors]:
    """Average the vectors of each word over the first sentences that have it.

    Args:
        encoder: makes the vectors.
        sentences: of words, in any order that is not sorted by subject; read until every word has enough.
        words: which words.
        most: sentences a word at most.
        longest: words a sentence at most, others are passed over.

    Returns:
        for each layer the words that occurred, the most frequent first, with their averages.

    Raises:
        InputError: no sentence has any of the words.
    """
    wanted = frozenset(words)
    seen = Counter[str]()
    chosen: list[Sequence[str]] = []
    lacking = set(wanted)
    for sentence in sentences:
        found = lacking.intersection(sentence)
        if not found or len(sentence) > longest:
            continue
        chosen.append(sentence)
        for word in found:
            seen[word] += 1
            if seen[word] == most:
                lacking.discard(word)
        if not lacking:
            break
    if not chosen:
        raise InputError(f"none of the {len(wanted)} words stands in the sentences: give text of the same segmenter")
    sums: dict[str, npt.NDArray[np.float64]] = {}
    counts: Counter[str] = Counter()
    for tokens, vectors in encoder.encode_stream(chosen):
        for place, word in enumerate(tokens):
            if word in wanted:
                sums[word] = sums.get(word, 0.0) + vectors[:, place].astype(np.float64)
                counts[word] += 1
    ordered = [word for word, _ in counts.most_common()]
    table = np.stack([sums[word] / counts[word] for word in ordered], axis=1).astype(np.float32)
    return [AverageVectors(ordered, layer) for layer in table]
