"""What does `elmo adapt` gain on a new domain, how much does the model forget, and what do new words bring?

    python benchmarks/adapt.py medicine=medical.txt law=laws.txt

Each domain is one file of raw text that the model has not been trained on. Some of its sentences, drawn by a seed, are
the test; from the others so many are drawn as `--sizes` says, and the model learns on from them by `elmo adapt`, which
holds a tenth of them out for itself. Measured for each seed, with the full softmax:

- perplexity on the test before and after;
- forgetting: perplexity on our own documents (data/documents/dev), which have nothing to do with the domain;
- with `--new_words`: the share of the test's words that the vocabulary lacks, and the perplexity on what both models
  know (all else counts as unknown), for new rows that begin as the mean of their characters' or as `<UNK>`'s.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from elmo.adapting.adapt import adapt
from elmo.models import find_model
from elmo.system.files import write_results
from elmo.system.project import project_data
from elmo.text.preprocess import preprocess
from elmo.text.shards import find_shards, read_sentences
from elmo.text.vocabulary import Vocabulary, count_words
from elmo.training.perplexity import evaluate_perplexity

TEST_SENTENCES = 300


def draw(shards: Path, sizes: Sequence[int], seed: int, folder: Path) -> dict[str, Path]:
    """Write the test, drawn once, and for each size a sample of the other sentences drawn by the seed."""
    sentences = list(
        dict.fromkeys(" ".join(words) for words in read_sentences(find_shards(shards / "sentence_file_*")))
    )
    random.Random(0).shuffle(sentences)
    files = {"test": folder / "test"}
    files["test"].write_text("\n".join(sentences[:TEST_SENTENCES]) + "\n", encoding="utf-8")
    rest = sentences[TEST_SENTENCES:]
    for size in sizes:
        files[str(size)] = folder / f"sample_{size}_{seed}"
        files[str(size)].write_text("\n".join(random.Random(seed).sample(rest, size)) + "\n", encoding="utf-8")
    return files


def measure(model: Path, test: Path, old: str, known: Path) -> dict[str, float]:
    """Perplexities of a model on the domain's test and on the old text, and the share of unknown words of the test."""
    vocabulary, counts = Vocabulary.load(model / "vocabulary.txt"), count_words([test])
    larger = len(vocabulary) > len(Vocabulary.load(known))
    unknown = sum(count for word, count in counts.items() if word not in vocabulary) / counts.total()
    plain = evaluate_perplexity(model, str(test))["perplexity"]
    return {
        "test": evaluate_perplexity(model, str(test), common_vocabulary=known)["perplexity"] if larger else plain,
        "test_own_vocabulary": plain,
        "old": evaluate_perplexity(model, old, common_vocabulary=known if larger else None)["perplexity"],
        "unknown_share": unknown,
    }


def run(model: Path, sample: Path, test: Path, old: str, options: dict[str, Any], work: Path) -> dict[str, Any]:
    """Adapt to one sample and measure."""
    target = work / "adapted"
    shutil.rmtree(target, ignore_errors=True)
    began = time.perf_counter()
    result = adapt(model, [sample], target, segmenter="whitespace", console=Console(stderr=True), **options)
    seconds = time.perf_counter() - began
    scores = measure(target, test, old, model / "vocabulary.txt")
    return {**scores, "epochs": result.epochs, "seconds": seconds, "new_words": result.new_words}


def summarise(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and range over the seeds."""
    return {
        name: {"mean": statistics.mean(values), "min": min(values), "max": max(values)}
        for name in runs[0]
        for values in [[each[name] for each in runs]]
    }


def main() -> None:
    """Run all, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("domains", nargs="+", help="NAME=FILE of raw text")
    parser.add_argument("--model", default="elmo-zh-small")
    parser.add_argument("--sizes", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[2, 1], help="of each size")
    parser.add_argument("--new_words", type=int, default=300, help="tried with the largest size")
    parser.add_argument("--schedules", nargs="*", default=[], help="RATE:EPOCHS, tried beside the usual one")
    parser.add_argument("-o", "--output", type=Path, required=True, help="results file, JSON")
    arguments = parser.parse_args()
    model = find_model(arguments.model)
    results: dict[str, Any] = {
        "model": Path(arguments.model).name,
        "settings": {"sizes": arguments.sizes, "seeds": arguments.seeds, "test_sentences": TEST_SENTENCES},
        "domains": {},
    }
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        preprocess([project_data("documents/dev")], work / "old", progress=False)
        old = f"{work}/old/sentence_file_*"
        for domain in arguments.domains:
            name, _, file = domain.partition("=")
            preprocess([file], work / name, progress=False)
            test = draw(work / name, [], 0, work)["test"]
            before = measure(model, test, old, model / "vocabulary.txt")
            rows: dict[str, Any] = {}
            for size, seeds in zip(arguments.sizes, arguments.seeds, strict=True):
                variants: dict[str, dict[str, Any]] = {"": {}}
                for schedule in arguments.schedules:
                    rate, _, epochs = schedule.partition(":")
                    options: dict[str, Any] = {"learning_rate": float(rate), "max_epoch": int(epochs)}
                    variants[f", rate {rate}, {epochs} epochs"] = options
                if arguments.new_words and size == max(arguments.sizes):
                    for start in ("characters", "unknown"):
                        options = {"new_words": arguments.new_words, "new_rows": start}
                        variants[f", new words from {start}"] = options
                for label, options in variants.items():
                    runs = []
                    for seed in range(seeds):
                        sample = draw(work / name, [size], seed, work)[str(size)]
                        runs.append(run(model, sample, test, old, {**options, "random_seed": seed}, work))
                        print(name, size, label, runs[-1], flush=True)
                    rows[f"{size} sentences{label}"] = summarise(runs)
                    results["domains"][name] = {"before": before, "after": rows}
                    write_results(arguments.output, results)


if __name__ == "__main__":
    main()
