"""Vectors of any model that gives them, behind one method: ELMo, BERT or ERNIE, word2vec; what `elmo encode` uses."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from elmo.convert import read_any
from elmo.encoding.bert import Bert
from elmo.encoding.encoder import Encoder, StatefulEncoder, reads_as_trained
from elmo.encoding.features import WordVectorFeatures
from elmo.errors import InputError
from elmo.models import ModelFiles
from elmo.system.types import PathLike, Sentence, Vectors
from elmo.text.normalise import Normaliser
from elmo.text.segment import Segmenter
from elmo.text.shards import read_lines
from elmo.word_vectors import KIND as WORD2VEC
from elmo.word_vectors import WordVectors


class StreamEncoder(Protocol):
    """What encodes any number of sentences in bounded memory."""

    def encode_stream(self, sentences: Iterable[Sentence], batch_size: int = 64) -> Iterator[tuple[list[str], Vectors]]:
        """Words, or pieces of words, and their vectors [layers, words, dim], of each sentence in order."""
        ...

    def count_unknown(self, words: Sequence[str]) -> int:
        """How many of these words, or pieces, the model does not know."""
        ...


class _Elmo:
    def __init__(self, encoder: Encoder, positions: Any, carry_state: bool) -> None:
        self._stream = (StatefulEncoder(encoder) if carry_state else encoder).encode_stream
        self.count_unknown = encoder.count_unknown
        self._positions = positions

    def encode_stream(self, sentences: Iterable[Sentence], batch_size: int = 64) -> Iterator[tuple[list[str], Vectors]]:
        return self._stream(sentences, batch_size, positions=self._positions)


class _Pieces:
    def __init__(self, bert: Bert) -> None:
        self._bert = bert

    def count_unknown(self, words: Sequence[str]) -> int:
        return list(words).count(self._bert.vocabulary.unk)

    def encode_stream(self, sentences: Iterable[Sentence], batch_size: int = 64) -> Iterator[tuple[list[str], Vectors]]:
        for pieces, vectors in self._bert.encode_stream(sentences, batch_size):
            yield [piece.token for piece in pieces], vectors


class _Words:
    def __init__(self, vectors: WordVectors, segmenter: Segmenter, normalise: Sequence[str]) -> None:
        self._vectors = vectors
        self._features = WordVectorFeatures(vectors)
        self._segmenter = segmenter
        self._normalise = Normaliser(normalise)

    def count_unknown(self, words: Sequence[str]) -> int:
        return sum(word not in self._vectors for word in words)

    def encode_stream(self, sentences: Iterable[Sentence], batch_size: int = 64) -> Iterator[tuple[list[str], Vectors]]:
        for sentence in sentences:
            if isinstance(sentence, str):
                words = self._segmenter.cut(self._normalise(sentence))
            else:
                words = self._normalise.words(list(sentence))
            yield words, self._features.encode([words])[0].astype(np.float32, copy=False)


AnyModel = Encoder | Bert | WordVectors


def check_gives_vectors(files: ModelFiles, place: object) -> None:
    """InputError for a model of a kind that gives no vectors of text."""
    if files.kind not in (Encoder.kind, Bert.kind, WORD2VEC):
        raise InputError(f"{place}: holds a {files.kind} model, which gives no vectors; give an ELMo, BERT or word2vec")


def open_files(files: ModelFiles, place: object, segmenter: str | None = None) -> AnyModel:
    """Make a model of what was read of it, of any kind that gives vectors; `segmenter` is an ELMo's.

    Raises:
        InputError: it is of another kind, or its parts do not belong together.
    """
    check_gives_vectors(files, place)
    if files.kind == Encoder.kind:
        return Encoder.from_files(files, place, segmenter)
    return Bert.from_files(files, place) if files.kind == Bert.kind else WordVectors.from_files(files, place)


def load_encoder(
    model: PathLike,
    segmenter: str | None = None,
    vocab_path: PathLike | None = None,
    *,
    user_dictionary: PathLike | None = None,
    normalise: Sequence[str] | None = None,
    positions: str = "own",
    carry_state: bool = False,
) -> StreamEncoder:
    """Load a model of any kind that gives vectors.

    Args:
        model, vocab_path: see `elmo.convert.read_any`.
        segmenter, user_dictionary: what cuts strings into words; None: what cut the model's text. BERT and ERNIE read a
            string as it is.
        normalise: steps, see `elmo.text.normalise`; None: those of the model's text.
        positions, carry_state: of an ELMo, see `elmo.encoding.encoder`.

    Raises:
        InputError: it can't be read, gives no vectors, or is no ELMo and one of the last two is asked for.
    """
    files = read_any(model, vocab_path=vocab_path)
    check_gives_vectors(files, model)
    if files.kind == Encoder.kind:
        options: dict[str, Any] = {"user_dictionary": user_dictionary, "normalise": normalise}
        return _Elmo(Encoder.from_files(files, model, segmenter, **options), positions, carry_state)
    if positions != "own" or carry_state:
        raise InputError(f"{model}: is a {files.kind} model: --positions and --carry_state are for an ELMo")
    if files.kind == Bert.kind:
        if user_dictionary is not None:
            raise InputError(f"{model}: reads characters, not words: leave --user_dictionary out")
        return _Pieces(Bert.from_files(files, model, normalise=normalise))
    cut, steps = reads_as_trained(files.provenance, model, segmenter, user_dictionary, normalise)
    return _Words(WordVectors.from_files(files, model), cut, steps)


def read_sentences_of(source: PathLike, field: str | None = None, encoding: str = "utf-8") -> Iterator[Sentence]:
    """Yield the sentence of each line: the line itself, or what a field of the JSON object in it says.

    Args:
        source: file, or "-" for standard input.
        field: name of the field, which holds a string or a list of words.
        encoding: of the file, utf-8 or gb18030.

    Raises:
        InputError: the file can't be read, or a line is no JSON object with such a field; names the line.
    """
    if field is None and os.fspath(source).endswith((".jsonl", ".ndjson")):
        raise InputError(f"{source}: say which field of its objects is the sentence, as in --field text")
    for number, line in enumerate(read_lines(source, encoding), 1):
        yield line if field is None else _field_of(line, field, f"{source}:{number}")


def _field_of(line: str, field: str, place: str) -> Sentence:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise InputError(f"{place}: is no JSON object; give one a line, or leave --field out for plain text")
    if field not in record:
        found = ", ".join(map(repr, list(record)[:5])) or "none"
        raise InputError(f"{place}: has no field {field!r}; its fields are {found[:200]}")
    value = record[field]
    if isinstance(value, str) or (isinstance(value, list) and all(isinstance(word, str) for word in value)):
        return value
    raise InputError(f"{place}: field {field!r} is neither a string nor a list of words")
