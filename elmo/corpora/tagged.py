"""Public tagged corpora in LAC's tags: People's Daily of January 1998 (PKU tags), Universal Dependencies Chinese GSD.

Where a corpus leaves a choice, Baidu's LAC decides: the figures are what it answers on the training parts, of the words
that it cuts as the corpus does. What it cuts otherwise is left as the corpus has it, but for names and dates, below.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain
from typing import NamedTuple

from elmo.corpora.splits import peoples_daily_part, peoples_daily_text
from elmo.errors import InputError
from elmo.text.sentences import split_sentences
from elmo.text.shards import read_lines

PathLike = str | os.PathLike[str]


class Gloss(NamedTuple):
    """What a tag means."""

    english: str
    chinese: str


LAC_TAGS = {
    "n": Gloss("common noun", "普通名词"),
    "f": Gloss("localiser: in, after, among", "方位名词"),
    "s": Gloss("place noun", "处所名词"),
    "nw": Gloss("title of a work", "作品名"),
    "nz": Gloss("other proper name", "其他专名"),
    "v": Gloss("verb", "普通动词"),
    "vd": Gloss("verb used as an adverb", "动副词"),
    "vn": Gloss("verb used as a noun", "名动词"),
    "a": Gloss("adjective", "形容词"),
    "ad": Gloss("adjective used as an adverb", "副形词"),
    "an": Gloss("adjective used as a noun", "名形词"),
    "d": Gloss("adverb", "副词"),
    "m": Gloss("numeral, with its measure word or without", "数量词"),
    "q": Gloss("measure word", "量词"),
    "r": Gloss("pronoun", "代词"),
    "p": Gloss("preposition", "介词"),
    "c": Gloss("conjunction", "连词"),
    "u": Gloss("structural or aspect particle", "助词"),
    "xc": Gloss("other function word: modal particle, interjection, sound", "其他虚词"),
    "w": Gloss("punctuation", "标点符号"),
    "PER": Gloss("name of a person", "人名"),
    "LOC": Gloss("name of a place", "地名"),
    "ORG": Gloss("name of an organisation", "机构名"),
    "TIME": Gloss("time", "时间"),
}

NAMES = ("PER", "LOC", "ORG", "TIME")
# What is scored apart: the parts of speech together, and each kind of name.
GROUPS = {"words": tuple(tag for tag in LAC_TAGS if tag not in NAMES), **{name: (name,) for name in NAMES}}

# In brackets: how Baidu's LAC tags such words of the training part.
PKU_TO_LAC = {
    # The same tag: above 84 % but for m and q (81 %, 85 %: it joins most of them), vn 78 %, an 70 %, vd 55 %, nz 42 %.
    **{tag: tag for tag in LAC_TAGS if tag not in (*NAMES, "nw", "xc")},
    "nr": "PER",  # (PER 96 %, surname and given name joined)
    "ns": "LOC",  # (LOC 96 %)
    "nt": "ORG",  # (ORG 91 %; 97 % of bracketed ones)
    "t": "TIME",  # (TIME 94 %)
    "b": "a",  # attributive only: 主要 (a 77 %, n 10 %)
    "z": "a",  # state, often reduplicated: 依然, 洁白 (a 72 %, d 17 %)
    "i": "v",  # idioms are predicates more than anything else (v 47 %, a 30 %, n 9 %)
    "l": "n",  # set phrases, all kinds: 人民法院, 对外开放 (n 36 %, v 21 %, vn 13 %, a 11 %)
    "j": "n",  # abbreviations of two characters or more (n 46 %, ORG 21 %, nz 13 %, LOC 3 %); see `_SHORT_PLACE`
    "k": "n",  # suffix of nouns: 们, 型 (n 93 %)
    "h": "d",  # prefix; nearly all are 非, "not" (v 6, d 4 and a 1 of 11 words: v is the verb 非, "is not")
    "y": "xc",  # modal particle: 吗, 呢 (xc 71 %, u 28 %, which are all 了)
    "e": "xc",  # interjection (xc 16 of 17 words)
    "o": "xc",  # sound (xc 18 of 33 words, v 5, a 5)
    "nx": "nz",  # foreign letters (all kinds of names 35 %, n 34 %, xc 30 %: single letters)
    # Morphemes go with their class.
    "Ng": "n",  # (n 91 %)
    "Vg": "v",  # (v 90 %)
    "Tg": "TIME",  # (TIME 83 %)
    "Rg": "r",  # (r 2 of 3 words)
    "Ag": "a",  # (a 40 %, an 27 %, n 15 %)
    "Bg": "a",  # as b (a 2 of 2 words)
    "Dg": "d",  # (v 21 of 29 words: 敢, 继; the corpus has them before verbs)
    "Mg": "m",  # (n 4 of 4 words: 甲, 乙, which count)
    "Yg": "xc",  # as y
    # Slips of the annotators, one word each.
    "vvn": "vn",
    "na": "LOC",  # the name of a temple
}
_SHORT_PLACE = "LOC"  # j of one character stands for a place: 京, 俄 (LOC 58 %, n 12 %, p 8 %: 以, meaning Israel)
_TITLE = "nw"  # nz that alone stands in 《》: PKU has no tag for titles (nw 66 of 73 words)

# A bracketed group that is one word (LAC keeps 79 % of nt whole, 60 % of ns), or None: its words stay as they are.
# LAC keeps 40 % of nz whole and 1 of 15 idioms with a comma in them (i, l).
PKU_BRACKETS = {"nt": "ORG", "ns": "LOC", "nr": "PER", "nz": None, "i": None, "l": None}

_PIECE = re.compile(r"(\[*)([^/\[][^/]*|/)/([A-Za-z]+)((?:\][A-Za-z]+)*)")  # the texts have ［ and ／
_NUMBER = re.compile(r"\d{8}(?:-\d+)+/m")
_SURNAMES = "欧阳 诸葛 司徒 司马 南宫 令狐 上官 东方 端木 夏侯 皇甫 尉迟 公孙 慕容 宇文 长孙 闻人 澹台 钟离 呼延 申屠"
_COMPOUND_SURNAMES = frozenset(_SURNAMES.split())
_GIVEN_NAME = re.compile(r".{1,2}|.*[（〈].+[）〉].*")
# How often LAC joins: year in digits, month and day 82 %, month and day 94 %, hour and minute 96 %; others 16 %.
_DATE = re.compile(r"(?<!\S)(?:(?:[0-9〇○零一二三四五六七八九]{2,4}年 )?\S*月 \S+[日号]|\S+[时点] \S+分)(?!\S)")


@dataclass(frozen=True)
class Tagged:
    """A sentence: its words and a tag of LAC's for each."""

    words: list[str]
    tags: list[str]
    place: str = ""  # file:line, for messages

    @property
    def text(self) -> str:
        """The words, joined."""
        return "".join(self.words)


