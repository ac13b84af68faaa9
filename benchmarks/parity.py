"""Do weights of other systems give their own vectors here? The largest difference, system by system and layer by layer.

The folder holds what the systems themselves computed: `bilm_tf/` (AllenAI's own fixture: options.json, weights, two
streams of sentences, lm_embeddings_0.hdf5 and lm_embeddings_1.hdf5) and `elmoformanylangs/` (two models,
sentences.json, expected.npz). Each system's own habit of carrying the LSTM state from batch to batch is repeated by
`StatefulEncoder`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from elmo.encoding.encoder import Encoder, StatefulEncoder, load_pretrained
from elmo.system.files import write_results

TOLERANCE = 1e-5
Arrays = npt.NDArray[np.float32]
Differences = dict[str, dict[str, float]]  # case -> layer -> largest absolute difference


def bilm_tf(folder: Path) -> Differences:
    """AllenAI's fixture: batch i is sentence i of both streams, the state carried on; only the top layer is given."""
    encoder = load_pretrained(folder, "whitespace")
    stateful = StatefulEncoder(encoder)
    streams = json.loads((folder / "sentences.json").read_text(encoding="utf-8"))[:2]
    worst = 0.0
    with h5py.File(folder / "lm_embeddings_0.hdf5") as first, h5py.File(folder / "lm_embeddings_1.hdf5") as second:
        for index, batch in enumerate(zip(*streams, strict=True)):
            vectors = stateful.encode([sentence.split() for sentence in batch])
            for ours, file in zip(vectors, (first, second), strict=True):
                theirs = np.concatenate(list(file[str(index)][...]), axis=1)  # forward, backward
                worst = max(worst, float(np.abs(ours[-1] - theirs).max()))
    return {"state carried": {f"layer {encoder.num_layers - 1}": worst}}


def elmo_for_many_langs(folder: Path) -> Differences:
    """HIT's models: one batch from zero state, the same again, batches of six, and each sentence by itself."""
    encoder = load_pretrained(folder)
    sentences = json.loads((folder.parent / "sentences.json").read_text(encoding="utf-8"))
    order = sorted(range(len(sentences)), key=lambda index: -len(sentences[index]))
    sixes = [order[start : start + 6] for start in range(0, len(order), 6)]
    # Their program sorts by length, cuts batches, and then visits them in a random order: this is the one it drew.
    visited = [sixes[place] for place in (2, 0, 1, 3)]
    with np.load(folder / "expected.npz") as expected:
        cases = {
            "zero state": ("alone", encoder.encode(sentences)),
            "one batch": ("call1", stateful_batches(encoder, sentences, [range(len(sentences))])),
            "the same batch again": ("call2", stateful_batches(encoder, sentences, [range(len(sentences))] * 2)),
            "batches of 6, state carried": ("batch6", stateful_batches(encoder, sentences, visited)),
        }
        return {
            case: layer_differences(vectors, [expected[f"{name}_{index:02d}"] for index in range(len(sentences))])
            for case, (name, vectors) in cases.items()
        }


def stateful_batches(
    encoder: Encoder, sentences: list[list[str]], batches: list[range] | list[list[int]]
) -> list[Arrays]:
    """Encode batches of sentences one after the other from zero state; the last vectors of each sentence count."""
    stateful = StatefulEncoder(encoder)
    results: dict[int, Arrays] = {}
    for batch in batches:
        chosen = list(batch)
        results.update(zip(chosen, stateful.encode([sentences[index] for index in chosen]), strict=True))
    return [results[index] for index in range(len(sentences))]


def layer_differences(ours: list[Arrays], theirs: list[Arrays]) -> dict[str, float]:
    """Largest absolute difference in each layer, over all sentences."""
    worst = np.max([np.abs(a - b).max(axis=(1, 2)) for a, b in zip(ours, theirs, strict=True)], axis=0)
    return {f"layer {layer}": float(value) for layer, value in enumerate(worst)}


def measure(folder: Path) -> dict[str, Differences]:
    """All systems that the folder has."""
    return {
        "AllenNLP / bilm-tf": bilm_tf(folder / "bilm_tf"),
        "ELMoForManyLangs, words": elmo_for_many_langs(folder / "elmoformanylangs/word"),
        "ELMoForManyLangs, characters and words": elmo_for_many_langs(folder / "elmoformanylangs/charword"),
    }


def main() -> None:
    """Print the table and write the results file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="models with the vectors that their own systems gave")
    parser.add_argument("-o", "--output", type=Path, required=True, help="results file, JSON")
    arguments = parser.parse_args()
    systems = measure(arguments.folder)
    write_results(arguments.output, {"tolerance": TOLERANCE, "largest_differences": systems})
    columns = [f"layer {layer}" for layer in range(3)]
    table = Table("system", "case", *columns)
    for system, cases in systems.items():
        for case, layers in cases.items():
            shown = (f"{layers[layer]:.1e}" if layer in layers else "not given" for layer in columns)
            table.add_row(system, case, *shown)
    Console().print(table)


if __name__ == "__main__":
    main()
