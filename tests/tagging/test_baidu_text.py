"""What LAC's network reads, how tags become words, and the user's dictionary."""

from __future__ import annotations

from itertools import combinations
from math import log
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elmo.errors import InputError
from elmo.tagging.baidu_files import read_lac
from elmo.tagging.baidu_text import LacReader, UserDictionary, spread_tags, words_of_labels


@pytest.fixture
def reader(tiny_lac: Path) -> LacReader:
    return LacReader(read_lac(tiny_lac))


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("明天河边散步", ["明天", "河边散步"]),  # fewest pieces
        ("我们明天去河边散步", ["我们", "明天", "去河边", "散步"]),  # four either way: 3 x 2 is more than 1 x 4
        ("去河边", ["去河边"]),
        ("们去河", ["们去", "河"]),
        ("明天去", ["明天", "去"]),  # as good as 明 天去: the longer first piece
        ("A1 b2，好", ["A1", " ", "b2", "，", "好"]),  # letters and digits are joined
        ("Ａ１é", ["Ａ", "１", "é"]),  # but only plain ones
        ("", []),
    ],
)
def test_text_is_cut_into_pieces(reader: LacReader, text: str, pieces: list[str]) -> None:
    assert reader.cut(text) == pieces


@settings(max_examples=100)
@given(st.text("我们明天去河边散步", max_size=9))
def test_pieces_are_the_best_of_all_ways_to_cut(tiny_lac: Path, text: str) -> None:
    files = read_lac(tiny_lac)

    def score(pieces: list[str]) -> float:
        return sum(log(len(piece)) - files.log_total for piece in pieces)

    ways = [
        [text[begin:end] for begin, end in zip((0, *cuts), (*cuts, len(text)), strict=True)]
        for count in range(len(text))
        for cuts in combinations(range(1, len(text)), count)
    ] or [[]]
    known = [way for way in ways if all(len(piece) == 1 or files.pieces.get(piece) for piece in way)]
    # Sums in another order differ in the last bits.
    assert score(LacReader(files).cut(text)) == pytest.approx(max(map(score, known)), abs=1e-9)


def test_a_piece_that_is_a_word_is_one_input_and_others_are_characters(reader: LacReader) -> None:
    assert reader.read("我们河边散步") == ([6, 12, 13, 14, 14], [2, 1, 1, 1, 1])


def test_full_width_characters_are_read_as_half_width_and_unknown_ones_as_unknown(reader: LacReader) -> None:
    assert reader.read("Ａ１　龘") == ([7, 8, 10, 14], [1, 1, 1, 1])


def test_tag_of_a_piece_is_spread_over_its_characters() -> None:
    assert spread_tags(["n-B", "v-I", "O"], [3, 1, 2]) == ["n-B", "n-I", "n-I", "v-I", "O", "-I"]


def test_a_word_has_the_tag_of_its_last_character() -> None:
    assert words_of_labels("甲乙丙丁", ["n-B", "v-I", "v-B", "O"]) == (["甲乙", "丙丁"], ["v", ""])
    assert words_of_labels("甲乙", ["n-I", "n-I"]) == (["甲乙"], ["n"])
    assert words_of_labels("", []) == ([], [])


def make_dictionary(folder: Path, text: str, rule: str = "longest") -> UserDictionary:
    path = folder / "user.txt"
    path.write_text(text, encoding="utf-8")
    return UserDictionary(path, rule=rule)


def apply(dictionary: UserDictionary, text: str, tags: str) -> list[str]:
    changed = tags.split()
    dictionary.apply(text, changed)
    return changed


def test_a_user_word_without_a_tag_keeps_the_network_s(tmp_path: Path) -> None:
    dictionary = make_dictionary(tmp_path, "甲乙\n")
    assert apply(dictionary, "甲乙丙", "n-B v-B v-I") == ["n-B", "v-I", "v-B"]


def test_parts_of_a_user_phrase_become_words(tmp_path: Path) -> None:
    dictionary = make_dictionary(tmp_path, "甲乙/nz 丙 丁/v\n")
    assert apply(dictionary, "甲乙丙丁", "n-B n-I n-I n-I") == ["nz-B", "nz-I", "n-B", "v-B"]


def test_a_single_character_needs_a_tag(tmp_path: Path) -> None:
    dictionary = make_dictionary(tmp_path, "甲\n乙/x\n")
    assert apply(dictionary, "甲乙丙", "n-B n-I n-I") == ["n-B", "x-B", "n-B"]


