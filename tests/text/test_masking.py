"""15% of the characters are masked, 80/10/10, units whole or not at all, and the same again from the same seed."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elmo.errors import InputError
from elmo.text.masking import STAGES, MaskedSequences, Masker, _find_begins
from elmo.text.pieces import PieceVocabulary
from elmo.text.units import ENTITY, ENTITY_UNIT, WORD, UnitText

CHARACTERS = [chr(0x4E00 + number) for number in range(300)]
VOCABULARY = PieceVocabulary([*PieceVocabulary.special_tokens, "[unused1]", *CHARACTERS])
FIRST = 6  # id of the first ordinary token
MASKER = Masker(VOCABULARY)
FLAGS = {"characters": 0, "words": WORD, "entities": ENTITY_UNIT}


def make_text(seed: int, lengths: list[int], entity_share: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Ids and units of words of the given lengths, some of them entities."""
    generator = np.random.default_rng(seed)
    units: list[int] = []
    for length in lengths:
        inside = ENTITY if generator.random() < entity_share else 0
        units += [WORD | ENTITY_UNIT | inside] + [inside] * (length - 1)
    return generator.integers(FIRST, len(VOCABULARY), len(units)), np.array(units, np.uint8)


lengths_of_words = st.lists(st.integers(1, 6), min_size=1, max_size=60)


@given(lengths_of_words, st.sampled_from(STAGES), st.integers(0, 99), st.booleans(), st.integers(0, 3))
def test_units_are_masked_whole_or_not_at_all_and_never_beyond_the_share(lengths, stage, seed, whole_end, cut):
    ids, units = make_text(seed, lengths)
    ids[seed % len(ids)] = VOCABULARY.unk_id
    ids, units = ids[min(cut, len(ids) - 1) :], units[min(cut, len(units) - 1) :]  # the begin may cut a unit too
    places = MASKER.choose(ids, units, whole_end, stage, np.random.default_rng(seed))
    assert len(places) <= max(1, round(0.15 * len(ids)))
    assert (np.diff(places) > 0).all()
    assert VOCABULARY.unk_id not in ids[places]
    if stage == "characters":
        return
    numbers = np.cumsum(units & FLAGS[stage] > 0)  # of units; 0 for what is before the first begin
    chosen = set(numbers[places].tolist())
    assert 0 not in chosen
    assert np.isin(numbers, list(chosen)).sum() == len(places)
    if not whole_end:
        assert numbers[-1] not in chosen


@pytest.mark.parametrize("stage", STAGES)
def test_of_many_sequences_15_percent_are_masked_as_80_10_10(stage):
    masked = other = kept = total = 0
    generator = np.random.default_rng(0)
    for seed in range(400):
        ids, units = make_text(seed, generator.integers(1, 4, 90).tolist())
        ids, units = ids[:100], units[:100]
        places = MASKER.choose(ids, units, False, stage, generator)
        replaced = MASKER.replace(ids, places, generator)
        untouched = np.delete(np.arange(100), places)
        assert (replaced[untouched] == ids[untouched]).all()
        assert not np.isin(replaced[places], [0, 1, 2, 3, 5]).any()  # of the special tokens, [MASK] only
        total += len(places)
        masked += int((replaced[places] == VOCABULARY.mask_id).sum())
        kept += int((replaced[places] == ids[places]).sum())
    other = total - masked - kept
    assert total == pytest.approx(0.15 * 400 * 100, rel=0.005)  # a share is filled up but for what does not fit
    # Of 6,000 draws: five standard deviations of a binomial, sqrt(n p (1 - p)); one of 300 replaced stays by chance.
    for count, share in ((masked, 0.8), (kept, 0.1 + 0.1 / 300), (other, 0.1 - 0.1 / 300)):
        assert abs(count - share * total) < 5 * (total * share * (1 - share)) ** 0.5


def test_every_character_is_as_likely_to_be_masked_as_any_other():
    ids, units = make_text(0, [1] * 40)
    counts = np.zeros(40)
    for seed in range(3000):
        counts[MASKER.choose(ids, units, True, "characters", np.random.default_rng(seed))] += 1
    assert np.abs(counts - 450).max() < 5 * (3000 * 0.15 * 0.85) ** 0.5


def test_entities_come_first_in_their_stage_and_take_half_at_most():
    ids, units = make_text(1, [2] * 100, entity_share=0.3)
    inside, shares = (units & ENTITY) > 0, []
    for stage in ("words", "entities"):
        places = [MASKER.choose(ids, units, True, stage, np.random.default_rng(seed)) for seed in range(50)]
        shares.append(inside[np.concatenate(places)].mean())
    assert shares[1] > shares[0] + 0.1
    few = np.where(np.arange(len(units)) < 2, units | ENTITY, units & ~np.uint8(ENTITY))
    assert {0, 1} <= set(MASKER.choose(ids, few, True, "entities", np.random.default_rng(0)).tolist())


