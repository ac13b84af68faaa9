"""Gold words onto the tokens that a network reads, tags of tokens back to chunks, and the best chunks tokens allow.

A chunk is (begin, end, tag): its characters [begin, end) of the sentence. White space is no character here: it is taken
out of words and of tokens alike before characters are counted, so that both may keep it, drop it, or cut beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from elmo.corpora.lark_tsv import BEGIN, INSIDE
from elmo.errors import InputError

Chunk = tuple[int, int, str]  # begin, end, tag

OUTSIDE = "O"  # the tag of a token of no chunk, as in LAC's tag.dic
OTHER = "?"  # tag of a chunk of `best_chunks` that is no gold chunk
_SHOWN = 10  # characters of a text in a message


class Projection(NamedTuple):
    """What `project` returns."""

    tags: list[str]  # one a token, such as "n-B"
    straddling: int  # tokens that hold characters of two gold words or more


def project(words: Sequence[str], tags: Sequence[str], tokens: Sequence[str]) -> Projection:
    """Give each token of a sentence the tag of its gold word: `n-B` if it is the word's first token, `n-I` if not.

    A token that straddles gold words is of the one from which it has most characters, and of the last of those from
    which it has equally many, since LAC reads a chunk's tag off its last character. As a token continues only the
    word that the token before it is of, an I always follows a B or I of its own tag.

    Args:
        words, tags: the gold words and a tag each, such as n or PER. Words of nothing but white space are left out.
        tokens: any other cut of the same text; each has a character that is not white space.

    Raises:
        InputError: words, tags and tokens do not fit one another, or a word has no tag.
    """
    word_ends, word_tags, token_ends = _align(words, tags, tokens)
    projected: list[str] = []
    straddling = first = 0
    previous = -1  # the gold word that the token before is of
    for begin, end in pairwise((0, *token_ends)):
        while word_ends[first] <= begin:
            first += 1
        owner, word = first, first
        if word_ends[first] < end:
            straddling += 1
            most = word_ends[first] - begin
            while word_ends[word] < end:
                word += 1
                overlap = min(word_ends[word], end) - word_ends[word - 1]
                if overlap >= most:
                    owner, most = word, overlap
        projected.append(word_tags[owner] + (INSIDE if owner == previous else BEGIN))
        previous = owner
    return Projection(projected, straddling)


def chunks(tokens_or_lengths: Sequence[str] | Sequence[int], tags: Sequence[str]) -> list[Chunk]:
    """Read the chunks off the tags of tokens, as seqeval's default mode does (Nakayama 2018, `suffix=True`).

    A B begins a chunk; an I goes on with a chunk of its own tag and otherwise, after O or another tag, begins one. O is
    outside. So a chunk has one tag, where `baidu_text.words_of_labels`, as LAC does, lets any I go on and takes the
    last tag.

    Args:
        tokens_or_lengths: the tokens, or how many characters that are not white space each has.
        tags: as many, each `<tag>-B`, `<tag>-I` or `O`.

    Raises:
        InputError: not as many tags as tokens, a token without characters, or a tag of another form.
    """
    lengths = _lengths(tokens_or_lengths)
    if len(lengths) != len(tags):
        raise InputError(f"{len(lengths)} tokens have {len(tags)} tags: give one tag a token")
    found: list[Chunk] = []
    begin = end = 0
    current: str | None = None
    for index, (length, tag) in enumerate(zip(lengths, tags, strict=True)):
        name, kind = tag[:-2], tag[-2:]
        if not (tag == OUTSIDE or (name and kind in (BEGIN, INSIDE))):
            raise InputError(f"tag {index + 1} is {tag!r}: give <tag>{BEGIN}, <tag>{INSIDE} or {OUTSIDE}")
        if tag == OUTSIDE or kind == BEGIN or name != current:
            if current is not None:
                found.append((begin, end, current))
            begin, current = end, None if tag == OUTSIDE else name
        end += length
    if current is not None:
        found.append((begin, end, current))
    return found


def word_chunks(words: Sequence[str], tags: Sequence[str]) -> list[Chunk]:
    """Chunks of words that have a tag each: gold words, or what `elmo.tagging.baidu.Lac.tag` returns.

    Words of nothing but white space are no chunks, nor are those with the tag O or, as LAC writes it, an empty one.

    Raises:
        InputError: not as many tags as words.
    """
    ends, kept_tags = _word_ends(words, tags)
    spans = zip(pairwise((0, *ends)), kept_tags, strict=True)
    return [(begin, end, tag) for (begin, end), tag in spans if tag not in ("", OUTSIDE)]


def best_chunks(words: Sequence[str], tags: Sequence[str], tokens: Sequence[str]) -> list[Chunk]:
    """Return chunks of whole tokens that cover the text and whose F1 is the highest that these tokens allow.

    They are the gold words with both ends on ends of tokens, and one chunk with the tag `OTHER` for all that lies
    between two of them. No other chunks are better, in a sentence or in a corpus: F1 = 2 C / (G + P) for C correct
    chunks of G gold and P predicted, and leaving out a correct one saves two predicted ones at most (it may join
    those on both sides), which lowers F1 or leaves it, since G + P is never below 2 C.

    Raises:
        InputError: as `project` does.
    """
    word_ends, word_tags, token_ends = _align(words, tags, tokens)
    borders = {0, *token_ends}
    best: list[Chunk] = []
    for (begin, end), tag in zip(pairwise((0, *word_ends)), word_tags, strict=True):
        if begin in borders and end in borders:
            best.append((begin, end, tag))
        elif best and best[-1][2] == OTHER:
            best[-1] = (best[-1][0], end, OTHER)
        else:
            best.append((begin, end, OTHER))
    return best


def _align(words: Sequence[str], tags: Sequence[str], tokens: Sequence[str]) -> tuple[list[int], list[str], list[int]]:
    """Ends of the words, their tags, ends of the tokens; checked."""
    text, token_text = ("".join(_without_space(parts)) for parts in (words, tokens))
    if text != token_text:
        at = next((at for at, (a, b) in enumerate(zip(text, token_text, strict=False)) if a != b), None)
        at = min(len(text), len(token_text)) if at is None else at
        shown = [repr(part[at : at + _SHOWN]) if at < len(part) else "nothing" for part in (text, token_text)]
        raise InputError(
            f"words and tokens differ at character {at + 1}: {shown[0]} in words, {shown[1]} in tokens; cut one text"
        )
    word_ends, word_tags = _word_ends(words, tags)
    for tag in ("", OUTSIDE, OTHER):
        if tag in word_tags:
            raise InputError(f"a gold word has the tag {tag!r}: give each word a tag such as n")
    return word_ends, word_tags, list(accumulate(_lengths(tokens)))


def _word_ends(words: Sequence[str], tags: Sequence[str]) -> tuple[list[int], list[str]]:
    """Ends and tags of the words that are not white space alone."""
    if len(words) != len(tags):
        raise InputError(f"{len(words)} words have {len(tags)} tags: give one tag a word")
    kept = [(len(word), tag) for word, tag in zip(_without_space(words), tags, strict=True) if word]
    return list(accumulate(length for length, _ in kept)), [tag for _, tag in kept]


def _lengths(tokens: Sequence[str] | Sequence[int]) -> list[int]:
    """How many characters each token has, at least one."""
    lengths = [len("".join(token.split())) if isinstance(token, str) else int(token) for token in tokens]
    if lengths and min(lengths) < 1:
        index = next(index for index, length in enumerate(lengths) if length < 1)
        raise InputError(
            f"token {index + 1} is {tokens[index]!r}, without a character: leave white space out of tokens"
        )
    return lengths


def _without_space(parts: Iterable[str]) -> Iterator[str]:
    return ("".join(part.split()) for part in parts)
