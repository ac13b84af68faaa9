"""How BERT, ERNIE and ELMo learn from the same text, character by character, from the logs of their pretraining.

Reads what `elmo pretrain_masked` and `elmo pretrain` printed and the models they made. A run that was
stopped and went on is one log, the later lines of a step counting.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from pathlib import Path
from typing import Any

from safetensors import safe_open

from elmo.encoding.bert import Bert
from elmo.errors import InputError
from elmo.models import WEIGHTS_FILE, read_header
from elmo.system.files import write_results
from elmo.text.pieces import PieceTokenizer
from elmo.text.shards import find_shards, read_lines

_LOSS = re.compile(r"step (\d+): training loss ([\d.]+),")
_SCORES = re.compile(r"(step|epoch) (\d+): .*?\bperplexity ([\d.]+), (word|forward) perplexity ([\d.]+)")


def read_log(path: Path, steps: int) -> tuple[list[list[float]], dict[int, tuple[float, float, str]]]:
    """Training losses [[step, loss]], and by step the two perplexities of a line and what the second one is."""
    losses: dict[int, float] = {}
    scores: dict[int, tuple[float, float, str]] = {}
    for line in read_lines(path):
        if match := _LOSS.match(line):
            losses[int(match[1])] = float(match[2])
        elif match := _SCORES.match(line):
            step = int(match[2]) if match[1] == "step" else steps
            scores[step] = float(match[3]), float(match[5]), match[4]
    if not losses:
        raise InputError(f"{path}: no line of a pretraining with a training loss; give what it printed")
    return [[step, losses[step]] for step in sorted(losses)], dict(sorted(scores.items()))


def describe(model: Path) -> dict[str, Any]:
    """Parameters of a model, and its last run from its header."""
    provenance = json.loads(read_header(model)["provenance"])
    with safe_open(str(model / WEIGHTS_FILE), framework="numpy") as weights:
        parameters = sum(math.prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118
    run = provenance["runs"][-1]
    return {"parameters": parameters, "run": run, "seconds": sum(epoch["seconds"] for epoch in run["history"])}


def masked(log: Path, model: Path) -> dict[str, Any]:
    """The curve of a masked language model."""
    found = describe(model)
    run, settings = found["run"], found["run"]["settings"]
    losses, scores = read_log(log, run["steps"])
    per_step = run["tokens_read"] / run["steps"]
    stages = settings["stages"]
    return {
        "parameters": found["parameters"],
        "seconds": found["seconds"],
        "characters_read": run["tokens_read"],
        "settings": settings,
        "stages": [
            [stage, -(-run["steps"] * number // len(stages))]
            for number, stage in enumerate(stages)
            if not number or stage != stages[number - 1]
        ],
        "loss": losses,
        "scores": [
            {"step": step, "characters": round(step * per_step), "perplexity": characters, "word_perplexity": words}
            for step, (characters, words, _) in scores.items()
        ],
    }


def count(shards: str, tokenizer: PieceTokenizer) -> tuple[int, int]:
    """Words, and the masked models' characters (and pieces), of the biLM's text."""
    words = characters = 0
    for path in find_shards(shards):
        for line in read_lines(path):
            words += len(line.split())
            characters += len(tokenizer.tokenize(line.replace(" ", "")))
    return words, characters


def bidirectional(log: Path, model: Path, text: tuple[int, int]) -> dict[str, Any]:
    """The curve of a biLM, by the words and characters it read: those of its text, once for each pass."""
    found = describe(model)
    run = found["run"]
    losses, scores = read_log(log, run["steps"])
    words, characters = (amount * len(run["history"]) for amount in text)
    return {
        "parameters": found["parameters"],
        "seconds": found["seconds"],
        "words_read": words,
        "characters_read": characters,
        "settings": run["settings"],
        "loss": losses,
        "scores": [
            {
                "step": step,
                "words": round(words * step / run["steps"]),
                "characters": round(characters * step / run["steps"]),
                "perplexity": perplexity,
            }
            for step, (perplexity, _, _) in scores.items()
        ],
    }


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("bert", "ernie", "ernie_early"):
        parser.add_argument(f"--{name}", type=Path, nargs=2, metavar=("LOG", "MODEL"), required=name == "bert")
    parser.add_argument("--elmo", nargs=3, metavar=("LOG", "MODEL", "SHARDS"))
    parser.add_argument("-o", "--output", type=Path, required=True, help="results file, JSON")
    arguments = parser.parse_args()
    given = {name: getattr(arguments, name) for name in ("bert", "ernie", "ernie_early")}
    models = {name: masked(*files) for name, files in given.items() if files}
    if arguments.elmo:
        log, model, shards = arguments.elmo
        tokenizer = PieceTokenizer(Bert.from_pretrained(arguments.bert[1]).vocabulary)
        models["elmo"] = bidirectional(Path(log), Path(model), count(shards, tokenizer))
    write_results(arguments.output, {"models": models})


if __name__ == "__main__":
    main()
