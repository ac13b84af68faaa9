"""Scores that go into data/results: how well vectors in context tell the senses of a word apart."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import json
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from elmo.errors import InputError
from elmo.explore.scores import bootstrap_interval, pair_auc, score_senses
from elmo.explore.senses import SenseSentence, TargetVectors, read_reviews, read_senses, target_vectors
from elmo.explore.words import read_analogies, read_similarity, word_analogy, word_similarity
from elmo.text.corpus import read_lines

Vectors = npt.NDArray[np.float32]


class WordSpace(Protocol):
    """One vector a word, such as `elmo.skipgram.WordVectors`."""

    def vector(self, word: str) -> Vectors:
        """Return the vector of a word."""
        ...

    def __contains__(self, word: object) -> bool: ...


class ContextEncoder(Protocol):
    """What `elmo.load_pretrained` returns, as far as it is needed here."""

    def encode(self, sentences: list[list[str]]) -> list[Vectors]:
        """Return [layers, words, dim] for each sentence."""
        ...

    def words(self, sentence: str) -> list[str]:
        """Cut a sentence into words."""
        ...


def static_layers(space: WordSpace, dim: int) -> Callable[[list[list[str]]], list[Vectors]]:
    """Encode with word vectors alone: layer 0 is the word's own vector, layer 1 the mean over the sentence.

    The first is word2vec as it is, which can't tell senses apart; the second is the best that it offers without
    training: a bag of the words around. Words without a vector count as zeros.
    """

    def encode(sentences: list[list[str]]) -> list[Vectors]:
        arrays = []
        for words in sentences:
            own = np.array([space.vector(word) if word in space else np.zeros(dim) for word in words], np.float32)
            own = own.reshape(len(words), dim)
            mean = np.broadcast_to(own.mean(axis=0), own.shape) if len(words) else own
            arrays.append(np.stack([own, mean]))
        return arrays

    return encode


def write_results(path: str | os.PathLike[str], results: dict[str, Any]) -> None:
    """Write results as JSON with the versions they were made with; the file appears whole or not at all."""
    versions = {}
    for name in ("elmo", "paddlepaddle", "paddlepaddle-gpu", "numpy", "jieba"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(_without_nan({**results, "versions": versions}), ensure_ascii=False, indent=1)
        temporary.write_text(text + "\n", encoding="utf-8")
        os.replace(temporary, target)
    except OSError as error:
        raise InputError(f"{path}: can't be written ({error.strerror}); choose another place") from error
    finally:
        temporary.unlink(missing_ok=True)


def _without_nan(value: Any) -> Any:
    """Put null where a score does not exist: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def evaluate_words(space: Any, paths: Sequence[str | os.PathLike[str]]) -> dict[str, Any]:
    """Score word vectors on word-pair files (Spearman's rho x 100) and analogy files (accuracy), by file name.

    A file whose first line has three columns holds pairs with judgements; any other, analogies.
    """
    scores: dict[str, Any] = {}
    for path in paths:
        first_line = next(read_lines(path), "")
        record: Any
        if first_line.count("\t") == 2:
            record = word_similarity(space, read_similarity(path))
        else:
            record = word_analogy(space, read_analogies(path))
        scores[Path(path).stem] = dataclasses.asdict(record)
    return scores


def evaluate_senses(
    encoder: ContextEncoder,
    space: WordSpace | None,
    senses_path: str | os.PathLike[str],
    reviews_path: str | os.PathLike[str] | None = None,
    *,
    word: str = "苹果",
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """AUC of the cosine for same-sense pairs, by layer, for a biLM and for word vectors.

    Args:
        encoder: the biLM.
        space: word vectors trained on the same text, or None.
        senses_path: marked sentences, see `elmo.explore.senses.read_senses`; scored word by word, then averaged.
        reviews_path: reviews with their categories; `word` in the held-out tenth of them, and in all, is scored.

    Returns:
        a dictionary that JSON can hold; every estimate has value, low and high (95%).
    """
    items = read_senses(senses_path)
    sets: dict[str, list[SenseSentence]] = {}
    if reviews_path is not None:
        sets["reviews_held_out"] = read_reviews(reviews_path, word, held_out=True)
        sets["reviews_all"] = read_reviews(reviews_path, word, held_out=None)
    systems: dict[str, Callable[[list[list[str]]], list[Vectors]]] = {"elmo": encoder.encode}
    if space is not None:
        dim = len(space.vector(word)) if word in space else 1
        systems["word2vec"] = static_layers(space, dim)
    result: dict[str, Any] = {"word": word, "resamples": resamples, "seed": seed, "systems": {}}
    for name, encode in systems.items():
        picked = target_vectors(items, encode, encoder.words)
        scores = score_senses(picked.items, picked.vectors, resamples=resamples, seed=seed)
        record: dict[str, Any] = {"senses": dataclasses.asdict(scores), "dropped": len(picked.dropped)}
        for set_name, sentences in sets.items():
            record[set_name] = _score_set(target_vectors(sentences, encode, encoder.words), resamples, seed)
        result["systems"][name] = record
    return result


def _score_set(picked: TargetVectors, resamples: int, seed: int) -> dict[str, Any]:
    labels: Sequence[str] = [item.sense for item in picked.items]
    layers = []
    for layer in range(picked.vectors.shape[1]):
        vectors = picked.vectors[:, layer]
        low, high = bootstrap_interval(vectors, labels, resamples=resamples, seed=seed)
        layers.append({"value": pair_auc(vectors, labels), "low": low, "high": high})
    counts = {sense: labels.count(sense) for sense in sorted(set(labels))}
    return {"auc": layers, "senses": counts, "dropped": len(picked.dropped)}
