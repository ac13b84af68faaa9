"""What the networks of all tasks have in common: characters, beside each the vector of an encoder, and one BiGRU.

So encoders are compared by what they add to the same small network; without one it learns from the task's text alone.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from elmo.bilm import MIX_DECAY
from elmo.checks import check_share, check_whole
from elmo.encoding.text_encoders import TextEncoder
from elmo.errors import InputError
from elmo.nn.dropout import dropout
from elmo.nn.gru import BidirectionalGRU, Packing
from elmo.nn.scalar_mix import ScalarMix
from elmo.runtime import paddle
from elmo.system.types import Ids, Tensor
from elmo.tagging.network import PLACE_SIZE, PLACES, packed
from elmo.tagging.segmenter import cut_all, load_segmenter, split_characters
from elmo.text.vocabulary import Vocabulary

MAX_CHARACTERS = 126  # of a text: with [CLS] and [SEP] as many as a masked language model of 128 positions reads
_MIN_COUNT = 2  # of a character with a vector of its own; the others teach the network what an unknown one is
_SCALE = 0.5  # root mean square to which each layer of an encoder is brought


@dataclass(eq=False)
class Text:
    """A text as the network reads it; equal ones are one object, so that a batch computes each once."""

    characters: list[str]  # without white space
    ids: Ids  # of the characters, in the network's own vocabulary
    places: Ids  # of each in its segmenter's word
    owners: Ids  # of each the number of its unit
    units: list[Any]  # what the encoder reads, see `TextEncoder.read`
    begin: int = 0  # row of its first unit in `FrozenVectors`


@dataclass(frozen=True)
class FrozenVectors:
    """Vectors of all units of all texts, computed once."""

    array: npt.NDArray[np.float16]  # [layers, rows, size], scaled
    scales: list[float]  # by which a layer was multiplied

    def rows(self, texts: Sequence[Text]) -> tuple[Tensor, Ids]:
        """Vectors [layers, rows, size] of the texts' units, and at which row each text's begin."""
        counts = np.array([len(text.units) for text in texts], np.int64)
        parts = [self.array[:, text.begin : text.begin + len(text.units)] for text in texts]
        return paddle.to_tensor(np.concatenate(parts, axis=1).astype(np.float32)), np.cumsum(counts) - counts


@dataclass
class Texts:
    """All texts of a task, read once, with their vectors.

    Args:
        vocabulary: of the characters.
        encoder: gives vectors; None for none.
        max_characters: longer texts are cut.
    """

    vocabulary: Vocabulary
    encoder: TextEncoder | None = None
    max_characters: int = MAX_CHARACTERS
    vectors: FrozenVectors | None = None
    _known: dict[str, Text] = field(default_factory=dict)

    def add(self, strings: Iterable[str]) -> None:
        """Read texts that are not known yet, all that the task has at once.

        Raises:
            InputError: one has nothing but white space.
        """
        new = [string for string in dict.fromkeys(strings) if string not in self._known]
        cut = [cut_text(string, self.max_characters) for string in new]
        for string, text, words in zip(new, cut, cut_all(load_segmenter("jieba"), cut), strict=True):
            characters, owners, places = split_characters(words)
            if not characters:
                raise InputError(f"the text {string!r} is empty: leave it out")
            units, of_character = ([], owners) if self.encoder is None else self.encoder.read(text, words, owners)
            ids = np.array(self.vocabulary.encode(characters), np.int64)
            self._known[string] = Text(characters, ids, places, of_character, units)

    def __getitem__(self, string: str) -> Text:
        return self._known[string]

    def freeze(self, block: int = 512) -> None:
        """Compute the vectors of all texts, in half precision, each layer with a root mean square of `_SCALE`.

        Layers of different models differ in size by more than tenfold; a learning rate can't suit them all.
        """
        if self.encoder is None:
            return
        texts = list(self._known.values())
        total = sum(len(text.units) for text in texts)
        array = np.empty([self.encoder.layers, total, self.encoder.size], np.float16)
        scales: list[float] = []
        begin = 0
        for start in range(0, len(texts), block):
            encoded = self.encoder.encode([text.units for text in texts[start : start + block]])
            if not scales:
                first = np.concatenate(encoded, axis=1)  # (layers, units, size)
                scales = (_SCALE / np.sqrt((first.astype(np.float64) ** 2).mean(axis=(1, 2)) + 1e-12)).tolist()
            for text, vectors in zip(texts[start : start + block], encoded, strict=True):
                text.begin = begin
                end = begin + len(text.units)
                array[:, begin:end] = vectors * np.array(scales)[:, None, None]
                begin = end
        self.vectors = FrozenVectors(array, scales)


def cut_text(text: str, limit: int) -> str:
    """The beginning of a text with so many characters that are not white space."""
    if len(text) <= limit:
        return text
    shown = [place for place, character in enumerate(text) if not character.isspace()]
    return text if len(shown) <= limit else text[: shown[limit]]


def character_vocabulary(strings: Iterable[str]) -> Vocabulary:
    """Characters that occur more than once in training texts."""
    counts: Counter[str] = Counter()
    for string in strings:
        counts.update("".join(string.split()))
    return Vocabulary.from_counts(counts, _MIN_COUNT)


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of a task's network, the same for every encoder."""

    num_characters: int  # rows of the embedding
    embedding_size: int = 64
    hidden_size: int = 64  # of each direction of the GRU
    dropout: float = 0.3

    def __post_init__(self) -> None:
        check_whole(self, "num_characters", "embedding_size", "hidden_size")
        check_share(self, "dropout")


