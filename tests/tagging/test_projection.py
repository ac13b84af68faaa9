"""Gold words onto tokens, chunks off tags, and the best chunks that tokens allow."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elmo.errors import InputError
from elmo.tagging.projection import OTHER, Chunk, best_chunks, chunks, project, word_chunks
from tests.refusals import refusal


def cut_at(text: str, is_border: Sequence[bool]) -> list[str]:
    """Cut a text behind each character but the last where there is a border."""
    borders = [0, *(at for at, cut in enumerate(is_border, 1) if cut), len(text)]
    return [text[begin:end] for begin, end in pairwise(borders)]


@st.composite
def two_cuts(draw: st.DrawFn) -> tuple[list[str], list[str], list[str]]:
    """One text cut into words with tags, and into tokens."""
    text = draw(st.text("明天去河边散步", min_size=1, max_size=12))

    def cut() -> list[str]:
        is_border = draw(st.lists(st.booleans(), min_size=len(text) - 1, max_size=len(text) - 1))
        return cut_at(text, is_border)

    words, tokens = cut(), cut()
    tags = draw(st.lists(st.sampled_from(["n", "v", "PER"]), min_size=len(words), max_size=len(words)))
    return words, tags, tokens


def test_tokens_inside_a_word_begin_it_and_go_on() -> None:
    assert project(["河边", "散步"], ["n", "v"], ["河", "边", "散步"]) == (["n-B", "n-I", "v-B"], 0)


def test_neighbouring_words_of_one_tag_stay_apart() -> None:
    assert project(["河", "边"], ["n", "n"], ["河", "边"]).tags == ["n-B", "n-B"]


def test_straddling_token_is_of_the_word_it_has_most_of() -> None:
    projection = project(["我", "去散步", "吧"], ["r", "v", "xc"], ["我去散", "步吧"])
    assert projection == (["v-B", "xc-B"], 2)  # of the second token the two words have as much: the last one wins


def test_straddling_token_that_has_most_of_the_word_before_goes_on_with_it() -> None:
    assert project(["大学生活动", "吧"], ["n", "xc"], ["大学", "生活动吧"]) == (["n-B", "n-I"], 1)


def test_what_follows_a_straddling_token_in_a_word_that_it_lost_begins_the_word() -> None:
    assert project(["河边", "散步"], ["n", "v"], ["河边散", "步"]) == (["n-B", "v-B"], 1)
    assert project(["河边", "散步"], ["n", "n"], ["河边散", "步"]) == (["n-B", "n-B"], 1)


def test_token_over_many_words_counts_once() -> None:
    assert project(["我", "去", "河边"], ["r", "v", "n"], ["我去河边"]) == (["n-B"], 1)


@given(two_cuts())
def test_inside_always_follows_its_own_tag(cuts: tuple[list[str], list[str], list[str]]) -> None:
    projected = project(*cuts).tags
    assert len(projected) == len(cuts[2])
    for before, tag in pairwise(["O", *projected]):
        assert tag.endswith("-B") or before[:-2] == tag[:-2]


@given(two_cuts())
def test_straddling_tokens_are_those_with_a_border_of_words_inside(
    cuts: tuple[list[str], list[str], list[str]],
) -> None:
    words, _, tokens = cuts
    borders = set(accumulate(map(len, words)))
    ends = [0, *accumulate(map(len, tokens))]
    assert project(*cuts).straddling == sum(any(b < border < e for border in borders) for b, e in pairwise(ends))


@given(two_cuts())
def test_characters_as_tokens_give_the_words_back(cuts: tuple[list[str], list[str], list[str]]) -> None:
    words, tags, _ = cuts
    characters = list("".join(words))
    projection = project(words, tags, characters)
    assert projection.straddling == 0
    assert chunks(characters, projection.tags) == word_chunks(words, tags)


def test_white_space_counts_nowhere() -> None:
    words, tags = ["New York", " ", "河　边\n"], ["LOC", "w", "n"]
    assert project(words, tags, ["New", "York", "河边"]) == (["LOC-B", "LOC-I", "n-B"], 0)
    assert word_chunks(words, tags) == [(0, 7, "LOC"), (7, 9, "n")]
    assert chunks(["New ", "York", "河 边"], ["LOC-B", "LOC-I", "n-B"]) == [(0, 7, "LOC"), (7, 9, "n")]


def test_empty_sentence_has_nothing() -> None:
    assert project([], [], []) == ([], 0)
    assert chunks([], []) == word_chunks([], []) == best_chunks([], [], []) == []


@pytest.mark.parametrize(
    ("words", "tags", "tokens", "message"),
    [
        (["河边"], ["n"], ["河", "岸"], "differ at character 2: '边' in words, '岸' in tokens"),
        (["河边"], ["n"], ["河"], "differ at character 2: '边' in words, nothing in tokens"),
        ([], [], ["河"], "differ at character 1: nothing in words, '河' in tokens"),
        (["河边"], ["n", "v"], ["河边"], "1 words have 2 tags"),
        (["河边"], [""], ["河边"], "a gold word has the tag ''"),
        (["河边"], ["O"], ["河边"], "a gold word has the tag 'O'"),
        (["河边"], ["n"], ["河", " ", "边"], "token 2 is ' ', without a character"),
    ],
)
@pytest.mark.parametrize("function", [project, best_chunks])
def test_what_does_not_fit_is_named_in_one_line(
    function: Any, words: list[str], tags: list[str], tokens: list[str], message: str
) -> None:
    assert message in refusal(function, words, tags, tokens)


def test_difference_in_a_long_text_is_shown_by_its_place_alone() -> None:
    with pytest.raises(InputError, match="at character 501") as raised:
        project(["河" * 500 + "边" * 500], ["n"], ["河" * 1000])
    assert len(str(raised.value)) < 120


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("n-B n-I n-B", [(0, 3, "n"), (3, 4, "n")]),
        ("n-I n-I v-I", [(0, 3, "n"), (3, 4, "v")]),  # an I without a B begins a chunk
        ("O n-I O", [(2, 3, "n")]),
        ("n-B v-I n-I", [(0, 2, "n"), (2, 3, "v"), (3, 4, "n")]),
        ("O O O", []),
        ("a-b-B a-b-I b-I", [(0, 3, "a-b"), (3, 4, "b")]),
    ],
)
def test_chunks_are_read_as_seqeval_does(tags: str, expected: list[Chunk]) -> None:
    assert chunks(["明天", "去", "吧"], tags.split()) == chunks([2, 1, 1], tags.split()) == expected


@pytest.mark.parametrize("tag", ["n", "B-n", "-B", "n-E", "", "B"])
def test_tag_of_another_form_is_refused(tag: str) -> None:
    with pytest.raises(InputError, match="tag 2 is "):
        chunks([1, 1], ["n-B", tag])


def test_as_many_tags_as_tokens_and_no_token_without_characters() -> None:
    with pytest.raises(InputError, match="2 tokens have 1 tags"):
        chunks([1, 1], ["n-B"])
    with pytest.raises(InputError, match="token 2 is 0"):
        chunks([1, 0], ["n-B", "n-I"])


def test_words_outside_are_no_chunks() -> None:
    assert word_chunks(["我", "去", "河边"], ["r", "", "O"]) == [(0, 1, "r")]


def test_no_tags_of_any_tokens_score_better_than_the_best_chunks() -> None:
    text = "明天去河边吧"
    cuts = [cut_at(text, is_border) for is_border in product([False, True], repeat=len(text) - 1)]
    golds = []
    for words in cuts:
        tags = ["nv"[index % 2] for index in range(len(words))]
        golds.append((words, tags, set(word_chunks(words, tags))))
    for tokens in cuts:
        sequences = product(["n-B", "n-I", "v-B", "v-I"], repeat=len(tokens))
        found = {frozenset(chunks(tokens, sequence)) for sequence in sequences}
        for words, tags, gold in golds:
            most = max(2 * len(gold & candidate) / (len(gold) + len(candidate)) for candidate in found)
            best = best_chunks(words, tags, tokens)
            assert 2 * len(gold.intersection(best)) / (len(gold) + len(best)) == most


def test_best_chunks_join_what_cannot_be_found() -> None:
    words, tokens = ["我", "去", "河边", "散步", "吧"], ["我", "去河", "边", "散步吧"]
    assert best_chunks(words, ["r", "v", "n", "v", "xc"], tokens) == [(0, 1, "r"), (1, 7, OTHER)]


def test_characters_allow_everything() -> None:
    words, tags = ["我", "去", "河边"], ["r", "v", "n"]
    assert best_chunks(words, tags, list("我去河边")) == word_chunks(words, tags)
