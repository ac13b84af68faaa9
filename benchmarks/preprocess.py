"""How fast is `elmo preprocess` beside plain `jieba.cut`, and does its memory stay flat when the input grows tenfold?

Each measurement is a fresh process that reads a file, loads jieba and writes its words, start-up included. The ways
take turns, round by round; what counts is the median of the ratios within a round. CPU time, that of all processes
together, says what a way costs where other work disturbs the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from elmo.runtime import available_cores
from elmo.system.project import project_data

REPOSITORY = Path(__file__).resolve().parent.parent

PLAIN_JIEBA = """
import logging, sys
import jieba
jieba.setLogLevel(logging.ERROR)
with open(sys.argv[1], encoding="utf-8") as text, open(sys.argv[2], "w", encoding="utf-8") as words:
    for line in text:
        words.write(" ".join(jieba.cut(line)))
"""
PREPROCESS = """
import resource, sys
from elmo.text.preprocess import preprocess
preprocess([sys.argv[1]], sys.argv[2], workers=int(sys.argv[3]), progress=False)
print(*(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
"""
JIEBA = "jieba"
WAYS = {JIEBA: (PLAIN_JIEBA,), "1 worker": (PREPROCESS, "1"), "2 workers": (PREPROCESS, "2")}
RSS_UNITS_IN_MB = 1 << (20 if sys.platform == "darwin" else 10)


@dataclass(frozen=True)
class Run:
    """One measurement."""

    seconds: float
    cpu_seconds: float
    printed: str


def main() -> None:
    """Measure, print two tables and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="*", type=Path, help="UTF-8 text files (default: those of data/documents)")
    parser.add_argument("--characters", type=int, default=1_000_000, help="how much text, cut or repeated")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("-o", "--output", type=Path, required=True, help="results file, JSON")
    options = parser.parse_args()
    paths = options.texts or sorted(project_data("documents").rglob("*.txt"))
    text = "".join(path.read_text(encoding="utf-8") for path in paths)
    if not text:
        parser.error("there is no text in data/documents: name text files")

    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        source = write_text(Path(folder) / "text.txt", text, options.characters)
        rounds = measure_speed(source, options.rounds)
        small = write_text(Path(folder) / "small.txt", text, options.characters // 2)
        large = write_text(Path(folder) / "large.txt", text, options.characters // 2 * 10)
        memory = {way: measure_memory(small, large, WAYS[way]) for way in WAYS if way != JIEBA}

    results = {
        "text": {"files": [path.name for path in paths], "characters": options.characters},
        "rounds": options.rounds,
        "speed": {way: summarise(rounds, way, options.characters) for way in WAYS},
        "peak_memory_mb": memory,
        "versions": {"python": platform.python_version(), "jieba": version("jieba")},
        "machine": {"cores": available_cores(), "system": platform.system(), "load_before": round(load_before, 2)},
    }
    print_results(results)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    temporary = options.output.with_suffix(".tmp")
    temporary.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(temporary, options.output)


def write_text(path: Path, text: str, characters: int) -> Path:
    """Write so many characters of the text, repeated as often as that takes."""
    with open(path, "w", encoding="utf-8") as file:
        for begin in range(0, characters, len(text)):
            file.write(text[: characters - begin])
    return path


def run(way: tuple[str, ...], source: Path) -> Run:
    """Run one way on a file in a fresh process."""
    code, *arguments = way
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with tempfile.TemporaryDirectory(dir=source.parent) as folder:
        command = [sys.executable, "-c", code, str(source), str(Path(folder) / "words"), *arguments]
        begin, cpu_begin = time.perf_counter(), children_cpu_seconds()
        process = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        return Run(time.perf_counter() - begin, children_cpu_seconds() - cpu_begin, process.stdout)


def children_cpu_seconds() -> float:
    """Return the CPU time of all processes that have ended below this one."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure_speed(source: Path, rounds: int) -> list[dict[str, Run]]:
    """Run each way once a round; a first round, which fills caches, is not counted."""
    return [{way: run(command, source) for way, command in WAYS.items()} for _ in range(rounds + 1)][1:]


def summarise(rounds: list[dict[str, Run]], way: str, characters: int) -> dict[str, Any]:
    """Return the speed of a way, and its speed and CPU time as median, least and greatest ratio to plain jieba's."""
    speeds = [each[JIEBA].seconds / each[way].seconds for each in rounds]
    cpu_times = [each[way].cpu_seconds / each[JIEBA].cpu_seconds for each in rounds]
    return {
        "characters_per_second": round(characters / statistics.median(each[way].seconds for each in rounds)),
        "speed_beside_jieba": spread(speeds),
        "cpu_time_beside_jieba": spread(cpu_times),
    }


def spread(ratios: list[float]) -> dict[str, float]:
    """Return median, least and greatest."""
    return {"median": round(statistics.median(ratios), 3), "min": round(min(ratios), 3), "max": round(max(ratios), 3)}


def measure_memory(small: Path, large: Path, way: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Return the peak memory of the first process and of its largest worker for an input and one ten times as large."""
    peaks = {}
    for name, source in (("input", small), ("ten times the input", large)):
        first, worker = (round(int(units) / RSS_UNITS_IN_MB, 1) for units in run(way, source).printed.split())
        peaks[name] = {"first_process": first, "largest_worker": worker}
    return peaks


def print_results(results: dict[str, Any]) -> None:
    """Print speed and memory as two tables."""
    speed = Table(
        "way", "characters/s", "speed / jieba's", "CPU time / jieba's", title="Start-up included; median (range)"
    )
    for way, figures in results["speed"].items():
        ratios = (figures["speed_beside_jieba"], figures["cpu_time_beside_jieba"])
        cells = (f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})" for ratio in ratios)
        speed.add_row(way, f"{figures['characters_per_second']:,}", *cells)
    memory = Table("way", "input", "first process", "largest worker", title="Peak memory in MB")
    for way, peaks in results["peak_memory_mb"].items():
        for name, peak in peaks.items():
            memory.add_row(way, name, *(f"{megabytes:.0f}" for megabytes in peak.values()))
    Console().print(speed, memory)


if __name__ == "__main__":
    main()
