"""What LAC's network reads of a text, and how its tags become words: pieces, replaced characters, the user's words.

Written after the behaviour of Baidu's package `lac` 2.1.2 (Apache-2.0), with which it agrees.
"""

from __future__ import annotations

import abc
import os
from collections.abc import Collection, Iterable, Sequence
from itertools import accumulate, pairwise
from math import log

from elmo.corpora.lark_tsv import BEGIN, INSIDE
from elmo.corpora.tagged import LAC_TAGS
from elmo.errors import InputError
from elmo.system.types import PathLike
from elmo.tagging.baidu_files import UNKNOWN, LacDictionaries, numbered_lines
from elmo.text.segment.dictionary import warn_of_entries

RULES = ("longest", "original")  # which of the user's entries in a text become words

WordsAndTags = tuple[list[str], list[str]]  # of one text, as many of both

_JOINED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


class LacReader:
    """Cuts texts into the network's inputs, of mixed granularity: a piece that `word.dic` knows, else a character."""

    def __init__(self, given: LacDictionaries) -> None:
        self._pieces = given.pieces
        self._word_ids = given.word_ids
        self._replacements = given.replacements
        self._unknown = given.word_ids[UNKNOWN]
        self._known = {word: self._id(word) for word in given.word_ids}  # so that most pieces are looked up once
        longest = max(map(len, given.pieces))
        # In this order of operations, so that paths that tie in the original tie here.
        self._scores = [log(max(length, 1)) - given.log_total for length in range(longest + 1)]

    def cut(self, text: str) -> list[str]:
        """Cut a text into pieces of `small_seg.dic`, runs of single Latin letters and digits, and single characters.

        A path's score is the sum over its pieces of log(length / total count): that of fewest pieces wins, as good as
        always, then that of the largest product of lengths, then the longer first piece.
        """
        pieces = self._pieces
        scores = self._scores
        length = len(text)
        best = [0.0] * (length + 1)  # score from each character on
        ends = [0] * length  # of the piece that begins there
        for begin in range(length - 1, -1, -1):
            score = scores[1] + best[begin + 1]
            end = begin + 1
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
        known = self._known
        ids: list[int] = []
        lengths: list[int] = []
        for piece in self.cut(text):
            if (known_id := known.get(piece)) is not None:
                ids.append(known_id)
                lengths.append(len(piece))
            else:
                ids += map(self._id, piece)
                lengths += [1] * len(piece)
        return ids, lengths

    def _id(self, word: str) -> int:
        return self._word_ids.get(self._replacements.get(word, word), self._unknown)


def read_tokens(reader: LacReader, text: str) -> tuple[list[int], list[str]]:
    """LAC's inputs for a text: their ids, and what they are of the text."""
    ids, lengths = reader.read(text)
    return ids, [text[begin:end] for begin, end in pairwise(accumulate(lengths, initial=0))]


def spread_tags(tags: Iterable[str], lengths: Iterable[int]) -> list[str]:
    """From a tag an input to a tag a character: all but the first of an input go on with its tag."""
    spread: list[str] = []
    for tag, length in zip(tags, lengths, strict=True):
        spread.append(tag)
        if length > 1:
            spread += [tag[:-2] + INSIDE] * (length - 1)
    return spread


def words_of_labels(text: str, tags: Sequence[str]) -> WordsAndTags:
    """From a tag a character to words and their tags, each that of the word's last character; "" for the tag O."""
    beginning = {tag for tag in set(tags) if tag.endswith(BEGIN)}
    begins = [index for index, tag in enumerate(tags) if index == 0 or tag in beginning]
    ends = [*begins[1:], len(text)] if begins else []
    words = [text[begin:end] for begin, end in zip(begins, ends, strict=True)]
    return words, [tags[end - 1][:-2] for end in ends]


