"""Where a sentence ends: text of any size, fed a piece at a time, becomes clean sentences without line ends.

What is not text is normalised on the way. Control characters (category Cc) that are not white space, NUL among them,
are removed and counted; U+FEFF (byte order mark) is removed; every run of Unicode white space becomes one ASCII space.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal, get_args

from elmo.errors import InputError
from elmo.text.normalise import DROPPED

LineEnds = Literal["sentence", "space", "join"]
MAX_SENTENCE_CHARS = 1000

_STOPS = "。｡！？…‼⁇⁈⁉!?"
_CLOSERS = re.escape("”’」』）】》〉〕］｝〗〙〛»›＂＇)]}")
_OPENERS = frozenset("“‘「『（【《〈〔［｛〖\"'([")
# A line end; or a run of stops, then the closing marks behind it. Segmented text has a space before each mark.
_BOUNDARY = re.compile(rf"\n|([.{_STOPS}](?: ?[{_STOPS}]|\.)*)((?:'| ?[\"{_CLOSERS}])*)")
_UP_TO_LAST_PAUSE = re.compile(r".*(?:[，、；： ]|[,;:](?!\d))", re.DOTALL)

_NOT_TEXT = re.compile(rf"[{DROPPED}\ud800-\udfff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_ODD_SPACE = re.compile(r"(?:[^\S\n ]| (?=[^\S\n]))[^\S\n]*")
_LINE_END = re.compile(r" ?\n[ \n]*")
_NEEDS_NO_SPACE = re.compile(
    r"[\u2010-\u2027\u2e80-\ua4cf\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff]"
)

_LATIN = "A-Za-zÀ-ÖØ-öø-ɏ"
_LATIN_WORD = re.compile(rf"(?<![\w.])([{_LATIN}][{_LATIN}'’-]*[{_LATIN}])[\"'”’)\]]*\Z")
_ABBREVIATION = re.compile(
    r"al|apr|approx|aug|ave|bros|ca|capt|cf|chs?|co|col|corp|dec|dept|dr|eds?|esp|est|etc|feb|figs?|gen|gov|hon|inc|jan|jr"
    r"|jul|jun|ltd?|mar|max|min|mrs?|ms|mt|nos?|nov|oct|op|pp|pres|prof|pt|rep|rev|sec|sen|sept?|sgt|sr|st|univ|vols?|vs",
    re.IGNORECASE,
)
_CONTEXT = 24  # characters looked at before a full stop: more than any abbreviation has


class SentenceSplitter:
    r"""Splits a text that comes in pieces; where a piece begins or ends makes no difference to the sentences.

    A sentence ends at 。！？!?… and runs of them (？！ and …… are one end), and at an ASCII full stop that clearly is
    one: behind a Latin word of two letters or more that is no abbreviation, before white space and then a capital, an
    opening mark or a letter without case. Closing quotes and brackets directly behind stay with the sentence, so
    “走吧！”他说。 is two sentences, “走吧！” and 他说。 An ASCII " closes if it is the second, fourth ... of its
    paragraph. Stops that begin a sentence do not end it (……算了。), nor do ! and ? between ASCII letters or digits.

    Args:
        line_ends: "sentence": a line end (\n, \r\n or \r) always ends the sentence. Otherwise only an empty line
            does, and a line end is white space ("space"), or nothing between Chinese characters ("join").
        max_sentence_chars: a longer sentence is cut behind its last ，、；： or space within so many characters, or
            else right there; nothing is lost.

    Attributes:
        removed_control_characters: how many were removed from all texts so far.
        cut_sentences: how many sentences of all texts so far were too long.
    """

    def __init__(self, *, line_ends: LineEnds = "sentence", max_sentence_chars: int = MAX_SENTENCE_CHARS) -> None:
        if line_ends not in get_args(LineEnds):
            raise InputError(f"line_ends is {line_ends!r}: choose one of {', '.join(get_args(LineEnds))}")
        if max_sentence_chars < 1:
            raise InputError(f"max_sentence_chars is {max_sentence_chars}: give 1 or more")
        self.removed_control_characters = 0
        self.cut_sentences = 0
        self._replace_line_end = {"sentence": None, "space": _space, "join": _join}[line_ends]
        self._limit = max_sentence_chars
        self._reset()

    def feed(self, text: str) -> list[str]:
        """Return the sentences that this piece of the text completes; InputError says where a lone surrogate is."""
        self._buffer += self._normalise(text)
        return self._split(final=False)

    def finish(self) -> list[str]:
        """Return what is left at the end of the text; the next `feed` begins another text."""
        self._buffer += self._held.rstrip()
        sentences = self._split(final=True)
        self._reset()
        return sentences

    def _reset(self) -> None:
        self._position = 0  # characters fed
        self._after_return = False
        self._held = ""  # the last character and the white space behind it, which what follows may change
        self._buffer = ""  # normalised text: some context, then from _start on the unfinished sentence
        self._start = 0
        self._quotes = 0  # ASCII quotes from the beginning of the paragraph to _start
        self._is_cut = False  # the unfinished sentence has lost its beginning

    def _normalise(self, text: str) -> str:
        if _NOT_TEXT.search(text):
            if surrogate := _SURROGATE.search(text):
                place = f"character {self._position + surrogate.start()} of the text"
                raise InputError(f"{place} is U+{ord(surrogate[0]):04X}, a lone surrogate, which is no text; remove it")
            byte_order_marks = text.count("\ufeff")
            self._position += len(text)
            text, removed = _NOT_TEXT.subn("", text)
            self.removed_control_characters += removed - byte_order_marks
        else:
            self._position += len(text)
        if not text:
            return ""
        ends_with_return = text[-1] == "\r"
        if self._after_return:
            text = text.removeprefix("\n")
        self._after_return = ends_with_return
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")

        text = self._held + text
        body = text.rstrip()
        line_ends = text.count("\n", len(body))
        self._held = body[-1:] + ("\n" * min(line_ends, 2) or " " * (len(text) > len(body)))
        body = _ODD_SPACE.sub(" ", body)
        if self._replace_line_end:
            body = _LINE_END.sub(self._replace_line_end, body)
        return body[:-1]

    def _split(self, *, final: bool) -> list[str]:
        buffer, start, size = self._buffer, self._start, len(self._buffer)
        sentences: list[str] = []
        for match in _BOUNDARY.finditer(buffer, start):
            begin, end = match.span()
            run, closers = match.groups()
            if run is not None and not final and (end == size or (end + 1 == size and buffer[end] == " ")):
                break  # the run, or what decides about it, may go on in the next piece
            if buffer[start] == " ":
                start += 1
            stop = end if run is not None else begin - (buffer[begin - 1] == " ")
            if stop - start > self._limit:
                start = self._cut(start, stop, sentences)
            if run is not None:
                if begin <= start or not _ends_sentence(buffer, begin, end, run, closers):
                    continue
                if '"' in closers:
                    stop = self._before_opening_quote(start, match)
            if start < stop:
                sentences.append(buffer[start:stop])
            self._quotes = 0 if run is None else self._quotes + buffer.count('"', start, stop)
            self._is_cut = False
            start = stop if run is not None else end

        if start < size and buffer[start] == " ":
            start += 1
        start = self._cut(start, size - buffer.endswith(" "), sentences)
        if final and start < size:
            sentences.append(buffer[start:])
        self._buffer = buffer[max(0, start - _CONTEXT) :]
        self._start = min(start, _CONTEXT)
        return sentences

    def _cut(self, start: int, stop: int, sentences: list[str]) -> int:
        """Cut a sentence until it is short enough; return where the rest of it starts."""
        buffer = self._buffer
        while stop - start > self._limit:
            pause = _UP_TO_LAST_PAUSE.match(buffer, start, start + self._limit)
            cut = pause.end() if pause else start + self._limit
            sentences.append(buffer[start:cut].rstrip(" "))
            self._quotes += buffer.count('"', start, cut)
            self.cut_sentences += not self._is_cut
            self._is_cut = True
            start = cut + (buffer[cut] == " ")
        return start

    def _before_opening_quote(self, start: int, match: re.Match[str]) -> int:
        """Return where the sentence stops when an ASCII quote among its closing marks opens the next one."""
        buffer = self._buffer
        begin, end = match.span(2)
        if buffer[end : end + 2].lstrip(" ")[:1] in ("", "\n"):
            return end  # at the end of a paragraph nothing opens, however many quotes there were
        quotes = self._quotes + buffer.count('"', start, begin)
        for place in range(begin, end):
            if buffer[place] == '"':
                if quotes % 2 == 0:
                    return place - (buffer[place - 1] == " ")
                quotes += 1
        return end


def split_sentences(
    text: str, *, line_ends: LineEnds = "sentence", max_sentence_chars: int = MAX_SENTENCE_CHARS
) -> list[str]:
    """Split a text into sentences by the rules of `SentenceSplitter`.

    Joined together, the sentences are the text without its white space, control characters and U+FEFF, but for white
    space within a sentence, which is one ASCII space.

    Raises:
        InputError: the text has a lone surrogate, or an option is not allowed.
    """
    return list(iter_sentences([text], line_ends=line_ends, max_sentence_chars=max_sentence_chars))


def iter_sentences(
    pieces: Iterable[str], *, line_ends: LineEnds = "sentence", max_sentence_chars: int = MAX_SENTENCE_CHARS
) -> Iterator[str]:
    """Split a text that comes in pieces, such as the lines of an open file, as `split_sentences` would the whole."""
    splitter = SentenceSplitter(line_ends=line_ends, max_sentence_chars=max_sentence_chars)
    for piece in pieces:
        yield from splitter.feed(piece)
    yield from splitter.finish()


def _space(line_end: re.Match[str]) -> str:
    """Return what stands in place of one line end (a space) or more (one line end)."""
    return "\n" if line_end[0].count("\n") > 1 else " "


def _join(line_end: re.Match[str]) -> str:
    """Return what stands in place of one line end (nothing or a space) or more (one line end)."""
    text = line_end.string
    before, after = text[line_end.start() - 1 : line_end.start()], text[line_end.end()]
    replacement = _space(line_end)
    return "" if replacement == " " and _NEEDS_NO_SPACE.match(before) and _NEEDS_NO_SPACE.match(after) else replacement


def _ends_sentence(text: str, begin: int, end: int, run: str, closers: str) -> bool:
    """Whether a run of stops with its closing marks, from `begin` to `end` of the text, is the end of a sentence."""
    if not run.isascii():
        return True
    if run != ".":
        before, after = text[begin - 1], text[end : end + 1]
        within_word = before.isascii() and before.isalnum() and after.isascii() and after.isalnum()
        return run.strip(".") != "" and (closers != "" or not (within_word or after == "="))
    if text[end : end + 1] != " ":
        return False
    word = _LATIN_WORD.search(text[max(0, begin - _CONTEXT) : begin])
    if word is None or _ABBREVIATION.fullmatch(word[1]):
        return False
    following = text[end + 1 : end + 2]
    return following in _OPENERS or (following.isalpha() and following != following.lower()) or _has_no_case(following)


def _has_no_case(character: str) -> bool:
    return character.isalpha() and character.lower() == character.upper()
