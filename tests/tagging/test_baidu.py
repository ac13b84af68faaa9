"""LAC: agreement with Baidu's own outputs, with slow loops over the same formulas, and words that join to the text."""

from __future__ import annotations

import json
import re
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elmo.convert.fluid import read_variable
from elmo.errors import InputError
from elmo.tagging.baidu import Lac, format_tagged
from elmo.tagging.segmenter import LacSegmenter
from tests.refusals import refusal

TEXTS = [
    "我们明天去河边散步",
    "我去河边",
    "",
    "好",
    "ＡＢＣ　１２３abc",
    "走了👍🏽\n\0 好 \t们",
    "去\r\n去",
    "\ud83d一个落单的代理",
]


def test_answers_as_the_original_network_on_every_golden_sentence(released: Path, shared: Path) -> None:
    lines = (shared / "parity" / "baidu_lac" / "golden.jsonl").read_text(encoding="utf-8").splitlines()
    expected = [json.loads(line) for line in lines]
    tagged = Lac.from_pretrained(released).tag([sentence["text"] for sentence in expected])
    wrong = [
        sentence["text"]
        for sentence, found in zip(expected, tagged, strict=True)
        if found != (sentence["words"], sentence["tags"])
    ]
    assert wrong == []
    assert len(expected) == 400


def test_released_model_keeps_odd_texts_whole(released: Path) -> None:
    lac = Lac.from_pretrained(released)
    long_text = ("春天来了，我们去看花。" * 1000)[:10_000]
    for text, (words, tags) in zip([*TEXTS, long_text], lac.tag([*TEXTS, long_text]), strict=True):
        assert "".join(words) == text
        assert len(words) == len(tags)


def slow_tags(folder: Path, ids: list[int]) -> tuple[int, ...]:
    """Best tags of the network's inputs: loops over steps, and over all sequences of tags."""
    weights = {path.name: read_variable(path).astype("float64") for path in (folder / "model").iterdir()}
    rows = weights["word_emb"][ids]
    for layer in range(2):
        sides = []
        for index, order in ((2 * layer, 1), (2 * layer + 1, -1)):
            flat = weights[f"gru_{index}.w_0"].reshape(-1)
            size = len(weights[f"gru_{index}.w_0"])
            w_g, w_c = flat[: 2 * size * size].reshape(size, -1), flat[2 * size * size :].reshape(size, -1)
            h, outputs = np.zeros(size), []
            for x in rows[::order]:
                pre = x @ weights[f"fc_{index}.w_0"] + weights[f"fc_{index}.b_0"] + weights[f"gru_{index}.b_0"][0]
                u, r = np.split(1 / (1 + np.exp(-(pre[: 2 * size] + h @ w_g))), 2)
                h = (1 - u) * h + u * np.tanh(pre[2 * size :] + (r * h) @ w_c)
                outputs.append(h)
            sides.append(np.array(outputs)[::order])
        rows = np.concatenate(sides, axis=1)
    emissions, table = rows @ weights["fc_4.w_0"] + weights["fc_4.b_0"], weights["crfw"]

    def score(tags: tuple[int, ...]) -> Any:
        inner = sum(table[2 + before, after] for before, after in pairwise(tags))
        return table[0, tags[0]] + table[1, tags[-1]] + inner + emissions[range(len(tags)), tags].sum()

    return max(product(range(emissions.shape[1]), repeat=len(ids)), key=score)


def test_network_follows_the_formulas(tiny_lac: Path) -> None:
    names = ["n-B", "n-I", "v-B", "v-I", "PER-B", "PER-I", "O"]
    # Ids of 我们 明天 去 and, where small_seg.dic has 河边散步 and word.dic has not, of its characters; 散 is unknown.
    for text, ids in (("我们明天去", [6, 0, 1]), ("河边散步", [12, 13, 14, 14]), ("１Ａ我", [8, 7, 4])):
        tags = [names[index] for index in slow_tags(tiny_lac, ids)]
        lengths = [2, 2, 1] if len(ids) < len(text) else [1] * len(ids)
        spread = [
            tag if offset == 0 else f"{tag[:-2]}-I"
            for tag, length in zip(tags, lengths, strict=True)
            for offset in range(length)
        ]
        words: list[str] = []
        word_tags: list[str] = []
        for character, tag in zip(text, spread, strict=True):
            if words and not tag.endswith("B"):
                words[-1] += character
                word_tags[-1] = tag[:-2]
            else:
                words.append(character)
                word_tags.append(tag[:-2])
        assert Lac.from_pretrained(tiny_lac).tag(text) == [(words, word_tags)]


