"""Checkers of chapter 10, ERNIE: units, which of them fit, what neighbours give away, and which model is ahead."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from elmo.exercises.harness.checking import Answer, Mistake, exercise
from elmo.exercises.harness.plain import kind_of
from elmo.system.types import Array
from elmo.text.units import ENTITY_TAGS

Tagged = Sequence[tuple[str, str]]

_TAGGED = [
    ("周宁", "PER"), ("在", "p"), ("浙江", "LOC"), ("绍兴", "LOC"), ("鲁迅纪念馆", "ORG"), ("门口", "s"), ("等", "v"),
    ("北京", "LOC"), ("来", "v"), ("的", "u"), ("昨天", "TIME"), ("上午", "TIME"), ("老周", "PER"), ("。", "w"),
]  # fmt: skip


@exercise("10.2")
def hidden_whole(answer: Answer, generator: np.random.Generator) -> None:
    """`hidden_whole(length, chosen, count)`: the chance that all characters of one word are among those chosen."""
    count, chosen = 60 + int(generator.integers(20)), 9
    lengths = [1, 2, 3, 4]
    value = np.array([answer.number(length, chosen, count) for length in lengths])
    right = np.array([prod((chosen - i) / (count - i) for i in range(length)) for length in lengths])
    share = chosen / count

    def variant(one: Any) -> list[float]:
        return [float(one(length)) for length in lengths]

    mistakes = [
        Mistake(
            variant(lambda k: share**k),
            "you draw with replacement: the same character could be chosen twice",
            "after the first of them one fewer is to be chosen, among one character fewer",
        ),
        Mistake(variant(lambda k: 0.15**k), "you used 15% in place of chosen / count", "9 of 60 only happen to be 15%"),
        Mistake(variant(lambda k: share), "this is the chance that one character is chosen", "all of them must be"),
        Mistake(
            variant(lambda k: 1 - (1 - share) ** k),
            "this is the chance that any of them is chosen, roughly",
            "all of them must be: a product of chances",
        ),
        Mistake(
            variant(lambda k: prod((chosen - i) / count for i in range(k))),
            "the characters that are left get fewer, too",
            "divide by count, then count - 1, and so on",
        ),
        Mistake(
            variant(lambda k: prod(chosen / (count - i) for i in range(k))),
            "what is still to be chosen gets less, too",
            "multiply by chosen, then chosen - 1, and so on",
        ),
    ]
    answer.compare(value, right, mistakes, "your list of chances")


@exercise("10.3")
def units_of(answer: Answer, generator: np.random.Generator) -> None:
    """`units_of(tagged)`: the units of the stage of entities, a list of strings, from a list of (word, tag)."""
    tagged = list(_TAGGED)
    value = answer.call(tagged)
    asked, form = "a list of strings is asked for", "one string a unit, in the order of the sentence"
    units = [_joined(unit) for unit in answer.items(value, asked, form)]
    if odd := [unit for unit in units if not isinstance(unit, str)]:
        answer.wrong(f"{asked}, and yours holds {kind_of(odd[0])}", form)
    right = entity_units(tagged)
    if units == right:
        return
    for wrong, message, hint in _unit_mistakes(tagged):
        if units == wrong:
            answer.wrong(message, hint)
    if "".join(map(str, units)) != "".join(word for word, _ in tagged):
        answer.wrong("your units, put together, are not the sentence", "every word is in one unit, in its order")
    place = next((i for i, (unit, other) in enumerate(zip(units, right, strict=False)) if unit != other), len(right))
    if place == len(right):  # only empty ones behind
        answer.wrong("one of your units is empty", "append a unit when it has a word")
    answer.wrong(f"unit {place} is {units[place]}, and {right[place]} is right", "follow it through your loop")


def _joined(unit: Any) -> Any:
    """A unit in one string where it is a list of them."""
    is_list = isinstance(unit, list | tuple) and all(isinstance(part, str) for part in unit)
    return "".join(unit) if is_list else unit


def entity_units(tagged: Tagged, joined: frozenset[str] = ENTITY_TAGS, same_tag: bool = True) -> list[str]:
    """Units of the stage of entities: neighbouring words of one entity tag are one, any other word is its own."""
    units: list[str] = []
    before = ""
    for word, tag in tagged:
        goes_on = tag in joined and (tag == before if same_tag else before in joined)
        if goes_on:
            units[-1] += word
        else:
            units.append(word)
        before = tag
    return units


def _unit_mistakes(tagged: Tagged) -> list[tuple[list[str], str, str]]:
    every_tag = frozenset(tag for _, tag in tagged)
    entities = [unit for unit in entity_units(tagged) if unit in {"周宁", "浙江绍兴", "鲁迅纪念馆", "北京", "老周"}]
    return [
        ([word for word, _ in tagged], "these are the words", "neighbours of one entity tag are joined: 浙江 and 绍兴"),
        (
            entity_units(tagged, joined=every_tag),
            "you joined neighbours of any tag",
            "only PER, LOC and ORG are entities: 昨天 and 上午 are TIME, and stay two",
        ),
        (
            entity_units(tagged, same_tag=False),
            "you joined entities of different tags",
            "浙江绍兴 is a place, and 鲁迅纪念馆 an organisation: the tag must be the same",
        ),
        (entities, "the other words are missing", "a word that is no entity is a unit of its own"),
        ([c for word, _ in tagged for c in word], "these are the characters", "a unit is a word, or several"),
    ]


@exercise("10.4")
def fill(answer: Answer, generator: np.random.Generator) -> None:
    """`fill(lengths, order, budget)`: the units that are taken, a list of their numbers in the order of taking."""
    lengths, order, budget = [3, 1, 5, 2, 1, 4, 2], [2, 5, 0, 3, 6, 1, 4], 6
    asked, form = "a list of unit numbers is asked for", "collect them with append, and return the list"
    taken = answer.items(answer.call(lengths, order, budget), asked, form)
    if odd := [unit for unit in taken if not isinstance(unit, int | float) or unit not in order]:
        found = odd[0] if isinstance(odd[0], int | float) else kind_of(odd[0])
        answer.wrong(f"{asked}, and yours holds {found}", f"the units have the numbers 0 to {len(lengths) - 1}")
    right = fitting(lengths, order, budget)
    if taken == right:
        return
    total = sum(lengths[int(unit)] for unit in taken)
    if taken == _until_full(lengths, order, budget):
        answer.wrong("you stop at the first unit that does not fit", "pass it over: a shorter one may still fit")
    if taken == _until_full(lengths, order, budget, over=True):
        answer.wrong(f"you go over the budget: {total} characters of {budget}", "look before you add, not behind it")
    if taken == fitting(lengths, list(range(len(lengths))), budget):
        answer.wrong("you take the units as they stand in the sentence", "go through them in the order that was drawn")
    if taken == fitting(lengths, sorted(order, key=lambda unit: lengths[unit]), budget):
        answer.wrong("you take short units first", "the order is what was drawn, whatever the lengths")
    if taken == [lengths[unit] for unit in right]:
        answer.wrong("these are the lengths of the units", "return their numbers")
    if sorted(taken) == sorted(right):
        answer.wrong("the units are right, and their order is not", "in the order in which they were taken")
    if taken == order[:budget]:
        answer.wrong("you count units", "the budget is in characters: add up lengths")
    if total < budget - 1:
        answer.wrong(f"{total} characters are taken of {budget}, and more would fit", "go on to the end of the order")
    answer.wrong(f"right is {right}, and yours is {taken}", "follow the order unit by unit, with the count next to it")


def fitting(lengths: Sequence[int], order: Sequence[int], budget: int) -> list[int]:
    """Units in their order, each taken if it fits into what is left."""
    taken, count = [], 0
    for unit in order:
        if count + lengths[unit] <= budget:
            taken.append(unit)
            count += lengths[unit]
    return taken


def _until_full(lengths: Sequence[int], order: Sequence[int], budget: int, over: bool = False) -> list[int]:
    """Units up to the first that does not fit, with it or without."""
    taken: list[int] = []
    count = 0
    for unit in order:
        if (count >= budget) if over else (count + lengths[unit] > budget):
            break
        taken.append(unit)
        count += lengths[unit]
    return taken


@exercise("10.5")
def given_away(answer: Answer, generator: np.random.Generator) -> None:
    """`given_away(lengths, masked)`: share of the masked characters whose word shows another character."""
    lengths = np.array([3, 1, 2, 2, 1, 4, 1, 3])
    masked = np.zeros(lengths.sum(), dtype=bool)
    masked[[1, 3, 4, 5, 6, 9, 10, 12, 14, 16]] = True  # 1 of 3; a word of 1; 2 of 2; 1 of 2; 3 of 4; 2 of 3
    value = answer.number(lengths, masked)
    word = np.repeat(np.arange(len(lengths)), lengths)
    hidden = np.bincount(word, masked)
    shows = (hidden < lengths)[word]
    long = (lengths > 1)[word]
    beside = np.pad(~masked, 1)
    right = (masked & shows).sum() / masked.sum()
    mistakes = [
        Mistake((masked & shows).sum() / len(masked), "you divided by all characters", "by the masked ones"),
        Mistake((masked & shows).sum(), "this is how many there are", "divide by the number of masked characters"),
        Mistake(
            (lengths - hidden)[hidden > 0].sum() / masked.sum(),
            "you counted the characters that show",
            "count the masked ones of a word that shows any",
        ),
        Mistake(100 * right, "your result is in per cent", "a share lies between 0 and 1"),
        Mistake(1 - right, "this is the share that is not given away", "one minus it"),
        Mistake(
            (masked & shows).sum() / (masked & long).sum(),
            "you left masked words of one character out",
            "they are masked characters, too: nothing gives them away",
        ),
        Mistake(
            (masked & long).sum() / masked.sum(),
            "a word that is masked whole gives nothing away",
            "does it show any character?",
        ),
        Mistake(
            (masked & (beside[:-2] | beside[2:])).sum() / masked.sum(),
            "you looked at the neighbours on both sides, whatever word they are in",
            "only characters of the same word count, near or not",
        ),
        Mistake(
            ((hidden > 0) & (hidden < lengths)).sum() / (hidden > 0).sum(),
            "you counted words",
            "count masked characters: a word with two of them counts twice",
        ),
        Mistake(
            (masked & (hidden == 1)[word] & long).sum() / masked.sum(),
            "you left out words of which several characters are masked",
            "as long as one of the word's characters shows, each masked one counts",
        ),
    ]
    answer.compare(np.asarray(value), right, mistakes)


@exercise("10.6")
def difference(answer: Answer, generator: np.random.Generator) -> None:
    """`difference(first, second, draws)`: lower and upper end of the 95% interval of second's accuracy less first's."""
    size, resamples = 60, 400
    first = generator.random(size) < 0.5
    second = np.where(generator.random(size) < 0.8, first, generator.random(size) < 0.75)
    draws = generator.integers(size, size=(resamples, size))
    low, high = answer.parts(first, second, draws, names=("low", "high"))
    value = np.array([answer.as_array(end, [], "an end of your interval") for end in (low, high)])

    def ends(differences: Array, level: float = 0.025) -> Array:
        return np.quantile(differences, [level, 1 - level])

    one, two = first[draws].mean(axis=1), second[draws].mean(axis=1)
    right = ends(two - one)
    apart = np.array([ends(two)[0] - ends(one)[1], ends(two)[1] - ends(one)[0]])
    mistakes = [
        Mistake(
            apart,
            "you put the ends of two intervals together",
            "the same questions are drawn for both: take the difference in each resample, then its quantiles",
        ),
        Mistake(
            ends(two[::-1] - one),
            "your draws differ between the models",
            "the same draw for both, resample by resample",
        ),
        Mistake(ends(one - two), "your interval is that of first less second", "second less first"),
        Mistake(right[::-1], "your ends are exchanged", "return low, high"),
        Mistake(ends(two - one, 0.05), "this is an interval of 90%", "2.5% on either side: 0.025 and 0.975"),
        Mistake(ends(two), "this is the interval of second's accuracy", "subtract first's in each resample"),
        Mistake(100 * right, "your ends are in percent", "accuracies are between 0 and 1 here"),
        Mistake(
            np.array([(two - one).min(), (two - one).max()]),
            "these are the smallest and the largest difference",
            "quantiles: np.quantile(differences, [0.025, 0.975])",
        ),
    ]
    answer.compare(value, right, mistakes, "your interval")
