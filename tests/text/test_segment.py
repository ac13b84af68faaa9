"""Segmenters: words join to the sentence, jieba is silent and keeps its cache to itself, unknown names are named."""

from __future__ import annotations

import importlib
import logging
import marshal
import os
import pickle
import stat
import sys
import warnings

import jieba
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from elmo.errors import InputError, RunError
from elmo.text import SEGMENTERS, segment
from elmo.text.normalise import EMOJI
from elmo.text.segment import (
    JiebaSegmenter,
    WhitespaceSegmenter,
    get_segmenter,
    processes,
    segment_chunks,
    segmenter_factory,
)
from tests.commands import run_python

WORDY = st.sampled_from("苹果熟了我们去吃吧 的\u3000\t.,，。%-+#aB3９\u200b𠀀é")
SENTENCES = st.text(st.one_of(WORDY, st.characters(codec="utf-8")))


@pytest.fixture(scope="module")
def jieba_segmenter() -> JiebaSegmenter:
    return JiebaSegmenter()


@given(SENTENCES)
def test_words_of_jieba_join_to_the_sentence_without_its_white_space(jieba_segmenter, sentence):
    words = jieba_segmenter.cut(sentence)
    assert "".join(words) == "".join(sentence.split())
    assert all(word and not any(character.isspace() for character in word) for word in words)


@given(SENTENCES)
def test_words_are_those_of_jieba(jieba_segmenter, sentence):
    assume(not EMOJI.search(sentence))
    assert jieba_segmenter.cut(sentence) == [word for word in jieba.cut(sentence) if not word.isspace()]


def test_words_of_real_text_are_those_of_jieba(jieba_segmenter, shared):
    with open(shared / "corpora" / "raw" / "c3.txt", encoding="utf-8") as file:
        text = file.read(60_000)
    assert jieba_segmenter.cut(text) == [word for word in jieba.cut(text) if not word.isspace()]


def test_whitespace_of_any_kind_separates_words():
    assert WhitespaceSegmenter().cut(" 我\u3000爱\t苹果 。\u2028") == ["我", "爱", "苹果", "。"]
    assert WhitespaceSegmenter().cut(" ") == []


def test_jieba_finds_the_words_of_a_plain_sentence(jieba_segmenter):
    assert jieba_segmenter.cut("我们 明天去北京。") == ["我们", "明天", "去", "北京", "。"]


def test_a_user_dictionary_adds_words_to_one_segmenter_only(jieba_segmenter, tmp_path):
    dictionary = tmp_path / "words.txt"
    dictionary.write_text("\ufeff果园里 100000 n\r\n\n摘苹果\n", encoding="utf-8")
    words = get_segmenter("jieba", user_dictionary=dictionary).cut("果园里摘苹果")
    assert words == ["果园里", "摘苹果"]
    assert jieba_segmenter.cut("果园里摘苹果") != words


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("宝马(进口)", r"jieba does not keep '宝马\(进口\)' whole"),
        ("我们的 1 n", "jieba does not keep '我们的' whole: leave out its frequency"),
        ("Edu Trust认证", "'Edu Trust认证' holds white space"),
        ("果园里/nz", "'果园里/nz' has LAC's form; jieba's is 果园里 nz"),
    ],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_an_entry_that_jieba_cannot_keep_whole_is_named_once(tmp_path, line, problem, workers, capfd):
    (tmp_path / "words.txt").write_text(f"摘苹果\n{line}\n云计算 nz\nC++ 3 n\n", encoding="utf-8")
    factory = segmenter_factory("jieba", user_dictionary=tmp_path / "words.txt")
    with pytest.warns(UserWarning, match=rf"words\.txt:2: {problem}") as said:
        list(segment_chunks(iter([(0, ["好"]), (1, ["好"])]), factory, workers))
    assert len(said) == 1 and capfd.readouterr().err == ""


@pytest.mark.parametrize("emoji", ["👨\u200d👩\u200d👧\u200d👦", "👍🏽", "❤\ufe0f", "🇨🇳", "1\ufe0f\u20e3"])
def test_an_emoji_of_several_characters_is_one_word(jieba_segmenter, emoji):
    assert jieba_segmenter.cut(f"一家人{emoji}{emoji}去公园") == ["一家人", emoji, emoji, "去", "公园"]


@pytest.mark.parametrize(("data", "message"), [(None, "cannot be read"), ("果园".encode("gb18030"), "is not UTF-8")])
def test_a_bad_user_dictionary_is_an_error(tmp_path, data, message):
    dictionary = tmp_path / "words.txt"
    if data is not None:
        dictionary.write_bytes(data)
    with pytest.raises(InputError, match=rf"words\.txt: the user dictionary {message}"):
        JiebaSegmenter(user_dictionary=dictionary)


def test_an_unknown_segmenter_is_an_error_that_lists_the_known_ones():
    with pytest.raises(InputError, match="no segmenter 'hanlp': choose one of jieba, lac, whitespace"):
        get_segmenter("hanlp")


def test_an_unknown_option_is_an_error():
    with pytest.raises(InputError, match=r"segmenter 'whitespace': .*'user_dictionary'"):
        get_segmenter("whitespace", user_dictionary="words.txt")


class CharacterSegmenter:
    """Every character is a word."""

    name = "character"

    def cut(self, sentence: str) -> list[str]:
        return list("".join(sentence.split()))


def test_a_further_segmenter_is_one_entry_in_the_table(monkeypatch):
    monkeypatch.setitem(SEGMENTERS, "character", CharacterSegmenter)
    assert get_segmenter("character").cut("苹 果") == ["苹", "果"]
    assert pickle.loads(pickle.dumps(segmenter_factory("character")))().name == "character"


