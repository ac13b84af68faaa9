"""Words as the characters or bytes they are written with, for an encoder that gives every word a vector.

Source: Peters et al. (2018) and their bilm-tf, where a word is its UTF-8 bytes between a begin and an end mark.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elmo.checks import check_names, check_whole
from elmo.errors import InputError
from elmo.system.types import Ids
from elmo.text.vocabulary import BOS, EOS, Vocabulary

UTF8 = "utf-8"
SPECIAL_SYMBOLS = ("<bos>", "<eos>", "<bow>", "<eow>", "<pad>", "<oov>")  # sentence, word, padding, unknown
_BYTES = 256
_UTF8_SYMBOLS = {"<bos>": 256, "<eos>": 257, "<bow>": 258, "<eow>": 259, "<pad>": 260}


class Alphabet:
    """Codes of the symbols that words are written with.

    Args:
        symbols: "utf-8" for the 256 bytes and five marks (261 codes, bilm-tf's), or the symbols in the order of their
            codes, SPECIAL_SYMBOLS among them; all others are single characters.

    Raises:
        InputError: a special symbol is missing, or a symbol stands twice.
    """

    def __init__(self, symbols: str | Sequence[str]) -> None:
        self.symbols: str | tuple[str, ...] = symbols if isinstance(symbols, str) else tuple(symbols)
        if isinstance(self.symbols, str):
            if self.symbols != UTF8:
                raise InputError(f"alphabet is {symbols!r}: give {UTF8!r} or the list of symbols")
            self._codes = _UTF8_SYMBOLS
            return
        self._codes = {symbol: code for code, symbol in enumerate(self.symbols)}
        if missing := [symbol for symbol in SPECIAL_SYMBOLS if symbol not in self._codes]:
            raise InputError(f"the alphabet lacks {missing[0]}; it needs {', '.join(SPECIAL_SYMBOLS)}")
        if len(self._codes) != len(self.symbols):
            twice = Counter(self.symbols).most_common(1)[0][0]
            raise InputError(f"the alphabet has {twice!r} twice; every symbol has one code")

    @classmethod
    def from_counts(cls, words: Mapping[str, int], min_count: int = 1) -> Alphabet:
        """Make an alphabet of the special symbols and the characters of counted words, by falling count."""
        counts: Counter[str] = Counter()
        for word, count in words.items():
            for character in word:
                counts[character] += count
        kept = [character for character, count in counts.items() if count >= min_count]
        return cls((*SPECIAL_SYMBOLS, *sorted(kept, key=lambda character: (-counts[character], character))))

    def __len__(self) -> int:
        return _BYTES + len(_UTF8_SYMBOLS) if self.symbols == UTF8 else len(self.symbols)

    def encode(self, words: Sequence[str], max_characters: int) -> Ids:
        """Codes [words, max_characters]: word begin, the word (cut so that it fits), word end, padding.

        `<S>` and `</S>` are one symbol of their own between the marks. With "utf-8", lone surrogates become "?".
        """
        codes = np.full((len(words), max_characters), self._codes["<pad>"], dtype=np.int64)
        begin, end = self._codes["<bow>"], self._codes["<eow>"]
        marks = {BOS: [self._codes["<bos>"]], EOS: [self._codes["<eos>"]]}
        for row, word in enumerate(words):
            inner = marks.get(word) or self._inner(word, max_characters - 2)
            codes[row, : len(inner) + 2] = [begin, *inner, end]
        return codes

    def _inner(self, word: str, room: int) -> list[int]:
        if self.symbols == UTF8:
            return list(word[:room].encode(errors="replace")[:room])
        unknown = self._codes["<oov>"]
        return [self._codes.get(character, unknown) for character in word[:room]]


@dataclass(frozen=True)
class Lexicon:
    """Distinct words as a token encoder reads them; a batch's ids are their rows, not ids of the vocabulary.

    The lexicon of `make_lexicon` begins with `<S>` and `</S>`: rows 0 and 1.
    """

    word_ids: Ids  # [words], ids by the vocabulary, for encoders that have vectors of whole words as well
    codes: Ids  # [words, max_characters]; no columns where the encoder reads no characters

    def __len__(self) -> int:
        return len(self.word_ids)

    def rows(self, chosen: Ids) -> Lexicon:
        """Return the lexicon of the chosen words, in their order."""
        return Lexicon(self.word_ids[chosen], self.codes[chosen])


def make_lexicon(
    words: Iterable[str], vocabulary: Vocabulary, alphabet: Alphabet, max_characters: int
) -> tuple[dict[str, int], Lexicon]:
    """Collect the distinct words: returns the row of each, and the lexicon.

    A word that is too long for the encoder is cut before its id is looked up too, as ELMoForManyLangs does.
    """
    rows = {BOS: 0, EOS: 1}
    for word in words:
        rows.setdefault(word, len(rows))
    distinct = list(rows)
    word_ids = np.array(vocabulary.encode(word[: max_characters - 2] for word in distinct), dtype=np.int64)
    word_ids[:2] = vocabulary.bos_id, vocabulary.eos_id
    return rows, Lexicon(word_ids, alphabet.encode(distinct, max_characters))


def read_lexicon(
    counts: Mapping[str, int], vocabulary: Vocabulary, alphabet: Alphabet, max_characters: int
) -> tuple[Vocabulary, Lexicon]:
    """All counted words as a vocabulary, which turns text into ids, and as the lexicon that these ids are rows of."""
    words = Vocabulary.from_counts(counts)
    word_ids = np.array(vocabulary.encode(words), dtype=np.int64)
    return words, Lexicon(word_ids, alphabet.encode(words.tokens, max_characters))


@dataclass(frozen=True)
class TokenEncoderConfig:
    """Sizes of a token encoder."""

    alphabet: str | tuple[str, ...] = UTF8  # "utf-8", or the symbols; see `elmo.text.characters.Alphabet`
    char_embed_size: int = 16  # size of a character's vector
    filters: tuple[tuple[int, int], ...] = ((1, 16), (2, 32), (3, 64), (4, 64), (5, 64), (6, 64))  # (width, count)
    num_highway: int = 1  # highway layers
    activation: str = "relu"  # after the maximum: relu or tanh
    max_characters: int = 50  # symbols of a word, its begin and end mark included
    word_embed_size: int = 0  # size of the word's own vector, 0 for none

    def __post_init__(self) -> None:
        try:
            check_whole(self, "char_embed_size", "num_highway", "max_characters", "word_embed_size", least=0)
        except InputError as error:
            raise InputError(f"token_encoder: {error}") from None
        if self.activation not in ("relu", "tanh"):
            raise InputError(f"token_encoder: activation is {self.activation!r}: give relu or tanh")
        if not self.filters and not self.word_embed_size:
            raise InputError("token_encoder: there are neither filters nor word vectors to read words with")
        if self.filters and (self.char_embed_size < 1 or self.max_characters < 3):
            raise InputError("token_encoder: filters need a char_embed_size of at least 1 and 3 max_characters")
        for pair in self.filters:
            if len(pair) != 2 or any(type(value) is not int or value < 1 for value in pair):
                raise InputError(f"token_encoder: the filter {pair!r} is no (width, count)")
            if pair[0] > self.max_characters:
                raise InputError(f"token_encoder: a filter is {pair[0]} wide, words have {self.max_characters} symbols")
        Alphabet(self.alphabet)

    @classmethod
    def from_dict(cls, fields: Any) -> TokenEncoderConfig:
        """Make a configuration from JSON's lists; InputError names what is unknown or of the wrong kind."""
        if not isinstance(fields, dict):
            raise InputError(f"token_encoder is {fields!r}: give its sizes by name")
        check_names(fields, cls, "token_encoder")
        fields = dict(fields)
        try:
            if "filters" in fields:
                fields["filters"] = tuple(tuple(pair) for pair in fields["filters"])
            if not isinstance(fields.get("alphabet", UTF8), str):
                fields["alphabet"] = tuple(fields["alphabet"])
                if not all(isinstance(symbol, str) for symbol in fields["alphabet"]):
                    raise TypeError
        except TypeError:
            raise InputError("token_encoder: filters must be pairs of numbers, the alphabet symbols") from None
        return cls(**fields)

    @property
    def num_filters(self) -> int:
        """Numbers that the characters give a word."""
        return sum(count for _, count in self.filters)
