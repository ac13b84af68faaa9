"""One training loop for the networks of all tasks: best epoch by the development part, the same for every encoder."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from elmo.errors import InputError, RunError
from elmo.runtime import paddle
from elmo.tagging.network import load_network

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


@dataclass(frozen=True)
class FitSettings:
    """How a network is trained."""

    learning_rate: float = 1e-3  # Adam's, at its highest
    batch_size: int = 32
    max_epoch: int = 6
    patience: int = 2  # epochs without a better score on the development part, after which training ends
    max_grad_norm: float = 5.0
    random_seed: int = 0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value, least = getattr(self, field.name), 0 if field.name == "random_seed" else 1e-12
            if type(value) not in ((int,) if field.type == "int" else (int, float)) or not value >= least:
                raise InputError(f"{field.name} is {value!r}: give a number above 0")


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
    trained = [parameter for parameter in network.parameters() if not parameter.stop_gradient]
    clip = paddle.nn.ClipGradByGlobalNorm(settings.max_grad_norm)
    optimizer = paddle.optimizer.Adam(settings.learning_rate, parameters=trained, grad_clip=clip)
    steps = settings.max_epoch * -(-len(train) // settings.batch_size)
    history: list[dict[str, Any]] = []
    best_score, best, waited, step = -np.inf, _values(network), 0, 0
    if keep_start:
        best_score = score(outcomes(network, dev))
        report(f"before: dev {100 * best_score:.2f}")
    while len(history) < settings.max_epoch and waited < settings.patience:
        number = len(history) + 1
        generator = np.random.default_rng([settings.random_seed, number])
        paddle.seed(int(generator.integers(1 << 31)))  # of dropout
        network.train()
        begun, nats = time.perf_counter(), 0.0
        for batch in batches(train, settings.batch_size, generator):
            optimizer.set_lr(settings.learning_rate * _share(step, steps))
            step += 1
            loss = network.loss(batch)
            if not np.isfinite(value := float(loss)):
                raise RunError(
                    f"the loss is {value} in epoch {number}: lower learning_rate ({settings.learning_rate:g})"
                )
            loss.backward()
            optimizer.step()
            optimizer.clear_grad()
            nats += value * len(batch)
        seconds = time.perf_counter() - begun
        found = score(outcomes(network, dev))
        record = {"epoch": number, "loss": nats / len(train), "dev": found, "seconds": seconds}
        history.append(record)
        if found > best_score:
            best_score, best, waited = found, _values(network), 0
        else:
            waited += 1
        report(f"epoch {number}: loss {record['loss']:.3f}, dev {100 * found:.2f}, {seconds:.1f} s")
    load_network(network, best, "the best epoch")
    network.eval()
    return history


def outcomes(network: Any, examples: Sequence[TaskExample]) -> Outcomes:
    """Outcomes of all examples, in their order."""
    found: list[Outcomes] = [np.empty(0)] * len(examples)
    order = sorted(range(len(examples)), key=lambda index: examples[index].length)
    for start in range(0, len(order), _EVALUATED):
        chosen = order[start : start + _EVALUATED]
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
        pool = sorted(order[start : start + _POOL * batch_size], key=lambda index: examples[index].length)
        cut += [pool[begin : begin + batch_size] for begin in range(0, len(pool), batch_size)]
    for place in generator.permutation(len(cut)):
        yield [examples[index] for index in cut[place]]


def _share(step: int, steps: int) -> float:
    """Share of the highest learning rate: rises over the first steps, then falls to zero."""
    warm = max(1, round(_WARMUP * steps))
    return min((step + 1) / warm, (steps - step) / max(1, steps - warm))


def _values(network: Any) -> dict[str, npt.NDArray[Any]]:
    return {name: parameter.numpy().copy() for name, parameter in network.named_parameters()}
