"""Chunk scores from counts by sentence, in resamples too."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elmo.errors import InputError
from elmo.tagging.projection import Chunk, chunks, word_chunks
from elmo.tagging.score import ChunkCounts, SentenceCounts, count_chunks, oracle

TAGS = ["n", "v", "PER"]
GROUPS = {"n": "words", "v": "words", "PER": "PER"}

labels = st.sampled_from(["O", *(f"{tag}-{kind}" for tag in TAGS for kind in "BI")])
corpora = st.lists(st.lists(st.tuples(labels, labels), max_size=12), max_size=5)


def enumerated(sequence: list[str]) -> set[Chunk]:
    """Chunks by their definition: of all spans those that have one tag, begin and end where a chunk must."""

    def begins(at: int) -> bool:
        tag = sequence[at]
        return tag != "O" and (tag.endswith("-B") or at == 0 or sequence[at - 1][:-2] != tag[:-2])

    size = len(sequence)
    return {
        (begin, end, sequence[begin][:-2])
        for begin in range(size)
        for end in range(begin + 1, size + 1)
        if begins(begin)
        and not any(sequence[at] == "O" or begins(at) for at in range(begin + 1, end))
        and (end == size or sequence[end] == "O" or begins(end))
    }


def count_sequences(corpus: list[list[tuple[str, str]]]) -> ChunkCounts:
    sides = [[chunks([1] * len(pairs), [pair[side] for pair in pairs]) for pairs in corpus] for side in (0, 1)]
    return count_chunks(*sides)


@given(corpora)
def test_scores_are_those_of_counting_chunks_one_by_one(corpus: list[list[tuple[str, str]]]) -> None:
    gold = [enumerated([label for label, _ in pairs]) for pairs in corpus]
    predicted = [enumerated([label for _, label in pairs]) for pairs in corpus]
    counts = count_sequences(corpus)

    def expected(keep: set[str]) -> tuple[int, int, int]:
        sides = [[{chunk for chunk in part if chunk[2] in keep} for part in side] for side in (gold, predicted)]
        correct = sum(len(a & b) for a, b in zip(*sides, strict=True))
        return sum(map(len, sides[0])), sum(map(len, sides[1])), correct

    assert counts.tagged().score()[3:] == expected(set(TAGS))
    assert counts.by_group(GROUPS)["words"].score()[3:] == expected({"n", "v"})
    assert counts.by_group(GROUPS)["PER"].score()[3:] == expected({"PER"})
    spans = [[{chunk[:2] for chunk in part} for part in side] for side in (gold, predicted)]
    correct = sum(len(a & b) for a, b in zip(*spans, strict=True))
    assert counts.segmentation().score()[3:] == (*expected(set(TAGS))[:2], correct)


def test_precision_recall_and_f1_by_hand() -> None:
    gold = word_chunks(["我", "去", "河边", "散步"], ["r", "v", "n", "v"])
    predicted = word_chunks(["我", "去", "河", "边", "散步"], ["r", "v", "n", "f", "n"])
    counts = count_chunks([gold], [predicted])
    precision, recall, f1, *_ = counts.tagged().score()
    assert (precision, recall, f1) == pytest.approx((2 / 5, 2 / 4, 4 / 9))
    assert counts.segmentation().score()[:3] == pytest.approx((3 / 5, 3 / 4, 6 / 9))
    assert counts.tagged({"n"}).score()[:3] == (0.0, 0.0, 0.0)
    assert counts.tags == ("f", "n", "r", "v")
    assert counts.correct.tolist() == [[0, 0, 1, 1]]


def test_nothing_scores_zero() -> None:
    assert count_chunks([], []).tagged().score() == (0.0, 0.0, 0.0, 0, 0, 0)
    counts = count_chunks([[]], [[]])
    assert counts.tagged().score() == counts.segmentation().score() == (0.0, 0.0, 0.0, 0, 0, 0)
    assert counts.by_group({"TIME": "TIME"})["TIME"].score().f1 == 0.0


@given(corpora)
def test_collapsing_counts_as_tags_renamed_beforehand(corpus: list[list[tuple[str, str]]]) -> None:
    mapping = {"n": "word", "v": "word"}
    sides = [[chunks([1] * len(pairs), [pair[side] for pair in pairs]) for pairs in corpus] for side in (0, 1)]
    renamed = [[[(b, e, mapping.get(tag, tag)) for b, e, tag in part] for part in side] for side in sides]
    collapsed, expected = count_chunks(*sides).collapse(mapping), count_chunks(*renamed)
    assert collapsed.tags == expected.tags
    for name in ("gold", "predicted", "correct", "matches"):
        assert np.array_equal(getattr(collapsed, name), getattr(expected, name))


def test_collapsing_all_tags_leaves_the_segmentation() -> None:
    counts = random_counts(20, seed=3)
    collapsed = counts.collapse(dict.fromkeys(counts.tags, "word"))
    assert collapsed.tagged().score() == counts.segmentation().score()
    assert counts.segmentation().score().f1 > counts.tagged().score().f1


def test_sentences_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="1 gold sentences, 2 predicted"):
        count_chunks([[]], [[], []])
    with pytest.raises(InputError, match="sentence 2 has two chunks"):
        count_chunks([[], [(0, 1, "n"), (0, 1, "v")]], [[], []])


def random_counts(sentences: int, seed: int, wrong: float = 0.2) -> ChunkCounts:
    """Gold and predicted tags of characters; the gold ones do not depend on how many predicted ones are wrong."""
    rng, errors = np.random.default_rng(0), np.random.default_rng(seed)
    corpus = []
    for _ in range(sentences):
        gold = rng.choice(["n-B", "n-I", "v-B", "v-I"], size=rng.integers(5, 15))
        is_wrong = errors.random(len(gold)) < wrong
        predicted = np.where(is_wrong, errors.choice(["n-B", "n-I", "v-B", "v-I"], size=len(gold)), gold)
        corpus.append(list(zip(gold.tolist(), predicted.tolist(), strict=True)))
    return count_sequences(corpus)


def test_resample_counts_a_sentence_as_often_as_it_was_drawn() -> None:
    counts = random_counts(6, seed=1).tagged()
    times = np.array([[1] * 6, [2, 0, 0, 3, 1, 0], [0] * 6])
    rows = np.repeat(np.arange(6), times[1])
    drawn = SentenceCounts(counts.gold[rows], counts.predicted[rows], counts.correct[rows])
    expected = [counts.score().f1, drawn.score().f1, 0.0]
    assert counts.resampled_f1(times) == pytest.approx(expected, abs=1e-15)


def test_sentence_without_a_match_is_counted() -> None:
    counts = count_chunks([[(0, 1, "n")], [(0, 2, "n")]], [[(0, 1, "v")], [(0, 1, "n"), (1, 2, "n")]])
    assert counts.segmentation().correct.tolist() == [1, 0]
    assert counts.tagged().correct.tolist() == [0, 0]
    assert counts.segmentation().predicted.tolist() == [1, 2]


# The best that tokens allow.


def test_oracle_of_two_sentences() -> None:
    words, tags = [["河边", "散步"], ["我", "去", "河边", "吧"]], [["n", "v"], ["r", "v", "n", "xc"]]
    counts = oracle(words, tags, [["河边", "散步"], ["我", "去河", "边吧"]])
    assert counts.tagged().score()[3:] == (6, 4, 3)  # one chunk for what is not found
    assert counts.segmentation().score() == counts.tagged().score()
    nouns = counts.tagged({"n"}).score()
    assert (nouns.precision, nouns.recall) == (1.0, 0.5)


def test_no_chunking_of_a_corpus_scores_better_than_the_oracle() -> None:
    words, tags = [["我", "去", "河边"], ["散步", "吧", "好"]], [["n", "v", "n"], ["v", "n", "v"]]
    tokens = [["我", "去河", "边"], ["散", "步吧", "好"]]
    gold = [word_chunks(*sentence) for sentence in zip(words, tags, strict=True)]
    options = [
        [chunks(part, sequence) for sequence in product(["n-B", "n-I", "v-B", "v-I"], repeat=len(part))]
        for part in tokens
    ]
    found = [count_chunks(gold, prediction) for prediction in product(*options)]
    counts = oracle(words, tags, tokens)
    assert counts.tagged().score().f1 == max(other.tagged().score().f1 for other in found)
    assert counts.segmentation().score().f1 == max(other.segmentation().score().f1 for other in found)
    for tag in ("n", "v"):
        assert counts.tagged({tag}).score().f1 == max(other.tagged({tag}).score().f1 for other in found)


def test_oracle_names_the_sentence_that_does_not_fit() -> None:
    with pytest.raises(InputError, match="sentence 2: words and tokens differ"):
        oracle([["我"], ["去"]], [["r"], ["v"]], [["我"], ["来"]])
    with pytest.raises(InputError, match="sentence 1 is the word '我'"):
        oracle(["我"], ["r"], ["我"])
    with pytest.raises(InputError, match="1 sentences of words, 1 of tags, 0 of tokens"):
        oracle([["我"]], [["r"]], [])
