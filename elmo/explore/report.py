"""Scores that go into data/results: how well vectors in context tell the senses of a word apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from elmo.encoding.protocols import ContextEncoder, WordSpace, vectors_of
from elmo.errors import InputError
from elmo.explore.averages import average_vectors
from elmo.explore.polysemy.scores import bootstrap_interval, centroid_differences, pair_auc, resampled_roc_auc, roc_auc
from elmo.explore.polysemy.sense_scores import score_senses
from elmo.explore.polysemy.senses import REVIEW_CATEGORIES, SenseSentence, read_reviews, read_senses, target_vectors
from elmo.explore.polysemy.wic import score_wic
from elmo.explore.polysemy.wic_files import read_mcl_wic
from elmo.explore.polysemy.wic_vectors import pair_vectors
from elmo.explore.words import load_rankdata, read_analogies, read_similarity, word_analogy, word_similarity
from elmo.statistics import Estimate, draw_counts, percentile_interval
from elmo.system.types import Bools, PathLike, Vectors
from elmo.text.shards import find_shards, read_lines, read_sentences

BRAND = REVIEW_CATEGORIES["平板"]
CENTROID_REVIEWS = 300  # at most so many of a sense make its centroid


def static_layers(space: WordSpace, dim: int) -> Callable[[list[list[str]]], list[Vectors]]:
    """Encode with word vectors alone: layer 0 is the word's own vector, layer 1 the mean over the sentence.

    The first is word2vec as it is, which can't tell senses apart; the second is the best that it offers without
    training: a bag of the words around. Words without a vector count as zeros.
    """

    def encode(sentences: list[list[str]]) -> list[Vectors]:
        arrays = []
        for words in sentences:
            own = vectors_of(space, words, dim)
            mean = np.broadcast_to(own.mean(axis=0), own.shape) if len(words) else own
            arrays.append(np.stack([own, mean]))
        return arrays

    return encode


SURROUNDINGS = {
    "": "the word's own vector",
    ", 2 words around": "mean with two words on either side",
    ", sentence": "mean of all",
}


def surroundings(encode: Callable[[list[list[str]]], list[Vectors]]) -> Callable[[list[list[str]]], list[Vectors]]:
    """Encode three times over: each layer at a word, its mean over two words on either side, and over the sentence.

    Returns:
        what gives [3 * layers, words, dim] for each sentence, in the order of `SURROUNDINGS`.
    """

    def with_surroundings(sentences: list[list[str]]) -> list[Vectors]:
        found = []
        for own in encode(sentences):
            layers, words, dim = own.shape
            sums = np.concatenate([np.zeros([layers, 1, dim]), np.cumsum(own, axis=1, dtype=np.float64)], axis=1)
            places = np.arange(words)
            begins, ends = np.maximum(places - 2, 0), np.minimum(places + 3, words)
            around = (sums[:, ends] - sums[:, begins]) / (ends - begins)[:, None]
            sentence = np.broadcast_to(sums[:, -1:] / max(words, 1), own.shape)
            found.append(np.concatenate([own, around, sentence]).astype(np.float32))
        return found

    return with_surroundings


def words_of(paths: Sequence[PathLike]) -> list[str]:
    """All words of word-pair and analogy files."""
    found: dict[str, None] = {}
    for path in paths:
        if _is_similarity(path):
            for pair in read_similarity(path):
                found.update(dict.fromkeys((pair.first, pair.second)))
        else:
            for question in read_analogies(path):
                found.update(dict.fromkeys(question[1:]))
    return list(found)


def _is_similarity(path: PathLike) -> bool:
    return next(read_lines(path), "").count("\t") == 2


def evaluate_words(space: Any, paths: Sequence[PathLike]) -> dict[str, Any]:
    """Score word vectors on word-pair files (Spearman's rho x 100) and analogy files (accuracy), by file name.

    A file whose first line has three columns holds pairs with judgements; any other, analogies.
    """
    scores: dict[str, Any] = {}
    for path in paths:
        if _is_similarity(path):
            record = word_similarity(space, read_similarity(path)).record("rho")
        else:
            record = word_analogy(space, read_analogies(path)).record()
        scores[Path(path).stem] = record
    return scores


def evaluate_averages(encoder: Any, text: str, paths: Sequence[PathLike], most: int = 50) -> dict[str, dict[str, Any]]:
    """Score a biLM's vectors, layer by layer, as `evaluate_words` does: averaged over sentences with the word.

    Args:
        encoder: from `elmo.load_pretrained`.
        text: shards, a glob; they are read in a random order, always the same, as their names go by subject.
        paths: word-pair and analogy files.
        most: sentences a word at most.
    """
    if any(map(_is_similarity, paths)):
        load_rankdata()  # a long time before it is needed
    shards = find_shards(text)
    order = np.random.default_rng(0).permutation(len(shards))
    spaces = average_vectors(encoder, read_sentences([shards[place] for place in order]), words_of(paths), most)
    return {f"layer {layer}": evaluate_words(space, paths) for layer, space in enumerate(spaces)}


AUCS = {
    "pair_auc": "chance that two sentences of one sense have a higher cosine than two of different senses",
    "centroid_auc": "ROC AUC, on held-out reviews, of the cosine with the brand's centroid less that with the fruit's, "
    "centroids from other reviews",
}


def evaluate_senses(
    encoder: ContextEncoder,
    space: WordSpace | None,
    senses_path: PathLike,
    reviews_path: PathLike | None = None,
    *,
    mcl_wic: tuple[PathLike, PathLike] | None = None,
    word: str = "苹果",
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """How well a biLM, layer by layer, and word vectors tell senses apart, without training.

    Args:
        encoder: the biLM.
        space: word vectors trained on the same text, or None.
        senses_path: marked sentences, see `polysemy.senses.read_senses`; scored word by word, then averaged.
        reviews_path: reviews with their categories; `word` in the held-out tenth of them, and in all, is scored. `AUCS`
            says what by; each AUC is given without and with centring.
        mcl_wic: .data and .gold file of MCL-WiC's Chinese pairs; scored by `polysemy.wic.score_wic`, with each
            layer at the word and averaged as in `SURROUNDINGS`.

    Returns:
        a dictionary that JSON can hold; every estimate has value, low and high (95%).

    Raises:
        InputError: a file is missing or malformed, or holds pairs of another language.
    """
    items = read_senses(senses_path)
    pairs = None if mcl_wic is None else read_mcl_wic(*mcl_wic)
    reviews = None if reviews_path is None else _Reviews.read(reviews_path, word, seed)
    systems: dict[str, Callable[[list[list[str]]], list[Vectors]]] = {"elmo": encoder.encode}
    if space is not None:
        dim = len(space.vector(word)) if word in space else 1
        systems["word2vec"] = static_layers(space, dim)
    result: dict[str, Any] = {"word": word, "resamples": resamples, "seed": seed, "aucs": AUCS, "systems": {}}
    for name, encode in systems.items():
        picked = target_vectors(items, encode, encoder.words)
        scores = score_senses(picked.items, picked.vectors, resamples=resamples, seed=seed)
        record: dict[str, Any] = {"senses": dataclasses.asdict(scores), "dropped": len(picked.dropped)}
        if reviews is not None:
            record.update(reviews.score(encode, encoder.words, resamples, seed))
        if pairs is not None:
            vectors = pair_vectors(pairs, surroundings(encode), encoder.words)
            count = vectors.vectors.shape[1] // len(SURROUNDINGS)
            names = ["word"] if name == "word2vec" else [f"layer {layer}" for layer in range(count)]
            representations = {
                f"{layer}{place}": [row * count + index]
                for index, layer in enumerate(names)
                for row, place in enumerate(SURROUNDINGS)
            }
            record["mcl_wic"] = dataclasses.asdict(score_wic(vectors, representations, resamples=resamples, seed=seed))
        result["systems"][name] = record
    return result


@dataclass(frozen=True)
class _Reviews:
    """Reviews with a word: all, those that are held out, and others of which centroids are made."""

    all: list[SenseSentence]
    held_out: list[SenseSentence]
    known: list[SenseSentence]

    @classmethod
    def read(cls, path: PathLike, word: str, seed: int) -> _Reviews:
        held_out = read_reviews(path, word, held_out=True)
        asked = {item.sentence for item in held_out}
        others = [item for item in read_reviews(path, word, held_out=False) if item.sentence not in asked]
        rng = np.random.default_rng(seed)
        known = []
        for sense in REVIEW_CATEGORIES.values():
            candidates = [item for item in others if item.sense == sense]
            if not candidates:
                raise InputError(f"{path}: no {sense} review with {word!r} is left for a centroid; give more reviews")
            rows = rng.permutation(len(candidates))[:CENTROID_REVIEWS]
            known += [candidates[row] for row in sorted(rows)]
        return cls(read_reviews(path, word, held_out=None), held_out, known)

    def score(
        self,
        encode: Callable[[list[list[str]]], list[Vectors]],
        segment: Callable[[str], Sequence[str]],
        resamples: int,
        seed: int,
    ) -> dict[str, Any]:
        """Scores of one system by set; each sentence is encoded once."""
        picked = target_vectors(self.all, encode, segment)
        row_of = {(item.sense, item.sentence): row for row, item in enumerate(picked.items)}

        def rows(items: list[SenseSentence]) -> list[int]:
            return [row_of[key] for item in items if (key := (item.sense, item.sentence)) in row_of]

        record: dict[str, Any] = {}
        for set_name, items in (("reviews_held_out", self.held_out), ("reviews_all", self.all)):
            chosen = rows(items)
            labels = [picked.items[row].sense for row in chosen]
            record[set_name] = {
                **_pair_aucs(picked.vectors[chosen], labels, resamples, seed),
                "senses": {sense: labels.count(sense) for sense in sorted(set(labels))},
                "dropped": len(items) - len(chosen),
            }
        asked, known = rows(self.held_out), rows(self.known)
        senses = np.array([item.sense for item in picked.items])
        known_senses = senses[known].tolist()
        record["reviews_held_out"].update(
            _centroid_aucs(
                picked.vectors[asked],
                senses[asked] == BRAND,
                picked.vectors[known],
                senses[known] == BRAND,
                resamples,
                seed,
            ),
            centroid_reviews={sense: known_senses.count(sense) for sense in sorted(set(known_senses))},
        )
        return record


def _pair_aucs(vectors: Vectors, labels: Sequence[str], resamples: int, seed: int) -> dict[str, list[dict[str, float]]]:
    """AUC of pairs for each layer of vectors [n, layers, dim], with and without centring."""
    record = {}
    for name, centre in (("pair_auc", False), ("pair_auc_centred", True)):
        estimates = []
        for layer in np.moveaxis(vectors, 1, 0):
            interval = bootstrap_interval(layer, labels, centre=centre, resamples=resamples, seed=seed)
            estimates.append(dataclasses.asdict(Estimate(pair_auc(layer, labels, centre=centre), *interval)))
        record[name] = estimates
    return record


def _centroid_aucs(
    vectors: Vectors, is_brand: Bools, known: Vectors, known_is_brand: Bools, resamples: int, seed: int
) -> dict[str, list[dict[str, float]]]:
    """AUC by centroids for each layer; the interval is over the reviews asked about, with the centroids as they are."""
    counts = draw_counts([str(row) for row in range(len(vectors))], resamples, seed)
    record = {}
    for name, centre in (("centroid_auc", False), ("centroid_auc_centred", True)):
        estimates = []
        for layer in range(vectors.shape[1]):
            scores = centroid_differences(vectors[:, layer], known[:, layer], known_is_brand, centre=centre)
            interval = percentile_interval(resampled_roc_auc(scores, is_brand, counts))
            estimates.append(dataclasses.asdict(Estimate(roc_auc(scores, is_brand), *interval)))
        record[name] = estimates
    return record
