"""The network of a tagger: token embeddings, beside them vectors of a pretrained model, BiGRUs, and a CRF.

The network is Baidu's LAC (see `tagging.baidu`); how it reads a pretrained model is LARK's "LAC + ELMo": the layers
are mixed by learnt weights, then concatenated with the embeddings.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from elmo.bilm import MIX_DECAY, ElmoEncoder, elmo_encoder
from elmo.bilm_config import BiLMConfig
from elmo.checks import (
    MOST_LAYERS,
    check_choice,
    check_choices,
    check_names,
    check_share,
    check_type,
    check_whole,
    config_of_file,
)
from elmo.corpora.lark_tsv import BEGIN, INSIDE
from elmo.encoding.features import CHARACTERS, UNITS, WORDS, unit_of
from elmo.errors import InputError
from elmo.models import ModelFiles
from elmo.nn.crf import log_likelihood, viterbi
from elmo.nn.dropout import dropout
from elmo.nn.evaluating import evaluating
from elmo.nn.gru import BidirectionalGRU, Packing
from elmo.nn.scalar_mix import ScalarMix
from elmo.runtime import paddle
from elmo.system.types import Tensor
from elmo.text.lengths import pad
from elmo.text.normalise import STEPS
from elmo.text.vocabulary import Vocabulary

TOKENS = ("words", "characters", "mixed", "lac")
PLACES = 4  # of a character in its segmenter's word: first, inner, last, alone
PLACE_SIZE = 16  # of a place's vector


@dataclass(frozen=True)
class TaggerConfig:
    """Sizes of a tagger, and what it reads; defaults of sizes are LARK's or half of them."""

    tags: tuple[str, ...]  # such as n, v, PER; each token gets one of them with -B or -I
    num_words: int  # rows of the embedding
    tokens: str = "words"  # what a token is; mixed: a word that is in the vocabulary, else a character
    segmenter: str = "jieba"
    normalise: tuple[str, ...] = ()  # steps that its text went through, see `elmo.text.normalise`
    embedding_size: int = 128
    hidden_size: int = 128  # of each direction of a GRU
    num_layers: int = 2
    dropout: float = 0.3  # before and after the GRUs
    feature_layers: int = 0  # of the vectors from elsewhere; 0 for none
    feature_size: int = 0
    feature_dropout: float = 0.5
    features: dict[str, Any] | None = None  # what `make_features` or `fine_tuned_elmo` makes them from
    lac: dict[str, Any] | None = None  # how Baidu's LAC reads, see `elmo.tagging.baidu_files.lac_dictionaries`

    def __post_init__(self) -> None:
        check_choice(self, "tokens", TOKENS)
        check_type(self, "segmenter", str, "a name such as jieba")
        check_choices(self, "normalise", STEPS)
        check_whole(self, "num_words", "embedding_size", "hidden_size")
        check_whole(self, "num_layers", most=MOST_LAYERS)
        check_whole(self, "feature_layers", least=0, most=MOST_LAYERS + 1)
        check_whole(self, "feature_size", least=0)
        if (self.feature_layers > 0) != (self.feature_size > 0):
            raise InputError(f"{self.feature_layers} feature layers of size {self.feature_size}: give both or neither")
        check_share(self, "dropout", "feature_dropout")
        for tag in self.tags:
            if not isinstance(tag, str) or tag.split() != [tag]:
                raise InputError(f"the tag {tag!r} is none: give each a name without white space")
        if len(set(self.tags)) != len(self.tags) or not self.tags:
            raise InputError(f"{len(self.tags)} tags, {len(set(self.tags))} of them different: give each tag once")
        check_type(self, "features", dict | None, "what `Features.describe` returned, or none")
        check_unit(self.unit, self.tokens)
        if not isinstance(self.lac, dict | None) or (self.tokens == "lac") != (self.lac is not None):
            raise InputError("tokens lac are for a tagger that starts from Baidu's LAC (--start), and for no other")

    @property
    def vocab_size(self) -> int:
        """Tokens in the vocabulary, by the name that other models' configurations have for it."""
        return self.num_words

    @property
    def num_parameters(self) -> int:
        """About how many numbers such a tagger has, without a biLM's."""
        layers = self.num_layers * 6 * self.hidden_size * (self.hidden_size + 2 * self.hidden_size)
        first = 6 * self.hidden_size * (self.embedding_size + self.feature_size)
        return self.num_words * self.embedding_size + first + layers

    @property
    def labels(self) -> list[str]:
        """What the network tells apart: `n-B`, `n-I`, ..."""
        return [tag + place for tag in self.tags for place in (BEGIN, INSIDE)]

    @property
    def reads_places(self) -> bool:
        """Whether a token has a vector for its place in the segmenter's word."""
        return self.tokens in ("characters", "mixed")

    @property
    def unit(self) -> Any:
        """What the vectors from elsewhere are of; see `elmo.encoding.features`."""
        return (self.features or {}).get("unit", WORDS)

    @property
    def fine_tunes(self) -> bool:
        """Whether a biLM is part of the network, and its parameters among the network's."""
        return self.features is not None and bool(self.features.get("fine_tuned"))

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> TaggerConfig:
        """Make a configuration from the fields as JSON keeps them; InputError names one that is unknown or lacks."""
        check_names(fields, cls, "the tagger's configuration", required=["tags", "num_words"])
        if not isinstance(fields["tags"], list | tuple):
            raise InputError(f"tags is {fields['tags']!r}: give a list of tags")
        steps = fields.get("normalise", ())
        tuples = {"tags": tuple(fields["tags"]), "normalise": tuple(steps) if isinstance(steps, list) else steps}
        return cls(**{**fields, **tuples})


