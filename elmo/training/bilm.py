"""Pretraining of a biLM: to predict the next word in both directions; what the command `elmo pretrain` does."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.console import Console

from elmo import runtime
from elmo.bilm import BiLM, BiLMState
from elmo.bilm_config import BiLMConfig
from elmo.bilm_config import find_lexicon as find_lexicon
from elmo.bilm_config import token_encoder_sizes as token_encoder_sizes
from elmo.convert.safety import check_memory
from elmo.errors import InputError
from elmo.models import ModelFiles, load_parameters
from elmo.nn.evaluating import evaluating
from elmo.nn.softmax import LogUniformSampler, merged_softmax_loss
from elmo.runtime import paddle
from elmo.system.inputs import open_regular
from elmo.system.locks import alone_in
from elmo.system.terminal import tell
from elmo.system.types import Array, Arrays, Bools, Ids, Tensor
from elmo.text.batches import Batch, Position, SentenceIds
from elmo.text.batches.read_ahead import ReadAhead
from elmo.text.characters import Alphabet, Lexicon
from elmo.text.shards import find_shards
from elmo.text.vocabulary import Coverage, Vocabulary, count_words, measure_coverage
from elmo.training.bilm_batch import batch_losses, detach, run_batch, state_of_rank, state_to_arrays
from elmo.training.progress import tell_unknown
from elmo.training.ranks import SINGLE, Ranks
from elmo.training.settings import PretrainSettings
from elmo.training.start import RunOptions, Start, find_start, find_text_record, run

SPARSE_OPTIMIZERS = ("adagrad", "sgd")  # see `elmo.bilm.BiLM`


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
        self.model = model
        self.vocabulary, self.lexicon = vocabulary, lexicon
        self.train, self.dev = train, dev
        self.settings, self.ranks = settings, ranks
        self.sampler: LogUniformSampler | None = None
        if settings.sample_softmax and settings.n_negative_samples_batch < len(vocabulary):
            self.sampler = LogUniformSampler(len(vocabulary), settings.n_negative_samples_batch)
        # Ranks add up whole gradients; tied rows would be merged from two sparse ones, which is no gain.
        model.sparse_gradient = (
            settings.optim in SPARSE_OPTIMIZERS and ranks.world_size == 1 and settings.accumulate_steps == 1
        )
        self._generator = np.random.default_rng(settings.random_seed)
        self._coverage: Coverage | None = None  # of the held-out text, once it was measured
        self._state: BiLMState | None = None
        self._batches: ReadAhead | None = None

    def begin_epoch(self, epoch: int, state: Mapping[str, Array] | None = None) -> ReadAhead:
        """Shuffle from the seed and the epoch, and begin from zero state, or from a state of `position`."""
        settings, ranks = self.settings, self.ranks
        if self._batches is not None:
            self._batches.close()
        self._state = None
        position = None
        if state:
            position = Position(int(state["taken"][0]), state["sentences"], state["offsets"])
            self._state = state_of_rank(state, self.model.config.num_layers, self.ranks.rank)
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
        places: Arrays = {"taken": np.array([place.taken]), "sentences": place.sentences, "offsets": place.offsets}
        return places | self.ranks.gather(state_to_arrays(self._state))

    def training_loss(self, batch: Batch) -> tuple[Any, Any, int]:
        """LARK's loss: the mean over both directions and all streams, times `num_steps`."""

        def sampled(outputs: Tensor, targets: Ids) -> Tensor:
            return self.model.losses(outputs, paddle.to_tensor(targets), self.sampler, self._generator)

        forward, backward, state = run_batch(self.model, batch, self._state, self.lexicon)
        self._state = detach(state, batch.ended if self.settings.reset_states else None)
        losses = batch_losses(batch, forward, backward, self.lexicon, sampled)
        # Dividing by the size of a full batch gives the last batches, where streams have run out, their due weight.
        return losses.sum() / (2 * self.settings.batch_size), losses.mean(), batch.num_tokens

    def evaluate(self, kept: Bools | None = None) -> dict[str, float]:
        """Perplexity of the held-out text with the full softmax, exp(mean nats), for each direction and both.

        Each sentence is read from zero state, as an encoder reads it, so that `batch_size` and `num_steps`, and what
        stands beside a sentence, have no say.

        Args:
            kept: [vocab], which tokens are told apart: all others are one, whose probability is the sum of theirs. So
                models with different vocabularies can be compared on what both know.

        Returns:
            `perplexity`, `forward_perplexity` and `backward_perplexity`, which are a vocabulary's own; `unknown_share`,
            how many of the words it doesn't know; and `nats_per_character`, the figure that compares vocabularies: the
            nats of all predictions, the mean of both directions, and of spelling the unknown words
            (`elmo.text.vocabulary.measure_coverage`), divided by the characters of all words.
        """
        if self.dev is None or self.ranks.rank:  # all ranks have the same model: the first measures it
            return {}

        def full(outputs: Tensor, targets: Ids) -> Tensor:
            if kept is None:
                return self.model.losses(outputs, paddle.to_tensor(targets))
            return merged_softmax_loss(outputs, targets, *self.model.softmax_parameters(), kept)

        totals = np.zeros(2)  # nats of each direction
        count = 0
        with evaluating(self.model):
            for batch in self.dev.whole_sentences(self.settings.batch_size):
                forward_outputs, backward_outputs, _ = run_batch(self.model, batch, None, self.lexicon)
                losses = batch_losses(batch, forward_outputs, backward_outputs, self.lexicon, full)
                totals += losses.numpy().astype(np.float64).reshape([2, -1]).sum(axis=1)
                count += batch.num_tokens
        forward, backward = totals / count
        coverage = self._measure_coverage(kept)
        return {
            "perplexity": _perplexity((forward + backward) / 2),
            "forward_perplexity": _perplexity(forward),
            "backward_perplexity": _perplexity(backward),
            "nats_per_character": (totals.mean() + coverage.spelling_nats) / max(coverage.characters, 1),
            "unknown_share": coverage.unknown_share,
        }

    def _measure_coverage(self, kept: Bools | None) -> Coverage:
        """What the vocabulary, or the part of it that is told apart, knows of the held-out text."""
        assert self.dev is not None
        if kept is not None:
            tokens = self.vocabulary.tokens
            known = {tokens[token_id] for token_id in np.flatnonzero(kept)}
            return measure_coverage(count_words(self.dev.paths), known, self.vocabulary)
        if self._coverage is None:
            self._coverage = measure_coverage(count_words(self.dev.paths), self.vocabulary, self.vocabulary)
        return self._coverage

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


