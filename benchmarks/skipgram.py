"""Do our word vectors score like gensim's, trained on the same text with the same settings, and how fast are they?

Both are trained once for each seed, taking turns, and scored on the same sets. What counts is the difference of the
means over seeds, in points: Spearman's rho x 100 on similarity sets, per cent on analogy sets. Speed is words of text
times epochs a second, reading and counting included; CPU time, that of all threads together, says what a system costs
where other work disturbs the clock. A set's 95% interval is that of the first seed, over the pairs or questions.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from gensim.models.word2vec import Word2Vec
from rich.console import Console
from rich.table import Table

from elmo.encoding.protocols import WordSpace
from elmo.explore.words import WordScore, read_analogies, read_similarity, word_analogy, word_similarity
from elmo.runtime import available_cores, select_device
from elmo.skipgram import train_skipgram
from elmo.text.shards import find_shards, read_sentences
from elmo.word_vectors import SkipGramConfig

ALLOWED_DIFFERENCE = 2.0  # points that ours may lie below gensim's

Space = WordSpace | Mapping[str, npt.NDArray[np.float32]]


class Sentences:
    """Sentences of the shards, as often as gensim asks for them."""

    def __init__(self, shards: Sequence[Path]) -> None:
        self.shards = shards

    def __iter__(self) -> Iterator[list[str]]:
        return read_sentences(self.shards)


@dataclass(frozen=True)
class Training:
    """Vectors, and what it took to get them."""

    space: Space
    words: int
    seconds: float
    cpu_seconds: float


def main() -> None:
    """Train, score, print a table and write the results."""
    defaults = SkipGramConfig()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", nargs="+", help="segmented shards, or globs of them")
    parser.add_argument("--similarity", nargs="+", type=Path, required=True, help="sets of judged word pairs")
    parser.add_argument("--analogies", nargs="+", type=Path, required=True, help="sets of analogy questions")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=defaults.epochs)
    parser.add_argument("--vector_size", type=int, default=defaults.vector_size)
    parser.add_argument("--batch_words", type=int, default=defaults.batch_words)
    parser.add_argument("-o", "--output", type=Path, required=True, help="results file, JSON")
    options = parser.parse_args()
    shards = [path for pattern in options.shards for path in find_shards(pattern)]
    evaluate = evaluator(options.similarity, options.analogies)
    device = select_device(use_gpu=False)
    config = dataclasses.replace(
        defaults, epochs=options.epochs, vector_size=options.vector_size, batch_words=options.batch_words
    )

    console = Console()
    load_before = os.getloadavg()[0]
    runs: dict[str, list[dict[str, Any]]] = {"gensim": [], "ours": []}
    for seed in options.seeds:
        seeded = dataclasses.replace(config, seed=seed)
        for system, train in (("gensim", train_gensim), ("ours", train_ours)):
            training = measure(train, shards, seeded)
            runs[system].append(
                {
                    "seed": seed,
                    "seconds": round(training.seconds, 1),
                    "cpu_seconds": round(training.cpu_seconds, 1),
                    "words_per_second": round(training.words * config.epochs / training.seconds),
                    "words_per_cpu_second": round(training.words * config.epochs / training.cpu_seconds),
                    "scores": evaluate(training.space),
                }
            )
            console.print(f"seed {seed}, {system}: {training.seconds:.0f} s", highlight=False)

    results = {
        "text": {"files": [path.name for path in shards], "words": training.words},
        "settings": {name: value for name, value in dataclasses.asdict(config).items() if name != "seed"},
        "allowed_difference": ALLOWED_DIFFERENCE,
        "sets": compare(runs),
        "speed": compare_speed(runs),
        "runs": runs,
        "versions": {name: version(name) for name in ("gensim", "paddlepaddle", "numpy", "scipy")},
        "machine": {
            "cores": available_cores(),
            "paddle_threads": os.environ["OMP_NUM_THREADS"],
            "device": device,
            "system": platform.system(),
            "load_before": round(load_before, 2),
        },
    }
    print_results(results, console)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    temporary = options.output.with_suffix(".tmp")
    temporary.write_text(json.dumps(results, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(temporary, options.output)


def train_gensim(shards: Sequence[Path], config: SkipGramConfig) -> tuple[Space, int]:
    """Train gensim's skip-gram with our settings, one worker a core; return vectors and words of text."""
    model = Word2Vec(
        Sentences(shards),
        sg=1,
        hs=0,
        vector_size=config.vector_size,
        window=config.window,
        negative=config.negative,
        sample=config.sample,
        min_count=config.min_count,
        epochs=config.epochs,
        alpha=config.learning_rate,
        min_alpha=config.min_learning_rate,
        workers=available_cores(),
        seed=config.seed,
    )
    return {word: model.wv[word] for word in model.wv.index_to_key}, model.corpus_total_words


