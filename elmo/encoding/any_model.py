"""Vectors of any model that gives them, behind one method: ELMo, BERT or ERNIE, word2vec; what `elmo encode` uses."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from elmo.bilm import bilm_from_files
from elmo.convert import read_any
from elmo.encoding.bert import Bert
from elmo.encoding.encoder import Encoder, StatefulEncoder
from elmo.encoding.features import WordVectorFeatures
from elmo.errors import InputError
from elmo.masked_lm import KIND as MASKED_LM
from elmo.masked_lm import masked_lm_from_files
from elmo.models import ModelFiles
from elmo.text.pieces import PieceVocabulary
from elmo.text.segment import get_segmenter
from elmo.text.shards import read_lines
from elmo.word_vectors import KIND as WORD2VEC
from elmo.word_vectors import WordVectors

PathLike = str | os.PathLike[str]
Sentence = str | Sequence[str]
Vectors = npt.NDArray[np.float32]


class StreamEncoder(Protocol):
    """What encodes any number of sentences in bounded memory."""

    def encode_stream(self, sentences: Iterable[Sentence], batch_size: int = 64) -> Iterator[tuple[list[str], Vectors]]:
        """Words, or pieces of words, and their vectors [layers, words, dim], of each sentence in order."""
        ...


class _Elmo:
    def __init__(self, files: ModelFiles, place: PathLike, segmenter: str, positions: Any, carry_state: bool) -> None:
        model = bilm_from_files(files, place, consume=True)
        encoder = Encoder(model, files.vocabulary, get_segmenter(segmenter), files.provenance)
        self._encoder = StatefulEncoder(encoder) if carry_state else encoder
        self._positions = positions

    def encode_stream(self, sentences: Iterable[Sentence], batch_size: int = 64) -> Iterator[tuple[list[str], Vectors]]:
        return self._encoder.encode_stream(sentences, batch_size, positions=self._positions)


class _Pieces:
    def __init__(self, files: ModelFiles, place: PathLike) -> None:
        assert isinstance(files.vocabulary, PieceVocabulary)
        self._bert = Bert(masked_lm_from_files(files, place), files.vocabulary, files.provenance)

    def encode_stream(self, sentences: Iterable[Sentence], batch_size: int = 64) -> Iterator[tuple[list[str], Vectors]]:
        for pieces, vectors in self._bert.encode_stream(sentences, batch_size):
            yield [piece.token for piece in pieces], vectors


class _Words:
    def __init__(self, vectors: WordVectors, segmenter: str) -> None:
        self._features, self._segmenter = WordVectorFeatures(vectors), get_segmenter(segmenter)

    def encode_stream(self, sentences: Iterable[Sentence], batch_size: int = 64) -> Iterator[tuple[list[str], Vectors]]:
        for sentence in sentences:
            words = self._segmenter.cut(sentence) if isinstance(sentence, str) else list(sentence)
            yield words, self._features.encode([words])[0].astype(np.float32, copy=False)


def load_encoder(
    model: PathLike,
    segmenter: str = "jieba",
    vocab_path: PathLike | None = None,
    *,
    positions: str = "own",
    carry_state: bool = False,
) -> StreamEncoder:
    """Load a model of any kind that gives vectors.

    Args:
        model, vocab_path: see `elmo.convert.read_any`.
        segmenter: what cuts strings into words; BERT and ERNIE read a string as it is.
        positions, carry_state: of an ELMo, see `elmo.encoding.encoder`.

    Raises:
        InputError: it can't be read, gives no vectors, or is no ELMo and one of the last two is asked for.
    """
    files = read_any(model, vocab_path=vocab_path)
    if files.kind == "bilm":
        return _Elmo(files, model, segmenter, positions, carry_state)
    if files.kind not in (MASKED_LM, WORD2VEC):
        raise InputError(f"{model}: holds a {files.kind} model, which gives no vectors; give an ELMo, BERT or word2vec")
    if positions != "own" or carry_state:
        raise InputError(f"{model}: is a {files.kind} model: --positions and --carry_state are for an ELMo")
    if files.kind == MASKED_LM:
        return _Pieces(files, model)
    return _Words(WordVectors.from_files(files, model), segmenter)


def read_sentences_of(source: PathLike, field: str | None = None) -> Iterator[Sentence]:
    """Yield the sentence of each line: the line itself, or what a field of the JSON object in it says.

    Args:
        source: file, or "-" for standard input.
        field: name of the field, which holds a string or a list of words.

    Raises:
        InputError: the file can't be read, or a line is no JSON object with such a field; names the line.
    """
    if field is None and os.fspath(source).endswith((".jsonl", ".ndjson")):
        raise InputError(f"{source}: say which field of its objects is the sentence, as in --field text")
    for number, line in enumerate(read_lines(source), 1):
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
