"""What a pretraining run learns: its settings, what an objective is, and the biLM's, to predict the next word."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from elmo.bilm import BiLM, BiLMState
from elmo.checks import check_choice, check_flag, check_positive, check_seed, check_whole
from elmo.models import ModelFiles
from elmo.nn.evaluating import evaluating
from elmo.nn.native.precision import PRECISIONS
from elmo.nn.softmax import LogUniformSampler
from elmo.runtime import paddle
from elmo.system.inputs import open_regular
from elmo.text.batches import Batch, Position, ReadAhead, SentenceIds
from elmo.text.characters import Lexicon
from elmo.text.vocabulary import Vocabulary
from elmo.training.ranks import SINGLE, Ranks

Arrays = dict[str, npt.NDArray[Any]]

_DIRECTIONS, _PARTS = ("forward", "backward"), ("hidden", "cell")
SCHEDULES = ("constant", "cosine")
OPTIMIZERS = ("adagrad", "sgd", "adam", "rmsprop")
SPARSE_OPTIMIZERS = ("adagrad", "sgd")  # see `elmo.bilm.BiLM`


@dataclass(frozen=True)
class PretrainSettings:
    """How a run goes; names and defaults are LARK's flags, where LARK had them."""

    batch_size: int = 128  # parallel streams of sentences, on each rank
    num_steps: int = 20  # tokens of each stream in a batch; gradients go back no further
    learning_rate: float = 0.2
    optim: str = "adagrad"  # see OPTIMIZERS; Adagrad with an initial accumulator of 1 and no epsilon
    lr_schedule: str = "constant"  # or "cosine": from the learning rate down to a hundredth of it at the end of the run
    warmup_steps: int = 0  # steps in which the learning rate rises from zero, before either
    max_grad_norm: float = 10.0  # the gradient's global norm is clipped to this
    accumulate_steps: int = 1  # batches whose gradients are added up before the optimiser steps
    amp: str = "auto"  # mixed precision: see `elmo.nn.native.precision`
    max_epoch: int = 10  # passes over the training text
    schedule_epochs: int | None = None  # passes over which the rate falls; None: max_epoch
    sample_softmax: bool = True  # sampled softmax in training; perplexity always uses the full one
    n_negative_samples_batch: int = 8000  # candidates of the sampled softmax, shared by a batch
    shuffle: bool = True  # a new order of sentences each epoch, from the seed
    reset_states: bool = True  # a stream between two sentences goes on from zero state, see `BiLMObjective`
    random_seed: int = 0
    log_interval: int = 100  # steps between lines of the log
    save_interval: int = 10000  # steps between checkpoints within an epoch; 0 for none
    keep_checkpoints: int = 3  # so many of those are kept, the newest; those of whole epochs and the best all are
    dev_interval: int = 10000  # steps between held-out perplexities within an epoch; 0 for none

    def __post_init__(self) -> None:
        check_whole(
            self,
            "batch_size",
            "num_steps",
            "max_epoch",
            "n_negative_samples_batch",
            "log_interval",
            "accumulate_steps",
            "keep_checkpoints",
        )
        if self.schedule_epochs is not None:
            check_whole(self, "schedule_epochs")
        check_whole(self, "save_interval", "dev_interval", "warmup_steps", least=0)
        check_seed(self.random_seed)
        check_positive(self, "learning_rate", "max_grad_norm")
        check_flag(self, "sample_softmax", "shuffle", "reset_states")
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


class Batches(Protocol):
    """The batches of a pass; closed when no more are wanted, however it ended."""

    def __iter__(self) -> Iterator[Any]: ...

    def close(self) -> None:
        """Give up what makes them, such as a thread."""


class Objective(Protocol):
    """What the loop trains: a model, its batches, its loss and its score on held-out text."""

    model: Any

    def begin_epoch(self, epoch: int, state: Mapping[str, npt.NDArray[Any]] | None = None) -> Batches:
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


