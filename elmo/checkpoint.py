"""Checkpoints of a pretraining run: a model directory with the optimiser's state and the run's history beside it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from elmo.errors import InputError, RunError
from elmo.model_files import ModelFiles, replace_directory, write_model
from elmo.runtime import paddle

TRAINING_FILE = "training.json"
OPTIMIZER_FILE = "optimizer.safetensors"


@dataclass
class TrainingState:
    """All that a run needs, besides the model, to go on after a finished epoch."""

    epoch: int  # epochs that are finished
    step: int  # optimiser steps that are finished
    settings: dict[str, Any]  # the run's own settings
    history: list[dict[str, Any]] = field(default_factory=list)  # a record an epoch: loss, perplexity, tokens/s
    optimizer: dict[str, npt.NDArray[Any]] = field(default_factory=dict)  # see `optimizer_arrays`


def write_checkpoint(directory: str | os.PathLike[str], files: ModelFiles, state: TrainingState) -> Path:
    """Write a checkpoint; the directory appears whole or not at all, and takes the place of one of the same name."""
    target = Path(directory)
    temporary = target.with_name(f".{target.name}.new.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        write_model(temporary, files)
        save_file(
            {name: np.ascontiguousarray(array) for name, array in state.optimizer.items()},
            str(temporary / OPTIMIZER_FILE),
        )
        record = {"epoch": state.epoch, "step": state.step, "settings": state.settings, "history": state.history}
        text = json.dumps(record, indent=1, ensure_ascii=False)
        (temporary / TRAINING_FILE).write_text(text + "\n", encoding="utf-8")
        replace_directory(temporary, target)
    except (OSError, SafetensorError, InputError) as error:
        raise RunError(
            f"{target}: the checkpoint could not be written ({error}); earlier ones are untouched"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def read_training_state(directory: str | os.PathLike[str]) -> TrainingState:
    """Read what `write_checkpoint` put beside the model.

    Raises:
        InputError: a file is missing or damaged.
    """
    folder = Path(directory)
    for name in (TRAINING_FILE, OPTIMIZER_FILE):
        if not (folder / name).is_file():
            raise InputError(f"{folder}: {name} is missing; --load_dir needs a checkpoint of `elmo pretrain`")
    try:
        record = json.loads((folder / TRAINING_FILE).read_text(encoding="utf-8"))
        optimizer = load_file(str(folder / OPTIMIZER_FILE))
        return TrainingState(
            int(record["epoch"]), int(record["step"]), dict(record["settings"]), list(record["history"]), optimizer
        )
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder}: the checkpoint is damaged ({error}); use an earlier one") from None


def optimizer_arrays(optimizer: Any, model: Any) -> dict[str, npt.NDArray[Any]]:
    """Return an optimiser's tensors as "parameter/accumulator", for instance "softmax_bias/moment".

    Paddle's own keys, such as "bi_lm_0.b_0_moment_0", depend on what else the process has built before.
    """
    names = {parameter.name: name for name, parameter in model.named_parameters()}
    arrays = {}
    for key, tensor in optimizer.state_dict().items():
        owners = [name for name in names if key.startswith(f"{name}_")]
        if owners:
            owner = max(owners, key=len)
            accumulator = key.removeprefix(f"{owner}_").rsplit("_", 1)[0]
            arrays[f"{names[owner]}/{accumulator}"] = tensor.numpy()
    return arrays


def load_optimizer(optimizer: Any, model: Any, arrays: Mapping[str, npt.NDArray[Any]], place: object) -> None:
    """Give an optimiser that has not stepped yet the tensors that `optimizer_arrays` took from another.

    Raises:
        InputError: they are not those of this model's parameters; names the first that does not fit.
    """
    if not arrays:
        return  # plain SGD, which keeps nothing
    parameters = dict(model.named_parameters())
    accumulators = {key.rpartition("/")[2] for key in arrays}
    wanted = {f"{name}/{accumulator}" for name in parameters for accumulator in accumulators}
    if odd := sorted(wanted ^ set(arrays)):
        raise InputError(f"{place}: the optimiser's {odd[0]} is missing or not this model's; use an earlier checkpoint")
    state = {}
    for key, array in arrays.items():
        name, _, accumulator = key.rpartition("/")
        if array.size != 1 and list(array.shape) != list(parameters[name].shape):
            raise InputError(f"{place}: the optimiser's {key} has shape {list(array.shape)}; use an earlier checkpoint")
        # Paddle numbers its accumulators: asking for a number tells which one this optimiser will get, the next.
        stem = f"{parameters[name].name}_{accumulator}"
        number = int(paddle.utils.unique_name.generate(stem).rpartition("_")[2])
        state[f"{stem}_{number + 1}"] = paddle.to_tensor(array)
    optimizer.set_state_dict(state)
