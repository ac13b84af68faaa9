"""From sentences to words: jieba, and choosing a segmenter by its name."""

from __future__ import annotations

import importlib
import inspect
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

from elmo.errors import InputError
from elmo.system.cache import cache_folder
from elmo.system.trusted import UntrustedError, is_ours, private_folder
from elmo.system.types import PathLike
from elmo.text import SEGMENTERS, register_segmenter
from elmo.text.normalise import Normaliser, cut_around_emoji
from elmo.text.segment.dictionary import check_entries, read_dictionary, warn_of_entries
from elmo.text.segment.processes import SegmentedChunk, segment_chunks
from elmo.text.segment.protocols import BatchSegmenter, Segmenter

__all__ = [
    "BatchSegmenter",
    "JiebaSegmenter",
    "NormalisedSegmenter",
    "SegmentedChunk",
    "Segmenter",
    "WhitespaceSegmenter",
    "get_segmenter",
    "segment_chunks",
    "segmenter_factory",
    "warn_of_entries",
]


class WhitespaceSegmenter:
    """For text that is segmented already: words are what white space separates."""

    name = "whitespace"

    def cut(self, sentence: str) -> list[str]:
        """Return the words of a sentence in their order."""
        return sentence.split()


class JiebaSegmenter:
    """Words by jieba's dictionary and, for what it lacks, its hidden Markov model; with a tokenizer of its own.

    The parsed dictionary is kept in `cache_folder()`, not where jieba puts it: in a folder that everybody may
    write to, from which it would load what somebody else has left there.

    Args:
        user_dictionary: a file in jieba's format, UTF-8, a line each: word, then optionally frequency and tag. Entries
            that jieba can't keep whole, or that are in LAC's format, are named in warnings.

    Raises:
        InputError: the user dictionary cannot be read.
    """

    name = "jieba"

    def __init__(self, *, user_dictionary: PathLike | None = None) -> None:
        added_words = "" if user_dictionary is None else read_dictionary(user_dictionary)
        jieba = _import_jieba()
        self._tokenizer = jieba.Tokenizer()
        cache = cache_folder()
        self._tokenizer.tmp_dir = str(cache / "none")  # is not there
        self._tokenizer.cache_file = f"jieba-{jieba.__version__}.cache"
        with _silenced(jieba.default_logger):
            with suppress(OSError):  # without the folder jieba parses its dictionary anew, which takes a second
                self._tokenizer.tmp_dir = str(_trusted_cache(cache, cache / self._tokenizer.cache_file))
            self._tokenizer.initialize()
            self._tokenizer.load_userdict(StringIO(added_words))
        if user_dictionary is not None:
            warn_of_entries(check_entries(added_words, self._keeps, user_dictionary), user_dictionary)

    @classmethod
    def check_options(cls, user_dictionary: PathLike | None = None) -> None:
        """Warn, before processes are started that can't, of entries that will not be kept whole."""
        if user_dictionary is not None:
            cls(user_dictionary=user_dictionary)

    def _keeps(self, word: str) -> bool:
        return list(self._tokenizer.cut(word)) == [word]

    def cut(self, sentence: str) -> list[str]:
        """Return the words of a sentence in their order."""
        return [word for word in cut_around_emoji(sentence, self._tokenizer.cut) if not word.isspace()]


def _trusted_cache(folder: Path, file: Path) -> Path:
    """The folder of jieba's cache, where nobody else can write to it; a file there that is not ours is removed.

    Raises:
        OSError: there is no such folder, so that there is no cache.
    """
    try:
        folder = private_folder(folder, parents=False)
    except UntrustedError as error:
        raise OSError(str(error)) from None
    if not is_ours(file):
        file.unlink(missing_ok=True)
    return folder


register_segmenter("jieba", JiebaSegmenter)
register_segmenter("whitespace", WhitespaceSegmenter)


class NormalisedSegmenter:
    """A segmenter of text that is normalised first.

    Args:
        steps: see `elmo.text.normalise.Normaliser`.
        make: makes the segmenter.
    """

    def __init__(self, steps: Sequence[str], make: Callable[[], Segmenter]) -> None:
        self._normalise, self._segmenter = Normaliser(steps), make()
        self.name = self._segmenter.name

    def cut(self, sentence: str) -> list[str]:
        """Return the words of a sentence in their order."""
        return self._segmenter.cut(self._normalise(sentence))

    def cut_all(self, sentences: Sequence[str]) -> list[list[str]]:
        """Return the words of each sentence."""
        if isinstance(self._segmenter, BatchSegmenter):
            return self._segmenter.cut_all([self._normalise(sentence) for sentence in sentences])
        return [self.cut(sentence) for sentence in sentences]


def segmenter_factory(name: str, *, normalise: Sequence[str] = (), **options: Any) -> Callable[[], Segmenter]:
    """Return what makes the segmenter of this name; it can be sent to another process, unlike a segmenter.

    Args:
        name: see `elmo.text.SEGMENTERS`.
        normalise: steps that sentences are normalised by first, see `elmo.text.normalise`.
        options: of the segmenter.

    Raises:
        InputError: there is none of that name, or it does not take one of the options; there is no such step.
    """
    segmenter = SEGMENTERS.get(name)
    if segmenter is None:
        raise InputError(f"there is no segmenter {name!r}: choose one of {', '.join(sorted(SEGMENTERS))}")
    try:
        inspect.signature(segmenter).bind(**options)
    except TypeError as error:
        raise InputError(f"segmenter {name!r}: {error}; leave that option out") from error
    make = partial(segmenter, **options)
    return partial(NormalisedSegmenter, Normaliser(normalise).steps, make) if normalise else make


def get_segmenter(name: str, **options: Any) -> Segmenter:
    """Make the segmenter of this name; see `elmo.text.SEGMENTERS`. Errors as those of `segmenter_factory`."""
    return segmenter_factory(name, **options)()


def _import_jieba() -> Any:
    with warnings.catch_warnings():  # jieba's strings have "\.", which Python 3.12 warns about when it compiles them
        for category in (SyntaxWarning, DeprecationWarning):
            warnings.filterwarnings("ignore", message=".*invalid escape sequence", category=category)
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
        return importlib.import_module("jieba")


@contextmanager
def _silenced(logger: logging.Logger) -> Iterator[None]:
    was_disabled, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = was_disabled
