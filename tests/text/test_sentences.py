"""Sentences: where they end, what is normalised, that nothing is lost, and that pieces make no difference."""

from __future__ import annotations

import random
import re
import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from elmo.errors import InputError
from elmo.text.sentences import SentenceSplitter, iter_sentences, split_sentences

# Any Unicode but lone surrogates, with what matters here drawn often.
MARKS = " \t\n\r\x00\x0b\x85\u2028\u3000\ufeff。！？…!?.,，:；\"'“”（）)(aB3=中文"
TEXT = st.text(st.one_of(st.sampled_from(MARKS), st.characters(codec="utf-8")))
LINE_ENDS = st.sampled_from(["sentence", "space", "join"])


def is_kept(character: str) -> bool:
    """Whether a character survives, by the documented rules."""
    return not (character.isspace() or character == "\ufeff" or unicodedata.category(character) == "Cc")


def kept(text: str) -> str:
    return "".join(filter(is_kept, text))


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("今天下雨。我没带伞。", ["今天下雨。", "我没带伞。"]),
        ("你吃了吗？吃了！那走吧。", ["你吃了吗？", "吃了！", "那走吧。"]),
        ("真的?真的!好", ["真的?", "真的!", "好"]),
        ("没有句号的一行", ["没有句号的一行"]),
        ("怎么会这样？！我不信。", ["怎么会这样？！", "我不信。"]),
        ("下雪了!!!快出来看!", ["下雪了!!!", "快出来看!"]),
        ("他想了想……还是走了。", ["他想了想……", "还是走了。"]),
        ("猫…狗…都来了。", ["猫…", "狗…", "都来了。"]),
        ("等等。。。我忘了钥匙。", ["等等。。。", "我忘了钥匙。"]),
        ("……算了，明天再说。", ["……算了，明天再说。"]),
        ("“走吧！”他说。", ["“走吧！”", "他说。"]),
        ("他说：“走吧。我们走。”大家都笑了。", ["他说：“走吧。", "我们走。”", "大家都笑了。"]),
        ("她问：「你是谁？」没人回答。", ["她问：「你是谁？」", "没人回答。"]),
        ("（这是注释。）正文从这里开始。", ["（这是注释。）", "正文从这里开始。"]),
        ("他念道：『花开了。』」然后停下。", ["他念道：『花开了。』」", "然后停下。"]),
        ("【号外！】苹果熟了。", ["【号外！】", "苹果熟了。"]),
        ('她说:"好。"我说:"行!"', ['她说:"好。"', '我说:"行!"']),
        ('天黑了。"该回家了。"妈妈说。', ["天黑了。", '"该回家了。"', "妈妈说。"]),
        ('"雨停了。出去吧。"他说。"好!"', ['"雨停了。', '出去吧。"', "他说。", '"好!"']),
        ('这块屏是5.5"。真大！"\n是啊。', ['这块屏是5.5"。', '真大！"', "是啊。"]),
        ("第一；第二：第三，都不分。", ["第一；第二：第三，都不分。"]),
        ("圆周率约为3.14159，不是3.2。", ["圆周率约为3.14159，不是3.2。"]),
        ("The rain stopped. We went out. 然后回家。", ["The rain stopped.", "We went out.", "然后回家。"]),
        ("She said “Go home.” Then she left.", ["She said “Go home.”", "Then she left."]),
        ("Dr. Li met J. Smith and Mr. Wu.", ["Dr. Li met J. Smith and Mr. Wu."]),
        ("Use a shell, e.g. Bash, etc. and so on.", ["Use a shell, e.g. Bash, etc. and so on."]),
        ("The U.S. Army built it.", ["The U.S. Army built it."]),
        ("Version 2. Apple 3. 苹果", ["Version 2. Apple 3. 苹果"]),
        ("See example.com. Then write to a@b.org.cn now.", ["See example.com. Then write to a@b.org.cn now."]),
        ("Wait... What is it?No idea.", ["Wait... What is it?No idea."]),
        ("打开http://a.example/b?c=d!就行", ["打开http://a.example/b?c=d!", "就行"]),
        ("当 a != b 时停下。", ["当 a != b 时停下。"]),
        ("我 爱 你 。 ” 他 说 ： “ 真 的 ？ ！ ”", ["我 爱 你 。 ”", "他 说 ： “ 真 的 ？ ！ ”"]),
        ("第一行\n第二行\r\n第三行\r第四行", ["第一行", "第二行", "第三行", "第四行"]),
        ("一\u3000二\u00a0\u2003三\u2028四\x0b五", ["一 二 三 四 五"]),
        ("\n \u3000\n\t", []),
        ("", []),
    ],
)
def test_where_a_sentence_ends(text, sentences):
    assert split_sentences(text) == sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("春天来\n了，花\r\n开了。\n走吧", ["春天来了，花开了。", "走吧"]),
        ("a red\napple\rtree", ["a red apple tree"]),
        ("用 Python\n写的。", ["用 Python 写的。"]),
        ("他说：\n“好。”\n", ["他说：“好。”"]),
        ("没有句号\n\n新的一段", ["没有句号", "新的一段"]),
        ("没有句号\r\n \t\r\n新的一段", ["没有句号", "新的一段"]),
        ("一个\r\n句子", ["一个句子"]),
        ("It rains.\nWe stay.", ["It rains.", "We stay."]),
        ("\n\n开头是空行\n", ["开头是空行"]),
    ],
)
def test_joined_lines_end_a_sentence_only_at_an_empty_line(text, sentences):
    assert split_sentences(text, line_ends="join") == sentences


