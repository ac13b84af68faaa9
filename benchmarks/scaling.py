"""How large a model for how many hours? Words read, hours on one core, and held-out perplexity of several biLMs.

Reads the checkpoints of runs/scaling.sh, one for each size and budget, and measures how fast each size is: seconds that
the processor computes for a word, which other programs beside it hardly change. A longer run at a constant rate is read
from what `elmo pretrain` printed (`--curve`), and its end with a falling rate from that run's checkpoint (`--end`).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.pretrain_bilm_systems import Ours
from benchmarks.pretrain_sizes import Size, make_arrays
from benchmarks.training_curve import read_log
from elmo.bilm_config import BiLMConfig
from elmo.checks import config_of_file
from elmo.errors import InputError
from elmo.models import read_header
from elmo.nn.native.precision import choose_precision
from elmo.runtime import read_cpuinfo
from elmo.system.files import write_results
from elmo.system.machine import processor_name
from elmo.text.vocabulary import Vocabulary
from elmo.training.checkpoint import read_training_state
from elmo.training.checkpoint.record import TrainingState

ROUNDS, STEPS = 5, 4  # of training, to measure how fast a size is


def read_run(checkpoint: Path) -> dict[str, Any]:
    """Sizes, words read and held-out perplexity of a run that has ended."""
    state = read_training_state(checkpoint)
    vocabulary = Vocabulary.load(checkpoint / "vocabulary.txt")
    fields = json.loads(read_header(checkpoint, kind="bilm")["config"])
    config = config_of_file(BiLMConfig, fields, vocabulary, checkpoint)
    if not state.history or "perplexity" not in state.history[-1]:
        raise InputError(
            f"{checkpoint}: has no held-out perplexity: give the last checkpoint of a run with --test_path"
        )
    return {
        "embed_size": config.embed_size,
        "hidden_size": config.hidden_size,
        "num_layers": config.num_layers,
        "vocab_size": config.vocab_size,
        "words": words_of(state),
        "perplexity": state.history[-1]["perplexity"],
        **{
            name: state.settings[name]
            for name in ("batch_size", "num_steps", "n_negative_samples_batch", "lr_schedule")
        },
    }


def words_of(state: TrainingState) -> int:
    """Words that a run has read, ends of sentences among them."""
    return sum(rank["tokens_read"] for rank in state.progress["ranks"])


def words_per_second(run: dict[str, Any], amp: str) -> dict[str, float]:
    """Words for each second that the processor computes, in training: median, least and greatest of the rounds."""
    size = Size(
        run["vocab_size"],
        run["embed_size"],
        run["hidden_size"],
        run["num_layers"],
        batch_size=run["batch_size"],
        num_steps=run["num_steps"],
        num_samples=run["n_negative_samples_batch"],
        optim="adam",
        learning_rate=1e-3,
    )
    system = Ours({**vars(size)}, make_arrays(size), amp)
    system.train()
    speeds = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        for _ in range(STEPS):
            system.train()
        speeds.append(STEPS * size.tokens / (time.process_time() - begun))
    return {"median": float(np.median(speeds)), "min": min(speeds), "max": max(speeds)}


def measure(arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    """All of the results."""
    runs = [read_run(path) for path in arguments.runs]
    ended = read_run(arguments.end) if arguments.end else None
    curve = read_log(arguments.curve)["scores"] if arguments.curve else []
    amp = choose_precision("auto")
    speeds: dict[tuple[int, int, int], dict[str, float]] = {}
    for run in [*runs, *([ended] if ended else [])]:
        key = (run["embed_size"], run["hidden_size"], run["n_negative_samples_batch"])
        speeds[key] = speeds.get(key) or words_per_second(run, amp)
        run["words_per_core_second"] = speeds[key]
        run["core_hours"] = run["words"] / speeds[key]["median"] / 3600
        console.print(f"{key[0]}/{key[1]}: {run['words']:,} words, {run['core_hours']:.2f} h, {run['perplexity']:.1f}")
    results: dict[str, Any] = {"processor": processor_name(read_cpuinfo()), "amp": amp, "runs": runs}
    if ended:
        a_step = ended["batch_size"] * ended["num_steps"]
        a_second = ended["words_per_core_second"]["median"]
        words = [point["step"] * a_step for point in curve]
        results["long_run"] = [
            {"words": count, "core_hours": count / a_second / 3600, "perplexity": point["perplexity"]}
            for count, point in zip(words, curve, strict=True)
        ]
        before = arguments.end_after * a_step
        ended["words_before"] = before
        ended["core_hours"] = (before + ended["words"]) / a_second / 3600
        results["end"] = ended
    return results


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="the last checkpoint of each run")
    parser.add_argument("--curve", type=Path, help="what a longer run printed; its sizes are those of --end")
    parser.add_argument("--end", type=Path, help="the last checkpoint of the run with a falling rate that ends it")
    parser.add_argument("--end_after", type=int, default=0, help="steps of the longer run before its end")
    parser.add_argument("--output", "-o", type=Path, required=True, help="results file, JSON")
    arguments = parser.parse_args()
    write_results(arguments.output, measure(arguments, Console(width=120)))


if __name__ == "__main__":
    main()
