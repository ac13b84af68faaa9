"""LAC among the segmenters of `elmo.text.segment`; `import elmo` registers it, and imports no Paddle yet."""

from __future__ import annotations

import functools
from collections.abc import Sequence

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
