"""Typical wrong answers to the exercises of chapter 10 are recognised."""

from __future__ import annotations

from math import comb
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elmo.exercises import check
from elmo.exercises.chapter10 import _TAGGED, entity_units, fitting
from elmo.text.masking import _fill
from elmo.text.pieces import PieceVocabulary
from elmo.text.units import ENTITY_TAGS, ENTITY_UNIT, UnitText
from tests.exercises.wrong_answers import assert_named, cases


def joined(tagged, tags=ENTITY_TAGS, any_entity=False):
    units, last = [], ""
    for word, tag in tagged:
        if units and tag in tags and (tag == last or (any_entity and last in tags)):
            units[-1] += word
        else:
            units.append(word)
        last = tag
    return units


def until(lengths, order, budget, over):
    taken = []
    for unit in order:
        count = sum(lengths[i] for i in taken)
        if count >= budget or (not over and count + lengths[unit] > budget):
            break
        taken.append(unit)
    return taken


def mates(lengths, masked):
    """For each masked character, how many others of its word show, and how many it has."""
    word = np.repeat(np.arange(len(lengths)), lengths)
    return [((~masked)[word == word[i]].sum(), lengths[word[i]] - 1) for i in np.flatnonzero(masked)]


def beside(masked):
    padded = [False, *~masked, False]
    return [padded[i] or padded[i + 2] for i in np.flatnonzero(masked)]


def interval(values, level=2.5):
    return np.percentile(values, [level, 100 - level])


WRONG = {
    "10.2": [
        (lambda k, b, n: (b / n) ** k, "with replacement"),
        (lambda k, b, n: 0.15**k, "you used 15%"),
        (lambda k, b, n: b / n, "that one character is chosen"),
        (lambda k, b, n: 1 - (1 - b / n) ** k, "any of them"),
        (lambda k, b, n: np.prod([(b - i) / n for i in range(k)]), "get fewer, too"),
        (lambda k, b, n: np.prod([b / (n - i) for i in range(k)]), "gets less, too"),
        (lambda k, b: 0.1, "does not take the 3 arguments"),
    ],
    "10.3": [
        (lambda tagged: [word for word, _ in tagged], "these are the words"),
        (lambda tagged: joined(tagged, {tag for _, tag in tagged}), "neighbours of any tag"),
        (lambda tagged: joined(tagged, any_entity=True), "entities of different tags"),
        (lambda tagged: [c for word, _ in tagged for c in word], "these are the characters"),
        (lambda tagged: joined(tagged)[1:], "are not the sentence"),
        (lambda tagged: ["周宁在", *joined(tagged)[2:]], "unit 0 is 周宁在"),
        (lambda tagged: "".join(word for word, _ in tagged), "a list of strings is asked for"),
        (lambda tagged: None, "a list of strings is asked for"),
    ],
    "10.4": [
        (lambda n, order, b: until(n, order, b, False), "stop at the first unit that does not fit"),
        (lambda n, order, b: until(n, order, b, True), "go over the budget"),
        (lambda n, order, b: fitting(n, range(len(n)), b), "as they stand in the sentence"),
        (lambda n, order, b: fitting(n, sorted(order, key=lambda u: n[u]), b), "short units first"),
        (lambda n, order, b: sorted(fitting(n, order, b)), "their order is not"),
        (lambda n, order, b: [n[unit] for unit in fitting(n, order, b)], "lengths of the units"),
        (lambda n, order, b: order[:b], "you count units"),
        (lambda n, order, b: [], "more would fit"),
        (lambda n, order, b: 3, "a list of unit numbers"),
    ],
    "10.5": [
        (lambda n, m: sum(shown > 0 for shown, _ in mates(n, m)) / len(m), "divided by all characters"),
        (lambda n, m: sum(shown > 0 for shown, _ in mates(n, m)), "how many there are"),
        (lambda n, m: np.mean([shown == 0 for shown, _ in mates(n, m)]), "not given away"),
        (lambda n, m: np.mean([shown > 0 for shown, others in mates(n, m) if others]), "of one character out"),
        (lambda n, m: np.mean([others > 0 for _, others in mates(n, m)]), "masked whole gives nothing away"),
        (lambda n, m: np.mean(beside(m)), "whatever word they are in"),
    ],
    "10.6": [
        (
            lambda a, b, d: (
                interval(b[d].mean(1))[0] - interval(a[d].mean(1))[1],
                interval(b[d].mean(1))[1] - interval(a[d].mean(1))[0],
            ),
            "ends of two intervals",
        ),
        (lambda a, b, d: interval(a[d].mean(1) - b[d].mean(1)), "first less second"),
        (lambda a, b, d: interval(b[d].mean(1) - a[d].mean(1))[::-1], "exchanged"),
        (lambda a, b, d: interval(b[d].mean(1) - a[d].mean(1), 5), "90%"),
        (lambda a, b, d: interval(b[d].mean(1)), "interval of second's accuracy"),
        (lambda a, b, d: 100 * interval(b[d].mean(1) - a[d].mean(1)), "in percent"),
        (lambda a, b, d: (0.1, 0.2, 0.3), "2 things are asked for"),
    ],
}


@pytest.mark.parametrize(("number", "answer", "finding"), cases(WRONG))
def test_a_typical_mistake_is_named(number, answer, finding):
    assert_named(number, answer, finding)


def test_the_right_chance_is_that_of_counting_all_choices():
    assert check("10.2", lambda k, b, n: comb(n - k, b - k) / comb(n, b))


def test_the_right_units_are_those_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ELMO_CACHE", str(tmp_path / "cache"))
    (tmp_path / "shard").write_text(" ".join(f"{word}/{tag}" for word, tag in _TAGGED), encoding="utf-8")
    characters = "".join(word for word, _ in _TAGGED)
    vocabulary = PieceVocabulary([*PieceVocabulary.special_tokens, *dict.fromkeys(characters)])
    text = UnitText(tmp_path / "shard", vocabulary, tagged=True)
    _, units = text.read(0, text.num_characters)
    begins = np.flatnonzero(units & ENTITY_UNIT)
    ends = np.append(begins[1:], len(units))
    assert [characters[b:e] for b, e in zip(begins, ends, strict=True)] == entity_units(_TAGGED)
    assert check("10.3", joined)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=20), st.integers(0, 25), st.randoms(use_true_random=False))
def test_the_right_filling_is_that_of_the_package(lengths, budget, random):
    order = random.sample(range(len(lengths)), len(lengths))
    assert fitting(lengths, order, budget) == _fill(order, np.array(lengths), budget)[0]


def test_the_right_share():
    assert check("10.5", lambda n, m: np.mean([shown > 0 for shown, _ in mates(n, m)]))


def test_the_right_interval():
    assert check("10.6", lambda a, b, d: interval(b[d].mean(1) - a[d].mean(1)))