class TextNetwork(paddle.nn.Layer):
    """BiGRU outputs of texts; the tasks' own networks add a head.

    The place of each character in its segmenter's word is an input for all, so that what vectors of words bring is not
    where words begin.

    Args:
        config: sizes.
        vectors: frozen vectors; None without an encoder.
        encoder: becomes part of the network, with the scales of `vectors`; None leaves the vectors frozen.
    """

    def __init__(
        self, config: NetworkConfig, vectors: FrozenVectors | None = None, encoder: TextEncoder | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self._vectors = vectors
        self._encoder = encoder
        uniform = paddle.nn.initializer.Uniform(-0.1, 0.1)
        self.embedding = paddle.nn.Embedding(
            config.num_characters, config.embedding_size, weight_attr=paddle.ParamAttr(initializer=uniform)
        )
        self.place_embedding = paddle.nn.Embedding(PLACES, PLACE_SIZE)
        size = config.embedding_size + PLACE_SIZE
        if vectors is not None:
            self.scalar_mix = ScalarMix(len(vectors.scales), MIX_DECAY)
            size += vectors.array.shape[2]
        if encoder is not None:
            if vectors is None or encoder.trainable is None:
                raise InputError(f"this {encoder.kind} can't be fine-tuned: use it frozen")
            self.encoder = encoder.trainable
        self.gru = BidirectionalGRU(size, config.hidden_size)

    @property
    def output_size(self) -> int:
        """Size of a character's output: both directions'."""
        return 2 * self.config.hidden_size

    def outputs(self, texts: Sequence[Text]) -> tuple[Tensor, Packing]:
        """BiGRU outputs [characters, output_size] of texts, packed, and the packing."""
        packing = Packing([len(text.ids) for text in texts])
        parts = [
            self.embedding(packed([text.ids for text in texts], packing)),
            self.place_embedding(packed([text.places for text in texts], packing)),
        ]
        if self._vectors is not None:
            mixed, begins = self._mixed(texts, self._vectors)  # (units, size), (texts,)
            owners = packed([text.owners + begin for text, begin in zip(texts, begins, strict=True)], packing)
            parts.append(paddle.gather(mixed, owners))  # (characters, size)
        hidden = dropout(paddle.concat(parts, axis=1), self.config.dropout, self.training)
        hidden = self.gru.run_packed(hidden, packing)  # (characters, output_size)
        return dropout(hidden, self.config.dropout, self.training), packing

    def _mixed(self, texts: Sequence[Text], vectors: FrozenVectors) -> tuple[Tensor, Ids]:
        """The scalar mix [rows, size] of the texts' units, and at which row each text's begin."""
        if self._encoder is not None:
            layers, begins = self._encoder.run([text.units for text in texts])  # each (rows, size)
            scaled = [layer * scale for layer, scale in zip(layers, vectors.scales, strict=True)]
            return self.scalar_mix(scaled), begins
        stacked, begins = vectors.rows(texts)
        return self.scalar_mix.mix_stacked(stacked), begins

    def pooled(self, texts: Sequence[Text]) -> Tensor:
        """A vector of each text, [texts, 2 * output_size]: mean and maximum of the outputs of its characters."""
        hidden, packing = self.outputs(texts)  # [characters, output_size]
        num_texts, num_characters, size = len(texts), packing.size, self.output_size
        shares = np.zeros([num_texts, num_characters], np.float32)
        shares[packing.sentences, np.arange(num_characters)] = 1 / packing.lengths[packing.sentences]
        mean = paddle.matmul(paddle.to_tensor(shares), hidden)  # (texts, size)
        # Where a maximum is, is found outside of the graph: Paddle's own gradient of it takes five times as long.
        padded = np.full([num_texts, packing.time, size], -np.inf, np.float32)
        padded[packing.sentences, packing.steps] = hidden.numpy()
        steps = padded.argmax(axis=1)  # (texts, size)
        slots = packing.slots.reshape([num_texts, packing.time])
        characters = slots[np.arange(num_texts)[:, None], steps]  # (texts, size): in which the maximum is
        highest = characters * size + np.arange(size)  # (texts, size): of the numbers of `hidden`, one after another
        numbers = hidden.reshape([num_characters * size])
        maximum = paddle.gather(numbers, paddle.to_tensor(highest.reshape(-1))).reshape([num_texts, size])
        return paddle.concat([mean, maximum], axis=1)

    def compared(self, pairs: Sequence[tuple[Text, Text]]) -> Tensor:
        """What a pair's vectors u and v have in common, [pairs, 8 * output_size]: [u; v; |u - v|; u * v].

        Source: Mou et al. (2016), "Natural Language Inference by Tree-Based Convolution and Heuristic Matching".
        """
        numbers: dict[Text, int] = {}
        for pair in pairs:
            for text in pair:
                numbers.setdefault(text, len(numbers))
        vectors = self.pooled(list(numbers))  # (texts, 2 * output_size)
        first, second = (
            paddle.gather(vectors, paddle.to_tensor(np.array([numbers[pair[side]] for pair in pairs])))
            for side in (0, 1)
        )
        return paddle.concat([first, second, (first - second).abs(), first * second], axis=1)


class PairHead(paddle.nn.Layer):
    """From what a pair has in common to scores, by one hidden layer."""

    def __init__(self, size: int, outputs: int, hidden_size: int = 128) -> None:
        super().__init__()
        self.hidden = paddle.nn.Linear(size, hidden_size)
        self.output = paddle.nn.Linear(hidden_size, outputs)

    def forward(self, compared: Tensor, share: float) -> Tensor:
        """Scores [pairs, outputs]; `share` of the hidden layer is dropped in training."""
        return self.output(dropout(paddle.nn.functional.relu(self.hidden(compared)), share, self.training))


def with_dropout(config: NetworkConfig, share: float) -> NetworkConfig:
    """The same sizes, another dropout."""
    return dataclasses.replace(config, dropout=share)
