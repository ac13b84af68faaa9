"""The vocabulary, a file of one token a line whose place is its id, and the counting of words that it is made from."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from elmo.errors import InputError
from elmo.system.files import replacing
from elmo.system.inputs import blocks_of_lines, open_regular, read_whole
from elmo.system.types import PathLike

BOS = "<S>"
EOS = "</S>"
UNK = "<UNK>"
SPECIAL_TOKENS = (BOS, EOS, UNK)

# Above this share of unknown words a warning is due. The released models leave an eighth of the book's own text
# unknown; text of another script, or that nobody has segmented, loses two fifths and more.
UNKNOWN_BOUND = 0.25

_BYTE_ORDER_MARK = "\ufeff"
_CODE_POINTS = 0x110000
_READ_BYTES = 1 << 20


class Vocabulary:
    """An immutable, ordered set of tokens with their ids 0 .. len - 1, in the file format of LARK's ELMo.

    Args:
        tokens: distinct, not empty, without line ends, `<S>`, `</S>` and `<UNK>` among them, in any order.
        source: the file they come from, to be named in an error.

    Raises:
        InputError: one of these does not hold; names the token and its line, which is its id + 1.
    """

    __slots__ = ("_fingerprint", "_ids", "_tokens")
    bos, eos, unk = BOS, EOS, UNK  # how this kind of vocabulary writes them
    special_tokens: tuple[str, ...] = SPECIAL_TOKENS  # what it can't do without

    def __init__(self, tokens: Iterable[str], *, source: PathLike | None = None) -> None:
        self._tokens = tuple(tokens)
        self._ids = {token: token_id for token_id, token in enumerate(self._tokens)}
        problem = _find_problem(self._tokens, self._ids, self.special_tokens)
        if problem is not None:
            index, complaint = problem
            place = f"vocabulary of {len(self._tokens)} tokens" if source is None else f"{source}"
            raise InputError(f"{place}: {complaint}" if index is None else f"{place}:{index + 1}: {complaint}")
        self._fingerprint = hashlib.sha256("\n".join(self._tokens).encode()).hexdigest()

    @classmethod
    def load(cls, path: PathLike) -> Self:
        r"""Read a file of one token a line, UTF-8, lines ended by \n or \r\n; no other character ends a line.

        Every line is kept exactly as it is. A byte order mark and empty lines at the end of the file are passed over.

        Raises:
            InputError: the file is missing, empty or not UTF-8, a line empty or repeated, or a special token missing.
        """
        data = _read_bytes(path)
        try:
            text = data.decode().removeprefix(_BYTE_ORDER_MARK)
        except UnicodeDecodeError as error:
            raise invalid_utf8(path, error) from None
        tokens = text.split("\n")
        if "\r" in text:
            tokens = [line.removesuffix("\r") for line in tokens]
        while tokens and not tokens[-1]:
            tokens.pop()
        if not tokens:
            raise InputError(f"{path}: the vocabulary is empty; make one with `elmo vocab`")
        return cls(tokens, source=path)

    @classmethod
    def from_counts(cls, counts: Mapping[str, int], min_count: int = 1, max_size: int | None = None) -> Vocabulary:
        """Make a vocabulary of `<S>`, `</S>`, `<UNK>` and the words by falling count, equal counts by code point.

        Args:
            counts: how often each word occurs; a special token that occurs as a word is not added a second time.
            min_count: words that occur less often are left out.
            max_size: at most so many tokens, the three special ones included.

        Raises:
            InputError: `min_count` is below 1, `max_size` below 3, or a word is no token.
        """
        if min_count < 1:
            raise InputError(f"min_count is {min_count}: give 1 (every word) or more")
        if max_size is not None and max_size < len(SPECIAL_TOKENS):
            raise InputError(f"max_size is {max_size}: give at least 3, the number of special tokens")
        words = (word for word, count in counts.items() if count >= min_count and word not in SPECIAL_TOKENS)
        ordered = sorted(words, key=lambda word: (-counts[word], word))
        return cls((*SPECIAL_TOKENS, *ordered)[:max_size])

    def save(self, path: PathLike) -> None:
        r"""Write one token a line, UTF-8, each line ended by \n; the file appears whole or not at all."""
        try:
            with replacing(path, parents=True) as temporary:
                temporary.write_bytes("".join(f"{token}\n" for token in self._tokens).encode())
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror}); choose another place") from error

    @property
    def tokens(self) -> tuple[str, ...]:
        """All tokens in the order of their ids."""
        return self._tokens

    @property
    def bos_id(self) -> int:
        """Id of `<S>`, which begins a sentence."""
        return self._ids[self.bos]

    @property
    def eos_id(self) -> int:
        """Id of `</S>`, which ends a sentence."""
        return self._ids[self.eos]

    @property
    def unk_id(self) -> int:
        """Id of `<UNK>`, which stands for every word that is not in the vocabulary."""
        return self._ids[self.unk]

    @property
    def fingerprint(self) -> str:
        r"""SHA-256, in hexadecimal, of the tokens joined by \n: equal for equal vocabularies."""
        return self._fingerprint

    def encode(self, words: Iterable[str]) -> list[int]:
        """Return the id of each word, `unk_id` for those that are not in the vocabulary."""
        ids, unk_id = self._ids, self.unk_id
        return [ids.get(word, unk_id) for word in words]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Return the token of each id; InputError for an id that is not within 0 .. len - 1."""
        tokens = []
        for token_id in ids:
            if not 0 <= token_id < len(self._tokens):
                raise InputError(f"id {token_id} is not in the vocabulary: ids go from 0 to {len(self._tokens) - 1}")
            tokens.append(self._tokens[token_id])
        return tokens

    def __len__(self) -> int:
        return len(self._tokens)

    def __contains__(self, token: object) -> bool:
        return token in self._ids

    def __iter__(self) -> Iterator[str]:
        return iter(self._tokens)

    def __eq__(self, other: object) -> bool:
        return self._tokens == other._tokens if isinstance(other, Vocabulary) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._fingerprint)

    def __repr__(self) -> str:
        return f"Vocabulary({len(self._tokens)} tokens, fingerprint {self._fingerprint[:12]})"