def read_peoples_daily(path: PathLike, parts: Collection[str] = ("train",)) -> list[Tagged]:
    """Read People's Daily in PKU's format, `number/m  word/tag  [word/tag word/tag]tag ...`, a paragraph a line.

    Joined, the sentences of a paragraph are its `elmo.corpora.splits.peoples_daily_text`; they end where
    `elmo.text.sentences.split_sentences` says, but never within a word. What becomes one word:

    - A surname and the given name behind it, both nr: PER. A surname has one character or is a compound one (欧阳), a
      given name has one or two, or one that is described in brackets. Three nr of 1, 1 and 2 characters with no other
      beside them are one name too, a married woman's (all 20 are). Any other nr is a name by itself: foreign names come
      whole (克林顿), so do nicknames (老李), and given names without a surname are persons of their own.
    - A bracketed group of nt, ns or nr: ORG, LOC, PER; of nested ones the outermost. See `PKU_BRACKETS` for others.
    - A date that has month and day, with its year if in digits (1998年 1月 1日), and hour and minute: TIME. Year and
      month, 去年 and what follows, day and part of the day stay apart, as in LAC.

    Not joined, though LAC does: number and measure word (三 个; 99 %), two places of a character each (中 美; 82 %).

    Args:
        path: the file.
        parts: of "train", "dev" and "test", see `elmo.corpora.splits`.

    Raises:
        InputError: a part is none, or the file can't be read; names file and line of a malformed item, a bracket that
            is not closed or opened, an unknown tag, a control character, or what is not UTF-8; names the file that has
            nothing of these parts.
    """
    for part in parts:
        if part not in ("train", "dev", "test"):
            raise InputError(f"parts has {part!r}: choose of train, dev, test")
    sentences: list[Tagged] = []
    for number, line in enumerate(read_lines(path), 1):
        if line.strip() and peoples_daily_part(line) in parts:
            sentences += _read_paragraph(line, f"{path}:{number}")
    if not sentences:
        raise InputError(f"{path}: has no paragraph of {', '.join(parts)}; give the tagged People's Daily")
    return sentences


