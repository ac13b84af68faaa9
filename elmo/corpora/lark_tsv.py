r"""LARK's files of tagged sentences, `token token<TAB>tag tag` a line, as its LAC example reads them.

Tokens need not be the chunks that are tagged: a chunk may be cut into several. LARK's bare form has `n` for a chunk of
one token, and `n-B n-I ... n-I` for one of several. Our own code knows one form alone, `tag-B` and `tag-I`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from elmo.errors import InputError
from elmo.system.types import PathLike
from elmo.text.shards import read_lines

BEGIN, INSIDE = "-B", "-I"  # how the tag of a token ends: its chunk begins there, or goes on


@dataclass(frozen=True)
class TokenTags:
    """A sentence: as many tags as tokens, each `tag-B` (a chunk begins) or `tag-I` (it goes on)."""

    tokens: list[str]
    tags: list[str]
    place: str = ""  # file:line, for messages

    def chunks(self) -> Iterator[tuple[list[str], str]]:
        """Tokens and bare tag of each chunk, in order."""
        begins = [index for index, tag in enumerate(self.tags) if tag.endswith(BEGIN)]
        for begin, end in zip(begins, [*begins[1:], len(self.tags)], strict=True):
            yield self.tokens[begin:end], self.tags[begin].removesuffix(BEGIN)


def from_lark(tags: Sequence[str]) -> list[str]:
    """From LARK's bare form to `tag-B` and `tag-I`: `n` becomes `n-B`, all else stays.

    Raises:
        InputError: a `tag-I` does not go on with the chunk before it; says which tag, counted from 1.
    """
    normal: list[str] = []
    for tag in tags:
        if tag.endswith(INSIDE):
            kind = tag.removesuffix(INSIDE)
            # A bare tag is a whole chunk: nothing goes on behind it.
            if not normal or tags[len(normal) - 1] not in (kind + BEGIN, tag):
                before = f"behind {tags[len(normal) - 1]!r}" if normal else "at the beginning"
                raise InputError(
                    f"tag {len(normal) + 1}, {tag!r}, stands {before}; begin its chunk with {kind + BEGIN!r}"
                )
        normal.append(tag if tag.endswith((BEGIN, INSIDE)) else tag + BEGIN)
    return normal


def read_tsv(path: PathLike, known_tags: Collection[str] | None = None) -> list[TokenTags]:
    r"""Read a file in LARK's form, UTF-8; a mixture with our own form (`n-B` for a chunk of one token) is fine.

    Only \n and \r\n end a line, a space alone separates tokens. Empty lines at the end of the file are passed over.

    Args:
        path: the file.
        known_tags: what a tag must be one of, as it stands in the file: LARK's from `read_tag_dic`. None: any will do.

    Raises:
        InputError: names file and line for a missing or second tab, an empty sentence or token, unequal counts, an
            unknown tag, a `tag-I` that goes on with nothing, NUL, or what is not UTF-8; names the file that is empty
            or can't be read.
    """
    known = None if known_tags is None else frozenset(known_tags)
    sentences = []
    for number, line in enumerate(_lines(path, "give a file of `token token<TAB>tag tag`"), 1):
        place = f"{path}:{number}"
        fields = line.split("\t")
        if not fields[0].strip(" "):
            raise InputError(f"{place}: the sentence is empty; remove the line")
        if len(fields) != 2:
            raise InputError(f"{place}: {len(fields) - 1} tabs in {_short(line)}; put one between tokens and tags")
        tokens, bare = fields[0].split(" "), fields[1].split(" ")
        if "" in tokens:
            raise InputError(f"{place}: token {tokens.index('') + 1} is empty; put one space between two tokens")
        if len(tokens) != len(bare):
            raise InputError(f"{place}: {len(tokens)} tokens and {len(bare)} tags; give one tag a token")
        for index, tag in enumerate(bare, 1):
            if tag in ("", BEGIN, INSIDE) or (known is not None and tag not in known):
                raise InputError(f"{place}: tag {index}, {_short(tag)}, is unknown; correct it, or add it to tag.dic")
        try:
            tags = from_lark(bare)
        except InputError as error:
            raise InputError(f"{place}: {error}") from None
        sentences.append(TokenTags(tokens, tags, place))
    return sentences


def read_tag_dic(path: PathLike) -> list[str]:
    """Read LARK's `tag.dic`, a tag a line whose place is its id.

    Raises:
        InputError: names file and line for an empty or repeated tag, one with white space, NUL, or what is not UTF-8;
            names the file that is empty or can't be read.
    """
    tags = _lines(path, "give a file of one tag a line")
    first: dict[str, int] = {}
    for number, tag in enumerate(tags, 1):
        if tag in ("", BEGIN, INSIDE) or tag.split() != [tag]:
            raise InputError(f"{path}:{number}: {_short(tag)} is no tag; give a tag a line, without white space")
        if first.setdefault(tag, number) != number:
            raise InputError(
                f"{path}:{number}: {_short(tag)} stands already in line {first[tag]}; remove one of the two"
            )
    return tags


def _lines(path: PathLike, advice: str) -> list[str]:
    """Lines of a file, without empty ones at its end."""
    lines = list(read_lines(path))
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise InputError(f"{path}: has no line; {advice}")
    for number, line in enumerate(lines, 1):
        if "\0" in line:
            raise InputError(f"{path}:{number}: character {line.index(chr(0)) + 1} is NUL, which is no text; {advice}")
    return lines


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "...")
