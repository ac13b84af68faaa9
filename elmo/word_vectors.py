"""Vectors of words as word2vec makes them, one a word: similarity, nearest words, analogies, their file."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from elmo.checks import check_names, check_positive, check_seed, check_whole, config_of_file
from elmo.errors import InputError
from elmo.models import ModelFiles, check_parameters, read_model, write_model
from elmo.system.types import PathLike, Vectors
from elmo.text.vocabulary import Vocabulary

KIND = "skipgram"


@dataclass(frozen=True)
class SkipGramConfig:
    """How word vectors are trained; names are gensim's, where gensim has them."""

    vector_size: int = 128
    window: int = 5  # furthest context word; each word draws its own reach from 1 .. window
    negative: int = 5  # noise words that a pair is told from
    sample: float = 1e-3  # words with more than 2.62 times this share of the text are thinned out; 0 keeps all
    min_count: int = 5  # rarer words are left out, before windows are made
    epochs: int = 5  # passes over the text
    learning_rate: float = 0.025  # falls linearly with the words read ...
    min_learning_rate: float = 1e-4  # ... to this
    batch_words: int = 1024  # words whose steps are taken together; fewer if the vocabulary is small
    seed: int = 0

    def __post_init__(self) -> None:
        check_whole(self, "vector_size", "window", "negative", "min_count", "epochs", "batch_words")
        check_seed(self.seed, "seed")
        check_positive(self, "sample", "learning_rate", "min_learning_rate", or_zero=True)
        if not 0 < self.learning_rate >= self.min_learning_rate:
            raise InputError(
                f"learning_rate is {self.learning_rate:g} and min_learning_rate {self.min_learning_rate:g}: "
                "the first must be above 0 and not below the second"
            )

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> SkipGramConfig:
        """Make a configuration from the fields as JSON keeps them; InputError names one that is unknown."""
        check_names(fields, cls, "the configuration")
        return cls(**fields)


def unit_rows(vectors: Vectors) -> Vectors:
    """Vectors [..., dim] scaled to length 1; one of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths))


class WordVectors:
    """One vector a word.

    A row of zeros means that the token has no vector: the special tokens, and words that the training text lacked.

    Args:
        vocabulary: names the rows.
        vectors: [words, dim], float32.
        config: how they were trained.
        provenance: on what, for people; saved with them.

    Raises:
        InputError: not one row for each token of the vocabulary.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        vectors: npt.NDArray[np.float32],
        config: SkipGramConfig | None = None,
        provenance: dict[str, Any] | None = None,
    ) -> None:
        vectors = np.asarray(vectors, dtype=np.float32)
        if vectors.ndim != 2 or len(vectors) != len(vocabulary):
            raise InputError(
                f"vectors have shape {list(vectors.shape)} for a vocabulary of {len(vocabulary)} tokens: "
                "give one row a token, [words, dim]"
            )
        self.vocabulary = vocabulary
        self.vectors = vectors
        self.config = config or SkipGramConfig(vector_size=vectors.shape[1])
        self.provenance = provenance or {}

    def vector(self, word: str) -> npt.NDArray[np.float32]:
        """Return the vector of a word, [dim]; InputError if it has none."""
        return np.asarray(self.vectors[self._row(word)])

    def similarity(self, first: str, second: str) -> float:
        """Return the cosine of two words' vectors; InputError if one has none."""
        return float(self._units[self._row(first)] @ self._units[self._row(second)])

    def most_similar(
        self, positive: str | Sequence[str], negative: str | Sequence[str] = (), topn: int = 10
    ) -> list[tuple[str, float]]:
        """Return the `topn` words nearest to the sum of some words less the sum of others, with their cosines.

        All vectors are scaled to length 1 before they are summed; the given words are not among the answers.

        Raises:
            InputError: a word has no vector, no word is given, or `topn` is less than 1.
        """
        if topn < 1:
            raise InputError(f"topn is {topn}: give 1 or more")
        plus = [self._row(word) for word in ([positive] if isinstance(positive, str) else positive)]
        minus = [self._row(word) for word in ([negative] if isinstance(negative, str) else negative)]
        if not plus and not minus:
            raise InputError("there is no word to compare with: give one or more")
        target = self._units[plus].sum(axis=0) - self._units[minus].sum(axis=0)
        cosines = self._units @ target / max(float(np.linalg.norm(target)), np.finfo(np.float32).tiny)
        cosines[~self._has_vector] = -np.inf
        cosines[plus + minus] = -np.inf
        order = np.argsort(-cosines, kind="stable")[:topn]
        return [(self.vocabulary.tokens[row], float(cosines[row])) for row in order if cosines[row] > -np.inf]

    def analogy(self, a: str, b: str, c: str, topn: int = 10) -> list[tuple[str, float]]:
        """Answer "a is to b as c is to ?" by the words nearest to b - a + c (3CosAdd, Mikolov, Yih and Zweig 2013)."""
        return self.most_similar([b, c], [a], topn)

    def save_pretrained(self, directory: PathLike, *, dtype: str = "float32", overwrite: bool = False) -> None:
        """Write a model directory, see `elmo.models.write_model`; it appears whole or not at all."""
        config = dataclasses.asdict(self.config)
        files = ModelFiles(KIND, config, self.vocabulary, {"vectors": self.vectors}, self.provenance)
        write_model(directory, files, dtype=dtype, overwrite=overwrite)

    @classmethod
    def from_files(cls, files: ModelFiles, place: object) -> WordVectors:
        """Make them of what was read of a model; raises as `from_pretrained`."""
        config = config_of_file(SkipGramConfig, files.config, files.vocabulary, place)
        check_parameters({"vectors": (len(files.vocabulary), config.vector_size)}, files.arrays, place)
        return cls(files.vocabulary, files.arrays["vectors"], config, files.provenance)

    @classmethod
    def from_pretrained(cls, path_or_name: PathLike) -> WordVectors:
        """Read what `save_pretrained` wrote; InputError if it is missing, damaged, or of another class."""
        return cls.from_files(read_model(path_or_name, kind=KIND), path_or_name)

    save, load = save_pretrained, from_pretrained  # shorter names of the same

    def __contains__(self, word: object) -> bool:
        return word in self.vocabulary and bool(self._has_vector[self.vocabulary.encode([str(word)])[0]])

    def __iter__(self) -> Iterator[str]:
        return (word for word, has in zip(self.vocabulary.tokens, self._has_vector, strict=True) if has)

    def __len__(self) -> int:
        return int(self._has_vector.sum())

    def __repr__(self) -> str:
        return f"WordVectors({len(self):,} words, {self.vectors.shape[1]} numbers a vector)"

    def _row(self, word: str) -> int:
        if word not in self:
            raise InputError(f"{word!r} has no vector: it was not in the training text, or too rare; ask for another")
        return self.vocabulary.encode([word])[0]

    @cached_property
    def _has_vector(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.vectors.any(axis=1))

    @cached_property
    def _units(self) -> npt.NDArray[np.float32]:
        return np.asarray(unit_rows(self.vectors), dtype=np.float32)
