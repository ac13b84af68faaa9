"""Vectors of words in pairs of sentences, without labels set against what all have in common, and their cosines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from elmo.errors import InputError
from elmo.explore.polysemy.senses import Pick, check_shape, encode_each, mean_over
from elmo.explore.polysemy.wic_files import Mention, WicPair
from elmo.system.types import Bools, Floats, Ids, Vectors
from elmo.word_vectors import unit_rows

_DIGITS = 12  # cosines are compared to so many: float64 rounding must not order what is equal


@dataclass(frozen=True)
class PairVectors:
    """Vectors of mentions, and which two of them make each pair."""

    pairs: list[WicPair]
    vectors: npt.NDArray[np.float32]  # [mentions, layers, dim], each mention once, however many pairs it is in
    first: Ids  # [pairs]: row of the pair's first mention
    second: Ids
    is_whole: Bools  # [pairs]: in both sentences the segmenter made one word of the target


def pair_vectors(
    pairs: Sequence[WicPair],
    encode: Callable[[list[list[str]]], Iterable[Vectors]],
    segment: Callable[[str], Sequence[str]],
    pick: Pick = mean_over,
) -> PairVectors:
    """Encode each sentence once and pick the vectors of the words the pairs are about.

    Unlike `senses.target_vectors` nothing is dropped, as an accuracy on fewer pairs is not that of the
    set: where the segmenter cut otherwise, the target is all words that share a character with it, be they parts of it
    or longer than it.

    Args:
        encode: takes all sentences, a list of words each, and gives an array [layers, words, dim] for each.
        segment: cuts a sentence into words, such as the `cut` of a segmenter.
        pick: what stands for the target's words, if not their mean; see `elmo.explore.polysemy.forms`.

    Raises:
        InputError: there is no pair, no word covers a target, or `encode` gives arrays of other shapes.
    """
    mentions = list(dict.fromkeys(mention for pair in pairs for mention in (pair.first, pair.second)))
    if not mentions:
        raise InputError("there is no pair to score: give at least one of each answer")
    words_of = {sentence: list(segment(sentence)) for sentence in dict.fromkeys(m.sentence for m in mentions)}
    array_of = dict(zip(words_of, encode_each(encode, list(words_of.values())), strict=True))
    picked, is_whole = [], []
    for mention in mentions:
        words, array = words_of[mention.sentence], array_of[mention.sentence]
        check_shape(array, words, mention.sentence)
        chosen = overlapping_words(words, mention)
        if not chosen:
            raise InputError(f"no word of {mention.sentence!r} covers {mention.word!r}: try another segmenter")
        picked.append(pick(array, chosen))
        is_whole.append(len(chosen) == 1 and words[chosen[0]] == "".join(mention.word.split()))
    row = {mention: number for number, mention in enumerate(mentions)}
    first = np.array([row[pair.first] for pair in pairs])
    second = np.array([row[pair.second] for pair in pairs])
    whole = np.array(is_whole)
    return PairVectors(list(pairs), np.array(picked, dtype=np.float32), first, second, whole[first] & whole[second])


def overlapping_words(words: Sequence[str], mention: Mention) -> range:
    """Places of the words that share a character with the mention; words are without white space, sentences not."""
    begin = len("".join(mention.sentence[: mention.start].split()))
    end = begin + len("".join(mention.word.split()))
    ends = np.cumsum([len(word) for word in words])
    return range(int(np.searchsorted(ends, begin, side="right")), int(np.searchsorted(ends, end, side="left")) + 1)


# Without labels, against what all vectors have in common


def centred(vectors: Floats) -> Floats:
    """Vectors [n, dim] less their mean; what that leaves of equal vectors is zero, not rounding noise."""
    rows = vectors - vectors.mean(axis=0)
    return np.asarray(np.where(np.abs(rows) <= 1e-9 * np.abs(vectors).max(initial=0.0), 0.0, rows))


def standardised(vectors: Floats) -> Floats:
    """Vectors [n, dim], each dimension with mean 0 and standard deviation 1, or all 0."""
    rows = centred(vectors)
    deviations = rows.std(axis=0)
    return np.asarray(rows / np.where(deviations == 0, 1.0, deviations))


def all_but_the_top(vectors: Floats, components: int | None = None) -> Floats:
    """Centred vectors [n, dim] less their parts along the first principal components; one in a hundred dimensions.

    Mu and Viswanath 2018, "All-but-the-top: simple and effective postprocessing for word representations".
    """
    rows = centred(vectors)
    count = max(1, round(rows.shape[1] / 100)) if components is None else components
    directions = np.linalg.svd(rows, full_matrices=False)[2][:count]
    return np.asarray(rows - rows @ directions.T @ directions)


CHANGES: dict[str, Callable[[Floats], Floats]] = {
    "raw": lambda vectors: vectors,
    "centred": centred,
    "standardised": standardised,
    "all but the top": all_but_the_top,
}


def pair_cosines(vectors: Floats, first: Ids, second: Ids) -> Floats:
    """Cosine of each pair of rows, [pairs]. That with a zero vector is 0, but of two zero vectors 1: they are equal."""
    units = unit_rows(vectors)
    is_zero = np.asarray(~vectors.any(axis=1))
    cosines = np.einsum("pd,pd->p", units[first], units[second]) + (is_zero[first] & is_zero[second])
    return np.asarray(np.round(cosines, _DIGITS))
