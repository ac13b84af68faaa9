"""Pretraining: one loop that takes batches from an objective, steps an optimiser, measures, and saves checkpoints."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from elmo import runtime
from elmo.bilm import BiLM, BiLMConfig, bilm_from_files, load_arrays
from elmo.checkpoint import (
    TrainingState,
    load_optimizer,
    optimizer_arrays,
    read_training_state,
    write_checkpoint,
)
from elmo.convert import read_any
from elmo.errors import InputError, RunError
from elmo.model_files import ModelFiles, read_model
from elmo.objectives import BiLMObjective, Objective, PretrainSettings
from elmo.runtime import paddle
from elmo.text.characters import UTF8, Alphabet, Lexicon, read_lexicon
from elmo.text.corpus import SentenceIds, find_shards
from elmo.text.vocabulary import Vocabulary, count_words


def make_optimizer(settings: PretrainSettings, parameters: list[Any]) -> Any:
    """Return the optimiser that the settings name, with the gradient's global norm clipped."""
    clip = paddle.nn.ClipGradByGlobalNorm(settings.max_grad_norm)
    rate, library = settings.learning_rate, paddle.optimizer
    if settings.optim == "adagrad":
        return library.Adagrad(rate, epsilon=0.0, parameters=parameters, grad_clip=clip, initial_accumulator_value=1.0)
    classes = {"sgd": library.SGD, "adam": library.Adam, "rmsprop": library.RMSProp}
    return classes[settings.optim](learning_rate=rate, parameters=parameters, grad_clip=clip)


class Trainer:
    """The loop itself.

    Args:
        objective: what is trained.
        settings: how.
        save_dir: where checkpoints go, `epoch_001` and so on; None for none.
        provenance: written into every checkpoint; its "runs" are those that made the model before this one.
        console: where progress and log lines go; None for silence.
    """

    def __init__(
        self,
        objective: Objective,
        settings: PretrainSettings,
        save_dir: str | os.PathLike[str] | None = None,
        provenance: dict[str, Any] | None = None,
        console: Console | None = None,
    ) -> None:
        self.objective, self.settings = objective, settings
        self.save_dir = None if save_dir is None else Path(save_dir)
        self.provenance = provenance or {}
        self.console = console or Console(quiet=True)
        self.optimizer = make_optimizer(settings, objective.model.parameters())
        self.epoch = self.step = 0
        self.tokens_read = 0  # of this run, in each direction
        self.history: list[dict[str, Any]] = []

    def load_state(self, state: TrainingState, place: object) -> None:
        """Go on after the epochs that a checkpoint has finished; the model's parameters are loaded already.

        Raises:
            InputError: the checkpoint is another optimiser's, or not this model's.
        """
        if (optim := state.settings.get("optim")) != self.settings.optim:
            raise InputError(f"{place}: was trained with optim {optim!r}, not {self.settings.optim!r}; give that one")
        self.epoch, self.step, self.history = state.epoch, state.step, list(state.history)
        load_optimizer(self.optimizer, self.objective.model, state.optimizer, place)

    def run(self) -> list[dict[str, Any]]:
        """Train until `max_epoch` epochs are finished.

        Returns:
            a record an epoch: epoch, step, mean training loss (nats), tokens/s, seconds, and the held-out scores.

        Raises:
            RunError: the loss is not finite, or a checkpoint can't be written.
        """
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console, disable=not self.console.is_terminal) as progress:
            while self.epoch < self.settings.max_epoch:
                task = progress.add_task(f"epoch {self.epoch + 1}", total=self.objective.batches_per_epoch(), status="")
                self.history.append(
                    self._run_epoch(lambda status, task=task: progress.update(task, advance=1, status=status))
                )
                progress.remove_task(task)
                self.epoch += 1
                self._log_epoch(self.history[-1])
                self._save(f"epoch_{self.epoch:03d}")
        return self.history

    def _run_epoch(self, advance: Any) -> dict[str, Any]:
        settings, model = self.settings, self.objective.model
        model.train()
        started = time.perf_counter()
        total, tokens = 0.0, 0
        total_steps = settings.max_epoch * self.objective.batches_per_epoch()
        recent = _Window(started)
        for batch in self.objective.begin_epoch(self.epoch):
            loss, mean, count = self.objective.training_loss(batch)
            nats = float(mean)
            if not math.isfinite(nats):
                raise RunError(
                    f"the loss is {nats} at step {self.step + 1} (epoch {self.epoch + 1}): "
                    f"lower --learning_rate ({settings.learning_rate:g}) "
                    f"or --max_grad_norm ({settings.max_grad_norm:g})"
                )
            loss.backward()
            self.optimizer.set_lr(settings.rate(self.step, total_steps))
            self.optimizer.step()
            self.optimizer.clear_grad()
            self.step += 1
            self.tokens_read += count
            total, tokens = total + nats * count, tokens + count
            recent.add(nats, count)
            advance(f"loss {nats:.3f}  {tokens / (time.perf_counter() - started):,.0f} tokens/s")
            if self.step % settings.log_interval == 0:
                self.console.print(f"step {self.step}: {recent.report()}", highlight=False)
                recent = _Window(time.perf_counter())
            if settings.save_interval and self.step % settings.save_interval == 0:
                self._save(f"step_{self.step:07d}")
            if settings.dev_interval and self.step % settings.dev_interval == 0:
                scores = self.objective.evaluate()
                self.console.print(f"step {self.step}: {_format(scores)}", highlight=False)
        seconds = time.perf_counter() - started
        return {
            "epoch": self.epoch + 1,
            "step": self.step,
            "training_loss": total / tokens,
            "tokens_per_second": tokens / seconds,
            "seconds": seconds,
            **self.objective.evaluate(),
        }

    def _log_epoch(self, record: dict[str, Any]) -> None:
        scores = {name: value for name, value in record.items() if name.endswith("perplexity")}
        self.console.print(
            f"epoch {record['epoch']}: training loss {record['training_loss']:.4f}, {_format(scores)}"
            f"{record['tokens_per_second']:,.0f} tokens/s",
            highlight=False,
        )

    def _save(self, name: str) -> None:
        if self.save_dir is None:
            return
        optimizer = optimizer_arrays(self.optimizer, self.objective.model)
        state = TrainingState(self.epoch, self.step, dataclasses.asdict(self.settings), self.history, optimizer)
        run = {"settings": state.settings, "steps": self.step, "tokens_read": self.tokens_read, "history": self.history}
        provenance = {**self.provenance, "runs": [*self.provenance.get("runs", []), run]}
        write_checkpoint(self.save_dir / name, self.objective.files(provenance), state)


