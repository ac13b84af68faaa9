"""How much better LAC gets with an ELMo that has read more: gain in F1 against the ELMo's held-out perplexity.

Takes the last checkpoints of runs of `elmo pretrain --test_path` on one collection of text, and does with each the runs
of `elmo lac experiment` on few sentences: with the setting that the experiment's own ELMo was tuned to, and against its
baseline's runs, which stand in `--work`. `--released` is the model that was made of the last checkpoint.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.scaling import read_run
from elmo.system.files import write_results
from elmo.system.terminal import say
from elmo.system.types import PathLike
from elmo.tagging.experiment.plan import TOKENS, Run, grid_of
from elmo.tagging.experiment.runs import LacExperiment
from elmo.tagging.experiment.summary import Summary

SIZES = ("500", "2000")
SYSTEMS = ("baseline", "word2vec", "elmo")


class OneModel(LacExperiment):
    """Runs of one ELMo with settings that others have been tuned to."""

    def __init__(self, corpora: PathLike, work: Path, model: PathLike, seeds: int, tuned: LacExperiment) -> None:
        names = [Run("elmo", size, seed).name for size in SIZES for seed in range(seeds)]
        super().__init__(corpora, work, {"elmo": model}, names, say)
        self._tuned = tuned

    def setting(self, run: Run) -> dict[str, float] | None:
        """That of the experiment's own ELMo."""
        return self._tuned.setting(run)


def copy_runs(source: Path, target: Path, systems: Sequence[str], seeds: int) -> None:
    """Copy what runs have left from one folder to another, where it is not there yet."""
    target.mkdir(parents=True, exist_ok=True)
    for system in systems:
        for size in SIZES:
            for seed in range(seeds):
                for path in source.glob(f"{Run(system, size, seed).name}.*"):
                    if path.suffix in (".json", ".npz") and not (target / path.name).exists():
                        shutil.copyfile(path, target / path.name)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """All of the results."""
    models = {"elmo": arguments.released, "word2vec": arguments.word2vec}
    tuned = LacExperiment(arguments.corpora, arguments.work, models)
    if any(tuned.record(run) is None for run in grid_of("elmo")):
        raise SystemExit(f"{arguments.work}: the settings of elmo are not tuned: run `elmo lac experiment` first")
    for run in (Run("baseline", size, seed) for size in SIZES for seed in range(arguments.seeds)):
        if tuned.record(run) is None:
            raise SystemExit(f"{arguments.work}: {run.name} is not done: run `elmo lac experiment` first")
    of_runs = [read_run(checkpoint) for checkpoint in arguments.checkpoints]  # what is missing is told before the work
    points = []
    for number, (checkpoint, of_run) in enumerate(zip(arguments.checkpoints, of_runs, strict=True)):
        is_released = number == len(arguments.checkpoints) - 1
        model, folder = arguments.released if is_released else checkpoint, arguments.runs / f"{number}"
        copy_runs(arguments.work, folder, SYSTEMS if is_released else ("baseline",), arguments.seeds)
        experiment = OneModel(arguments.corpora, folder, model, arguments.seeds, tuned)
        experiment.run()
        words = of_run["words"] + (arguments.words_before if is_released else 0)
        summary = Summary(experiment)
        rows = [summary.row("elmo", size, TOKENS, "pd/test", "tagged", ["baseline"]) for size in SIZES]
        points.append({"perplexity": of_run["perplexity"], "words": words, "rows": rows})
    rival = [summary.row("word2vec", size, TOKENS, "pd/test", "tagged", ["baseline"]) for size in SIZES]
    return {"points": points, "word2vec": rival, "fits": [fit(points, place) for place in range(len(SIZES))]}


def fit(points: Sequence[dict[str, Any]], place: int) -> dict[str, float]:
    """The straight line of the gain over the logarithm of the perplexity, by least squares."""
    logarithms = [np.log(point["perplexity"]) for point in points]
    slope, offset = np.polyfit(logarithms, [point["rows"][place]["difference"] for point in points], 1)
    return {"slope": float(slope), "offset": float(offset), "each_halving": float(-slope * np.log(2))}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", type=Path, nargs="+", help="the last checkpoint of each run, the best one last")
    parser.add_argument("--released", required=True, help="the model that was made of the last of them")
    parser.add_argument("--words_before", type=int, default=0, help="words read before the run of the last of them")
    parser.add_argument("--word2vec", required=True, help="word vectors of the same text")
    parser.add_argument("--corpora", type=Path, required=True, help="folder of the public corpora")
    parser.add_argument("--work", type=Path, required=True, help="folder of the runs of elmo lac experiment")
    parser.add_argument("--runs", type=Path, required=True, help="folder for the runs of this one")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", "-o", type=Path, required=True, help="results file, JSON")
    arguments = parser.parse_args()
    write_results(arguments.output, measure(arguments))


if __name__ == "__main__":
    main()
