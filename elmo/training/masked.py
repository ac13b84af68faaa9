"""Pretraining of a masked language model, BERT's way or ERNIE 1.0's: what the command `elmo pretrain_masked` does."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console

from elmo import runtime
from elmo.checks import check_flag
from elmo.convert.safety import check_memory
from elmo.errors import InputError
from elmo.masked_lm import KIND, MaskedLM, MaskedLMConfig
from elmo.models import ModelFiles, load_parameters
from elmo.nn.evaluating import evaluating
from elmo.runtime import paddle
from elmo.system.locks import alone_in
from elmo.system.terminal import tell
from elmo.system.types import Array, Arrays
from elmo.text.masking import MASK_SHARE, STAGES, MaskedBatch, MaskedSequences
from elmo.text.pieces import PieceVocabulary
from elmo.text.units import UnitText
from elmo.training.progress import tell_unknown
from elmo.training.ranks import SINGLE, Ranks
from elmo.training.settings import RunSettings
from elmo.training.start import RunOptions, find_start, find_text_record, run

MASKINGS = {
    "bert": STAGES[:1],
    # Words two thirds of the run through: a model that meets them early may never learn to use neighbours (chapter 10).
    "ernie": (*4 * STAGES[:1], *STAGES[1:]),
}
MaskedBatches = Generator[MaskedBatch, None, None]
_DEV_SEED = (0, 0)  # held-out text is masked alike for every run and model


@dataclass(frozen=True)
class MaskedSettings(RunSettings):
    """How the run of a masked language model goes."""

    batch_size: int = 16  # sequences, on each rank
    learning_rate: float = 5e-4
    optim: str = "adam"
    lr_schedule: str = "cosine"
    warmup_steps: int = 1000
    max_grad_norm: float = 1.0
    stages: tuple[str, ...] = ("characters",)  # what is masked, in equal shares of the schedule one after another
    tagged: bool = False  # whether the shards' words have tags: there are no entities without

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "stages", tuple(self.stages))  # a list, from JSON
        if not self.stages or set(self.stages) - set(STAGES):
            raise InputError(f"stages are {self.stages!r}: give some of {', '.join(STAGES)}")
        check_flag(self, "tagged")
        if "entities" in self.stages and not self.tagged:
            raise InputError(
                "the stage entities needs words with tags: give shards of word/tag and --tagged True, or leave it out "
                "(--masking characters,words)"
            )

    @property
    def changes_in_its_course(self) -> bool:
        """Whether the rate or what is masked does."""
        return super().changes_in_its_course or len(set(self.stages)) > 1

    def stage(self, batch: int, total: int) -> str:
        """Return what is masked in a batch, counted from 0 over the whole run; the schedule has about `total`."""
        return self.stages[min(batch * len(self.stages) // max(total, 1), len(self.stages) - 1)]


class MaskedLMObjective:
    """Predict what was masked.

    Args:
        model: the masked language model.
        vocabulary: the model's own.
        train: sequences to learn from.
        dev: sequences to measure perplexity on, or None.
        settings: see `MaskedSettings`.
        ranks: this process among those that train together; each reads sequences of its own.
    """

    def __init__(
        self,
        model: MaskedLM,
        vocabulary: PieceVocabulary,
        train: MaskedSequences,
        dev: MaskedSequences | None,
        settings: MaskedSettings,
        ranks: Ranks = SINGLE,
    ) -> None:
        self.model, self.vocabulary, self.train, self.dev = model, vocabulary, train, dev
        self.settings, self.ranks = settings, ranks
        self._taken = 0  # batches of this pass

    def begin_epoch(self, epoch: int, state: Mapping[str, Array] | None = None) -> MaskedBatches:
        """Shuffle and mask from the seed and the epoch, and begin, or go on from a state of `position`."""
        settings = self.settings
        in_epoch = self.batches_per_epoch()
        self._taken = int(state["taken"][0]) if state else 0
        return self._count(
            self.train.batches(
                settings.batch_size,
                lambda batch: settings.stage(epoch * in_epoch + batch, settings.schedule_length * in_epoch),
                (settings.random_seed, epoch),
                shuffle=settings.shuffle,
                first=self._taken,
                rank=self.ranks.rank,
                world_size=self.ranks.world_size,
            )
        )

    def _count(self, batches: Iterator[MaskedBatch]) -> MaskedBatches:
        for batch in batches:
            self._taken += 1
            yield batch

    def seed_step(self, epoch: int, step: int) -> None:
        """Seed dropout, which differs between ranks."""
        numbers = np.random.SeedSequence([self.settings.random_seed, epoch, step])
        paddle.seed(int(numbers.generate_state(self.ranks.rank + 1)[-1]))

    def batches_per_epoch(self) -> int:
        """Batches of a pass; all ranks have as many."""
        return self.train.num_batches(self.settings.batch_size, self.ranks.world_size)

    def training_loss(self, batch: MaskedBatch) -> tuple[Any, Any, int]:
        """Sum over what is masked, divided by what a full batch masks; and the mean."""
        losses = self._losses(batch)
        full = len(batch.token_ids) * max(1, round(MASK_SHARE * self.train.length))
        return losses.sum() / full, losses.mean(), batch.num_tokens

    def position(self) -> Arrays:
        """Return how many batches of the pass were taken: all else follows from the seed and the epoch."""
        return {"taken": np.array([self._taken])}

    def evaluate(self) -> dict[str, float]:
        """Perplexity exp(mean nats) of masked characters in held-out text, and of the characters of masked words.

        What is masked is the same each time, and for every model that reads the text in the same pieces.
        """
        if self.dev is None or self.ranks.rank:
            return {}
        scores = {}
        with evaluating(self.model):
            for name, stage in (("perplexity", "characters"), ("word_perplexity", "words")):
                nats, count = 0.0, 0
                for begin in range(0, len(self.dev), self.settings.batch_size):
                    numbers = range(begin, min(begin + self.settings.batch_size, len(self.dev)))
                    batch = self.dev.batch(numbers, stage, _DEV_SEED)
                    if len(batch.targets):
                        nats += float(self._losses(batch).astype("float64").sum())
                        count += len(batch.targets)
                scores[name] = math.exp(min(nats / max(count, 1), 700.0))
        return scores

    def text_fingerprint(self) -> str:
        """Return that of the encoded text."""
        return self.train.text.fingerprint

    def files(self, provenance: dict[str, Any]) -> ModelFiles:
        """Return parameters, configuration and vocabulary."""
        arrays = {name: parameter.numpy() for name, parameter in self.model.named_parameters()}
        return ModelFiles(KIND, self.model.config.to_dict(), self.vocabulary, arrays, provenance)

    def _losses(self, batch: MaskedBatch) -> Any:
        places, targets = batch.places, batch.targets
        nothing = not len(places)  # but unknown characters: a prediction without weight makes gradients zero, not none
        if nothing:
            places, targets = np.zeros(1, np.int64), np.zeros(1, np.int64)
        losses = self.model.losses(*map(paddle.to_tensor, (batch.token_ids, places, targets)))
        return losses * 0.0 if nothing else losses


@alone_in("para_save_dir")
def pretrain_masked(
    train_path: str,
    vocab_path: str,
    *,
    test_path: str | None = None,
    sizes: dict[str, Any] | None = None,
    settings: MaskedSettings | None = None,
    para_save_dir: str | None = "checkpoints_masked",
    load_dir: str | None = None,
    load_pretraining_params: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    console: Console | None = None,
    ranks: Ranks = SINGLE,
    visualdl_dir: str | None = None,
) -> list[dict[str, Any]]:
    """Pretrain a masked language model on segmented shards and return a record an epoch (see `Trainer.run`).

    Args:
        train_path: path or glob of the training shards: words separated by spaces, or word/tag.
        vocab_path: vocabulary of characters and pieces, as `elmo vocab --pieces True` writes it.
        sizes: fields of `MaskedLMConfig` other than the vocabulary's; what is not given is as in the model to start
            from, or as in `MaskedLMConfig`.
        settings: how the run goes.
        test_path, para_save_dir, load_dir, load_pretraining_params, resume, overwrite, console, ranks, visualdl_dir:
            as `elmo.training.bilm.pretrain` has them.

    Raises:
        InputError: bad settings or input. RunError: the run failed. KeyboardInterrupt or, after
            SIGTERM, SystemExit: it was stopped, and saved first.
    """
    settings = settings or MaskedSettings()
    console = ranks.console(console)
    options = RunOptions(
        para_save_dir=para_save_dir,
        load_dir=load_dir,
        load_pretraining_params=load_pretraining_params,
        resume=resume,
        overwrite=overwrite,
        console=console,
        ranks=ranks,
        visualdl_dir=visualdl_dir,
    )
    vocabulary = PieceVocabulary.load(vocab_path)
    start = find_start(KIND, vocabulary, vocab_path, options)
    config = _configure(sizes or {}, vocabulary, start.files)

    def sequences(pattern: str) -> MaskedSequences:
        workers = runtime.available_cores()
        text = UnitText(pattern, vocabulary, tagged=settings.tagged, lower_case=config.lower_case, workers=workers)
        return MaskedSequences(text, config.max_length)

    train = sequences(train_path)
    dev = sequences(test_path) if test_path else None
    tell(
        console,
        f"{train.text.num_characters:,} characters in {len(train):,} training sequences ({len(train.text.paths)} "
        f"shards), {dev.text.num_characters if dev else 0:,} held out; vocabulary {len(vocabulary):,}; "
        f"masking {', '.join(settings.stages)}",
    )
    for part, what in ((train, "the training characters"), (dev, "the held-out characters")):
        if part is not None:
            unknown = int(part.text.count_tokens()[vocabulary.unk_id])
            tell_unknown(console, unknown, part.text.num_characters, what)
    record = find_text_record(start, train.text.paths, dev.text.paths if dev else (), console)
    runtime.seed_everything(settings.random_seed)
    model = MaskedLM(config)
    model.train()
    if start.files is not None:
        load_parameters(model, start.files.arrays, start.source, unused=config.unused)
    else:
        model.head.begin_with_frequencies(train.text.count_tokens())
    objective = MaskedLMObjective(model, vocabulary, train, dev, settings, ranks)
    provenance = {"train_characters": train.text.num_characters, **record}
    return run(objective, settings, start, provenance, options)


def _configure(sizes: dict[str, Any], vocabulary: PieceVocabulary, start: ModelFiles | None) -> MaskedLMConfig:
    """Make the configuration: a start's own, but for the sizes that are given and that its weights don't decide."""
    if start is not None:
        if not start.config.get("head", True):
            raise InputError("the model to start from came without the head that predicts tokens: it can't go on")
        decided = ("hidden_act", "layer_norm_eps", "lower_case", "type_vocab_size", "task_type_vocab_size", "pooler")
        sizes = {**start.config, **sizes, **{name: start.config[name] for name in decided if name in start.config}}
    config = MaskedLMConfig.from_dict({**sizes, "vocab_size": len(vocabulary)})
    check_memory(4 * config.num_parameters, "these sizes")
    return config


def parse_masking(text: str) -> tuple[str, ...]:
    """Return the stages that --masking names: bert, ernie, or some of STAGES separated by commas."""
    return MASKINGS.get(text) or tuple(text.split(","))
