"""Sentences in which a word has a known sense, and the vectors of the word in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from elmo.checks import is_count
from elmo.corpora.splits import is_held_out_review
from elmo.corpora.tables import read_table
from elmo.errors import InputError
from elmo.system.types import PathLike
from elmo.text.sentences import split_sentences

Vectors = npt.NDArray[np.floating]
Pick = Callable[[Vectors, range], Vectors]  # from an encoded sentence, [rows, dim] for the words at these places

REVIEW_CATEGORIES = {"水果": "fruit", "平板": "company"}

_COLUMNS = ["word", "sense", "gloss", "sentence", "position"]
_REVIEW_COLUMNS = ["cat", "label", "review"]


@dataclass(frozen=True)
class SenseSentence:
    """A sentence in which a word has a known sense."""

    word: str
    sense: str  # short English name, such as "fruit"
    gloss: str  # what the sense is, in Chinese and English
    sentence: str
    position: int  # characters of the sentence before the word

    @property
    def offset(self) -> int:
        """Characters before the word without white space, as segmented words have none."""
        return len("".join(self.sentence[: self.position].split()))


def read_senses(path: PathLike) -> list[SenseSentence]:
    """Read tab-separated sentences under the header word, sense, gloss, sentence, position, such as data/senses.tsv.

    Raises:
        InputError: the file is missing, not UTF-8 or empty, or a line is malformed; says which.
    """
    return [_parse(fields, f"{path}:{number}") for number, fields in read_table(path, _COLUMNS, "sentence")]


def _parse(fields: list[str], place: str) -> SenseSentence:
    word, sense, gloss, sentence, position = fields
    if not is_count(position):
        raise InputError(f"{place}: position {position[:40]!r} is not a whole number; count characters from 0")
    if not sentence.startswith(word, int(position)):
        found = sentence.find(word)
        hint = f"it stands at {found}" if found >= 0 else "the sentence lacks it"
        raise InputError(f"{place}: {word!r} does not stand at position {position} ({hint}); correct the line")
    return SenseSentence(word, sense, gloss, sentence, int(position))


def read_reviews(
    path: PathLike,
    word: str,
    categories: Mapping[str, str] = REVIEW_CATEGORIES,
    *,
    held_out: bool | None = True,
) -> list[SenseSentence]:
    """Read reviews in which a word occurs, taking the category of the product for the word's sense.

    Of each review the first sentence with the word is kept, of equal sentences one. The label is nearly right, not
    always: somebody who bought fruit may mention a telephone.

    Args:
        path: a CSV file with the columns cat, label, review (shopping_reviews_7cats.csv of ChineseNlpCorpus).
        categories: the sense for each category that is wanted.
        held_out: True for reviews that no model of ours is pretrained on, False for the others, None for all.

    Raises:
        InputError: the file is missing, not UTF-8 or not such a CSV file, or no review has the word.
    """
    items: dict[tuple[str, str], SenseSentence] = {}
    for _, (category, _, review) in read_table(path, _REVIEW_COLUMNS, "review", delimiter=",", filled=False):
        if category not in categories or word not in review or held_out not in (None, is_held_out_review(review)):
            continue
        sense = categories[category]
        for sentence in split_sentences(review):
            if word in sentence:
                item = SenseSentence(word, sense, f"{category} {sense}", sentence, sentence.index(word))
                items.setdefault((sense, sentence), item)
                break
    if not items:
        raise InputError(f"{path}: no review of {', '.join(categories)} holds {word!r}; choose another word")
    return list(items.values())


def target_index(words: Sequence[str], position: int, word: str) -> int | None:
    """Index of the token that is `word` and begins `position` characters (no white space) into the words, or None."""
    begin = 0
    for index, token in enumerate(words):
        if begin >= position:
            return index if begin == position and token == word else None
        begin += len(token)
    return None


def mean_over(vectors: Vectors, places: range) -> Vectors:
    """Mean [layers, dim] over words at the places of vectors [layers, words, dim]."""
    return np.asarray(vectors[:, places.start : places.stop].mean(axis=1))


@dataclass(frozen=True)
class TargetVectors:
    """The vectors of words in their sentences."""

    items: list[SenseSentence]  # sentences in which the word is a token of its own
    vectors: npt.NDArray[np.float32]  # [items, layers, dim]
    dropped: list[SenseSentence] = field(default_factory=list)  # those in which the segmenter cut it otherwise


def target_vectors(
    items: Iterable[SenseSentence],
    encode: Callable[[list[list[str]]], Iterable[Vectors]],
    segment: Callable[[str], Sequence[str]],
    pick: Pick = mean_over,
) -> TargetVectors:
    """Encode sentences and pick the vectors of the word that each is about.

    Args:
        encode: takes all sentences, a list of words each, and gives an array [layers, words, dim] for each.
        segment: cuts a sentence into words, such as the `cut` of a segmenter.
        pick: what stands for the word, if not its own vectors; see `elmo.explore.polysemy.forms`.

    Raises:
        InputError: in no sentence the word is a token of its own, or `encode` gives arrays of other shapes.
    """
    kept: list[tuple[SenseSentence, list[str], int]] = []
    dropped: list[SenseSentence] = []
    for item in items:
        words = list(segment(item.sentence))
        index = target_index(words, item.offset, item.word)
        if index is None:
            dropped.append(item)
        else:
            kept.append((item, words, index))
    if not kept:
        raise InputError(f"in none of {len(dropped)} sentences the word is a token of its own: try another segmenter")
    picked = []
    for array, (item, words, index) in zip(encode_each(encode, [words for _, words, _ in kept]), kept, strict=True):
        check_shape(array, words, item.sentence)
        picked.append(pick(array, range(index, index + 1)))
    return TargetVectors([item for item, _, _ in kept], np.array(picked, dtype=np.float32), dropped)


def encode_each(
    encode: Callable[[list[list[str]]], Iterable[Vectors]], sentences: Sequence[list[str]]
) -> list[Vectors]:
    """What `encode` gives for sentences, a list of words each; InputError unless it is an array for each."""
    arrays = list(encode(list(sentences)))
    if len(arrays) != len(sentences):
        raise InputError(f"encode gave {len(arrays)} arrays for {len(sentences)} sentences: it must give one for each")
    return arrays


def check_shape(array: Vectors, words: Sequence[str], sentence: str) -> None:
    """InputError unless what was encoded is [layers, words, dim]."""
    if array.ndim != 3 or array.shape[1] != len(words):
        raise InputError(
            f"encode gave shape {list(array.shape)} for {len(words)} words ({sentence!r}): "
            "it must be [layers, words, dim]"
        )
