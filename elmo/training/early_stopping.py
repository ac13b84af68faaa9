"""Training that stops early, as networks of tasks are trained: the epoch with the best development score is kept.

A run may leave a checkpoint an epoch, from which another goes on bit by bit as if it had not been stopped.
"""

from __future__ import annotations

import dataclasses
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from elmo.checks import check_positive, check_seed, check_whole
from elmo.errors import InputError, RunError
from elmo.models import ModelFiles, load_parameters, read_model
from elmo.nn.native.precision import products_in
from elmo.runtime import paddle
from elmo.system.types import Arrays, PathLike
from elmo.training.checkpoint import (
    check_room,
    newest_checkpoint,
    read_training_state,
    remove,
    tidy,
    write_checkpoint,
)
from elmo.training.checkpoint.record import TrainingState
from elmo.training.optimizer import load_optimizer, optimizer_arrays

_KEPT = 2  # checkpoints: should the newest be damaged, there is the one before


@dataclass(frozen=True)
class FitSettings:
    """How a network is trained."""

    learning_rate: float = 1e-3  # Adam's, at its highest
    batch_size: int = 32  # examples
    max_epoch: int = 6
    patience: int = 2  # epochs without a better score on the development part, after which training ends
    max_grad_norm: float = 5.0
    random_seed: int = 0

    def __post_init__(self) -> None:
        check_whole(self, "batch_size", "max_epoch", "patience")
        check_positive(self, "learning_rate", "max_grad_norm")
        check_seed(self.random_seed)


class Epoch(NamedTuple):
    """What came of an epoch."""

    number: int  # from 1 on
    loss: float  # mean over the examples, in nats
    rate: float  # learning rate
    seconds: float  # of training
    score: float | None  # of the development part; None without one
    is_best: bool  # so far


