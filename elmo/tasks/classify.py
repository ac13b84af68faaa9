"""Labels for texts (sentiment) and for pairs of texts (inference, similarity): pooled BiGRU outputs, a linear map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from elmo.corpora.tasks import Labelled
from elmo.encoding.text_encoders import TextEncoder
from elmo.nn.evaluating import evaluating
from elmo.runtime import paddle
from elmo.system.types import Tensor
from elmo.tasks.network import FrozenVectors, NetworkConfig, PairHead, Text, TextNetwork, Texts

METRIC = "accuracy"


@dataclass(frozen=True)
class ClassifyExample:
    """One text or two, and the number of their label."""

    texts: tuple[Text, ...]
    label: int

    @property
    def length(self) -> int:
        """Characters."""
        return sum(len(text.ids) for text in self.texts)


def strings_of(example: Labelled) -> Iterator[str]:
    """Texts of an example."""
    yield from example.texts


def read_example(example: Labelled, texts: Texts, labels: Sequence[str]) -> ClassifyExample:
    """An example as the network reads it."""
    return ClassifyExample(tuple(texts[string] for string in example.texts), labels.index(example.label))


class Classifier(TextNetwork):
    """Scores of each label.

    Args:
        config, vectors, encoder: see `TextNetwork`.
        num_labels: how many there are.
        pairs: whether an example has two texts.
    """

    def __init__(
        self,
        config: NetworkConfig,
        vectors: FrozenVectors | None,
        encoder: TextEncoder | None,
        num_labels: int,
        pairs: bool,
    ) -> None:
        super().__init__(config, vectors, encoder)
        self.pairs = pairs
        if pairs:
            self.head = PairHead(8 * self.output_size, num_labels)
        else:
            self.head = paddle.nn.Linear(2 * self.output_size, num_labels)

    def forward(self, examples: Sequence[ClassifyExample]) -> Tensor:
        """Scores [examples, labels]."""
        if self.pairs:
            return self.head(
                self.compared([(first, second) for first, second in (e.texts for e in examples)]), self.config.dropout
            )
        return self.head(self.pooled([example.texts[0] for example in examples]))

    def loss(self, examples: Sequence[ClassifyExample]) -> Tensor:
        """Mean cross-entropy in nats."""
        labels = paddle.to_tensor(np.array([example.label for example in examples]))
        return paddle.nn.functional.cross_entropy(self(examples), labels)

    def outcomes(self, examples: Sequence[ClassifyExample]) -> npt.NDArray[np.float64]:
        """1 for each example whose best label is its own, else 0; [examples, 1]."""
        with evaluating(self):
            best = self(examples).numpy().argmax(axis=1)
        return np.array([[label == example.label] for label, example in zip(best, examples, strict=True)], np.float64)


def score(outcomes: npt.NDArray[np.float64]) -> dict[str, float]:
    """Accuracy of `outcomes` [examples, 1]."""
    return {METRIC: float(outcomes[:, 0].mean())}
