"""Sense scores: what is read, which vectors are picked, what the AUC and its interval are worth."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elmo.corpora.splits import is_held_out_review
from elmo.errors import InputError
from elmo.explore.polysemy.scores import (
    bootstrap_auc,
    bootstrap_interval,
    centroid_accuracy,
    centroid_differences,
    pair_auc,
    resampled_roc_auc,
    roc_auc,
)
from elmo.explore.polysemy.sense_scores import score_senses
from elmo.explore.polysemy.senses import SenseSentence, read_reviews, read_senses, target_index, target_vectors
from elmo.text.segment import get_segmenter

HEADER = "word\tsense\tgloss\tsentence\tposition\n"
GOOD = "苹果\tfruit\t水果 the fruit\t我吃苹果。\t2\n"


def two_senses(size: int, shift: float, seed: int = 0, dim: int = 16) -> tuple[np.ndarray, list[str]]:
    """Noise, with every second vector moved in one direction."""
    vectors = np.random.default_rng(seed).normal(size=(size, dim))
    vectors[::2, 0] += shift
    return vectors, ["a", "b"] * (size // 2)


def auc_by_definition(vectors: np.ndarray, labels: list[str], counts: np.ndarray | None = None) -> float:
    """P(same > different) + P(equal) / 2 over pairs of different sentences, one pair against one pair at a time."""
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    counts = np.ones(len(labels)) if counts is None else counts
    kinds: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    for i, j in combinations(range(len(labels)), 2):
        kinds[labels[i] == labels[j]].append((round(float(units[i] @ units[j]), 12), counts[i] * counts[j]))
    won = sum(w * v * ((s > d) + (s == d) / 2) for s, w in kinds[True] for d, v in kinds[False])
    total = sum(w for _, w in kinds[True]) * sum(v for _, v in kinds[False])
    return won / total if total else float("nan")


def make_items(*senses: str, word: str = "苹果") -> list[SenseSentence]:
    return [SenseSentence(word, sense, sense, f"{number}个{word}", 2) for number, sense in enumerate(senses)]


# Reading


def test_our_own_sentences_are_read(data):
    items = read_senses(data / "senses.tsv")
    sentences = Counter((item.word, item.sense) for item in items)
    senses = Counter(word for word, _ in sentences)
    assert len(senses) >= 40
    assert min(senses.values()) >= 2
    assert min(sentences.values()) >= 10
    assert all(item.sentence[item.position :].startswith(item.word) for item in items)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1: '' is not the header"),
        ("word\tsense\n" + GOOD, ":1: 'word.tsense' is not the header"),
        (HEADER, "holds no sentence"),
        (HEADER + GOOD + "苹果\tfruit\t我吃苹果。\t2\n", ":3: 4 columns, expected 5"),
        (HEADER + GOOD + GOOD.replace("\t2", "\ttwo"), ":3: position 'two' is not a whole number"),
        (HEADER + GOOD.replace("\t2", "\t-2"), ":2: position '-2' is not a whole number"),
        (HEADER + GOOD.replace("\t2", "\t" + "9" * 5000), ":2: position '9{40}' is not a whole number"),
        (HEADER + GOOD.replace("\t2", "\t1"), r":2: '苹果' does not stand at position 1 \(it stands at 2\)"),
        (HEADER + GOOD.replace("吃苹果", "吃梨"), r":2: '苹果' does not stand at position 2 \(the sentence lacks it\)"),
        (HEADER + GOOD.replace("fruit\t", "\t", 1), ":2: the column sense is empty"),
    ],
)
def test_a_malformed_line_is_named(tmp_path, text, message):
    path = tmp_path / "senses.tsv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_senses(path)


def test_windows_line_ends_and_a_byte_order_mark_are_read(tmp_path):
    path = tmp_path / "senses.tsv"
    path.write_bytes(b"\xef\xbb\xbf" + (HEADER + GOOD).replace("\n", "\r\n").encode())
    assert read_senses(path) == [SenseSentence("苹果", "fruit", "水果 the fruit", "我吃苹果。", 2)]


def test_a_file_that_is_missing_or_not_utf8_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.tsv: can't be read"):
        read_senses(tmp_path / "none.tsv")
    (tmp_path / "gbk.tsv").write_bytes((HEADER + GOOD).encode("gb18030"))
    with pytest.raises(InputError, match=r"byte \d+ of the line, 0x\w+, is not UTF-8"):
        read_senses(tmp_path / "gbk.tsv")


REVIEWS = [
    ("水果", "很快。苹果很甜！还会买苹果。"),
    ("平板", "比苹果便宜"),
    ("平板", "屏幕不错"),
    ("衣服", "苹果绿的裙子"),
    ("水果", "包装好。苹果很甜！"),
]


@pytest.fixture
def reviews(tmp_path):
    path = tmp_path / "reviews.csv"
    lines = [f'{category},1,"{review}"\n' for category, review in REVIEWS]
    path.write_text("cat,label,review\n" + "".join(lines), encoding="utf-8")
    return path


def test_a_review_gives_its_first_sentence_with_the_word_and_equal_sentences_count_once(reviews):
    items = read_reviews(reviews, "苹果", held_out=None)
    assert items == [
        SenseSentence("苹果", "fruit", "水果 fruit", "苹果很甜！", 0),
        SenseSentence("苹果", "company", "平板 company", "比苹果便宜", 1),
    ]


def test_a_review_is_held_out_or_not_as_a_whole(tmp_path):
    path = tmp_path / "reviews.csv"
    texts = [f"第{number}次买。苹果好，{number}分" for number in range(200)]
    path.write_text("cat,label,review\n" + "".join(f"水果,1,{text}\n" for text in texts), encoding="utf-8")
    held_out, others = (read_reviews(path, "苹果", held_out=choice) for choice in (True, False))
    assert [item.sentence for item in held_out] == [t.split("。")[1] for t in texts if is_held_out_review(t)]
    assert 5 < len(held_out) < 40
    assert len(others) == 200 - len(held_out)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label,review\n", ":1: 'label,review' is not the header; write cat, label, review, separated by commas"),
        ("", ":1: '' is not the header"),
        ("cat,label,review\n水果,1,苹果\n水果,苹果\n", ":3: 2 columns"),
        ("cat,label,review\n水果,1,梨\n", "no review of 水果, 平板 holds '苹果'"),
    ],
)
def test_reviews_that_make_no_sense_are_errors(tmp_path, text, message):
    path = tmp_path / "reviews.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_reviews(path, "苹果", held_out=None)


def test_the_shopping_reviews_are_read(shared):
    items = read_reviews(shared / "corpora/sentiment/shopping_reviews_7cats.csv", "苹果")
    senses = [item.sense for item in items]
    assert senses.count("fruit") > 250
    assert senses.count("company") > 10


# Picking vectors


@pytest.mark.parametrize(
    ("words", "position", "index"),
    [
        (["我", "吃", "苹果", "。"], 2, 2),
        (["苹果", "苹果"], 2, 1),
        (["我", "吃苹果", "。"], 2, None),
        (["我", "吃", "苹果汁"], 2, None),
        (["我", "吃", "苹", "果"], 2, None),
        (["我"], 2, None),
        ([], 0, None),
    ],
)
def test_the_target_is_the_token_that_begins_there_and_equals_the_word(words, position, index):
    assert target_index(words, position, "苹果") == index


@given(st.lists(st.text("甲乙丙", min_size=1, max_size=3), min_size=1), st.data())
def test_every_token_is_found_at_its_own_place(words, data):
    index = data.draw(st.integers(0, len(words) - 1))
    assert target_index(words, len("".join(words[:index])), words[index]) == index


def test_vectors_of_the_target_are_picked_and_other_segmentations_dropped():
    read = []

    def encode(sentences):
        read.extend(sentences)
        return [np.arange(2 * len(words) * 3).reshape(2, len(words), 3) for words in sentences]

    items = [
        SenseSentence("苹果", "fruit", "", "我吃 苹果", 3),
        SenseSentence("苹果", "fruit", "", "苹果汁", 0),
        SenseSentence("苹果", "company", "", "苹果 股票", 0),
    ]
    cuts = {"我吃 苹果": ["我", "吃", "苹果"], "苹果汁": ["苹果汁"], "苹果 股票": ["苹果", "股票"]}
    found = target_vectors(items, encode, cuts.__getitem__)
    assert read == [["我", "吃", "苹果"], ["苹果", "股票"]]  # nothing that is dropped
    assert found.items == [items[0], items[2]]
    assert found.dropped == [items[1]]
    assert found.vectors.dtype == np.float32
    np.testing.assert_array_equal(found.vectors, [[[6, 7, 8], [15, 16, 17]], [[0, 1, 2], [6, 7, 8]]])


def test_an_encoder_that_gives_something_else_is_an_error():
    items = make_items("fruit")
    with pytest.raises(InputError, match="gave 0 arrays for 1 sentences"):
        target_vectors(items, lambda sentences: [], lambda sentence: ["0", "个", "苹果"])
    with pytest.raises(InputError, match=r"gave shape \[2, 9, 3\] for 3 words"):
        target_vectors(items, lambda sentences: [np.zeros((2, 9, 3))], lambda sentence: ["0", "个", "苹果"])
    with pytest.raises(InputError, match="in none of 1 sentences"):
        target_vectors(items, lambda sentences: [], list)


def test_jieba_leaves_the_words_of_our_sentences_whole(data):
    items = read_senses(data / "senses.tsv")
    found = target_vectors(items, lambda s: [np.zeros((1, len(words), 1)) for words in s], get_segmenter("jieba").cut)
    assert len(found.dropped) <= 0.02 * len(items)


# AUC


def test_one_vector_for_all_sentences_scores_exactly_one_half():
    # word2vec by construction; 100 numbers, so that a product of matrices could round equal rows differently.
    vector = np.random.default_rng(0).normal(size=100).astype(np.float32)
    vectors = np.tile(vector, (37, 1))
    labels = ["fruit"] * 17 + ["company"] * 20
    for centre in (False, True):
        assert pair_auc(vectors, labels, centre=centre) == 0.5
        assert bootstrap_interval(vectors, labels, centre=centre, resamples=20) == (0.5, 0.5)
        assert bootstrap_interval(vectors, labels, centre=centre, resamples=20, max_pairs=10) == (0.5, 0.5)
        assert set(centroid_accuracy(vectors, labels, centre=centre)) == {0.5}


def test_senses_that_stand_apart_score_one_and_mixed_up_ones_zero():
    apart = np.array([[1, 0.1], [1, 0.2], [0.1, 1], [0.2, 1]])
    assert pair_auc(apart, ["a", "a", "b", "b"]) == 1
    square = np.array([[1, 0.1], [-1, 0.1], [1, -0.1], [-1, -0.1]])
    assert pair_auc(square, ["a", "b", "b", "a"]) == 0


@given(st.lists(st.tuples(st.integers(-2, 2), st.integers(1, 3), st.sampled_from("abc")), min_size=4, max_size=9))
def test_the_auc_is_what_its_definition_says(rows):
    vectors = np.array([row[:2] for row in rows], dtype=float)
    labels = [row[2] for row in rows]
    pairs = [a == b for a, b in combinations(labels, 2)]
    if all(pairs) or not any(pairs):
        with pytest.raises(InputError, match="there are no two"):
            pair_auc(vectors, labels)
    else:
        # 1e-12: both count the same pairs, in float64
        assert pair_auc(vectors, labels) == pytest.approx(auc_by_definition(vectors, labels), abs=1e-12)


def test_centring_takes_off_what_all_sentences_share():
    vectors, labels = two_senses(60, 2.0)
    vectors[:, 1] += np.linspace(0, 200, 60)  # a direction that has nothing to do with the senses
    far = vectors + 1000 * np.eye(16)[2]
    assert pair_auc(far, labels, centre=True) == pytest.approx(pair_auc(vectors, labels, centre=True), abs=1e-9)


@pytest.mark.parametrize(
    ("vectors", "labels", "message"),
    [
        (np.zeros((3, 2)), ["a", "b"], r"shape \[3, 2\] for 2 labels"),
        (np.zeros(3), ["a", "b", "b"], r"shape \[3\] for 3 labels"),
        (np.array([[np.nan, 0], [0, 1], [1, 1]]), ["a", "a", "b"], "not finite"),
        (np.ones((2, 2)), ["a", "b"], "no two of one sense"),
        (np.ones((2, 2)), ["a", "a"], "no two of different senses"),
    ],
)
def test_vectors_that_cannot_be_scored_are_errors(vectors, labels, message):
    with pytest.raises(InputError, match=message):
        pair_auc(vectors, labels)


# Its interval


def test_a_resample_counts_pairs_of_different_sentences_as_often_as_both_were_drawn():
    vectors, labels = two_senses(8, 1.0, dim=3)
    counts = np.random.default_rng(5).multinomial(8, np.full(8, 1 / 8), size=40)
    expected = [auc_by_definition(vectors, labels, row) for row in counts]
    np.testing.assert_allclose(bootstrap_auc(vectors, labels, resamples=40, seed=5), expected, atol=1e-12)


def test_a_sentence_drawn_twice_is_not_like_itself():
    # With pairs of a sentence with itself, whose cosine is 1, noise would seem to have senses.
    vectors, labels = two_senses(40, 0.0)
    aucs = bootstrap_auc(vectors, labels, resamples=400)
    # 0.01 is 4 standard errors: the resamples of these 40 sentences spread by less than 0.05
    assert abs(aucs.mean() - pair_auc(vectors, labels)) < 0.01


def test_the_interval_holds_the_score_narrows_with_sentences_and_repeats_with_its_seed():
    widths = []
    for size in (20, 80, 320):
        vectors, labels = two_senses(size, 2.0)
        low, high = bootstrap_interval(vectors, labels, resamples=200, seed=3)
        assert low < pair_auc(vectors, labels) < high
        assert (low, high) == bootstrap_interval(vectors, labels, resamples=200, seed=3)
        assert (low, high) != bootstrap_interval(vectors, labels, resamples=200, seed=4)
        widths.append(high - low)
    assert widths[0] > 1.5 * widths[1] > 1.5**2 * widths[2]  # by a factor of 2 each, but for chance


def test_the_interval_holds_the_true_score_as_often_as_it_says():
    population, labels = two_senses(1500, 2.0, dim=8)
    truth = pair_auc(population, labels)
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(100):
        rows = rng.choice(1500, 30, replace=False)
        low, high = bootstrap_interval(population[rows], [labels[row] for row in rows], resamples=200)
        held += low <= truth <= high
    assert held >= 88  # of 100 at 95%: fewer would happen once in 200 runs of other seeds


def test_many_sentences_are_approximated_to_first_order():
    vectors, labels = two_senses(300, 2.0)
    exact = np.array(bootstrap_interval(vectors, labels, resamples=300, max_pairs=10**9))
    quick = np.array(bootstrap_interval(vectors, labels, resamples=300, max_pairs=1000))
    np.testing.assert_allclose(quick, exact, atol=0.1 * (exact[1] - exact[0]))


def test_the_same_seed_draws_the_same_sentences_for_two_models():
    good, labels = two_senses(60, 3.0)
    noise = np.random.default_rng(1).normal(size=good.shape)
    differences = bootstrap_auc(good, labels, resamples=100) - bootstrap_auc(good + 0.01 * noise, labels, resamples=100)
    assert differences.std() < 0.1 * bootstrap_auc(good, labels, resamples=100).std()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resamples": 0}, "resamples is 0"),
        ({"max_pairs": 0}, "max_pairs is 0"),
        ({"confidence": 95}, "confidence is 95"),
    ],
)
def test_options_that_make_no_sense_are_errors(options, message):
    with pytest.raises(InputError, match=message):
        bootstrap_interval(*two_senses(8, 1.0), **options)


# Accuracy and the whole table


def test_the_nearest_centroid_is_that_of_the_other_sentences():
    vectors = np.array([[1, 0.0], [1, 0.1], [0, 1.0], [0.1, 1.0], [0, 1.0]])
    assert centroid_accuracy(vectors, ["a", "a", "b", "b", "b"]).tolist() == [1, 1, 1, 1, 1]
    assert centroid_accuracy(vectors, ["a", "a", "b", "b", "a"]).tolist() == [1, 1, 1, 1, 0]
    assert centroid_accuracy(vectors[:3], ["a", "a", "b"]).tolist() == [1, 1, 0]  # b has no other sentence


def test_layers_are_scored_one_by_one_and_averaged_over_words():
    items = make_items(*"abababab") + make_items(*"ab" * 6, word="小米") + make_items("a", "a", word="花")
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(len(items), 2, 5))
    vectors[:, 0] = 1  # context-free
    vectors[[item.sense == "a" for item in items], 1, 0] += 5
    scores = score_senses(items, vectors, resamples=50)
    assert [word.word for word in scores.words] == ["苹果", "小米"]
    assert scores.left_out == ["花"]
    assert scores.sentences == 20
    assert (scores.auc[0].value, scores.auc[0].low, scores.auc[0].high) == (0.5, 0.5, 0.5)
    rows = [row for row, item in enumerate(items) if item.word == "小米"]
    assert scores.words[1].auc[1].value == pair_auc(vectors[rows, 1], ["a", "b"] * 6)
    assert scores.auc[1].value == pytest.approx(np.mean([word.auc[1].value for word in scores.words]))
    assert scores.auc[1].low <= scores.auc[1].value <= scores.auc[1].high
    assert scores.accuracy[1].value > 0.8 > scores.majority == 0.5
    assert scores.words[1].senses == {"a": 6, "b": 6}


def test_scores_are_ready_for_json():
    scores = score_senses(make_items(*"aabb"), np.random.default_rng(0).normal(size=(4, 3, 2)), resamples=50)
    record = json.loads(json.dumps(dataclasses.asdict(scores), allow_nan=False))
    assert len(record["auc"]) == len(record["words"][0]["accuracy"]) == 3
    assert set(record["auc"][0]) == {"value", "low", "high"}


def test_scores_need_vectors_that_fit_and_a_word_with_two_senses():
    with pytest.raises(InputError, match=r"shape \[4, 2\]"):
        score_senses(make_items(*"aabb"), np.zeros((4, 2)))
    with pytest.raises(InputError, match="no word of 1 has two senses"):
        score_senses(make_items(*"ab"), np.ones((2, 1, 2)))


@settings(max_examples=20)
@given(st.permutations(range(12)))
def test_the_order_of_sentences_makes_no_difference(order):
    vectors, labels = two_senses(12, 1.0)
    shuffled = vectors[list(order)], [labels[row] for row in order]
    assert pair_auc(*shuffled) == pytest.approx(pair_auc(vectors, labels), abs=1e-12)
    assert centroid_accuracy(*shuffled).mean() == pytest.approx(centroid_accuracy(vectors, labels).mean())


# The ROC AUC


def test_the_roc_auc_by_hand():
    assert roc_auc([1, 2, 3, 4], [False, False, True, True]) == 1
    assert roc_auc([4, 3, 2, 1], [False, False, True, True]) == 0
    assert roc_auc([1, 3, 2, 4], [False, False, True, True]) == 0.75
    assert roc_auc([5, 5, 5], [True, False, False]) == 0.5


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=30))
def test_the_roc_auc_is_that_of_scikit_learn(items):
    metrics = pytest.importorskip("sklearn.metrics", reason="the comparison needs the extra `book`")
    values, positive = [value for value, _ in items], [label for _, label in items]
    if 0 < sum(positive) < len(positive):
        # Its area is a sum of trapezia, which differs from the count of pairs in the last digit.
        assert roc_auc(values, positive) == pytest.approx(metrics.roc_auc_score(positive, values), abs=1e-12)


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 3)), min_size=1, max_size=15))
def test_the_roc_auc_of_a_resample_is_that_of_the_items_repeated(items):
    counts = np.array([[float(count) for _, _, count in items]])
    values, positive = [value for value, _, _ in items], [label for _, label, _ in items]
    (drawn,) = resampled_roc_auc(values, positive, counts)
    repeated = [(value, label) for value, label, count in items for _ in range(count)]
    won = [(a > b) + (a == b) / 2 for a, p in repeated if p for b, q in repeated if not q]
    assert drawn == pytest.approx(np.mean(won)) if won else np.isnan(drawn)


def test_a_vector_lies_nearer_the_centroid_of_its_sense():
    known = np.array([[2.0, 0], [4.0, 0], [0, 1.0]])
    is_positive = [True, True, False]
    vectors = np.array([[3.0, 0], [0, 3.0], [1.0, 1.0], [0, 0]])
    assert centroid_differences(vectors, known, is_positive).tolist() == [1, -1, 0, 0]
    moved = centroid_differences(vectors + 100, known + 100, is_positive, centre=True)
    np.testing.assert_allclose(moved, centroid_differences(vectors, known, is_positive, centre=True))
    assert moved[0] > 0 > moved[1]


def test_equal_vectors_are_equally_near_whatever_their_length():
    vectors = np.repeat(np.random.default_rng(0).normal(size=(1, 50)), 30, axis=0).astype(np.float32)
    for centre in (False, True):
        differences = centroid_differences(vectors[:10], vectors[10:], [True, False] * 10, centre=centre)
        assert (differences == 0).all()


@pytest.mark.parametrize(
    ("known", "is_positive", "message"),
    [
        (np.ones((3, 2)), [True, True, True], "3 known sentences are not of two senses"),
        (np.ones((0, 2)), [], "0 known sentences are not of two senses"),
        (np.ones((3, 2)), [True, False], r"shape \[3, 2\] for 2 senses"),
        (np.full((2, 2), np.nan), [True, False], "not finite"),
    ],
)
def test_centroids_that_cannot_be_made_are_refused(known, is_positive, message):
    with pytest.raises(InputError, match=message):
        centroid_differences(np.ones((1, 2)), known, is_positive)


def test_scores_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="2 scores, 3 labels"):
        roc_auc([1, 2], [True, False, True])
    with pytest.raises(InputError, match="a score is not finite"):
        roc_auc([1, np.nan], [True, False])
