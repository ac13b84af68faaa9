"""A set of a task as networks read it: which module solves the task, its texts, and its examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from elmo.corpora.tasks import TaskData
from elmo.encoding.text_encoders import TextEncoder
from elmo.tasks import classify, match
from elmo.tasks import entities as ner
from elmo.tasks.network import FrozenVectors, NetworkConfig, Texts, character_vocabulary, with_dropout

SOLVERS: Mapping[str, Any] = {
    "inference": classify,
    "similarity": classify,
    "sentiment": classify,
    "entities": ner,
    "matching": match,
}


def primary(task: str) -> str:
    """Name of the score by which a task is judged."""
    return str(SOLVERS[task].METRIC)


@dataclass
class Material:
    """What all runs of a group read."""

    data: TaskData
    texts: Texts
    train: list[Any]
    dev: list[Any]
    test: list[Any]

    @classmethod
    def read(cls, data: TaskData, encoder: TextEncoder | None) -> Material:
        """Read all texts of a set, as an encoder needs them."""
        solver = SOLVERS[data.task]
        strings = {
            part: [string for example in getattr(data, part) for string in solver.strings_of(example)]
            for part in ("train", "dev", "test")
        }
        texts = Texts(character_vocabulary(strings["train"]), encoder)
        texts.add(string for part in strings.values() for string in part)
        parts = (
            [solver.read_example(example, texts, data.labels) for example in part]
            for part in (data.train, data.dev, data.test)
        )
        return cls(data, texts, *parts)

    def network(self, dropout: float, vectors: FrozenVectors | None, encoder: TextEncoder | None = None) -> Any:
        """A new network of the task, with parameters drawn by the current seed."""
        config = with_dropout(NetworkConfig(len(self.texts.vocabulary)), dropout)
        task, labels = self.data.task, self.data.labels
        if task == "matching":
            return match.Matcher(config, vectors, encoder)
        if task == "entities":
            return ner.EntityNetwork(config, vectors, encoder, labels)
        return classify.Classifier(config, vectors, encoder, len(labels), pairs=task != "sentiment")

    def batch_size(self, wanted: int) -> int:
        """Examples of a batch: of paragraphs, which have a dozen sentences and several questions, an eighth."""
        return max(1, wanted // 8) if self.data.task == "matching" else wanted

    def score(self, found: Any) -> float:
        """The score that counts."""
        solver = SOLVERS[self.data.task]
        return float(solver.score(found)[solver.METRIC])
