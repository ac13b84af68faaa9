"""Of every source of the pool a part is held out: whole documents or blocks, about a hundredth, the same for ever."""

from __future__ import annotations

import hashlib
import itertools
import lzma
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elmo.corpora.pool import find_sources, held_out_blocks, paragraph_blocks, read_source, write_pool
from elmo.corpora.splits import split_raw
from elmo.errors import InputError

DOCUMENTS = [
    [f"第{document}篇第{paragraph}段" + "字" * (document % 7 * 40) for paragraph in range(8)] for document in range(900)
]
NOVEL = [f"第{paragraph}段，" + "说" * 300 for paragraph in range(1500)]


def lines_of(path):
    return path.read_text(encoding="utf-8").splitlines()


def text_of(documents):
    return "\n\n".join("\n".join(document) for document in documents) + "\n"


@pytest.fixture
def pool(tmp_path):
    folder = tmp_path / "pool"
    folder.mkdir()
    (folder / "news.txt").write_text(text_of(DOCUMENTS), encoding="utf-8")
    with lzma.open(folder / "novel.txt.xz", "wb") as file:
        file.write(text_of([NOVEL]).encode())
    (folder / "README.md").write_text("no source", encoding="utf-8")
    return folder


@pytest.fixture
def written(pool, tmp_path):
    parts = tmp_path / "train", tmp_path / "dev"
    for folder in parts:
        folder.mkdir()
    assert sum(write_pool(pool, *parts)) == 900 * 8 + 1500
    return parts


def test_blocks_are_whole_documents_unless_they_are_long():
    lines = ["甲" * 900, "", "乙" * 1200, "丙", "", "丁" * 9_000, "戊" * 2_000, "己" * 3, ""]
    assert list(paragraph_blocks(lines)) == [lines[:5], lines[5:7], lines[7:]]
    assert list(paragraph_blocks(["", ""])) == []  # nothing but empty lines


@given(st.lists(st.sampled_from(["", "短", "长" * 1_500, "长" * 11_000])))
def test_no_line_is_lost_by_cutting(lines):
    cut = [line for block in paragraph_blocks(lines) for line in block]
    assert cut == lines[: len(cut)] and not any(lines[len(cut) :])


def test_every_paragraph_is_on_one_side_and_in_order(written):
    for name, paragraphs in (("news", [line for document in DOCUMENTS for line in document]), ("novel", NOVEL)):
        train, dev = ([line for line in lines_of(part / f"{name}.txt") if line] for part in written)
        assert set(train).isdisjoint(dev)
        assert [line for line in paragraphs if line in set(train)] == train
        assert [line for line in paragraphs if line in set(dev)] == dev
        assert len(train) + len(dev) == len(paragraphs)


def test_a_document_that_is_not_long_is_never_on_both_sides(written):
    documents = [{re.match(r"第(\d+)篇", line)[1] for line in lines_of(part / "news.txt") if line} for part in written]
    assert documents[0].isdisjoint(documents[1]) and len(documents[1]) > 3


def test_an_empty_line_stands_where_something_was_left_out(written):
    for part in written:
        lines = lines_of(part / "novel.txt")
        numbers = [int(re.match(r"第(\d+)段", line)[1]) if line else None for line in lines]
        neighbours = [pair for pair in itertools.pairwise(numbers) if None not in pair]
        assert all(after == before + 1 for before, after in neighbours)


def test_about_a_hundredth_is_held_out_and_of_small_sources_no_more_than_a_few_blocks(written):
    sizes = [
        [len((part / f"{name}.txt").read_text(encoding="utf-8")) for part in written] for name in ("news", "novel")
    ]
    for train, dev in sizes:
        assert 10_000 <= dev < 10_000 + 12_000 and dev / (train + dev) < 0.05
    large = [[f"{number:06}" * 1_000] for number in range(1_000)]  # 6 million characters: a hundredth is more
    assert sum(1 for _ in held_out_blocks(large)) == 10
    small = [[f"{number:06}" * 400] for number in range(20)]  # a twentieth of 48,000 is one block
    assert len(held_out_blocks(small)) == 1
    assert held_out_blocks([["只有一段"]]) == {0}


def test_the_rule_is_fixed_for_ever():
    source = [[f"第{number}块" + "文" * 2_000] for number in range(400)]
    smallest = sorted(range(400), key=lambda number: hashlib.sha256(source[number][0].encode()).digest())
    assert held_out_blocks(source) == set(smallest[:5])  # five of 2,000 and some characters reach 10,000
    reversed_blocks = held_out_blocks(source[::-1])
    assert {399 - number for number in reversed_blocks} == held_out_blocks(source)
    assert held_out_blocks([[" ".join(line) for line in block] for block in source[:1]]) == {0}


def test_digits_and_letters_are_at_half_width_and_only_a_line_end_ends_a_line(tmp_path):
    (tmp_path / "a.txt").write_bytes("１９９８年，ＡＢｃ\r\n甲\u2028乙\n".encode())
    assert read_source(tmp_path / "a.txt") == ["1998年，ABc", "甲\u2028乙"]


