"""Where does the time of a pretraining step go? By compiled function, product, Paddle operation, and Python.

Takes the steps of benchmarks/pretrain.py on one thread, with Python's profiler on the CPU time of the process, so that
other work on the machine changes little. A product is named by its rows x columns, and what is summed over. Operations
of Paddle's that a backward pass runs by itself can't be told apart: they are `run_backward`. (As profile.py, this file
would be in the way of the module of that name, which Python's own profiler imports.)

    python benchmarks/step_profile.py bilm --amp bf16
    python benchmarks/step_profile.py masked --amp none --steps 50
"""

from __future__ import annotations

import argparse
import cProfile
import functools
import os
import pstats
import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

WARM_UP = 3  # steps that are not counted: the optimiser's tensors, oneDNN's primitives
COMPILED = "elmo_"  # compiled functions begin so
_OPERATION = re.compile(r"<built-in method paddle\.base\.libpaddle\.(?:\w+\.)*(\w+)>")
_BUILT_IN = re.compile(r"<(?:built-in )?method '?([\w.]+)")
Place = tuple[str, int, str]  # file, line, function, as pstats has them


class Named:
    """Compiled functions, each called through a Python function of its name, so that the profiler sees it.

    Args:
        library: has the functions as attributes.
    """

    def __init__(self, library: Any) -> None:
        self._library = library

    def __getattr__(self, name: str) -> Any:
        if name.startswith(f"{COMPILED}product"):
            return lambda *arguments: self._call(name, arguments[:3])(*arguments)
        return self._call(name, ())

    @functools.cache  # noqa: B019 (one object, for as long as the program runs)
    def _call(self, name: str, sizes: tuple[int, ...]) -> Callable[..., Any]:
        function = getattr(self._library, name)

        def call(*arguments: Any) -> Any:
            return function(*arguments)

        suffix = " {} x {}, {}".format(*sizes) if sizes else ""
        call.__code__ = call.__code__.replace(co_name=name + suffix)
        return call


def classify(place: Place) -> tuple[str, str]:
    """Kind and name of what a line of the profile is about."""
    file, _, function = place
    if function.startswith(COMPILED):
        name = function.removeprefix(COMPILED)
        kind = name.partition("_")[0]
        return {"product": "products", "adam": "optimiser"}.get(kind, "compiled functions"), name
    if match := _OPERATION.match(function):
        name = match[1]
        optimisers = ("adam", "adagrad", "sgd", "rmsprop", "momentum")
        return "optimiser" if name.strip("_") in optimisers else "Paddle's operations", name
    if "Tensor" in function or "paddle" in function:
        return "Paddle's operations", function.strip("<>")
    if file == "~":
        match = _BUILT_IN.match(function)
        name = match[1] if match else function
        return ("NumPy" if "numpy" in function else "Python"), name
    for part, kind in (("/paddle/", "Paddle's Python"), ("/numpy/", "NumPy"), ("/elmo/", "our Python")):
        if part in file:
            return kind, f"{os.path.basename(file)}: {function}"
    return "Python", f"{os.path.basename(file)}: {function}"


def summarise(timings: Mapping[Place, tuple[int, float]]) -> dict[str, dict[str, tuple[int, float]]]:
    """Calls and seconds by kind, then by name; both with the slowest first.

    Args:
        timings: calls and seconds of each function itself, without those that it calls.
    """
    kinds: dict[str, dict[str, tuple[int, float]]] = defaultdict(dict)
    for place, (calls, seconds) in timings.items():
        kind, name = classify(place)
        before = kinds[kind].get(name, (0, 0.0))
        kinds[kind][name] = (before[0] + calls, before[1] + seconds)
    ordered = {kind: dict(sorted(names.items(), key=lambda item: -item[1][1])) for kind, names in kinds.items()}
    return dict(sorted(ordered.items(), key=lambda item: -sum(seconds for _, seconds in item[1].values())))


def main() -> None:
    """Take steps and print where their time went."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("objective", choices=["bilm", "masked"])
    parser.add_argument("--amp", choices=["none", "bf16"], default="none")
    parser.add_argument("--size", help="one of benchmarks/pretrain.py's: default small, and bert")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--least", type=float, default=1.0, help="share in per cent below which a line is left out")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # before elmo is imported
    system = build(options.objective, options.amp, options.size, parser)
    for _ in range(WARM_UP):
        system.train()
    profiler = cProfile.Profile(time.process_time)
    profiler.enable()
    for _ in range(options.steps):
        system.train()
    profiler.disable()
    stats: Any = pstats.Stats(profiler)
    timings = {place: (calls, own) for place, (_, calls, own, _, _) in stats.stats.items()}
    print_profile(summarise(timings), options.steps, options.least / 100)


def build(objective: str, amp: str, size_name: str | None, parser: argparse.ArgumentParser) -> Any:
    """Our system of benchmarks/pretrain.py, with compiled functions that the profiler sees."""
    from benchmarks.pretrain_sizes import SIZES, make_arrays
    from elmo.nn import native

    fitting = [name for name, size in SIZES.items() if size.objective == objective]
    name = size_name or fitting[0]
    if name not in fitting:
        parser.error(f"--size {name}: give one of {', '.join(fitting)}")
    refusal = native.bfloat16_refusal()
    if amp == "bf16" and refusal is not None:
        parser.error(f"--amp bf16: {refusal}")
    if (library := native.library()) is not None:
        named: Any = Named(library)
        native.library = lambda: named
    if objective == "bilm":
        from benchmarks.pretrain_bilm_systems import Ours
    else:
        from benchmarks.pretrain_masked_systems import Ours  # type: ignore[assignment]
    size = SIZES[name]
    return Ours(vars(size), make_arrays(size), amp)


def print_profile(kinds: dict[str, dict[str, tuple[int, float]]], steps: int, least: float) -> None:
    """Print a table: kinds, and within them what has at least a share of the step."""
    total = sum(seconds for names in kinds.values() for _, seconds in names.values())
    table = Table("", "share", "ms a step", "calls a step", title=f"{1000 * total / steps:,.1f} ms of CPU time a step")
    for column in table.columns[1:]:
        column.justify = "right"
    for kind, names in kinds.items():
        seconds = sum(own for _, own in names.values())
        table.add_section()
        table.add_row(f"[bold]{kind}", f"[bold]{seconds / total:.1%}", f"[bold]{1000 * seconds / steps:.2f}", "")
        for name, (calls, own) in names.items():
            if own >= least * total:
                table.add_row(f"  {name}", f"{own / total:.1%}", f"{1000 * own / steps:.2f}", f"{calls / steps:.1f}")
    Console(width=100, highlight=False).print(table)


if __name__ == "__main__":
    main()