def _read_paragraph(line: str, place: str) -> Iterator[Tagged]:
    number, *pieces = line.split()
    if not _NUMBER.fullmatch(number):
        raise InputError(f"{place}: {number[:40]!r} is no paragraph number such as 19980101-01-001-001/m; correct it")
    words: list[str] = []
    tags: list[str] = []
    opened: list[int] = []
    groups: list[tuple[int, int, str]] = []  # begin, end and tag of those that become one word, in order
    for piece in pieces:
        match = _PIECE.fullmatch(piece)
        if match is None:
            raise InputError(f"{place}: {piece[:40]!r} is not word/tag, [word/tag or word/tag]tag; correct it")
        opening, word, tag, closing = match.groups()
        if tag not in PKU_TO_LAC:
            raise InputError(f"{place}: tag {tag!r} of {piece[:40]!r} is none of PKU's; correct it")
        opened += [len(words)] * len(opening)
        words.append(word)
        tags.append(tag)
        for kind in closing.split("]")[1:]:
            if kind not in PKU_BRACKETS:
                raise InputError(f"{place}: bracket tag {kind!r} of {piece[:40]!r} is unknown; correct it")
            if not opened:
                raise InputError(f"{place}: no bracket is open at {piece[:40]!r}; correct it")
            begin, joined = opened.pop(), PKU_BRACKETS[kind]
            if joined is not None:
                groups = [group for group in groups if group[0] < begin]
                groups.append((begin, len(words), joined))
    if opened:
        raise InputError(f"{place}: the bracket before {words[opened[-1]][:40]!r} is not closed; correct it")
    if not words:
        raise InputError(f"{place}: the paragraph {number} has no words; remove the line")

    text = peoples_daily_text(f"{number} {''.join(words)}/w")
    words = [text[end - len(word) : end] for word, end in zip(words, accumulate(map(len, words)), strict=True)]
    return _split(*_join(words, tags, groups), place)


def _join(words: list[str], tags: list[str], groups: list[tuple[int, int, str]]) -> tuple[list[str], list[str]]:
    """Words with LAC's tags, of words with PKU's and the groups that become one word."""
    joined: list[str] = []
    lac_tags: list[str] = []
    ends = {begin: (end, tag) for begin, end, tag in groups}
    index = 0
    while index < len(words):
        if index in ends:
            end, tag = ends[index]
            joined.append("".join(words[index:end]))
            lac_tags.append(tag)
            index = end
            continue
        end, tag = index + 1, PKU_TO_LAC[tags[index]]
        if tags[index] in ("nr", "t"):
            while end < len(words) and tags[end] == tags[index] and end not in ends:
                end += 1
            found = _join_names(words[index:end]) if tags[index] == "nr" else _join_dates(words[index:end])
            joined += found
            lac_tags += [tag] * len(found)
        else:
            if tags[index] == "j" and len(words[index]) == 1:
                tag = _SHORT_PLACE
            elif tags[index] == "nz" and words[index - 1 : index] == ["《"] and words[end : end + 1] == ["》"]:
                tag = _TITLE
            joined.append(words[index])
            lac_tags.append(tag)
        index = end
    return joined, lac_tags