def check_unit(unit: Any, tokens: str) -> None:
    """InputError where vectors are of no unit that there is, or of characters and the tagger reads whole words."""
    if unit not in UNITS:
        raise InputError(f"the unit of the features is {unit!r}: give one of {', '.join(UNITS)}")
    if unit == CHARACTERS and tokens == "words":
        raise InputError("this ELMo reads characters, and the tagger words: give --tokens characters")


@dataclass
class TaggerInput:
    """A sentence as the network reads it."""

    tokens: list[str]
    ids: npt.NDArray[np.int64]  # of the tokens, in the tagger's vocabulary
    owners: npt.NDArray[np.int64]  # for each token the number of the unit whose vector it has
    places: npt.NDArray[np.int64]  # of a character in the segmenter's word; zeros for words
    units: list[str]  # that have vectors: the segmenter's words, or characters
    vectors: npt.NDArray[np.floating[Any]] | None = None  # [layers, units, size]
    elmo_ids: list[int] | None = None  # of the units, where the biLM is part of the network
    labels: npt.NDArray[np.int64] | None = None  # one a token, for training


class TaggerNetwork(paddle.nn.Layer):
    """Emissions of each label, and the CRF's table, from token ids and, if the configuration has them, features.

    Args:
        config: sizes.
        elmo: computes the features inside the network, so that the task can change the biLM (fine-tuning).
    """

    def __init__(self, config: TaggerConfig, elmo: ElmoEncoder | None = None) -> None:
        super().__init__()
        self.config = config
        uniform = paddle.nn.initializer.Uniform(-0.1, 0.1)
        self.embedding = paddle.nn.Embedding(
            config.num_words, config.embedding_size, weight_attr=paddle.ParamAttr(initializer=uniform)
        )
        size = config.embedding_size
        if config.reads_places:
            self.place_embedding = paddle.nn.Embedding(PLACES, PLACE_SIZE)
            size += PLACE_SIZE
        self.elmo = elmo
        if elmo is not None:
            size += elmo.output_size
        elif config.feature_layers:
            self.scalar_mix = ScalarMix(config.feature_layers, MIX_DECAY)
            size += config.feature_size
        sizes = [size] + [2 * config.hidden_size] * (config.num_layers - 1)
        self.layers = paddle.nn.LayerList([BidirectionalGRU(each, config.hidden_size) for each in sizes])
        num_labels = len(config.labels)
        self.output = paddle.nn.Linear(2 * config.hidden_size, num_labels)
        self.transitions = self.create_parameter(
            [num_labels + 2, num_labels], default_initializer=paddle.nn.initializer.Uniform(-0.1, 0.1)
        )

    def forward(self, sentences: Sequence[TaggerInput]) -> tuple[Any, Any]:
        """Emissions [tokens, labels] of a batch, packed, and the packing."""
        packing = Packing([len(sentence.ids) for sentence in sentences])
        hidden = self.embedding(packed([sentence.ids for sentence in sentences], packing))  # (tokens, embedding_size)
        if self.config.reads_places:
            places = self.place_embedding(packed([sentence.places for sentence in sentences], packing))
            hidden = paddle.concat([hidden, places], axis=1)
        hidden = dropout(hidden, self.config.dropout, self.training)
        if self.elmo is not None or self.config.feature_layers:
            hidden = paddle.concat([hidden, self._features(sentences, packed_order(packing))], axis=1)
        for layer in self.layers:
            hidden = layer.run_packed(hidden, packing)
        hidden = dropout(hidden, self.config.dropout, self.training)
        return self.output(hidden), packing

    def _features(self, sentences: Sequence[TaggerInput], order: npt.NDArray[np.int64]) -> Tensor:
        """Mixed vectors [tokens, size], packed."""
        if self.elmo is None:
            # of a sentence (layers, units, size) -> (layers, its tokens, size)
            vectors = [sentence.vectors[:, sentence.owners] for sentence in sentences]  # type: ignore[index]
            rows = np.concatenate(vectors, axis=1)[:, order].astype(np.float32)  # (layers, tokens, size)
            mixed = self.scalar_mix([paddle.to_tensor(layer) for layer in rows])  # (tokens, size)
            return dropout(mixed, self.config.feature_dropout, self.training)
        ids, lengths = pad([sentence.elmo_ids or [] for sentence in sentences])  # (sentences, units)
        vectors = self.elmo(paddle.to_tensor(ids), paddle.to_tensor(lengths))  # (sentences, units, size)
        num_sentences, num_units, size = vectors.shape
        of_token = np.concatenate([number * num_units + sentence.owners for number, sentence in enumerate(sentences)])
        units = vectors.reshape([num_sentences * num_units, size])
        return paddle.gather(units, paddle.to_tensor(of_token[order]))  # (tokens, size)

    def loss(self, sentences: Sequence[TaggerInput]) -> Tensor:
        """Mean over the sentences of -log p(labels), in nats."""
        emissions, packing = self(sentences)
        labels = packed([sentence.labels for sentence in sentences], packing)
        return -log_likelihood(emissions, labels, self.transitions, packing).mean()

    def decode(self, sentences: Sequence[TaggerInput]) -> list[list[int]]:
        """Best labels of each sentence."""
        with evaluating(self):
            emissions, packing = self(sentences)
        return best_labels(emissions, self.transitions, packing)