def test_what_is_wrong_is_named(pool, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no \.txt or \.txt\.xz file"):
        find_sources(tmp_path / "empty")
    (pool / "novel.txt").write_text("again", encoding="utf-8")
    with pytest.raises(InputError, match="novel is there as"):
        find_sources(pool)
    (pool / "novel.txt").unlink()
    whole = (pool / "novel.txt.xz").read_bytes()
    for broken in (b"no archive", whole[: len(whole) // 2]):
        (pool / "novel.txt.xz").write_bytes(broken)
        with pytest.raises(InputError, match=r"novel\.txt\.xz: is no whole \.xz archive"):
            read_source(pool / "novel.txt.xz")
    (pool / "news.txt").write_bytes("好\n".encode() + b"\xfe\n")
    with pytest.raises(InputError, match=r"news\.txt:2: byte 1 of the line, 0xfe, is not UTF-8"):
        read_source(pool / "news.txt")


# Beside the rest of the text


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    text = "".join(f"第{number}段文字，讲了一件事。\n" for number in range(2000))
    (folder / "encyclopaedia.txt").write_text(text, encoding="utf-8")
    return folder


def test_the_pool_changes_nothing_of_the_rest(raw, pool, tmp_path):
    plain = split_raw(raw, tmp_path / "plain")
    report = split_raw(raw, tmp_path / "out", pool_dir=pool)
    for part in ("train", "dev"):
        expected = (tmp_path / "plain" / part / "encyclopaedia.txt").read_bytes()
        assert (tmp_path / "out" / part / "encyclopaedia.txt").read_bytes() == expected
    assert sorted(path.name for path in (tmp_path / "out/dev").iterdir()) == ["encyclopaedia.txt"]
    assert sorted(path.name for path in (tmp_path / "out/pool_dev").iterdir()) == ["news.txt", "novel.txt"]
    assert (report.dev, report.train + report.pool_dev) == (plain.dev, plain.train + 900 * 8 + 1500)


def test_a_source_of_the_same_name_is_refused_and_nothing_left(raw, pool, tmp_path):
    (raw / "news.txt").write_text("一段。\n", encoding="utf-8")
    with pytest.raises(InputError, match="there is another source 'news'"):
        split_raw(raw, tmp_path / "out", pool_dir=pool)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pool", "raw"]


# The real text


@pytest.fixture(scope="module")
def real_text(shared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("real") / "out"
    split_raw(shared / "corpora/raw", folder, shared / "corpora/lac", shared / "corpora/pool")
    return folder


def clauses(text):
    found = ("".join(clause.split()) for clause in re.split(r"[^0-9A-Za-z\u4e00-\u9fff ]+", text))
    return [clause for clause in found if clause]


@pytest.mark.slow
def test_of_every_real_source_a_part_is_held_out_that_training_does_not_hold(shared, real_text):
    names = {path.name.removesuffix(".xz") for path in (shared / "corpora/pool").glob("*.xz")}
    assert {path.name for path in (real_text / "pool_dev").iterdir()} == names and len(names) == 30
    for name in names:
        train, dev = (set(lines_of(real_text / part / name)) for part in ("train", "pool_dev"))
        size = sum(map(len, dev))
        assert 0.009 * sum(map(len, train)) < size < 0.1 * sum(map(len, train)), name
        assert max((len(line) for line in train & dev), default=0) < 100, name  # what repeats, such as a headline


def our_sentences(data):
    """Every sentence of the project's own data, without white space; gaps are filled."""
    for path in (*data.glob("documents/*/**/*.txt"), *data.glob("tasks/*.tsv"), *data.glob("lac/*.tsv")):
        for line in lines_of(path):
            text = re.sub(r"/[A-Z]+ ?", "", line)  # tags of names
            yield from ("".join(part.split()) for part in re.split(r"(?<=[。！？!?…])|\t", text))
    for line in lines_of(data / "cloze.tsv")[1:]:
        yield line.split("\t")[1].replace("____", line.split("\t")[2])


@pytest.mark.slow
def test_no_sentence_that_is_scored_is_in_the_training_text(real_text, data):
    marked = {line.split("\t")[3] for line in lines_of(data / "senses.tsv")[1:]}
    wanted = {sentence: parts for sentence in {*marked, *our_sentences(data)} if (parts := clauses(sentence))}
    asked = {clause for parts in wanted.values() for clause in parts}
    paths = list((real_text / "train").iterdir())
    met: set[str] = set()
    for path in paths:
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                met.update(asked.intersection(clauses(line)))
    assert len(marked) > 1_000 and len(wanted) > 6_000 and met  # clauses of two words do occur of course
    possible = {sentence for sentence, parts in wanted.items() if met.issuperset(parts)}
    assert marked.isdisjoint(possible)
    texts = ["".join(path.read_text(encoding="utf-8").split()) for path in paths]
    occurring = {sentence for sentence in possible if any(sentence.strip("。！？!?…“”") in text for text in texts)}
    # Of the others only what everybody says, such as a greeting or the first line of a notice.
    assert 0 < max(sum("\u4e00" <= character <= "\u9fff" for character in sentence) for sentence in occurring) <= 10


def test_a_source_that_is_no_file_is_refused_and_does_not_hang(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "a.txt.xz")
    os.mkfifo(tmp_path / "b.txt")
    for name in ("a.txt.xz", "b.txt"):
        with pytest.raises(InputError, match="can't be read"):
            read_source(tmp_path / name)
    monkeypatch.setattr("elmo.corpora.pool.MAX_FILE_BYTES", 1000)
    (tmp_path / "c.txt.xz").write_bytes(lzma.compress(b"\n" * 100_000))
    with pytest.raises(InputError, match="more than 1,000 bytes"):
        read_source(tmp_path / "c.txt.xz")
