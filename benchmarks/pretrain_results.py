"""What benchmarks/pretrain.py makes of its rounds: ratios within a round, a results file by processor, and tables."""

from __future__ import annotations

import statistics
from typing import Any

from rich.console import Console
from rich.table import Table

OURS, OURS_BF16, BEFORE, TORCH = "ours", "ours, bf16", "before", "torch"
UNITS = ("per_second", "per_cpu_second")
PARTS = {"bilm": "sizes", "masked": "masked_sizes"}  # of a processor's results, by objective
WORDS = {"bilm": ("tokens/s", "words/s"), "masked": ("characters/s", "characters/s")}  # trained, encoded


def speeds(count: int, answer: dict[str, float]) -> dict[str, float]:
    """Tokens or words a second, by the clock and by the CPU time of all threads."""
    per_second, per_cpu_second = count / answer["seconds"], count / answer["cpu_seconds"]
    return {"per_second": round(per_second, 1), "per_cpu_second": round(per_cpu_second, 1)}


def compare(rounds: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """For each system: its speed over the rounds, and how many times as fast ours is, within a round.

    Returns:
        by system `per_second`, `per_cpu_second`, and `multiples`: by each of ours, the same two. In float32 we are not
        compared with ourselves, in bfloat16 with float32.
    """
    compared: dict[str, Any] = {}
    for system in rounds[0]:
        mine = [each for each in (OURS, OURS_BF16) if each in rounds[0] and each != system and system != OURS_BF16]
        compared[system] = {unit: spread([each[system][unit] for each in rounds]) for unit in UNITS} | {
            "multiples": {
                ours: {unit: spread([each[ours][unit] / each[system][unit] for each in rounds]) for unit in UNITS}
                for ours in mine
            }
        }
    return compared


def spread(values: list[float]) -> dict[str, float]:
    """Median, least and greatest."""
    return {"median": round(statistics.median(values), 3), "min": round(min(values), 3), "max": round(max(values), 3)}


def processor_key(processor: dict[str, Any]) -> str:
    """What a processor's results stand under: name, cores, and instructions for products in bfloat16."""
    return f"{processor['name']}, {processor['cores']} cores, {processor['bfloat16'] or 'no bfloat16'}"


def add_size(
    results: dict[str, Any],
    processor: dict[str, Any],
    objective: str,
    name: str,
    measured: dict[str, Any],
    order: list[str],
) -> dict[str, Any]:
    """Results with one size more, or measured anew; those of other sizes and processors stay as they are.

    Args:
        results: `machines` by `processor_key`, each with `processor`, `sizes` and `masked_sizes`; and `latest`, the key
            of the one that was measured last. Empty for none yet.
        processor: as `elmo.nn.native.processor.describe_processor` returns it.
        objective: "bilm" or "masked".
        name: of the size.
        measured: what is known of it.
        order: names of all sizes, as they are to stand.
    """
    key = processor_key(processor)
    machines = dict(results.get("machines", {}))
    machine = {part: {} for part in PARTS.values()} | machines.get(key, {}) | {"processor": processor}
    sizes = {**machine[PARTS[objective]], name: measured}
    machine[PARTS[objective]] = {each: sizes[each] for each in order if each in sizes}
    return {**results, "machines": {**machines, key: machine}, "latest": key}


def print_size(name: str, objective: str, results: dict[str, Any], console: Console) -> None:
    """Print the speeds of one size."""

    def cell(figures: dict[str, float] | None, digits: int) -> str:
        if figures is None:
            return "-"
        return f"{figures['median']:,.{digits}f} ({figures['min']:,.{digits}f} to {figures['max']:,.{digits}f})"

    for work, unit in zip(("train", "encode"), WORDS[objective], strict=True):
        table = Table("system", unit, title=f"{name}: {work}, median (range)")
        for heading in ("ours, times as fast", "by CPU time", "ours, bf16", "by CPU time"):
            table.add_column(heading)
        for system, figures in results[work].items():
            multiples = [figures["multiples"].get(ours, {}).get(unit) for ours in (OURS, OURS_BF16) for unit in UNITS]
            table.add_row(system, cell(figures["per_second"], 0), *(cell(each, 2) for each in multiples))
        console.print(table)
    peaks = ", ".join(f"{system} {memory['peak']:,.0f}" for system, memory in results["memory_mb"].items())
    console.print(f"peak memory in MB after two steps: {peaks}", highlight=False)
    share = cell(results["share_of_product_speed"], 2)
    console.print(f"a step's {results['step_gflop']} GFLOP run at {share} of the speed of a 1024^3 product, in float32")
