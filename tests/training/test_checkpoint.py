"""Checkpoints: a model and what its run needs to go on, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError

from elmo.errors import InputError, RunError
from elmo.models import ModelFiles, read_model
from elmo.runtime import paddle
from elmo.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from elmo.training.checkpoint import read_training_state, write_checkpoint
from elmo.training.checkpoint.record import TrainingState
from elmo.training.optimizer import load_optimizer, optimizer_arrays
from tests.runs import alter, cut

NAMES = ["model.safetensors", "optimizer.safetensors", "position.safetensors", "training.json", "vocabulary.txt"]
FILES = ModelFiles("bilm", {"vocab_size": 3}, Vocabulary(SPECIAL_TOKENS), {"bias": np.ones(3, np.float32)})


def make_state(epoch: int = 2) -> TrainingState:
    return TrainingState(
        epoch,
        17,
        {"learning_rate": 0.2, "optim": "adagrad"},
        [{"epoch": 1, "perplexity": 12.5}],
        {"bias/moment": np.arange(3, dtype=np.float32)},
    )


def names(folder) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_checkpoint_is_a_model_and_comes_back_with_its_state(tmp_path):
    path = write_checkpoint(tmp_path / "run" / "epoch_002", FILES, make_state())
    assert names(path) == NAMES
    assert names(tmp_path / "run") == ["epoch_002"]
    assert read_model(path, kind="bilm").config == FILES.config
    state, expected = read_training_state(path), make_state()
    assert (state.optimizer.pop("bias/moment") == expected.optimizer.pop("bias/moment")).all()
    assert state == expected


def test_a_checkpoint_of_the_same_name_is_replaced(tmp_path):
    write_checkpoint(tmp_path / "epoch", FILES, make_state(1))
    write_checkpoint(tmp_path / "epoch", FILES, make_state(2))
    assert read_training_state(tmp_path / "epoch").epoch == 2
    assert names(tmp_path) == ["epoch"]


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("elmo.training.checkpoint.save_file", OSError(28, "No space left on device")),
        ("elmo.training.checkpoint.save_file", SafetensorError("I/O error")),
        ("elmo.models.save_file", SafetensorError("I/O error")),
        ("elmo.training.checkpoint.replace_directory", OSError(5, "Input/output error")),
    ],
)
def test_a_failed_write_is_a_run_error_and_leaves_the_earlier_one(tmp_path, monkeypatch, place, error):
    write_checkpoint(tmp_path / "epoch", FILES, make_state(1))

    def fail(*arguments, **more):
        raise error

    monkeypatch.setattr(place, fail)
    with pytest.raises(RunError, match="the checkpoint could not be written"):
        write_checkpoint(tmp_path / "epoch", FILES, make_state(2))
    assert read_training_state(tmp_path / "epoch").epoch == 1
    assert names(tmp_path) == ["epoch"]


def test_parameters_that_are_not_finite_are_not_saved(tmp_path):
    broken = ModelFiles("bilm", FILES.config, FILES.vocabulary, {"bias": np.full(3, np.nan, np.float32)})
    with pytest.raises(RunError, match="bias holds values that are not finite"):
        write_checkpoint(tmp_path / "epoch", broken, make_state())
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", [cut, alter, Path.unlink])
def test_a_damaged_checkpoint_is_refused(tmp_path, name, damage):
    path = write_checkpoint(tmp_path / "epoch", FILES, make_state())
    damage(path / name)
    with pytest.raises(InputError, match=f"{name} (was cut or altered|is missing; going on needs)"):
        read_training_state(path)


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"[]", b'{"epoch": 1, "step": 2, "settings": {}, "history": []}'])
def test_a_record_that_is_none_is_refused(tmp_path, data):
    path = write_checkpoint(tmp_path / "epoch", FILES, make_state())
    (path / "training.json").write_bytes(data)
    with pytest.raises(InputError, match=r"the checkpoint is damaged \(training.json was cut or altered\)"):
        read_training_state(path)


OPTIMIZERS = {
    "adagrad": lambda parameters: paddle.optimizer.Adagrad(0.1, parameters=parameters, initial_accumulator_value=1.0),
    "adam": lambda parameters: paddle.optimizer.Adam(0.1, parameters=parameters),
    "rmsprop": lambda parameters: paddle.optimizer.RMSProp(0.1, parameters=parameters),
    "sgd": lambda parameters: paddle.optimizer.SGD(0.1, parameters=parameters),
}


def steps(model, optimizer, count: int) -> None:
    for number in range(count):
        model(paddle.full([2, 3], float(number + 1))).square().sum().backward()
        optimizer.step()
        optimizer.clear_grad()


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("same_model", [False, True])
def test_an_optimiser_goes_on_in_another_model_as_it_would_have_in_its_own(name, same_model):
    model = paddle.nn.Sequential(paddle.nn.Linear(3, 4), paddle.nn.Linear(4, 2))
    optimizer = OPTIMIZERS[name](model.parameters())
    steps(model, optimizer, 2)
    arrays = optimizer_arrays(optimizer, model)
    parameters = {key: value.numpy() for key, value in model.state_dict().items()}
    steps(model, optimizer, 2)
    expected = {key: value.numpy() for key, value in model.state_dict().items()}

    other = model if same_model else paddle.nn.Sequential(paddle.nn.Linear(3, 4), paddle.nn.Linear(4, 2))
    other.set_state_dict({key: paddle.to_tensor(value) for key, value in parameters.items()})
    again = OPTIMIZERS[name](other.parameters())
    load_optimizer(again, other, arrays, "place")
    steps(other, again, 2)
    for key, value in other.state_dict().items():
        assert (value.numpy() == expected[key]).all(), key


def test_state_is_named_after_parameters_not_after_what_the_process_has_built():
    model = paddle.nn.Linear(3, 4)
    optimizer = OPTIMIZERS["adagrad"](model.parameters())
    steps(model, optimizer, 1)
    assert sorted(optimizer_arrays(optimizer, model)) == ["bias/moment", "weight/moment"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays: arrays.pop("bias/moment"), "place: the optimiser's bias/moment is missing"),
        (lambda arrays: arrays.update({"odd/moment": np.zeros(3)}), "place: the optimiser's odd/moment is missing or"),
        (
            lambda arrays: arrays.update({"bias/moment": np.zeros(5)}),
            r"place: the optimiser's bias/moment has shape \[5\]",
        ),
    ],
)
def test_state_of_another_model_is_refused(change, message):
    model = paddle.nn.Linear(3, 4)
    optimizer = OPTIMIZERS["adagrad"](model.parameters())
    steps(model, optimizer, 1)
    arrays = optimizer_arrays(optimizer, model)
    change(arrays)
    with pytest.raises(InputError, match=message):
        load_optimizer(OPTIMIZERS["adagrad"](model.parameters()), model, arrays, "place")
