"""What the runs of the five tasks come to: means over seeds, their intervals, and differences on the same seeds."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from elmo.corpora.tasks import Labelled, Paragraph, TaskData
from elmo.statistics import bootstrap_difference, mean_interval, middle_95, resampled_means
from elmo.tagging.score import SentenceCounts
from elmo.tasks.fit import Outcomes
from elmo.tasks.material import SOLVERS, primary
from elmo.tasks.plan import BASELINE, FINE_TUNED, FROZEN, Group, grid_of
from elmo.tasks.runs import TasksExperiment

_RESAMPLES = 2000


def summarise(experiment: TasksExperiment) -> dict[str, Any]:
    """Results of the runs that are done; scores are in percent.

    Every difference is of runs with the same seed. `interval` is Student's over the seeds, and speaks of other seeds;
    `examples_interval` is a bootstrap over the test examples, and speaks of other examples of the kind.
    """
    rows, differences = [], []
    for name in experiment.sets:
        systems = [Group(name, encoder, mode) for mode in (FROZEN, FINE_TUNED) for encoder in experiment.encoders]
        found = {group: runs for group in systems if (runs := _runs(experiment, group))}
        rows += [_row(experiment, group, runs) for group, runs in found.items()]
        for first, second in itertools.combinations(found, 2):
            if first.mode == second.mode or first.encoder in (second.encoder, BASELINE):
                differences.append(_difference(experiment, (first, found[first]), (second, found[second])))
    return {
        "settings": {
            "sizes": vars(experiment.settings.sizes),
            **{name: value for name, value in vars(experiment.settings).items() if name != "sizes"},
            "grid": list(grid_of(FROZEN)),
            "fine_tuning_grid": list(grid_of(FINE_TUNED)),
        },
        "encoders": {
            name: {"model": None if path is None else Path(path).name, "sha256": experiment.fingerprints[name]}
            for name, path in experiment.encoders.items()
        },
        "sets": {name: _describe(experiment.data(name)) for name in experiment.sets},
        "rows": rows,
        "differences": [found for found in differences if found],
        "means": _means(rows),
    }


def _runs(experiment: TasksExperiment, group: Group) -> dict[int, tuple[dict[str, Any], Outcomes]]:
    """Record and outcomes of each seed of a group that is done."""
    found = {}
    seeds = experiment.settings.seeds if group.mode == FROZEN else experiment.settings.fine_tuned_seeds
    for seed in range(seeds):
        record = experiment.runs.read(group.run(seed))
        if record is not None:
            found[seed] = (record, experiment.runs.arrays(group.run(seed))["outcomes"])
    return found


def _row(experiment: TasksExperiment, group: Group, runs: dict[int, tuple[dict[str, Any], Outcomes]]) -> dict[str, Any]:
    """One system on one set."""
    records = [record for record, _ in runs.values()]
    metric = primary(records[0]["task"])
    values = [100 * record["scores"][metric] for record in records]
    row: dict[str, Any] = {
        "set": group.data,
        "task": records[0]["task"],
        "encoder": group.encoder,
        "mode": group.mode,
        "metric": metric,
        "values": values,
        **_mean(values),
        "scores": {name: float(np.mean([100 * r["scores"][name] for r in records])) for name in records[0]["scores"]},
        "setting": records[0]["setting"],
        "dev": float(np.mean([100 * record["dev"] for record in records])),
        "tuning": _tuning(experiment, group),
        "cpu_seconds": float(np.mean([record["cpu_seconds"] for record in records])),
    }
    if "layer_weights" in records[0]:
        row["layer_weights"] = np.mean([record["layer_weights"] for record in records], axis=0).tolist()
        row["gamma"] = float(np.mean([record["gamma"] for record in records]))
    return row


def _tuning(experiment: TasksExperiment, group: Group) -> list[float | None]:
    """Score on the development part of each setting of the grid."""
    records = [experiment.runs.read(group.tuning(number)) for number in range(len(grid_of(group.mode)))]
    return [None if record is None else 100 * record["dev"] for record in records]


def _mean(values: Sequence[float], name: str = "mean") -> dict[str, Any]:
    found: dict[str, Any] = {name: float(np.mean(values))}
    if len(values) > 1:
        found["interval"] = mean_interval(values).interval
    return found


def _difference(
    experiment: TasksExperiment,
    first: tuple[Group, dict[int, tuple[dict[str, Any], Outcomes]]],
    second: tuple[Group, dict[int, tuple[dict[str, Any], Outcomes]]],
) -> dict[str, Any] | None:
    """By how much the second system is better, on the seeds that both have."""
    (before, runs), (after, others) = first, second
    seeds = sorted(runs.keys() & others.keys())
    if not seeds:
        return None
    task = experiment.data(before.data).task
    metric = primary(task)
    values = [100 * (others[seed][0]["scores"][metric] - runs[seed][0]["scores"][metric]) for seed in seeds]
    sides = [[side[seed][1] for seed in seeds] for side in (runs, others)]
    return {
        "set": before.data,
        "encoder": after.encoder,
        "mode": after.mode,
        "against": before.encoder,
        "against_mode": before.mode,
        "seeds": len(seeds),
        "differences": values,
        **_mean(values, "difference"),
        "examples_interval": _examples_interval(task, *sides),
    }


def _examples_interval(task: str, before: list[Outcomes], after: list[Outcomes]) -> list[float]:
    """95% interval of the difference by the paired bootstrap over test examples; a system's score is its seeds' mean.

    Examples are drawn one by one, though some share a premise or a paragraph: the interval is rather too narrow there.
    """
    if task == "entities":
        counts = [[SentenceCounts(*run.astype(np.int64).T) for run in runs] for runs in (before, after)]
        found = bootstrap_difference(counts[0], counts[1], _RESAMPLES)
        return [100 * found.low, 100 * found.high]
    gains = (np.mean(after, axis=0) - np.mean(before, axis=0))[:, 0]
    low, high = middle_95(resampled_means(gains, _RESAMPLES, np.random.default_rng(0)))
    return [100 * low, 100 * high]


def _means(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean over all sets, seed by seed, of each system that has as many seeds on each set."""
    sets = {row["set"] for row in rows}
    found = []
    for system in dict.fromkeys((row["encoder"], row["mode"]) for row in rows):
        own = [row["values"] for row in rows if (row["encoder"], row["mode"]) == system]
        if len(own) == len(sets) and len({len(values) for values in own}) == 1:
            values = np.mean(own, axis=0).tolist()
            found.append({"encoder": system[0], "mode": system[1], "sets": len(own), "values": values, **_mean(values)})
    return found


