"""How fast is a pretraining step beside plain Paddle, `paddle.nn.LSTM(proj_size=...)` and PyTorch, on the same batch?

A step is forward, backward, clipping the gradient's global norm, and the optimiser. Each system lives in a process of
its own (benchmarks/pretrain_systems.py), starts from the same parameters and must find the same loss; then they take
turns, round by round, and what counts is the median of the ratios within a round. Ours and PyTorch's run in float32
and, where the processor can, with products in bfloat16. "plain" and "lstm" run as Paddle comes, on one thread; once
more with our threads and MKL switch as "plain, our environment" and so on. "before" is an earlier checkout of this
project, where --before names one. Encoding (no gradient) is measured for ours, the earlier one and PyTorch's, and the
peak memory of each process after the first steps. The size "bert" is a masked language model, without plain Paddle's.

The sizes that are measured take their place in the results of this processor; other sizes, and what was measured on
other processors, stay as they were.

    python benchmarks/pretrain.py --torch_python PATH_OF_A_PYTHON_WITH_PYTORCH --before AN_EARLIER_CHECKOUT
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.pretrain_results import BEFORE, OURS, OURS_BF16, TORCH, add_size, compare, print_size, speeds, spread
from benchmarks.pretrain_sizes import SIZES, MaskedSize, Size, make_arrays
from elmo.nn import native
from elmo.nn.native.processor import describe_processor
from elmo.runtime import available_cores
from elmo.system.files import write_results

REPOSITORY = Path(__file__).resolve().parent.parent
SYSTEMS = REPOSITORY / "benchmarks" / "pretrain_systems.py"
TUNED, BF16 = ", our environment", ", bf16"
ENVIRONMENT = ("OMP_NUM_THREADS", "MKL_DEBUG_CPU_TYPE")  # set when elmo is imported
SAME_LOSS = 1e-4  # relative; float32 and other orders of adding make 1e-6
SAME_LOSS_BF16 = (
    1e-3  # factors have 8 bits: 2 to the -9 each, most of which a sum over hundreds of products averages out
)
WIDTH = 140  # of the tables, in characters
PAUSE = 0.3  # seconds between turns, in which the threads of the last one stop waiting for more


@dataclass(frozen=True)
class Program:
    """What a system runs: which of pretrain_systems.py's, in what precision, and where."""

    kind: str
    python: str = sys.executable
    amp: str = "none"
    path: str = ""  # PYTHONPATH
    our_environment: bool = True


def programs(objective: str, torch_python: str | None, before: Path | None) -> dict[str, Program]:
    """All systems by name, in the order of their turns."""
    ours = Program("elmo", path=str(REPOSITORY))
    found, bf16 = {OURS: ours}, native.bfloat16_refusal() is None
    if bf16:
        found[OURS_BF16] = dataclasses.replace(ours, amp="bf16")
    if before is not None:
        found[BEFORE] = dataclasses.replace(ours, path=str(before))
    if objective == "bilm":
        for kind in ("plain", "lstm"):
            found |= {kind: Program(kind, our_environment=False), kind + TUNED: Program(kind)}
    if torch_python is not None:
        torch = Program("torch", torch_python, our_environment=False)
        found[TORCH] = torch
        if bf16:
            found[TORCH + BF16] = dataclasses.replace(torch, amp="bf16")
    return found


