"""Precision, recall and F1 of chunks, from counts that are kept by sentence so that sentences can be drawn again.

A chunk is correct if its characters and its tag are those of a gold chunk (Tjong Kim Sang and Buchholz 2000,
"Introduction to the CoNLL-2000 Shared Task: Chunking"). Scores are micro averages, of all chunks of a corpus.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from elmo.errors import InputError
from elmo.system.types import Counts, Floats
from elmo.tagging.projection import Chunk, best_chunks, word_chunks


class Score(NamedTuple):
    """Micro precision, recall and F1 between 0 and 1, and what they are counted from."""

    precision: float  # 0 where nothing is predicted, as in seqeval
    recall: float  # 0 where there is no gold chunk
    f1: float
    gold: int
    predicted: int
    correct: int


@dataclass(frozen=True)
class SentenceCounts:
    """How many chunks of each sentence are gold, predicted, correct: all that one F1 and its resamples need."""

    gold: Counts  # [sentences]
    predicted: Counts
    correct: Counts

    def score(self) -> Score:
        """Score of all sentences together."""
        gold, predicted, correct = (int(counts.sum()) for counts in (self.gold, self.predicted, self.correct))
        precision, recall = correct / max(predicted, 1), correct / max(gold, 1)
        return Score(precision, recall, 2 * correct / max(gold + predicted, 1), gold, predicted, correct)

    @property
    def f1(self) -> float:
        """F1 of all sentences together, between 0 and 1."""
        return self.score().f1

    def resampled_f1(self, times_drawn: npt.NDArray[np.generic]) -> Floats:
        """F1 of each resample, [resamples]; 0 where it has no chunk.

        Args:
            times_drawn: [resamples, sentences], how often each sentence counts.
        """
        pairs = np.stack([2 * self.correct, self.gold + self.predicted], axis=1).astype(np.float64)
        sums = np.asarray(times_drawn, dtype=np.float64) @ pairs
        return np.asarray(sums[:, 0] / np.maximum(sums[:, 1], 1))


@dataclass(frozen=True)
class ChunkCounts:
    """Counts of chunks by sentence and tag; `count_chunks` makes them."""

    tags: tuple[str, ...]
    gold: Counts  # [sentences, tags]
    predicted: Counts  # [sentences, tags]
    matches: Counts  # [n, 3]: sentence, gold tag, predicted tag of each chunk with right characters, whatever its tag

    @property
    def correct(self) -> Counts:
        """Chunks with the right characters and tag, [sentences, tags]."""
        sentences, gold_tags, predicted_tags = self.matches.T
        is_correct = gold_tags == predicted_tags
        cells = sentences[is_correct] * len(self.tags) + gold_tags[is_correct]
        return np.bincount(cells, minlength=self.gold.size).reshape(self.gold.shape)

    def tagged(self, tags: Collection[str] | None = None) -> SentenceCounts:
        """Counts for segmentation and tag together: of all chunks, or of those with one of these tags."""
        columns = [index for index, tag in enumerate(self.tags) if tags is None or tag in tags]
        parts = (counts[:, columns].sum(axis=1) for counts in (self.gold, self.predicted, self.correct))
        return SentenceCounts(*parts)

    def segmentation(self) -> SentenceCounts:
        """Counts for segmentation alone: a chunk is correct if its characters are, whatever its tag."""
        correct = np.bincount(self.matches[:, 0], minlength=len(self.gold))
        return SentenceCounts(self.gold.sum(axis=1), self.predicted.sum(axis=1), correct)

    def by_group(self, groups: Mapping[str, str]) -> dict[str, SentenceCounts]:
        """Counts of the chunks of each group, where a chunk is correct only if its own tag is.

        Args:
            groups: the group of each tag, such as {"n": "words", "v": "words", "PER": "PER"}. A tag that it does not
                name is in no group; a group whose tags do not occur has counts of 0.
        """
        return {
            group: self.tagged({tag for tag, other in groups.items() if other == group})
            for group in dict.fromkeys(groups.values())
        }

    def collapse(self, mapping: Mapping[str, str]) -> ChunkCounts:
        """Count as if each tag were the one it is mapped to; what the mapping does not name keeps its tag.

        For corpora with different tags: tags that become one are no longer told apart, so n for vn is correct if both
        become n. Chunks are not joined, even where neighbours get the same tag.
        """
        names = [mapping.get(tag, tag) for tag in self.tags]
        tags = tuple(sorted(set(names)))
        new = np.array([tags.index(name) for name in names], dtype=np.int64)
        member = np.asarray(new[:, None] == np.arange(len(tags)), dtype=np.int64)  # [tags, new tags]
        matches = np.column_stack([self.matches[:, 0], new[self.matches[:, 1]], new[self.matches[:, 2]]])
        return ChunkCounts(tags, self.gold @ member, self.predicted @ member, matches)


def count_chunks(gold: Sequence[Sequence[Chunk]], predicted: Sequence[Sequence[Chunk]]) -> ChunkCounts:
    """Count the chunks of each sentence.

    The scores are those of seqeval (Nakayama 2018) in its default mode for a tag a character.

    Args:
        gold, predicted: chunks of each sentence, by `chunks` or `word_chunks` of `elmo.tagging.projection`.

    Raises:
        InputError: not as many sentences predicted as gold, or two chunks of a sentence with the same characters.
    """
    if len(gold) != len(predicted):
        raise InputError(f"{len(gold)} gold sentences, {len(predicted)} predicted: give the same sentences")
    tags = tuple(sorted({tag for part in (gold, predicted) for sentence in part for _, _, tag in sentence}))
    ids = {tag: index for index, tag in enumerate(tags)}
    totals = np.zeros([2, len(gold), len(tags)], dtype=np.int64)
    matches: list[tuple[int, int, int]] = []
    for row, sides in enumerate(zip(gold, predicted, strict=True)):
        spans = [{(begin, end): ids[tag] for begin, end, tag in side} for side in sides]
        for part, side, found in zip(totals, sides, spans, strict=True):
            if len(found) < len(side):
                raise InputError(f"sentence {row + 1} has two chunks with the same characters: give each chunk once")
            for tag_id in found.values():
                part[row, tag_id] += 1
        matches += [(row, spans[0][span], tag_id) for span, tag_id in spans[1].items() if span in spans[0]]
    return ChunkCounts(tags, totals[0], totals[1], np.array(matches, dtype=np.int64).reshape(-1, 3))


def reciprocal_rank(scores: Sequence[float] | npt.NDArray[np.floating[Any]], right: Collection[int]) -> float:
    """1 / rank of the best right candidate; those with the same score count as ranked before it, so ties don't help.

    Args:
        scores: of a question's candidates.
        right: numbers of the candidates that answer it.

    Raises:
        InputError: none is right, or one has a number that no candidate has.
    """
    values = np.asarray(scores, dtype=np.float64)
    if not right or not all(0 <= index < len(values) for index in right):
        raise InputError(
            f"right candidates are {sorted(right)} of {len(values)}: give one or more of 0 to {len(values) - 1}"
        )
    best = values[list(right)].max()
    wrong = np.delete(values, list(right))
    return 1.0 / (1 + int(np.count_nonzero(wrong >= best)))


def oracle(
    words: Sequence[Sequence[str]], tags: Sequence[Sequence[str]], tokens: Sequence[Sequence[str]]
) -> ChunkCounts:
    """Counts of the chunks that score best among all that consist of whole tokens: what a tokenisation allows.

    See `projection.best_chunks`. What it predicts beside gold chunks has a tag of its own, `OTHER` there, so
    that the score of each group is the best for that group, even if no prediction reaches it in all groups at once.

    Args:
        words, tags, tokens: of each sentence.

    Raises:
        InputError: not as many of one as of the others, or a sentence whose parts do not fit, which is named.
    """
    if not len(words) == len(tags) == len(tokens):
        raise InputError(f"{len(words)} sentences of words, {len(tags)} of tags, {len(tokens)} of tokens: give as many")
    gold, best = [], []
    for index, (sentence, sentence_tags, sentence_tokens) in enumerate(zip(words, tags, tokens, strict=True)):
        if isinstance(sentence, str):
            raise InputError(f"sentence {index + 1} is the word {sentence!r}: give a list of words for each sentence")
        try:
            best.append(best_chunks(sentence, sentence_tags, sentence_tokens))
        except InputError as error:
            raise InputError(f"sentence {index + 1}: {error}") from None
        gold.append(word_chunks(sentence, sentence_tags))
    return count_chunks(gold, best)
