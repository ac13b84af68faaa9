"""One system of benchmarks/pretrain.py in a process of its own: builds its model, then works off orders from stdin.

    python benchmarks/pretrain_systems.py SYSTEM AMP ARRAYS.npz SIZE.json

SYSTEM is elmo (the package that is imported), plain, lstm or torch; AMP none or bf16 (elmo and torch only). The first
answer is the loss before any step. An order is "train N", "encode N" or "product N", answered by wall and CPU seconds,
or "memory 0", answered by megabytes: `peak` of the process so far, and `built`, its peak before the first loss.
Imports nothing of this project's but the systems beside it: PyTorch's process has no Paddle.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

MODULES = {"bilm": "pretrain_bilm_systems", "masked": "pretrain_masked_systems"}  # in this script's folder
PRODUCT = 1024  # rows and columns of the matrices whose product tells the machine's speed

EARLIER = {  # where an earlier checkout has what the systems of ours import
    "elmo.bilm_config": "elmo.bilm",
    "elmo.nn.native.precision": "elmo.precision",
    "elmo.text.batches": "elmo.text.corpus",
    "elmo.training.bilm": "elmo.objectives",
    "elmo.training.masked": "elmo.masked_objective",
    "elmo.training.optimizer": "elmo.trainer",
    "elmo.training.settings": "elmo.objectives",
}


def know_earlier_names() -> None:
    """Let modules be imported by the names of today from a checkout that has others."""
    for name, earlier in EARLIER.items():
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if not name.startswith(f"{error.name}"):
                raise
            with contextlib.suppress(ModuleNotFoundError):  # nor by that name: the systems do without
                sys.modules[name] = importlib.import_module(earlier)


def peak_megabytes() -> float:
    """Most memory that this process has had at once; ru_maxrss alone would begin with what its parent had."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
    except (OSError, IndexError):  # not Linux
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def make_product(library: Any) -> Any:
    """Return what multiplies two square matrices, in Paddle."""
    square = library.randn([PRODUCT, PRODUCT])
    return lambda: library.matmul(square, square)


def main() -> None:
    """Build, say the first loss, and take orders until stdin ends."""
    name, amp, arrays_path, size_path = sys.argv[1:]
    size = json.loads(Path(size_path).read_text())
    if name == "elmo":
        know_earlier_names()
    with np.load(arrays_path) as file:
        arrays = dict(file)
    system = importlib.import_module(MODULES[size["objective"]]).SYSTEMS[name](size, arrays, amp)
    built = peak_megabytes()
    print(json.dumps({"loss": system.loss()}), flush=True)
    for line in sys.stdin:
        order, count = line.split()
        if order == "memory":
            print(json.dumps({"peak": peak_megabytes(), "built": built}), flush=True)
            continue
        work = make_product(system.paddle) if order == "product" else getattr(system, order)
        work()  # not timed: wakes threads, and brings memory and caches back after the others' turns
        begin, cpu_begin = time.perf_counter(), time.process_time()
        for _ in range(int(count)):
            work()
        seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu_begin
        print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds}), flush=True)


if __name__ == "__main__":
    main()
