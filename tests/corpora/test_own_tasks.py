"""The small task sets that come with the project: size, balance, format, and that their parts share nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pytest

COLUMNS = {
    "inference": ["part", "premise", "hypothesis", "label"],
    "similarity": ["part", "first", "second", "label"],
    "sentiment": ["part", "text", "label"],
    "matching": ["part", "question_id", "question", "candidate", "label"],
    "entities": ["part", "tagged"],
}
TEXTS = {
    "inference": ["premise", "hypothesis"],
    "similarity": ["first", "second"],
    "sentiment": ["text"],
    "matching": ["question", "candidate"],
    "entities": ["tagged"],
}
LABELS = {
    "inference": {"entailment", "neutral", "contradiction"},
    "similarity": {"0", "1"},
    "sentiment": {"0", "1"},
    "matching": {"0", "1"},
}
LEAST = {"inference": 180, "similarity": 200, "sentiment": 240, "matching": 240, "entities": 240}
Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def sets(data: Path) -> dict[str, Rows]:
    found = {}
    for name, columns in COLUMNS.items():
        lines = (data / "tasks" / f"{name}.tsv").read_text(encoding="utf-8").split("\n")
        assert lines[0].split("\t") == columns and lines.pop() == ""
        found[name] = [dict(zip(columns, line.split("\t"), strict=True)) for line in lines[1:]]
    return found


def part(rows: Rows, name: str) -> Rows:
    return [row for row in rows if row["part"] == name]


@pytest.mark.parametrize("name", COLUMNS)
def test_every_set_is_large_enough_and_about_70_percent_are_for_training(sets, name):
    rows = sets[name]
    assert len(rows) >= LEAST[name]
    assert {row["part"] for row in rows} == {"train", "test"}
    assert 0.67 < len(part(rows, "train")) / len(rows) < 0.73


@pytest.mark.parametrize("name", COLUMNS)
def test_no_field_is_empty_or_has_space_around_it_and_no_row_stands_twice(sets, name):
    for row in sets[name]:
        assert all(value and value == value.strip() for value in row.values())
    without_part = [tuple(list(row.values())[1:]) for row in sets[name]]
    assert [row for row, count in Counter(without_part).items() if count > 1] == []


@pytest.mark.parametrize("name", COLUMNS)
def test_training_and_test_share_no_sentence(sets, name):
    train, test = (
        {row[column] for row in part(sets[name], which) for column in TEXTS[name]} for which in ("train", "test")
    )
    assert train & test == set()


@pytest.mark.parametrize("name", ["inference", "similarity", "sentiment"])
@pytest.mark.parametrize("which", ["train", "test"])
def test_labels_are_balanced_in_both_parts(sets, name, which):
    counts = Counter(row["label"] for row in part(sets[name], which))
    assert set(counts) == LABELS[name] and len(set(counts.values())) == 1


def test_a_premise_has_one_hypothesis_of_each_label_in_one_part(sets):
    by_premise = defaultdict(list)
    for row in sets["inference"]:
        by_premise[row["premise"]].append(row)
    assert len(by_premise) >= 60
    for rows in by_premise.values():
        assert sorted(row["label"] for row in rows) == sorted(LABELS["inference"])
        assert len({row["part"] for row in rows}) == 1
    hypotheses = Counter(row["hypothesis"] for row in sets["inference"])
    assert max(hypotheses.values()) == 1


def test_negation_stands_in_hypotheses_of_every_label(sets):
    counts = Counter(row["label"] for row in sets["inference"] if set(row["hypothesis"]) & set("不没无"))
    assert min(counts[label] for label in LABELS["inference"]) >= 0.5 * max(counts.values())


def overlap(first: str, second: str) -> float:
    """Share of common characters, without stops."""
    one, other = set(first) - set("。？"), set(second) - set("。？")
    return len(one & other) / len(one | other)


def test_pairs_that_differ_share_words_and_overlap_does_not_tell_the_labels(sets):
    shares: dict[str, list[float]] = {"0": [], "1": []}
    for row in sets["similarity"]:
        shares[row["label"]].append(overlap(row["first"], row["second"]))
    assert min(shares["0"]) > 0
    won = sum((same > other) + 0.5 * (same == other) for same in shares["1"] for other in shares["0"])
    assert 0.4 < won / (len(shares["1"]) * len(shares["0"])) < 0.6


def test_a_question_has_four_or_five_candidates_side_by_side_and_one_answer(sets):
    order = [row["question_id"] for row in sets["matching"]]
    begins = [place for place, name in enumerate(order) if place == 0 or order[place - 1] != name]
    assert len(begins) == len(set(order)) >= 60
    by_question = defaultdict(list)
    for row in sets["matching"]:
        by_question[row["question_id"]].append(row)
    for rows in by_question.values():
        assert len(rows) in (4, 5) and sorted(row["label"] for row in rows) == ["0"] * (len(rows) - 1) + ["1"]
        assert len({(row["part"], row["question"]) for row in rows}) == 1
        assert len({row["candidate"] for row in rows}) == len(rows)


def test_the_place_of_the_answer_says_little(sets):
    places: Counter[int] = Counter()
    seen: Counter[str] = Counter()
    for row in sets["matching"]:
        if row["label"] == "1":
            places[seen[row["question_id"]]] += 1
        seen[row["question_id"]] += 1
    assert max(places.values()) / places.total() < 0.35


def words(row: dict[str, str]) -> list[tuple[str, str]]:
    return [(word, tag) for token in row["tagged"].split(" ") for word, _, tag in [token.rpartition("/")]]


@pytest.mark.parametrize("which", ["train", "test"])
def test_entities_of_each_kind_are_in_both_parts(sets, which):
    tags = Counter(tag for row in part(sets["entities"], which) for _, tag in words(row))
    assert set(tags) == {"PER", "LOC", "ORG", "O"} and min(tags.values()) >= 20
    assert all(word for row in sets["entities"] for word, _ in words(row))


def test_sentences_without_a_name_and_words_that_are_names_only_at_times_are_there(sets):
    tags_of = defaultdict(set)
    for row in sets["entities"]:
        for word, tag in words(row):
            tags_of[word].add(tag)
    assert sum(len(tags) > 1 for tags in tags_of.values()) >= 30
    assert sum({tag for _, tag in words(row)} == {"O"} for row in sets["entities"]) >= 20


def test_no_sentence_is_another_with_a_word_exchanged(sets):
    """A test sentence that differs from a training one in a single word would be half known."""
    frames = defaultdict(set)
    for row in sets["entities"]:
        sentence = tuple(word for word, _ in words(row))
        for place in range(len(sentence)):
            frames[(*sentence[:place], "*", *sentence[place + 1 :])].add(sentence)
    assert [found for found in frames.values() if len(found) > 1] == []