def _perplexity(nats: float) -> float:
    return math.exp(nats) if nats < 700 else math.inf


@alone_in("para_save_dir")
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
    resume: bool = False,
    all_train_tokens: int | None = None,
    overwrite: bool = False,
    console: Console | None = None,
    ranks: Ranks = SINGLE,
    visualdl_dir: str | None = None,
) -> list[dict[str, Any]]:
    """Pretrain a biLM on segmented shards and return a record an epoch (see `Trainer.run`).

    Args:
        train_path: path or glob of the training shards.
        vocab_path: vocabulary, a token a line.
        test_path: path or glob of held-out shards for the perplexity.
        sizes: fields of `BiLMConfig` other than the vocabulary's; what is not given is as in the model to start from,
            or as in `BiLMConfig`.
        settings: how the run goes.
        para_save_dir: where checkpoints go; must not hold those of another run unless `overwrite`.
        load_dir: a checkpoint to go on from, at the very step it was taken.
        load_pretraining_params: a model whose parameters are the start; the run is new.
        resume: go on from the newest whole checkpoint in `para_save_dir`, or begin where there is none.
        all_train_tokens: words in the training shards, if you know; a wrong number is pointed out and not used.
        overwrite: take the place of checkpoints that are there.
        console: where progress goes.
        ranks: this process among those that train together; `batch_size` is that of each.
        visualdl_dir: where curves for VisualDL are written, if anywhere.

    Raises:
        InputError: bad settings or input. RunError: the run failed. KeyboardInterrupt or, after
            SIGTERM, SystemExit: it was stopped, and saved first.
    """
    settings = settings or PretrainSettings()
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
    vocabulary = Vocabulary.load(vocab_path)
    start = find_start("bilm", vocabulary, vocab_path, options)
    config = _configure(sizes or {}, vocabulary, train_path, start.files)
    words, lexicon = find_lexicon(config, vocabulary, train_path, test_path)
    train = SentenceIds(train_path, words, workers=runtime.available_cores())
    dev = SentenceIds(test_path, words) if test_path else None
    unknown = _tell_text(train, dev, vocabulary, lexicon, console)
    if all_train_tokens is not None and all_train_tokens != train.num_words:
        tell(
            console,
            f"warning: all_train_tokens is {all_train_tokens}, but the training shards hold {train.num_words} words: "
            "the counted number is used",
        )
    record = find_text_record(start, train.paths, dev.paths if dev else (), console)
    runtime.seed_everything(settings.random_seed)
    model = _make_model(config, start, console)
    objective = BiLMObjective(model, vocabulary, train, dev, settings, lexicon, ranks)
    provenance = {"train_words": train.num_words, "unknown_train_words": unknown, **record}
    return run(objective, settings, start, provenance, options)


