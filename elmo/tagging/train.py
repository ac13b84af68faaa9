"""Training a tagger from gold sentences: the vocabulary, the examples, the network, and the loop over epochs."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from elmo.convert.safety import check_memory
from elmo.encoding.encoder import load_pretrained
from elmo.encoding.features import Features
from elmo.errors import InputError
from elmo.runtime import paddle, seed_everything
from elmo.tagging.examples import (
    Examples,
    GoldSentence,
    evaluate,
    make_examples,
    make_vocabulary,
    segment_gold,
)
from elmo.tagging.network import TaggerConfig, TaggerNetwork, describe_fine_tuned, fine_tuned_elmo
from elmo.tagging.tagger import SentenceReader, Tagger
from elmo.tagging.trainer import TaggerTrainer, TrainSettings
from elmo.training.checkpoint import check_removable, checkpoints

__all__ = [
    "Examples",
    "GoldSentence",
    "TaggerTrainer",
    "TrainSettings",
    "check_save_dir",
    "evaluate",
    "make_examples",
    "make_vocabulary",
    "segment_gold",
    "train_tagger",
]

PathLike = str | os.PathLike[str]


def check_save_dir(save_dir: PathLike, *, resume: bool, overwrite: bool) -> None:
    """Refuse a folder that holds checkpoints of another run, unless they may be gone on from or overwritten."""
    if Path(save_dir).exists() and not Path(save_dir).is_dir():
        raise InputError(f"{save_dir} is a file: give a folder")
    check_removable(save_dir, only_best=resume or not overwrite)
    if not (resume or overwrite) and (earlier := checkpoints(save_dir)):
        raise InputError(
            f"{save_dir} holds checkpoints of another run ({earlier[0].name}): go on with --resume True, choose "
            "another --save_dir, or give --overwrite True"
        )


def train_tagger(
    train: Sequence[GoldSentence],
    dev: Sequence[GoldSentence] | None = None,
    *,
    tags: Sequence[str],
    tokens: str = "words",
    segmenter: str = "jieba",
    features: Features | None = None,
    fine_tune: str | None = None,
    settings: TrainSettings | None = None,
    sizes: dict[str, Any] | None = None,
    save_dir: PathLike | None = None,
    resume: bool = False,
    overwrite: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> Tagger:
    """Train a tagger from gold sentences.

    Args:
        train, dev: gold sentences; dev decides when to stop, None for `max_epoch` epochs.
        tags: all tags there are.
        tokens: what the network reads, "words" of the segmenter or "characters".
        features: frozen vectors of the segmenter's words, see `elmo.encoding.features`.
        fine_tune: name or path of an ELMo that is trained along, in place of features.
        settings: how; sizes: fields of `TaggerConfig`, such as hidden_size or dropout.
        save_dir: where checkpoints go; must not hold those of another run unless `overwrite`.
        resume: go on from the newest whole checkpoint in `save_dir`, or begin where there is none.
        overwrite: take the place of checkpoints that are there.
        report: is told of each epoch.

    Raises:
        InputError: gold sentences and tags do not fit, both `features` and `fine_tune` are given, or what is resumed
            was trained otherwise. RunError: see `TaggerTrainer.run`.
    """
    if features is not None and fine_tune is not None:
        raise InputError("give features (frozen) or fine_tune, not both")
    if resume and save_dir is None:
        raise InputError("resume goes on from a checkpoint: give save_dir")
    if save_dir is not None:
        check_save_dir(save_dir, resume=resume, overwrite=overwrite)
    settings = settings or TrainSettings()
    seed_everything(settings.random_seed)
    segmented = segment_gold(train, segmenter)
    vocabulary = make_vocabulary(segmented, tokens, settings.min_count)
    source = None if fine_tune is None else load_pretrained(fine_tune, "whitespace")
    described = None if features is None else features.describe()
    if source is not None:
        described = describe_fine_tuned(source.model.config, source.vocabulary, fine_tune)
    fields: dict[str, Any] = {
        "tags": tuple(tags),
        "num_words": len(vocabulary),
        "tokens": tokens,
        "segmenter": segmenter,
        "features": described,
        "feature_layers": 0 if features is None else features.layers,
        "feature_size": 0 if features is None else features.size,
    }
    if odd := sorted(fields.keys() & (sizes or {}).keys()):
        raise InputError(f"sizes has {odd[0]!r}, which follows from what else is given: leave it out")
    config = TaggerConfig.from_dict({**fields, **(sizes or {})})
    check_memory(4 * config.num_parameters, "these sizes")
    elmo, elmo_vocabulary = fine_tuned_elmo(config) if source is not None else (None, None)
    network = TaggerNetwork(config, elmo)
    if elmo is not None and source is not None:
        parameters = dict(source.model.named_parameters())
        for name, parameter in elmo.bilm.named_parameters():  # all but the softmax
            parameter.set_value(parameters[name].numpy())
    reader = SentenceReader(vocabulary, config, features, elmo_vocabulary)
    examples = make_examples(train, segmented, reader)
    held_out = None if dev is None else make_examples(dev, segment_gold(dev, segmenter), reader)
    report(
        f"{len(examples):,} training sentences, {examples.num_tokens:,} tokens; {examples.straddling:,} of them hold "
        "characters of several words"
    )
    trainer = TaggerTrainer(network, settings, examples, held_out, vocabulary, save_dir, report)
    if resume and trainer.resume():
        report(f"going on after epoch {len(trainer.history)}")
    history = trainer.run()
    provenance = {"settings": dataclasses.asdict(settings), "history": history, "paddle": paddle.__version__}
    return Tagger(network, vocabulary, features, elmo_vocabulary, provenance=provenance)
