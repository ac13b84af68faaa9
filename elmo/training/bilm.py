"""Pretraining of a biLM on segmented shards: what the command `elmo pretrain` does."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from rich.console import Console

from elmo import runtime
from elmo.bilm import BiLM, BiLMConfig, bilm_from_files
from elmo.convert.safety import check_memory
from elmo.errors import InputError
from elmo.models import ModelFiles, load_parameters, read_model
from elmo.system.locks import alone_in
from elmo.system.terminal import tell
from elmo.text.batches import SentenceIds, find_shards
from elmo.text.characters import UTF8, Alphabet, Lexicon, read_lexicon
from elmo.text.vocabulary import Vocabulary, count_words
from elmo.training.ranks import SINGLE, Ranks
from elmo.training.settings import BiLMObjective, PretrainSettings
from elmo.training.start import find_start, run


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
        sizes: fields of `BiLMConfig` other than the vocabulary's.
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
    console = console if console is not None and ranks.rank == 0 else Console(quiet=True)
    vocabulary = Vocabulary.load(vocab_path)
    start = find_start(
        "bilm",
        vocabulary,
        vocab_path,
        para_save_dir=para_save_dir,
        load_dir=load_dir,
        load_pretraining_params=load_pretraining_params,
        resume=resume,
        overwrite=overwrite,
        console=console,
    )
    config = _configure(sizes or {}, vocabulary, train_path, start.files)
    words, lexicon = _lexicon(config, vocabulary, train_path, test_path)
    train = SentenceIds(train_path, words, workers=runtime.available_cores())
    dev = SentenceIds(test_path, words) if test_path else None
    tell(
        console,
        f"{train.num_words:,} words in {len(train):,} training sentences ({len(train.paths)} shards), "
        f"{dev.num_words if dev else 0:,} held out; vocabulary {len(vocabulary):,}",
    )
    if all_train_tokens is not None and all_train_tokens != train.num_words:
        tell(
            console,
            f"warning: all_train_tokens is {all_train_tokens}, but the training shards hold {train.num_words} words: "
            "the counted number is used",
        )
    runtime.seed_everything(settings.random_seed)
    model = BiLM(config)
    model.train()
    if (files := start.files) is not None:
        if not files.config.get("softmax", True):  # as LARK's released checkpoint
            tell(console, f"{start.source} came without its softmax: it is learnt from the beginning")
            fresh = {name: value.numpy() for name, value in model.named_parameters() if name.startswith("softmax")}
            files = dataclasses.replace(files, arrays={**files.arrays, **fresh})
        load_parameters(model, files.arrays, start.source)
    objective = BiLMObjective(model, vocabulary, train, dev, settings, lexicon, ranks)
    return run(
        objective,
        settings,
        start,
        para_save_dir=para_save_dir,
        provenance={"train_words": train.num_words},
        console=console,
        ranks=ranks,
        visualdl_dir=visualdl_dir,
    )


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
    """Make the configuration; how words are read, and whether layers are skipped, is the start's where there is one."""
    tokens = {"vocab_size": len(vocabulary), "bos_id": vocabulary.bos_id, "eos_id": vocabulary.eos_id}
    characters = sizes.get("token_encoder")
    if start is not None:
        theirs = start.config.get("token_encoder")
        if characters is not None and theirs is None:
            raise InputError("the model to start from looks word ids up: give --token_encoder word")
        skips = start.config.get("use_skip_connections", True)
        sizes = {**sizes, "token_encoder": theirs, "use_skip_connections": skips}
    elif isinstance(characters, dict) and characters.get("alphabet") == "characters":
        symbols = Alphabet.from_counts(count_words(find_shards(train_path))).symbols
        sizes = {**sizes, "token_encoder": {**characters, "alphabet": symbols}}
    config = BiLMConfig.from_dict({**sizes, **tokens})
    check_memory(4 * config.num_parameters, "these sizes")
    return config


def _lexicon(config: BiLMConfig, vocabulary: Vocabulary, *patterns: str | None) -> tuple[Vocabulary, Lexicon | None]:
    """Return what turns the shards' words into ids, and the lexicon of these ids where the biLM reads characters."""
    if config.token_encoder is None:
        return vocabulary, None
    counts = count_words([path for pattern in patterns if pattern for path in find_shards(pattern)])
    alphabet = Alphabet(config.token_encoder.alphabet)
    return read_lexicon(counts, vocabulary, alphabet, config.token_encoder.max_characters)


def evaluate_perplexity(path_or_name: str | os.PathLike[str], test_path: str, batch_size: int = 64) -> dict[str, Any]:
    """Perplexity of a biLM on held-out shards with the full softmax (`BiLMObjective.evaluate`), and how it was trained.

    Args:
        path_or_name: the model.
        test_path: path or glob of the shards.
        batch_size: sentences that are run together; changes speed and memory, not the result (to 1e-6).

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
