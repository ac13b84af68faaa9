"""From segmented shards to the batches of a biLM: parallel streams of sentences, joined end to end."""

from __future__ import annotations

import contextlib
import queue
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from elmo.checks import check_batch_size
from elmo.errors import InputError
from elmo.system.types import Ids, PathLike
from elmo.text.encoded import encode_shards
from elmo.text.shards import find_shards
from elmo.text.vocabulary import Vocabulary

_READ_AHEAD = 8  # batches that are ready before they are asked for
_POLL_SECONDS = 0.2  # between two looks at whether they are still wanted
_WHOLE_TOKENS = 8192  # of a batch of whole sentences, unless one alone has more
_COUNTED_WORDS = 1 << 20  # at a time
_ROUNDS = 6  # of the shuffle


@dataclass(frozen=True)
class Batch:
    """`num_steps` tokens of each of `batch_size` parallel streams; all arrays are [batch_size, num_steps].

    The forward direction reads `<S> w1 .. wn` and predicts `w1 .. wn </S>`; the backward direction reads
    `</S> wn .. w1` and predicts `wn .. w1 <S>`. Both are at the same sentence, so one mask serves both.
    """

    forward_ids: Ids
    forward_targets: Ids
    backward_ids: Ids
    backward_targets: Ids
    mask: npt.NDArray[np.bool_]  # False where a stream has run out
    ended: npt.NDArray[np.bool_]  # [batch_size], True for streams that are between two sentences after this batch

    @property
    def num_tokens(self) -> int:
        """How many targets a direction has in this batch."""
        return int(self.mask.sum())