class _Window:
    """Mean loss and speed over the steps since the last line of the log."""

    def __init__(self, started: float) -> None:
        self.started, self.nats, self.steps, self.tokens = started, 0.0, 0, 0

    def add(self, nats: float, tokens: int) -> None:
        self.nats, self.steps, self.tokens = self.nats + nats, self.steps + 1, self.tokens + tokens

    def report(self) -> str:
        speed = self.tokens / max(time.perf_counter() - self.started, 1e-9)
        return f"training loss {self.nats / self.steps:.4f}, {speed:,.0f} tokens/s"


def _format(scores: dict[str, float]) -> str:
    return "".join(f"{name.replace('_', ' ')} {value:.2f}, " for name, value in scores.items())


def pretrain(
    train_path: str,
    vocab_path: str,
    *,
    test_path: str | None = None,
    sizes: dict[str, Any] | None = None,
    settings: PretrainSettings | None = None,
    para_save_dir: str | None = "checkpoints",
    load_dir: str | None = None,
    load_pretraining_params: str | None = None,
    all_train_tokens: int | None = None,
    overwrite: bool = False,
    console: Console | None = None,
) -> list[dict[str, Any]]:
    """Pretrain a biLM on segmented shards and return a record an epoch (see `Trainer.run`).

    Args:
        train_path: path or glob of the training shards.
        vocab_path: vocabulary, a token a line.
        test_path: path or glob of held-out shards for the perplexity.
        sizes: fields of `BiLMConfig` other than the vocabulary's.
        settings: how the run goes.
        para_save_dir: where checkpoints go; must not hold those of another run unless `overwrite`.
        load_dir: a checkpoint to go on from, with its optimiser and its count of epochs.
        load_pretraining_params: a model whose parameters are the start; the run is new.
        all_train_tokens: words in the training shards, if you know; a wrong number is pointed out and not used.
        overwrite: take the place of checkpoints that are there.
        console: where progress goes.

    Raises:
        InputError: bad settings or input. RunError: the run failed.
    """
    settings = settings or PretrainSettings()
    console = console or Console(quiet=True)
    if load_dir and load_pretraining_params:
        raise InputError("give --load_dir (go on) or --load_pretraining_params (start from a model), not both")
    _check_save_dir(para_save_dir, load_dir, overwrite)
    vocabulary = Vocabulary.load(vocab_path)
    start = None
    if source := load_dir or load_pretraining_params:
        start = read_any(source, kind="bilm", vocab_path=vocab_path)
        if start.vocabulary != vocabulary:
            raise InputError(f"{source}: was trained with another vocabulary than {vocab_path}; give its own")
    config = _configure(sizes or {}, vocabulary, train_path, start)
    words, lexicon = _lexicon(config, vocabulary, train_path, test_path)
    train = SentenceIds(train_path, words)
    dev = SentenceIds(test_path, words) if test_path else None
    console.print(
        f"{train.num_words:,} words in {len(train):,} training sentences ({len(train.paths)} shards), "
        f"{dev.num_words if dev else 0:,} held out; vocabulary {len(vocabulary):,}",
        highlight=False,
    )
    if all_train_tokens is not None and all_train_tokens != train.num_words:
        console.print(
            f"warning: all_train_tokens is {all_train_tokens}, but the training shards hold {train.num_words} words: "
            "the counted number is used",
            highlight=False,
        )
    runtime.seed_everything(settings.random_seed)
    model = BiLM(config)
    model.train()
    earlier_runs: list[dict[str, Any]] = []
    if start is not None:
        earlier_runs = list(start.provenance.get("runs", []))
        if not start.config.get("softmax", True):  # as LARK's released checkpoint
            console.print(f"{source} came without its softmax: it is learnt from the beginning", highlight=False)
            fresh = {name: value.numpy() for name, value in model.named_parameters() if name.startswith("softmax")}
            start = dataclasses.replace(start, arrays={**start.arrays, **fresh})
        load_arrays(model, start, source)
    objective = BiLMObjective(model, vocabulary, train, dev, settings, lexicon)
    this_run = earlier_runs.pop() if load_dir and earlier_runs else {}
    provenance = {"train_words": train.num_words, "paddle": paddle.__version__, "runs": earlier_runs}
    trainer = Trainer(objective, settings, para_save_dir, provenance, console)
    if load_dir:
        trainer.load_state(read_training_state(load_dir), load_dir)
        trainer.tokens_read = this_run.get("tokens_read", 0)
    return trainer.run()


