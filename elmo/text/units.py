"""Segmented shards as the characters of a masked language model, and where their words and entities begin.

A shard has a sentence a line, words separated by spaces; in a tagged one each is word/tag, as LAC's tagger writes it.
Ids and units are encoded once and read from disk, as the words of a biLM are (`elmo.text.encoded`).
"""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from elmo.errors import InputError
from elmo.system.types import PathLike
from elmo.text.encoded import Scheme, encode_shards
from elmo.text.pieces import PieceTokenizer, PieceVocabulary
from elmo.text.shards import find_shards, read_lines

Units = npt.NDArray[np.uint8]

ENTITY_TAGS = frozenset({"PER", "LOC", "ORG"})  # LAC's names of people, places and organisations
WORD, ENTITY_UNIT, ENTITY = 1, 2, 4  # a word begins here; a word or an entity does; this belongs to an entity
_FORMAT = "elmo-units/1"
_FLUSH_IDS = 1 << 18
_COUNTED_IDS = 1 << 20  # at a time
_CACHED_WORDS = 1 << 18


class UnitText:
    """The characters of some shards and their units, read from disk as they are asked for.

    Args:
        pattern: path or glob of the shards.
        vocabulary: gives a character or piece its id.
        tagged: whether words have tags; only then are there entities.
        lower_case: see `elmo.text.pieces.PieceTokenizer`.
        workers: processes that encode.

    Raises:
        InputError: no file matches, there is no sentence in them, or a word of a tagged shard has no tag.
    """

    def __init__(
        self,
        pattern: PathLike,
        vocabulary: PieceVocabulary,
        *,
        tagged: bool = False,
        lower_case: bool = True,
        workers: int = 1,
    ) -> None:
        self.paths, self.vocabulary, self.tagged = find_shards(pattern), vocabulary, tagged
        name = f"{_FORMAT} tagged={tagged} lower_case={lower_case}"
        encode = partial(_encode_shard, tagged=tagged, lower_case=lower_case)
        self.text = encode_shards(self.paths, vocabulary, workers, Scheme(name, encode, ("units",)))
        self._units = os.open(self.text.folder / "units.bin", os.O_RDONLY)

    def __del__(self) -> None:
        if "_units" in self.__dict__:
            os.close(self._units)

    @property
    def num_characters(self) -> int:
        """Characters and pieces in the whole text."""
        return self.text.num_words

    @property
    def fingerprint(self) -> str:
        """What tells this text, encoded so, from any other."""
        return self.text.folder.name

    def count_tokens(self) -> npt.NDArray[np.int64]:
        """How often each token of the vocabulary is in the text, [vocab]."""
        counts = np.zeros(len(self.vocabulary), np.int64)
        total = self.num_characters
        for begin in range(0, total, _COUNTED_IDS):
            ids = self.text.read(begin, min(begin + _COUNTED_IDS, total))
            counts += np.bincount(ids, minlength=len(counts))
        return counts

    def starts(self) -> npt.NDArray[np.int64]:
        """Where each sentence begins, and the last one ends; [sentences + 1], mapped from disk."""
        return np.memmap(self.text.folder / "starts.bin", np.int64, "r")

    def read(self, start: int, stop: int) -> tuple[npt.NDArray[Any], Units]:
        """Ids and units from one place of the text to another; beyond its end it begins again."""
        total, ids, units = self.num_characters, [], []
        while start < stop:
            begin = start % total
            end = min(begin + stop - start, total)
            ids.append(self.text.read(begin, end))
            units.append(np.frombuffer(os.pread(self._units, end - begin, begin), np.uint8))
            start += end - begin
        return np.concatenate(ids), np.concatenate(units)


def read_words(path: PathLike, tagged: bool) -> Iterator[list[tuple[str, str]]]:
    """Yield the words of each line of a shard with their tags, which are empty where the shard is not tagged.

    Raises:
        InputError: the file can't be read, or a word of a tagged shard has no tag; names the line.
    """
    for number, line in enumerate(read_lines(path), 1):
        words = line.split()
        if not tagged:
            yield [(word, "") for word in words]
            continue
        sentence = []
        for word in words:
            text, slash, tag = word.rpartition("/")
            if not slash:
                raise InputError(f"{path}:{number}: {word!r} has no tag; give word/tag, or a shard that is not tagged")
            sentence.append((text, tag))
        yield sentence


def count_shard_words(paths: Sequence[PathLike], tagged: bool = False) -> Counter[str]:
    """Count the words of shards, for `PieceVocabulary.from_words`; errors as those of `read_words`."""
    counts: Counter[str] = Counter()
    for path in paths:
        for sentence in read_words(path, tagged):
            counts.update(word for word, _ in sentence)
    return counts


def _encode_shard(path: Path, part: Path, tokens: Sequence[str], kind: str, *, tagged: bool, lower_case: bool) -> int:
    """Write ids, units and the length of each sentence to `part`.ids, .units, .lengths; return the number of ids."""
    tokenizer = PieceTokenizer(PieceVocabulary(tokens), lower_case)
    known: dict[str, list[int]] = {}
    ids, units, lengths, total = array(kind), bytearray(), array("i"), 0
    with (
        open(part.with_suffix(".ids"), "wb") as ids_file,
        open(part.with_suffix(".units"), "wb") as units_file,
        open(part.with_suffix(".lengths"), "wb") as lengths_file,
    ):
        for sentence in read_words(path, tagged):
            before = len(ids)
            entity = ""
            for word, tag in sentence:
                pieces = known.get(word)
                if pieces is None:
                    pieces = [piece.id for piece in tokenizer.tokenize(word)]
                    if len(known) < _CACHED_WORDS:
                        known[word] = pieces
                if not pieces:  # nothing but characters that are dropped
                    continue
                goes_on = tag in ENTITY_TAGS and tag == entity
                entity = tag if tag in ENTITY_TAGS else ""
                inside = ENTITY if entity else 0
                units.append(WORD | inside | (0 if goes_on else ENTITY_UNIT))
                units.extend([inside] * (len(pieces) - 1))
                ids.extend(pieces)
            if len(ids) > before:
                lengths.append(len(ids) - before)
                total += len(ids) - before
            if len(ids) >= _FLUSH_IDS:
                ids.tofile(ids_file)
                units_file.write(units)
                lengths.tofile(lengths_file)
                ids, units, lengths = array(kind), bytearray(), array("i")
        ids.tofile(ids_file)
        units_file.write(units)
        lengths.tofile(lengths_file)
    return total
