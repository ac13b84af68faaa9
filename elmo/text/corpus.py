"""From segmented shards to the batches of a biLM: parallel streams of sentences, joined end to end."""

from __future__ import annotations

import contextlib
import glob
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from elmo.errors import InputError
from elmo.text.vocabulary import Vocabulary, invalid_utf8

Ids = npt.NDArray[np.int64]


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

    @property
    def num_tokens(self) -> int:
        """How many targets a direction has in this batch."""
        return int(self.mask.sum())


def find_shards(pattern: str | os.PathLike[str]) -> list[Path]:
    """Expand a path or glob of shards, in sorted order.

    Raises:
        InputError: nothing matches.
    """
    names = [os.fspath(pattern)] if os.path.isfile(pattern) else sorted(glob.glob(os.fspath(pattern), recursive=True))
    paths = [Path(name) for name in names if os.path.isfile(name)]
    if not paths:
        raise InputError(
            f"{pattern}: no such file; give shards made by `elmo preprocess`, as in 'data/train/sentence_file_*'"
        )
    return paths


def read_sentences(paths: Iterable[str | os.PathLike[str]]) -> Iterator[list[str]]:
    """Yield the words of each sentence of segmented shards; empty lines are passed over.

    Raises:
        InputError: a file can't be read, or is not UTF-8 (naming line and byte).
    """
    for path in paths:
        try:
            with open(path, "rb") as file:
                for number, line in enumerate(file, 1):
                    try:
                        words = _decode(line, number).split()
                    except UnicodeDecodeError as error:
                        raise invalid_utf8(path, error, number) from None
                    if words:
                        yield words
        except OSError as error:
            raise InputError(
                f"{path}: can't be read ({error.strerror}); give shards made by `elmo preprocess`"
            ) from error


def _decode(line: bytes, number: int) -> str:
    text = line.decode()
    return text.removeprefix("\ufeff") if number == 1 else text  # a byte order mark is no part of the first word


def read_lines(path: str | os.PathLike[str]) -> Iterator[str]:
    r"""Yield every line of a UTF-8 file, or of standard input for "-", without its end (\n or \r\n); empty ones too.

    Raises:
        InputError: it can't be read, or is not UTF-8 (naming line and byte).
    """
    standard_input = os.fspath(path) == "-"
    try:
        with contextlib.nullcontext(sys.stdin.buffer) if standard_input else open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    text = _decode(line, number)
                except UnicodeDecodeError as error:
                    raise invalid_utf8("standard input" if standard_input else path, error, number) from None
                yield text.removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror}); give a UTF-8 file, a sentence a line") from error


class SentenceIds:
    """The sentences of some shards as ids, all in memory: one flat array and the places where sentences begin.

    Args:
        pattern: path or glob of the shards.
        vocabulary: what gives a word its id.

    Raises:
        InputError: no file matches, or there is no sentence in them.
    """

    def __init__(self, pattern: str | os.PathLike[str], vocabulary: Vocabulary) -> None:
        self.paths = find_shards(pattern)
        self.vocabulary = vocabulary
        parts = [np.array(vocabulary.encode(words), dtype=np.int32) for words in read_sentences(self.paths)]
        if not parts:
            raise InputError(f"{pattern}: holds no sentence; run `elmo preprocess` on documents with text")
        self.flat = np.concatenate(parts)
        self.starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])])

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, index: int) -> npt.NDArray[np.int32]:
        return self.flat[self.starts[index] : self.starts[index + 1]]

    @property
    def num_words(self) -> int:
        """Words in all sentences; LARK's `all_train_tokens`."""
        return len(self.flat)

    @property
    def num_targets(self) -> int:
        """Tokens that one direction predicts in one pass: the words and a boundary a sentence."""
        return len(self.flat) + len(self)

    def batches(self, batch_size: int, num_steps: int, generator: np.random.Generator | None = None) -> Iterator[Batch]:
        """One pass over all sentences, each exactly once; in file order, or shuffled by a generator.

        A stream that ends a sentence goes on with the next one that no stream has read, within the same batch. In the
        last batches some streams have run out and are masked.
        """
        order: Sequence[int] | Ids = range(len(self)) if generator is None else generator.permutation(len(self))
        return stream_batches((self[index] for index in order), self.vocabulary, batch_size, num_steps)


def stream_batches(
    sentences: Iterable[npt.NDArray[np.int32]], vocabulary: Vocabulary, batch_size: int, num_steps: int
) -> Iterator[Batch]:
    """Fill `batch_size` streams from sentences of ids, `num_steps` tokens at a time; see `SentenceIds.batches`."""
    for name, value in (("batch_size", batch_size), ("num_steps", num_steps)):
        if value < 1:
            raise InputError(f"{name} is {value}: give a whole number above 0")
    upcoming = iter(sentences)
    bos, eos = vocabulary.bos_id, vocabulary.eos_id
    streams = [(np.empty(0, np.int64), np.empty(0, np.int64)) for _ in range(batch_size)]
    while True:
        forward = np.full((2, batch_size, num_steps), eos, dtype=np.int64)  # inputs, targets
        backward = np.full((2, batch_size, num_steps), bos, dtype=np.int64)
        mask = np.zeros((batch_size, num_steps), dtype=np.bool_)
        for row in range(batch_size):
            column = 0
            while column < num_steps:
                ahead, behind = streams[row]  # the rest of a sentence in both reading orders, its first token an input
                if len(ahead) < 2:
                    sentence = next(upcoming, None)
                    if sentence is None:
                        break
                    ahead = np.concatenate([[bos], sentence, [eos]])
                    behind = ahead[::-1]
                count = min(num_steps - column, len(ahead) - 1)
                forward[0, row, column : column + count] = ahead[:count]
                forward[1, row, column : column + count] = ahead[1 : count + 1]
                backward[0, row, column : column + count] = behind[:count]
                backward[1, row, column : column + count] = behind[1 : count + 1]
                mask[row, column : column + count] = True
                streams[row] = ahead[count:], behind[count:]
                column += count
        if not mask.any():
            return
        yield Batch(forward[0], forward[1], backward[0], backward[1], mask)
