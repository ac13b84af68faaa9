"""Sequences for a masked language model, and which of their characters are masked: alone, as words, or as entities.

Sources: Devlin et al. (2019), "BERT", for 15% of the characters and 80/10/10; Sun et al. (2019), "ERNIE: Enhanced
Representation through Knowledge Integration", for units of words and entities; Liu et al. (2019), "RoBERTa", for
sequences of sentences in their order without predicting whether one follows another (FULL-SENTENCES).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from elmo.errors import InputError
from elmo.system.types import Ids
from elmo.text.batches import Order
from elmo.text.pieces import PieceVocabulary
from elmo.text.units import ENTITY, ENTITY_UNIT, WORD, UnitText

STAGES = ("characters", "words", "entities")  # what is masked as one
MASK_SHARE = 0.15  # of the characters of a sequence
_MASKED = 0.8  # of those become [MASK]
_KEPT = 0.1  # of those stay what they are; the others become any token
_ENTITIES_SHARE = 0.5  # of what is masked in the stage of entities, at most


@dataclass(frozen=True)
class MaskedBatch:
    """Sequences [CLS] .. [SEP] and what is to be predicted in them."""

    token_ids: Ids  # [batch, time]
    places: Ids  # [masked], of what is predicted: row * time + column
    targets: Ids  # [masked], ids that stood there

    @property
    def num_tokens(self) -> int:
        """Characters that are read: all but [CLS] and [SEP]."""
        return int(self.token_ids.size - 2 * len(self.token_ids))


class Masker:
    """Chooses what is masked.

    A unit is masked whole or not at all: units are drawn in random order and taken as long as they fit into the share,
    as in BERT's own whole-word masking; each of their characters then becomes [MASK], another one, or stays. A unit
    that the end of the sequence cuts, or that holds an unknown character, is never chosen. In the stage of entities
    these come first, up to half of what is masked; the rest is drawn from all units.
    """

    def __init__(self, vocabulary: PieceVocabulary) -> None:
        special = {vocabulary.encode([token])[0] for token in vocabulary.special_tokens}
        ordinary = [
            token_id
            for token_id, token in enumerate(vocabulary)
            if token_id not in special and not token.startswith("[unused")
        ]
        if not ordinary:
            raise InputError("the vocabulary holds special tokens only: make one with `elmo vocab --pieces True`")
        self._ordinary = np.array(ordinary, np.int64)
        self._mask_id = vocabulary.mask_id
        self._unk_id = vocabulary.unk_id

    def choose(
        self, ids: Ids, units: npt.NDArray[np.uint8], whole_end: bool, stage: str, generator: np.random.Generator
    ) -> Ids:
        """Choose places [masked], in rising order, of a sequence's characters.

        Args:
            ids: [count].
            units: [count], as `elmo.text.units` has them.
            whole_end: whether the last unit ends with the sequence.
            stage: one of STAGES.
            generator: draws.
        """
        wanted = max(1, round(MASK_SHARE * len(ids)))
        flag = {"words": WORD, "entities": ENTITY_UNIT}.get(stage)
        begins = np.arange(len(ids)) if flag is None else np.flatnonzero(units & flag)  # (units,)
        ends = np.append(begins[1:], len(ids))[: len(begins)]  # (units,)
        unknown_before = np.concatenate([[0], np.cumsum(ids == self._unk_id)])  # (count + 1,)
        usable = unknown_before[ends] == unknown_before[begins]  # (units,)
        if flag is not None and not whole_end and len(usable):
            usable[-1] = False
        begins = begins[usable]
        ends = ends[usable]
        order = generator.permutation(len(begins))
        taken: list[int] = []
        if stage == "entities":
            is_entity = (units[begins] & ENTITY) > 0
            entities = order[is_entity[order]]
            taken, num_masked = _fill(entities, ends - begins, int(_ENTITIES_SHARE * wanted))
            order = order[~np.isin(order, taken)]
            wanted -= num_masked
        taken += _fill(order, ends - begins, wanted)[0]
        spans = [np.arange(begins[unit], ends[unit]) for unit in taken]
        return np.sort(np.concatenate(spans)) if spans else np.zeros(0, np.int64)

    def replace(self, ids: Ids, places: Ids, generator: np.random.Generator) -> Ids:
        """Ids [count] with what is chosen replaced: 80% by [MASK], 10% by any token, 10% not."""
        replaced = ids.copy()
        drawn = generator.random(len(places))  # (masked,)
        replaced[places[drawn < _MASKED]] = self._mask_id
        other_places = places[drawn >= _MASKED + _KEPT]
        replaced[other_places] = generator.choice(self._ordinary, len(other_places))
        return replaced


def _fill(units: Sequence[int] | Ids, lengths: Ids, wanted: int) -> tuple[list[int], int]:
    """Take units in their order as long as they fit; returns them, and how many characters they have."""
    taken = []
    count = 0
    for unit in units:
        if count == wanted:
            break
        if count + lengths[unit] <= wanted:
            taken.append(int(unit))
            count += int(lengths[unit])
    return taken, count


class MaskedSequences:
    """All sequences of a text: each begins with a sentence and is full, so that nothing is padded.

    The sentence that a sequence's end cuts is read again, whole, at the beginning of the next one; only one that is
    longer than a sequence is cut into several. The last sequence goes on with the beginning of the text. Documents'
    boundaries are not known, so sequences go across them.

    Args:
        text: the characters.
        max_length: tokens of a sequence, [CLS] and [SEP] included; shorter where the whole text is.

    Raises:
        InputError: `max_length` leaves no room.
    """

    def __init__(self, text: UnitText, max_length: int) -> None:
        if max_length < 3:
            raise InputError(f"max_length is {max_length}: give at least 3, for [CLS], a character and [SEP]")
        self.text = text
        self.length = min(max_length - 2, text.num_characters)  # characters of a sequence
        self._begins = _find_begins(text.starts(), self.length)
        self._masker = Masker(text.vocabulary)

    def __len__(self) -> int:
        return len(self._begins)

    def sequence(self, number: int, stage: str, seed: Sequence[int]) -> tuple[Ids, Ids, Ids]:
        """Return tokens [time] with what is masked replaced, places [masked] in them, and targets [masked].

        What is masked depends on the seed, the number and the stage alone.
        """
        vocabulary = self.text.vocabulary
        begin = int(self._begins[number])
        ids, units = self.text.read(begin, begin + self.length + 1)  # one more, to see whether a unit begins there
        ids = ids[:-1].astype(np.int64)
        flag = ENTITY_UNIT if stage == "entities" else WORD
        whole_end = bool(units[-1] & flag)
        generator = np.random.default_rng([*seed, number])
        places = self._masker.choose(ids, units[:-1], whole_end, stage, generator)
        replaced = self._masker.replace(ids, places, generator)
        token_ids = np.concatenate([[vocabulary.bos_id], replaced, [vocabulary.eos_id]])
        return token_ids, places + 1, ids[places]

    def batch(self, numbers: Sequence[int] | Ids, stage: str, seed: Sequence[int]) -> MaskedBatch:
        """Put sequences side by side."""
        rows = [self.sequence(int(number), stage, seed) for number in numbers]
        time = self.length + 2
        token_ids = np.stack([ids for ids, _, _ in rows])  # (batch, time)
        places = np.concatenate([row * time + columns for row, (_, columns, _) in enumerate(rows)])  # (masked,)
        targets = np.concatenate([targets for _, _, targets in rows])  # (masked,)
        return MaskedBatch(token_ids, places, targets)

    def num_batches(self, batch_size: int, world_size: int = 1) -> int:
        """Batches of a pass."""
        return -(-len(self) // (batch_size * world_size))

    def batches(
        self,
        batch_size: int,
        stage: Callable[[int], str],
        seed: tuple[int, int],
        *,
        shuffle: bool = True,
        first: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> Iterator[MaskedBatch]:
        """One pass: full batches, the last one filled up with the sequences that came first.

        Args:
            batch_size: sequences of one rank.
            stage: tells that of a batch, counted from 0; one of STAGES.
            seed: run and epoch.
            shuffle: in an order by the seed, else in that of the text.
            first: batches to pass over: those that were read before.
            rank: which of `world_size` ranks' sequences are wanted.
            world_size: all ranks together read what one process with as many times the batch would.
        """
        order = Order(len(self), (*seed, 1) if shuffle else None)
        for index in range(first, self.num_batches(batch_size, world_size)):
            begin = (index * world_size + rank) * batch_size  # in the order of all ranks' sequences
            numbers = order.numbers(begin, begin + batch_size)
            for place in range(begin + len(numbers), begin + batch_size):
                again = place % len(self)
                numbers = np.append(numbers, order.numbers(again, again + 1))
            yield self.batch(numbers, stage(index), (*seed, 2))


def _find_begins(starts: Ids, length: int) -> Ids:
    """Where sequences begin, from where sentences do (and the last one ends)."""
    total = int(starts[-1])
    begins = []
    begin = 0
    sentence = 0  # that `begin` is in
    while begin < total:
        begins.append(begin)
        ahead = starts[sentence : sentence + length + 2]  # no sentence is empty
        following = sentence + int(np.searchsorted(ahead, begin + length, side="right")) - 1
        if following > sentence:
            sentence = following
            begin = int(starts[following])
        else:
            begin += length
    return np.array(begins, np.int64)
