"""Text as BERT reads Chinese: Chinese characters one by one, other words in pieces of a vocabulary.

Source: the public tokenizer of Devlin et al. (2019): cleaning, lower case without accents, then WordPiece, the longest
piece first. It is written anew here so that every piece knows where in the text it stands.
"""

from __future__ import annotations

import string
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from elmo.errors import InputError
from elmo.text.vocabulary import Vocabulary

PAD, UNKNOWN, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
INSIDE = "##"  # begins a piece that goes on with a word
_LONGEST_WORD = 100  # characters; a longer word is unknown
_CACHED_CHARACTERS = 1 << 16
_CHINESE = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


class PieceVocabulary(Vocabulary):
    """Characters and pieces of words, with BERT's special tokens; a sentence begins with [CLS] and ends with [SEP]."""

    __slots__ = ()
    bos, eos, unk = CLS, SEP, UNKNOWN
    special_tokens = (PAD, UNKNOWN, CLS, SEP, MASK)

    @classmethod
    def from_words(
        cls, words: Mapping[str, int], min_count: int = 1, max_size: int | None = None, lower_case: bool = True
    ) -> PieceVocabulary:
        """Make a vocabulary from counted words: special tokens, Latin letters and digits, then what is frequent.

        What is frequent are Chinese characters, punctuation and whole words of other scripts. Letters and digits are
        there alone and inside a word, so that a rare word is spelt and not unknown.

        Args:
            words: how often each word of a text occurs.
            min_count: what occurs less often is left out.
            max_size: tokens at most.
            lower_case: as the tokenizer that will use it.

        Raises:
            InputError: `min_count` is below 1, or `max_size` too small for what is always there.
        """
        letters = string.digits + string.ascii_lowercase + ("" if lower_case else string.ascii_uppercase)
        always = [*cls.special_tokens, *letters, *(INSIDE + letter for letter in letters)]
        if min_count < 1:
            raise InputError(f"min_count is {min_count}: give 1 (everything) or more")
        if max_size is not None and max_size < len(always):
            raise InputError(f"max_size is {max_size}: give at least {len(always)}, for special tokens and letters")
        counts: Counter[str] = Counter()
        for word, count in words.items():
            for characters in split_words(word, lower_case):
                counts["".join(character for character, _ in characters)] += count
        for token in always:
            del counts[token]
        kept = [token for token, count in counts.items() if count >= min_count and len(token) <= _LONGEST_WORD]
        kept.sort(key=lambda token: (-counts[token], token))
        return cls([*always, *kept][:max_size])

    @property
    def pad_id(self) -> int:
        """Id of [PAD], which fills a row up."""
        return self._ids[PAD]

    @property
    def mask_id(self) -> int:
        """Id of [MASK], which stands for what is to be predicted."""
        return self._ids[MASK]


class Piece(NamedTuple):
    """A token, its id, and where in the text it stands: text[begin:end]."""

    token: str
    id: int
    begin: int
    end: int


class PieceTokenizer:
    """Cuts text into tokens of a vocabulary; a special token's name in a text is text like any other.

    Args:
        vocabulary: the model's own.
        lower_case: turn letters into lower case and drop accents first, as the model's training did.
    """

    def __init__(self, vocabulary: PieceVocabulary, lower_case: bool = True) -> None:
        self.vocabulary, self.lower_case = vocabulary, lower_case
        self._ids = {token: token_id for token_id, token in enumerate(vocabulary)}
        self._longest = max(map(len, self._ids))

    def tokenize(self, text: str) -> list[Piece]:
        """Cut a text into pieces, in their order; [UNK] for a word that can't be put together from pieces.

        Raises:
            InputError: `text` is no string.
        """
        if not isinstance(text, str):
            raise InputError(f"tokenize was given {text!r}: give a string")
        pieces: list[Piece] = []
        for characters in split_words(text, self.lower_case):
            pieces += self._cut(characters)
        return pieces

    def _cut(self, characters: list[tuple[str, int]]) -> list[Piece]:
        """Cut a word, characters with their places in the text, into the longest pieces, from its beginning."""
        word = "".join(character for character, _ in characters)
        ids = self._ids
        first, last = characters[0][1], characters[-1][1]
        pieces: list[Piece] = []
        begin = 0
        while begin < len(word) <= _LONGEST_WORD:
            for end in range(min(len(word), begin + self._longest), begin, -1):
                token = INSIDE + word[begin:end] if begin else word[begin:end]
                if token in ids:
                    break
            else:
                break
            pieces.append(Piece(token, ids[token], characters[begin][1], characters[end - 1][1] + 1))
            begin = end
        return pieces if begin == len(word) else [Piece(UNKNOWN, self.vocabulary.unk_id, first, last + 1)]


def split_words(text: str, lower_case: bool = True) -> Iterator[list[tuple[str, int]]]:
    """Yield the words of a text, cleaned: characters with their places in the text.

    A Chinese character or a punctuation mark is a word of its own; control characters are dropped.
    """
    word: list[tuple[str, int]] = []
    for place, character in enumerate(text):
        kept, alone = _clean(character, lower_case)
        if kept is None or alone:
            if word:
                yield word
            word = []
            if kept:
                yield [(part, place) for part in kept]
        else:
            word += [(part, place) for part in kept]
    if word:
        yield word


@lru_cache(_CACHED_CHARACTERS)
def _clean(character: str, lower_case: bool) -> tuple[str | None, bool]:
    """Return what a character becomes (None for white space, "" for nothing), and whether it is a word of its own."""
    if character in " \t\n\r":
        return None, False
    if character == "\ufffd" or unicodedata.category(character).startswith("C"):
        return "", False
    if character.isspace():
        return None, False
    code = ord(character)
    alone = any(low <= code <= high for low, high in _CHINESE)
    if lower_case:
        decomposed = unicodedata.normalize("NFD", character)
        character = "".join(part for part in decomposed if unicodedata.category(part) != "Mn").lower()
    return character, alone or any(map(_is_punctuation, character))


def _is_punctuation(character: str) -> bool:
    """Whether it is punctuation to BERT: Unicode's, and all ASCII that is neither letter, digit nor control."""
    ascii_mark = character.isascii() and character in string.punctuation
    return ascii_mark or unicodedata.category(character).startswith("P")