def test_neither_the_batch_nor_its_size_changes_an_answer(tiny_lac: Path) -> None:
    alone = Lac.from_pretrained(tiny_lac, batch_size=1).tag(TEXTS)
    assert Lac.from_pretrained(tiny_lac, batch_size=3).tag(TEXTS) == alone
    assert Lac.from_pretrained(tiny_lac).tag(TEXTS[::-1]) == alone[::-1]
    assert [Lac.from_pretrained(tiny_lac).tag(text)[0] for text in TEXTS] == alone


@settings(max_examples=60)
@given(st.lists(st.text(st.one_of(st.characters(), st.sampled_from("我们明天去河边散步ＡA1１ 　\n\0")))))
def test_words_join_to_the_text(tiny_lac: Path, texts: list[str]) -> None:
    lac = Lac.from_pretrained(tiny_lac)
    for text, (words, tags) in zip(texts, lac.tag(texts), strict=True):
        assert "".join(words) == text
        assert all(words)
        assert len(words) == len(tags)


def test_a_long_text_is_tagged_whole(tiny_lac: Path) -> None:
    text = ("我们明天去河边散步。" * 1000)[:10_000]
    assert "".join(Lac.from_pretrained(tiny_lac).cut(text)) == text


def test_no_texts_have_no_answers(tiny_lac: Path) -> None:
    lac = Lac.from_pretrained(tiny_lac)
    assert lac.tag([]) == []
    assert lac.tag("") == [([], [])]
    assert lac.cut("") == []


def test_batch_size_below_one_is_refused(tiny_lac: Path) -> None:
    with pytest.raises(InputError, match="batch_size is 0"):
        Lac.from_pretrained(tiny_lac, batch_size=0)


def test_words_of_the_user_are_kept_whole(tiny_lac: Path, tmp_path: Path) -> None:
    dictionary = tmp_path / "user.txt"
    dictionary.write_text("河边散步/ACT\n我们 明天/TIME\n", encoding="utf-8")
    words, tags = Lac.from_pretrained(tiny_lac, user_dictionary=dictionary).tag("我们明天去河边散步")[0]
    assert words == ["我们", "明天", "去", "河边散步"]
    assert tags[1] == "TIME"
    assert tags[3] == "ACT"


@pytest.mark.parametrize("emoji", ["👨\u200d👩\u200d👧", "👍🏽", "❤\ufe0f", "🇨🇳", "1\ufe0f\u20e3"])
def test_an_emoji_of_several_characters_is_a_word(tiny_lac: Path, emoji: str) -> None:
    words, tags = Lac.from_pretrained(tiny_lac).tag(f"我们{emoji}去河边{emoji}")[0]
    assert words.count(emoji) == 2 and len(words) == len(tags)


def test_a_word_without_a_tag_is_punctuation_in_text() -> None:
    assert format_tagged(["好", "🦖"], ["a", ""]) == "好/a 🦖/w"


def test_with_a_separator_words_keep_their_white_space() -> None:
    words, tags = ["在", " New York", " ", "工作"], ["p", "LOC", "w", "v"]
    assert format_tagged(words, tags, "\t") == "在/p\t New York/LOC\t /w\t工作/v"
    with pytest.raises(InputError, match=r"'a\|b' holds the separator '\|': choose another, or --json"):
        format_tagged(["a|b"], ["n"], "|")


def test_segmenter_gives_words_without_white_space(tiny_lac: Path) -> None:
    segmenter = LacSegmenter(model=tiny_lac)
    for text in TEXTS:
        words = segmenter.cut(text)
        assert "".join(words) == "".join(text.split())
        assert all(words)
        assert not any(character.isspace() for word in words for character in word)
    assert segmenter.cut_all(TEXTS) == [segmenter.cut(text) for text in TEXTS]


def test_a_formatted_line_has_word_and_tag() -> None:
    assert format_tagged(["我们", " ", "去"], ["r", "w", "v"]) == "我们/r 去/v"
    assert format_tagged([], []) == ""


def test_white_space_within_a_word_does_not_break_the_form_of_a_line() -> None:
    words = ["在", " New York\u2028", "工作"]
    assert format_tagged(words, ["p", "LOC", "v"]) == "在/p New/LOC York/LOC 工作/v"


@pytest.mark.parametrize("name", ["gru_3.w_0", "word_emb", "crfw"])
def test_a_missing_parameter_is_named(tiny_lac: Path, name: str) -> None:
    (tiny_lac / "model" / name).unlink()
    assert re.search(name, refusal(Lac.from_pretrained, tiny_lac))
