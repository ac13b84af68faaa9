"""Linear probes: can a straight line through a layer's vectors tell parts of speech, kinds of names, senses apart?

Each probe has a control task beside it, labels that say nothing of a word, after Hewitt and Liang (2019), "Designing
and Interpreting Probes with Control Tasks". What a layer has beyond what a probe can memorise is the selectivity: the
accuracy on the task less that on its control.

Folds are of sentences, dealt out by a permutation alone. scikit-learn's StratifiedGroupKFold would even out labels, of
which a sentence has many, and published scores are those of these folds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from elmo.checks import optional_module
from elmo.errors import InputError
from elmo.explore.cloze import labels as short_names
from elmo.explore.polysemy.senses import encode_each
from elmo.explore.probing.probe_tasks import ProbeTask, Strings, read_marked_words, read_tagged_words
from elmo.explore.probing.word_layers import Encode, word_layers
from elmo.statistics import draw_counts, mean_estimate
from elmo.system.types import Floats, Ids, PathLike, Record, Vectors
from elmo.word_vectors import KIND as WORD2VEC

FOLDS = 5
PENALTY = 0.1  # scikit-learn's C, the same for every layer and task: it hardly matters between 0.01 and 1
_STEPS = 300


def folds_of(task: ProbeTask, seed: int, folds: int = FOLDS) -> Ids:
    """Fold of each item, [items]: those of a sentence share one, and so does nothing else.

    Where each word has a probe of its own, its senses are dealt out evenly.
    """
    order = np.random.default_rng(seed).permutation(len(task.sentences))
    if task.separate:
        first = dict(zip(task.sentence.tolist(), zip(task.types, task.labels, strict=True), strict=True))
        order = np.array(sorted(order.tolist(), key=lambda sentence: first[sentence]))
    fold = np.empty(len(order), dtype=np.int64)
    fold[order] = np.arange(len(order)) % folds
    return fold[task.sentence]


def probe_outcomes(vectors: Vectors, labels: Strings, groups: Strings, fold: Ids) -> Floats:
    """1 where a probe that was trained on the other folds gives an item its label, [items].

    Args:
        vectors: [items, dim].
        labels, groups, fold: [items].
    """
    right = np.empty(len(labels))
    for group in np.unique(groups):
        for number in np.unique(fold):
            asked = (groups == group) & (fold == number)
            if asked.any():
                trained = (groups == group) & (fold != number)
                right[asked] = _probe(vectors[trained], labels[trained], vectors[asked]) == labels[asked]
    return right


def _probe(vectors: Vectors, labels: Strings, asked: Vectors) -> Strings:
    """Labels that a linear classifier, trained on some vectors, gives to others."""
    linear_model = optional_module("sklearn.linear_model", "a linear probe")
    if len(np.unique(labels)) == 1:
        return np.full(len(asked), labels[0])
    mean, spread = vectors.mean(axis=0), vectors.std(axis=0) + 1e-6
    probe = linear_model.LogisticRegression(C=PENALTY, tol=1e-3, max_iter=_STEPS)
    probe.fit((vectors - mean) / spread, labels)
    return np.asarray(probe.predict((asked - mean) / spread))


def layer_vectors(task: ProbeTask, encode: Encode) -> list[Vectors]:
    """Vectors of the items in each layer: a list of [items, dim]."""
    arrays = encode_each(encode, task.sentences)
    items = [arrays[row][:, place] for row, place in zip(task.sentence, task.word, strict=True)]
    return list(np.stack(items, axis=1).astype(np.float32))


def evaluate_probes(
    places: Sequence[PathLike],
    tagged: PathLike,
    senses: PathLike,
    *,
    seeds: int = 3,
    resamples: int = 1000,
) -> Record:
    """Probe every layer of some models for parts of speech, kinds of names and senses.

    Accuracies are of items in folds that their probe has not seen, mean over the seeds that deal out the folds;
    intervals (95%) are from drawing sentences. The rival is the best of the word vectors' rows in hindsight, where word
    vectors are among the models: what every layer of a model has beyond it stands as "beyond_words".

    Args:
        places: paths or names of models.
        tagged: folder of tagged sentences, see `elmo.explore.probing.probe_tasks.read_tagged_words`.
        senses: marked sentences, see `elmo.explore.polysemy.senses.read_senses`.

    Raises:
        InputError: one of them can't be used, says which; there is no seed; or no scikit-learn.
    """
    if seeds < 1:
        raise InputError(f"seeds is {seeds}: give 1 or more")
    pos, names = read_tagged_words(tagged)
    tasks = {"part_of_speech": pos, "names": names, "senses": read_marked_words(senses)}
    models = {name: word_layers(place) for name, place in zip(short_names(places), places, strict=True)}
    kinds = {name: model.kind for name, model in models.items()}
    layers = {name: model.layers for name, model in models.items()}
    result: Record = {
        "tagged": Path(tagged).name,
        "senses": Path(senses).name,
        "folds": FOLDS,
        "seeds": seeds,
        "penalty": PENALTY,
        "tasks": {},
    }
    for name, task in tasks.items():
        found = {
            model: [probe_layer(task, vectors, seeds) for vectors in layer_vectors(task, offered.encode)]
            for model, offered in models.items()
        }
        counts = draw_counts([str(row) for row in task.sentence], resamples, seed=0)
        rivals = [row["right"] for model, rows in found.items() if kinds[model] == WORD2VEC for row in rows]
        rival = max(rivals, key=lambda right: float(right.mean())) if rivals else None
        result["tasks"][name] = {
            **_about(task),
            "models": {
                model: {"kind": kinds[model], "layers": _records(rows, layers[model], counts, rival)}
                for model, rows in found.items()
            },
        }
    return result


def probe_layer(task: ProbeTask, vectors: Vectors, seeds: int) -> dict[str, Floats]:
    """Outcomes of a layer's probes, mean over seeds: "right", and "control" but where each word has its own probe.

    A probe that sees one word alone has no types to remember, and so no control task.
    """
    right, control = np.zeros(len(task.labels)), np.zeros(len(task.labels))
    for seed in range(seeds):
        fold = folds_of(task, seed)
        right += probe_outcomes(vectors, task.labels, task.groups, fold) / seeds
        if not task.separate:
            control += probe_outcomes(vectors, task.control_labels(seed), task.groups, fold) / seeds
    return {"right": right} if task.separate else {"right": right, "control": control}


def _about(task: ProbeTask) -> Record:
    fold = folds_of(task, 0)
    seen = [np.isin(task.types[fold == number], task.types[fold != number]) for number in range(FOLDS)]
    return {
        "items": len(task.labels),
        "sentences": len(np.unique(task.sentence)),
        "labels": len(set(zip(task.groups.tolist(), task.labels.tolist(), strict=True))),
        "types": len(np.unique(task.types)),
        "majority": task.majority(),
        "seen": float(np.concatenate(seen).mean()),  # items whose word stands in the other folds as well
    }


def _records(
    rows: Sequence[dict[str, Floats]], layers: Sequence[str], counts: Floats, rival: Floats | None
) -> list[Record]:
    """Estimates of a model's layers: accuracy, control, selectivity, and what each has beyond others."""

    def estimate(values: Floats) -> Record:
        return dataclasses.asdict(mean_estimate(values, counts))

    records = []
    for place, (row, layer) in enumerate(zip(rows, layers, strict=True)):
        record: Record = {"layer": layer, "accuracy": estimate(row["right"])}
        if "control" in row:
            record["control"] = estimate(row["control"])
            record["selectivity"] = estimate(row["right"] - row["control"])
        if place:
            record["beyond_layer_before"] = estimate(row["right"] - rows[place - 1]["right"])
        if rival is not None:
            record["beyond_words"] = estimate(row["right"] - rival)
        records.append(record)
    return records


def lines_of(result: Record) -> list[str]:
    """A line for each layer: accuracy, and selectivity where there is one."""
    lines = []
    for task, about in result["tasks"].items():
        lines.append(f"{task}: {about['items']} items, the commonest label is right on {about['majority']:.1%}")
        for model, record in about["models"].items():
            for row in record["layers"]:
                extra = f", selectivity {row['selectivity']['value']:.1%}" if "selectivity" in row else ""
                lines.append(f"  {model}, layer {row['layer']}: {row['accuracy']['value']:.1%}{extra}")
    return lines
