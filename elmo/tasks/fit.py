"""How the networks of all tasks are trained, the same for every encoder: batches of like length, a rate that falls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from elmo.text.lengths import by_length
from elmo.training.early_stopping import EarlyStopping, Epoch, FitSettings

Outcomes = npt.NDArray[np.float64]

_WARMUP = 0.1  # share of the steps in which the learning rate rises, before it falls to zero
_POOL = 8  # batches whose examples are sorted by length together
_EVALUATED = 64  # examples at once


class TaskExample(Protocol):
    """What batches are made of."""

    @property
    def length(self) -> int:
        """Characters."""
        ...


class TaskNetwork(Protocol):
    """What a task's network can do beside being a `paddle.nn.Layer`."""

    def loss(self, examples: Sequence[Any]) -> Any:
        """Mean loss, to be minimised."""
        ...

    def outcomes(self, examples: Sequence[Any]) -> Outcomes:
        """What the score is computed from, a row an example or question."""
        ...


class _TaskTraining(EarlyStopping):
    """Training of a `TaskNetwork`; see `fit`."""

    def __init__(
        self,
        network: Any,
        settings: FitSettings,
        train: Sequence[TaskExample],
        dev: Sequence[TaskExample],
        score: Callable[[Outcomes], float],
        report: Callable[[str], None],
    ) -> None:
        super().__init__(network, settings, len(train), report=report)
        self._train = train
        self._dev = dev
        self._score = score

    def batches(self, generator: np.random.Generator) -> Iterator[list[TaskExample]]:
        return batches(self._train, self.settings.batch_size, generator)

    def score(self) -> float:
        return self._score(outcomes(self.network, self._dev))

    def record(self, epoch: Epoch) -> dict[str, Any]:
        return {"epoch": epoch.number, "loss": epoch.loss, "dev": epoch.score, "seconds": epoch.seconds}

    def line(self, epoch: Epoch) -> str:
        percent = 100 * (epoch.score or 0.0)
        return f"epoch {epoch.number}: loss {epoch.loss:.3f}, dev {percent:.2f}, {epoch.seconds:.1f} s"

    def share(self, step: int) -> float:
        """It rises over the first steps, then falls to zero."""
        steps = self.settings.max_epoch * self.steps_per_epoch
        warm = max(1, round(_WARMUP * steps))
        return min((step + 1) / warm, (steps - step) / max(1, steps - warm))


def fit(
    network: Any,
    train: Sequence[TaskExample],
    dev: Sequence[TaskExample],
    settings: FitSettings,
    score: Callable[[Outcomes], float],
    report: Callable[[str], None] = lambda line: None,
    *,
    keep_start: bool = False,
) -> list[dict[str, Any]]:
    """Train a network; it then has the parameters of its best epoch, and is in evaluation mode.

    Args:
        network: a `TaskNetwork`.
        train, dev: to learn from, and to choose the epoch by.
        settings: how.
        score: of the outcomes of the development part; higher is better.
        report: is told of each epoch.
        keep_start: the parameters that it has now may be the best ones.

    Returns:
        a record an epoch.

    Raises:
        RunError: the loss is not finite.
    """
    training = _TaskTraining(network, settings, train, dev, score, report)
    if keep_start:
        training.keep_start()
    return training.run()


def outcomes(network: Any, examples: Sequence[TaskExample]) -> Outcomes:
    """Outcomes of all examples, in their order."""
    found: list[Outcomes] = [np.empty(0)] * len(examples)
    for chosen in by_length([example.length for example in examples], _EVALUATED):
        batch = [examples[index] for index in chosen]
        rows = network.outcomes(batch)
        counts = [getattr(example, "outcomes", 1) for example in batch]
        for index, part in zip(chosen, np.split(rows, np.cumsum(counts)[:-1]), strict=True):
            found[index] = part
    return np.concatenate(found)


def batches(
    examples: Sequence[TaskExample], batch_size: int, generator: np.random.Generator
) -> Iterator[list[TaskExample]]:
    """Examples in a new order, those of like length together as far as chance has put them near one another."""
    order = generator.permutation(len(examples)).tolist()
    cut: list[list[int]] = []
    for start in range(0, len(order), _POOL * batch_size):
        pool = order[start : start + _POOL * batch_size]
        alike = by_length([examples[index].length for index in pool], batch_size)
        cut += [[pool[number] for number in numbers] for numbers in alike]
    for place in generator.permutation(len(cut)):
        yield [examples[index] for index in cut[place]]
