"""Pieces of text are those of BERT's public tokenizer, and know where they stand."""

from __future__ import annotations

import itertools
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elmo.errors import InputError
from elmo.text.pieces import PieceTokenizer, PieceVocabulary
from elmo.text.vocabulary import Vocabulary

SPECIAL = PieceVocabulary.special_tokens
LETTERS = list(string.ascii_lowercase + string.digits)
VOCABULARY = PieceVocabulary(
    [
        *(*SPECIAL, *"我们去公园看花手机红，。！", *LETTERS, *("##" + letter for letter in LETTERS)),
        *("apple", "play", "##ing", "iphone", "2020", "##年", "café", "cafe", "か", "ß"),
    ]
)


def tokens(text: str, lower_case: bool = True) -> list[str]:
    return [piece.token for piece in PieceTokenizer(VOCABULARY, lower_case).tokenize(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我们去公园。", [*"我们去公园。"]),
        ("我的手机", ["我", "[UNK]", "手", "机"]),
        ("Apple手机", ["apple", "手", "机"]),
        ("playing", ["play", "##ing"]),  # the longest piece first
        ("plays", ["play", "##s"]),
        ("iPhone12", ["iphone", "##1", "##2"]),
        ("2020年", ["2020", "[UNK]"]),  # a Chinese character is never inside a word
        ("Café", ["cafe"]),
        ("Cafe\u0301", ["cafe"]),
        ("が", ["か"]),
        ("ß", ["ß"]),
        ("看\u200b花\x00\ufffd", ["看", "花"]),
        ("a\u00a0b\u2028c\td", ["a", "b", "c", "d"]),
        ("a-b", ["a", "[UNK]", "b"]),  # ASCII marks are words of their own
        ("[MASK]", ["[UNK]", "m", "##a", "##s", "##k", "[UNK]"]),  # text, whatever it says
        ("a" * 100, ["a"] + ["##a"] * 99),
        ("a" * 101, ["[UNK]"]),
        ("", []),
        (" \n", []),
    ],
)
def test_tokens_are_those_of_the_public_tokenizer(text, expected):
    assert tokens(text) == expected


def test_letters_and_accents_are_kept_where_the_model_tells_them_apart():
    assert tokens("café", lower_case=False) == ["café"]
    assert tokens("Apple", lower_case=False) == ["[UNK]"]


def test_places_are_those_in_the_text_as_it_was_given():
    text = " Cafe\u0301s\u200b，Apple手机 "
    pieces = PieceTokenizer(VOCABULARY).tokenize(text)
    assert [(piece.token, text[piece.begin : piece.end]) for piece in pieces] == [
        ("cafe", "Cafe"),
        ("##s", "s"),
        ("，", "，"),
        ("apple", "Apple"),
        ("手", "手"),
        ("机", "机"),
    ]


@given(
    st.text(
        alphabet=st.one_of(st.sampled_from("我们去花手机，。 aeé1A\u0301\u200b\n가豈"), st.characters(codec="utf-8"))
    )
)
def test_pieces_stand_in_order_and_say_what_is_there(text):
    pieces = PieceTokenizer(VOCABULARY).tokenize(text)
    tokenizer_ids = [VOCABULARY.tokens[piece.id] for piece in pieces]
    assert tokenizer_ids == [piece.token for piece in pieces]
    for piece, following in itertools.pairwise(pieces):
        assert piece.begin < piece.end and piece.begin <= following.begin
    for piece in pieces:
        there = text[piece.begin : piece.end]
        assert 0 <= piece.begin < piece.end <= len(text)
        if there.isascii() and there.isalnum() and piece.token != "[UNK]":
            assert piece.token.removeprefix("##") == there.lower()


def test_what_is_no_string_is_refused():
    with pytest.raises(InputError, match=r"tokenize was given \['我'\]: give a string"):
        PieceTokenizer(VOCABULARY).tokenize(["我"])  # type: ignore[arg-type]


def test_a_vocabulary_of_counted_words_has_characters_words_and_letters():
    made = PieceVocabulary.from_words({"公园": 3, "公司": 1, "Apple": 2, "rare": 1, "a": 9}, min_count=2)
    assert made.tokens[:5] == SPECIAL
    assert made.tokens[-3:] == ("公", "园", "apple")  # by falling count, then by code point
    assert {"a", "##a", "9", "##9"} <= set(made) and "司" not in made and "rare" not in made
    assert made.encode(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]) == [0, 1, 2, 3, 4]
    assert (made.pad_id, made.unk_id, made.bos_id, made.eos_id, made.mask_id) == (0, 1, 2, 3, 4)
    assert len(PieceVocabulary.from_words({"公": 1, "园": 1}, max_size=78)) == 78
    with pytest.raises(InputError, match="max_size is 20: give at least 77"):
        PieceVocabulary.from_words({}, max_size=20)
    with pytest.raises(InputError, match="min_count is 0"):
        PieceVocabulary.from_words({}, min_count=0)


def test_a_vocabulary_of_words_is_not_taken_for_one_of_pieces(tmp_path):
    Vocabulary(["<S>", "</S>", "<UNK>", "山"]).save(tmp_path / "words.txt")
    with pytest.raises(InputError, match=r"the vocabulary lacks \[PAD\], \[UNK\], \[CLS\], \[SEP\], \[MASK\]"):
        PieceVocabulary.load(tmp_path / "words.txt")
    VOCABULARY.save(tmp_path / "pieces.txt")
    assert PieceVocabulary.load(tmp_path / "pieces.txt") == VOCABULARY