class Order:
    """The numbers 0 .. count - 1 in their order, or shuffled by a seed, each computed when it is asked for.

    The shuffle is a Feistel network on the bits of the number, repeated until the result is below `count` (Black and
    Rogaway 2002, "Ciphers with arbitrary finite domains"): a permutation that takes no memory.
    """

    def __init__(self, count: int, seed: tuple[int, ...] | None = None) -> None:
        self.count, self.seed = count, seed
        self._half = max(1, (max(count - 1, 1).bit_length() + 1) // 2)
        keys = np.random.default_rng(seed if seed is not None else 0).integers(0, 1 << 63, _ROUNDS, dtype=np.uint64)
        self._keys = keys

    def numbers(self, start: int, stop: int) -> Ids:
        """Numbers at the places start .. stop - 1; places from `count` on are left out."""
        places = np.arange(start, min(stop, self.count), dtype=np.uint64)
        if self.seed is None or not len(places):
            return places.astype(np.int64)
        numbers = self._permute(places)
        while (outside := np.flatnonzero(numbers >= self.count)).size:
            numbers[outside] = self._permute(numbers[outside])
        return numbers.astype(np.int64)

    def _permute(self, numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        bits, mask = np.uint64(self._half), np.uint64((1 << self._half) - 1)
        left, right = numbers >> bits, numbers & mask
        for key in self._keys:
            left, right = right, left ^ (_mix(right + key) & mask)
        return (left << bits) | right


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Scatter the bits of each value (SplitMix64's finaliser; Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


@dataclass(frozen=True)
class Position:
    """Where all streams stand between two batches: enough to go on from there."""

    taken: int  # sentences of the order that some stream has begun
    sentences: Ids  # [streams], the sentence each stream is in, or -1
    offsets: Ids  # [streams], the next token of it to be read, `<S>` being the first


class SentenceIds:
    """The sentences of some shards as ids, encoded once and read from disk; see `elmo.text.encoded`.

    Args:
        pattern: path or glob of the shards.
        vocabulary: what gives a word its id.
        workers: processes that encode.

    Raises:
        InputError: no file matches, or there is no sentence in them.
    """

    def __init__(self, pattern: PathLike, vocabulary: Vocabulary, workers: int = 1) -> None:
        self.paths = find_shards(pattern)
        self.vocabulary = vocabulary
        self.text = encode_shards(self.paths, vocabulary, workers)

    def __len__(self) -> int:
        return self.text.num_sentences

    def __getitem__(self, index: int) -> npt.NDArray[np.int32]:
        if not 0 <= index < len(self):
            raise IndexError(f"sentence {index} of {len(self)}")
        return self.text.sentence(index).astype(np.int32)

    def length(self, index: int) -> int:
        """Words of a sentence."""
        start, stop = self.text.span(index)
        return stop - start

    @property
    def num_words(self) -> int:
        """Words in all sentences; LARK's `all_train_tokens`."""
        return self.text.num_words

    @property
    def num_targets(self) -> int:
        """Tokens that one direction predicts in one pass: the words and a boundary a sentence."""
        return self.num_words + len(self)

    def count(self, ids: Ids) -> int:
        """How many of the words have one of these ids."""
        blocks = range(0, self.num_words, _COUNTED_WORDS)
        return sum(
            int(np.isin(self.text.read(begin, min(begin + _COUNTED_WORDS, self.num_words)), ids).sum())
            for begin in blocks
        )

    def batches(
        self,
        batch_size: int,
        num_steps: int,
        seed: tuple[int, ...] | None = None,
        *,
        rank: int = 0,
        world_size: int = 1,
        position: Position | None = None,
    ) -> Streams:
        """One pass over all sentences, each exactly once; in file order, or shuffled by a seed.

        Args:
            batch_size: streams of one rank.
            num_steps: tokens of each stream in a batch.
            seed: shuffles; None keeps the order of the files.
            rank: which of `world_size` ranks' streams are wanted: all ranks together read what one process with
                `world_size` times the streams would, and all have the same number of batches.
            world_size: how many ranks there are.
            position: where to go on; None begins.
        """
        return Streams(self, batch_size, num_steps, Order(len(self), seed), rank, world_size, position)

    def whole_sentences(self, batch_size: int) -> Iterator[Batch]:
        """Every sentence once, each whole and in a row of its own; those of like length together, the shortest first.

        Args:
            batch_size: sentences of a batch; fewer where they are long.
        """
        check_batch_size(batch_size)
        lengths = self.text.lengths()
        order = np.argsort(lengths, kind="stable")
        first = 0
        while first < len(order):
            longest = int(lengths[order[min(first + batch_size, len(order)) - 1]]) + 1
            count = max(1, min(batch_size, _WHOLE_TOKENS // longest))
            yield self._whole(order[first : first + count])
            first += count

    def _whole(self, numbers: Ids) -> Batch:
        bos, eos = self.vocabulary.bos_id, self.vocabulary.eos_id
        sentences = [self[number] for number in numbers.tolist()]
        predictions = np.array([len(sentence) + 1 for sentence in sentences])
        shape = 2, len(sentences), int(predictions.max())
        forward, backward = np.full(shape, eos, np.int64), np.full(shape, bos, np.int64)  # inputs, targets
        for row, (sentence, count) in enumerate(zip(sentences, predictions.tolist(), strict=True)):
            ahead = np.concatenate([[bos], sentence, [eos]])
            forward[:, row, :count] = ahead[:-1], ahead[1:]
            backward[:, row, :count] = ahead[:0:-1], ahead[-2::-1]
        mask = np.arange(shape[2]) < predictions[:, None]
        return Batch(forward[0], forward[1], backward[0], backward[1], mask, np.ones(len(sentences), np.bool_))


class Streams:
    """Iterator over the batches of one rank; see `SentenceIds.batches`.

    A stream that ends a sentence goes on with the next one that no stream has read, within the same batch. In the last
    batches some streams have run out and are masked.
    """

    def __init__(
        self,
        corpus: SentenceIds,
        batch_size: int,
        num_steps: int,
        order: Order,
        rank: int = 0,
        world_size: int = 1,
        position: Position | None = None,
    ) -> None:
        for name, value in (("batch_size", batch_size), ("num_steps", num_steps)):
            if value < 1:
                raise InputError(f"{name} is {value}: give a whole number above 0")
        self.corpus, self.batch_size, self.num_steps, self.order = corpus, batch_size, num_steps, order
        self._mine = range(rank * batch_size, (rank + 1) * batch_size)
        streams = batch_size * world_size
        if position is None:
            position = Position(0, np.full(streams, -1, np.int64), np.zeros(streams, np.int64))
        elif len(position.sentences) != streams:
            raise InputError(
                f"the position is that of {len(position.sentences)} streams, not {streams}: go on with the same "
                "batch_size and number of ranks"
            )
        self.position = position  # after the last batch that was returned
        self._upcoming: list[int] = []
        self._planned = position.taken
        self._current: dict[int, tuple[int, Ids]] = {}  # my stream -> its sentence, with the boundary tokens

    def __iter__(self) -> Streams:
        return self

    def __next__(self) -> Batch:
        batch_size, num_steps, corpus = self.batch_size, self.num_steps, self.corpus
        bos, eos = corpus.vocabulary.bos_id, corpus.vocabulary.eos_id
        forward = np.full((2, batch_size, num_steps), eos, dtype=np.int64)  # inputs, targets
        backward = np.full((2, batch_size, num_steps), bos, dtype=np.int64)
        mask = np.zeros((batch_size, num_steps), dtype=np.bool_)
        sentences, offsets = self.position.sentences.copy(), self.position.offsets.copy()
        taken, any_read = self.position.taken, False
        for stream in range(len(sentences)):
            column, mine = 0, stream in self._mine
            while column < num_steps:
                if sentences[stream] < 0:
                    number = self._take()
                    if number is None:
                        break
                    sentences[stream], offsets[stream], taken = number, 0, taken + 1
                number, offset = int(sentences[stream]), int(offsets[stream])
                predictions = corpus.length(number) + 1
                count = min(num_steps - column, predictions - offset)
                if mine:
                    row, (ahead, behind) = stream - self._mine.start, self._tokens(stream, number)
                    ahead, behind = ahead[offset : offset + count + 1], behind[offset : offset + count + 1]
                    forward[:, row, column : column + count] = ahead[:-1], ahead[1:]
                    backward[:, row, column : column + count] = behind[:-1], behind[1:]
                    mask[row, column : column + count] = True
                any_read = True
                column += count
                if offset + count == predictions:
                    sentences[stream] = -1
                else:
                    offsets[stream] = offset + count
        if not any_read:
            raise StopIteration
        self.position = Position(taken, sentences, offsets)
        ended = sentences[self._mine.start : self._mine.stop] < 0
        return Batch(forward[0], forward[1], backward[0], backward[1], mask, ended)

    def _take(self) -> int | None:
        """Number of the next sentence that no stream has begun."""
        if not self._upcoming:
            self._upcoming = self.order.numbers(self._planned, self._planned + 4096).tolist()[::-1]
            self._planned += len(self._upcoming)
            if not self._upcoming:
                return None
        return self._upcoming.pop()

    def _tokens(self, stream: int, number: int) -> tuple[Ids, Ids]:
        """All tokens of a sentence in both reading orders."""
        known = self._current.get(stream)
        if known is None or known[0] != number:
            vocabulary = self.corpus.vocabulary
            ahead = np.concatenate([[vocabulary.bos_id], self.corpus[number], [vocabulary.eos_id]]).astype(np.int64)
            known = self._current[stream] = number, ahead
        return known[1], known[1][::-1]


_Ready = queue.Queue[tuple[Batch | BaseException | None, Position]]  # None ends a pass, an exception breaks it off


class ReadAhead:
    """Batches made by a thread of their own while the model computes; `position` is that of the last one returned.

    Close it when no more batches are wanted: an iterator that is forgotten ends its thread too, but later.
    """

    def __init__(self, streams: Streams, depth: int = _READ_AHEAD) -> None:
        self.position = streams.position
        self._ready: _Ready = queue.Queue(depth)
        self._stopped = threading.Event()
        # The thread knows nothing of this object, which could otherwise never be forgotten.
        arguments = (streams, self._ready, self._stopped)
        self._thread = threading.Thread(target=_read_ahead, args=arguments, daemon=True, name="elmo-read-ahead")
        weakref.finalize(self, self._stopped.set)
        self._thread.start()

    def __iter__(self) -> ReadAhead:
        return self

    def __next__(self) -> Batch:
        if self._stopped.is_set():
            raise StopIteration
        batch, position = self._ready.get()
        if batch is None or isinstance(batch, BaseException):
            self.close()
            if batch is None:
                raise StopIteration
            raise batch
        self.position = position
        return batch

    def close(self) -> None:
        """End the thread, once it has made the batch that it is at; may be called again."""
        self._stopped.set()
        with contextlib.suppress(queue.Empty):  # room for that batch, so that the thread does not wait for any
            while True:
                self._ready.get_nowait()
        self._thread.join()


def _read_ahead(streams: Streams, ready: _Ready, stopped: threading.Event) -> None:
    def put(item: Batch | BaseException | None) -> None:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                ready.put((item, streams.position), timeout=_POLL_SECONDS)
                return

    try:
        for batch in streams:
            put(batch)
            if stopped.is_set():
                return
        put(None)
    except BaseException as error:  # handed to the thread that asks for batches
        put(error)
