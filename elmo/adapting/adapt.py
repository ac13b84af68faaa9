"""From raw text to a model of a domain: what the command `elmo adapt` does.

The model that is there gives sizes, tying, vocabulary and segmenter. It is measured on the held-out sentences before
anything is learnt; each epoch is measured on them too, and the best of all is written, were it the first model itself.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from elmo.adapting.held_out import Parts, split_shards
from elmo.adapting.new_words import add_words, choose_new_words
from elmo.convert import read_any
from elmo.errors import InputError
from elmo.models import ModelFiles, check_free, read_model, write_model
from elmo.system.files import folders_above
from elmo.system.terminal import tell
from elmo.system.types import PathLike
from elmo.text.preprocess import SHARD_PREFIX, preprocess
from elmo.text.segment.dictionary import TextRecord, describe_segmenter
from elmo.text.shards import find_shards, record_file
from elmo.text.vocabulary import UNK, Vocabulary, count_words
from elmo.training.bilm import pretrain
from elmo.training.checkpoint import BEST
from elmo.training.perplexity import held_out_objective
from elmo.training.settings import PretrainSettings

MARK_FILE = "adapt.json"  # in the folder of a run, says what it is and what it was asked for
_RUN_SUFFIX = ".run"
_FULL_SOFTMAX_WORDS = 10_000  # of the text: with fewer the whole softmax costs little, and learns from every word
_CANDIDATES = 4096  # of the sampled softmax where there are more
_TOKENS_A_STEP = ((20_000, 160), (200_000, 640), (None, 2560))  # words of the text below, and tokens of a step
_NUM_STEPS = 20


@dataclass(frozen=True)
class Adapted:
    """What came of it."""

    parts: Parts
    new_words: int
    before: float  # held-out perplexity; new words count as unknown in both
    after: float
    epochs: int  # until the best
    unknown_before: float  # share of the held-out words that the vocabulary lacks
    unknown_after: float


def adapt(
    source: PathLike,
    inputs: Sequence[PathLike],
    output: PathLike,
    *,
    segmenter: str | None = None,
    user_dictionary: PathLike | None = None,
    encoding: str = "utf-8",
    new_words: int = 0,
    new_rows: str = "characters",
    learning_rate: float = 0.0005,
    max_epoch: int = 5,
    patience: int = 2,
    random_seed: int = 0,
    overwrite: bool = False,
    console: Console | None = None,
) -> Adapted:
    """Let a biLM learn on from the raw text of a domain, and write the model that predicts its held-out part best.

    What is made on the way is in a folder beside the output, its name with ".run": if the process is stopped, the same
    call goes on there; at the end the folder is removed.

    Args:
        source: a biLM, as `elmo.convert.read_any` takes it.
        inputs: documents, as `elmo.text.preprocess.preprocess` takes them.
        output: directory for the model.
        segmenter: what cuts the text into words; None: what cut the model's text, or jieba where it doesn't say. The
            text is normalised as the model's was.
        user_dictionary: words that the segmenter keeps whole; another than that of the model's text is warned about.
        encoding: of the documents.
        new_words: so many frequent words that the vocabulary lacks are added to it.
        new_rows: what their rows begin with, see `elmo.adapting.new_words.add_words`.
        learning_rate: Adam's at the beginning; it falls by a cosine.
        max_epoch: passes over the text at most.
        patience: passes without a lower held-out perplexity that end the run.
        random_seed: of the order and the dropout.
        overwrite: take the place of a model that is there.
        console: where progress goes.

    Raises:
        InputError: the source is no biLM, the text can't be read or is too little, an option is not allowed, or the
            output can't be written.
    """
    console = console or Console(quiet=True)
    target = Path(output)
    check_free(target, overwrite, [source, *inputs] if os.path.isdir(source) else inputs, kind="bilm")
    if new_words < 0:
        raise InputError(f"new_words is {new_words}: give 0 or more")
    files = read_any(source, kind="bilm")
    made = TextRecord.of(files.provenance)
    segmenter = segmenter or made.usable_segmenter
    described = describe_segmenter(segmenter, user_dictionary)
    asked = {
        "source": os.fspath(source),
        "vocabulary": files.vocabulary.fingerprint,
        "inputs": [os.fspath(path) for path in inputs],
        "segmenter": described,
        "normalise": list(made.normalise),
        "encoding": encoding,
        "new_words": new_words,
    }
    with folders_above(target), _run_folder(target, asked, console) as folder:
        shards, train, dev = folder / "shards", folder / "train", folder / "dev"
        preprocess(
            inputs,
            shards,
            segmenter=segmenter,
            normalise=made.normalise,
            encoding=encoding,
            overwrite=True,
            segmenter_options={} if user_dictionary is None else {"user_dictionary": user_dictionary},
        )
        parts = split_shards(find_shards(shards / f"{SHARD_PREFIX}*"), train, dev)
        for part in (train, dev):  # made as the shards were: so the model says it, and a difference is warned of
            shutil.copyfile(shards / record_file(SHARD_PREFIX), folder / record_file(part.name))
        counts = count_words([train])
        added = choose_new_words(counts, files.vocabulary, new_words)
        start = add_words(files, added, new_rows)
        tell(console, f"{parts.train:,} sentences to learn from, {parts.dev:,} held out; {len(added):,} new words")
        write_model(folder / "start", start, overwrite=True)
        start.vocabulary.save(folder / "vocabulary.txt")
        known = np.array([token in files.vocabulary and token != UNK for token in start.vocabulary.tokens])
        before = _perplexity(files, dev, None)
        tell(console, f"perplexity of {source} on the held-out sentences: {before:.2f}")
        settings = settings_for(counts.total(), learning_rate, max_epoch, patience, random_seed)
        history = pretrain(
            str(train),
            str(folder / "vocabulary.txt"),
            test_path=str(dev),
            settings=settings,
            para_save_dir=str(folder / "checkpoints"),
            load_pretraining_params=str(folder / "start"),
            resume=True,
            console=console,
        )
        best = read_model(folder / "checkpoints" / BEST, kind="bilm")
        after = _perplexity(best, dev, known if added else None)
        epochs = 1 + min(range(len(history)), key=lambda epoch: float(history[epoch]["perplexity"]))
        if after >= before:  # so little text that there was nothing to learn, or of the model's own kind
            tell(console, f"warning: no epoch was better ({after:.2f}): the model is written as it was")
            best, after, epochs = start, _perplexity(start, dev, known if added else None), 0
        held_out = count_words([dev])
        result = Adapted(
            *(parts, len(added), before, after, epochs),
            *(_unknown_share(held_out, each.vocabulary) for each in (files, best)),
        )
        provenance = {
            **best.provenance,
            "adapted_from": files.provenance.get("converted_from") or os.path.basename(os.path.realpath(source)),
            "adaptation": dataclasses.asdict(result),
        }
        write_model(target, dataclasses.replace(best, provenance=provenance), overwrite=overwrite, sources=[source])
    return result


def settings_for(
    words: int, learning_rate: float, max_epoch: int, patience: int, random_seed: int = 0
) -> PretrainSettings:
    """How a text of so many words is learnt from: the less there is, the smaller the steps, so that there are enough.

    Few words are learnt by the full softmax; more by a sampled one, which is faster.
    """
    tokens = next(tokens for bound, tokens in _TOKENS_A_STEP if bound is None or words < bound)
    return PretrainSettings(
        batch_size=tokens // _NUM_STEPS,
        num_steps=_NUM_STEPS,
        optim="adam",
        learning_rate=learning_rate,
        lr_schedule="cosine",
        warmup_steps=10,
        max_epoch=max_epoch,
        patience=patience,
        sample_softmax=words >= _FULL_SOFTMAX_WORDS,
        n_negative_samples_batch=_CANDIDATES,
        save_interval=2000,
        keep_checkpoints=1,
        random_seed=random_seed,
    )


@contextlib.contextmanager
def _run_folder(target: Path, asked: dict[str, Any], console: Console) -> Iterator[Path]:
    """The folder of a run, new or to go on in; removed once the run has come to its end. Who stops it is told of it.

    Raises:
        InputError: what is there is no such folder, or of a run that was asked for something else.
    """
    folder = target.with_name(target.name + _RUN_SUFFIX)
    mark = folder / MARK_FILE
    text = json.dumps(asked, ensure_ascii=False, sort_keys=True)
    if os.path.lexists(folder):
        if not mark.is_file():
            raise InputError(f"{folder} is not a folder of elmo adapt's: move it, or choose another --output")
        if mark.read_text(encoding="utf-8") != text:
            raise InputError(
                f"{folder} is of a run that was stopped and had other options or texts: give those, or remove it"
            )
    else:
        folder.mkdir(parents=True)
        mark.write_text(text, encoding="utf-8")
    try:
        yield folder
    except InputError:
        if not (folder / "checkpoints").exists():  # nothing was learnt that another call could go on from
            shutil.rmtree(folder)
        raise
    except (KeyboardInterrupt, SystemExit):
        tell(console, f"what was done so far is in {folder}: the same command goes on from there")
        raise
    shutil.rmtree(folder)


def _perplexity(files: ModelFiles, shards: Path, kept: Any) -> float:
    """Held-out perplexity of a model; `kept`: tokens that are told apart, see `BiLMObjective.evaluate`."""
    if not files.config.get("softmax", True):
        return math.inf
    objective, _ = held_out_objective(files, "the model", shards)
    return objective.evaluate(kept)["perplexity"]


def _unknown_share(counts: Any, vocabulary: Vocabulary) -> float:
    return float(sum(count for word, count in counts.items() if word not in vocabulary) / max(counts.total(), 1))