def train_ours(shards: Sequence[Path], config: SkipGramConfig) -> tuple[Space, int]:
    """Train ours; return vectors and words of text."""
    vectors = train_skipgram(shards, config)
    return vectors, sum(map(len, read_sentences(shards)))


def measure(
    train: Callable[[Sequence[Path], SkipGramConfig], tuple[Space, int]], shards: Sequence[Path], config: SkipGramConfig
) -> Training:
    """Train and take the time."""
    begin, cpu_begin = time.perf_counter(), time.process_time()
    space, words = train(shards, config)
    return Training(space, words, time.perf_counter() - begin, time.process_time() - cpu_begin)


def evaluator(similarity: Sequence[Path], analogies: Sequence[Path]) -> Callable[[Space], dict[str, dict[str, Any]]]:
    """Read the sets; return what scores vectors on each of them, and on each section of an analogy set."""
    pairs = {path.stem: read_similarity(path) for path in similarity}
    questions = {path.stem: read_analogies(path) for path in analogies}

    def evaluate(space: Space) -> dict[str, dict[str, Any]]:
        scores: dict[str, WordScore] = {name: word_similarity(space, each) for name, each in pairs.items()}
        for name, each in questions.items():
            result = word_analogy(space, each)
            scores[name] = result.overall
            scores |= {f"{name}: {section}": accuracy for section, accuracy in result.sections.items()}
        return {name: as_json(score) for name, score in scores.items()}

    return evaluate


def as_json(score: WordScore) -> dict[str, Any]:
    """Round a score to hundredths of a point; what is not a number becomes null."""
    numbers = {"value": score.value, "low": score.low, "high": score.high}
    rounded = {name: round(number, 2) if math.isfinite(number) else None for name, number in numbers.items()}
    return {**rounded, "covered": score.covered, "total": score.total}


def compare(runs: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """For each set: mean, least and greatest over seeds of both systems, and the difference of the means."""
    sets: dict[str, dict[str, Any]] = {}
    for name, first in runs["ours"][0]["scores"].items():
        if first["value"] is None:
            continue
        figures: dict[str, Any] = {
            system: spread([run["scores"][name]["value"] for run in each]) for system, each in runs.items()
        }
        difference = round(figures["ours"]["mean"] - figures["gensim"]["mean"], 2)
        coverage = {key: first[key] for key in ("covered", "total")}
        interval = {"low": first["low"], "high": first["high"]}
        reached = difference >= -ALLOWED_DIFFERENCE
        sets[name] = {**figures, "difference": difference, "reached": reached, "interval_ours": interval, **coverage}
    return sets


def compare_speed(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Speed of both systems, and ours as a multiple of gensim's, by the clock and by CPU time, within a seed."""
    speed: dict[str, Any] = {}
    for measure_name in ("words_per_second", "words_per_cpu_second"):
        ratios = [
            ours[measure_name] / theirs[measure_name] for ours, theirs in zip(runs["ours"], runs["gensim"], strict=True)
        ]
        by_system = {system: spread([run[measure_name] for run in each]) for system, each in runs.items()}
        speed[measure_name] = {**by_system, "ratio": spread(ratios)}
    return speed


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return mean, least and greatest."""
    return {"mean": round(statistics.fmean(values), 2), "min": round(min(values), 2), "max": round(max(values), 2)}


def print_results(results: dict[str, Any], console: Console) -> None:
    """Print scores and speed as two tables."""

    def cell(figures: dict[str, float]) -> str:
        return f"{figures['mean']:,.2f} ({figures['min']:,.2f} to {figures['max']:,.2f})"

    scores = Table("set", "covered", "gensim", "ours", "difference", title="Scores: mean over seeds (range)")
    for name, figures in results["sets"].items():
        coverage = f"{figures['covered']}/{figures['total']}"
        difference = f"{figures['difference']:+.2f}{'' if figures['reached'] else '  too low'}"
        scores.add_row(name, coverage, cell(figures["gensim"]), cell(figures["ours"]), difference)
    speed = Table("speed", "gensim", "ours", "ours / gensim")
    for name, figures in results["speed"].items():
        speed.add_row(name.replace("_", " "), *(cell(figures[key]) for key in ("gensim", "ours", "ratio")))
    console.print(scores, speed)


if __name__ == "__main__":
    main()
