"""The checker of the capstone: a whole project passes, and each thing that lacks is named with what to do."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from elmo.exercises.capstone import check_capstone
from elmo.models import read_model, write_model

ENDINGS = "一二三四五六七八九十甲乙"
CORPUS = (
    "All recipes that I wrote between 2015 and 2024, twelve thousand sentences in forty files, exported from my own "
    "page and cleaned by hand. They are mine, and stand under the licence CC BY 4.0."
)
CONCLUSION = (
    "The vectors of the model as it was tell the two senses of the word apart with an AUC of 0.61 [0.50, 0.76]; those "
    "of the adapted one with 0.70 [0.58, 0.83]. The intervals overlap, so whether the recipes have helped is open. I "
    "marked the sentences myself, and the fruit is far more frequent in my text than the company, which may explain "
    "what I see. With fifty sentences I would know more. I expected a clear gain and did not find one here."
)


def scores(value: float, low: float, high: float, model: str) -> dict[str, Any]:
    word = {
        "word": "苹果",
        "senses": {"fruit": 12, "company": 12},
        "auc": [{}, {"value": value, "low": low, "high": high}],
    }
    return {"model": model, "systems": {"elmo": {"senses": {"words": [word]}}}}


@pytest.fixture
def project(tmp_path: Path, tiny_elmo: Path) -> Path:
    files = read_model(tiny_elmo)
    about = {"adapted_from": "elmo-zh-small", "adaptation": {"before": 90.0, "after": 70.0}}
    write_model(tmp_path / "model", dataclasses.replace(files, provenance=about))
    rows = [
        f"苹果\t{sense}\tx\t他{verb}苹果{end}。\t2\n"
        for sense, verb in (("fruit", "吃"), ("company", "买"))
        for end in ENDINGS
    ]
    (tmp_path / "senses.tsv").write_text("word\tsense\tgloss\tsentence\tposition\n" + "".join(rows), encoding="utf-8")
    (tmp_path / "corpus.md").write_text(CORPUS, encoding="utf-8")
    (tmp_path / "conclusion.md").write_text(CONCLUSION, encoding="utf-8")
    (tmp_path / "before.json").write_text(json.dumps(scores(0.607, 0.497, 0.756, "elmo-zh-small")), encoding="utf-8")
    (tmp_path / "after.json").write_text(json.dumps(scores(0.7, 0.58, 0.83, "model")), encoding="utf-8")
    return tmp_path


def test_a_whole_project_passes(project: Path) -> None:
    report = check_capstone(project)
    assert report and report.points == 5, report
    assert "perplexity 90.0 before and 70.0 after" in repr(report) and "5 of 5 points" in repr(report)
    assert "苹果 in 2 senses, 24 sentences" in report._repr_html_()


def test_an_empty_folder_has_no_points_and_no_error(tmp_path: Path) -> None:
    report = check_capstone(tmp_path / "none")
    assert not report and report.points == 0
    assert "corpus.md can't be read" in repr(report) and str(tmp_path) not in repr(report)


@pytest.mark.parametrize(
    ("name", "old", "new", "finding"),
    [
        ("corpus.md", "licence", "book", "names no licence"),
        ("corpus.md", CORPUS, "My licence.", "corpus.md has 2 words"),
        (
            "senses.tsv",
            "苹果\tcompany\tx\t他买苹果十。\t2\n苹果\tcompany\tx\t他买苹果甲。\t2\n苹果\tcompany\tx\t他买苹果乙。\t2\n",
            "",
            "9 sentences as 'company'",
        ),
        ("senses.tsv", "\tcompany\t", "\tfruit\t", "has one sense of 苹果"),
        ("senses.tsv", "他买苹果一。", "他买苹果二。", "stands twice"),
        ("senses.tsv", "苹果\tcompany\tx\t他买苹果一。\t2", "小米\tcompany\tx\t他买小米一。\t2", "has 2 words"),
        ("after.json", '"model": "model"', '"model": "other"', "after.json is not of model/"),
        ("after.json", "12", "11", "on different sentences"),
        ("after.json", "{", "[", "not what its command writes"),
        ("conclusion.md", "0.58", "0.6", "does not quote 0.58, the low"),
        ("conclusion.md", CONCLUSION, "It is better.", "conclusion.md has 3 words"),
    ],
)
def test_what_lacks_is_named(project: Path, name: str, old: str, new: str, finding: str) -> None:
    path = project / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    report = check_capstone(project)
    assert not report and finding in repr(report)


def test_a_model_that_was_not_adapted_is_no_point(project: Path, tiny_elmo: Path) -> None:
    write_model(project / "model", read_model(tiny_elmo), overwrite=True)
    assert "make it with elmo adapt" in repr(check_capstone(project))


def test_scores_of_one_model_are_no_comparison(project: Path) -> None:
    same = scores(0.7, 0.58, 0.83, "elmo-zh-small")
    (project / "before.json").write_text(json.dumps(same), encoding="utf-8")
    assert "before.json is of the model as it was" in repr(check_capstone(project))
