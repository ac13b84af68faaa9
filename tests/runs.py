"""What two runs of a training, or two checkpoints, must have in common; and how one is damaged."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from elmo.models import read_model
from elmo.training.checkpoint import read_training_state

SPEEDS = ("seconds", "tokens_per_second")


def cut(path: Path) -> None:
    """Leave half of a file, as a full disk does."""
    os.truncate(path, path.stat().st_size // 2)


def alter(path: Path) -> None:
    """Turn the bits of one byte."""
    data = bytearray(path.read_bytes())
    data[len(data) * 2 // 3] ^= 0xFF
    path.write_bytes(data)


def without_speeds(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A history without what depends on the machine's mood."""
    return [{name: value for name, value in record.items() if name not in SPEEDS} for record in history]


def assert_same_run(first: Path, second: Path) -> None:
    """Two checkpoints have the same parameters, optimiser state, place, history and counts, bit by bit."""
    models, states = (read_model(first), read_model(second)), (read_training_state(first), read_training_state(second))
    for ours, theirs in (
        (models[0].arrays, models[1].arrays),
        (states[0].optimizer, states[1].optimizer),
        (states[0].position, states[1].position),
    ):
        assert ours.keys() == theirs.keys()
        for name, array in ours.items():
            assert array.tobytes() == theirs[name].tobytes(), name
    assert without_speeds(states[0].history) == without_speeds(states[1].history)
    assert (states[0].epoch, states[0].step) == (states[1].epoch, states[1].step)
    for state in states:
        state.progress["seconds"] = 0
    assert states[0].progress == states[1].progress
    tokens = [[run["tokens_read"] for run in model.provenance["runs"]] for model in models]
    assert tokens[0] == tokens[1]
