"""Forms side by side: scores, rows that are chosen on other words, paired differences, neighbours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elmo.corpora.splits import is_held_out_review
from elmo.errors import InputError
from elmo.explore.polysemy.compare_forms import EXAMPLES, WORD, compare_forms
from elmo.explore.polysemy.row_scores import Scored, score_words
from elmo.explore.polysemy.sense_scores import score_senses
from elmo.explore.polysemy.senses import SenseSentence, TargetVectors
from tests.explore.polysemy.apples import Array, FakeEncoder, drawn, write_reviews_and_pairs, write_senses

ROWS = [("a", "raw"), ("b", "raw")]


def scored(values: list[list[float]]) -> Scored:
    array = np.array(values)
    return Scored(ROWS, [f"word {n}" for n in range(len(array))], array, np.repeat(array[:, :, None], 5, axis=2))


def test_a_word_has_no_say_in_the_choice_of_its_own_row() -> None:
    # Row a is the best on average, thanks to word 0 alone: for word 0 itself, b is chosen.
    found = scored([[1.0, 0.5], [0.5, 0.6], [0.5, 0.6]])
    assert found.best() == [0, 0, 0]
    assert found.chosen_elsewhere() == [1, 0, 0]
    value, drawn = found.of(found.chosen_elsewhere())
    assert value == pytest.approx(0.5) and drawn == pytest.approx(np.full(5, 0.5))


def test_a_choice_on_other_words_needs_other_words() -> None:
    with pytest.raises(InputError, match="'word 0' is the only word with senses"):
        scored([[1.0, 0.5]]).chosen_elsewhere()
    with pytest.raises(InputError, match="'苹果' is not among the words with two senses"):
        scored([[1.0, 0.5]]).place("苹果")


@pytest.fixture(scope="module")
def marked() -> TargetVectors:
    """Three words of two senses and one of a single sense, in random vectors that know a little."""
    generator = np.random.default_rng(3)
    items = [
        SenseSentence(word, sense, sense, f"{word}{n}", 0)
        for word in ("甲", "乙", "丙", "丁")
        for sense in (("x",) if word == "乙" else ("x", "y"))
        for n in range(8)
    ]
    vectors = generator.normal(size=(len(items), 2, 5)) + 2
    vectors[[item.sense == "x" for item in items], 1, 0] += 2
    return TargetVectors(items, vectors.astype(np.float32))


def test_scores_are_those_of_score_senses(marked: TargetVectors) -> None:
    found = score_words(marked, ["one", "two"], 60, 4)
    assert found.parts == ["甲", "丙", "丁"]
    for variant, centre in (("raw", False), ("centred", True)):
        expected = score_senses(marked.items, marked.vectors, centre=centre, resamples=60, seed=4)
        for name, estimate in zip(("one", "two"), expected.auc, strict=True):
            row = found.rows.index((name, variant))
            value, drawn = found.of(found.everywhere(row))
            assert value == pytest.approx(estimate.value, abs=1e-9)
            assert np.quantile(drawn, 0.025) == pytest.approx(estimate.low, abs=1e-9)
            words = [word.auc[("one", "two").index(name)].value for word in expected.words]
            assert found.values[:, row].tolist() == pytest.approx(words, abs=1e-9)


def test_a_mean_from_elsewhere_may_be_subtracted(marked: TargetVectors) -> None:
    middle = np.full((2, 5), 2.0)
    there = TargetVectors(marked.items, (marked.vectors - middle).astype(np.float32))
    raw, shifted = score_words(there, ["one", "two"], 5, 0), score_words(marked, ["one", "two"], 5, 0, middle=middle)
    np.testing.assert_allclose(raw.values[:, [0, 2]], shifted.values[:, [1, 3]], atol=1e-6)
    assert np.abs(score_words(marked, ["one", "two"], 5, 0).values - shifted.values).max() > 0.01


def test_words_without_two_senses_are_refused() -> None:
    items = [SenseSentence("甲", "x", "x", f"甲{n}", 0) for n in range(3)]
    with pytest.raises(InputError, match="none of 1 words has two senses"):
        score_words(TargetVectors(items, np.ones((3, 1, 2), np.float32)), ["one"], 5, 0)


# All together


def words(sentence: str) -> list[str]:
    return sentence.replace("苹果", " 苹果 ").replace("小米", " 小米 ").split()


def make_encoder() -> FakeEncoder:
    return FakeEncoder(words, sighted=False)


class Space:
    def vector(self, word: str) -> Array:
        return drawn(word, 6)

    def __contains__(self, word: object) -> bool:
        return True


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("forms")
    marked = [
        (word, sense, f"第{n}个{word}{end}")
        for word in ("苹果", "小米")
        for sense, end in (("fruit", "很甜"), ("company", "手机"))
        for n in range(6)
    ]
    senses = write_senses(folder / "senses.tsv", marked)
    apples = write_senses(folder / "apples.tsv", marked[:12])
    return {"senses.tsv": senses, "apples.tsv": apples, **write_reviews_and_pairs(folder)}


@pytest.fixture(scope="module")
def result(files: dict[str, Path]) -> dict[str, Any]:
    pairs = files["dev.data"], files["dev.gold"]
    found = compare_forms(make_encoder(), Space(), files["senses.tsv"], files["reviews.csv"], pairs, resamples=40)
    return json.loads(json.dumps(found))


def test_every_row_has_a_score_on_every_set(result: dict[str, Any]) -> None:
    elmo, bag = result["systems"]["elmo"], result["systems"]["word2vec"]
    for system in (elmo, bag):
        assert system["senses"].keys() == system["word"].keys() == system["reviews"].keys()
        assert system["mcl_wic"]["rows"].keys() == system["senses"].keys()
    for name in ("senses", "word", "reviews"):
        for variant in ("raw", "centred"):
            assert elmo[name]["layer 1, own"][variant] == {"value": 0.5, "low": 0.5, "high": 0.5}
            assert bag[name]["own"][variant] == {"value": 0.5, "low": 0.5, "high": 0.5}
            assert elmo[name]["layer 1, hole"][variant]["value"] == 1
    assert elmo["mcl_wic"]["rows"]["layer 1, hole"]["raw"]["value"] > 0.9
    assert result["sentences"]["senses"] == 24
    held_out = {f"第{n}次买，苹果{end}" for n in range(150) for end in ("很甜", "手机好")}
    assert result["sentences"]["reviews"] == sum(map(is_held_out_review, held_out))


def test_differences_are_paired(result: dict[str, Any]) -> None:
    for name in ("senses", "word", "reviews"):
        differences = result["differences"][name]
        # 1 less 0.5 in every resample: nothing is left to vary
        assert differences["hole less own, layer 1, raw"] == {"value": 0.5, "low": 0.5, "high": 0.5}
        # the two systems' own vectors score alike in every resample
        assert differences["ELMo less word2vec, own, raw"] == {"value": 0, "low": 0, "high": 0}
    assert result["differences"]["mcl_wic"]["hole less own, layer 1, raw"]["value"] > 0.3
    chosen = result["differences"]["mcl_wic"]["chosen: ELMo less word2vec"]
    assert chosen["value"] == pytest.approx(chosen["elmo"]["value"] - chosen["word2vec"]["value"])
    assert chosen["elmo"]["value"] == result["systems"]["elmo"]["mcl_wic"]["chosen"]["value"]


def test_the_row_for_the_examples_is_chosen_without_their_word(files: dict[str, Path], result: dict[str, Any]) -> None:
    neighbours = result["neighbours"]["elmo"]
    assert neighbours["chosen"] == {"vectors": "layer 1, hole", "variant": "raw"}
    # Give the word's marked sentences the wrong senses: no score of it may reach the choice.
    text = files["senses.tsv"].read_text(encoding="utf-8").split("\n")
    swapped = [line.replace("苹果\tfruit", "苹果\tx").replace("苹果\tcompany", "苹果\ty") for line in text]
    mixed = [line.replace("苹果\tx", "苹果\ty") if number % 2 else line for number, line in enumerate(swapped)]
    path = files["senses.tsv"].with_name("mixed.tsv")
    path.write_text("\n".join(mixed), encoding="utf-8")
    found = compare_forms(make_encoder(), Space(), path, resamples=5)
    assert found["systems"]["elmo"]["word"]["layer 1, hole"]["raw"]["value"] < 0.8
    assert found["neighbours"]["elmo"]["chosen"] == neighbours["chosen"]
    assert list(found["differences"]["word"]["chosen: ELMo less word2vec"]["elmo"]["rows"]) == ["layer 1, hole, raw"]


def test_neighbours_of_the_two_examples(result: dict[str, Any]) -> None:
    neighbours = result["neighbours"]["elmo"]
    assert neighbours["right"] == {"fruit": 5, "company": 5}
    assert neighbours["right_by_rows"]["layer 1, hole"]["raw"] == neighbours["right"]
    assert (
        sum(neighbours["right_by_rows"]["layer 1, own"]["raw"].values()) == 5
    )  # all equal: the first five of the file
    assert set(neighbours["nearest"]) == {item.sentence for item in EXAMPLES}
    for nearest in neighbours["nearest"].values():
        cosines = [neighbour["cosine"] for neighbour in nearest]
        assert len(nearest) == 5 and cosines == sorted(cosines, reverse=True)


def test_each_sentence_is_read_once_for_each_position(files: dict[str, Path]) -> None:
    encoder = make_encoder()
    compare_forms(encoder, Space(), files["senses.tsv"], resamples=5)
    assert len(encoder.read) == len(set(encoder.read)) == 2 * (24 + len(EXAMPLES))


def test_other_words_are_needed(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"'{WORD}' is the only word with senses"):
        compare_forms(make_encoder(), Space(), files["apples.tsv"], resamples=5)
    text = files["apples.tsv"].read_text(encoding="utf-8").replace("苹果", "小米")
    (tmp_path / "millet.tsv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=f"'{WORD}' is not among the words"):
        compare_forms(make_encoder(), Space(), tmp_path / "millet.tsv", resamples=5)


def test_examples_stand_where_they_say() -> None:
    for item in EXAMPLES:
        assert item.sentence[item.position :].startswith(item.word)
