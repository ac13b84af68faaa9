"""The training loop of a tagger: early stopping on a development part, checkpoints to go on from bit by bit."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from elmo.checks import check_seed, check_whole, short_number
from elmo.errors import InputError, RunError
from elmo.models import ModelFiles, read_model
from elmo.nn.native.precision import PRECISIONS, choose_precision, products_in
from elmo.runtime import paddle
from elmo.tagging.examples import Examples, evaluate
from elmo.tagging.network import Sentence, TaggerConfig, TaggerNetwork, load_network
from elmo.tagging.tagger import KIND
from elmo.text.vocabulary import Vocabulary
from elmo.training.checkpoint import (
    TrainingState,
    checkpoints,
    newest_checkpoint,
    read_training_state,
    remove,
    tidy,
    write_checkpoint,
)
from elmo.training.optimizer import load_optimizer, optimizer_arrays

PathLike = str | os.PathLike[str]
Arrays = dict[str, Any]
_KEPT = 2  # checkpoints: should the newest be damaged, there is the one before


@dataclass(frozen=True)
class TrainSettings:
    """How a tagger is trained; rates and their multiples are LARK's."""

    learning_rate: float = 1e-3  # Adam's
    embedding_rate: float = 5.0  # multiple of it for the word embedding
    crf_rate: float = 0.2  # multiple of it for the CRF's table
    elmo_rate: float = 0.1  # multiple of it for a biLM that is fine-tuned
    batch_size: int = 32  # sentences
    max_epoch: int = 30
    patience: int = 3  # epochs without a better F1 on the development part, after which training ends
    decay: float = 0.5  # the learning rate is multiplied by this after each of those
    max_grad_norm: float = 5.0
    unknown: float = 0.5  # share of the tokens seen once in training that are read as unknown, so that it is learnt
    min_count: int = 1  # tokens seen less often have no row in the embedding
    random_seed: int = 0
    amp: str = "none"  # precision of products: see `elmo.nn.native.precision`

    def __post_init__(self) -> None:
        if self.amp not in PRECISIONS:
            raise InputError(f"amp is {self.amp!r}: give one of {', '.join(PRECISIONS)}")
        for field in dataclasses.fields(self):
            if field.name == "amp":
                continue
            value = getattr(self, field.name)
            whole = field.type == "int"
            is_odd = isinstance(value, float) and not math.isfinite(value)
            if is_odd or type(value) not in ((int,) if whole else (int, float)):
                raise InputError(f"{field.name} is {short_number(value)}: give a {'whole ' if whole else ''}number")
        for name in ("learning_rate", "batch_size", "max_epoch", "patience", "decay", "max_grad_norm", "min_count"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {short_number(getattr(self, name))}: give a number above 0")
        check_seed(self.random_seed)
        check_whole(self, "batch_size", "max_epoch", "patience", "min_count")
        for name in ("embedding_rate", "crf_rate", "elmo_rate"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} is {getattr(self, name)!r}: give 0 or more")
        if not 0 <= self.unknown <= 1:
            raise InputError(f"unknown is {self.unknown!r}: give a share from 0 to 1")


class TaggerTrainer:
    """Trains a network until the development part's F1 has not risen for `patience` epochs, and keeps the best.

    Args:
        network: with its first parameters.
        settings: how.
        train: to learn from.
        dev: to stop by; None trains `max_epoch` epochs and keeps the last.
        vocabulary: of the tokens; saved with the model. None where tokens are not ours (`baidu_start`): then
            none is read as unknown, and nothing can be saved.
        save_dir: for a checkpoint an epoch, the newest two of which are kept, in place of all that are there; None for
            none.
        report: is told of each epoch.

    Raises:
        InputError: there is nothing to learn from, or a `save_dir` without a vocabulary.
    """

    def __init__(
        self,
        network: TaggerNetwork,
        settings: TrainSettings,
        train: Examples,
        dev: Examples | None,
        vocabulary: Vocabulary | None,
        save_dir: PathLike | None = None,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        if not len(train):
            raise InputError("there is no training sentence: give one or more")
        if dev is not None and not len(dev):
            raise InputError("there is no development sentence: give one or more, or no development part")
        if save_dir is not None and vocabulary is None:
            raise InputError("a network whose tokens are not ours can't be saved: leave save_dir out")
        settings = dataclasses.replace(settings, amp=choose_precision(settings.amp))
        self.network, self.settings, self.train_examples, self.dev = network, settings, train, dev
        self.vocabulary, self.report = vocabulary, report
        self.save_dir = None if save_dir is None else Path(save_dir)
        self.history: list[dict[str, Any]] = []
        self.best: Arrays = {}
        self.best_f1, self.waited, self.rate = -1.0, 0, settings.learning_rate
        counts = Counter(int(token) for sentence in train.sentences for token in sentence.ids)
        self._once = np.zeros(network.config.num_words, bool)
        if vocabulary is not None:
            self._once[[token for token, count in counts.items() if count == 1]] = True
        _set_rates(network, settings)
        clip = paddle.nn.ClipGradByGlobalNorm(settings.max_grad_norm)
        wanted = [parameter for parameter in network.parameters() if not parameter.stop_gradient]
        self.optimizer = paddle.optimizer.Adam(settings.learning_rate, parameters=wanted, grad_clip=clip)

    def run(self) -> list[dict[str, Any]]:
        """Train; the network then has its best parameters. Returns a record an epoch.

        Raises:
            RunError: the loss is not finite, or a checkpoint can't be written. KeyboardInterrupt: after saying what
                was saved.
        """
        if self.save_dir is not None:
            tidy(self.save_dir)
        try:
            while len(self.history) < self.settings.max_epoch and self.waited < self.settings.patience:
                self._epoch()
                if self.save_dir is not None and self.vocabulary is not None:
                    self._save(self.save_dir, self.vocabulary)
        except KeyboardInterrupt:
            saved = None if self.save_dir is None else next(iter(checkpoints(self.save_dir)), None)
            self.report(
                "stopped: " + ("nothing is saved" if saved is None else f"{saved} is saved; go on with --resume True")
            )
            raise
        load_network(self.network, self.best, "the best epoch")
        self.network.eval()
        return self.history

    def resume(self) -> bool:
        """Go on from the newest whole checkpoint in `save_dir`; False if there is none.

        Raises:
            InputError: it is of other settings, sentences or another network, or none is whole.
        """
        newest = None if self.save_dir is None else newest_checkpoint(self.save_dir, self.report)
        if newest is None:
            return False
        files, state = read_model(newest, kind=KIND), read_training_state(newest)
        now = self._identity()
        if changed := next((name for name in now if state.settings.get(name) != now[name]), None):
            raise InputError(f"{newest} was trained with another {changed}: give the same, or another folder")
        load_network(self.network, files.arrays, newest)
        load_optimizer(self.optimizer, self.network, state.optimizer, newest)
        self.history = state.history
        self.best_f1, self.waited, self.rate = (state.progress[name] for name in ("best_f1", "waited", "rate"))
        self.best = state.position or self._arrays()
        return True

    def _identity(self) -> dict[str, Any]:
        """Settings, sizes and sentences: what must be the same in a run that goes on."""
        settings = {**_as_json(self.settings), **_as_json(self.network.config)}
        for name in ("max_epoch", "patience", "num_words"):  # one may go on for longer; words follow from sentences
            del settings[name]
        if isinstance(features := settings["features"], dict):
            settings["features"] = {name: value for name, value in features.items() if name != "vocabulary"}  # is long
        dev = None if self.dev is None else self.dev.fingerprint
        return {**settings, "training part": self.train_examples.fingerprint, "development part": dev}

    def _epoch(self) -> None:
        settings, number = self.settings, len(self.history) + 1
        generator = np.random.default_rng([settings.random_seed, number])
        paddle.seed(int(generator.integers(1 << 31)))  # of dropout: the same whether or not the run was stopped here
        self.optimizer.set_lr(self.rate)
        self.network.train()
        begun, nats, done = time.perf_counter(), 0.0, 0
        for batch in self._batches(generator):
            with products_in(settings.amp):
                loss = self.network.loss(batch)
            value = float(loss)
            if not np.isfinite(value):
                raise RunError(f"the loss is {value} in epoch {number}: lower learning_rate ({self.rate:g})")
            loss.backward()
            self.optimizer.step()
            self.optimizer.clear_grad()
            nats += value * len(batch)
            done += len(batch)
        record: dict[str, Any] = {"epoch": number, "loss": nats / done, "learning_rate": self.rate}
        record["seconds"] = time.perf_counter() - begun
        record["tokens_per_second"] = self.train_examples.num_tokens / record["seconds"]
        shown, f1 = "", None
        if self.dev is not None:
            f1 = record["dev_f1"] = evaluate(self.network, self.dev).tagged().score().f1
            shown = f", dev F1 {100 * f1:.2f}"
        if f1 is None or f1 > self.best_f1:  # without a development part the last epoch counts as the best
            self.best_f1, self.waited, self.best = -1.0 if f1 is None else f1, 0, self._arrays()
            record["best"] = True
        else:
            self.waited += 1
            self.rate *= settings.decay
        self.history.append(record)
        self.report(
            f"epoch {number}: loss {record['loss']:.3f}{shown}, {record['tokens_per_second']:,.0f} tokens/s"
            + (" *" if f1 is not None and record.get("best") else "")
        )

    def _batches(self, generator: np.random.Generator) -> Iterator[list[Sentence]]:
        """Training sentences in a new order; some tokens that occur once are read as unknown."""
        unknown, size = 0 if self.vocabulary is None else self.vocabulary.unk_id, self.settings.batch_size
        sentences = self.train_examples.sentences
        order = generator.permutation(len(sentences))
        for start in range(0, len(order), size):
            batch = []
            for index in order[start : start + size]:
                sentence = sentences[index]
                hidden = self._once[sentence.ids] & (generator.random(len(sentence.ids)) < self.settings.unknown)
                ids = np.where(hidden, unknown, sentence.ids)
                batch.append(dataclasses.replace(sentence, ids=ids))
            yield batch

    def _arrays(self) -> Arrays:
        return {name: parameter.numpy().copy() for name, parameter in self.network.named_parameters()}

    def _save(self, folder: Path, vocabulary: Vocabulary) -> None:
        """Write this epoch's checkpoint, with the best parameters so far beside its own; remove old ones."""
        number, is_best = len(self.history), bool(self.history[-1].get("best"))
        state = TrainingState(
            number,
            number * math.ceil(len(self.train_examples) / self.settings.batch_size),
            self._identity(),
            self.history,
            optimizer_arrays(self.optimizer, self.network),
            position={} if is_best else self.best,
            progress={"best_f1": self.best_f1, "waited": self.waited, "rate": self.rate},
        )
        files = ModelFiles(KIND, _as_json(self.network.config), vocabulary, self._arrays())
        write_checkpoint(folder / _name(number), files, state, in_place_of_all=number == 1)
        remove(folder / _name(number - _KEPT))


def _name(epoch: int) -> str:
    return f"epoch_{epoch:03d}"


def _as_json(settings: TaggerConfig | TrainSettings) -> dict[str, Any]:
    """Fields as JSON gives them back."""
    fields: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(settings)))
    return fields


def _set_rates(network: TaggerNetwork, settings: TrainSettings) -> None:
    """Give parameters their multiple of the learning rate."""
    network.embedding.weight.optimize_attr["learning_rate"] = settings.embedding_rate
    network.transitions.optimize_attr["learning_rate"] = settings.crf_rate
    if network.elmo is not None:
        for parameter in network.elmo.bilm.parameters():
            parameter.optimize_attr["learning_rate"] = settings.elmo_rate