def packed_order(packing: Packing) -> npt.NDArray[np.int64]:
    """For each packed token its place when the sentences stand one after another."""
    begins = np.cumsum(packing.lengths) - packing.lengths  # (sentences,)
    return np.asarray(begins[packing.sentences] + packing.steps)  # (tokens,)


def packed(parts: Sequence[Any], packing: Packing) -> Tensor:
    """Numbers of each sentence's tokens, a sequence of them a sentence, as one packed tensor [tokens]."""
    return paddle.to_tensor(np.concatenate(parts)[packed_order(packing)])


def best_labels(emissions: Tensor, transitions: Tensor, packing: Packing) -> list[list[int]]:
    """The best labels of each sentence, by packed emissions [tokens, labels] and a CRF's table."""
    best = np.empty(packing.size, np.int64)
    best[packed_order(packing)] = viterbi(emissions.numpy(), transitions.numpy(), packing)
    ends = list(accumulate(packing.lengths.tolist()))
    return [part.tolist() for part in np.split(best, ends[:-1])]


def describe_fine_tuned(files: ModelFiles, source: str | None, unit: str | None = None) -> dict[str, Any]:
    """`TaggerConfig.features` of a network that a biLM is part of: all that `fine_tuned_elmo` needs.

    Raises:
        InputError: the biLM reads characters, which the network can't do in training.
    """
    config = config_of_file(BiLMConfig, files.config, files.vocabulary, source)
    if config.token_encoder is not None:
        raise InputError("this ELMo reads words by their characters and can't be fine-tuned here: use it frozen")
    sizes = dataclasses.replace(config, softmax=False).to_dict()
    description = {"kind": "elmo", "fine_tuned": True, "source": source}
    if (unit := unit_of(files.vocabulary, unit)) != WORDS:
        description["unit"] = unit
    return {**description, "bilm": sizes, "vocabulary": list(files.vocabulary.tokens)}


def fine_tuned_elmo(config: TaggerConfig) -> tuple[ElmoEncoder, Vocabulary]:
    """Build the biLM that is part of a network, with parameters yet to be loaded, and its vocabulary.

    Raises:
        InputError: the configuration does not describe one.
    """
    described = config.features or {}
    bilm, tokens = described.get("bilm"), described.get("vocabulary")
    if not isinstance(bilm, dict) or not isinstance(tokens, list) or not all(isinstance(t, str) for t in tokens):
        raise InputError("the tagger's configuration does not say what its fine-tuned ELMo is; copy the model again")
    sizes, vocabulary = BiLMConfig.from_dict(bilm), Vocabulary(tokens)
    if sizes.vocab_size != len(vocabulary):
        raise InputError(f"the fine-tuned ELMo's vocabulary has {len(vocabulary)} tokens, it {sizes.vocab_size}")
    return elmo_encoder(sizes, trainable=True, dropout=config.feature_dropout), vocabulary
