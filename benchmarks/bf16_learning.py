"""Does learning suffer from products in bfloat16? Held-out perplexity against float32's, for both objectives.

A run is so many steps of a small biLM or masked language model. For each seed there are two, which differ in `--amp`
alone: first parameters, batches, dropout and candidates are the same. Held-out text is measured in float32. What counts
is the ratio of the two perplexities: its mean over the seeds, with Student's 95% interval. What rounding does to a run
by chance alone, a control says: float32 again, from parameters that differ in the sixth digit. A run that the results
file has, of the same settings and processor, is not made again.

    OMP_NUM_THREADS=1 python benchmarks/bf16_learning.py 'SHARDS' --dev 'HELD_OUT_SHARDS'
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import itertools
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt
from rich.console import Console

from elmo import runtime
from elmo.bilm import BiLM
from elmo.bilm_config import BiLMConfig
from elmo.errors import InputError
from elmo.masked_lm import MaskedLM, MaskedLMConfig
from elmo.nn.native.precision import choose_precision
from elmo.nn.native.processor import describe_processor
from elmo.statistics import mean_interval
from elmo.system.files import write_results
from elmo.text.batches import SentenceIds
from elmo.text.masking import MaskedSequences
from elmo.text.pieces import PieceVocabulary
from elmo.text.shards import find_shards
from elmo.text.units import UnitText
from elmo.text.vocabulary import Vocabulary, count_words
from elmo.training.bilm import BiLMObjective
from elmo.training.loop import Trainer
from elmo.training.masked import MaskedLMObjective, MaskedSettings
from elmo.training.settings import PretrainSettings

RUNS = {"float32": ("none", 1.0), "bf16": ("bf16", 1.0), "control": ("none", 1.0 + 2**-20)}  # amp, parameters times
BOUND = 0.01  # how much higher than float32's the perplexity may be
COMMAND = "OMP_NUM_THREADS=1 python benchmarks/bf16_learning.py SHARDS --dev HELD_OUT_SHARDS"
_RUN: dict[str, Any] = {"lr_schedule": "cosine", "optim": "adam", "max_epoch": 1, "log_interval": 500}
_RUN |= {"save_interval": 0, "dev_interval": 0}
SETTINGS = {
    "bilm": PretrainSettings(
        batch_size=32, num_steps=20, learning_rate=0.003, warmup_steps=100, n_negative_samples_batch=2048, **_RUN
    ),
    "masked": MaskedSettings(batch_size=16, learning_rate=0.001, warmup_steps=300, **_RUN),
}
SIZES: dict[str, dict[str, int]] = {
    "bilm": {"embed_size": 64, "hidden_size": 256},
    "masked": {"hidden_size": 128, "num_layers": 2, "intermediate_size": 512, "max_length": 64},
}
VOCABULARIES = {"bilm": 30_000, "masked": 6_000}  # tokens at most


class FirstBatches:
    """An objective of which an epoch has the first `count` batches alone."""

    def __init__(self, objective: Any, count: int) -> None:
        if objective.batches_per_epoch() < count:
            raise InputError(
                f"the training text has {objective.batches_per_epoch():,} batches, not {count:,}: give more of it, or "
                "a smaller --steps"
            )
        self._objective, self._count = objective, count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objective, name)

    def batches_per_epoch(self) -> int:
        """How many there are."""
        return self._count

    def begin_epoch(self, epoch: int, state: Mapping[str, npt.NDArray[Any]] | None = None) -> Iterator[Any]:
        """The first ones of the objective's own, which are read no further when this is closed."""
        with contextlib.closing(self._objective.begin_epoch(epoch, state)) as batches:
            yield from itertools.islice(batches, self._count)


def make_vocabularies(pattern: str) -> dict[str, Any]:
    """Words, and characters and pieces, that are frequent in the text."""
    counts = count_words(find_shards(pattern))
    words = Vocabulary.from_counts(counts, max_size=VOCABULARIES["bilm"])
    return {"bilm": words, "masked": PieceVocabulary.from_words(counts, max_size=VOCABULARIES["masked"])}


def make_objective(kind: str, vocabulary: Any, train: str, dev: str, settings: Any) -> Any:
    """A new model and what it learns, from the settings' seed."""
    workers = runtime.available_cores()
    runtime.seed_everything(settings.random_seed)
    if kind == "bilm":
        text, held_out = (SentenceIds(pattern, vocabulary, workers) for pattern in (train, dev))
        ends = {"bos_id": vocabulary.bos_id, "eos_id": vocabulary.eos_id}
        bilm = BiLM(BiLMConfig.from_dict({"vocab_size": len(vocabulary), **ends, **SIZES[kind]}))
        return BiLMObjective(bilm, vocabulary, text, held_out, settings)
    config = MaskedLMConfig.from_dict({"vocab_size": len(vocabulary), **SIZES[kind]})
    sequences, held_out_sequences = (
        MaskedSequences(UnitText(pattern, vocabulary, workers=workers), config.max_length) for pattern in (train, dev)
    )
    masked = MaskedLM(config)
    masked.head.begin_with_frequencies(sequences.text.count_tokens())
    return MaskedLMObjective(masked, vocabulary, sequences, held_out_sequences, settings)