def _join_names(words: list[str]) -> list[str]:
    """Names of persons, of words nr that stand one behind another."""
    if [len(word) for word in words] == [1, 1, 2]:
        return ["".join(words)]
    names: list[str] = []
    surname = ""
    for word in words:
        if surname and _GIVEN_NAME.fullmatch(word):
            names[-1] += word
            surname = ""
        else:
            names.append(word)
            surname = word if len(word) == 1 or word in _COMPOUND_SURNAMES else ""
    return names


def _join_dates(words: list[str]) -> list[str]:
    """Times, of words t that stand one behind another."""
    return _DATE.sub(lambda date: date[0].replace(" ", ""), " ".join(words)).split(" ")


def _split(words: list[str], tags: list[str], place: str) -> Iterator[Tagged]:
    """Cut a paragraph into sentences where `split_sentences` does, unless that is within a word."""
    text = "".join(words)
    sentences = split_sentences(text)
    if "".join(sentences) != text:
        raise InputError(f"{place}: has a control character or U+FEFF within a word, which is no text; remove it")
    borders = set(accumulate(map(len, sentences)))
    begin = 0
    for index, end in enumerate(accumulate(map(len, words)), 1):
        if end in borders:
            yield Tagged(words[begin:index], tags[begin:index], place)
            begin = index


# By universal and Chinese tag. In brackets: how Baidu's LAC tags such words of the training part.
UD_TO_LAC = {
    ("NOUN", "NN"): "n",  # (n 73 %, vn 10 %, TIME 4 %, f 3 %)
    ("NOUN", "NNB"): "q",  # (q 57 %, n 39 %; it joins 96 % to the number before)
    ("NOUN", "ADD"): "n",  # formulas, addresses
    ("PROPN", "NNP"): "nz",  # names of any kind, which UD does not tell (LOC 55 %, PER 28 %, n 8 %, nz 3 %, ORG 2 %)
    ("VERB", "VV"): "v",  # (v 85 %, p 7 %: 在, 于; vn 4 %)
    ("VERB", "VC"): "v",  # copula: 是, 为 (v 98 %)
    ("VERB", "VERB"): "v",  # a slip
    ("VERB", "BB"): "p",  # 被, 将, 把 (p 97 %)
    ("AUX", "MD"): "v",  # modal: 会, 可以 (v 95 %)
    ("ADJ", "JJ"): "a",  # (a 78 %)
    ("ADV", "RB"): "d",  # (d 61 %, c 24 %: 而, 并, 但; ad 7 %)
    ("NUM", "CD"): "m",  # (m 87 %)
    ("X", "LS"): "m",  # number of a list
    ("PRON", "PRP"): "r",  # personal (r 99.8 %)
    ("PRON", "PRD"): "r",  # demonstrative, reflexive (r 95 %)
    ("PRON", "WP"): "r",  # interrogative (r 100 %)
    ("DET", "DT"): "r",  # (r 87 %)
    ("ADP", "IN"): "p",  # (p 62 %, f 23 %: 中, 后; c 5 %)
    ("CONJ", "CC"): "c",  # (c 86 %)
    ("PART", "DEC"): "u",  # 的, 之 (u 100 %)
    ("PART", "DEV"): "u",  # 地, 得 (u 100 %)
    ("PART", "AS"): "u",  # aspect: 了, 著 (u 99.7 %)
    ("X", "UH"): "u",  # at the end: 的, 了 (u 88 %, xc 12 %)
    ("PART", "SFN"): "n",  # suffix of nouns: 者, 区 (n 85 %)
    ("PART", "SFV"): "v",  # suffix of verbs: 化
    ("PART", "SFA"): "a",  # suffix of adjectives
    ("PART", "PFA"): "a",  # prefix: 大, 总 (a 84 %)
    ("PART", "PFN"): "a",  # prefix: 小, 老 (a 1 of 1)
    ("X", "FW"): "nz",  # foreign words (names of all kinds 50 %, n 45 %)
    ("X", "XX"): "w",  # what the annotators left open, mostly punctuation (w 10 of 17 words)
    ("SYM", "ADD"): "n",  # addresses on the web
    ("SYM", "NNB"): "q",  # km
    ("SYM", "/"): "w",
    **{("PUNCT", mark): "w" for mark in (",", ".", "EC", "(", ")", "``", "''", '"', "/", ":", "HYPH", "...")},
}
_SUFFIXES = ("SFN", "SFV", "SFA")
_WIDE = dict(zip(",.;:?!()", "，。；：？！（）", strict=True))

