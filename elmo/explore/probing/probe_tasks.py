"""What probes are asked: words in sentences, each with a label; and control tasks, in which the word decides alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from elmo.corpora.lark_tsv import read_tsv
from elmo.corpora.tagged import NAMES
from elmo.errors import InputError
from elmo.explore.polysemy.senses import read_senses, target_index
from elmo.system.types import Ids, PathLike
from elmo.text.segment import get_segmenter

Strings = npt.NDArray[np.str_]


@dataclass(frozen=True)
class ProbeTask:
    """Words with a label each, [items], and the sentences that they stand in."""

    sentences: list[list[str]]
    sentence: Ids  # of each item, its place among the sentences
    word: Ids  # its place in the sentence
    labels: Strings
    types: Strings  # the word itself
    separate: bool = False  # a probe for each type: the labels of one word are not those of another

    @property
    def groups(self) -> Strings:
        """Items of one group share a probe."""
        return self.types if self.separate else np.full(len(self.labels), "")

    def majority(self) -> float:
        """Share of the items that have the commonest label of their group."""
        right = 0
        for group in np.unique(self.groups):
            right += np.unique(self.labels[self.groups == group], return_counts=True)[1].max()
        return right / len(self.labels)

    def control_labels(self, seed: int) -> Strings:
        """A label for each type, drawn from the labels of all items: Hewitt and Liang (2019), section 2.

        A probe can get these right only by remembering words, as the label of a word says nothing of it.
        """
        generator = np.random.default_rng(seed)
        types, rows = np.unique(self.types, return_inverse=True)
        return generator.choice(self.labels, len(types))[rows]


def read_tagged_words(folder: PathLike) -> tuple[ProbeTask, ProbeTask]:
    """Parts of speech of the words that are no names, and kinds of names, of the .tsv files in a folder.

    Raises:
        InputError: there is no such file, one is malformed, or there are no names.
    """
    paths = sorted(Path(folder).glob("*.tsv"))
    if not paths:
        raise InputError(f"{folder}: holds no .tsv file; give a folder like data/lac")
    chunks = [list(sentence.chunks()) for path in paths for sentence in read_tsv(path)]
    sentences = [["".join(tokens) for tokens, _ in sentence] for sentence in chunks]
    items = [
        (row, place, tag, "".join(tokens))
        for row, sentence in enumerate(chunks)
        for place, (tokens, tag) in enumerate(sentence)
    ]
    names = [item for item in items if item[2] in NAMES]
    if not names or len(names) == len(items):
        raise InputError(f"{folder}: {len(names)} of {len(items)} words are names; some must be, and some not")
    others = [item for item in items if item[2] not in NAMES]
    return _task(sentences, others), _task(sentences, names)


def read_marked_words(path: PathLike) -> ProbeTask:
    """Senses of words, a probe for each word; sentences in which the segmenter cuts the word otherwise are left out.

    Raises:
        InputError: the file is missing or malformed, or in no sentence the word is one of its own.
    """
    cut = get_segmenter("jieba").cut
    sentences: list[list[str]] = []
    items: list[tuple[int, int, str, str]] = []
    for item in read_senses(path):
        words = cut(item.sentence)
        if (place := target_index(words, item.offset, item.word)) is not None:
            items.append((len(sentences), place, item.sense, item.word))
            sentences.append(words)
    if not items:
        raise InputError(f"{path}: in no sentence the word is one of its own; mark other sentences")
    return _task(sentences, items, separate=True)


def _task(
    sentences: list[list[str]], items: Sequence[tuple[int, int, str, str]], *, separate: bool = False
) -> ProbeTask:
    rows, places, labels, types = zip(*items, strict=True)
    return ProbeTask(sentences, np.array(rows), np.array(places), np.array(labels), np.array(types), separate)
