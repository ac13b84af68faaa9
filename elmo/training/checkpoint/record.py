"""A checkpoint's training.json: what a run says of itself, sealed, so that what was cut or altered is recognised."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from elmo.errors import InputError
from elmo.system.types import Arrays

_LARGEST = 64 << 20  # bytes: a history of some hundred thousand epochs


class LaterVersionError(InputError):
    """A checkpoint of a later version of this package: it is whole, and we do not know all that it says."""


def later_version(checkpoint: object, name: str) -> LaterVersionError:
    """The error for a checkpoint whose record has a field that this version does not know."""
    return LaterVersionError(
        f"{checkpoint}: its record has {name!r}, which a later version of this package has written: go on with that "
        "version, or begin a new run elsewhere, from this model with --load_pretraining_params"
    )


@dataclass
class TrainingState:
    """All that a run needs, besides the model, to go on from a step."""

    epoch: int  # epochs that are finished
    step: int  # optimiser steps that are finished
    settings: dict[str, Any]  # the run's own settings
    history: list[dict[str, Any]] = field(default_factory=list)  # a record an epoch: loss, perplexity, tokens/s
    optimizer: Arrays = field(default_factory=dict)  # see `optimizer_arrays`
    position: Arrays = field(default_factory=dict)  # within the epoch; empty at its beginning
    progress: dict[str, Any] = field(default_factory=dict)  # of the epoch and the run: batches, nats, tokens, seconds
    world_size: int = 1  # ranks that trained


def seal(record: dict[str, Any]) -> str:
    """SHA-256 of all that training.json says but the seal itself."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def read_json(path: Path) -> Any:
    """What a training.json says; raises OSError or ValueError."""
    if path.stat().st_size > _LARGEST or not path.is_file():
        raise ValueError(f"{path.name} is too large, or no file")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError(f"{path.name} is nested too deeply") from None


def read_record(path: Path) -> dict[str, Any]:
    """A record whose seal is right and which has the fields of a `TrainingState`, and "sha256".

    Raises:
        ValueError: it was cut or altered. LaterVersionError: it has a field that this version does not know.
    """
    try:
        record: dict[str, Any] = read_json(path)
        is_sealed = record.pop("seal") == seal(record)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):  # no JSON, or not an object with a seal
        is_sealed = False
    if not is_sealed:
        raise ValueError(f"{path.name} was cut or altered")
    if later := sorted(record.keys() - {each.name for each in fields(TrainingState)} - {"sha256"}):
        raise later_version(path.parent, later[0])
    counts = [record.get(name) for name in ("epoch", "step", "world_size")]
    objects = [record.get(name) for name in ("settings", "progress", "sha256")]
    history = record.get("history")
    if not (
        all(type(count) is int and 0 <= count < 1 << 63 for count in counts)
        and all(isinstance(each, dict) for each in objects)
        and isinstance(history, list)
        and all(isinstance(each, dict) for each in history)
    ):
        raise ValueError(f"{path.name} has a field that is not what it should be")
    return record
