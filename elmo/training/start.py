"""How a pretraining begins and ends, whatever it learns: new, from a model, or going on from a checkpoint."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from elmo.convert import read_any
from elmo.errors import InputError
from elmo.models import ModelFiles
from elmo.nn import native
from elmo.nn.native.precision import choose_precision, describe_precision
from elmo.runtime import keep_freed_memory, paddle
from elmo.system.terminal import tell
from elmo.system.types import PathLike
from elmo.text.shards import read_text_records
from elmo.text.vocabulary import Vocabulary
from elmo.training.checkpoint import check_removable, checkpoints, newest_checkpoint, read_training_state
from elmo.training.loop import Trainer
from elmo.training.progress import Curves
from elmo.training.ranks import Ranks
from elmo.training.settings import Objective, RunSettings


@dataclass(frozen=True)
class Start:
    """What a run starts from; all None for a new one."""

    files: ModelFiles | None = None  # the model whose parameters are the first
    source: str | None = None  # where it is
    load_dir: str | None = None  # the checkpoint, where the run goes on

    @property
    def earlier_runs(self) -> list[dict[str, Any]]:
        """Records of the runs that made the model; without the last one, where that goes on."""
        runs = [] if self.files is None else list(self.files.provenance.get("runs", []))
        return runs[:-1] if self.load_dir else runs


@dataclass(frozen=True)
class RunOptions:
    """What any pretraining is told besides its text, sizes and settings; see `elmo.training.bilm.pretrain`."""

    para_save_dir: str | None
    load_dir: str | None
    load_pretraining_params: str | None
    resume: bool
    overwrite: bool
    console: Console
    ranks: Ranks
    visualdl_dir: str | None


def find_start(kind: str, vocabulary: Vocabulary, vocab_path: PathLike, options: RunOptions) -> Start:
    """Find what a run starts from, and refuse to lose another run's checkpoints.

    Args:
        kind: of the model, such as "bilm".
        vocabulary, vocab_path: of the run.
        options: of the run.

    Raises:
        InputError: the options contradict one another, `para_save_dir` holds another run's checkpoints, or what the
            run is to start from is missing, damaged or has another vocabulary.
    """
    load_dir, from_model = options.load_dir, options.load_pretraining_params
    if load_dir and from_model:
        raise InputError("give --load_dir (go on) or --load_pretraining_params (start from a model), not both")
    if options.resume:
        load_dir = _find_checkpoint(options.para_save_dir, load_dir, options.console) or load_dir
        from_model = None if load_dir else from_model
    sources = [vocab_path, *([from_model] if from_model else [])]
    _check_save_dir(kind, options.para_save_dir, load_dir, options.overwrite or options.resume, sources)
    source = load_dir or from_model
    if not source:
        return Start()
    files = read_any(source, kind=kind, vocab_path=vocab_path)
    if files.vocabulary != vocabulary:
        raise InputError(f"{source}: was trained with another vocabulary than {vocab_path}; give its own")
    return Start(files, source, load_dir)


def find_text_record(start: Start, train: Sequence[Path], dev: Sequence[Path], console: Console) -> dict[str, Any]:
    """How the training text was made (`elmo.text.shards.read_text_records`), as {"text": ...} for the provenance.

    Where nothing says it, it is the start's. Warns where shards were made in several ways, or otherwise than the
    start's text.
    """
    earlier = None if start.files is None else start.files.provenance.get("text")
    records = read_text_records(train)
    made = [*([earlier] if isinstance(earlier, dict) else []), *records, *read_text_records(dev)]
    if different := next((each for each in made if each != made[0]), None):
        ways = " and ".join(json.dumps(each, ensure_ascii=False)[:300] for each in (made[0], different))
        tell(console, f"warning: the text was made in several ways, {ways}: give text of one segmenter and script")
    if len(records) == 1:
        return {"text": records[0]}
    return {"text": earlier} if isinstance(earlier, dict) and not records else {}


def run(
    objective: Objective, settings: RunSettings, start: Start, provenance: dict[str, Any], options: RunOptions
) -> list[dict[str, Any]]:
    """Train an objective by the one loop there is, from its start to the last epoch; a record an epoch.

    Args:
        objective, settings: see `elmo.training.loop.Trainer`.
        start: what `find_start` has found.
        provenance: what the model's header is to say of the text.
        options: of the run.
    """
    console, ranks = options.console, options.ranks
    keep_freed_memory()
    settings = _with_precision(settings, start, console)
    provenance = {**provenance, "paddle": paddle.__version__, "runs": start.earlier_runs}
    curves = Curves(options.visualdl_dir) if options.visualdl_dir and ranks.rank == 0 else None
    trainer = Trainer(objective, settings, options.para_save_dir, provenance, console, ranks, curves)
    if start.load_dir:
        trainer.load_state(read_training_state(start.load_dir), start.load_dir)
        tell(console, f"going on from {start.load_dir}, step {trainer.step}")
    try:
        return trainer.run()
    finally:
        if curves is not None:
            curves.close()


def _with_precision(settings: RunSettings, start: Start, console: Console) -> RunSettings:
    """Choose the precision and log it; a run that goes on keeps its own, unless another is asked for."""
    amp = settings.amp
    if start.load_dir and amp == "auto":
        recorded = read_training_state(start.load_dir).settings.get("amp", "none")
        amp = recorded if recorded == "none" or native.bfloat16_refusal() is None else "none"
        if amp != recorded:
            tell(console, f"warning: the run multiplied in {recorded} so far; this machine can't")
    amp = choose_precision(amp)
    tell(console, describe_precision(amp))
    return dataclasses.replace(settings, amp=amp)


def _find_checkpoint(save_dir: str | None, load_dir: str | None, console: Console) -> str | None:
    """Find what --resume True goes on from: the newest whole checkpoint, or None; raises as `newest_checkpoint`."""
    if save_dir is None or load_dir:
        raise InputError("--resume True goes on from the newest checkpoint of --para_save_dir: leave --load_dir out")
    found = newest_checkpoint(save_dir, lambda text: tell(console, f"warning: {text}"))
    return None if found is None else str(found)


def _check_save_dir(
    kind: str, save_dir: str | None, load_dir: str | None, overwrite: bool, sources: Sequence[PathLike]
) -> None:
    """Refuse a folder that holds checkpoints of another run, unless they may be overwritten and are nothing else."""
    if save_dir is None:
        return
    goes_on = bool(load_dir) and os.path.dirname(os.path.realpath(str(load_dir))) == os.path.realpath(save_dir)
    check_removable(save_dir, kind, only_best=goes_on or not overwrite, sources=sources)
    if overwrite or goes_on:
        return
    if earlier := checkpoints(save_dir):
        raise InputError(
            f"{save_dir} holds checkpoints of another run ({earlier[0].name}): go on with --resume True, choose "
            "another --para_save_dir, or give --overwrite True"
        )
