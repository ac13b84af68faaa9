"""Whom models expect in professions: measured where it is, not found where it is not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from elmo.errors import InputError
from elmo.explore.cloze_scores import GAP
from elmo.explore.probing.prejudice import (
    TEMPLATES,
    associations,
    correlation_of,
    evaluate_prejudice,
    gap_of,
    read_professions,
    without_direction,
)
from elmo.explore.probing.word_layers import open_model
from elmo.statistics import draw_counts_within
from elmo.text.vocabulary import Vocabulary
from elmo.word_vectors import WordVectors
from tests.commands import elmo

NAMES = ["司机", "警察", "工程师", "护士", "秘书", "保姆"]
EXPECTED = np.array(["he"] * 3 + ["she"] * 3)
HEADER = "profession\tenglish\texpected\n"


@pytest.fixture
def space() -> WordVectors:
    """Professions lie along the direction from 她 to 他, and along another one that goes with it."""
    vectors = np.zeros((11, 4), np.float32)
    vectors[3, 0], vectors[4, 0] = 1, -1  # 他, 她
    vectors[3:5, 1] = 1
    for row, side in zip(range(5, 11), EXPECTED == "he", strict=True):
        vectors[row] = [0.5 if side else -0.5, 0.3, 1 if side else -1, row / 20]
    return WordVectors(Vocabulary(["<S>", "</S>", "<UNK>", "他", "她", *NAMES]), vectors)


def test_cosines_say_whom_word_vectors_expect(space: WordVectors) -> None:
    found = associations(space, NAMES)
    assert found.shape == (6, 1) and (found[:3] > 0).all() and (found[3:] < 0).all()
    expected = space.similarity("护士", "他") - space.similarity("护士", "她")
    assert found[3, 0] == pytest.approx(expected)


def test_a_direction_that_is_taken_out_leaves_what_goes_with_it(space: WordVectors) -> None:
    found = without_direction(space, NAMES, EXPECTED)
    assert found["largest_left"] < 1e-12
    assert found["before"] == found["after"] == found["professions"] == 6


def test_the_gap_is_that_of_the_means_and_its_interval_of_drawn_professions() -> None:
    values = np.array([3.0, 4.0, 5.0, 1.0, 2.0, 3.0])
    counts = draw_counts_within(list(EXPECTED), NAMES, 500, 0)
    gap = gap_of(values, EXPECTED, counts)
    assert gap.value == pytest.approx(2) and 0.5 < gap.low < 2 < gap.high < 3.5
    assert correlation_of(values, 2 * values + 1, counts).value == pytest.approx(1)


@pytest.mark.parametrize("name", ["elmo-zh-small", "bert-zh-small"])
def test_a_pronouns_log_odds_change_their_sign_with_the_pronouns(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, model = open_model(name)
    found = associations(model, ["司机", "护士"])
    assert found.shape == (2, len(TEMPLATES)) and np.isfinite(found).all()
    monkeypatch.setattr("elmo.explore.probing.prejudice.HE", "她")
    monkeypatch.setattr("elmo.explore.probing.prejudice.SHE", "他")
    np.testing.assert_allclose(associations(model, ["司机", "护士"]), -found, atol=1e-5)


def test_every_template_has_a_gap_and_a_place() -> None:
    assert all(template.count(GAP) == 1 and template.count("{}") == 1 for template in TEMPLATES)


def test_the_command_writes_gap_and_professions(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path, output = tmp_path / "professions.tsv", tmp_path / "out.json"
    rows = [f"{name}\tx\t{side}\n" for name, side in zip(NAMES, EXPECTED, strict=True)]
    path.write_text(HEADER + "".join(rows) + "吃饭机器\tx\topen\n", encoding="utf-8")
    assert elmo("eval", "prejudice", "word2vec-zh-small", "--professions", path, "-o", output) == 0
    found = json.loads(output.read_text(encoding="utf-8"))
    assert found["left_out"] == ["吃饭机器"] and found["expected"] == {"he": 3, "she": 3}
    record = found["models"]["word2vec-zh-small"]
    assert record["unit"] == "cosine" and len(record["professions"]) == 6
    assert record["professions"][0]["low"] is None  # one number has no spread
    assert record["gap"]["low"] <= record["gap"]["value"] <= record["gap"]["high"]
    assert "cosine between the sides" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ("司机\tdriver\tmale\n", "expected is 'male'"),
        ("司机\tdriver\the\n司机\tdriver\the\n", "stands twice"),
        (
            "司机\tdriver\the\n警察\tofficer\the\n护士\tnurse\tshe\n",
            "fewer than two professions are expected for 'she'",
        ),
    ],
)
def test_a_list_of_professions_that_is_not_right_is_refused(tmp_path: Path, rows: str, what: str) -> None:
    path = tmp_path / "professions.tsv"
    path.write_text(HEADER + rows, encoding="utf-8")
    with pytest.raises(InputError, match=what):
        read_professions(path)


def test_professions_that_no_model_knows_are_not_enough(tmp_path: Path) -> None:
    path = tmp_path / "professions.tsv"
    rows = [f"吃饭机器{place}\tx\t{side}\n" for place, side in enumerate(EXPECTED)]
    path.write_text(HEADER + "".join(rows), encoding="utf-8")
    with pytest.raises(InputError, match="hardly any profession is known"):
        evaluate_prejudice(["word2vec-zh-small"], path)


def test_the_projects_own_list_is_read(data: Path) -> None:
    read = read_professions(data / "professions.tsv")
    assert len(read) > 40 and {each.expected for each in read} == {"he", "she", "open"}