class UserDictionary:
    """Words that the user wants kept whole, with a tag of their own if given: LAC's customization file.

    A line is a word, or several that stand one after another; each may have a tag behind its last slash: `花/n 开/v`.
    What has no tag keeps the network's. `mmol/l` is a word, since l is no tag; a slash at the end says so where it is
    one: `m/s/`. What is probably meant otherwise is named in a warning: a line in jieba's form, an unknown tag, white
    space between letters, and a single character without a tag, which says nothing and is left out, as in LAC.

    Args:
        path: the file, UTF-8; None: empty, for `add`.
        rule: "longest": of the entries in a text, from its beginning on, the longest at each place, and the next behind
            it; or "original": as LAC 2.1.2, which also takes an entry that begins inside another and ends behind it,
            the later one winning, and every slash for that of a tag.
        tags: that are known.

    Raises:
        InputError: it can't be read, is not UTF-8, or has no entry, or there is no such rule.
    """

    def __init__(
        self, path: PathLike | None = None, *, rule: str = "longest", tags: Collection[str] = LAC_TAGS
    ) -> None:
        if rule not in RULES:
            raise InputError(f"the dictionary's rule is {rule!r}: give one of {', '.join(RULES)}")
        self.rule = rule
        self._tags = frozenset(tags)
        self._entries: dict[str, list[tuple[int, str]]] = {}  # end of each part, its tag
        self._beginnings: set[str] = set()
        if path is None:
            return
        problems: list[str] = []
        for number, line in numbered_lines(path):
            problem = self._find_problem(line) if line.strip() else None
            if problem is not None:
                problems.append(f"{path}:{number}: {problem}")
            self._add_parts([self._split(part) for part in line.split()])
        if not self._entries:
            raise InputError(f"{path}: has no entry for LAC; give lines such as 花/n 开/v")
        warn_of_entries(problems, path)

    def add(self, entry: str, tag: str | None = None) -> None:
        """Add a line of the file; or, with a tag, one word as it stands, whatever it holds.

        Raises:
            InputError: the entry says nothing.
        """
        if not self._add_parts([self._split(part) for part in entry.split()] if tag is None else [(entry, tag)]):
            raise InputError(f"{entry!r} says nothing to LAC: give two characters or more, or a tag")

    def _split(self, part: str) -> tuple[str, str]:
        """A word and its tag, which is empty where it has none."""
        word, slash, tag = part.rpartition("/")
        if not slash or not word or (self.rule != "original" and self._is_word(word, tag)):
            return part, ""
        return word, tag

    def _is_word(self, word: str, tag: str) -> bool:
        """Whether the slash between is the word's own: letters on both sides of it, and no tag behind it."""
        return word.isascii() and tag != "" and tag not in self._tags

    def _find_problem(self, line: str) -> str | None:
        """What is probably meant otherwise in a line of the file."""
        parts = line.split()
        if "/" not in line and _looks_like_jieba_s(parts, self._tags):
            return f"{line!r} has jieba's form, and is read as words that stand side by side; LAC's is {parts[0]}/nz"
        split = [self._split(part) for part in parts]
        if unknown := [tag for _, tag in split if tag and tag not in self._tags]:
            return f"tag {unknown[0]!r} is none that the model has; it is given all the same"
        if any(
            (left[-1:] + right[:1]).isascii() and (left[-1:] + right[:1]).isalnum() and not tag
            for (left, tag), (right, _) in pairwise(split)
        ):
            return f"{line!r} is read without its white space; LAC keeps none within an entry"
        if len(parts) == 1 and len(split[0][0]) == 1 and not split[0][1]:
            return f"{line!r} is a single character without a tag and says nothing; give it a tag"
        return None

    def _add_parts(self, split: Iterable[tuple[str, str]]) -> bool:
        phrase, parts = "", []
        for word, tag in split:
            phrase += word
            parts.append((len(phrase), tag))
        if not phrase or (len(phrase) == 1 and not parts[0][1]):
            return False
        self._entries[phrase] = parts
        self._beginnings.update(phrase[:end] for end in range(1, len(phrase) + 1))
        return True

    def find(self, text: str) -> list[tuple[int, int]]:
        """Begin and end of each entry in a text, by the rule."""
        found: list[tuple[int, int]] = []
        begin = 0
        while begin < len(text):
            ends = self._ends(text, begin)
            if self.rule == "original":
                for end in ends:
                    if not found or end > found[-1][1]:
                        found.append((begin, end))
            elif ends:
                found.append((begin, ends[-1]))
                begin = ends[-1] - 1
            begin += 1
        return found

    def _ends(self, text: str, begin: int) -> list[int]:
        """Ends of the entries that begin at a place, the shortest first."""
        ends, end = [], begin + 1
        while end <= len(text) and (phrase := text[begin:end]) in self._beginnings:
            if phrase in self._entries:
                ends.append(end)
            end += 1
        return ends

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


def _looks_like_jieba_s(parts: Sequence[str], tags: Collection[str]) -> bool:
    """Whether a line is a word, then a frequency, a tag or both."""
    rest = parts[1:]
    if rest and rest[0].isascii() and rest[0].isdecimal():
        rest = rest[1:]
    if rest and rest[0] in tags:
        rest = rest[1:]
    return len(parts) > 1 and not rest


def open_dictionary(given: PathLike | UserDictionary | None, tags: Collection[str]) -> UserDictionary | None:
    """A dictionary from its file, or the one that is given; raises as `UserDictionary`."""
    return UserDictionary(given, tags=tags) if isinstance(given, str | os.PathLike) else given


class WithDictionary(abc.ABC):
    """What taggers of both kinds have: a user dictionary, and words without their tags."""

    user_dictionary: UserDictionary | None

    @abc.abstractmethod
    def tag(self, texts: str | Sequence[str]) -> list[WordsAndTags]:
        """Words and tags of each text."""

    def cut(self, text: str) -> list[str]:
        """Return the words of a text; joined they are the text."""
        return self.tag(text)[0][0]