# Sequences


@given(lengths_of_words, st.integers(1, 25))
def test_sequences_begin_with_sentences_and_leave_nothing_out(lengths, length):
    starts = np.concatenate([[0], np.cumsum(lengths)])
    begins = _find_begins(starts, length)
    assert begins[0] == 0 and begins[-1] < starts[-1] <= begins[-1] + length
    for begin, following in itertools.pairwise(begins):
        assert begin < following <= begin + length  # no gap
        between = starts[(starts > begin) & (starts <= begin + length)]
        assert following == (between[-1] if len(between) else begin + length)


@pytest.fixture
def sequences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MaskedSequences:
    monkeypatch.setenv("ELMO_CACHE", str(tmp_path / "cache"))
    generator = np.random.default_rng(4)
    lines = [
        " ".join("".join(generator.choice(CHARACTERS, generator.integers(1, 5))) for _ in range(count))
        for count in generator.integers(1, 15, 60)
    ]
    (tmp_path / "shard").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return MaskedSequences(UnitText(tmp_path / "shard", VOCABULARY), 34)


def same(batches: list, others: list) -> bool:
    pairs = list(zip(batches, others, strict=True))
    return all(
        np.array_equal(one.token_ids, two.token_ids)
        and np.array_equal(one.places, two.places)
        and np.array_equal(one.targets, two.targets)
        for one, two in pairs
    )


def test_a_batch_is_the_text_between_cls_and_sep_once_what_was_masked_is_put_back(sequences):
    for batch in sequences.batches(3, lambda _: "words", (0, 0), shuffle=False):
        tokens = batch.token_ids.copy().reshape(-1)
        assert not np.isin(batch.places % 34, [0, 33]).any()
        tokens[batch.places] = batch.targets
        rows = tokens.reshape([3, 34])
        assert (rows[:, 0] == VOCABULARY.bos_id).all() and (rows[:, -1] == VOCABULARY.eos_id).all()
        assert (rows[:, 1:-1] >= FIRST).all()
        assert batch.num_tokens == 3 * 32
    ids, _ = sequences.text.read(0, 32)
    first = next(iter(sequences.batches(1, lambda _: "words", (0, 0), shuffle=False)))
    tokens = first.token_ids.reshape(-1).copy()
    tokens[first.places] = first.targets
    assert (tokens[1:-1] == ids).all()


def test_a_pass_depends_on_seed_and_epoch_and_goes_on_from_any_batch(sequences):
    def read(seed: tuple[int, int], first: int = 0) -> list:
        return list(sequences.batches(4, lambda index: STAGES[index % 2], seed, first=first))

    whole = read((7, 0))
    assert len(whole) == sequences.num_batches(4)
    assert same(whole, read((7, 0)))
    assert not same(whole, read((7, 1))) and not same(whole, read((8, 0)))
    for first in range(len(whole) + 1):
        assert same(whole[first:], read((7, 0), first))


def test_ranks_share_the_batches_of_one_process(sequences):
    whole = list(sequences.batches(4, lambda _: "words", (1, 0)))
    halves = [list(sequences.batches(2, lambda _: "words", (1, 0), rank=rank, world_size=2)) for rank in (0, 1)]
    for together, first, second in zip(whole, *halves, strict=True):
        assert np.array_equal(together.token_ids, np.concatenate([first.token_ids, second.token_ids]))
        assert np.array_equal(together.targets, np.concatenate([first.targets, second.targets]))
        assert np.array_equal(together.places, np.concatenate([first.places, second.places + 2 * 34]))


def test_every_sequence_is_read_once_and_the_last_batch_is_filled_up(sequences):
    count = len(sequences)
    size = next(size for size in range(5, 20) if count % size)
    rows = np.concatenate([batch.token_ids for batch in sequences.batches(size, lambda _: "words", (0, 0))])
    assert len(rows) == size * sequences.num_batches(size)
    distinct = {row.tobytes() for row in rows[:count]}
    assert len(distinct) == count and all(row.tobytes() in distinct for row in rows[count:])
    few = next(iter(sequences.batches(3 * count, lambda _: "words", (0, 0))))  # more than there are
    assert len(few.token_ids) == 3 * count


def test_a_text_shorter_than_a_sequence_makes_a_shorter_one(tmp_path, monkeypatch):
    monkeypatch.setenv("ELMO_CACHE", str(tmp_path / "cache"))
    (tmp_path / "shard").write_text("".join(CHARACTERS[:5]), encoding="utf-8")
    text = UnitText(tmp_path / "shard", VOCABULARY)
    assert MaskedSequences(text, 20).batch([0], "characters", (0, 0)).token_ids.shape == (1, 7)
    with pytest.raises(InputError, match="max_length is 2"):
        MaskedSequences(text, 2)
