"""Names of people, places and organisations: a label for each character by BiGRU and CRF, and F1 of whole names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from elmo.corpora.lark_tsv import BEGIN, INSIDE
from elmo.corpora.tagged import Tagged
from elmo.encoding.text_encoders import TextEncoder
from elmo.nn.crf import log_likelihood
from elmo.nn.evaluating import evaluating
from elmo.runtime import paddle
from elmo.system.types import Tensor
from elmo.tagging.network import best_labels, packed
from elmo.tagging.projection import OUTSIDE, chunks
from elmo.tagging.score import SentenceCounts, count_chunks
from elmo.tasks.network import FrozenVectors, NetworkConfig, Text, TextNetwork, Texts

METRIC = "f1"


@dataclass(frozen=True)
class EntityExample:
    """A sentence and a label for each of its characters, by number: 0 is none, then B and I of each tag."""

    text: Text
    labels: npt.NDArray[np.int64]

    @property
    def length(self) -> int:
        """Characters."""
        return len(self.labels)


def label_names(tags: Sequence[str]) -> list[str]:
    """What the network tells apart: O, PER-B, PER-I, ..."""
    return [OUTSIDE, *(tag + place for tag in tags for place in (BEGIN, INSIDE))]


def strings_of(example: Tagged) -> Iterator[str]:
    """Texts of an example."""
    yield example.text


def read_example(example: Tagged, texts: Texts, labels: Sequence[str]) -> EntityExample:
    """An example as the network reads it; where its text was cut, so are its labels."""
    text, names = texts[example.text], label_names(labels)
    found: list[str] = []
    for word, tag in zip(example.words, example.tags, strict=True):
        count = len("".join(word.split()))
        found += [OUTSIDE] * count if tag == OUTSIDE else [tag + BEGIN, *[tag + INSIDE] * (count - 1)][:count]
    numbers = [names.index(label) for label in found[: len(text.characters)]]
    return EntityExample(text, np.array(numbers, np.int64))


class EntityNetwork(TextNetwork):
    """Emissions of each label and the CRF's table.

    Args:
        config, vectors, encoder: see `TextNetwork`.
        tags: kinds of names.
    """

    def __init__(
        self, config: NetworkConfig, vectors: FrozenVectors | None, encoder: TextEncoder | None, tags: Sequence[str]
    ) -> None:
        super().__init__(config, vectors, encoder)
        self.names = label_names(tags)
        self.head = paddle.nn.Linear(self.output_size, len(self.names))
        uniform = paddle.nn.initializer.Uniform(-0.1, 0.1)
        self.transitions = self.create_parameter([len(self.names) + 2, len(self.names)], default_initializer=uniform)

    def loss(self, examples: Sequence[EntityExample]) -> Tensor:
        """Mean over the sentences of -log p(labels), in nats."""
        hidden, packing = self.outputs([example.text for example in examples])
        labels = packed([example.labels for example in examples], packing)
        return -log_likelihood(self.head(hidden), labels, self.transitions, packing).mean()

    def labels(self, examples: Sequence[EntityExample]) -> list[list[str]]:
        """Best labels of each sentence."""
        with evaluating(self):
            hidden, packing = self.outputs([example.text for example in examples])
            best = best_labels(self.head(hidden), self.transitions, packing)
        return [[self.names[label] for label in labels] for labels in best]

    def outcomes(self, examples: Sequence[EntityExample]) -> npt.NDArray[np.float64]:
        """Names of each sentence: gold, predicted and correct ones; [sentences, 3]."""
        gold = [chunks([1] * len(e.labels), [self.names[label] for label in e.labels]) for e in examples]
        found = [chunks([1] * len(labels), labels) for labels in self.labels(examples)]
        counts = count_chunks(gold, found).tagged()
        return np.stack([counts.gold, counts.predicted, counts.correct], axis=1).astype(np.float64)


def score(outcomes: npt.NDArray[np.float64]) -> dict[str, float]:
    """Precision, recall and F1 of `outcomes` [sentences, 3]."""
    found = SentenceCounts(*outcomes.astype(np.int64).T).score()
    return {METRIC: found.f1, "precision": found.precision, "recall": found.recall}
