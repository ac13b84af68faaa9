"""How much better LAC gets with an ELMo that has read more: gain in F1 against the ELMo's held-out perplexity.

Takes an experiment's own ELMo and others of its vocabulary that have read less or more, such as checkpoints of `elmo
pretrain`, and does with each the runs of `elmo lac experiment`: with the setting that the experiment's ELMo was tuned
to, and against its baseline's runs, which stand in `--work` as its own do.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from elmo.statistics import mean_interval
from elmo.system.files import write_results
from elmo.system.terminal import say
from elmo.system.types import PathLike
from elmo.tagging.experiment.plan import TOKENS, Run, grid_of
from elmo.tagging.experiment.runs import LacExperiment
from elmo.tagging.experiment.summary import Summary
from elmo.training.perplexity import evaluate_perplexity

SIZES = ("500", "all")
SYSTEMS = ("baseline", "word2vec", "elmo")
SCORES = (("500", "pd/test", "tagged"), ("all", "pd/test", "tagged"), ("all", "ud/test", "coarse"))
GOALS = (4.0, 1.1, 2.0)  # points of F1 above the baseline that were hoped for, a score each


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
    models = {"elmo": arguments.elmo, "word2vec": arguments.word2vec}
    tuned = LacExperiment(arguments.corpora, arguments.work, models)
    if any(tuned.record(run) is None for run in grid_of("elmo")):
        raise SystemExit(f"{arguments.work}: the settings of elmo are not tuned: run `elmo lac experiment` first")
    for run in (Run(system, size, seed) for system in SYSTEMS for size in SIZES for seed in range(arguments.seeds)):
        if tuned.record(run) is None:
            raise SystemExit(f"{arguments.work}: {run.name} is not done: run `elmo lac experiment` first")
    all_models = [*arguments.models, arguments.elmo, *arguments.more]
    scores = [evaluate_perplexity(model, arguments.test_path) for model in all_models]  # before the long work
    points = []
    for number, (model, held_out) in enumerate(zip(all_models, scores, strict=True)):
        is_own = number == len(arguments.models)
        folder = arguments.runs / f"{number}"
        copy_runs(arguments.work, folder, SYSTEMS if is_own else ("baseline",), arguments.seeds)
        experiment = OneModel(arguments.corpora, folder, model, arguments.seeds, tuned)
        experiment.run()
        if not all(map(experiment.finished, experiment.jobs())):
            raise SystemExit(f"{folder}: another process is at some of the runs: call again when it has ended")
        summary = Summary(experiment)
        if is_own:
            rival = [summary.row("word2vec", size, TOKENS, part, score, ["baseline"]) for size, part, score in SCORES]
        points.append(
            {
                "model": Path(model).name,
                **{name: held_out[name] for name in ("perplexity", "tokens_read")},
                "rows": [summary.row("elmo", size, TOKENS, part, score, ["baseline"]) for size, part, score in SCORES],
            }
        )
    lines = [
        {"size": size, "scored_on": part, "score": score, **fit(points, place, GOALS[place])}
        for place, (size, part, score) in enumerate(SCORES)
    ]
    return {"points": points, "word2vec": rival, "fits": lines}


def fit(points: Sequence[dict[str, Any]], place: int, goal: float) -> dict[str, Any]:
    """The line of the gain over the logarithm of the perplexity, by least squares, and where it meets a goal.

    The interval of what half the perplexity brings is over the seeds of the taggers. Where the line meets the goal is
    an extrapolation, for which there is none.
    """
    logarithms = np.log([point["perplexity"] for point in points])
    gains = [point["rows"][place]["differences"] for point in points]  # [models, seeds]
    slope, offset = np.polyfit(logarithms, np.mean(gains, axis=1), 1)
    of_seeds = mean_interval(list(-np.log(2) * np.polyfit(logarithms, gains, 1)[0]))
    return {
        "slope": float(slope),
        "offset": float(offset),
        "each_halving": {"value": of_seeds.value, "low": of_seeds.low, "high": of_seeds.high},
        "goal": goal,
        "perplexity_at_goal": float(np.exp((goal - offset) / slope)) if slope < 0 else None,
    }


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="ELMos that have read less, checkpoints or models")
    parser.add_argument("--elmo", required=True, help="the experiment's ELMo")
    parser.add_argument("--more", nargs="+", default=[], help="ELMos that have read more")
    parser.add_argument("--word2vec", required=True, help="the experiment's word vectors")
    parser.add_argument("--test_path", required=True, help="held-out text: files of segmented sentences")
    parser.add_argument("--corpora", type=Path, required=True, help="folder of the public corpora")
    parser.add_argument("--work", type=Path, required=True, help="folder of the runs of elmo lac experiment")
    parser.add_argument("--runs", type=Path, required=True, help="folder for the runs of this one")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", "-o", type=Path, required=True, help="results file, JSON")
    arguments = parser.parse_args()
    write_results(arguments.output, measure(arguments))


if __name__ == "__main__":
    main()
