"""Universal Dependencies' Chinese GSD in LAC's tags.

Where the corpus leaves a choice, Baidu's LAC decides: the figures are what it answers on the training part, of the
words that it cuts as the corpus does.
"""

from __future__ import annotations

from itertools import chain

from elmo.corpora.tagged import COARSE, Tagged
from elmo.errors import InputError
from elmo.system.types import PathLike
from elmo.text.shards import read_lines

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