def token_encoder_sizes(name: str, alphabet: str = "characters") -> dict[str, Any] | None:
    """Sizes of a token encoder by its name, for `sizes["token_encoder"]` of `pretrain`: None for "word".

    Args:
        name: "word" or "char_cnn".
        alphabet: "characters" (those of the training text) or "utf-8" (bytes; three make a Chinese character).
    """
    if name not in ("word", "char_cnn"):
        raise InputError(f"token_encoder is {name!r}: give word or char_cnn")
    if alphabet not in ("characters", UTF8):
        raise InputError(f"alphabet is {alphabet!r}: give characters or {UTF8}")
    if name == "word":
        return None
    if alphabet == UTF8:
        filters = [[1, 16], [2, 16], [3, 64], [4, 32], [5, 32], [6, 96]]
        return {"alphabet": UTF8, "char_embed_size": 16, "filters": filters, "max_characters": 32}
    filters = [[1, 64], [2, 96], [3, 64], [4, 32]]
    return {"alphabet": "characters", "char_embed_size": 32, "filters": filters, "max_characters": 12}


def _configure(sizes: dict[str, Any], vocabulary: Vocabulary, train_path: str, start: ModelFiles | None) -> BiLMConfig:
    """Make the configuration; an alphabet of "characters" becomes the model's own, or that of the training text."""
    tokens = {"vocab_size": len(vocabulary), "bos_id": vocabulary.bos_id, "eos_id": vocabulary.eos_id}
    characters = sizes.get("token_encoder")
    if isinstance(characters, dict) and characters.get("alphabet") == "characters":
        known = (start.config.get("token_encoder") or {}).get("alphabet") if start else None
        symbols = known or Alphabet.from_counts(count_words(find_shards(train_path))).symbols
        sizes = {**sizes, "token_encoder": {**characters, "alphabet": symbols}}
    return BiLMConfig.from_dict({**sizes, **tokens})


def _lexicon(config: BiLMConfig, vocabulary: Vocabulary, *patterns: str | None) -> tuple[Vocabulary, Lexicon | None]:
    """Return what turns the shards' words into ids, and the lexicon of these ids where the biLM reads characters."""
    if config.token_encoder is None:
        return vocabulary, None
    counts = count_words([path for pattern in patterns if pattern for path in find_shards(pattern)])
    alphabet = Alphabet(config.token_encoder.alphabet)
    return read_lexicon(counts, vocabulary, alphabet, config.token_encoder.max_characters)


def evaluate_perplexity(path_or_name: str | os.PathLike[str], test_path: str, batch_size: int = 64) -> dict[str, Any]:
    """Perplexity of a biLM on held-out shards with the full softmax, and how it was trained.

    Returns:
        `perplexity`, `forward_perplexity`, `backward_perplexity`, `test_words`, and from the model's provenance `runs`
        (settings, steps, tokens read) and `tokens_read`, the sum over runs, in each direction.

    Raises:
        InputError: the model or the shards can't be used.
    """
    files = read_model(path_or_name, kind="bilm")
    model = bilm_from_files(files, path_or_name)
    words, lexicon = _lexicon(model.config, files.vocabulary, test_path)
    dev = SentenceIds(test_path, words)
    settings = PretrainSettings(batch_size=batch_size)
    runs = files.provenance.get("runs", [])
    return {
        **BiLMObjective(model, files.vocabulary, dev, dev, settings, lexicon).evaluate(),
        "test_words": dev.num_words,
        "tokens_read": sum(run["tokens_read"] for run in runs),
        "runs": runs,
    }


def _check_save_dir(save_dir: str | None, load_dir: str | None, overwrite: bool) -> None:
    if save_dir is None or overwrite or load_dir:
        return
    earlier = sorted(path.name for kind in ("epoch_*", "step_*") for path in Path(save_dir).glob(kind))
    if earlier:
        raise InputError(
            f"{save_dir} holds checkpoints of another run ({earlier[0]}): choose another --para_save_dir, "
            "go on with --load_dir, or give --overwrite True"
        )
