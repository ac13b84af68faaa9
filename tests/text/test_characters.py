"""Words as codes of characters or bytes, and the lexicon that a batch's ids are rows of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elmo.errors import InputError
from elmo.text.characters import SPECIAL_SYMBOLS, UTF8, Alphabet, make_lexicon, read_lexicon
from elmo.text.vocabulary import SPECIAL_TOKENS, Vocabulary

CHARACTERS = Alphabet([*SPECIAL_SYMBOLS, *"苹果手机"])
BYTES = Alphabet(UTF8)
VOCABULARY = Vocabulary([*SPECIAL_TOKENS, "苹果", "手机"])


def test_bytes_stand_between_the_marks_and_padding_fills_the_rest():
    assert BYTES.encode(["ab"], 6).tolist() == [[258, 97, 98, 259, 260, 260]]
    assert len(BYTES) == 261


def test_a_chinese_character_is_three_bytes():
    assert BYTES.encode(["果"], 5).tolist() == [[258, *"果".encode(), 259]]


def test_characters_have_the_places_of_the_alphabet():
    apple, fruit = CHARACTERS.symbols.index("苹"), CHARACTERS.symbols.index("果")
    codes = {name: CHARACTERS.symbols.index(name) for name in SPECIAL_SYMBOLS}
    assert CHARACTERS.encode(["苹果", "苹树"], 5).tolist() == [
        [codes["<bow>"], apple, fruit, codes["<eow>"], codes["<pad>"]],
        [codes["<bow>"], apple, codes["<oov>"], codes["<eow>"], codes["<pad>"]],
    ]


@pytest.mark.parametrize("alphabet", [BYTES, CHARACTERS], ids=["bytes", "characters"])
def test_the_sentence_marks_are_one_symbol_each(alphabet: Alphabet):
    begin, end, empty = alphabet.encode(["<S>", "</S>", ""], 4)
    word_begin, word_end, padding, _ = empty
    assert begin[1] != end[1]
    assert begin[[0, 2, 3]].tolist() == end[[0, 2, 3]].tolist() == [word_begin, word_end, padding]


def test_a_long_word_is_cut_and_keeps_its_end_mark():
    assert BYTES.encode(["a" * 80], 50)[0].tolist() == [258, *[97] * 48, 259]


@given(st.lists(st.text(max_size=20), max_size=5), st.integers(3, 30))
def test_any_text_has_codes_within_the_alphabet(words: list[str], width: int):
    for alphabet in (BYTES, CHARACTERS):
        codes = alphabet.encode(words, width)
        assert codes.shape == (len(words), width)
        assert ((codes >= 0) & (codes < len(alphabet))).all()


def test_an_alphabet_is_made_from_counted_words():
    alphabet = Alphabet.from_counts({"果树": 3, "果": 2, "ｘ": 1}, min_count=2)
    assert alphabet.symbols == (*SPECIAL_SYMBOLS, "果", "树")


@pytest.mark.parametrize(
    ("symbols", "message"),
    [("latin-1", "'latin-1'"), (["苹"], "lacks <bos>"), ([*SPECIAL_SYMBOLS, "苹", "苹"], "'苹' twice")],
)
def test_an_alphabet_that_is_none_is_refused(symbols, message: str):
    with pytest.raises(InputError, match=message):
        Alphabet(symbols)


def test_a_lexicon_holds_each_word_once_after_the_sentence_marks():
    rows, lexicon = make_lexicon(["手机", "新", "手机"], VOCABULARY, CHARACTERS, 5)
    assert rows == {"<S>": 0, "</S>": 1, "手机": 2, "新": 3}
    assert lexicon.word_ids.tolist() == VOCABULARY.encode(["<S>", "</S>", "手机", "新"])
    assert (lexicon.codes == CHARACTERS.encode(["<S>", "</S>", "手机", "新"], 5)).all()
    assert (lexicon.rows(np.array([2, 0])).codes == lexicon.codes[[2, 0]]).all()


def test_all_words_of_a_text_become_ids_that_are_rows_of_their_lexicon():
    words, lexicon = read_lexicon({"新": 2, "手机": 1}, VOCABULARY, CHARACTERS, 5)
    assert lexicon.word_ids.tolist() == VOCABULARY.encode(words)
    assert (words.bos_id, words.eos_id) == (0, 1)
    assert (lexicon.codes[words.encode(["手机"])] == CHARACTERS.encode(["手机"], 5)).all()


def test_a_word_too_long_for_the_encoder_is_cut_before_its_id_is_looked_up():
    _, lexicon = make_lexicon(["苹果树", "手机"], VOCABULARY, CHARACTERS, 4)
    assert lexicon.word_ids.tolist() == VOCABULARY.encode(["<S>", "</S>", "苹果", "手机"])