def test_line_ends_may_be_plain_white_space():
    text = "我 爱\n苹果 。\r\n梨\n \n新 的\n一段"
    assert split_sentences(text, line_ends="space") == ["我 爱 苹果 。", "梨", "新 的 一段"]


def test_control_characters_are_removed_and_counted_but_byte_order_marks_only_removed():
    splitter = SentenceSplitter()
    assert splitter.feed("\ufeff苹\x00果\x1b[1m\x7f\ufeff。\n") + splitter.finish() == ["苹果[1m。"]
    assert splitter.removed_control_characters == 3


def test_format_characters_and_private_use_are_text():
    assert split_sentences("a\u200bb\u200e\ue010") == ["a\u200bb\u200e\ue010"]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("一二三四五六七八九十。", ["一二三四五六七八", "九十。"]),
        ("一二三，四五六七八九十。", ["一二三，", "四五六七八九十。"]),
        ("一、二，三四五六七八九十。", ["一、二，", "三四五六七八九十", "。"]),
        ("ab cd ef gh", ["ab cd", "ef gh"]),
        ("共1,234,567,890", ["共1,234,5", "67,890"]),
        ("一二三四五六七。” 八", ["一二三四五六七。", "” 八"]),
        ("一二三四五六七八 \n九", ["一二三四五六七八", "九"]),
    ],
)
def test_a_long_sentence_is_cut_behind_its_last_pause(text, sentences):
    splitter = SentenceSplitter(max_sentence_chars=8)
    assert splitter.feed(text) + splitter.finish() == sentences


def test_a_sentence_that_is_cut_several_times_is_counted_once():
    splitter = SentenceSplitter(max_sentence_chars=3)
    assert splitter.feed("一二三四五六七八。九。十一十二\n十三") + splitter.finish() == [
        *["一二三", "四五六", "七八。", "九。", "十一十", "二", "十三"]
    ]
    assert splitter.cut_sentences == 2


@given(TEXT, LINE_ENDS, st.sampled_from([1, 2, 7, 1000]))
def test_nothing_is_lost_but_white_space_and_what_is_no_text(text, line_ends, max_sentence_chars):
    sentences = split_sentences(text, line_ends=line_ends, max_sentence_chars=max_sentence_chars)
    assert kept("".join(sentences)) == kept(text)
    assert all(0 < len(sentence) <= max_sentence_chars for sentence in sentences)
    for sentence in sentences:
        assert sentence == " ".join(sentence.split())
        assert all(is_kept(character) or character == " " for character in sentence)


@given(TEXT, LINE_ENDS, st.sampled_from([1, 3, 8, 1000]), st.randoms(use_true_random=False))
@example("中\r\n", "join", 1000, random.Random(0))
@example('好。"\n"走！ " 吧', "sentence", 8, random.Random(1))
def test_pieces_make_no_difference(text, line_ends, max_sentence_chars, rng):
    cuts = sorted(rng.randrange(len(text) + 1) for _ in range(rng.randrange(len(text) + 2)))
    pieces = [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    options = {"line_ends": line_ends, "max_sentence_chars": max_sentence_chars}
    assert list(iter_sentences(pieces, **options)) == split_sentences(text, **options)


@given(TEXT)
def test_each_line_is_split_by_itself(text):
    lines = re.split(r"\r\n|\r|\n", text)
    assert split_sentences(text) == [sentence for line in lines for sentence in split_sentences(line)]


@given(TEXT)
def test_control_characters_are_counted(text):
    splitter = SentenceSplitter()
    splitter.feed(text)
    splitter.finish()
    controls = [c for c in text if unicodedata.category(c) == "Cc" and not c.isspace()]
    assert splitter.removed_control_characters == len(controls)


def test_a_splitter_takes_one_text_after_another():
    splitter = SentenceSplitter()
    assert splitter.feed('他说:"没完') + splitter.finish() == ['他说:"没完']
    assert splitter.feed('"雨停了。"好') + splitter.finish() == ['"雨停了。"', "好"]


@pytest.mark.parametrize("line_ends", ["sentence", "space", "join"])
@pytest.mark.parametrize("unit", ["字", "!", "a, ", '。"', " \n", " \u3000", "'", "Aa. ", "a.", "x!\n"])
def test_endless_marks_and_spaces_take_linear_time(unit, line_ends):
    text = f"a{unit * (200_000 // len(unit))}b"
    begin = time.process_time()
    split_sentences(text, line_ends=line_ends)
    assert time.process_time() - begin < 20  # of this process: linear time is a second, quadratic time minutes


def test_an_endless_line_is_returned_as_it_comes_and_not_kept():
    splitter = SentenceSplitter(max_sentence_chars=100)
    assert sum(len(sentence) for _ in range(1000) for sentence in splitter.feed("字" * 1000)) > 999_000


@pytest.mark.parametrize("surrogate", ["\ud800", "\udfff"])
def test_a_lone_surrogate_is_an_error_that_says_where(surrogate):
    with pytest.raises(InputError, match=f"character 3 of the text is U\\+{ord(surrogate):04X}, a lone surrogate"):
        list(iter_sentences(["苹果", f"\x00{surrogate}"]))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"line_ends": "lines"}, "line_ends is 'lines': choose"), ({"max_sentence_chars": 0}, "max_sentence_chars is 0")],
)
def test_options_that_make_no_sense_are_errors(options, message):
    with pytest.raises(InputError, match=message):
        split_sentences("苹果", **options)