# Classes that both corpora tell apart, for a score across them. Lost: the kinds of names; vn and an are nouns (UD has
# 77 % and 65 % of LAC's as such), vd are verbs (71 %), ad adverbs (66 %), f goes to the function words (UD has 59 % as
# adpositions), times are nouns. Still unlike: of UD's adverbs LAC has 28 % as function words (而, 并, 但), of its
# measures 39 % as nouns. Of the words that it cuts as they do, Baidu's LAC agrees with 94 % of People's Daily's classes
# and with 90 % of UD's.
COARSE = {
    **dict.fromkeys(("n", "s", "TIME", "vn", "an"), "noun"),
    **dict.fromkeys(("nz", "nw", "PER", "LOC", "ORG"), "proper"),
    **dict.fromkeys(("v", "vd"), "verb"),
    "a": "adjective",
    **dict.fromkeys(("d", "ad"), "adverb"),
    "m": "numeral",
    "q": "measure",
    "r": "pronoun",
    **dict.fromkeys(("p", "c", "u", "xc", "f"), "function"),
    "w": "punctuation",
}


def read_ud(path: PathLike) -> list[Tagged]:
    """Read a CoNLL file of UD Chinese GSD, ten columns a token, an empty line between sentences.

    Joined, the words are the sentence of `elmo.corpora.splits.conll_texts` without its spaces between Latin words.
    Suffixes are words in UD; LAC joins 91 % of them to the word before, and so do we: the word gets the suffix's tag,
    but stays a proper name if it was one (so it does in 81 % of what LAC joins). Sentences are those of the file.

    Raises:
        InputError: the file can't be read or has no sentence; names file and line of a line that has not ten columns or
            no word, an unknown tag, or what is not UTF-8.
    """
    sentences: list[Tagged] = []
    words: list[str] = []
    tags: list[str] = []
    begin = 0
    for number, line in enumerate(chain(read_lines(path), [""]), 1):
        place = f"{path}:{number}"
        if not line.strip() or (line.startswith("#") and "\t" not in line):
            if words:
                sentences.append(Tagged(words, tags, f"{path}:{begin}"))
                words, tags = [], []
            continue
        columns = line.split("\t")
        if len(columns) != 10 or not columns[0].isdecimal():
            raise InputError(f"{place}: {line[:40]!r} is not a token of ten columns; give a CoNLL file of UD")
        word, universal, chinese = columns[1], columns[3], columns[4]
        if word.split() != [word] or "\0" in word:
            raise InputError(f"{place}: {word[:40]!r} is no word: it is empty, or has white space or NUL; correct it")
        tag = UD_TO_LAC.get((universal, chinese))
        if tag is None:
            raise InputError(
                f"{place}: tags {universal} {chinese} of {word[:40]!r} are none of UD Chinese GSD; correct them"
            )
        if chinese in _SUFFIXES and words and tags[-1] != "w":
            words[-1] += word
            tags[-1] = tags[-1] if COARSE[tags[-1]] == "proper" else tag
        else:
            begin = number if not words else begin
            words.append(word)
            tags.append(tag)
    if not sentences:
        raise InputError(f"{path}: has no sentence; give a CoNLL file of UD")
    return sentences


def widen_punctuation(sentences: Sequence[Tagged]) -> list[Tagged]:
    """Give punctuation marks of one ASCII character (tag w) their full width, as Chinese text has them.

    UD Chinese GSD is distributed with ASCII commas and full stops, People's Daily has full-width ones: unless they are
    made alike, a score of one corpus's tagger on the other one measures punctuation more than anything else. Marks
    within words, such as the point of 3.5, stay.
    """
    return [
        replace(
            sentence,
            words=[
                _WIDE.get(word, word) if tag == "w" else word
                for word, tag in zip(sentence.words, sentence.tags, strict=True)
            ],
        )
        for sentence in sentences
    ]