def count_words(paths: Iterable[PathLike]) -> Counter[str]:
    """Count the words of segmented shards (UTF-8, words separated by white space), reading about a megabyte at a time.

    Raises:
        InputError: there is no path, or a file is missing or not UTF-8 (naming line and byte).
    """
    counts: Counter[str] = Counter()
    path = None
    for path in paths:
        line_number = 1
        try:
            with open_regular(path) as file:
                for block in blocks_of_lines(file):
                    text = block.decode()
                    counts.update((text.removeprefix(_BYTE_ORDER_MARK) if line_number == 1 else text).split())
                    line_number += block.count(b"\n")
        except UnicodeDecodeError as error:
            raise invalid_utf8(path, error, line_number) from None
        except OSError as error:
            raise InputError(
                f"{path}: cannot be read ({error.strerror}); give shards made by `elmo preprocess`"
            ) from error
    if path is None:
        raise InputError("no shards were given to count words in; make them with `elmo preprocess`")
    return counts


@dataclass(frozen=True)
class Coverage:
    """How much of a text a vocabulary knows, and what it costs to spell the rest."""

    words: int
    unknown_words: int
    characters: int  # of all words
    spelling_nats: float  # of all unknown words, see `measure_coverage`

    @property
    def unknown_share(self) -> float:
        """Unknown words among all words, 0 to 1."""
        return self.unknown_words / max(self.words, 1)


def measure_coverage(counts: Mapping[str, int], known: Container[str], vocabulary: Vocabulary) -> Coverage:
    """Measure what of counted words is known, and how many nats it takes to spell what is not.

    A word that is `<UNK>` to a model is spelt by one that knows nothing but an alphabet: a character of the known
    words, the word's end, and "another character" each have probability 1 / (alphabet + 2); another one is any code
    point of Unicode's 1,114,112. Together with the nats of the `<UNK>` these are nats of the text itself, so that
    vocabularies of any size, and segmenters, can be compared by nats per character.

    Args:
        counts: how often each word of the text occurs.
        known: words that are told apart; the vocabulary, or what it has in common with another one.
        vocabulary: whose words make the alphabet, as far as they are known.
    """
    special = set(vocabulary.special_tokens)
    alphabet = {character for word in vocabulary if word in known and word not in special for character in word}
    step, other = math.log(len(alphabet) + 2), math.log(_CODE_POINTS)
    words = unknown = characters = 0
    nats = 0.0
    for word, count in counts.items():
        words += count
        characters += count * len(word)
        if word not in known or word == vocabulary.unk:
            unknown += count
            outside = sum(character not in alphabet for character in word)
            nats += count * ((len(word) + 1) * step + outside * other)
    return Coverage(words, unknown, characters, nats)


def unknown_warning(unknown: int, total: int, what: str) -> str | None:
    """What to say where more than UNKNOWN_BOUND of the words (or characters) of a text are unknown; else None."""
    if unknown <= UNKNOWN_BOUND * total:
        return None
    return (
        f"{unknown / total:.0%} of {what} are unknown to the vocabulary, so results mislead: segment the text as that "
        "of the vocabulary was, bring it into the same script (--normalise simplified), or make a vocabulary of such "
        "text (elmo vocab)"
    )


def invalid_utf8(path: PathLike, error: UnicodeDecodeError, first_line: int = 1) -> InputError:
    """Name line and byte of a decoding error, in bytes that begin with line `first_line` of a file."""
    line = first_line + error.object.count(b"\n", 0, error.start)
    byte = error.start - error.object.rfind(b"\n", 0, error.start)
    value = error.object[error.start]
    return InputError(f"{path}:{line}: byte {byte} of the line, 0x{value:02x}, is not UTF-8; save the file as UTF-8")


def _read_bytes(path: PathLike) -> bytes:
    try:
        return read_whole(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give a vocabulary of one token a line") from error


def _find_problem(
    tokens: Sequence[str], ids: Mapping[str, int], special_tokens: Sequence[str]
) -> tuple[int | None, str] | None:
    """Return what is wrong with the tokens, as the index of the culprit (None: no single one) and a message."""
    if "" in ids:
        return tokens.index(""), "the line is empty; remove it"
    if len(ids) != len(tokens):
        first: dict[str, int] = {}
        for index, token in enumerate(tokens):
            if token in first:
                return index, f"{token!r} stands already in line {first[token] + 1}; remove one of the two"
            first[token] = index
    for index, token in enumerate(tokens):
        if "\n" in token or "\r" in token:
            return index, f"{token!r} contains a line end, which would break the file of one token a line"
    try:
        "".join(tokens).encode()
    except UnicodeEncodeError as error:
        culprit = error.object[error.start]
        index = next(index for index, token in enumerate(tokens) if culprit in token)
        return index, f"{tokens[index]!r} contains a lone surrogate, which UTF-8 cannot hold; remove it"
    if tokens and tokens[0].startswith(_BYTE_ORDER_MARK):
        return 0, f"{tokens[0]!r} begins the file with a byte order mark, which reading drops; move it further down"
    missing = [token for token in special_tokens if token not in ids]
    if missing:
        return None, f"the vocabulary lacks {', '.join(missing)}; add each as a line of its own"
    return None
