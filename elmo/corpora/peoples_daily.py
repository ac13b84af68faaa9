"""People's Daily of January 1998 in LAC's tags, from the PKU's tagged edition.

Where a corpus leaves a choice, Baidu's LAC decides: the figures are what it answers on the training parts, of the words
that it cuts as the corpus does. What it cuts otherwise is left as the corpus has it, but for names and dates, below.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import accumulate

from elmo.corpora.splits import peoples_daily_part, peoples_daily_text
from elmo.corpora.tagged import LAC_TAGS, NAMES, Tagged
from elmo.errors import InputError
from elmo.system.types import PathLike
from elmo.text.sentences import split_sentences
from elmo.text.shards import read_lines

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
