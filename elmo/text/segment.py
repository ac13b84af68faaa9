"""From sentences to words: jieba, choosing a segmenter by its name, and segmenting in processes."""

from __future__ import annotations

import importlib
import inspect
import logging
import multiprocessing
import os
import signal
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from elmo.errors import InputError, RunError
from elmo.system.cache import cache_folder
from elmo.system.inputs import read_whole
from elmo.system.trusted import UntrustedError, is_ours, private_folder
from elmo.text import SEGMENTERS, register_segmenter

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Segmenter(Protocol):
    """Cuts a sentence into words: none is empty or holds white space, and joined they are the sentence without it."""

    name: str

    def cut(self, sentence: str) -> list[str]:
        """Return the words of a sentence in their order."""
        ...


@runtime_checkable
class BatchSegmenter(Segmenter, Protocol):
    """A segmenter that is faster with several sentences at a time, such as one with a neural network."""

    def cut_all(self, sentences: Sequence[str]) -> list[list[str]]:
        """Return what `cut` returns, for each sentence."""
        ...


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
        user_dictionary: a file in jieba's format, UTF-8, a line each: word, then optionally frequency and tag.

    Raises:
        InputError: the user dictionary cannot be read.
    """

    name = "jieba"

    def __init__(self, *, user_dictionary: str | os.PathLike[str] | None = None) -> None:
        added_words = "" if user_dictionary is None else _read_user_dictionary(user_dictionary)
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

    def cut(self, sentence: str) -> list[str]:
        """Return the words of a sentence in their order."""
        return [word for word in self._tokenizer.cut(sentence) if not word.isspace()]


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


def segmenter_factory(name: str, **options: Any) -> Callable[[], Segmenter]:
    """Return what makes the segmenter of this name; it can be sent to another process, unlike a segmenter.

    Raises:
        InputError: there is none of that name, or it does not take one of the options.
    """
    segmenter = SEGMENTERS.get(name)
    if segmenter is None:
        raise InputError(f"there is no segmenter {name!r}: choose one of {', '.join(sorted(SEGMENTERS))}")
    try:
        inspect.signature(segmenter).bind(**options)
    except TypeError as error:
        raise InputError(f"segmenter {name!r}: {error}; leave that option out") from error
    return partial(segmenter, **options)


def get_segmenter(name: str, **options: Any) -> Segmenter:
    """Make the segmenter of this name; see `elmo.text.SEGMENTERS`. Errors as those of `segmenter_factory`."""
    return segmenter_factory(name, **options)()


@dataclass(frozen=True)
class SegmentedChunk:
    """Segmented sentences in UTF-8, a line each, words separated by one space; and how much it is."""

    lines: bytes
    sentences: int
    words: int
    characters: int  # in words, so without white space


def segment_chunks(
    chunks: Iterable[tuple[int, list[str]]], make_segmenter: Callable[[], Segmenter], workers: int
) -> Generator[tuple[int, SegmentedChunk], None, None]:
    """Segment chunks, each a number and some sentences, in their order; only a few chunks are in memory at a time.

    Args:
        make_segmenter: from `segmenter_factory`.
        workers: processes that segment, of one thread each; 1 starts none, and has the threads of this process.

    Raises:
        InputError: the segmenter cannot be made.
        RunError: a worker died.
    """
    if workers == 1:
        segmenter = make_segmenter()
        for number, sentences in chunks:
            yield number, _segment(segmenter, sentences)
        return
    # Started afresh, not forked: the first process may run threads, its progress bar's and Paddle's among them.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(make_segmenter,))
    ahead: deque[tuple[int, Future[SegmentedChunk]]] = deque()
    try:
        for number, sentences in chunks:
            with _interrupts_held(), _one_thread():
                ahead.append((number, executor.submit(_segment_in_worker, sentences)))
            if len(ahead) > 2 * workers:
                first, future = ahead.popleft()
                yield first, future.result()
        while ahead:
            first, future = ahead.popleft()
            yield first, future.result()
    except BrokenProcessPool as error:
        raise RunError(
            "a worker died: too little memory, or a script that lacks `if __name__ == '__main__':`; try workers=1"
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Let a worker that is started inherit that Ctrl-C waits: it reaches all, but the first process ends the others."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let a worker that is started inherit one thread for Paddle and NumPy; they read it when they are imported."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _segment(segmenter: Segmenter, sentences: list[str]) -> SegmentedChunk:
    if isinstance(segmenter, BatchSegmenter):
        cut = segmenter.cut_all(sentences)
    else:
        cut = [segmenter.cut(sentence) for sentence in sentences]
    lines = "\n".join([" ".join(words) for words in cut]) + "\n"
    words = lines.count(" ") + len(sentences)  # a space or a line end follows each word
    return SegmentedChunk(lines.encode(), len(sentences), words, len(lines) - words)


_make_segmenter: Callable[[], Segmenter]  # these two are a worker's own
_segmenter: Segmenter | None = None


def _start_worker(make_segmenter: Callable[[], Segmenter]) -> None:
    global _make_segmenter
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _make_segmenter = make_segmenter


def _segment_in_worker(sentences: list[str]) -> SegmentedChunk:
    global _segmenter
    if _segmenter is None:  # made here and not at the start, so that its errors arrive as errors of a task
        _segmenter = _make_segmenter()
    return _segment(_segmenter, sentences)


def _read_user_dictionary(path: str | os.PathLike[str]) -> str:
    try:
        return read_whole(path).decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: the user dictionary cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: the user dictionary is not UTF-8 from byte {error.start} on; save it so") from None


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
