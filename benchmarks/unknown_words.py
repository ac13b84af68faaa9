"""What does reading characters do for words that are not in the vocabulary?

Two biLMs of the same sizes learn from the same words in the same order: one looks word ids up, so that all unknown
words are one `<UNK>`; one reads every word's characters (`--token_encoder char_cnn`). Both predict the same vocabulary,
so that their perplexities compare. Measured for each seed:

- perplexity on held-out text, over all predictions and over those right after an unknown word in reading order;
- a probe: logistic regression from a frozen layer's vector to the word's part of speech, trained on known and unknown
  words alike, scored separately on those that the vocabulary knows and those that it does not.

The tagged text is words with tags, `word/tag`, a paragraph a line, first a number of the form 19980124-01-001-001/m;
the day before is trained on, the last day scored. Models are kept in the work folder, and a run goes on where it ended.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from elmo.encoding.encoder import load_pretrained
from elmo.runtime import paddle
from elmo.statistics import draw_rows, middle_95
from elmo.system.files import write_results
from elmo.text.shards import find_shards, read_sentences
from elmo.text.vocabulary import Vocabulary, count_words
from elmo.training.bilm import pretrain, token_encoder_sizes
from elmo.training.settings import PretrainSettings

ENCODERS = ("word", "char_cnn")
TRAIN_DAYS, TEST_DAYS = ("19980120", "19980121"), ("19980123", "19980124")
PROBE_WORDS = 15_000  # that the probe learns from
RESAMPLES = 1000

Tagged = list[tuple[str, str]]


def read_tagged(path: Path, days: Sequence[str]) -> list[Tagged]:
    """Sentences of (word, part of speech) of some days; punctuation and numbers are part of them but never scored."""
    sentences: list[Tagged] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        pieces = line.split()
        if not pieces or pieces[0][:8] not in days:
            continue
        words: Tagged = []
        for piece in pieces[1:]:
            match = re.fullmatch(r"\[?(.+?)/([A-Za-z]+)(?:\](?:/?[A-Za-z]+)?)?", piece)
            if match is None:
                continue
            words.append((match[1], match[2].lower()))
            if match[1] in "。！？":
                sentences.append(words)
                words = []
        if words:
            sentences.append(words)
    return sentences


def after_unknown(model: str, dev: str, batch_size: int = 64) -> dict[str, Any]:
    """Mean nats of predictions of both directions: all, and those right after an unknown word in reading order."""
    encoder = load_pretrained(model)
    bilm, vocabulary = encoder.model, encoder.vocabulary
    totals, counts = np.zeros(2), np.zeros(2, dtype=np.int64)
    sentences = [words for words in read_sentences(find_shards(dev)) if len(words) <= 100]
    sentences.sort(key=len)
    for start in range(0, len(sentences), batch_size):
        batch = sentences[start : start + batch_size]
        ids, lexicon = encoder.ids(batch)
        time = max(len(words) for words in batch)
        padded = np.zeros((len(batch), time), dtype=np.int64)
        for row, word_ids in enumerate(ids):
            padded[row, : len(word_ids)] = word_ids
        lengths = np.array([len(words) for words in batch], dtype=np.int64)
        with paddle.no_grad():
            top = bilm.layers(paddle.to_tensor(padded), paddle.to_tensor(lengths), lexicon)[-1].numpy()
        size = top.shape[2] // 2
        rows, targets, unknown = [], [], []
        for row, words in enumerate(batch):
            known = [*vocabulary.encode(words)]
            for place, token in enumerate(known):  # having read this word, predict the next and the one before
                forward = known[place + 1] if place + 1 < len(known) else vocabulary.eos_id
                backward = known[place - 1] if place else vocabulary.bos_id
                rows += [top[row, place, :size], top[row, place, size:]]
                targets += [forward, backward]
                unknown += [token == vocabulary.unk_id] * 2
        with paddle.no_grad():
            losses = bilm.losses(paddle.to_tensor(np.stack(rows)), paddle.to_tensor(np.array(targets))).numpy()
        flags = np.array(unknown)
        totals += [losses.sum(dtype=np.float64), losses[flags].sum(dtype=np.float64)]
        counts += [len(losses), int(flags.sum())]
    nats = totals / counts
    return {
        "perplexity": math.exp(nats[0]),
        "perplexity_after_unknown": math.exp(nats[1]),
        "predictions": int(counts[0]),
        "predictions_after_unknown": int(counts[1]),
    }


def probe(model: str, train: list[Tagged], test: list[Tagged], seed: int) -> dict[str, Any]:
    """Accuracy of a part-of-speech probe on each layer, for known and unknown words, with bootstrap over sentences."""
    encoder = load_pretrained(model)
    vocabulary = encoder.vocabulary

    def examples(sentences: list[Tagged]) -> tuple[npt.NDArray[np.float32], list[str], list[bool], list[int]]:
        vectors, tags, known, places = [], [], [], []
        encoded = encoder.encode([[word for word, _ in sentence] for sentence in sentences])
        for place, (sentence, layers) in enumerate(zip(sentences, encoded, strict=True)):
            for index, (word, tag) in enumerate(sentence):
                if tag not in ("w", "m"):
                    vectors.append(layers[:, index])
                    tags.append(tag)
                    known.append(word in vocabulary)
                    places.append(place)
        return np.stack(vectors), tags, known, places

    train_vectors, train_tags, _, _ = examples(train)
    chosen = np.random.default_rng(seed).permutation(len(train_tags))[:PROBE_WORDS]
    test_vectors, test_tags, known_list, places = examples(test)
    known, results = np.array(known_list), {}
    for layer in range(train_vectors.shape[1]):
        scaler = StandardScaler().fit(train_vectors[chosen, layer])
        classifier = LogisticRegression(C=0.01, max_iter=500)
        classifier.fit(scaler.transform(train_vectors[chosen, layer]), [train_tags[index] for index in chosen])
        right = classifier.predict(scaler.transform(test_vectors[:, layer])) == np.array(test_tags)
        results[f"layer_{layer}"] = {
            name: {
                "accuracy": float(right[flags].mean()),
                "interval": bootstrap(right, flags, places),
                "words": int(flags.sum()),
            }
            for name, flags in (("known", known), ("unknown", ~known))
        }
    return results


def bootstrap(right: npt.NDArray[np.bool_], flags: npt.NDArray[np.bool_], places: list[int]) -> list[float]:
    """95% percentile interval of the accuracy on the flagged words, from resampling sentences."""
    count = max(places) + 1
    hits, words = np.zeros(count), np.zeros(count)
    np.add.at(hits, np.array(places)[flags], right[flags])
    np.add.at(words, np.array(places)[flags], 1)
    draws = draw_rows(count, RESAMPLES, np.random.default_rng(0))
    return list(middle_95(hits[draws].sum(axis=1) / np.maximum(words[draws].sum(axis=1), 1)))


def train_model(name: str, seed: int, arguments: argparse.Namespace, vocab: Path, console: Console) -> str:
    """Train a model, or find it finished, and return its directory."""
    folder = arguments.work / f"{name}_{seed}"
    finished = folder / "epoch_001"
    if not finished.is_dir():
        console.print(f"training {name}, seed {seed}", markup=False)
        settings = PretrainSettings(
            batch_size=64, optim="adam", learning_rate=0.002, max_epoch=1, n_negative_samples_batch=1024,
            random_seed=seed, save_interval=0, dev_interval=0, log_interval=200,
        )  # fmt: skip
        sizes = {"embed_size": 128, "hidden_size": 256, "token_encoder": token_encoder_sizes(name)}
        pretrain(
            arguments.train, str(vocab), test_path=arguments.dev, sizes=sizes, settings=settings,
            para_save_dir=str(folder), overwrite=True, console=console,
        )  # fmt: skip
    return str(finished)


def summary(runs: dict[str, dict[str, Any]], seeds: int) -> dict[str, Any]:
    """Means over seeds, and the differences char_cnn - word seed by seed."""

    def mean(name: str, *keys: str) -> list[float]:
        values = []
        for seed in range(seeds):
            value: Any = runs[f"{name}_{seed}"]
            for key in keys:
                value = value[key]
            values.append(float(value))
        return values

    table: dict[str, Any] = {}
    measures: list[tuple[str, ...]] = [("perplexity",), ("perplexity_after_unknown",)]
    measures += [("probe", f"layer_{layer}", kind, "accuracy") for layer in range(3) for kind in ("known", "unknown")]
    for keys in measures:
        word, characters = mean("word", *keys), mean("char_cnn", *keys)
        table["/".join(keys)] = {
            "word": statistics.mean(word),
            "char_cnn": statistics.mean(characters),
            "differences": [b - a for a, b in zip(word, characters, strict=True)],
        }
    return table


def main() -> None:
    """Train what is missing, measure, and write the results file after every model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--train", required=True, help="segmented shards to learn from (a glob)")
    parser.add_argument("--dev", required=True, help="held-out shards")
    parser.add_argument("--tagged", required=True, type=Path, help="tagged text, word/tag")
    parser.add_argument("--work", required=True, type=Path, help="folder that keeps the models")
    parser.add_argument("--vocab_size", type=int, default=8000, help="tokens that both models know")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path, required=True, help="results file, JSON")
    arguments = parser.parse_args()
    console = Console(soft_wrap=True, highlight=False)
    arguments.work.mkdir(parents=True, exist_ok=True)
    vocab = arguments.work / "vocabulary.txt"
    counts = count_words(find_shards(arguments.train))
    vocabulary = Vocabulary.from_counts(counts, max_size=arguments.vocab_size)
    vocabulary.save(vocab)
    train, test = read_tagged(arguments.tagged, TRAIN_DAYS), read_tagged(arguments.tagged, TEST_DAYS)
    runs: dict[str, dict[str, Any]] = {}
    if arguments.output.exists():
        earlier = json.loads(arguments.output.read_text(encoding="utf-8"))
        if earlier.get("vocabulary") == vocabulary.fingerprint:
            runs = earlier["runs"]
    covered = sum(count for word, count in counts.items() if word in vocabulary)
    for seed in range(arguments.seeds):
        for name in ENCODERS:
            if f"{name}_{seed}" in runs:
                continue
            model = train_model(name, seed, arguments, vocab, console)
            run = after_unknown(model, arguments.dev)
            record = load_pretrained(model).provenance["runs"][-1]["history"][-1]
            run["training_tokens_per_second"] = record["tokens_per_second"]
            run["probe"] = probe(model, train, test, seed)
            runs[f"{name}_{seed}"] = run
            finished = all(f"{name}_{seed}" in runs for name in ENCODERS)
            result = {
                "vocabulary": vocabulary.fingerprint,
                "vocab_size": len(vocabulary),
                "train_words": sum(counts.values()),
                "known_share_of_training_words": covered / sum(counts.values()),
                "paddle": paddle.__version__,
                "seeds": seed + 1 if finished else seed,
                "runs": runs,
                "summary": summary(runs, seed + 1 if finished else seed) if seed or finished else {},
            }
            write_results(arguments.output, result)
            console.print(f"{name}, seed {seed}: perplexity {run['perplexity']:.1f}, after an unknown word "
                          f"{run['perplexity_after_unknown']:.1f}", markup=False)  # fmt: skip


if __name__ == "__main__":
    main()
