"""The curve of a pretraining that went through several runs, one going on from another's parameters, from their logs.

Reads what `elmo pretrain` printed, a file a run in their order; `--steps` says where the next one began.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from elmo.errors import InputError
from elmo.system.files import write_results
from elmo.text.shards import read_lines

_LOSS = re.compile(r"step (\d+): training loss ([\d.]+), ([\d,]+) tokens/s")
_SCORES = re.compile(
    r"(step|epoch) (\d+): .*?perplexity ([\d.]+), forward perplexity ([\d.]+), backward perplexity ([\d.]+)"
)


def read_log(path: Path, steps: int | None = None) -> dict[str, Any]:
    """Training losses and held-out perplexities of a run, by its own steps, up to the one the next run began at."""
    losses, scores, last = [], [], 0
    for line in read_lines(path):
        if match := _LOSS.match(line):
            last = int(match[1])
            losses.append({"step": last, "loss": float(match[2])})
        elif match := _SCORES.match(line):
            step = int(match[2]) if match[1] == "step" else last
            values = dict(zip(("perplexity", "forward", "backward"), map(float, match.groups()[2:]), strict=True))
            scores.append({"step": step, **values})
    if not losses:
        raise InputError(f"{path}: no line of `elmo pretrain` with a training loss; give what it printed")
    steps = last if steps is None else steps
    kept = [[point for point in points if point["step"] <= steps] for points in (losses, scores)]
    return {"steps": steps, "losses": kept[0], "scores": kept[1]}


def join(runs: list[dict[str, Any]], tokens_per_step: int) -> dict[str, Any]:
    """One curve by tokens read."""
    joined: dict[str, Any] = {"tokens_per_step": tokens_per_step, "losses": [], "scores": [], "runs": []}
    before = 0
    for number, run in enumerate(runs, 1):
        for kind in ("losses", "scores"):
            for point in run[kind]:
                joined[kind].append(
                    {
                        **point,
                        "run": number,
                        "step": before + point["step"],
                        "tokens": (before + point["step"]) * tokens_per_step,
                    }
                )
        before += run["steps"]
        joined["runs"].append({"run": number, "steps": run["steps"]})
    return joined


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", type=Path, nargs="+", help="what `elmo pretrain` printed, a file a run")
    parser.add_argument("--steps", type=int, nargs="*", default=[], help="steps of each run but the last that count")
    parser.add_argument("--tokens_per_step", type=int, required=True, help="batch_size x num_steps x ranks")
    parser.add_argument("--output", "-o", type=Path, required=True, help="results file, JSON")
    arguments = parser.parse_args()
    steps = [*arguments.steps, *[None] * (len(arguments.logs) - len(arguments.steps))]
    runs = [read_log(path, count) for path, count in zip(arguments.logs, steps, strict=True)]
    write_results(arguments.output, join(runs, arguments.tokens_per_step))


if __name__ == "__main__":
    main()
