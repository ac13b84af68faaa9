"""Which sentence of a paragraph answers a question: each is scored with the question, and they are ranked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from elmo.corpora.tasks import Paragraph
from elmo.encoding.text_encoders import TextEncoder
from elmo.nn.evaluating import evaluating
from elmo.runtime import paddle
from elmo.system.types import Tensor
from elmo.tagging.score import reciprocal_rank
from elmo.tasks.network import FrozenVectors, NetworkConfig, PairHead, Text, TextNetwork, Texts

METRIC = "mrr"


@dataclass(frozen=True)
class MatchExample:
    """Sentences, and questions with the numbers of the sentences that answer them."""

    sentences: tuple[Text, ...]
    questions: tuple[tuple[Text, tuple[int, ...]], ...]

    @property
    def length(self) -> int:
        """Characters."""
        return sum(len(text.ids) for text in (*self.sentences, *(question for question, _ in self.questions)))

    @property
    def outcomes(self) -> int:
        """How many rows it has among the outcomes: its questions."""
        return len(self.questions)


def strings_of(example: Paragraph) -> Iterator[str]:
    """Texts of an example."""
    yield from example.sentences
    yield from (question for question, _ in example.questions)


def read_example(example: Paragraph, texts: Texts, labels: Sequence[str]) -> MatchExample:
    """An example as the network reads it; there are no labels."""
    questions = tuple((texts[question], right) for question, right in example.questions)
    return MatchExample(tuple(texts[sentence] for sentence in example.sentences), questions)


class Matcher(TextNetwork):
    """A score of each pair of a question and a sentence of its paragraph; arguments as those of `TextNetwork`."""

    def __init__(self, config: NetworkConfig, vectors: FrozenVectors | None, encoder: TextEncoder | None) -> None:
        super().__init__(config, vectors, encoder)
        self.head = PairHead(8 * self.output_size, 1)

    def forward(self, examples: Sequence[MatchExample]) -> list[Tensor]:
        """Scores [sentences] for each question of each example, in their order."""
        asked = [(question, example.sentences) for example in examples for question, _ in example.questions]
        pairs = [(question, sentence) for question, sentences in asked for sentence in sentences]
        scores = self.head(self.compared(pairs), self.config.dropout)[:, 0]
        return list(paddle.split(scores, [len(sentences) for _, sentences in asked]))

    def loss(self, examples: Sequence[MatchExample]) -> Tensor:
        """Mean over the questions of -log of the probability of a sentence that answers, in nats.

        The probabilities of a question's sentences are a softmax of their scores.
        """
        losses = []
        answers = [right for example in examples for _, right in example.questions]
        for scores, right in zip(self(examples), answers, strict=True):
            logs = paddle.nn.functional.log_softmax(scores)
            losses.append(-paddle.logsumexp(paddle.gather(logs, paddle.to_tensor(np.array(right)))))
        return paddle.stack(losses).mean()

    def outcomes(self, examples: Sequence[MatchExample]) -> npt.NDArray[np.float64]:
        """Reciprocal rank of each question's first right sentence, [questions, 1]."""
        answers = [right for example in examples for _, right in example.questions]
        with evaluating(self):
            scores = [of_question.numpy() for of_question in self(examples)]
        return np.array([[reciprocal_rank(s, right)] for s, right in zip(scores, answers, strict=True)], np.float64)


def score(outcomes: npt.NDArray[np.float64]) -> dict[str, float]:
    """Mean reciprocal rank, and how often the best sentence is right, of `outcomes` [questions, 1]."""
    return {METRIC: float(outcomes[:, 0].mean()), "accuracy_at_1": float((outcomes[:, 0] == 1).mean())}