class EarlyStopping(ABC):
    """Trains a network until its development score has not risen for `patience` epochs, and keeps the best parameters.

    What a network learns from, by what it is judged and what is recorded is its subclasses'.

    Args:
        network: with its first parameters; its `loss` of a batch is the mean over the examples, in nats.
        settings: how.
        num_examples: that an epoch has.
        save_dir: for a checkpoint an epoch, the newest two of which are kept, in place of all that are there; None for
            none.
        decay: the learning rate is multiplied by this after each epoch that was not better.
        amp: precision of products, see `elmo.nn.native.precision`.
        report: is told of each epoch.
    """

    def __init__(
        self,
        network: Any,
        settings: FitSettings,
        num_examples: int,
        *,
        save_dir: PathLike | None = None,
        decay: float = 1.0,
        amp: str = "none",
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.network, self.settings, self.report = network, settings, report
        self.steps_per_epoch = -(-num_examples // settings.batch_size)
        self.save_dir = None if save_dir is None else Path(save_dir)
        self.history: list[dict[str, Any]] = []
        self.best: Arrays = {}
        self.best_score = -np.inf
        self.waited = 0  # epochs since the best
        self.rate = settings.learning_rate
        self._num_examples, self._decay, self._amp = num_examples, decay, amp
        trained = [parameter for parameter in network.parameters() if not parameter.stop_gradient]
        clip = paddle.nn.ClipGradByGlobalNorm(settings.max_grad_norm)
        self.optimizer = paddle.optimizer.Adam(settings.learning_rate, parameters=trained, grad_clip=clip)

    @abstractmethod
    def batches(self, generator: np.random.Generator) -> Iterator[list[Any]]:
        """Batches of an epoch, each example in one of them, in an order that the generator gives."""

    @abstractmethod
    def score(self) -> float | None:
        """Score of the network on the development part, the higher the better; None without one: the last is best."""

    @abstractmethod
    def record(self, epoch: Epoch) -> dict[str, Any]:
        """What the history keeps of an epoch."""

    @abstractmethod
    def line(self, epoch: Epoch) -> str:
        """What is reported of an epoch."""

    def share(self, step: int) -> float:
        """Share of the learning rate that a step has, counted from 0."""
        return 1.0

    def model_files(self) -> ModelFiles:
        """What a checkpoint keeps of the network as it is."""
        raise NotImplementedError

    def identity(self) -> dict[str, Any]:
        """Settings, sizes and data: what must be the same in a run that goes on."""
        raise NotImplementedError

    def keep_start(self) -> None:
        """Let the parameters that the network has now be the best so far."""
        self.best_score = self.score() or 0.0
        self.best = self.arrays()
        self.report(f"before: dev {100 * self.best_score:.2f}")

    def run(self) -> list[dict[str, Any]]:
        """Train; the network then has its best parameters, in evaluation mode. Returns a record an epoch.

        Raises:
            RunError: the loss is not finite, or a checkpoint can't be written.
        """
        if self.save_dir is not None:
            check_room(self.save_dir, len(self.history), len(self.history) * self.steps_per_epoch)
            tidy(self.save_dir)
        self.best = self.best or self.arrays()
        while len(self.history) < self.settings.max_epoch and self.waited < self.settings.patience:
            self._epoch()
            if self.save_dir is not None:
                self._save(self.save_dir)
        load_parameters(self.network, self.best, "the best epoch")
        self.network.eval()
        return self.history

    def _epoch(self) -> None:
        number = len(self.history) + 1
        rate = self.rate
        generator = np.random.default_rng([self.settings.random_seed, number])
        paddle.seed(int(generator.integers(1 << 31)))  # of dropout: the same whether or not the run was stopped here
        self.network.train()
        begun = time.perf_counter()
        nats = 0.0  # sum over the examples
        for step, batch in enumerate(self.batches(generator), (number - 1) * self.steps_per_epoch):
            self.optimizer.set_lr(rate * self.share(step))
            with products_in(self._amp):
                loss = self.network.loss(batch)
            mean = float(loss)
            if not np.isfinite(mean):
                raise RunError(f"the loss is {mean} in epoch {number}: lower learning_rate ({rate:g})")
            loss.backward()
            self.optimizer.step()
            self.optimizer.clear_grad()
            nats += mean * len(batch)
        seconds = time.perf_counter() - begun
        score = self.score()
        is_best = score is None or score > self.best_score
        if is_best:
            self.best_score = self.best_score if score is None else score
            self.best = self.arrays()
            self.waited = 0
        else:
            self.waited += 1
            self.rate *= self._decay
        epoch = Epoch(number, nats / self._num_examples, rate, seconds, score, is_best)
        self.history.append(self.record(epoch))
        self._is_best = is_best
        self.report(self.line(epoch))

    def arrays(self) -> Arrays:
        """Copies of the network's parameters."""
        return {name: parameter.numpy().copy() for name, parameter in self.network.named_parameters()}

    def _save(self, folder: Path) -> None:
        """Write this epoch's checkpoint, with the best parameters so far beside its own; remove old ones."""
        number = len(self.history)
        state = TrainingState(
            number,
            number * self.steps_per_epoch,
            self.identity(),
            self.history,
            optimizer_arrays(self.optimizer, self.network),
            position={} if self._is_best else self.best,
            progress={"best_f1": self.best_score, "waited": self.waited, "rate": self.rate},
        )
        write_checkpoint(folder / _name(number), self.model_files(), state, in_place_of_all=number == 1)
        remove(folder / _name(number - _KEPT))

    def resume(self) -> bool:
        """Go on from the newest whole checkpoint in `save_dir`; False if there is none.

        Raises:
            InputError: it is of other settings, data or another network, or none is whole.
        """
        newest = None if self.save_dir is None else newest_checkpoint(self.save_dir, self.report)
        if newest is None:
            return False
        files = read_model(newest, kind=self.model_files().kind)
        state = read_training_state(newest)
        now = self.identity()
        if changed := next((name for name in now if state.settings.get(name) != now[name]), None):
            raise InputError(f"{newest} was trained with another {changed}: give the same, or another folder")
        load_parameters(self.network, files.arrays, newest)
        load_optimizer(self.optimizer, self.network, state.optimizer, newest)
        self.history = state.history
        self.best_score = state.progress["best_f1"]
        self.waited = state.progress["waited"]
        self.rate = state.progress["rate"]
        self.best = state.position or self.arrays()
        return True


def as_json(config: Any) -> dict[str, Any]:
    """Fields of a dataclass as JSON gives them back."""
    fields: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return fields


def _name(epoch: int) -> str:
    return f"epoch_{epoch:03d}"
