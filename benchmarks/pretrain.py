"""How fast is a pretraining step beside plain Paddle, `paddle.nn.LSTM(proj_size=...)` and PyTorch, on the same batch?

A step is forward, backward, clipping the gradient's global norm, and Adagrad. Each system lives in a process of its own
(benchmarks/pretrain_systems.py), starts from the same parameters and must find the same loss; then they take turns,
round by round, and what counts is the median of the ratios within a round. "plain" and "lstm" run as Paddle comes,
on one thread; once more with our threads and MKL switch as "plain, our environment" and so on. Encoding (no gradient)
is compared with PyTorch's. The sizes that are measured take their place in the results; others stay as they were.

    python benchmarks/pretrain.py --torch_python PATH_OF_A_PYTHON_WITH_PYTORCH
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from elmo.bilm import BiLM, BiLMConfig
from elmo.nn import native
from elmo.nn.softmax import LogUniformSampler
from elmo.runtime import available_cores, seed_everything

REPOSITORY = Path(__file__).resolve().parent.parent
SYSTEMS = REPOSITORY / "benchmarks" / "pretrain_systems.py"
OURS, PLAIN, TORCH = "ours", "plain", "torch"
GOALS = {PLAIN: 6.0, TORCH: 1.3}  # how many times as fast as these ours should be at the first size
TUNED = ", our environment"
ENVIRONMENT = ("OMP_NUM_THREADS", "MKL_DEBUG_CPU_TYPE")  # set when elmo is imported
SAME_LOSS = 1e-4  # relative; float32 and other orders of adding make 1e-6
PAUSE = 0.3  # seconds between turns, in which the threads of the last one stop waiting for more


@dataclass(frozen=True)
class Size:
    """Sizes of model and batch, and how long to measure."""

    vocab_size: int
    embed_size: int = 128
    hidden_size: int = 512
    num_layers: int = 2
    dropout: float = 0.1
    batch_size: int = 64
    num_steps: int = 20
    num_samples: int = 2048
    optim: str = "adagrad"
    learning_rate: float = 0.2
    rounds: int = 7
    steps: int = 2  # of training, in a turn

    @property
    def step_gflop(self) -> float:
        """Products of a step: forward once, backward twice; both directions."""
        embed, hidden = self.embed_size, self.hidden_size
        layer = 2 * (4 * hidden * 2 * embed + hidden * embed)  # inputs and recurrence, projection
        token = 3 * (self.num_layers * layer + 2 * self.num_samples * embed)
        return 2 * self.batch_size * self.num_steps * token / 1e9


SIZES = {
    "small": Size(7_219),
    "large vocabulary": Size(52_445, rounds=5),
    "adam": Size(30_000, optim="adam", learning_rate=1e-3, rounds=5),
    "larger": Size(30_000, embed_size=256, hidden_size=1024, num_samples=4096, rounds=3, steps=1),
}


class System:
    """A process that takes orders."""

    def __init__(self, name: str, python: str, folder: Path) -> None:
        kind, _, tuned = name.partition(TUNED[0])
        keep = bool(tuned) or kind == OURS
        environment = {key: value for key, value in os.environ.items() if keep or key not in ENVIRONMENT}
        environment["PYTHONPATH"] = str(REPOSITORY) if kind == OURS else ""
        if kind == TORCH:
            environment["OMP_PROC_BIND"] = "true"  # or its threads may wait for one another on one core, for seconds
        self.name = name
        command = [python, str(SYSTEMS), kind, str(folder / "arrays.npz"), str(folder / "size.json")]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, env=environment, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
        )
        self.loss = self._answer()["loss"]

    def order(self, work: str, count: int) -> dict[str, float]:
        """Do it so many times, after once that is not timed; returns wall and CPU seconds."""
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
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--rounds", type=int, help="instead of those of the sizes")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "data" / "results" / "pretrain_speed.json")
    options = parser.parse_args()
    console = Console()
    if not options.torch_python:
        console.print("PyTorch is left out: give --torch_python to compare with it")
    sizes: dict[str, Any] = {}
    if options.output.is_file():
        sizes = json.loads(options.output.read_text(encoding="utf-8"))["sizes"]
    for name in options.sizes:
        size = dataclasses.replace(SIZES[name], rounds=options.rounds or SIZES[name].rounds)
        sizes[name] = measure(size, options.torch_python)
        print_size(name, sizes[name], console)
        write(options.output, {"goals": GOALS, "sizes": {each: sizes[each] for each in SIZES if each in sizes}})


def write(output: Path, results: dict[str, Any]) -> None:
    """Put the results in the place of the last ones, whole."""
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = output.with_suffix(".tmp")
    temporary.write_text(json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(temporary, output)


def measure(size: Size, torch_python: str | None) -> dict[str, Any]:
    """Build all systems, check that they find the same loss, and let them take turns."""
    pythons = dict.fromkeys((OURS, PLAIN, PLAIN + TUNED, "lstm", "lstm" + TUNED), sys.executable)
    if torch_python:
        pythons[TORCH] = torch_python
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "arrays.npz", **make_arrays(size))  # type: ignore[arg-type]
        described = {**dataclasses.asdict(size), "threads": available_cores()}
        (folder / "size.json").write_text(json.dumps(described))
        systems = {each: System(each, python, folder) for each, python in pythons.items()}
    losses = {each: system.loss for each, system in systems.items()}
    for each, loss in losses.items():
        if not abs(loss / losses[OURS] - 1) < SAME_LOSS:
            raise SystemExit(f"{each} finds the loss {loss:.6f}, ours {losses[OURS]:.6f}: not the same model")
    for system in systems.values():
        system.order("train", 1)  # the first step makes the optimiser's tensors
    tokens, rounds = size.steps * size.batch_size * size.num_steps, []
    encoders = [each for each in (OURS, TORCH) if each in systems]
    for _ in range(size.rounds):
        product = systems[OURS].order("product", 10)
        record: dict[str, Any] = {"product_gflop_per_second": 10 * 2 * 1024**3 / 1e9 / product["seconds"], "train": {}}
        for each, system in systems.items():
            record["train"][each] = speeds(tokens, system.order("train", size.steps))
        words = 2 * size.batch_size * size.num_steps
        record["encode"] = {each: speeds(words, systems[each].order("encode", 2)) for each in encoders}
        record["gflop_per_second"] = size.step_gflop * record["train"][OURS]["per_second"] / (tokens / size.steps)
        rounds.append(record)
    for system in systems.values():
        system.stop()
    return {
        "settings": dataclasses.asdict(size),
        "first_loss": losses,
        "train": compare([each["train"] for each in rounds]),
        "encode": compare([each["encode"] for each in rounds]),
        "share_of_product_speed": spread([r["gflop_per_second"] / r["product_gflop_per_second"] for r in rounds]),
        "step_gflop": round(size.step_gflop, 2),
        "rounds": rounds,
        "versions": {"paddlepaddle": version("paddlepaddle"), "numpy": version("numpy"), TORCH: torch_of(torch_python)},
        "machine": {
            "cores": available_cores(),
            "environment": {name: os.environ.get(name) for name in ENVIRONMENT},
            "compiled_loops": native.library() is not None,
            "system": platform.system(),
            "load_before": round(load_before, 2),
        },
    }


def make_arrays(size: Size) -> dict[str, npt.NDArray[Any]]:
    """Parameters, ids that are as frequent as words are, and the candidates of the sampled softmax."""
    generator = seed_everything(0)
    config = BiLMConfig(
        size.vocab_size, size.embed_size, size.hidden_size, size.num_layers, dropout=size.dropout, bos_id=0, eos_id=1
    )
    arrays = {name: parameter.numpy() for name, parameter in BiLM(config).named_parameters()}
    sampler = LogUniformSampler(size.vocab_size, size.num_samples)
    shape = (4, size.batch_size, size.num_steps)
    arrays["ids"] = generator.choice(size.vocab_size, shape, p=sampler.probabilities)
    candidates, num_draws = sampler.draw(generator)
    ids = np.concatenate([arrays["ids"][1].ravel(), arrays["ids"][3].ravel(), candidates])
    arrays["correction"] = -np.log(sampler.expected_count(ids, num_draws))
    return {**arrays, "candidates": candidates, "num_draws": np.array(num_draws)}


def speeds(count: int, answer: dict[str, float]) -> dict[str, float]:
    """Tokens or words a second, by the clock and by the CPU time of all threads."""
    per_second, per_cpu_second = count / answer["seconds"], count / answer["cpu_seconds"]
    return {"per_second": round(per_second, 1), "per_cpu_second": round(per_cpu_second, 1)}


def compare(rounds: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """For each system: its speed over the rounds, and how many times as fast ours is, within a round."""
    compared: dict[str, Any] = {}
    for system in rounds[0]:
        compared[system] = {}
        for unit in ("per_second", "per_cpu_second"):
            compared[system][unit] = spread([each[system][unit] for each in rounds])
            ratios = [each[OURS][unit] / each[system][unit] for each in rounds]
            compared[system][f"ours_as_a_multiple_{unit}"] = spread(ratios)
    return compared


def spread(values: list[float]) -> dict[str, float]:
    """Median, least and greatest."""
    return {"median": round(statistics.median(values), 3), "min": round(min(values), 3), "max": round(max(values), 3)}


def torch_of(python: str | None) -> str | None:
    """PyTorch's version in another Python."""
    if python is None:
        return None
    code = "import torch; print(torch.__version__)"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def print_size(name: str, results: dict[str, Any], console: Console) -> None:
    """Print the speeds of one size."""

    def cell(figures: dict[str, float], digits: int) -> str:
        return f"{figures['median']:,.{digits}f} ({figures['min']:,.{digits}f} to {figures['max']:,.{digits}f})"

    for work, unit in (("train", "tokens/s"), ("encode", "words/s")):
        table = Table("system", unit, "ours, times as fast", "by CPU time", title=f"{name}: {work}, median (range)")
        for system, figures in results[work].items():
            multiples = [figures[f"ours_as_a_multiple_{each}"] for each in ("per_second", "per_cpu_second")]
            table.add_row(system, cell(figures["per_second"], 0), *(cell(each, 2) for each in multiples))
        console.print(table)
    share = results["share_of_product_speed"]
    console.print(f"a step's {results['step_gflop']} GFLOP run at {cell(share, 2)} of the speed of a 1024^3 product")


if __name__ == "__main__":
    main()
