"""From segmented shards to the batches of a biLM: parallel streams of sentences, joined end to end."""

from __future__ import annotations

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

_WHOLE_TOKENS = 8192  # of a batch of whole sentences, unless one alone has more
_COUNTED_WORDS = 1 << 20  # at a time
_ROUNDS = 6  # of the shuffle
_PLANNED = 4096  # sentences whose numbers are computed at once


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


class _Rows:
    """The rows of a batch while sentences are put into them; the mask is False where there are none."""

    def __init__(self, vocabulary: Vocabulary, batch_size: int, num_steps: int) -> None:
        shape = 2, batch_size, num_steps  # inputs, targets
        self._forward = np.full(shape, vocabulary.eos_id, np.int64)
        self._backward = np.full(shape, vocabulary.bos_id, np.int64)
        self._mask = np.zeros((batch_size, num_steps), np.bool_)

    def put(self, row: int, column: int, forward: Ids, backward: Ids) -> None:
        """Put tokens [count + 1] of both reading orders into `count` columns: all but the first are predicted."""
        columns = slice(column, column + len(forward) - 1)
        self._forward[:, row, columns] = forward[:-1], forward[1:]
        self._backward[:, row, columns] = backward[:-1], backward[1:]
        self._mask[row, columns] = True

    def batch(self, ended: npt.NDArray[np.bool_]) -> Batch:
        """All rows as a batch."""
        forward, backward = self._forward, self._backward
        return Batch(forward[0], forward[1], backward[0], backward[1], self._mask, ended)


def _with_boundaries(sentence: npt.NDArray[np.int32], vocabulary: Vocabulary) -> Ids:
    """All tokens of a sentence, in forward order."""
    return np.concatenate([[vocabulary.bos_id], sentence, [vocabulary.eos_id]]).astype(np.int64)


class Order:
    """The numbers 0 .. count - 1 in their order, or shuffled by a seed, each computed when it is asked for.

    The shuffle is a Feistel network on the bits of the number, repeated until the result is below `count` (Black and
    Rogaway 2002, "Ciphers with arbitrary finite domains"): a permutation that takes no memory.
    """

    def __init__(self, count: int, seed: tuple[int, ...] | None = None) -> None:
        self.count = count
        self.seed = seed
        self._half = max(1, (max(count - 1, 1).bit_length() + 1) // 2)  # bits of half a number
        generator = np.random.default_rng(seed if seed is not None else 0)
        self._keys = generator.integers(0, 1 << 63, _ROUNDS, dtype=np.uint64)

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
        bits = np.uint64(self._half)
        mask = np.uint64((1 << self._half) - 1)
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
        sentences = [_with_boundaries(self[number], self.vocabulary) for number in numbers.tolist()]
        longest = max(len(tokens) for tokens in sentences)
        rows = _Rows(self.vocabulary, len(sentences), longest - 1)
        for row, tokens in enumerate(sentences):
            rows.put(row, 0, tokens, tokens[::-1])
        return rows.batch(ended=np.ones(len(sentences), np.bool_))


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
        self.corpus = corpus
        self.batch_size = batch_size
        self.num_steps = num_steps
        self.order = order
        self._own = range(rank * batch_size, (rank + 1) * batch_size)  # streams that this rank reads
        streams = batch_size * world_size
        if position is None:
            position = Position(0, np.full(streams, -1, np.int64), np.zeros(streams, np.int64))
        elif len(position.sentences) != streams:
            raise InputError(
                f"the position is that of {len(position.sentences)} streams, not {streams}: go on with the same "
                "batch_size and number of ranks"
            )
        self.position = position  # after the last batch that was returned
        self._upcoming: list[int] = []  # numbers of the next sentences, the last one first
        self._planned = position.taken  # how many numbers of the order were asked for
        self._current: dict[int, tuple[int, Ids]] = {}  # own stream -> number and tokens of its sentence

    def __iter__(self) -> Streams:
        return self

    def __next__(self) -> Batch:
        rows = _Rows(self.corpus.vocabulary, self.batch_size, self.num_steps)
        sentences = self.position.sentences.copy()  # (streams,)
        offsets = self.position.offsets.copy()  # (streams,)
        taken = self.position.taken
        any_read = False
        for stream in range(len(sentences)):
            column = 0
            while column < self.num_steps:
                if sentences[stream] < 0:
                    next_number = self._take()
                    if next_number is None:
                        break
                    sentences[stream] = next_number
                    offsets[stream] = 0
                    taken += 1
                number = int(sentences[stream])
                offset = int(offsets[stream])
                predictions = self.corpus.length(number) + 1
                count = min(self.num_steps - column, predictions - offset)
                if stream in self._own:
                    tokens = self._tokens(stream, number)
                    span = slice(offset, offset + count + 1)
                    rows.put(stream - self._own.start, column, tokens[span], tokens[::-1][span])
                any_read = True
                column += count
                if offset + count == predictions:
                    sentences[stream] = -1
                else:
                    offsets[stream] = offset + count
        if not any_read:
            raise StopIteration
        self.position = Position(taken, sentences, offsets)
        return rows.batch(ended=sentences[self._own.start : self._own.stop] < 0)

    def _take(self) -> int | None:
        """Number of the next sentence that no stream has begun."""
        if not self._upcoming:
            self._upcoming = self.order.numbers(self._planned, self._planned + _PLANNED).tolist()[::-1]
            self._planned += len(self._upcoming)
        return self._upcoming.pop() if self._upcoming else None

    def _tokens(self, stream: int, number: int) -> Ids:
        """All tokens of the sentence that a stream is in, kept for its next batch."""
        current = self._current.get(stream)
        if current is None or current[0] != number:
            current = number, _with_boundaries(self.corpus[number], self.corpus.vocabulary)
            self._current[stream] = current
        return current[1]
