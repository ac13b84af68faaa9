"""LARK's files of tagged sentences: what is written is read back, and what can't be meant is named with its line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elmo.corpora.lark_tsv import TokenTags, from_lark, read_tag_dic, read_tsv
from elmo.errors import InputError

tokens = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=" \t\n\r\0\ufeff"), min_size=1, max_size=5)
kinds = st.sampled_from(["n", "v", "nr", "PER", "xc", "w"])
chunks = st.lists(st.tuples(st.lists(tokens, min_size=1, max_size=4), kinds), min_size=1, max_size=12)


def sentence_of(chunks):
    tags = [kind + ("-I" if place else "-B") for words, kind in chunks for place in range(len(words))]
    return TokenTags([token for words, _ in chunks for token in words], tags)


def bare_tags(chunks):
    """As LARK has them: a chunk of one token has a bare tag, a longer one none."""
    return [
        kind if len(words) == 1 else f"{kind}{'-I' if place else '-B'}"
        for words, kind in chunks
        for place in range(len(words))
    ]


def content(sentences):
    return [(sentence.tokens, sentence.tags) for sentence in sentences]


@pytest.fixture
def tsv(tmp_path):
    def write(text):
        path = tmp_path / "train.tsv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_bare_tags_are_whole_chunks_and_the_others_go_on(tsv):
    path = tsv("小 猫 爬 上 屋顶\tn-B n-I v-B v-I n\n好\ta\n")
    sentences = read_tsv(path)
    assert content(sentences) == [
        (["小", "猫", "爬", "上", "屋顶"], ["n-B", "n-I", "v-B", "v-I", "n-B"]),
        (["好"], ["a-B"]),
    ]
    assert [sentence.place for sentence in sentences] == [f"{path}:1", f"{path}:2"]
    assert list(sentences[0].chunks()) == [(["小", "猫"], "n"), (["爬", "上"], "v"), (["屋顶"], "n")]


def test_our_own_form_is_read_too(tsv):
    assert content(read_tsv(tsv("猫 跑\tn-B v-B\n"))) == [(["猫", "跑"], ["n-B", "v-B"])]


@given(st.lists(chunks, min_size=1, max_size=5))
def test_chunks_in_larks_form_are_read_back(tmp_path_factory, generated):
    path = tmp_path_factory.getbasetemp() / "round_trip.tsv"
    lines = [
        f"{' '.join(token for words, _ in chunks for token in words)}\t{' '.join(bare_tags(chunks))}\n"
        for chunks in generated
    ]
    path.write_bytes("".join(lines).encode())
    assert content(read_tsv(path)) == content([sentence_of(chunks) for chunks in generated])
    assert [list(sentence.chunks()) for sentence in read_tsv(path)] == generated


@given(chunks)
def test_larks_form_and_ours_say_the_same(generated):
    tags = sentence_of(generated).tags
    assert from_lark(bare_tags(generated)) == tags
    assert from_lark(tags) == tags


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("猫 跑\tn", "2 tokens and 1 tags"),
        ("猫\tn v", "1 tokens and 2 tags"),
        ("猫 跑\tn q", "tag 2, 'q', is unknown"),
        ("猫 跑\tn ", "tag 2, '', is unknown"),
        ("猫 跑\tn-I n", "tag 1, 'n-I', stands at the beginning; begin its chunk with 'n-B'"),
        ("猫 跑\tn n-I", "tag 2, 'n-I', stands behind 'n'"),
        ("猫 跑\tv-B n-I", "tag 2, 'n-I', stands behind 'v-B'"),
        ("猫 跑 了\tv-B v-I n-I", "tag 3, 'n-I', stands behind 'v-I'"),
        ("", "the sentence is empty"),
        ("\t", "the sentence is empty"),
        (" \tn", "the sentence is empty"),
        ("猫  跑\tn v v", "token 2 is empty"),
        (" 猫\tn v", "token 1 is empty"),
        ("猫 跑 n v", "0 tabs in"),
        ("猫\t跑\tn v", "2 tabs in"),
        ("猫\0 跑\tn v", "character 2 is NUL"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_its_place(tsv, line, problem):
    path = tsv(f"好\tn\n{line}\n好\tn\n")
    with pytest.raises(InputError) as error:
        read_tsv(path, ["n", "n-B", "n-I", "v", "v-B", "v-I"])
    assert str(error.value).startswith(f"{path}:2: {problem}")
    assert len(str(error.value).splitlines()) == 1


def test_bytes_that_are_not_utf8_an_empty_file_and_a_missing_one(tsv, tmp_path):
    with pytest.raises(InputError, match=r"train\.tsv:2: byte 1 .* 0xff"):
        read_tsv(tsv(b"a\tn\n\xff\tn\n"))
    with pytest.raises(InputError, match="has no line"):
        read_tsv(tsv("\n\n"))
    with pytest.raises(InputError, match=r"missing\.tsv: can't be read"):
        read_tsv(tmp_path / "missing.tsv")


def test_windows_line_ends_and_a_missing_last_one_change_nothing(tsv):
    assert content(read_tsv(tsv("猫 跑\tn v\r\n好\ta"))) == [(["猫", "跑"], ["n-B", "v-B"]), (["好"], ["a-B"])]


def test_only_a_space_separates_tokens(tsv):
    # No-break space, ideographic space, NEL and line separator are characters like others.
    odd = ["a\u00a0b", "\u3000", "\u0085", "c\u2028d"]
    assert read_tsv(tsv(f"{' '.join(odd)}\tn n n n\n"))[0].tokens == odd


def test_a_sentence_of_10_000_characters_emoji_and_mixed_scripts(tmp_path):
    mixed = ["😀", "👩‍👩‍👧", "Привет", "नमस्ते", "e\u0301", "𠮷", "٣"]
    long = sentence_of([(list("猫" * 9_993), "n"), (mixed, "nz")])
    path = tmp_path / "long.tsv"
    path.write_text(f"{' '.join(long.tokens)}\t{' '.join(long.tags)}\n", encoding="utf-8")
    (read,) = read_tsv(path)
    assert (read.tokens, read.tags) == (long.tokens, long.tags)


def test_a_tag_dictionary_has_a_tag_a_line(tmp_path):
    path = tmp_path / "tag.dic"
    path.write_text("n\nn-B\nn-I\n", encoding="utf-8")
    assert read_tag_dic(path) == ["n", "n-B", "n-I"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("n\n\nv\n", ":2: '' is no tag"),
        ("n\nv w\n", ":2: 'v w' is no tag"),
        ("n\n-B\n", ":2: '-B' is no tag"),
        ("n\nv\nn\n", ":3: 'n' stands already in line 1"),
        ("n\nv\0\n", ":2: character 2 is NUL"),
        ("", ": has no line"),
    ],
)
def test_a_tag_dictionary_that_is_none(tmp_path, text, problem):
    path = tmp_path / "tag.dic"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_tag_dic(path)
    assert str(error.value).startswith(f"{path}{problem}")


@pytest.mark.parametrize("name", ["train.tsv", "dev.tsv"])
def test_larks_own_files_are_read_as_they_are(shared, name):
    folder = shared / "lark/lac_demo"
    sentences = read_tsv(folder / name, read_tag_dic(folder / "tag.dic"))
    assert len(sentences) == 200
    assert all(len(sentence.tokens) == len(sentence.tags) > 0 for sentence in sentences)
    lines = (folder / name).read_text(encoding="utf-8").splitlines()
    for sentence, line in zip(sentences, lines, strict=True):
        is_same = line == f"{' '.join(sentence.tokens)}\t{' '.join(bare_tags(sentence.chunks()))}"
        assert is_same, sentence.place  # a comparison here would show the text
