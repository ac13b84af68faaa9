"""What the runs that are done have found: a row a system, number of sentences and score, with its intervals."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from elmo.convert import read_any
from elmo.statistics import bootstrap_difference, mean_interval
from elmo.system.types import PathLike
from elmo.tagging.baidu import start_from_lac
from elmo.tagging.examples import evaluate, make_examples
from elmo.tagging.experiment.plan import (
    ABLATION_SIZES,
    ABLATIONS,
    BAIDU,
    FAMILIES,
    GRID,
    PARTS,
    SCORES,
    SEEDS,
    SIZES,
    TAGS,
    TOKENS,
    Run,
    grid_of,
)
from elmo.tagging.experiment.runs import LacExperiment, describe
from elmo.tagging.score import SentenceCounts, oracle
from elmo.tagging.tagger.readers import make_reader

TABLES = ("lac_transfer", "lac_ablations", "lac_baidu")  # files that are written of it
_RESAMPLES = 5000
_UNTRAINED = "baidu_untrained"  # name of the record of Baidu's model as it is
_SCORED = (("pd/test", "tagged"), ("pd/test", "segmentation"), ("ud/test", "coarse"), ("ud/test", "tagged"))

_Done = dict[int, tuple[dict[str, Any], dict[str, SentenceCounts]]]  # record and counts, by seed


class Summary:
    """Tables of an experiment's runs.

    Args:
        experiment: whose runs; nothing is trained.
    """

    def __init__(self, experiment: LacExperiment) -> None:
        self._experiment = experiment
        self._done: dict[tuple[str, str, str], _Done] = {}

    def tables(self) -> dict[str, dict[str, Any]]:
        """What each file of `TABLES` holds.

        Raises:
            InputError: a run's record or the corpora can't be read.
        """
        common = {
            **{name: _name(self._experiment.models.get(name)) for name in ("elmo", "elmo_characters", "word2vec")},
            "models": {name: _about(path) for name, path in self._experiment.models.items() if name.startswith("elmo")},
            "sentences": self._sentences(),
            "tokenisation": self._limits(),
            "tuning": self._tuning(),
        }
        transfer = [
            self.row(system, size, tokens, part, score, _others(system))
            for tokens, size in itertools.product((TOKENS, "words", "mixed"), SIZES)
            for system in FAMILIES
            for part, score in _SCORED
        ]
        ablations = [
            self.row(system, size, TOKENS, "pd/test", "tagged", ["elmo"])
            for size in ABLATION_SIZES
            for system in ("baseline", "elmo", "word2vec", *ABLATIONS)
        ]
        baidu = [
            self.row(system, size, "words", part, score, ["baidu"])
            for size, system in itertools.product(SIZES, BAIDU)
            for part, score in _SCORED
        ]
        untrained = self._untrained()
        return {
            "lac_transfer": {**common, "rows": _there(transfer)},
            "lac_ablations": {**common, "rows": _there(ablations)},
            "lac_baidu": {
                **common,
                "rows": _there(baidu),
                **({} if untrained is None else {"untrained": untrained}),
            },
        }

    def row(
        self, system: str, size: str, tokens: str, part: str, score: str, others: Sequence[str]
    ) -> dict[str, Any] | None:
        """Mean and interval of a system over its seeds, and how it differs from others on the same seeds.

        Args:
            system, size, tokens: which runs.
            part, score: what they are scored on, and how.
            others: systems that it is compared with; the first one's difference is the row's own, further ones stand
                in `compared`.
        """
        own = self._runs(system, size, tokens)
        if not own:
            return None
        records = [record for record, _ in own.values()]
        values = [100 * record[part][score]["f1"] for record in records]
        result: dict[str, Any] = {"system": system, "size": size, "tokens": tokens, "trained_on": "pd"}
        result |= {
            "scored_on": part,
            "score": score,
            "seeds": len(values),
            "f1": values,
            "mean": float(np.mean(values)),
        }
        if len(values) > 1:
            result["interval"] = mean_interval(values).interval
        for place, other in enumerate(name for name in others if name != system):
            if found := self._difference(own, self._runs(other, size, tokens), part, score):
                if place == 0:
                    result |= {"against": other, **found}
                else:
                    result.setdefault("compared", {})[other] = found
        if all("layer_weights" in record for record in records):
            result["layer_weights"] = np.mean([record["layer_weights"] for record in records], axis=0).tolist()
            result["gamma"] = float(np.mean([record["gamma"] for record in records]))
        result["groups"] = {name: float(np.mean([100 * each[part][name]["f1"] for each in records])) for name in SCORES}
        return result

    def _difference(self, own: _Done, others: _Done, part: str, score: str) -> dict[str, Any] | None:
        """By how much runs are above others of the same seeds: over seeds, over sentences, and over both."""
        seeds = [seed for seed in own if seed in others]
        if not seeds:
            return None
        pairs = [(own[seed], others[seed]) for seed in seeds]
        differences = [
            100 * (after[part][score]["f1"] - before[part][score]["f1"]) for (after, _), (before, _) in pairs
        ]
        result: dict[str, Any] = {"difference": float(np.mean(differences)), "differences": differences}
        if len(differences) > 1:
            result["difference_interval"] = mean_interval(differences).interval
        key = f"{part}/{score}"
        if all(key in after and key in before for (_, after), (_, before) in pairs):
            counts = [before[key] for _, (_, before) in pairs], [after[key] for (_, after), _ in pairs]
            for name, paired in (("bootstrap", False), ("bootstrap_seeds", True)):
                found = bootstrap_difference(*counts, _RESAMPLES, paired_runs=paired)
                result[name] = {"low": 100 * found.low, "high": 100 * found.high, "p_value": found.p_value}
        return result

    def _runs(self, system: str, size: str, tokens: str) -> _Done:
        """The runs of a system that are done, read once."""
        key = (system, size, tokens)
        if key not in self._done:
            runs = [Run(system, size, seed, tokens) for seed in range(SEEDS[size])]
            found = {run.seed: record for run in runs if (record := self._experiment.record(run)) is not None}
            self._done[key] = {
                run.seed: (found[run.seed], self._experiment.counts(run)) for run in runs if run.seed in found
            }
        return self._done[key]

    def _tuning(self) -> list[dict[str, Any]]:
        records = [(run, self._experiment.record(run)) for family in FAMILIES for run in grid_of(family)]
        return [
            {"system": run.system, "setting": GRID[run.grid or 0], "dev_f1": 100 * record["dev_f1"]}
            for run, record in records
            if record is not None
        ]

    def _sentences(self) -> dict[str, int]:
        return {
            size: len(self._experiment.corpora.gold("pd/train")) if count is None else count
            for size, count in SIZES.items()
        }

    def _limits(self) -> dict[str, Any]:
        """What the segmenter's words allow on each part at best."""
        limits = {}
        for part in PARTS:
            gold, segmented = self._experiment.corpora.get(part)
            words = [sentence.words for sentence in gold]
            best = oracle(words, [sentence.tags for sentence in gold], segmented)
            limits[part] = {"sentences": len(gold), "words": sum(map(len, words)), "best_possible": describe(best)}
        return limits

    def _untrained(self) -> dict[str, Any] | None:
        """Scores of Baidu's model as it is, computed once; None without it."""
        runs = self._experiment.runs
        if "baidu" in self._experiment.models and not runs.done(_UNTRAINED):
            files = self._experiment.baidu()
            network = start_from_lac(files, TAGS)
            examples = make_examples(
                *self._experiment.corpora.get("pd/test"), make_reader(network.config, files.vocabulary)
            )
            runs.write(_UNTRAINED, describe(evaluate(network, examples)))
        return runs.read(_UNTRAINED)


def _others(system: str) -> list[str]:
    """What a system is compared with in the main table."""
    return {"elmo": ["baseline", "word2vec"], "elmo_characters": ["baseline", "word2vec", "elmo"]}.get(
        system, ["baseline"]
    )


def _there(rows: Sequence[dict[str, Any] | None]) -> list[dict[str, Any]]:
    return [row for row in rows if row is not None]


def _about(path: PathLike) -> dict[str, Any]:
    """Size of a pretrained model, ours or another system's, and how many tokens it has read in each direction."""
    files = read_any(path)
    runs = files.provenance.get("runs")
    return {
        **{name: files.config[name] for name in ("embed_size", "hidden_size", "vocab_size")},
        "parameters": sum(array.size for array in files.arrays.values()),
        "tokens_read": None if runs is None else sum(run["tokens_read"] for run in runs),
    }


def _name(path: Any) -> str | None:
    return None if path is None else Path(path).name