def train_run(objective: Any, settings: Any, steps: int) -> dict[str, float]:
    """Perplexity of one run, its mean training loss (nats), and the seconds that it took."""
    objective = FirstBatches(objective, steps)
    started, cpu = time.perf_counter(), time.process_time()
    record = Trainer(objective, settings, console=Console()).run()[0]
    if record["step"] != steps:
        raise InputError(f"the training text ended after {record['step']:,} steps: give more of it")
    seconds = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}
    return {"perplexity": record["perplexity"], "training_loss": record["training_loss"], **seconds}


def nudge(model: Any, factor: float) -> None:
    """Multiply all parameters."""
    for parameter in model.parameters():
        parameter.set_value(parameter * factor)


def summarise(runs: Mapping[str, Mapping[str, Mapping[str, float]]]) -> dict[str, Any]:
    """Compare the runs of each seed with its run in float32.

    Args:
        runs: by seed, then by name (see `RUNS`).

    Returns:
        `seeds`: perplexities by seed and name; `ratios`: by name, from two seeds on, the mean of the perplexities as
        multiples of float32's, with `low` and `high` of its interval; `within_bound`: whether the mean of bf16's is.
    """
    seeds = {seed: {name: run["perplexity"] for name, run in named.items()} for seed, named in runs.items()}
    ratios = {}
    for name in ("bf16", "control"):
        found = [seed[name] / seed["float32"] for seed in seeds.values() if seed.keys() >= {name, "float32"}]
        if len(found) > 1:
            ratio = mean_interval(found)
            ratios[name] = {"mean": ratio.value, "low": ratio.low, "high": ratio.high}
    within = {"within_bound": ratios["bf16"]["mean"] <= 1 + BOUND} if "bf16" in ratios else {}
    return {"seeds": seeds, "ratios": ratios, **within}


def main() -> None:
    """Make the runs that are missing, and write the results after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", help="path or glob of segmented shards to learn from")
    parser.add_argument("--dev", required=True, help="held-out shards")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--objectives", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("-o", "--output", type=Path, required=True, help="results file, JSON")
    arguments = parser.parse_args()
    console = Console(highlight=False)
    try:
        run_all(arguments, console)
    except InputError as error:
        parser.error(str(error))


def run_all(arguments: argparse.Namespace, console: Console) -> None:
    """See `main`."""
    choose_precision("bf16")  # refuses, where the processor can't
    runtime.keep_freed_memory()
    vocabularies = make_vocabularies(arguments.train)
    inputs = {
        "processor": describe_processor(),
        "steps": arguments.steps,
        "settings": {kind: dataclasses.asdict(settings) for kind, settings in SETTINGS.items()},
        "sizes": SIZES,
        "vocabularies": {kind: [len(each), each.fingerprint] for kind, each in vocabularies.items()},
    }
    inputs = json.loads(json.dumps(inputs))
    runs: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    if arguments.output.exists():
        earlier = json.loads(arguments.output.read_text(encoding="utf-8"))
        if {name: earlier.get(name) for name in inputs} == inputs:
            runs = earlier["runs"]
    everything = itertools.product(range(arguments.seeds), arguments.objectives, RUNS)
    for seed, kind, name in sorted(everything, key=lambda run: run[-1] == "control"):
        done = runs.setdefault(kind, {}).setdefault(str(seed), {})
        if name in done:
            continue
        amp, factor = RUNS[name]
        settings = dataclasses.replace(SETTINGS[kind], random_seed=seed, amp=amp)
        objective = make_objective(kind, vocabularies[kind], arguments.train, arguments.dev, settings)
        nudge(objective.model, factor)
        done[name] = train_run(objective, settings, arguments.steps)
        console.print(f"{kind}, seed {seed}, {name}: perplexity {done[name]['perplexity']:.3f}")
        summaries = {kind: summarise(each) for kind, each in runs.items()}
        write_results(
            arguments.output, {"command": COMMAND, "bound": BOUND, **inputs, "summary": summaries, "runs": runs}
        )
    for kind, each in runs.items():
        for name, ratio in summarise(each)["ratios"].items():
            interval = f"{ratio['low']:.4f} to {ratio['high']:.4f}"
            console.print(f"{kind}, {name}: perplexity {ratio['mean']:.4f} of float32's (95%: {interval})")


if __name__ == "__main__":
    main()
