"""LAC among the segmenters of `elmo.text.segment`, and what a tagger reads of a segmenter's words.

`import elmo` registers LAC, and imports no Paddle yet.
"""

from __future__ import annotations

import functools
from collections.abc import Container, Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt

from elmo.system.types import PathLike
from elmo.text.segment import BatchSegmenter, Segmenter, get_segmenter


class LacSegmenter:
    """Words by Baidu's LAC, without white space, which LAC's own may hold.

    Args:
        model: LAC's folder, as `elmo.tagging.baidu_files.find_lac` has it; None: that of the installed package `lac`.
        user_dictionary: words that are to be kept whole, see `elmo.tagging.baidu_text.UserDictionary`.

    Raises:
        InputError: there is no model, it is damaged, or the user dictionary can't be read.
    """

    name = "lac"

    def __init__(self, *, model: PathLike | None = None, user_dictionary: PathLike | None = None) -> None:
        from elmo.tagging.baidu import Lac

        self._lac = Lac.from_pretrained(model, user_dictionary=user_dictionary)

    @classmethod
    def check_options(cls, model: PathLike | None = None, user_dictionary: PathLike | None = None) -> None:
        """Warn, before processes are started that can't, of entries that say nothing."""
        if user_dictionary is not None:
            from elmo.tagging.baidu_text import UserDictionary

            UserDictionary(user_dictionary)

    def cut(self, sentence: str) -> list[str]:
        """Return the words of a sentence in their order."""
        return self.cut_all([sentence])[0]

    def cut_all(self, sentences: Sequence[str]) -> list[list[str]]:
        """Return the words of each sentence; several at a time are many times as fast as one by one."""
        return [[part for word in words for part in word.split()] for words, _ in self._lac.tag(sentences)]


@functools.cache
def load_segmenter(name: str) -> Segmenter:
    """Make the segmenter of this name, once: jieba takes a second."""
    return get_segmenter(name)


def cut_all(segmenter: Segmenter, texts: Sequence[str]) -> list[list[str]]:
    """Words of each text; all at once where the segmenter can."""
    if isinstance(segmenter, BatchSegmenter):
        return segmenter.cut_all(texts)
    return [segmenter.cut(text) for text in texts]


def split_characters(
    words: Sequence[str], whole: Container[str] = ()
) -> tuple[list[str], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Characters of words, the number of each one's word, and its place there: first 0, inner 1, last 2, alone 3.

    Args:
        words: of a text.
        whole: words that stay whole and stand alone.
    """
    parts = [[word] if word in whole else list(word) for word in words]
    lengths = np.array([len(part) for part in parts], np.int64)
    owners = np.repeat(np.arange(len(words)), lengths)
    begins = np.cumsum(lengths) - lengths
    inside = np.arange(len(owners)) - begins[owners]
    places = np.where(inside == 0, 0, np.where(inside == lengths[owners] - 1, 2, 1))
    return list(chain.from_iterable(parts)), owners, np.where(lengths[owners] == 1, 3, places)
