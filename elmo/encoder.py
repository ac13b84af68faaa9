"""From sentences to contextual vectors: a pretrained biLM, its vocabulary and a segmenter behind one method."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from elmo.bilm import BiLM, bilm_from_files
from elmo.errors import InputError
from elmo.model_files import read_model
from elmo.runtime import paddle
from elmo.text.segment import Segmenter, get_segmenter
from elmo.text.vocabulary import Vocabulary

Sentence = str | Sequence[str]
Vectors = npt.NDArray[np.float32]  # [layers, words, 2 x projection]

_READ_AHEAD = 64  # batches that are sorted by length together


class Encoder:
    """Turns sentences into contextual vectors; the same sentence gives the same vectors, whatever stands beside it.

    Every sentence starts from zero state, so nothing is left over from one call, batch or sentence to the next.

    Args:
        model: a biLM in evaluation mode.
        vocabulary: gives words their ids; the model's own.
        segmenter: cuts sentences that are given as strings.
        provenance: what the model's file says of its making.
    """

    def __init__(
        self, model: BiLM, vocabulary: Vocabulary, segmenter: Segmenter, provenance: dict[str, Any] | None = None
    ) -> None:
        self.model, self.vocabulary, self.segmenter = model, vocabulary, segmenter
        self.provenance = provenance or {}

    @property
    def num_layers(self) -> int:
        """Layers that `encode` returns: the word vectors and one for each LSTMP layer."""
        return self.model.config.num_layers + 1

    @property
    def output_size(self) -> int:
        """Size of a vector: both directions' projections."""
        return 2 * self.model.config.embed_size

    def words(self, sentence: Sentence) -> list[str]:
        """Words of a sentence: a string is cut by the segmenter, a list is taken as it is.

        Raises:
            InputError: the sentence is neither, or one of its words is not a string.
        """
        if isinstance(sentence, str):
            return self.segmenter.cut(sentence)
        words = list(sentence)
        for place, word in enumerate(words):
            if not isinstance(word, str):
                raise InputError(f"word {place} of a sentence is {word!r}: give a string, or a list of words")
        return words

    def encode(self, sentences: Iterable[Sentence], batch_size: int = 64) -> list[Vectors]:
        """Contextual vectors of each sentence, in the order given.

        Args:
            sentences: strings, which are segmented, or lists of words.
            batch_size: sentences that are run together; changes speed and memory, not the result (to 1e-5).

        Returns:
            for each sentence an array [layers, words, 2 x projection], float32. Layer 0 is the word vector twice,
            layer j the forward and the backward output of LSTMP layer j. No words give [layers, 0, 2 x projection].

        Raises:
            InputError: `sentences` is one string, or holds something that is no sentence.
        """
        if isinstance(sentences, str):
            raise InputError("encode takes a list of sentences: write encode([sentence])")
        return [vectors for _, vectors in self.encode_stream(sentences, batch_size)]

    def encode_stream(self, sentences: Iterable[Sentence], batch_size: int = 64) -> Iterator[tuple[list[str], Vectors]]:
        """As `encode`, for any number of sentences in bounded memory: yields words and vectors of each, in order."""
        if batch_size < 1:
            raise InputError(f"batch_size is {batch_size}: give a whole number above 0")
        block: list[list[str]] = []
        for sentence in sentences:
            block.append(self.words(sentence))
            if len(block) == batch_size * _READ_AHEAD:
                yield from zip(block, self._encode_block(block, batch_size), strict=True)
                block = []
        yield from zip(block, self._encode_block(block, batch_size), strict=True)

    def _encode_block(self, block: Sequence[list[str]], batch_size: int) -> list[Vectors]:
        """Encode sentences of like length together: less padding, the same vectors."""
        results: list[Vectors] = [np.zeros((self.num_layers, 0, self.output_size), np.float32)] * len(block)
        order = sorted((index for index, words in enumerate(block) if words), key=lambda index: len(block[index]))
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            lengths = np.array([len(block[index]) for index in chosen], dtype=np.int64)
            ids = np.full((len(chosen), lengths.max()), self.vocabulary.eos_id, dtype=np.int64)
            for row, index in enumerate(chosen):
                ids[row, : lengths[row]] = self.vocabulary.encode(block[index])
            with paddle.no_grad():
                layers = self.model.layers(paddle.to_tensor(ids), paddle.to_tensor(lengths))
                vectors = np.stack([layer.numpy() for layer in layers], axis=1)  # [batch, layers, time, size]
            for row, index in enumerate(chosen):
                results[index] = vectors[row, :, : lengths[row]].copy()
        return results

    def __repr__(self) -> str:
        config = self.model.config
        return f"Encoder({config.num_layers} layers, {self.output_size} numbers a vector, {config.vocab_size:,} words)"


def load_pretrained(path_or_name: str | os.PathLike[str], segmenter: str = "jieba") -> Encoder:
    """Load a pretrained ELMo from a model directory, a checkpoint, or by the name of one that comes with the project.

    Args:
        path_or_name: for instance "checkpoints/epoch_010" or "elmo-zh-first".
        segmenter: what cuts sentences that are given as strings; see `elmo.text.segment.get_segmenter`.

    Raises:
        InputError: it is missing, damaged, or its parts do not belong together.
    """
    files = read_model(path_or_name, kind="bilm")
    model = bilm_from_files(files, path_or_name)
    return Encoder(model, files.vocabulary, get_segmenter(segmenter), files.provenance)
