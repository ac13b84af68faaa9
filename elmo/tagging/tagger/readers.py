"""What makes a tagger's input of a segmenter's words: its tokens, their ids and the vectors beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from elmo.encoding.features import CHARACTERS, Features
from elmo.system.types import Ids
from elmo.tagging.baidu_files import LacDictionaries, lac_dictionaries
from elmo.tagging.baidu_text import LacReader, read_tokens
from elmo.tagging.network import TaggerConfig, TaggerInput, check_unit
from elmo.tagging.segmenter import split_characters
from elmo.text.vocabulary import Vocabulary

_BLOCK = 2048  # sentences whose vectors are computed before they are made smaller


class Reader:
    """Makes a `TaggerInput` of the segmenter's words; `_read` says what its tokens are.

    Args:
        config: says what a token is.
        features: give vectors; None for none.
        dtype: in which vectors are kept. Half precision ("float16") is enough: a sentence has some thousand numbers a
            word.

    Raises:
        InputError: the vectors are of characters, and the tokens are words.
    """

    def __init__(self, config: TaggerConfig, features: Features | None = None, dtype: str = "float32") -> None:
        self.config, self.features, self.dtype = config, features, dtype
        self.unit = config.unit if features is None else features.unit
        check_unit(self.unit, config.tokens)

    def read(
        self, segmented: Sequence[list[str]], report: Callable[[str], None] = lambda line: None
    ) -> list[TaggerInput]:
        """Sentences from the segmenter's words of each, with their vectors; many are reported block by block."""
        found = [self._read(words) for words in segmented]
        if self.features is not None:
            add_vectors(found, self.features, self.dtype, report)
        return found

    def tokens(self, words: list[str]) -> list[str]:
        """What the network reads of the segmenter's words of a text."""
        return self._read(words).tokens

    def _read(self, words: list[str]) -> TaggerInput:
        raise NotImplementedError

    def _units(self, words: Sequence[str], tokens: Sequence[str]) -> tuple[list[str], Ids]:
        """What has vectors, and for each token the number of the unit in which its first character stands."""
        units = list("".join(words)) if self.unit == CHARACTERS else list(words)
        unit_of = np.repeat(np.arange(len(units)), np.array([len(unit) for unit in units], np.int64))
        lengths = np.array([len(token) for token in tokens], np.int64)
        return units, unit_of[np.cumsum(lengths) - lengths]


def add_vectors(
    sentences: Sequence[TaggerInput], features: Features, dtype: str, report: Callable[[str], None]
) -> None:
    """Give sentences their vectors, block by block, so that those of one block alone are there in full precision."""
    for begin in range(0, len(sentences), _BLOCK):
        block = sentences[begin : begin + _BLOCK]
        for sentence, vectors in zip(block, features.encode([each.units for each in block]), strict=True):
            sentence.vectors = vectors.astype(dtype, copy=False)
        if len(sentences) > _BLOCK:
            report(f"vectors of {begin + len(block):,} of {len(sentences):,} sentences")


class SentenceReader(Reader):
    """Makes a `TaggerInput` of the segmenter's words.

    Args:
        vocabulary: of the tokens.
        config, features, dtype: see `Reader`.
        elmo_vocabulary: of a biLM that is part of the network; None for none.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        config: TaggerConfig,
        features: Features | None = None,
        elmo_vocabulary: Vocabulary | None = None,
        *,
        dtype: str = "float32",
    ) -> None:
        super().__init__(config, features, dtype)
        self.vocabulary, self.elmo_vocabulary = vocabulary, elmo_vocabulary

    def _read(self, words: list[str]) -> TaggerInput:
        tokens = list(words)
        places = np.zeros(len(words), np.int64)
        if self.config.reads_places:
            tokens, _, places = split_characters(words, self.vocabulary if self.config.tokens == "mixed" else ())
        units, owners = self._units(words, tokens)
        ids = np.array(self.vocabulary.encode(tokens), np.int64)
        elmo_ids = None if self.elmo_vocabulary is None else self.elmo_vocabulary.encode(units)
        return TaggerInput(tokens, ids, owners, places, units, elmo_ids=elmo_ids)


class LacSentenceReader(Reader):
    """Makes a `TaggerInput` of the segmenter's words, with the inputs of Baidu's LAC as tokens.

    A token has the vector of the segmenter's word, or of the character, in which its first character stands.

    Args:
        dictionaries: by which LAC reads.
        config, features, dtype: see `Reader`.
    """

    def __init__(
        self,
        dictionaries: LacDictionaries,
        config: TaggerConfig,
        features: Features | None = None,
        dtype: str = "float32",
    ) -> None:
        super().__init__(config, features, dtype)
        self._reader = LacReader(dictionaries)

    def _read(self, words: list[str]) -> TaggerInput:
        ids, tokens = read_tokens(self._reader, "".join(words))
        units, owners = self._units(words, tokens)
        return TaggerInput(tokens, np.array(ids, np.int64), owners, np.zeros(len(ids), np.int64), units)


def make_reader(
    config: TaggerConfig,
    vocabulary: Vocabulary,
    features: Features | None = None,
    elmo_vocabulary: Vocabulary | None = None,
) -> Reader:
    """What reads sentences for a network of this configuration, with vectors in half precision.

    Raises:
        InputError: the dictionaries of Baidu's LAC are damaged, or vectors and tokens do not fit.
    """
    if config.lac is not None:
        return LacSentenceReader(lac_dictionaries(config.lac, vocabulary), config, features, "float16")
    return SentenceReader(vocabulary, config, features, elmo_vocabulary, dtype="float16")
