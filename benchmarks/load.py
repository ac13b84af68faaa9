"""How long does a model of LARK's released size take to load, and how much memory at its peak?

A random biLM (512/4096/512, 2 layers in each direction, 52,445 words) is written in each format and loaded by
`elmo.load_pretrained` in a process of its own. Peak memory is that process's largest resident set, Paddle included;
what Paddle alone takes is measured beside it. Our own format is mapped into memory, and what is mapped counts as well.
The files may still be in the system's cache.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from elmo.convert.lark import write_lark
from elmo.models import ModelFiles, write_model
from elmo.system.files import write_results
from elmo.text.vocabulary import SPECIAL_TOKENS, Vocabulary

_CHILD = """
import json, sys, time
import elmo
from elmo.runtime import paddle

def peak():  # in MB; getrusage would count what the parent had before it started this program
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024

paddle.zeros([1])
before = peak()
started = time.perf_counter()
if len(sys.argv) > 1:
    encoder = elmo.load_pretrained(sys.argv[1], "whitespace")
    loaded = time.perf_counter() - started
    encoder.encode([["a", "b", "c"]])
    print(json.dumps({
        "seconds": loaded,
        "peak_mb": peak(),
        "paddle_alone_mb": before,
    }))
"""


def random_model(vocab: int, embed: int, hidden: int, layers: int = 2, seed: int = 0) -> ModelFiles:
    """Return a biLM with small random parameters."""
    generator = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        return (generator.standard_normal(shape, dtype=np.float32) * 0.05).astype(np.float32)

    arrays = {"embedding_para": draw(vocab, embed), "softmax_weight": draw(vocab, embed), "softmax_bias": draw(vocab)}
    for direction in ("forward", "backward"):
        for layer in range(layers):
            prefix = f"{direction}_layers.{layer}"
            arrays[f"{prefix}.input_weight"] = draw(embed, 4 * hidden)
            arrays[f"{prefix}.recurrent_weight"] = draw(embed, 4 * hidden)
            arrays[f"{prefix}.bias"] = draw(4 * hidden)
            arrays[f"{prefix}.projection_weight"] = draw(hidden, embed)
    vocabulary = Vocabulary([*SPECIAL_TOKENS, *(f"w{index}" for index in range(vocab - len(SPECIAL_TOKENS)))])
    sizes = {"vocab_size": vocab, "embed_size": embed, "hidden_size": hidden, "num_layers": layers}
    config = {**sizes, "bos_id": vocabulary.bos_id, "eos_id": vocabulary.eos_id, "cell_clip": 3.0}
    config["proj_clip"] = 3.0
    return ModelFiles("bilm", config, vocabulary, arrays)


def measure(directory: Path, repetitions: int) -> dict[str, Any]:
    """Load a model several times, each in a new process: medians, and all seconds."""
    runs = []
    for _ in range(repetitions):
        answer = subprocess.run(
            [sys.executable, "-c", _CHILD, str(directory)], capture_output=True, text=True, check=True
        )
        runs.append(json.loads(answer.stdout.splitlines()[-1]))
    return {
        "size_mb": sum(path.stat().st_size for path in directory.iterdir()) / 1e6,
        "seconds": statistics.median(run["seconds"] for run in runs),
        "all_seconds": [run["seconds"] for run in runs],
        "peak_mb": statistics.median(run["peak_mb"] for run in runs),
        "paddle_alone_mb": statistics.median(run["paddle_alone_mb"] for run in runs),
    }


def main() -> None:
    """Write the model in each format, load it, and write the results file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--vocab_size", type=int, default=52_445)
    parser.add_argument("--embed_size", type=int, default=512)
    parser.add_argument("--hidden_size", type=int, default=4096)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path, required=True, help="results file, JSON")
    arguments = parser.parse_args()
    files = random_model(arguments.vocab_size, arguments.embed_size, arguments.hidden_size)
    parameters = sum(array.size for array in files.arrays.values())
    results: dict[str, Any] = {}
    table = Table("format", "MB on disk", "seconds", "peak MB", "Paddle alone MB")
    work = Path(tempfile.mkdtemp(prefix="elmo-load-"))
    try:
        for name, to, dtype in (
            ("ours, float32", "elmo", "float32"),
            ("ours, float16", "elmo", "float16"),
            ("LARK's files", "lark", "float32"),
        ):
            if to == "lark":
                write_lark(files, work / "model")
            else:
                write_model(work / "model", files, dtype=dtype)
            results[name] = measured = measure(work / "model", arguments.repetitions)
            shutil.rmtree(work / "model")
            figures = ("size_mb", "seconds", "peak_mb", "paddle_alone_mb")
            table.add_row(name, *(f"{measured[figure]:,.1f}" for figure in figures))
    finally:
        shutil.rmtree(work)
    sizes = {"vocab_size": arguments.vocab_size, "embed_size": arguments.embed_size}
    sizes |= {"hidden_size": arguments.hidden_size, "parameters": parameters}
    write_results(arguments.output, {"sizes": sizes, "formats": results})
    Console().print(table)


if __name__ == "__main__":
    main()
