"""Word in context: what is read, which vectors are compared, and that no pair has a say in its own threshold."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elmo.corpora.splits import is_held_out_review
from elmo.errors import InputError
from elmo.explore.polysemy.scores import resampled_roc_auc
from elmo.explore.polysemy.wic import (
    best_thresholds,
    held_out_outcomes,
    layer_means,
    make_folds,
    score_wic,
    selected_outcomes,
)
from elmo.explore.polysemy.wic_files import Mention, WicPair, read_mcl_wic
from elmo.explore.polysemy.wic_vectors import (
    CHANGES,
    PairVectors,
    all_but_the_top,
    centred,
    overlapping_words,
    pair_cosines,
    pair_vectors,
    standardised,
)
from elmo.explore.report import evaluate_senses, surroundings
from elmo.statistics import draw_counts, percentile_interval
from elmo.text.segment import get_segmenter
from tests.explore.polysemy.apples import FakeEncoder, write_reviews_and_pairs, write_senses


def item(number: int = 0, **changes: object) -> dict[str, object]:
    fields = {"id": f"dev.zh-zh.{number}", "lemma": "苹果", "pos": "NOUN", "sentence1": "我吃苹果", "start1": "2"}
    fields |= {"end1": "4", "sentence2": "苹果手机", "start2": "0", "end2": "2"}
    return {key: value for key, value in {**fields, **changes}.items() if value is not None}


@pytest.fixture
def write_mcl_wic(tmp_path: Path):
    def write(data: object, gold: object) -> tuple[Path, Path]:
        paths = tmp_path / "dev.data", tmp_path / "dev.gold"
        for path, value in zip(paths, (data, gold), strict=True):
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
            path.write_text(text, encoding="utf-8")
        return paths

    return write


def planted(
    size: int, signal: float, seed: int = 0, layers: int = 2, dim: int = 20, pairs_per_word: int = 2
) -> PairVectors:
    """Pairs whose two vectors share `signal` times a random vector if they have the same sense."""
    rng = np.random.default_rng(seed)
    same = np.arange(size) // pairs_per_word % 2 == 0
    noise, shared = rng.normal(size=(2, size, layers, dim)), rng.normal(size=(size, layers, dim))
    noise += signal * shared * same[:, None, None]
    pairs = [
        WicPair(str(row), str(row // pairs_per_word), Mention("a", 0, 1), Mention("b", 0, 1), bool(same[row]))
        for row in range(size)
    ]
    vectors = noise.reshape(2 * size, layers, dim).astype(np.float32)
    return PairVectors(pairs, vectors, np.arange(size), np.arange(size) + size, np.ones(size, dtype=bool))


# Reading


def test_the_chinese_pairs_of_mcl_wic_are_read_and_every_offset_points_at_the_word(shared):
    folder = shared / "corpora" / "senses"
    path = folder / "mcl_wic_dev.zh-zh.data"
    pairs = read_mcl_wic(path, folder / "mcl_wic_dev.zh-zh.gold")
    assert Counter(pair.same for pair in pairs) == {True: 500, False: 500}
    assert len({pair.word for pair in pairs}) == 485
    assert all(pair.first.word == pair.second.word == pair.word for pair in pairs)


def test_an_mcl_wic_pair_is_joined_with_its_answer_by_its_id(write_mcl_wic):
    gold = [{"id": "dev.zh-zh.1", "tag": "T"}, {"id": "dev.zh-zh.0", "tag": "F"}]
    first, second = read_mcl_wic(*write_mcl_wic([item(0), item(1, start2=2, end2=4, lemma="手机")], gold))
    assert first == WicPair("dev.zh-zh.0", "苹果", Mention("我吃苹果", 2, 4), Mention("苹果手机", 0, 2), False)
    assert (second.same, second.second.word) == (True, "手机")


GOLD = [{"id": "dev.zh-zh.0", "tag": "F"}]


@pytest.mark.parametrize(
    ("data", "gold", "message"),
    [
        ([item(start1="x")], GOLD, r"data, item 1: start1 'x' is not a whole number"),
        ([item(start1="9" * 5000)], GOLD, r"data, item 1: start1 '9{40}' is not a whole number"),
        ([item(end1="5")], GOLD, r"data, item 1: characters 2 to 5 of sentence1, which has 4, hold no word"),
        ([item(end2="0")], GOLD, r"data, item 1: characters 0 to 0 of sentence2"),
        ([item(sentence1="我吃  果")], GOLD, r"data, item 1: characters 2 to 4 of sentence1"),
        ([item(sentence2=None)], GOLD, r"data, item 1: sentence2 is None"),
        ([item(lemma=["苹果"])], GOLD, r"data, item 1: lemma is \['苹果'\]"),
        ([item(), item()], GOLD, r"data, item 2: the id 'dev.zh-zh.0' occurs twice"),
        ([item(), item(7)], GOLD, r"data, item 2: .*dev.gold has no answer for 'dev.zh-zh.7'"),
        ([item()], [*GOLD, {"id": "x", "tag": "T"}], r"dev.gold: answers 'x', which .*dev.data lacks"),
        ([item()], GOLD * 2, r"gold, item 2: the id 'dev.zh-zh.0' occurs twice"),
        ([item()], [{"id": "a", "tag": "Y"}], r"gold, item 1: tag 'Y' is neither T nor F"),
        ([item()], "", r"gold: not JSON \(Expecting value: line 1 column 1"),
        ([item()], '{"id": 1}', r"gold: holds no list"),
        ([item()], '[\n{"id": "a",\n "tag" "T"}]', r"gold: not JSON \(Expecting ':' delimiter: line 3"),
        ([item()], '[\n"a"]', r"gold, item 1: 'a' is not an object"),
        ([item()], '[\n{"id": "a", "tag": "T"}\n', r"gold: not JSON \(Expecting ',' delimiter: line 3"),
        ([item()], "[" * 100_000, r"gold: not JSON \(maximum recursion"),
    ],
)
def test_a_malformed_mcl_wic_file_is_named_with_the_item(write_mcl_wic, data, gold, message):
    with pytest.raises(InputError, match=message):
        read_mcl_wic(*write_mcl_wic(data, gold))


def test_pairs_of_another_language_are_refused(write_mcl_wic):
    english = item(1, sentence1="I ate an apple", start1=9, end1=14, lemma="apple")
    paths = write_mcl_wic([item(), english], [*GOLD, {"id": "dev.zh-zh.1", "tag": "T"}])
    with pytest.raises(InputError, match=r"in 1 of 2 pairs a sentence is not Chinese \(dev\.zh-zh\.1: that of 'apple'"):
        read_mcl_wic(*paths)


def test_a_file_that_is_missing_or_not_utf8_is_named(write_mcl_wic, tmp_path):
    data, gold = write_mcl_wic([item()], GOLD)
    with pytest.raises(InputError, match=r"none\.gold: can't be read"):
        read_mcl_wic(data, tmp_path / "none.gold")
    data.write_bytes(data.read_bytes().decode().encode("gb18030"))
    with pytest.raises(InputError, match=r"dev\.data:\d+: byte \d+ of the line"):
        read_mcl_wic(data, gold)


# Vectors


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("电脑 程序 员", range(1, 2)),  # a word of its own
        ("电脑程序 员", range(0, 1)),  # inside a longer word
        ("电脑 程 序 员", range(1, 3)),  # in parts
        ("电 脑程 序员", range(1, 3)),  # across two words
    ],
)
def test_a_target_takes_all_words_that_share_a_character_with_it(words, expected):
    mention = Mention("电 脑 程序员", 4, 6)
    assert mention.word == "程序"
    assert overlapping_words(words.split(), mention) == expected


@given(st.lists(st.text("天地人 ", min_size=1, max_size=4).filter(str.strip), min_size=1, max_size=6), st.data())
def test_overlapping_words_are_what_a_search_of_all_characters_finds(pieces, data):
    sentence = " ".join(pieces)
    words = ["".join(piece.split()) for piece in pieces]
    places = [place for place, character in enumerate(sentence) if character != " "]
    start = data.draw(st.sampled_from(places))
    end = data.draw(st.sampled_from([place for place in places if place >= start])) + 1
    owner = [number for number, word in enumerate(words) for _ in word]
    expected = {owner[index] for index, place in enumerate(places) if start <= place < end}
    assert set(overlapping_words(words, Mention(sentence, start, end))) == expected


def test_each_sentence_is_encoded_once_and_a_target_in_parts_gets_their_mean():
    sentence = "我 爱 苹果 手机"
    whole, parts = Mention(sentence, 4, 6), Mention("苹果手机", 0, 4)
    seen: list[list[str]] = []

    def encode(sentences: list[list[str]]) -> list[np.ndarray]:
        seen.extend(sentences)
        return [np.arange(len(words))[None, :, None] * np.array([1.0, 10.0])[:, None, None] for words in sentences]

    def segment(text: str) -> list[str]:
        return text.split() if " " in text else ["苹果", "手", "机"]

    pairs = [WicPair("a", "苹果", whole, parts, True), WicPair("b", "苹果", whole, whole, True)]
    picked = pair_vectors(pairs, encode, segment)
    assert seen == [["我", "爱", "苹果", "手机"], ["苹果", "手", "机"]]
    assert picked.vectors[picked.first].tolist() == [[[2], [20]], [[2], [20]]]
    assert picked.vectors[picked.second].tolist() == [[[1], [10]], [[2], [20]]]
    assert picked.is_whole.tolist() == [False, True]


def test_an_encoder_that_gives_other_shapes_is_named():
    pairs = [WicPair("a", "苹果", Mention("我吃苹果", 2, 4), Mention("苹果", 0, 2), True)]
    with pytest.raises(InputError, match=r"shape \[2, 5\] for 4 words"):
        pair_vectors(pairs, lambda sentences: [np.zeros((2, 5)) for _ in sentences], list)
    with pytest.raises(InputError, match="0 arrays for 2 sentences"):
        pair_vectors(pairs, lambda sentences: [], list)


def test_variants_do_what_their_names_say():
    vectors = np.random.default_rng(0).normal(size=(50, 5)) * [1, 2, 3, 4, 50] + 7
    np.testing.assert_allclose(centred(vectors), vectors - vectors.mean(axis=0))
    np.testing.assert_allclose(standardised(vectors).std(axis=0), 1)
    np.testing.assert_allclose(standardised(vectors).mean(axis=0), 0, atol=1e-12)
    left = all_but_the_top(vectors)
    spread = np.linalg.svd(centred(vectors), compute_uv=False)
    np.testing.assert_allclose(np.linalg.svd(left, compute_uv=False), [*spread[1:], 0], atol=1e-9)
    assert np.abs(left[:, 4]).max() < np.abs(centred(vectors)[:, 4]).max() / 5  # the widest direction is gone


@pytest.mark.parametrize("variant", CHANGES)
def test_equal_vectors_have_cosine_one_whatever_the_variant(variant):
    rng = np.random.default_rng(1)
    rows = np.concatenate(
        [np.repeat(rng.normal(size=(1, 8)) + 3, 5, axis=0), np.zeros((2, 8)), rng.normal(size=(9, 8))]
    )
    for vectors in (rows, rows[:5]):
        changed = CHANGES[variant](vectors)
        first = np.arange(4)
        np.testing.assert_array_equal(pair_cosines(changed, first, first + 1), 1)
    assert pair_cosines(CHANGES[variant](rows), np.array([5]), np.array([6]))[0] == 1


def test_cosines_by_hand():
    vectors = np.array([[3.0, 4.0], [4.0, 3.0], [-6.0, -8.0], [0.0, 0.0]])
    cosines = pair_cosines(vectors, np.array([0, 0, 0]), np.array([1, 2, 3]))
    assert cosines.tolist() == [0.96, -1, 0]


# The threshold


def test_the_best_threshold_by_hand():
    same = np.array([False, False, True, True])
    rows = np.array([[0.1, 0.2, 0.4, 0.8], [0.8, 0.4, 0.2, 0.1], [0.5, 0.5, 0.5, 0.5], [0.1, 0.6, 0.4, 0.8]])
    thresholds = best_thresholds(rows, same)
    assert thresholds[0] == pytest.approx(0.3)
    assert np.isinf(thresholds[1]) and np.isinf(thresholds[2])  # nothing is better than one answer for all
    assert thresholds[3] in (pytest.approx(0.25), pytest.approx(0.7))


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=12))
def test_no_other_threshold_is_right_more_often(items):
    cosines = np.array([[value / 6 for value, _ in items]])
    same = np.array([answer for _, answer in items])

    def right(threshold: float) -> int:
        return int(((cosines[0] >= threshold) == same).sum())

    best = max(right(threshold) for threshold in np.arange(-1, 14) / 12 + 0.001)
    assert right(best_thresholds(cosines, same)[0]) == best


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=8, max_size=60), st.integers(0, 3))
def test_folds_keep_a_word_together_and_none_is_empty(items, seed):
    words, same = [str(word) for word, _ in items], np.array([answer for _, answer in items])
    folds = max(2, len(set(words)) // 2)
    if len(set(words)) < 2:
        with pytest.raises(InputError, match="folds is 2 for 1 words"):
            make_folds(words, same, folds, np.random.default_rng(seed))
        return
    fold = make_folds(words, same, folds, np.random.default_rng(seed))
    assert set(fold.tolist()) == set(range(folds))
    for word in set(words):
        assert len({number for number, other in zip(fold.tolist(), words, strict=True) if other == word}) == 1


def test_folds_have_their_share_of_both_answers():
    rng = np.random.default_rng(3)
    words = [str(number // 2) for number in range(400)]
    same = np.repeat(rng.random(200) < 0.3, 2)
    same[:40:2] ^= True  # some words have both answers
    for seed in range(5):
        fold = make_folds(words, same, 10, np.random.default_rng(seed))
        for answer in (True, False):
            counts = np.bincount(fold[same == answer], minlength=10)
            assert counts.max() - counts.min() <= 2


@settings(max_examples=25)
@given(st.integers(0, 1000))
def test_the_threshold_and_the_chosen_row_never_see_the_held_out_fold(seed):
    # If they don't depend on the answers of a fold, other answers there turn right into wrong, and change no more.
    rng = np.random.default_rng(seed)
    words = [str(number) for number in range(40)]
    same = rng.random(40) < 0.5
    cosines = rng.normal(size=(3, 40)) + same * np.array([[0], [1], [1]])
    fold = make_folds(words, same, 4, rng)
    inside = fold == 2
    flipped = same ^ inside
    before, after = held_out_outcomes(cosines, same, fold), held_out_outcomes(cosines, flipped, fold)
    np.testing.assert_array_equal(before[:, inside], ~after[:, inside])
    (before, rows), (after, rows_after) = (selected_outcomes(cosines, a, words, fold, [seed]) for a in (same, flipped))
    np.testing.assert_array_equal(before[inside], ~after[inside])
    assert rows[2] == rows_after[2]


# Scores


def test_a_planted_signal_is_found_and_its_layer_chosen():
    picked = planted(200, 4.0)
    picked.vectors[:, 0] = np.random.default_rng(9).normal(size=picked.vectors[:, 0].shape)  # nothing in layer 0
    scores = score_wic(picked, {"layer 0": [0], "layer 1": [1]}, repeats=2, resamples=200)
    by_row = {(score.vectors, score.variant): score for score in scores.scores}
    assert len(by_row) == 2 * len(CHANGES)
    assert by_row["layer 1", "raw"].accuracy.value > 0.95
    assert by_row["layer 1", "centred"].auc.value > 0.98
    assert scores.selected.value > 0.95
    assert all(name.startswith("layer 1") for name in scores.chosen)
    assert sum(scores.chosen.values()) == scores.folds * scores.repeats
    assert 0.35 < by_row["layer 0", "raw"].accuracy.value < 0.65


def test_random_vectors_score_about_a_half_although_the_best_of_many_rows_is_chosen():
    results = [score_wic(planted(160, 0.0, seed), repeats=2, resamples=50) for seed in range(12)]
    selected = [result.selected.value for result in results]
    # one run has a standard deviation of about 0.04 to 0.05, so that the mean of 12 has one of 0.015
    assert abs(np.mean(selected) - 0.5) < 0.045
    assert np.mean([max(s.accuracy.value for s in result.scores) for result in results]) > np.mean(selected) + 0.03


def test_vectors_without_context_score_at_most_what_one_answer_for_all_scores():
    picked = planted(120, 0.0)
    picked.vectors[picked.second] = picked.vectors[picked.first]
    for score in score_wic(picked, {"word": [0]}, repeats=3, resamples=50).scores:
        assert score.auc.value == score.auc.low == score.auc.high == 0.5
        assert 0.45 <= score.accuracy.value <= 0.5


def test_accuracy_on_whole_words_counts_only_them():
    picked = planted(80, 6.0)
    is_whole = np.arange(80) < 60
    noise = np.random.default_rng(5).normal(size=picked.vectors[picked.first[~is_whole]].shape)
    picked.vectors[picked.first[~is_whole]] = noise
    picked.is_whole[:] = is_whole
    scores = score_wic(picked, {"layer 0": [0]}, folds=5, repeats=2, resamples=50)
    raw = scores.scores[0]
    assert scores.whole_word_pairs == 60
    assert raw.whole_word_accuracy is not None
    assert raw.whole_word_accuracy.value > raw.accuracy.value + 0.05
    assert (scores.majority, scores.whole_word_majority) == (0.5, pytest.approx(30 / 60, abs=0.02))


def test_the_same_seed_gives_the_same_scores_and_another_seed_other_folds():
    picked = planted(60, 1.0)
    first, again, other = (score_wic(picked, folds=5, repeats=2, resamples=50, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.scores[0].accuracy != other.scores[0].accuracy


def test_pairs_that_cannot_be_scored_are_refused():
    picked = planted(40, 0.0)
    with pytest.raises(InputError, match="folds is 11 for 20 words"):
        score_wic(picked, folds=11)
    with pytest.raises(InputError, match="repeats is 0"):
        score_wic(picked, repeats=0)
    one_answer = [WicPair(p.name, p.word, p.first, p.second, True) for p in picked.pairs]
    with pytest.raises(InputError, match="all 40 pairs have the same answer"):
        score_wic(PairVectors(one_answer, picked.vectors, picked.first, picked.second, picked.is_whole))


def test_intervals_hold_the_true_accuracy_and_the_true_auc():
    # Cosines that are normal around 0 and 1.2 with a deviation of 1: the best threshold is right with chance
    # Phi(0.6), and the AUC is Phi(1.2 / sqrt(2)). Pairs of a word are the same pair twice, which an interval that
    # does not draw whole words would take for twice the evidence: it would hold the truth in some 83%.
    true_accuracy, true_auc, runs = 0.7257, 0.8019, 150
    words = [str(row // 2) for row in range(240)]
    hits = np.zeros(3)
    for run in range(runs):
        rng = np.random.default_rng([17, run])
        same = np.repeat(np.arange(120) % 2 == 0, 2)
        cosines = np.repeat(rng.normal(size=120), 2) + 1.2 * same
        fold = make_folds(words, same, 5, rng)
        right = held_out_outcomes(cosines[None], same, fold)[0]
        counts = draw_counts(words, 300, run)
        alone = draw_counts([str(row) for row in range(240)], 300, run)
        for number, (truth, drawn) in enumerate(
            [
                (true_accuracy, counts @ right / counts.sum(axis=1)),
                (true_auc, resampled_roc_auc(cosines, same, counts)),
                (true_auc, resampled_roc_auc(cosines, same, alone)),
            ]
        ):
            low, high = percentile_interval(drawn)
            hits[number] += low <= truth <= high
    coverage = hits / runs
    # The accuracy loses a little as its threshold is estimated. A coverage of 95% has a deviation of 1.8% here.
    assert coverage[0] > 0.88
    assert coverage[1] > 0.89
    assert coverage[2] < 0.89


def test_the_interval_of_pairs_that_repeat_is_that_of_their_words():
    picked = planted(60, 1.5, pairs_per_word=1)
    thrice = np.tile(np.arange(60), 3)
    repeated = PairVectors(
        [picked.pairs[row] for row in thrice], picked.vectors, picked.first[thrice], picked.second[thrice],
        picked.is_whole[thrice],
    )  # fmt: skip
    once, often = (score_wic(these, {"layer 0": [0]}, repeats=1).scores[0] for these in (picked, repeated))
    assert (once.auc.low, once.auc.high) == pytest.approx((often.auc.low, often.auc.high))
    widths = [score.accuracy.high - score.accuracy.low for score in (once, often)]
    assert widths[1] > 0.8 * widths[0]  # if pairs were drawn, 0.58


def test_layers_by_name():
    assert layer_means(2) == {"layer 0": [0], "layer 1": [1], "mean of layers": [0, 1]}


# All together


def make_encoder() -> FakeEncoder:
    return FakeEncoder(get_segmenter("jieba").cut, sighted=True)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("senses")
    marked = [
        ("苹果", sense, f"第{n}个苹果{end}")
        for sense, end in (("fruit", "很甜"), ("company", "是手机"))
        for n in range(5)
    ]
    return {"senses.tsv": write_senses(folder / "senses.tsv", marked), **write_reviews_and_pairs(folder)}


def test_all_scores_of_an_encoder_and_of_word_vectors(files):
    encoder = make_encoder()
    space = {"苹果": np.ones(3), "手机": np.array([9.0, 0, 0]), "甜": np.array([0, 9.0, 0])}

    class Space:
        def vector(self, word: str) -> np.ndarray:
            return space[word]

        def __contains__(self, word: object) -> bool:
            return word in space

    result = evaluate_senses(
        encoder,
        Space(),
        files["senses.tsv"],
        files["reviews.csv"],
        mcl_wic=(files["dev.data"], files["dev.gold"]),
        resamples=50,
    )
    json.dumps(result)
    assert len(encoder.read) == len(set(encoder.read)), "a sentence was encoded twice"
    assert set(result["aucs"]) == {"pair_auc", "centroid_auc"}
    held_out = result["systems"]["elmo"]["reviews_held_out"]
    reviews = [f"第{n}次买，苹果{end}" for n in range(150) for end in ("很甜", "手机好")]
    counts = Counter(is_held_out_review(review) for review in reviews)
    assert sum(held_out["senses"].values()) == counts[True]
    assert sum(held_out["centroid_reviews"].values()) == counts[False]
    for name in ("pair_auc", "pair_auc_centred", "centroid_auc", "centroid_auc_centred"):
        blind, sighted = held_out[name]
        assert (blind["value"], blind["low"], blind["high"]) == (0.5, 0.5, 0.5)
        assert sighted["value"] > 0.95
    word2vec = result["systems"]["word2vec"]
    assert word2vec["reviews_held_out"]["centroid_auc"][0]["value"] == 0.5
    assert word2vec["reviews_held_out"]["centroid_auc"][1]["value"] == 1
    assert "centroid_auc" not in word2vec["reviews_all"]
    assert result["systems"]["elmo"]["mcl_wic"]["selected"]["value"] > 0.9
    rows = {(row["vectors"], row["variant"]): row["accuracy"]["value"] for row in word2vec["mcl_wic"]["scores"]}
    assert {vectors for vectors, _ in rows} == {"word", "word, 2 words around", "word, sentence"}
    assert rows["word", "raw"] <= 0.5 < 0.9 < rows["word, sentence", "raw"]


def test_pairs_with_english_are_refused_before_anything_is_encoded(files, tmp_path):
    encoder = make_encoder()
    pairs = json.loads(files["dev.data"].read_text(encoding="utf-8"))
    pairs[0] |= {"sentence2": "An apple a day", "start2": "3", "end2": "8"}
    (tmp_path / "dev.data").write_text(json.dumps(pairs), encoding="utf-8")
    with pytest.raises(InputError, match=rf"dev\.data: in 1 of {len(pairs)} pairs a sentence is not Chinese"):
        evaluate_senses(encoder, None, files["senses.tsv"], mcl_wic=(tmp_path / "dev.data", files["dev.gold"]))
    assert not encoder.read


def test_centroids_are_made_of_no_sentence_that_is_asked_about(tmp_path, files):
    # The same sentence in many reviews, some held out and some not: nothing is left to make a centroid of.
    rows = [
        f"{cat},1,第{n}次买。{text}\n" for n in range(40) for cat, text in (("水果", "苹果很甜"), ("平板", "苹果手机"))
    ]
    path = tmp_path / "reviews.csv"
    path.write_text("cat,label,review\n" + "".join(rows), encoding="utf-8")
    with pytest.raises(InputError, match="no fruit review with '苹果' is left for a centroid"):
        evaluate_senses(make_encoder(), None, files["senses.tsv"], path, resamples=20)


def test_surroundings_are_means_over_two_words_on_either_side_and_over_the_sentence() -> None:
    words = np.arange(6, dtype=np.float32)
    array = np.stack([words, 10 * words])[:, :, None]  # [layers, words, 1]
    (found,) = surroundings(lambda sentences: [array])([["词"] * 6])
    assert found.shape == (6, 6, 1)
    np.testing.assert_array_equal(found[:2], array)
    np.testing.assert_allclose(found[2, :, 0], [1, 1.5, 2, 3, 3.5, 4])
    np.testing.assert_allclose(found[3], 10 * found[2])
    np.testing.assert_allclose(found[4:, :, 0], [[2.5] * 6, [25] * 6])
    (empty,) = surroundings(lambda sentences: [array[:, :0]])([[]])
    assert empty.shape == (6, 0, 1)
