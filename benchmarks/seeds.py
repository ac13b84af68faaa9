"""How far apart are biLMs that differ in nothing but the seed of their pretraining?

A score's interval over sentences says what to expect of other sentences, not of another pretraining. Here both stand
beside each other, for held-out perplexity and for three forms of vector of `elmo eval forms`, less the word's mean: the
values of all models, their standard deviation and, of the forms, half the width of the interval over sentences (the
mean over the models).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from elmo.encoding.encoder import load_pretrained
from elmo.encoding.substitutes import Substitutes
from elmo.explore.polysemy.compare_forms import compare_forms
from elmo.system.files import write_results
from elmo.system.project import project_data
from elmo.training.perplexity import evaluate_perplexity
from elmo.word_vectors import WordVectors

FORMS = ("layer 2, own", "layer 2, hole", "substitutes")
VARIANT = "centred"


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """All of the results."""
    space = WordVectors.load(arguments.word2vec)
    pairs = None if arguments.mcl_wic is None else (arguments.mcl_wic, arguments.mcl_wic.with_suffix(".gold"))
    held_out = [evaluate_perplexity(model, arguments.test_path) for model in arguments.models]
    found: dict[str, list[dict[str, float]]] = {}
    for model in arguments.models:
        encoder = load_pretrained(model)
        compared = compare_forms(
            encoder, space, arguments.senses, arguments.reviews, pairs, substitutes=Substitutes(encoder)
        )
        for name, rows in compared["systems"]["elmo"].items():
            for form in FORMS:
                found.setdefault(f"{name}, {form}", []).append(rows.get("rows", rows)[form][VARIANT])
    return {
        "models": [Path(model).name for model in arguments.models],
        "tokens_read": [each["tokens_read"] for each in held_out],
        "perplexity": _over([each["perplexity"] for each in held_out]),
        "scores": {
            name: {
                **_over([each["value"] for each in estimates]),
                "half_width": float(np.mean([(each["high"] - each["low"]) / 2 for each in estimates])),
            }
            for name, estimates in found.items()
        },
    }


def _over(values: list[float]) -> dict[str, Any]:
    return {"values": values, "mean": float(np.mean(values)), "deviation": float(np.std(values, ddof=1))}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="biLMs, checkpoints or models, two at least")
    parser.add_argument("--word2vec", required=True, help="word vectors; only to run the same evaluation")
    parser.add_argument("--test_path", required=True, help="held-out text: files of segmented sentences")
    parser.add_argument(
        "--senses", type=Path, default=project_data("senses.tsv"), help="marked sentences (default: our own)"
    )
    parser.add_argument("--reviews", type=Path, help="product reviews, shopping_reviews_7cats.csv")
    parser.add_argument("--mcl_wic", type=Path, help="MCL-WiC's pairs, .data; .gold is beside it")
    parser.add_argument("--output", "-o", type=Path, required=True, help="results file, JSON")
    arguments = parser.parse_args()
    if len(arguments.models) < 2:
        parser.error("give two models at least")
    results = measure(arguments)
    table = Table("score", "mean", "deviation over seeds", "half of the interval over sentences")
    table.add_row("perplexity", *(f"{results['perplexity'][name]:.2f}" for name in ("mean", "deviation")), "")
    for name, score in results["scores"].items():
        table.add_row(name, *(f"{score[part]:.4f}" for part in ("mean", "deviation", "half_width")))
    Console(highlight=False).print(table)
    write_results(arguments.output, results)


if __name__ == "__main__":
    main()
