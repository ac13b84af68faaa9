"""Pretrained encoders behind one face, so that a task need not know which it reads: word2vec, ELMo, BERT or ERNIE.

An encoder reads a text in units: words of a segmenter, or the pieces of a masked language model. It gives each unit a
vector a layer, computed once (frozen) or inside a network that changes it (fine-tuned).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from elmo.bilm import BiLM
from elmo.convert import read_any
from elmo.encoding.any_model import open_files
from elmo.encoding.bert import Bert
from elmo.encoding.encoder import Encoder
from elmo.encoding.features import CHARACTERS, ElmoFeatures, Features, WordVectorFeatures
from elmo.errors import InputError
from elmo.masked_lm import KIND as MASKED_LM
from elmo.nn.evaluating import evaluating
from elmo.runtime import paddle
from elmo.system.types import Arrays, PathLike, Tensor, Vectors
from elmo.text.lengths import pad
from elmo.word_vectors import WordVectors

Owners = npt.NDArray[np.int64]


class TextEncoder(Protocol):
    """What a task needs of a pretrained model."""

    kind: str  # "word2vec", "elmo" or "masked_lm"
    layers: int
    size: int

    @property
    def trainable(self) -> paddle.nn.Layer | None:
        """What fine-tuning changes; None for what stays as it is."""
        ...

    def read(self, text: str, words: Sequence[str], owners: Owners) -> tuple[list[Any], Owners]:
        """Units of a text, and for each character that is not white space the number of its unit.

        Args:
            text: as it was written.
            words: of the segmenter.
            owners: number of each character's word.
        """
        ...

    def encode(self, units: Sequence[list[Any]]) -> list[Vectors]:
        """Vectors of each text's units, outside of any network."""
        ...

    def run(self, units: Sequence[list[Any]]) -> tuple[list[Tensor], Owners]:
        """Vectors inside a network: a tensor [rows, size] a layer, and the row at which each text's units begin."""
        ...


class WordEncoder:
    """word2vec or ELMo: a character has the vectors of its word, or its own where the ELMo reads characters.

    Args:
        model: which of the two.
    """

    def __init__(self, model: WordVectors | Encoder) -> None:
        self._features: Features
        self.trainable: BiLM | None = None
        if isinstance(model, WordVectors):
            self.kind = "word2vec"
            self._features = WordVectorFeatures(model)
        else:
            self.kind = "elmo"
            self._features = ElmoFeatures(model)
            if model.model.config.token_encoder is None:  # one that reads characters stays frozen
                self.trainable = model.model
        self.layers = self._features.layers
        self.size = self._features.size
        self._vocabulary = model.vocabulary

    def read(self, text: str, words: Sequence[str], owners: Owners) -> tuple[list[str], Owners]:
        """The words themselves, or their characters."""
        if self._features.unit == CHARACTERS:
            return list("".join(words)), np.arange(len(owners))
        return list(words), owners

    def encode(self, units: Sequence[list[str]]) -> list[Vectors]:
        """Vectors [layers, words, size] of each text."""
        return self._features.encode(units)

    def run(self, units: Sequence[list[str]]) -> tuple[list[Tensor], Owners]:
        """Layers of the biLM."""
        if self.trainable is None:
            raise InputError(f"this {self.kind} can't be fine-tuned: use it frozen")
        ids, lengths = pad([self._vocabulary.encode(words) for words in units])
        layers = self.trainable.layers(paddle.to_tensor(ids), paddle.to_tensor(lengths))
        return [layer.reshape([-1, self.size]) for layer in layers], np.arange(len(units)) * ids.shape[1]


class PieceEncoder:
    """BERT or ERNIE: a character has the vectors of its piece, which is the character itself where it is Chinese.

    Units are [CLS], the pieces, and [SEP]; a character that the model's tokenizer drops has the vectors of [CLS].
    """

    kind = MASKED_LM

    def __init__(self, bert: Bert) -> None:
        self._bert = bert
        self.layers = bert.num_layers
        self.size = bert.output_size
        self.trainable = bert.model.encoder
        self._room = bert.model.config.max_length - 2

    def read(self, text: str, words: Sequence[str], owners: Owners) -> tuple[list[int], Owners]:
        """Ids of [CLS], the pieces and [SEP]; what has no room is read as [SEP]."""
        normal = self._bert.normalise(text)  # of another length it would not tell where a piece stands
        pieces = self._bert.tokenizer.tokenize(normal if len(normal) == len(text) else text)
        unit_of = np.zeros(len(text), np.int64)
        for number, piece in enumerate(pieces, 1):
            unit_of[piece.begin : piece.end] = min(number, self._room + 1)
        shown = np.array([place for place, character in enumerate(text) if not character.isspace()], np.int64)
        vocabulary = self._bert.vocabulary
        ids = [vocabulary.bos_id, *(piece.id for piece in pieces[: self._room]), vocabulary.eos_id]
        return ids, unit_of[shown]

    def encode(self, units: Sequence[list[int]], batch_tokens: int = 2048) -> list[Vectors]:
        """Vectors [layers, units, size] of each text; those of like length are run together."""
        found: list[Any] = [None] * len(units)
        order = sorted(range(len(units)), key=lambda index: len(units[index]))
        while order:
            count = max(1, batch_tokens // len(units[order[-1]]))
            chosen, order = order[-count:], order[:-count]
            with evaluating(self.trainable):
                layers, begins = self.run([units[index] for index in chosen])
            stacked = np.stack([layer.numpy() for layer in layers])
            for index, begin in zip(chosen, begins.tolist(), strict=True):
                found[index] = stacked[:, begin : begin + len(units[index])].copy()
        return found

    def run(self, units: Sequence[list[int]]) -> tuple[list[Tensor], Owners]:
        """Layers of the Transformer, that of the embeddings first."""
        ids, lengths = pad(units, self._bert.vocabulary.pad_id)
        padded = None if (lengths == lengths[0]).all() else paddle.to_tensor(lengths)
        layers = self.trainable(paddle.to_tensor(ids), padded)
        return [layer.reshape([-1, self.size]) for layer in layers], np.arange(len(units)) * ids.shape[1]


def load_text_encoder(path_or_name: PathLike) -> TextEncoder:
    """Load a model of any kind: word2vec, ELMo, BERT or ERNIE, of ours or another system's (`elmo.convert`).

    Raises:
        InputError: it is missing, damaged, or of a kind that gives no vectors.
    """
    files = read_any(path_or_name)
    if files.kind == Encoder.kind:
        files.config["softmax"] = False  # nothing is predicted here
    model = open_files(files, path_or_name, "whitespace")  # texts come segmented
    return PieceEncoder(model) if isinstance(model, Bert) else WordEncoder(model)


def parameters_of(layer: paddle.nn.Layer) -> Arrays:
    """Copies of a layer's parameters by name, to go back to."""
    return {name: parameter.numpy().copy() for name, parameter in layer.named_parameters()}
