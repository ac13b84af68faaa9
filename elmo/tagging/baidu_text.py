"""What LAC's network reads of a text, and how its tags become words: pieces, replaced characters, the user's words.

Written after the behaviour of Baidu's package `lac` 2.1.2 (Apache-2.0), with which it agrees.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from math import log

from elmo.corpora.lark_tsv import BEGIN, INSIDE
from elmo.errors import InputError
from elmo.tagging.baidu_files import UNKNOWN, LacFiles, numbered_lines

WordsAndTags = tuple[list[str], list[str]]  # of one text, as many of both

_JOINED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


class LacReader:
    """Cuts texts into the network's inputs, of mixed granularity: a piece that `word.dic` knows, else a character."""

    def __init__(self, files: LacFiles) -> None:
        self._pieces, self._word_ids, self._replacements = files.pieces, files.word_ids, files.replacements
        self._unknown = files.word_ids[UNKNOWN]
        longest = max(map(len, files.pieces))
        # In this order of operations, so that paths that tie in the original tie here.
        self._scores = [log(max(length, 1)) - files.log_total for length in range(longest + 1)]

    def cut(self, text: str) -> list[str]:
        """Cut a text into pieces of `small_seg.dic`, runs of single Latin letters and digits, and single characters.

        A path's score is the sum over its pieces of log(length / total count): that of fewest pieces wins, as good as
        always, then that of the largest product of lengths, then the longer first piece.
        """
        pieces, scores, single = self._pieces, self._scores, self._scores[1]
        length = len(text)
        best = [0.0] * (length + 1)  # score from each character on
        ends = [0] * length  # of the piece that begins there
        for begin in range(length - 1, -1, -1):
            score, end = single + best[begin + 1], begin + 1
            stop = begin + 2
            while stop <= length and (is_piece := pieces.get(text[begin:stop])) is not None:
                if is_piece and (other := scores[stop - begin] + best[stop]) >= score:
                    score, end = other, stop
                stop += 1
            best[begin], ends[begin] = score, end
        found: list[str] = []
        begin = run = 0  # text[run:begin] are single letters and digits, not yet in the list
        while begin < length:
            end = ends[begin]
            if end - begin > 1 or text[begin] not in _JOINED:
                if run < begin:
                    found.append(text[run:begin])
                found.append(text[begin:end])
                run = end
            begin = end
        if run < length:
            found.append(text[run:])
        return found

    def read(self, text: str) -> tuple[list[int], list[int]]:
        """Return the ids of the network's inputs, and of how many characters each is."""
        ids: list[int] = []
        lengths: list[int] = []
        for piece in self.cut(text):
            if piece in self._word_ids:
                ids.append(self._id(piece))
                lengths.append(len(piece))
            else:
                ids += map(self._id, piece)
                lengths += [1] * len(piece)
        return ids, lengths

    def _id(self, word: str) -> int:
        return self._word_ids.get(self._replacements.get(word, word), self._unknown)


def spread_tags(tags: Iterable[str], lengths: Iterable[int]) -> list[str]:
    """From a tag an input to a tag a character: all but the first of an input go on with its tag."""
    spread: list[str] = []
    for tag, length in zip(tags, lengths, strict=True):
        spread.append(tag)
        if length > 1:
            spread += [tag[:-2] + INSIDE] * (length - 1)
    return spread


def read_words(text: str, tags: Sequence[str]) -> WordsAndTags:
    """From a tag a character to words and their tags, each that of the word's last character; "" for the tag O."""
    begins = [index for index, tag in enumerate(tags) if index == 0 or tag.endswith(BEGIN)]
    ends = [*begins[1:], len(text)] if begins else []
    words = [text[begin:end] for begin, end in zip(begins, ends, strict=True)]
    return words, [tags[end - 1][:-2] for end in ends]


class UserDictionary:
    """Words that the user wants kept whole, with a tag of their own if given: LAC's customization file.

    A line is a word, or several that stand one after another; each may have a tag behind its last slash: `花/n 开/v`.
    What has no tag keeps the network's. A single character without a tag says nothing and is left out, as in LAC.

    Args:
        path: the file, UTF-8.

    Raises:
        InputError: it can't be read, is not UTF-8, or has no entry.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._entries: dict[str, list[tuple[int, str]]] = {}  # end of each part, its tag
        self._beginnings: set[str] = set()
        for _, line in numbered_lines(path):
            self._add(line)
        if not self._entries:
            raise InputError(f"{path}: has no entry for LAC; give lines such as 花/n 开/v")

    def _add(self, line: str) -> None:
        phrase, parts = "", []
        for part in line.split():
            slash = part.rfind("/")
            word, tag = (part[:slash], part[slash + 1 :]) if slash > 0 else (part, "")
            phrase += word
            parts.append((len(phrase), tag))
        if not phrase or (len(phrase) == 1 and not parts[0][1]):
            return
        self._entries[phrase] = parts
        self._beginnings.update(phrase[:end] for end in range(1, len(phrase) + 1))

    def find(self, text: str) -> list[tuple[int, int]]:
        """Begin and end of each entry that goes beyond those found before it: of two that overlap, both are found."""
        found: list[tuple[int, int]] = []
        for begin in range(len(text)):
            end = begin + 1
            while end <= len(text) and (phrase := text[begin:end]) in self._beginnings:
                if phrase in self._entries and (not found or end > found[-1][1]):
                    found.append((begin, end))
                end += 1
        return found

    def apply(self, text: str, tags: list[str]) -> None:
        """Change the characters' tags in place so that the entries become words; a later one wins over an earlier."""
        for begin, end in self.find(text):
            parts = self._entries[text[begin:end]]
            start = begin
            for part_end, tag in parts:
                for index in range(start, begin + part_end):
                    tags[index] = (tag or tags[index][:-2]) + INSIDE
                start = begin + part_end
            for index in [begin, *(begin + part_end for part_end, _ in parts)]:
                if index < len(tags):
                    tags[index] = tags[index][:-2] + BEGIN
