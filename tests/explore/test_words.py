"""Scores of word vectors: against SciPy and gensim, on spaces made by hand, and what bad sets are answered with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from elmo.errors import InputError
from elmo.explore.words import (
    AnalogyQuestion,
    JudgedPair,
    read_analogies,
    read_similarity,
    word_analogy,
    word_similarity,
)
from elmo.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from elmo.word_vectors import WordVectors
from tests.refusals import refusal

SEED = 7


def random_space(words: int, dim: int = 8, seed: int = SEED) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {f"w{word}": generator.normal(size=dim).astype(np.float32) for word in range(words)}


def random_pairs(words: int, count: int, seed: int = SEED) -> list[JudgedPair]:
    generator = np.random.default_rng(seed)
    chosen = generator.integers(words, size=(count, 2))
    return [JudgedPair(f"w{a}", f"w{b}", float(generator.integers(10))) for a, b in chosen]


@pytest.fixture
def countries() -> dict[str, np.ndarray]:
    """A capital is its country plus (0, 0, 1); 水 lies between, so that an answer can be wrong."""
    return {
        "法国": np.array([1.0, 0.2, 0.0], np.float32),
        "巴黎": np.array([1.0, 0.2, 1.0], np.float32),
        "日本": np.array([0.2, 1.0, 0.0], np.float32),
        "东京": np.array([0.2, 1.0, 1.0], np.float32),
        "水": np.array([0.0, 0.0, 1.0], np.float32),
    }


def question(a: str, b: str, c: str, d: str, section: str = "capitals") -> AnalogyQuestion:
    return AnalogyQuestion(section, a, b, c, d)


def text(folder: Path, content: str) -> Path:
    path = folder / "set.txt"
    path.write_bytes(content.encode())
    return path


# --- similarity ---


def test_rho_is_scipys_ties_included():
    space, pairs = random_space(20), random_pairs(20, 60)
    cosines = [space[a] @ space[b] / np.linalg.norm(space[a]) / np.linalg.norm(space[b]) for a, b, _ in pairs]
    expected = spearmanr(cosines, [pair.judgement for pair in pairs]).statistic
    assert word_similarity(space, pairs).value == pytest.approx(100 * expected)


def test_rho_and_coverage_are_gensims(tmp_path):
    from gensim.models import KeyedVectors

    space, pairs = random_space(20), random_pairs(30, 60)  # ten of the words have no vector
    keyed = KeyedVectors(8)
    keyed.add_vectors(list(space), np.array(list(space.values())))
    lines = "".join(f"{a}\t{b}\t{judgement}\n" for a, b, judgement in pairs)
    ours = word_similarity(space, pairs)
    _, theirs, missing = keyed.evaluate_word_pairs(str(text(tmp_path, lines)), case_insensitive=False)
    assert ours.value == pytest.approx(100 * theirs.statistic)
    assert 1 - ours.covered / ours.total == pytest.approx(missing / 100)


def test_judgements_in_the_order_of_cosines_give_100_and_in_the_opposite_order_minus_100(countries):
    pairs = [("法国", "巴黎", 3.0), ("法国", "日本", 2.0), ("法国", "水", 1.0)]
    same = word_similarity(countries, [JudgedPair(*pair) for pair in pairs])
    opposite = word_similarity(countries, [JudgedPair(a, b, -judgement) for a, b, judgement in pairs])
    assert (same.value, opposite.value) == (pytest.approx(100), pytest.approx(-100))


def test_a_pair_is_covered_when_both_words_have_a_vector(countries):
    pairs = [
        JudgedPair("法国", "巴黎", 3.0),
        JudgedPair("法国", "日本", 2.0),
        JudgedPair("法国", "水", 1.0),
        JudgedPair("法国", "猫", 9.0),
    ]
    result = word_similarity(countries, pairs)
    assert (result.covered, result.total) == (3, 4)
    assert result.value == pytest.approx(100)


def test_the_interval_holds_the_estimate_narrows_with_more_pairs_and_follows_the_seed():
    space = random_space(100)
    few, many = (word_similarity(space, random_pairs(100, count)) for count in (40, 640))
    assert few.low < few.value < few.high
    # The width falls with the square root of the number of pairs, here 4; half of that allows for chance.
    assert (few.high - few.low) > 2 * (many.high - many.low)
    again, other = (word_similarity(space, random_pairs(100, 40), seed=seed) for seed in (0, 1))
    assert again == few
    assert (other.low, other.high) != (few.low, few.high)
    assert other.value == few.value


def test_the_interval_has_the_width_that_theory_gives():
    """Of 300 unrelated pairs rho has a standard deviation of 100 / sqrt(299); 1.96 of it on either side.

    1,000 resamples know the width to some 4%, and it depends on the pairs.
    """
    result = word_similarity(random_space(500), random_pairs(500, 300))
    assert result.high - result.low == pytest.approx(2 * 1.96 * 100 / 299**0.5, rel=0.15)


def test_too_few_covered_pairs_are_refused(countries):
    with pytest.raises(InputError, match="1 of 2 pairs have vectors for both words"):
        word_similarity(countries, [JudgedPair("法国", "巴黎", 1.0), JudgedPair("法国", "猫", 1.0)])


# --- analogies ---


def test_the_answer_is_nearest_to_b_less_a_plus_c(countries):
    result = word_analogy(
        countries, [question("法国", "巴黎", "日本", "东京"), question("东京", "日本", "巴黎", "法国")]
    )
    assert result.overall.value == 100
    assert (result.overall.covered, result.overall.total) == (2, 2)


def test_the_words_of_the_question_are_no_answers(countries):
    """b - a + c is 巴黎 itself here, so that only the exclusion leaves another word."""
    result = word_analogy(countries, [question("水", "水", "巴黎", "法国")])
    assert result.overall.value == 100


def test_accuracy_is_counted_by_section(countries):
    questions = [
        question("法国", "巴黎", "日本", "东京"),
        question("法国", "巴黎", "日本", "水", "wrong"),
        question("法国", "巴黎", "日本", "猫", "not covered"),
    ]
    result = word_analogy(countries, questions)
    assert result.overall.value == 50
    assert (result.overall.covered, result.overall.total) == (2, 3)
    assert {name: section.value for name, section in result.sections.items() if section.covered} == {
        "capitals": 100,
        "wrong": 0,
    }
    assert np.isnan(result.sections["not covered"].value)
    assert (result.sections["not covered"].covered, result.sections["not covered"].total) == (0, 1)
    assert (result.overall.low, result.overall.high) == (0, 100)  # two questions say nothing
    assert list(result.record()["overall"]) == ["percent", "low", "high", "covered", "total"]


def test_restriction_leaves_rarer_words_out(countries):
    questions = [question("法国", "巴黎", "日本", "东京"), question("法国", "日本", "巴黎", "水")]
    assert word_analogy(countries, questions, restrict=4).overall.covered == 1
    with pytest.raises(InputError, match="none of 2 questions has all four words among 3"):
        word_analogy(countries, questions, restrict=3)


def test_accuracy_is_gensims(tmp_path):
    from gensim.models import KeyedVectors

    generator = np.random.default_rng(SEED)
    space = random_space(12, dim=4)
    keyed = KeyedVectors(4)
    keyed.add_vectors(list(space), np.array(list(space.values())))
    chosen = [generator.permutation(14)[:4] for _ in range(700)]  # more than are answered at once; two words unknown
    questions = [question(*(f"w{word}" for word in words)) for words in chosen]
    lines = ": capitals\n" + "".join(" ".join(each[1:]) + "\n" for each in questions)
    theirs, sections = keyed.evaluate_word_analogies(str(text(tmp_path, lines)), case_insensitive=False)
    ours = word_analogy(space, questions)
    assert ours.overall.value == pytest.approx(100 * theirs)
    assert ours.overall.covered == len(sections[0]["correct"]) + len(sections[0]["incorrect"])
    assert 0 < ours.overall.value < 100


def test_word_vectors_score_as_a_mapping_does(countries):
    """Tokens without a vector, such as <UNK>, are no possible answers."""
    rows = np.array([[0.0] * 3] * 3 + list(countries.values()), np.float32)
    vectors = WordVectors(Vocabulary([*SPECIAL_TOKENS, *countries]), rows)
    pairs = [JudgedPair("法国", word, float(rank)) for rank, word in enumerate(countries)]
    questions = [question("法国", "巴黎", "日本", "东京"), question("<UNK>", "巴黎", "日本", "东京")]
    assert word_similarity(vectors, pairs) == word_similarity(countries, pairs)
    assert word_analogy(vectors, questions) == word_analogy(countries, questions)
    assert word_analogy(vectors, questions).overall.covered == 1


# --- sets ---


def test_both_formats_are_read(tmp_path):
    pairs = read_similarity(text(tmp_path, "\ufeff钱\t 现金\t4.58\r\n\r\n虎\t猫\t7\n"))
    assert pairs == [JudgedPair("钱", "现金", 4.58), JudgedPair("虎", "猫", 7.0)]
    questions = read_analogies(text(tmp_path, "甲 乙 丙 丁\n: two words\n一 二\t三 四\n"))
    assert questions == [
        AnalogyQuestion("", "甲", "乙", "丙", "丁"),
        AnalogyQuestion("two words", "一", "二", "三", "四"),
    ]


@pytest.mark.parametrize("line", ["虎\t猫", "虎 猫 7", "虎\t猫\t七", "虎\t猫\t7\t8"])
def test_a_bad_line_of_a_similarity_set_is_named(tmp_path, line):
    path = text(tmp_path, f"钱\t现金\t4.58\n\n{line}\n")
    with pytest.raises(InputError) as error:
        read_similarity(path)
    assert str(error.value).startswith(f"{path}:3: {line!r} is not two words and a number")


@pytest.mark.parametrize("line", ["甲 乙 丙", "甲 乙 丙 丁 戊", ":"])
def test_a_bad_line_of_an_analogy_set_is_named(tmp_path, line):
    path = text(tmp_path, f"甲 乙 丙 丁\n{line}\n")
    assert refusal(read_analogies, path).startswith(f"{path}:2: {line!r} is not four words")


@pytest.mark.parametrize("read", [read_similarity, read_analogies])
def test_a_set_that_is_missing_empty_or_not_utf_8_is_refused(tmp_path, read):
    with pytest.raises(InputError, match=r"missing\.txt: can't be read"):
        read(tmp_path / "missing.txt")
    with pytest.raises(InputError, match="holds no"):
        read(text(tmp_path, "\n"))
    (tmp_path / "set.txt").write_bytes("虎".encode("gb18030"))
    with pytest.raises(InputError, match=r"set\.txt:1: byte 1 of the line, 0xbb, is not UTF-8"):
        read(tmp_path / "set.txt")


def test_the_public_sets_are_read(shared):
    folder = shared / "corpora" / "words"
    sizes = {path: len(read_similarity(folder / f"{path}.txt")) for path in ("wordsim-240", "wordsim-297")}
    assert sizes == {"wordsim-240": 240, "wordsim-297": 297}
    sections = {
        path: [each.section for each in read_analogies(folder / f"{path}.txt")]
        for path in ("analogy", "ca8_morphological")
    }
    assert {path: len(names) for path, names in sections.items()} == {"analogy": 953, "ca8_morphological": 10177}
    assert sorted(set(sections["analogy"])) == ["capital-common-countries", "city-in-state", "family"]
    assert sorted(set(sections["ca8_morphological"])) == ["A", "AB", "prefix", "suffix"]
