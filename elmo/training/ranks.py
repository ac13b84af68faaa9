"""Processes that train together, one a card: who this one is, and what they tell one another.

They are started by `python -m paddle.distributed.launch`, on one machine or many; NCCL connects GPUs, Gloo CPUs. Tests
run two ranks on a CPU; nothing here has been run on GPUs.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from elmo.checks import is_count
from elmo.errors import InputError
from elmo.runtime import paddle

_MOST_RANKS = 1 << 16


@dataclass(frozen=True)
class Ranks:
    """This process among `world_size`; the first, rank 0, writes logs and checkpoints."""

    rank: int = 0
    world_size: int = 1

    def average_gradients(self, parameters: list[Any]) -> None:
        """Replace every parameter's gradient by its mean over all ranks, in one message for all parameters."""
        if self.world_size == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = paddle.concat([gradient.reshape([-1]) for gradient in gradients])
        paddle.distributed.all_reduce(flat)
        flat = flat / self.world_size
        parts = paddle.split(flat, [gradient.size for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            paddle.assign(part.reshape(gradient.shape), gradient)

    def average(self, value: float, weight: float) -> float:
        """Mean of a number over all ranks, weighted."""
        if self.world_size == 1:
            return value
        sums = paddle.to_tensor(np.array([value * weight, weight], dtype=np.float64))
        paddle.distributed.all_reduce(sums)
        total, weights = sums.tolist()
        return float(total / max(weights, 1e-300))

    def gather(self, arrays: dict[str, Any]) -> dict[str, Any]:
        """Arrays of all ranks, [rank, ...]; each rank has the same names and shapes."""
        gathered = {}
        for name in sorted(arrays):
            parts: list[Any] = []
            if self.world_size > 1:
                paddle.distributed.all_gather(parts, paddle.to_tensor(arrays[name]))
            gathered[name] = np.stack([part.numpy() for part in parts]) if parts else arrays[name][None]
        return gathered

    def same_start(self, parameters: list[Any]) -> None:
        """Give all ranks the parameters of rank 0."""
        if self.world_size > 1:
            for parameter in parameters:
                paddle.distributed.broadcast(parameter, src=0)

    def console(self, console: Console | None) -> Console:
        """Where this rank tells what it does: the console given, on the first rank alone; else nowhere."""
        return console if console is not None and self.rank == 0 else Console(quiet=True)

    def wait(self) -> None:
        """Wait until all ranks are here."""
        if self.world_size > 1:
            paddle.distributed.barrier()


SINGLE = Ranks()


def launched_world_size() -> int:
    """How many processes the launcher started, 1 without it; InputError where its variables make no sense."""
    count = _variable("PADDLE_TRAINERS_NUM", 1, 1, _MOST_RANKS)
    _variable("PADDLE_TRAINER_ID", 0, 0, count - 1)
    if count > 1 and "PADDLE_TRAINER_ID" not in os.environ:
        raise InputError(
            f"PADDLE_TRAINERS_NUM is {count}, and PADDLE_TRAINER_ID is not set: Paddle's launcher sets both, "
            "unset both where there is none"
        )
    return count


def _variable(name: str, default: int, least: int, most: int) -> int:
    """A whole number from the environment."""
    text = os.environ.get(name)
    if text is None:
        return default
    if not (is_count(text) and least <= int(text) <= most):
        raise InputError(
            f"{name} is {text[:40]!r}, not a whole number from {least} to {most}: Paddle's launcher sets it, unset it "
            "where there is none"
        )
    return int(text)


def join(local: bool) -> Ranks:
    """Join the ranks that the launcher started, or be alone; the device must be chosen before.

    Args:
        local: one process, whatever was started.

    Raises:
        InputError: several processes were asked for, but not started by the launcher, or the other way round.
    """
    count = launched_world_size()
    if local and count > 1:
        raise InputError(
            f"--local True asks for one process, and the launcher started {count}: give --local False, or no launcher"
        )
    if local or count == 1:
        if not local and "PADDLE_TRAINER_ID" not in os.environ:
            raise InputError(
                "--local False needs Paddle's launcher: python -m paddle.distributed.launch --devices 0,1 "
                f"{Path(__file__).parents[1] / '__main__.py'} pretrain --local False ... (or ./run.sh with "
                "CUDA_VISIBLE_DEVICES=0,1)"
            )
        return SINGLE
    if paddle.get_device() == "cpu":  # Paddle goes by what the launcher found and by its own build
        os.environ["PADDLE_DISTRI_BACKEND"] = "gloo"
    try:
        paddle.distributed.init_parallel_env()
    except ValueError as error:  # no endpoints, or none that are addresses
        reason = f"{error}".strip().partition("\n")[0][:200]
        raise InputError(
            f"{count} processes can't be joined ({reason}): start them with Paddle's launcher, which sets "
            "PADDLE_CURRENT_ENDPOINT and PADDLE_TRAINER_ENDPOINTS"
        ) from None
    return Ranks(paddle.distributed.get_rank(), paddle.distributed.get_world_size())
