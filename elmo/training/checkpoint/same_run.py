"""May a run go on from a checkpoint? Only as the run that it was: the same model, text, settings and processes."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from rich.console import Console

from elmo.errors import InputError
from elmo.models import read_header
from elmo.system.terminal import tell
from elmo.training.checkpoint.record import TrainingState, later_version
from elmo.training.ranks import Ranks
from elmo.training.settings import Objective, RunSettings

# Settings that may differ when a run goes on: they change what is written and when, how long it goes on, or (amp, which
# not every machine can) how it rounds.
MAY_CHANGE = frozenset(
    {
        *("max_epoch", "schedule_epochs", "patience", "amp"),
        *("log_interval", "save_interval", "dev_interval", "keep_checkpoints"),
    }
)
_NEEDED = frozenset({"text", "ranks", "batches", "seconds", "best", "is_best"})  # what the loop records
_PROGRESS = _NEEDED | {"loss_scaling"}


def check_same_run(
    state: TrainingState, place: object, objective: Objective, settings: RunSettings, ranks: Ranks, console: Console
) -> None:
    """Refuse to go on with what would make another run of it.

    Args:
        state: of the checkpoint at `place`.
        objective, settings, ranks: of the run that is to go on; what may differ is in `MAY_CHANGE`.
        console: is told of a schedule that has changed.

    Raises:
        InputError: names the first thing that differs, and what to give.
    """
    config = json.loads(read_header(str(place))["config"])
    now = {**objective.model.config.to_dict(), **dataclasses.asdict(settings)}
    for name, value in {**config, **state.settings}.items():
        if name not in MAY_CHANGE and name in now and json.loads(json.dumps(now[name])) != value:
            raise InputError(
                f"{place}: was trained with {name} {_short(value)}, not {_short(now[name])}; give that one"
            )
    _check_same_schedule(state, place, settings, console)
    if later := sorted((set(state.progress) - _PROGRESS) | (set(state.settings) - set(now))):
        raise later_version(place, later[0])
    if missing := sorted(_NEEDED - set(state.progress)):
        raise InputError(
            f"{place}: its record lacks {missing[0]}, as that of another version: begin a new run from this model "
            "with --load_pretraining_params"
        )
    if state.world_size != ranks.world_size:
        raise InputError(f"{place}: was trained by {state.world_size} ranks, not {ranks.world_size}; start as many")
    if state.progress["text"] != objective.text_fingerprint():
        raise InputError(
            f"{place}: the training text has changed since; give the same shards, or begin a new run from this "
            "model with --load_pretraining_params"
        )


def _check_same_schedule(state: TrainingState, place: object, settings: RunSettings, console: Console) -> None:
    """Refuse to stretch or shorten the schedule of a run by the way; by --schedule_epochs it may be changed."""
    epochs = settings.schedule_length
    epochs_so_far = state.settings.get("schedule_epochs") or state.settings.get("max_epoch", epochs)
    if epochs == epochs_so_far or not settings.changes_in_its_course:
        return
    if settings.schedule_epochs is None:
        raise InputError(
            f"{place}: its learning rate or masking changes over {epochs_so_far} epochs, not {epochs}: with this "
            f"--max_epoch give --schedule_epochs {epochs_so_far} to keep to that, or {epochs} to change it"
        )
    tell(console, f"the schedule, of {epochs_so_far} epochs so far, now has {epochs}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
