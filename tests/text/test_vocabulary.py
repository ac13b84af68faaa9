"""The vocabulary: its file is read exactly, its ids are deterministic, and bad files are named line by line."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elmo.errors import InputError
from elmo.text.vocabulary import SPECIAL_TOKENS, Vocabulary, count_words
from tests.refusals import refusal

TOKENS = st.text(st.characters(codec="utf-8", exclude_characters="\n\r\ufeff"), min_size=1)


@pytest.fixture
def write(tmp_path: Path):
    """Write bytes to a file and return its path."""

    def write_bytes(data: bytes, name: str = "vocabulary.txt") -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write_bytes


def test_ids_are_line_numbers_and_special_tokens_may_stand_anywhere(write):
    vocabulary = Vocabulary.load(write("苹果\n<UNK>\n</S>\n吃\n<S>\n".encode()))
    assert vocabulary.tokens == ("苹果", "<UNK>", "</S>", "吃", "<S>")
    assert (vocabulary.bos_id, vocabulary.eos_id, vocabulary.unk_id) == (4, 2, 1)
    assert len(vocabulary) == 5
    assert "吃" in vocabulary
    assert "梨" not in vocabulary


def test_unknown_words_are_encoded_as_unk_and_decoded_as_its_name():
    vocabulary = Vocabulary([*SPECIAL_TOKENS, "吃", "苹果"])
    assert vocabulary.encode(["吃", "榴莲", "苹果"]) == [3, 2, 4]
    assert vocabulary.decode([3, 2, 4]) == ["吃", "<UNK>", "苹果"]


@pytest.mark.parametrize("token_id", [-1, 3])
def test_an_id_outside_the_vocabulary_is_an_error(token_id):
    with pytest.raises(InputError, match=f"id {token_id} is not in the vocabulary: ids go from 0 to 2"):
        Vocabulary(SPECIAL_TOKENS).decode([token_id])


def test_tokens_come_by_falling_count_then_by_code_point():
    counts = Counter({"乙": 2, "甲": 2, "丙": 5, "a": 2, "丁": 1})
    assert Vocabulary.from_counts(counts).tokens == (*SPECIAL_TOKENS, "丙", "a", "乙", "甲", "丁")
    assert Vocabulary.from_counts(dict(reversed(counts.items()))) == Vocabulary.from_counts(counts)


def test_min_count_and_max_size_cut_the_tail():
    counts = {"丙": 5, "乙": 2, "甲": 2, "丁": 1}
    assert Vocabulary.from_counts(counts, min_count=2).tokens[3:] == ("丙", "乙", "甲")
    assert Vocabulary.from_counts(counts, max_size=5).tokens == (*SPECIAL_TOKENS, "丙", "乙")
    assert Vocabulary.from_counts(counts, max_size=3).tokens == SPECIAL_TOKENS


def test_a_special_token_met_as_a_word_is_not_added_twice():
    assert Vocabulary.from_counts({"<S>": 9, "<UNK>": 3, "字": 1}).tokens == (*SPECIAL_TOKENS, "字")


@pytest.mark.parametrize(
    ("options", "message"), [({"min_count": 0}, "min_count is 0"), ({"max_size": 2}, "max_size is 2: give at least 3")]
)
def test_limits_that_make_no_sense_are_errors(options, message):
    with pytest.raises(InputError, match=message):
        Vocabulary.from_counts({"字": 1}, **options)


@given(st.lists(TOKENS, unique=True))
def test_any_tokens_survive_saving_and_loading(tmp_path_factory, tokens):
    path = tmp_path_factory.mktemp("vocabulary") / "vocabulary.txt"
    vocabulary = Vocabulary([*SPECIAL_TOKENS, *(token for token in tokens if token not in SPECIAL_TOKENS)])
    vocabulary.save(path)
    assert Vocabulary.load(path) == vocabulary
    assert path.read_bytes() == "".join(f"{token}\n" for token in vocabulary.tokens).encode()
    assert vocabulary.decode(vocabulary.encode(vocabulary.tokens)) == list(vocabulary.tokens)


def test_only_newlines_end_a_line_and_stray_space_is_kept(write):
    odd = ["\u3000", " a ", "x\u2028y", "\x0b", "\x85", "\u200b", "tab\t"]
    path = write("\n".join([*SPECIAL_TOKENS, *odd]).encode())
    assert list(Vocabulary.load(path).tokens[3:]) == odd


def test_windows_line_ends_and_a_byte_order_mark_are_not_part_of_a_token(write):
    vocabulary = Vocabulary.load(write("\ufeff<S>\r\n</S>\r\n<UNK>\r\n字\r\n\r\n".encode()))
    assert vocabulary.tokens == (*SPECIAL_TOKENS, "字")


def test_fingerprint_is_the_hash_of_the_joined_tokens_and_depends_on_order():
    vocabulary = Vocabulary([*SPECIAL_TOKENS, "甲", "乙"])
    assert vocabulary.fingerprint == hashlib.sha256("<S>\n</S>\n<UNK>\n甲\n乙".encode()).hexdigest()
    assert vocabulary.fingerprint != Vocabulary([*SPECIAL_TOKENS, "乙", "甲"]).fingerprint


def test_equal_vocabularies_have_equal_hashes():
    assert len({Vocabulary(SPECIAL_TOKENS), Vocabulary(list(SPECIAL_TOKENS))}) == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "vocabulary.txt: the vocabulary is empty"),
        (b"\n\n", "vocabulary.txt: the vocabulary is empty"),
        (b"<S>\n</S>\n<UNK>\nab\xff\n", "vocabulary.txt:4: byte 3 of the line, 0xff, is not UTF-8"),
        (b"<S>\n</S>\n<UNK>\na\nb\na\n", "vocabulary.txt:6: 'a' stands already in line 4"),
        (b"<S>\n</S>\n\n<UNK>\n", "vocabulary.txt:3: the line is empty"),
        (b"<S>\n</S>\n\n<UNK>\n\na\n", "vocabulary.txt:3: the line is empty"),
        (b"</S>\n<UNK>\n", "vocabulary.txt: the vocabulary lacks <S>;"),
        (b"<S>\n<UNK>\n", "vocabulary.txt: the vocabulary lacks </S>;"),
        (b"<S>\n</S>\n", "vocabulary.txt: the vocabulary lacks <UNK>;"),
        (b"a\n", "vocabulary.txt: the vocabulary lacks <S>, </S>, <UNK>;"),
        (b"<S>\n</S>\n<UNK>\na\rb\n", "vocabulary.txt:4: 'a\\\\rb' contains a line end"),
    ],
)
def test_a_bad_file_is_an_error_of_one_line_that_names_the_place(write, data, message):
    assert re.search(message, refusal(Vocabulary.load, write(data)))


def test_a_missing_file_or_a_folder_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.txt: cannot be read"):
        Vocabulary.load(tmp_path / "nowhere.txt")
    with pytest.raises(InputError, match="cannot be read"):
        Vocabulary.load(tmp_path)


@pytest.mark.parametrize(
    ("token", "message"),
    [("a\nb", "contains a line end"), ("\ud800", "lone surrogate"), ("", "empty"), ("<S>", "already in line 1")],
)
def test_a_token_that_a_file_cannot_hold_is_refused(token, message):
    with pytest.raises(InputError, match=message):
        Vocabulary([*SPECIAL_TOKENS, token])


def test_a_failed_save_leaves_the_folder_as_it_was(tmp_path):
    target = tmp_path / "vocabulary.txt"
    target.mkdir()
    with pytest.raises(InputError, match="can't be written"):
        Vocabulary(SPECIAL_TOKENS).save(target)
    assert [path.name for path in tmp_path.iterdir()] == ["vocabulary.txt"]


def test_a_place_below_a_file_cannot_be_written(write):
    with pytest.raises(InputError, match="can't be written"):
        Vocabulary(SPECIAL_TOKENS).save(write(b"") / "vocabulary.txt")


def test_words_are_counted_over_all_shards(write):
    first = write("\ufeff我 爱 苹果\n我 吃\n".encode(), "sentence_file_00000")
    second = write("苹果　苹果\r\n\n我".encode(), "sentence_file_00001")
    assert count_words([first, str(second)]) == {"我": 3, "苹果": 3, "爱": 1, "吃": 1}


def test_counting_more_than_one_block_loses_no_word(write):
    path = write(b"ab cd\n" * 300_000)
    assert count_words([path]) == {"ab": 300_000, "cd": 300_000}


def test_counting_names_the_bad_byte_even_far_into_a_shard(write):
    path = write(b"ab cd\n" * 300_000 + b"ab \xc3(\n")
    with pytest.raises(InputError, match=r"vocabulary.txt:300001: byte 4 of the line, 0xc3, is not UTF-8"):
        count_words([path])


def test_counting_a_missing_shard_or_none_at_all_is_an_error(tmp_path):
    with pytest.raises(InputError, match="sentence_file_9: cannot be read"):
        count_words([tmp_path / "sentence_file_9"])
    with pytest.raises(InputError, match="no shards"):
        count_words([])


def test_the_vocabulary_of_lark_is_read_whole_and_written_back_byte_for_byte(shared, tmp_path):
    path = shared / "lark" / "sample" / "vocabulary_min5k.txt"
    vocabulary = Vocabulary.load(path)
    assert len(vocabulary) == 52445
    assert (vocabulary.bos_id, vocabulary.eos_id, vocabulary.unk_id) == (0, 1, 2)
    vocabulary.save(tmp_path / "vocabulary.txt")
    assert (tmp_path / "vocabulary.txt").read_bytes() == path.read_bytes()


def test_the_sample_shards_of_lark_are_covered_by_its_vocabulary(shared):
    sample = shared / "lark" / "sample"
    counts = count_words(sorted((sample / "train").iterdir())[:1])
    assert counts.total() == 35469
    vocabulary = Vocabulary.load(sample / "vocabulary_min5k.txt")
    known = sum(count for word, count in counts.items() if word in vocabulary)
    assert known / counts.total() > 0.9
