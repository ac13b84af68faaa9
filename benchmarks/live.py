"""Does the page "ELMo live" compute what `elmo.Encoder` does, how large is it, and how quick?

The engine runs in V8 as a browser has it. Times are the least of several and depend on the machine, which is named.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.live_browser import page_times
from benchmarks.live_engine import Engine, compare_guesses, compare_layers, compare_words
from book.tools.live import MODEL, WORD_VECTORS
from book.tools.look import Browser, find_browser
from elmo.encoding.encoder import Encoder, load_pretrained
from elmo.nn.native.processor import describe_processor
from elmo.system.files import write_results
from elmo.system.project import project_data
from elmo.system.terminal import say
from elmo.text.shards import read_lines
from elmo.web.export import export_web, web_model
from elmo.word_vectors import WordVectors

SHARDS = [project_data(f"{part}/sentence_file_00000") for part in ("dev", "train")]
_TIMED_WORDS = 20


def sentences(count: int, seed: int = 0) -> list[str]:
    """Sentences of data/, without the spaces between their words, the same for the same seed."""
    lines = ["".join(line.split()) for shard in SHARDS for line in read_lines(shard)]
    return random.Random(seed).sample([line for line in lines if line], count)


def time_it(engine: Engine, encoder: Encoder, repetitions: int) -> float:
    """Least seconds for both readers over twenty words, and the softmax at each of them."""
    long = next(words for text in sentences(1000) if len(words := encoder.words(text)) > _TIMED_WORDS)
    # Another first word each time, so that no reading is remembered.
    tokens = encoder.vocabulary.tokens[100 : 100 + repetitions]
    fresh = [[token, *long[1:_TIMED_WORDS]] for token in tokens]
    return min(engine.seconds("allGuesses", words=words) for words in fresh)


async def browser_times(source: str, encoder: Encoder, repetitions: int) -> dict[str, dict[str, float]] | None:
    """Milliseconds in Chromium, as on this machine and on one four times slower; None where there is none."""
    path = find_browser()
    if path is None:
        return None
    lengths = range(_TIMED_WORDS - 2, _TIMED_WORDS + 3)
    texts = [text for text in sentences(1000) if len(encoder.words(text)) in lengths][:repetitions]
    with tempfile.TemporaryDirectory() as folder:
        export_web(source, Path(folder) / "page")
        async with Browser.started(path) as browser:
            page = Path(folder) / "page/index.html"
            return {
                "this machine": await page_times(browser, page, texts),
                "four times slower, without a worker": await page_times(browser, page, texts, slower=4),
            }


def main() -> None:
    """Measure, and write the results file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--word2vec", default=WORD_VECTORS)
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("-o", "--output", type=Path, required=True, help="results file, JSON")
    arguments = parser.parse_args()
    encoder = load_pretrained(arguments.model)
    model = web_model(encoder, project_data("senses.tsv"), WordVectors.load(arguments.word2vec))
    engine, plain = Engine(model.script), Engine(model.script, simd=False)
    chosen = [encoder.words(text) for text in sentences(200)]
    results: dict[str, Any] = {
        "model": arguments.model,
        "size_mb": {"weights": model.weight_bytes / 1e6, "script": len(model.script) / 1e6},
        "least_cosine": compare_layers(engine, encoder, chosen),
        "same_first_guess": compare_guesses(engine, encoder, chosen),
        "segmentation": compare_words(engine, encoder, sentences(1000)),
        "milliseconds_20_words": {
            "WebAssembly": 1000 * time_it(engine, encoder, arguments.repetitions),
            "JavaScript alone": 1000 * time_it(plain, encoder, arguments.repetitions),
        },
        "milliseconds_in_chromium": asyncio.run(browser_times(arguments.model, encoder, arguments.repetitions)),
        "processor": describe_processor(),
    }
    write_results(arguments.output, results)
    say(results)


if __name__ == "__main__":
    main()