def _tell_text(
    train: SentenceIds, dev: SentenceIds | None, vocabulary: Vocabulary, lexicon: Lexicon | None, console: Console
) -> int:
    """Say how much text there is, and how much of it is unknown; returns how many of the training words are."""
    tell(
        console,
        f"{train.num_words:,} words in {len(train):,} training sentences ({len(train.paths)} shards), "
        f"{dev.num_words if dev else 0:,} held out; vocabulary {len(vocabulary):,}",
    )
    unknown_ids = np.array([vocabulary.unk_id])
    if lexicon is not None:
        unknown_ids = np.flatnonzero(lexicon.word_ids == vocabulary.unk_id)
    unknown = train.count(unknown_ids)
    tell_unknown(console, unknown, train.num_words, "the training words")
    if dev is not None:
        tell_unknown(console, dev.count(unknown_ids), dev.num_words, "the held-out words")
    return unknown


def _make_model(config: BiLMConfig, start: Start, console: Console) -> BiLM:
    """The biLM with the start's parameters where there is one; its softmax is new where that came without."""
    model = BiLM(config)
    model.train()
    if start.files is None:
        return model
    arrays = start.files.arrays
    if not start.files.config.get("softmax", True):  # as LARK's released checkpoint
        tell(console, f"{start.source} came without its softmax: it is learnt from the beginning")
        fresh = {name: value.numpy() for name, value in model.named_parameters() if name.startswith("softmax")}
        arrays = {**arrays, **fresh}
    load_parameters(model, arrays, start.source)
    return model


def _configure(sizes: dict[str, Any], vocabulary: Vocabulary, train_path: str, start: ModelFiles | None) -> BiLMConfig:
    """Make the configuration: where there is a model to start from its own, but for the sizes that are given."""
    tokens = {"vocab_size": len(vocabulary), "bos_id": vocabulary.bos_id, "eos_id": vocabulary.eos_id}
    characters = sizes.get("token_encoder")
    if start is not None:
        token_encoder = start.config.get("token_encoder")
        if characters is not None and token_encoder is None:
            raise InputError("the model to start from looks word ids up: give --token_encoder word")
        sizes = {**start.config, **sizes, "token_encoder": token_encoder, "softmax": True}
    elif isinstance(characters, dict) and characters.get("alphabet") == "characters":
        symbols = Alphabet.from_counts(count_words(find_shards(train_path))).symbols
        sizes = {**sizes, "token_encoder": {**characters, "alphabet": symbols}}
    config = BiLMConfig.from_dict({**sizes, **tokens})
    check_memory(4 * config.num_parameters, "these sizes")
    return config