def _describe(data: TaskData) -> dict[str, Any]:
    """Sizes of a set, its score, and what needs no learning reaches there."""
    parts = {"train": data.train, "dev": data.dev, "test": data.test}
    described: dict[str, Any] = {
        "task": data.task,
        "metric": SOLVERS[data.task].METRIC,
        "examples": {name: len(part) for name, part in parts.items()},
    }
    if data.task == "matching":
        asked = {
            name: [
                (len(example.sentences), len(right))
                for example in part
                if isinstance(example, Paragraph)
                for _, right in example.questions
            ]
            for name, part in parts.items()
        }
        described["questions"] = {name: len(part) for name, part in asked.items()}
        described["sentences_a_question"] = float(np.mean([count for count, _ in asked["test"]]))
        described["by_chance"] = 100 * float(np.mean([_chance(*question) for question in asked["test"]]))
    elif data.task != "entities":
        labels = [example.label for example in data.test if isinstance(example, Labelled)]
        described["by_chance"] = 100 * max(labels.count(label) for label in data.labels) / len(labels)
    return described


def _chance(count: int, right: int) -> float:
    """Expected reciprocal rank of the first of so many right candidates in a random order."""
    left, expected = 1.0, 0.0
    for rank in range(1, count - right + 2):
        share = right / (count - rank + 1)
        expected += left * share / rank
        left *= 1 - share
    return expected