class System:
    """A process that takes orders."""

    def __init__(self, name: str, program: Program, folder: Path) -> None:
        environment = {k: v for k, v in os.environ.items() if program.our_environment or k not in ENVIRONMENT}
        environment["PYTHONPATH"] = program.path
        if program.kind == TORCH:
            environment["OMP_PROC_BIND"] = "true"  # or its threads may wait for one another on one core, for seconds
        self.name = name
        files = (str(folder / "arrays.npz"), str(folder / "size.json"))
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [program.python, str(SYSTEMS), program.kind, program.amp, *files],
            env=environment,
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.loss = self._answer()["loss"]

    def order(self, work: str, count: int) -> dict[str, float]:
        """Do it so many times, after once that is not timed; returns wall and CPU seconds (megabytes for "memory")."""
        assert self.process.stdin is not None
        time.sleep(PAUSE)
        print(work, count, file=self.process.stdin, flush=True)
        return self._answer()

    def stop(self) -> None:
        """End of orders."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def _answer(self) -> dict[str, float]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith("{"):
            raise SystemExit(f"{self.name}: the process failed; python {SYSTEMS.name} run by hand says why")
        answer: dict[str, float] = json.loads(line)
        return answer


def main() -> None:
    """Measure each size, print tables and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch_python", help="a Python that has PyTorch; without it, PyTorch is left out")
    parser.add_argument("--before", type=Path, help="an earlier checkout of this project, to compare with")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--rounds", type=int, help="instead of those of the sizes")
    parser.add_argument("-o", "--output", type=Path, required=True, help="results file, JSON")
    options = parser.parse_args()
    if options.before is not None and not (options.before / "elmo" / "__init__.py").is_file():
        parser.error(f"--before {options.before}: there is no package elmo in it; give a checkout of this project")
    console, processor = Console(width=WIDTH), describe_processor()
    if not options.torch_python:
        console.print("PyTorch is left out: give --torch_python to compare with it")
    results: dict[str, Any] = {}
    if options.output.is_file():
        results = json.loads(options.output.read_text(encoding="utf-8"))
    for name in options.sizes:
        size = dataclasses.replace(SIZES[name], rounds=options.rounds or SIZES[name].rounds)
        measured = measure(size, options.torch_python, options.before and options.before.resolve())
        print_size(name, size.objective, measured, console)
        results = add_size(results, processor, size.objective, name, measured, list(SIZES))
        write_results(options.output, results)


def measure(size: Size | MaskedSize, torch_python: str | None, before: Path | None) -> dict[str, Any]:
    """Build all systems, check that they find the same loss, and let them take turns."""
    versions = {  # what can't be told ends the command before the work
        "paddlepaddle": version("paddlepaddle"),
        "numpy": version("numpy"),
        TORCH: torch_python and output_of(torch_python, "-c", "import torch; print(torch.__version__)"),
        BEFORE: before and output_of("git", "-C", str(before), "log", "-1", "--format=%h of %cs"),
    }
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "arrays.npz", **make_arrays(size))  # type: ignore[arg-type]
        described = {**dataclasses.asdict(size), "objective": size.objective, "threads": available_cores()}
        (folder / "size.json").write_text(json.dumps(described))
        chosen = programs(size.objective, torch_python, before)
        systems = {each: System(each, program, folder) for each, program in chosen.items()}
    losses = {each: system.loss for each, system in systems.items()}
    for each, loss in losses.items():
        bound = SAME_LOSS_BF16 if chosen[each].amp == "bf16" else SAME_LOSS
        if not abs(loss / losses[OURS] - 1) < bound:
            raise SystemExit(f"{each} finds the loss {loss:.6f}, ours {losses[OURS]:.6f}: not the same model")
    memory = {}
    for each, system in systems.items():
        system.order("train", 1)  # the first step makes the optimiser's tensors
        memory[each] = {when: round(megabytes, 1) for when, megabytes in system.order("memory", 0).items()}
    encoders = [each for each, program in chosen.items() if program.kind in ("elmo", TORCH)]
    rounds: list[dict[str, Any]] = []
    for _ in range(size.rounds):
        product = systems[OURS].order("product", 10)
        train = {each: speeds(size.steps * size.tokens, it.order("train", size.steps)) for each, it in systems.items()}
        rounds.append(
            {
                "product_gflop_per_second": 10 * 2 * 1024**3 / 1e9 / product["seconds"],
                "train": train,
                "encode": {each: speeds(2 * size.tokens, systems[each].order("encode", 2)) for each in encoders},
                "gflop_per_second": size.step_gflop * train[OURS]["per_second"] / size.tokens,
            }
        )
    for system in systems.values():
        system.stop()
    return {
        "settings": dataclasses.asdict(size),
        "first_loss": losses,
        "train": compare([each["train"] for each in rounds]),
        "encode": compare([each["encode"] for each in rounds]),
        "memory_mb": memory,
        "share_of_product_speed": spread([r["gflop_per_second"] / r["product_gflop_per_second"] for r in rounds]),
        "step_gflop": round(size.step_gflop, 2),
        "rounds": rounds,
        "versions": versions,
        "machine": {
            "environment": {name: os.environ.get(name) for name in ENVIRONMENT},
            "compiled_loops": native.library() is not None,
            "system": platform.system(),
            "load_before": round(load_before, 2),
        },
    }


def output_of(*command: str) -> str:
    """What a command prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
