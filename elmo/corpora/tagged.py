"""Tagged sentences: LAC's tags, coarser classes that corpora share, and sentences of words with a tag each.

`elmo.corpora.peoples_daily`, `elmo.corpora.universal_dependencies` and `elmo.corpora.lark_tsv` read such from files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple


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
TAG_GROUPS = {"words": tuple(tag for tag in LAC_TAGS if tag not in NAMES), **{name: (name,) for name in NAMES}}

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
_WIDE = dict(zip(",.;:?!()", "，。；：？！（）", strict=True))


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
