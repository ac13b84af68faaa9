"""What is never pretrained on: decided by the text alone, complete, and the same for ever."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elmo.corpora.splits import (
    PEOPLES_DAILY_FILE,
    REVIEWS_FILE,
    UD_TRAIN_FILE,
    bucket,
    conll_texts,
    is_held_out_paragraph,
    is_held_out_review,
    peoples_daily_part,
    peoples_daily_text,
    split_raw,
)
from elmo.errors import InputError
from elmo.system.inputs import MAX_LINE_BYTES

REVIEWS = [f"第{number}条评论,东西不错。" for number in range(400)]
PARAGRAPHS = [f"第{number}段文字,讲了一件事。" for number in range(2000)]


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / REVIEWS_FILE).write_text("".join(f"{line}\n" for line in REVIEWS), encoding="utf-8")
    (folder / "encyclopaedia.txt").write_text("".join(f"{line}\n" for line in PARAGRAPHS), encoding="utf-8")
    return folder


def lines_of(path):
    return path.read_text(encoding="utf-8").splitlines()


def test_every_paragraph_is_on_the_side_that_its_text_says(raw, tmp_path):
    report = split_raw(raw, tmp_path / "out")
    train, dev = tmp_path / "out" / "train", tmp_path / "out" / "dev"
    assert lines_of(train / REVIEWS_FILE) == [line for line in REVIEWS if not is_held_out_review(line)]
    assert lines_of(dev / REVIEWS_FILE) == []
    assert lines_of(dev / "encyclopaedia.txt") == [line for line in PARAGRAPHS if is_held_out_paragraph(line)]
    assert sorted(lines_of(train / "encyclopaedia.txt") + lines_of(dev / "encyclopaedia.txt")) == sorted(PARAGRAPHS)
    assert report.train == len(lines_of(train / REVIEWS_FILE)) + len(lines_of(train / "encyclopaedia.txt"))
    assert report.dev == len(lines_of(dev / "encyclopaedia.txt"))
    assert report.train + report.dev + report.reviews_held_out == len(REVIEWS) + len(PARAGRAPHS)


def test_shares_are_about_a_tenth_of_the_reviews_and_one_paragraph_in_200():
    # Five standard errors: 5 * sqrt(0.1 * 0.9 * 4000) = 95 and 5 * sqrt(0.005 * 20,000) = 50.
    assert abs(sum(is_held_out_review(f"评论{number}") for number in range(4000)) - 400) < 95
    assert abs(sum(is_held_out_paragraph(f"段落{number}") for number in range(20_000)) - 100) < 50


def test_the_rule_is_fixed_for_ever():
    assert [bucket(text, 10) for text in ("苹果很好吃", "物流很快", "")] == [
        int.from_bytes(bytes.fromhex(digest), "big") % 10
        for digest in (
            "1d5156bd1e093c7d",
            "ba971c3871fd0080",
            "e3b0c44298fc1c14",
        )  # SHA-256 of the text, its first 8 bytes
    ]


@given(st.text(), st.integers(1, 300))
def test_white_space_does_not_move_a_text(text, buckets):
    spaced = " ".join(text) + " \r\n"
    assert bucket(text, buckets) == bucket(spaced, buckets)
    assert 0 <= bucket(text, buckets) < buckets


def test_order_and_files_do_not_matter(raw, tmp_path):
    split_raw(raw, tmp_path / "first")
    (raw / "encyclopaedia.txt").write_text("".join(f"{line}\n" for line in reversed(PARAGRAPHS)), encoding="utf-8")
    (raw / "encyclopaedia.txt").rename(raw / "another_name.txt")
    split_raw(raw, tmp_path / "second")
    first, second = (
        sorted(lines_of(tmp_path / out / "dev" / name))
        for out, name in (("first", "encyclopaedia.txt"), ("second", "another_name.txt"))
    )
    assert first == second


def test_only_a_line_end_ends_a_paragraph(raw, tmp_path):
    (raw / "encyclopaedia.txt").write_bytes("甲\u2028乙\x0b丙\r\n丁".encode())
    report = split_raw(raw, tmp_path / "out")
    written = [(tmp_path / "out" / side / "encyclopaedia.txt").read_bytes() for side in ("train", "dev")]
    assert b"".join(sorted(written, reverse=True)) in (
        "甲\u2028乙\x0b丙\r\n丁".encode(),
        "丁甲\u2028乙\x0b丙\r\n".encode(),
    )
    assert report.train + report.dev + report.reviews_held_out == len(REVIEWS) + 2


def test_a_folder_without_text_or_an_existing_target_is_refused(raw, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no \.txt file"):
        split_raw(tmp_path / "empty", tmp_path / "out")
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="exists already"):
        split_raw(raw, tmp_path / "out")


def test_bad_bytes_are_named_with_line_and_byte_and_nothing_is_left(raw, tmp_path):
    path = raw / "encyclopaedia.txt"
    path.write_bytes("好\n".encode() * 70_000 + "坏".encode() + b"\xfe\n")  # far behind the first buffer
    with pytest.raises(InputError) as caught:
        split_raw(raw, tmp_path / "out")
    assert str(caught.value).startswith(f"{path}:70001: byte 4 of the line, 0xfe, is not UTF-8")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["raw"]


@pytest.mark.parametrize("odd", ["pipe", "long line", "folder"])
def test_a_text_that_can_not_be_read_is_named_and_not_the_place_for_it(raw, tmp_path, odd):
    if odd == "pipe":
        os.mkfifo(raw / "odd.txt")
    elif odd == "folder":
        (raw / "odd.txt").mkdir()
    else:
        (raw / "odd.txt").write_bytes(b"a" * (MAX_LINE_BYTES + 1))
    with pytest.raises(InputError, match=r"raw/odd\.txt: can't be read \(.*\); give UTF-8 text"):
        split_raw(raw, tmp_path / "out")
    assert sorted(os.listdir(tmp_path)) == ["raw"]


def test_a_place_that_cannot_be_written_is_one_line(raw, tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="can't be written"):
        split_raw(raw, tmp_path / "file" / "out")


# Tagged corpora

DAYS = "".join(f"199801{day:02d}-01-001-001/m  今天/t  是/v  {day}/m  日/q  。/w\n" for day in range(1, 25))
CONLL = "1\t我\t_\tPRON\n2\t爱\t_\tVERB\n\n1\tNew\t_\tX\n2\tYork\t_\tX\n3\t好\t_\tADJ\n"


@pytest.fixture
def lac(tmp_path):
    folder = tmp_path / "lac"
    folder.mkdir()
    (folder / PEOPLES_DAILY_FILE).write_text(DAYS, encoding="utf-8")
    (folder / UD_TRAIN_FILE).write_text(CONLL, encoding="utf-8")
    return folder


def test_days_that_are_scored_are_on_neither_side(raw, lac, tmp_path):
    plain = split_raw(raw, tmp_path / "plain")
    report = split_raw(raw, tmp_path / "out", lac)
    written = lines_of(tmp_path / "out/train/peoples_daily_199801_01-24.txt")
    assert written == [f"今天是{day}日。" for day in range(1, 22)]
    assert [peoples_daily_part(f"199801{day}") for day in (21, 22, 23, 24)] == ["train", "dev", "test", "test"]
    assert report.train == plain.train + 21 + 2 and report.dev == plain.dev
    assert {path.name for path in (tmp_path / "out/dev").iterdir()} == {REVIEWS_FILE, "encyclopaedia.txt"}


def test_tags_brackets_and_wide_digits_go_and_the_text_stays():
    line = "19980101-01-001-001/m  １９９８年/t  [北京/ns  大学/n]nt  的/u  江/nr  山/nr  １/２/m  来/v"
    assert peoples_daily_text(line) == "1998年北京大学的江山1/2来"


def test_words_of_a_sentence_are_joined_and_latin_ones_kept_apart():
    assert list(conll_texts(CONLL.splitlines())) == ["我爱", "New York好"]
    assert list(conll_texts(["1\tABC\t_", "2\t\t_", "3\tD\t_"])) == ["ABC D"]


def test_a_folder_that_lacks_a_corpus_is_refused_and_nothing_left(raw, lac, tmp_path):
    (lac / UD_TRAIN_FILE).unlink()
    with pytest.raises(InputError, match=r"ud_gsdsimp_train\.conll is missing"):
        split_raw(raw, tmp_path / "out", lac)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_no_scored_day_of_the_real_corpus_is_in_the_training_text(shared, tmp_path):
    split_raw(shared / "corpora/raw", tmp_path / "out", shared / "corpora/lac")
    written = lines_of(tmp_path / "out/train/peoples_daily_199801_01-24.txt")
    lines = lines_of(shared / "corpora/lac" / PEOPLES_DAILY_FILE)
    scored = {peoples_daily_text(line) for line in lines if peoples_daily_part(line) != "train"}
    assert len(lines) == 15_767 and len(written) == sum(peoples_daily_part(line) == "train" for line in lines)
    # what a paper prints every day, such as a headline, may be on both sides
    assert max((len(text) for text in scored & set(written)), default=0) < 40
    assert "/" not in "".join(written[:100]) and "[" not in "".join(written[:100])