class BiLMObjective:
    """Predict the next word in both reading directions, with LSTM states carried from batch to batch.

    With `reset_states`, a stream that ends a sentence with a batch begins the next one from zero state, about one
    sentence in `num_steps`. Without, as in LARK, zero state is nothing that the biLM has learnt to begin from, though
    an encoder begins each sentence so: there, its first words are predicted much worse than in training.

    Args:
        model: the biLM.
        vocabulary: gives ids; the model's own.
        train: sentences to learn from.
        dev: sentences to measure perplexity on, or None.
        settings: see `PretrainSettings`.
        ranks: this process among those that train together; each reads streams of its own.
        lexicon: where the biLM reads characters, all words of the text: the ids of `train` and `dev` are its rows, and
            its `word_ids` say which token of the vocabulary each one is predicted as. `<S>` and `</S>` come first.
    """

    def __init__(
        self,
        model: BiLM,
        vocabulary: Vocabulary,
        train: SentenceIds,
        dev: SentenceIds | None,
        settings: PretrainSettings,
        lexicon: Lexicon | None = None,
        ranks: Ranks = SINGLE,
    ) -> None:
        self.model, self.vocabulary, self.train, self.dev, self.settings = model, vocabulary, train, dev, settings
        self.lexicon, self.ranks = lexicon, ranks
        self.sampler: LogUniformSampler | None = None
        if settings.sample_softmax and settings.n_negative_samples_batch < len(vocabulary):
            self.sampler = LogUniformSampler(len(vocabulary), settings.n_negative_samples_batch)
        # Ranks add up whole gradients; tied rows would be merged from two sparse ones, which is no gain.
        model.sparse_gradient = (
            settings.optim in SPARSE_OPTIMIZERS and ranks.world_size == 1 and settings.accumulate_steps == 1
        )
        self._generator = np.random.default_rng(settings.random_seed)
        self._state: BiLMState | None = None
        self._batches: ReadAhead | None = None

    def begin_epoch(self, epoch: int, state: Mapping[str, npt.NDArray[Any]] | None = None) -> ReadAhead:
        """Shuffle from the seed and the epoch, and begin from zero state, or from a state of `position`."""
        settings, ranks = self.settings, self.ranks
        if self._batches is not None:
            self._batches.close()
        self._state, position = None, None
        if state:
            position = Position(int(state["taken"][0]), state["sentences"], state["offsets"])
            self._state = self._load_state(state)
        self._batches = ReadAhead(
            self.train.batches(
                settings.batch_size,
                settings.num_steps,
                (settings.random_seed, epoch, 1) if settings.shuffle else None,
                rank=ranks.rank,
                world_size=ranks.world_size,
                position=position,
            )
        )
        return self._batches

    def seed_step(self, epoch: int, step: int) -> None:
        """Seed dropout, which differs between ranks, and the candidates, which all ranks share."""
        numbers = np.random.SeedSequence([self.settings.random_seed, epoch, step])
        paddle.seed(int(numbers.generate_state(self.ranks.rank + 1)[-1]))
        self._generator = np.random.default_rng(numbers.spawn(1)[0])

    def batches_per_epoch(self) -> int:
        """Predictions of a pass divided by those of a full batch."""
        streams = self.settings.batch_size * self.ranks.world_size
        return math.ceil(self.train.num_targets / (streams * self.settings.num_steps))

    def position(self) -> Arrays:
        """Return the places of all streams, and the LSTM states of all ranks, [rank, batch, size] each."""
        if self._batches is None:
            return {}
        place = self._batches.position
        states = {
            f"{direction}/{number}/{part}": tensor.numpy()
            for direction, layers in zip(_DIRECTIONS, self._state or (), strict=False)
            for number, layer in enumerate(layers)
            for part, tensor in zip(_PARTS, layer, strict=True)
        }
        places: Arrays = {"taken": np.array([place.taken]), "sentences": place.sentences, "offsets": place.offsets}
        return places | self.ranks.gather(states)

    def _load_state(self, arrays: Mapping[str, npt.NDArray[Any]]) -> BiLMState:
        def layers(direction: str) -> list[Any]:
            return [
                tuple(paddle.to_tensor(arrays[f"{direction}/{number}/{part}"][self.ranks.rank]) for part in _PARTS)
                for number in range(self.model.config.num_layers)
            ]

        return layers("forward"), layers("backward")

    def training_loss(self, batch: Batch) -> tuple[Any, Any, int]:
        """LARK's loss: the mean over both directions and all streams, times `num_steps`."""
        forward_outputs, backward_outputs, state = self._read(batch, self._state)
        self._state = _detach(state, batch.ended if self.settings.reset_states else None)
        losses = self._losses(batch, forward_outputs[-1], backward_outputs[-1], self.sampler)
        # Dividing by the size of a full batch gives the last batches, where streams have run out, their due weight.
        return losses.sum() / (2 * self.settings.batch_size), losses.mean(), batch.num_tokens

    def evaluate(self) -> dict[str, float]:
        """Perplexity of the held-out text with the full softmax, exp(mean nats), for each direction and both.

        Each sentence is read from zero state, as an encoder reads it, so that `batch_size` and `num_steps`, and what
        stands beside a sentence, have no say.
        """
        if self.dev is None or self.ranks.rank:  # all ranks have the same model: the first measures it
            return {}
        totals, count = np.zeros(2), 0
        with evaluating(self.model):
            for batch in self.dev.whole_sentences(self.settings.batch_size):
                forward_outputs, backward_outputs, _ = self._read(batch, None)
                losses = self._losses(batch, forward_outputs[-1], backward_outputs[-1], None)
                totals += losses.numpy().astype(np.float64).reshape([2, -1]).sum(axis=1)
                count += batch.num_tokens
        forward, backward = totals / count
        return {
            "perplexity": _perplexity((forward + backward) / 2),
            "forward_perplexity": _perplexity(forward),
            "backward_perplexity": _perplexity(backward),
        }

    def text_fingerprint(self) -> str:
        """Return that of the encoded text; for characters that of the shards, since ids depend on held-out words."""
        if self.lexicon is None:
            return self.train.text.folder.name
        digest = hashlib.sha256()
        for path in self.train.paths:
            with open_regular(path) as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def files(self, provenance: dict[str, Any]) -> ModelFiles:
        """Return parameters, configuration and vocabulary."""
        arrays = {name: parameter.numpy() for name, parameter in self.model.named_parameters()}
        return ModelFiles("bilm", self.model.config.to_dict(), self.vocabulary, arrays, provenance)

    def _read(self, batch: Batch, state: BiLMState | None) -> tuple[list[Any], list[Any], BiLMState]:
        """Run the biLM over a batch; where it reads characters, each distinct word of the batch is encoded once."""
        forward_ids, backward_ids, lexicon = batch.forward_ids, batch.backward_ids, None
        if self.lexicon is not None:
            both = np.stack([forward_ids, backward_ids])
            words, rows = np.unique(both, return_inverse=True)
            forward_ids, backward_ids = rows.reshape(both.shape)
            lexicon = self.lexicon.rows(words)
        read: tuple[list[Any], list[Any], BiLMState] = self.model(
            paddle.to_tensor(forward_ids), paddle.to_tensor(backward_ids), state, lexicon
        )
        return read

    def _losses(self, batch: Batch, forward: Any, backward: Any, sampler: LogUniformSampler | None) -> Any:
        """Cross-entropy of every prediction in the batch, those of the forward direction first."""
        size = forward.shape[-1]
        rows = paddle.concat([forward.reshape([-1, size]), backward.reshape([-1, size])])
        targets = np.concatenate([batch.forward_targets.ravel(), batch.backward_targets.ravel()])
        if self.lexicon is not None:
            targets = self.lexicon.word_ids[targets]
        kept, ran_out = np.flatnonzero(np.concatenate([batch.mask.ravel(), batch.mask.ravel()])), False
        if not len(kept):  # all streams of this rank: one prediction without weight makes its gradients zero, not none
            kept, ran_out = np.zeros(1, np.int64), True
        if len(kept) < len(targets):
            rows, targets = paddle.gather(rows, paddle.to_tensor(kept)), targets[kept]
        losses = self.model.losses(rows, paddle.to_tensor(targets), sampler, self._generator)
        return losses * 0.0 if ran_out else losses


def _detach(state: BiLMState, ended: npt.NDArray[np.bool_] | None) -> BiLMState:
    """Cut the states off the graph, and set those of streams that have ended a sentence to zero."""
    forward, backward = ([(hidden.detach(), cell.detach()) for hidden, cell in states] for states in state)
    if ended is None or not ended.any():
        return forward, backward
    kept = paddle.to_tensor(~ended).unsqueeze(1).astype(forward[0][0].dtype)  # (B, 1)
    forward, backward = ([(hidden * kept, cell * kept) for hidden, cell in states] for states in (forward, backward))
    return forward, backward


def _perplexity(nats: float) -> float:
    return math.exp(nats) if nats < 700 else math.inf
