"""What any pretraining has: its settings, and what it asks of an objective."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from elmo.checks import check_choice, check_flag, check_positive, check_seed, check_whole
from elmo.models import ModelFiles
from elmo.nn.native.precision import PRECISIONS
from elmo.system.types import Array, Arrays

SCHEDULES = ("constant", "cosine")
OPTIMIZERS = ("adagrad", "sgd", "adam", "rmsprop")


@dataclass(frozen=True)
class RunSettings:
    """How a pretraining goes, whatever it learns; names are LARK's flags, where LARK had them."""

    batch_size: int  # on each rank: parallel streams of sentences, or sequences
    learning_rate: float
    optim: str  # see OPTIMIZERS; Adagrad with an initial accumulator of 1 and no epsilon
    lr_schedule: str  # "constant", or "cosine": from the learning rate down to a hundredth of it at the end of the run
    max_grad_norm: float  # the gradient's global norm is clipped to this
    warmup_steps: int = 0  # steps in which the learning rate rises from zero, before either
    accumulate_steps: int = 1  # batches whose gradients are added up before the optimiser steps
    amp: str = "auto"  # mixed precision: see `elmo.nn.native.precision`
    max_epoch: int = 10  # passes over the training text
    schedule_epochs: int | None = None  # passes over which the rate falls; None: max_epoch
    shuffle: bool = True  # a new order each epoch, from the seed
    random_seed: int = 0
    log_interval: int = 100  # steps between lines of the log
    save_interval: int = 10000  # steps between checkpoints within an epoch; 0 for none
    keep_checkpoints: int = 3  # so many of those are kept, the newest, and as many of whole epochs; and the best
    dev_interval: int = 10000  # steps between held-out perplexities within an epoch; 0 for none
    patience: int = 0  # epochs in a row without a lower held-out perplexity after which the run ends; 0: it goes on

    def __post_init__(self) -> None:
        check_whole(self, "batch_size", "max_epoch", "log_interval", "accumulate_steps", "keep_checkpoints")
        if self.schedule_epochs is not None:
            check_whole(self, "schedule_epochs")
        check_whole(self, "save_interval", "dev_interval", "warmup_steps", "patience", least=0)
        check_seed(self.random_seed)
        check_positive(self, "learning_rate", "max_grad_norm")
        check_flag(self, "shuffle")
        check_choice(self, "amp", PRECISIONS)
        check_choice(self, "lr_schedule", SCHEDULES)
        check_choice(self, "optim", OPTIMIZERS)

    @property
    def schedule_length(self) -> int:
        """Passes over which all that changes in the course of the run does so; what goes on longer stays as it is."""
        return self.max_epoch if self.schedule_epochs is None else self.schedule_epochs

    @property
    def changes_in_its_course(self) -> bool:
        """Whether anything does."""
        return self.lr_schedule != "constant"

    def rate(self, step: int, total_steps: int) -> float:
        """Learning rate of a step, counted from 0, where the schedule has about `total_steps`."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / (self.warmup_steps + 1)
        if self.lr_schedule == "constant":
            return self.learning_rate
        done = min((step - self.warmup_steps) / max(total_steps - self.warmup_steps, 1), 1.0)
        return self.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


@dataclass(frozen=True)
class PretrainSettings(RunSettings):
    """How the run of a biLM goes; the defaults are LARK's."""

    batch_size: int = 128  # parallel streams of sentences, on each rank
    learning_rate: float = 0.2
    optim: str = "adagrad"
    lr_schedule: str = "constant"
    max_grad_norm: float = 10.0
    num_steps: int = 20  # tokens of each stream in a batch; gradients go back no further
    sample_softmax: bool = True  # sampled softmax in training; perplexity always uses the full one
    n_negative_samples_batch: int = 8000  # candidates of the sampled softmax, shared by a batch
    reset_states: bool = True  # a stream between two sentences goes on from zero state, see `BiLMObjective`

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self, "num_steps", "n_negative_samples_batch")
        check_flag(self, "sample_softmax", "reset_states")


class Batches(Protocol):
    """The batches of a pass; closed when no more are wanted, however it ended."""

    def __iter__(self) -> Iterator[Any]: ...

    def close(self) -> None:
        """Give up what makes them, such as a thread."""


class Objective(Protocol):
    """What the loop trains: a model, its batches, its loss and its score on held-out text."""

    model: Any

    def begin_epoch(self, epoch: int, state: Mapping[str, Array] | None = None) -> Batches:
        """Batches of one pass, in an order that depends on the seed and the epoch alone.

        With a state of `position`, the pass goes on where that was taken.
        """

    def seed_step(self, epoch: int, step: int) -> None:
        """Make what is random in a batch (counted within the epoch) depend on the seed and these two alone."""

    def batches_per_epoch(self) -> int:
        """About how many batches a pass has, for the progress bar."""

    def training_loss(self, batch: Any) -> tuple[Any, Any, int]:
        """Loss to be minimised, mean loss to be shown (nats a prediction), and tokens read."""

    def position(self) -> Arrays:
        """Where the pass stands, and what is carried from batch to batch: all that `begin_epoch` needs to go on."""

    def evaluate(self) -> dict[str, float]:
        """Scores on held-out text, such as perplexity; empty without held-out text."""

    def text_fingerprint(self) -> str:
        """What tells the training text from any other: a run goes on with the same one only."""

    def files(self, provenance: dict[str, Any]) -> ModelFiles:
        """The model as it can be saved."""