class BatchingSegmenter(CharacterSegmenter):
    """Says of how many sentences it was asked at once, and how many threads Paddle and NumPy would take."""

    name = "batching"

    def cut_all(self, sentences):
        return [[str(len(sentences)), *(os.environ.get(name, "-") for name in processes._THREADS)] for _ in sentences]


def test_a_segmenter_that_takes_many_sentences_gets_a_whole_chunk():
    ((_, chunk),) = segment_chunks(iter([(0, ["苹果", "好", "熟了"])]), BatchingSegmenter, 1)
    assert [line.split()[0] for line in chunk.lines.decode().splitlines()] == ["3", "3", "3"]
    assert chunk.sentences == 3


def test_a_worker_has_one_thread_and_this_process_what_it_had(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    results = [chunk.lines for _, chunk in segment_chunks(iter([(0, ["好"]), (1, ["好"])]), BatchingSegmenter, 2)]
    assert results == [b"1 1 1 1\n"] * 2
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


def test_lac_is_chosen_by_its_name_without_importing_paddle():
    code = (
        "import pickle, sys; from elmo.text.segment import segmenter_factory\n"
        "make = pickle.loads(pickle.dumps(segmenter_factory('lac', model='lac_model', user_dictionary='words.txt')))\n"
        "print(make.func.name, 'paddle' in sys.modules)\n"
    )
    process = run_python(code)
    assert (process.stdout, process.stderr) == ("lac False\n", "")


def test_every_segmenter_of_the_table_is_there():
    for name in SEGMENTERS:
        assert segmenter_factory(name).func.name == name


def test_jieba_says_nothing_and_caches_where_only_its_user_writes(tmp_path):
    code = "from elmo.text.segment import get_segmenter; print(get_segmenter('jieba').cut('苹果'))"
    (tmp_path / "tmp").mkdir()
    temporary = dict.fromkeys(("TMPDIR", "TEMP"), str(tmp_path / "tmp"))
    process = run_python(code, ELMO_CACHE=str(tmp_path / "mine"), PYTHONUTF8="1", **temporary)
    assert (process.stdout, process.stderr) == ("['苹果']\n", "")
    assert list((tmp_path / "tmp").iterdir()) == []
    (cache,) = (tmp_path / "mine").glob("jieba-*.cache")
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600 or os.name == "nt"


def test_compiling_jieba_gives_no_warning(monkeypatch, tmp_path):
    for name in [name for name in sys.modules if name.partition(".")[0] == "jieba"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))  # where nothing is compiled yet
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(SyntaxError, match="invalid escape sequence"):
            importlib.import_module("jieba")
        segment._import_jieba()


def test_jieba_works_without_a_place_to_cache(monkeypatch, tmp_path, capfd):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ELMO_CACHE", str(tmp_path / "file" / "elmo"))
    assert JiebaSegmenter().cut("苹果") == ["苹果"]
    assert capfd.readouterr() == ("", "")


def test_the_logger_of_jieba_is_left_as_it_was(jieba_segmenter):
    assert not jieba.default_logger.disabled
    assert jieba.default_logger.level == logging.DEBUG


@pytest.mark.parametrize("workers", [1, 2])
def test_chunks_come_back_in_order_with_their_counts(workers):
    chunks = [(number, [f"w{number} 苹果", "好"]) for number in range(20)]
    results = list(segment_chunks(iter(chunks), segmenter_factory("whitespace"), workers))
    assert [number for number, _ in results] == list(range(20))
    assert results[7][1].lines == "w7 苹果\n好\n".encode()
    assert (results[7][1].sentences, results[7][1].words, results[7][1].characters) == (2, 3, 5)


def test_only_a_few_chunks_are_read_ahead():
    read = []

    def chunks():
        for number in range(50):
            read.append(number)
            yield number, ["好"]

    results = segment_chunks(chunks(), segmenter_factory("whitespace"), 2)
    next(results)
    assert len(read) <= 2 * 2 + 1
    results.close()


def test_an_error_of_a_worker_arrives_as_it_was(tmp_path):
    factory = segmenter_factory("jieba", user_dictionary=tmp_path / "words.txt")
    with pytest.raises(InputError, match=r"words\.txt: the user dictionary cannot be read"):
        list(segment_chunks(iter([(0, ["好"])]), factory, 2))


class DyingSegmenter:
    """Ends its process, as a process does that is killed for want of memory."""

    name = "dying"

    def cut(self, sentence: str) -> list[str]:
        os._exit(1)


def test_a_worker_that_dies_is_an_error_and_no_hang():
    with pytest.raises(RunError, match="a worker died"):
        list(segment_chunks(iter([(0, ["好"]), (1, ["好"])]), DyingSegmenter, 2))


@pytest.mark.slow
def test_jieba_takes_no_cache_that_others_could_have_written(tmp_path, monkeypatch):
    monkeypatch.setenv("ELMO_CACHE", str(tmp_path))
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path))
    get_segmenter("jieba")
    (cache,) = tmp_path.glob("jieba-*.cache")
    real = cache.read_bytes()
    planted = marshal.dumps(({"我买": 10**9}, 10**9))
    cache.write_bytes(planted)
    cache.chmod(0o666)  # another user could write to the file
    assert get_segmenter("jieba").cut("我买苹果") == ["我", "买", "苹果"]
    cache.write_bytes(planted)
    cache.chmod(0o600)
    tmp_path.chmod(0o777)  # or to the folder
    assert get_segmenter("jieba").cut("我买苹果") == ["我", "买", "苹果"] and cache.read_bytes() == planted
    tmp_path.chmod(0o755)
    cache.unlink()
    cache.symlink_to(tmp_path / "elsewhere")
    get_segmenter("jieba")
    assert cache.read_bytes() == real and not cache.is_symlink()