@pytest.mark.parametrize(
    ("entries", "text", "words"),
    [
        ("人民 民政 政府 人 民", "人民政府", ["人民", "政府"]),
        ("胆石利通片 片山东", "胆石利通片山东步长制药", ["胆石利通片", "山东步长制药"]),
        ("甲乙 甲乙丙 丙丁 乙丙", "甲乙丙丁", ["甲乙丙", "丁"]),
        ("乙丙丁 甲乙", "甲乙丙丁", ["甲乙", "丙丁"]),  # from the left, even where what is behind is longer
    ],
)
def test_the_longest_entry_wins_and_the_next_begins_behind_it(
    tmp_path: Path, entries: str, text: str, words: list[str]
) -> None:
    dictionary = make_dictionary(tmp_path, entries.replace(" ", "\n"))
    tags = apply(dictionary, text, " ".join(["n-B", *["n-I"] * (len(text) - 1)]))
    assert words_of_labels(text, tags)[0] == words


def test_words_can_be_added_one_by_one() -> None:
    dictionary = UserDictionary()
    dictionary.add("甲乙/nz 丙")
    dictionary.add("mmol/l", "q")
    dictionary.add("New York", "LOC")
    assert apply(dictionary, "甲乙丙丁", "n-B n-I n-I n-I") == ["nz-B", "nz-I", "n-B", "n-B"]
    tags = apply(dictionary, "mmol/lNew York", " ".join(["n-B"] * 14))
    assert words_of_labels("mmol/lNew York", tags) == (["mmol/l", "New York"], ["q", "LOC"])
    for nothing in ("", " ", "甲"):
        with pytest.raises(InputError, match="says nothing to LAC"):
            dictionary.add(nothing)


@pytest.mark.parametrize(
    ("line", "word"), [("mmol/l", "mmol/l"), ("km/h", "km/h"), ("TCP/IP", "TCP/IP"), ("m/s/", "m/s")]
)
def test_a_slash_between_letters_with_no_tag_behind_is_the_word_s_own(tmp_path: Path, line: str, word: str) -> None:
    text = f"甲{word}乙"
    tags = apply(make_dictionary(tmp_path, line), text, " ".join(["n-B", *["m-B"] * len(word), "n-B"]))
    assert words_of_labels(text, tags) == (["甲", word, "乙"], ["n", "m", "n"])


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("果园 100 nz", r"'果园 100 nz' has jieba's form.*LAC's is 果园/nz"),
        ("果园 nz", "has jieba's form"),
        ("果园 100", "has jieba's form"),
        ("果园/FRUIT", "tag 'FRUIT' is none that the model has"),
        ("Edu Trust认证/nz", "is read without its white space"),
        ("果", "is a single character without a tag"),
    ],
)
def test_an_entry_that_comes_to_nothing_is_named(tmp_path: Path, line: str, problem: str) -> None:
    with pytest.warns(UserWarning, match=rf"user\.txt:2: .*{problem}") as said:
        make_dictionary(tmp_path, f"苹果/nz\n{line}\n梨树/n 开花/v\n宝马(进口)/nz\n")
    assert len(said) == 1


def test_of_many_such_entries_the_first_are_named_and_the_others_counted(tmp_path: Path) -> None:
    with pytest.warns(UserWarning) as said:
        make_dictionary(tmp_path, "果园/FRUIT\n" * 100)
    assert len(said) == 21 and "80 more such entries" in str(said[-1].message)


def test_a_rule_that_there_is_not_is_refused() -> None:
    with pytest.raises(InputError, match="the dictionary's rule is 'shortest': give one of longest, original"):
        UserDictionary(rule="shortest")


def test_by_the_original_s_rule_the_longer_entry_wins_and_of_two_that_overlap_the_later(tmp_path: Path) -> None:
    dictionary = make_dictionary(tmp_path, "甲乙/x\n甲乙丙/y\n丙丁/z\n乙丙/q\n", rule="original")
    assert dictionary.find("甲乙丙丁") == [(0, 2), (0, 3), (2, 4)]
    assert apply(dictionary, "甲乙丙丁", "n-B n-I n-I n-I") == ["y-B", "y-I", "z-B", "z-I"]


def test_a_slash_may_be_a_word_s_own(tmp_path: Path) -> None:
    dictionary = make_dictionary(tmp_path, "甲/乙/x\n/丙\n")
    assert apply(dictionary, "甲/乙/丙", "n-B n-I n-I n-I n-I") == ["x-B", "x-I", "x-I", "n-B", "n-I"]


@pytest.mark.parametrize("content", [b"", b"\n  \n", "甲\n".encode()])
def test_a_user_dictionary_without_entries_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "user.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"user\.txt: has no entry"):
        UserDictionary(path)


def test_a_user_dictionary_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be read"):
        UserDictionary(tmp_path / "missing.txt")
    path = tmp_path / "user.txt"
    path.write_bytes("好词\n花朵\n".encode("gb18030"))
    with pytest.raises(InputError, match=r"user\.txt:1: byte 0 is not UTF-8"):
        UserDictionary(path)
