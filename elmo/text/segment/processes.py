"""Segmenting in processes: chunks of sentences in, chunks of segmented lines out, in their order."""

from __future__ import annotations

import multiprocessing
import os
import signal
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass

from elmo.errors import RunError
from elmo.system.stopping import start_tracker
from elmo.text.segment.protocols import BatchSegmenter, Segmenter

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


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
    if check := getattr(getattr(make_segmenter, "func", None), "check_options", None):
        check(**getattr(make_segmenter, "keywords", {}))
    # Started afresh, not forked: the first process may run threads, its progress bar's and Paddle's among them.
    start_tracker()
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
    warnings.simplefilter("ignore")  # the first process says them, once
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _make_segmenter = make_segmenter


def _segment_in_worker(sentences: list[str]) -> SegmentedChunk:
    global _segmenter
    if _segmenter is None:  # made here and not at the start, so that its errors arrive as errors of a task
        _segmenter = _make_segmenter()
    return _segment(_segmenter, sentences)
