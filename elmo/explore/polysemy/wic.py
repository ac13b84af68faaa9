"""Word in context: does a word mean the same in two sentences? Told by the cosine of its vectors and one threshold.

Nothing is trained but the threshold, and that never on the pairs it is scored on. The folds are dealt out here and not
by scikit-learn's StratifiedGroupKFold, which deals them otherwise: published scores are those of these folds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from elmo.errors import InputError
from elmo.explore.polysemy.scores import resampled_roc_auc, roc_auc
from elmo.explore.polysemy.wic_vectors import CHANGES, PairVectors, pair_cosines
from elmo.statistics import Estimate, draw_counts, mean_estimate, percentile_interval
from elmo.system.types import Bools, Floats, Ids

_INNER_FOLDS = 5


def best_thresholds(cosines: Floats, same: Bools) -> Floats:
    """For each row of cosines [rows, n] the threshold from which on "same" is right most often; infinite for always.

    It lies halfway between two neighbours; of several equally good ones the middle one is taken.
    """
    order = np.argsort(cosines, axis=1, kind="stable")
    ranked = np.take_along_axis(cosines, order, axis=1)
    edges = np.pad(ranked, ((0, 0), (1, 1)), constant_values=((0, 0), (-np.inf, np.inf)))
    gain = np.where(same[order], -1, 1)  # what putting the threshold above this pair wins
    right = np.pad(np.cumsum(gain, axis=1), ((0, 0), (1, 0)))  # [rows, n + 1], less the number of same pairs
    right = np.where(edges[:, :-1] < edges[:, 1:], right, -len(same) - 1)
    is_best = right == right.max(axis=1, keepdims=True)
    rank = np.cumsum(is_best, axis=1)
    middle = np.argmax(is_best & (rank == (rank[:, -1:] + 1) // 2), axis=1)[:, None]
    low, high = (np.take_along_axis(edges, middle + step, axis=1)[:, 0] for step in (0, 1))
    return np.asarray((low + high) / 2)


def make_folds(words: Sequence[str], same: Bools, folds: int, rng: np.random.Generator) -> Ids:
    """Fold of each pair, [n]: the pairs of a word stay together, and each fold gets its share of both answers.

    Shares can't always be equal. A fold with more of one answer leaves fewer of it to the others, so that in
    cross-validation vectors that know nothing score a little below chance.

    Raises:
        InputError: there are fewer words than folds.
    """
    rows_of: dict[str, list[int]] = {}
    for row, word in enumerate(words):
        rows_of.setdefault(word, []).append(row)
    if not 2 <= folds <= len(rows_of):
        raise InputError(f"folds is {folds} for {len(rows_of)} words: give 2 or more, at most one a word")
    groups = list(rows_of.values())
    groups = [groups[place] for place in rng.permutation(len(groups))]
    yes_of = {rows[0]: int(same[rows].sum()) for rows in groups}
    # Large words first, then those with both answers: the others, which are most, can then even things out.
    groups.sort(key=lambda rows: (-len(rows), abs(2 * yes_of[rows[0]] - len(rows))))
    fold = np.empty(len(words), dtype=np.int64)
    held = [(0, 0)] * folds  # pairs with answer yes and no
    for rows in groups:
        yes = yes_of[rows[0]]
        no = len(rows) - yes
        best = min(range(folds), key=lambda number: (held[number][0] * yes + held[number][1] * no, sum(held[number])))
        held[best] = held[best][0] + yes, held[best][1] + no
        fold[rows] = best
    return fold


def held_out_outcomes(cosines: Floats, same: Bools, fold: Ids) -> Bools:
    """Is each pair answered rightly by the threshold that is best on the other folds? [rows, n], as the cosines."""
    right = np.empty(cosines.shape, dtype=np.bool_)
    for number in np.unique(fold):
        inside = fold == number
        thresholds = best_thresholds(cosines[:, ~inside], same[~inside])
        right[:, inside] = (cosines[:, inside] >= thresholds[:, None]) == same[inside]
    return right


def selected_outcomes(
    cosines: Floats, same: Bools, words: Sequence[str], fold: Ids, seed: Sequence[int]
) -> tuple[Bools, list[int]]:
    """As `held_out_outcomes`, by the row of cosines that does best in a cross-validation within the other folds.

    Returns:
        the outcomes [n], and the row that was chosen for each fold.
    """
    right = np.empty(len(same), dtype=np.bool_)
    chosen = []
    for number in np.unique(fold):
        inside = fold == number
        others = np.flatnonzero(~inside).tolist()
        other_words = [words[row] for row in others]
        folds = min(_INNER_FOLDS, len(set(other_words)))
        inner = make_folds(other_words, same[others], folds, np.random.default_rng([*seed, int(number)]))
        best = int(held_out_outcomes(cosines[:, others], same[others], inner).mean(axis=1).argmax())
        threshold = best_thresholds(cosines[best : best + 1, others], same[others])[0]
        right[inside] = (cosines[best, inside] >= threshold) == same[inside]
        chosen.append(best)
    return right, chosen


@dataclass(frozen=True)
class WicScore:
    """How well the cosine of one kind of vectors answers."""

    vectors: str  # such as "layer 1"
    variant: str  # one of CHANGES
    accuracy: Estimate  # on held-out folds
    whole_word_accuracy: Estimate | None  # on the pairs in which the target is a word of its own in both sentences
    auc: Estimate  # chance that the cosine of a same pair is above that of a different one


@dataclass(frozen=True)
class WicScores:
    """Scores of all vectors and variants. `dataclasses.asdict` makes it ready for JSON."""

    selected: Estimate  # accuracy where vectors and variant, too, are chosen without the held-out fold
    chosen: dict[str, int]  # how often which were
    scores: list[WicScore]
    majority: float  # accuracy of always giving the more frequent answer
    whole_word_majority: float | None  # ... among the pairs in which the target is a word of its own
    pairs: int
    words: int
    whole_word_pairs: int
    folds: int
    repeats: int
    resamples: int
    confidence: float
    seed: int


@dataclass(frozen=True)
class WicOutcomes:
    """What each row of vectors and variant makes of each pair, in cross-validation."""

    rows: list[tuple[str, str]]  # vectors and variant
    cosines: Floats  # [rows, pairs]
    right: Floats  # [rows, pairs]: share of the repeats in which a pair was answered rightly
    selected: Floats  # [pairs]: the same by the row that was chosen without the held-out fold
    chosen: dict[str, int]  # how often which row was


def layer_means(layers: int) -> dict[str, list[int]]:
    """Each layer by itself, and the mean of all."""
    return {**{f"layer {layer}": [layer] for layer in range(layers)}, "mean of layers": list(range(layers))}


def wic_outcomes(
    picked: PairVectors,
    representations: Mapping[str, Sequence[int]],
    *,
    folds: int = 10,
    repeats: int = 10,
    seed: int = 0,
) -> WicOutcomes:
    """Answer each pair, in each repeat by thresholds from the other folds; the arguments are those of `score_wic`.

    Two systems on the same pairs get the same folds, so that their outcomes can be compared pair by pair.
    """
    same = np.array([pair.same for pair in picked.pairs])
    words = [pair.word for pair in picked.pairs]
    if same.all() or not same.any():
        raise InputError(f"all {len(same)} pairs have the same answer: give pairs with both")
    if repeats < 1:
        raise InputError(f"repeats is {repeats}: give 1 or more, such as 10")
    if not 2 <= folds <= len(set(words)) // 2:
        raise InputError(f"folds is {folds} for {len(set(words))} words: give 2 or more, and two words for each")
    names, rows = [], []
    for vectors_name, layers in representations.items():
        mean = picked.vectors[:, list(layers)].astype(np.float64).mean(axis=1)
        for variant, change in CHANGES.items():
            names.append((vectors_name, variant))
            rows.append(pair_cosines(change(mean), picked.first, picked.second))
    cosines = np.array(rows)
    right, selected = np.zeros(cosines.shape), np.zeros(len(same))
    chosen: Counter[str] = Counter()
    for repeat in range(repeats):
        fold = make_folds(words, same, folds, np.random.default_rng([seed, repeat]))
        right += held_out_outcomes(cosines, same, fold) / repeats
        selected_right, best = selected_outcomes(cosines, same, words, fold, [seed, repeat])
        selected += selected_right / repeats
        chosen.update(", ".join(names[row]) for row in best)
    return WicOutcomes(names, cosines, right, selected, dict(chosen.most_common()))


def score_wic(
    picked: PairVectors,
    representations: Mapping[str, Sequence[int]] | None = None,
    *,
    folds: int = 10,
    repeats: int = 10,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> WicScores:
    """Accuracy by cross-validated threshold, and ROC AUC of the cosine, for each kind of vectors and each variant.

    The pairs of a word are in one fold. The variants are fitted to all mentions, without the answers. The best row of
    the table is chosen with the answers at hand, so what is to be quoted as "the best" is `selected`. Intervals come
    from drawing words with replacement, with the outcomes that the cross-validation gave their pairs. As the thresholds
    are not found anew, they are a little narrow: in simulations with 120 words, 95% intervals of the accuracy held that
    of the true best threshold in 89 to 93% of cases, those of the AUC the true AUC in 93 to 96%.

    Args:
        picked: from `pair_vectors`.
        representations: by name, the layers that are averaged; `layer_means` of all layers if not given.

    Raises:
        InputError: all pairs have one answer, or there are fewer than two words for each fold.
    """
    representations = layer_means(picked.vectors.shape[1]) if representations is None else representations
    outcomes = wic_outcomes(picked, representations, folds=folds, repeats=repeats, seed=seed)
    same = np.array([pair.same for pair in picked.pairs])
    words = [pair.word for pair in picked.pairs]
    counts = draw_counts(words, resamples, seed)

    def accuracy(values: Floats, mask: Bools) -> Estimate:
        return mean_estimate(values[mask], counts[:, mask], confidence)

    everything = np.ones(len(same), dtype=np.bool_)
    scores = []
    for (vectors_name, variant), cosine, right in zip(outcomes.rows, outcomes.cosines, outcomes.right, strict=True):
        drawn_aucs = resampled_roc_auc(cosine, same, counts)
        auc = Estimate(roc_auc(cosine, same), *percentile_interval(drawn_aucs, confidence))
        whole = accuracy(right, picked.is_whole) if picked.is_whole.any() else None
        scores.append(WicScore(vectors_name, variant, accuracy(right, everything), whole, auc))
    return WicScores(
        accuracy(outcomes.selected, everything),
        outcomes.chosen,
        scores,
        _majority(same),
        _majority(same[picked.is_whole]) if picked.is_whole.any() else None,
        len(same),
        len(set(words)),
        int(picked.is_whole.sum()),
        folds,
        repeats,
        resamples,
        confidence,
        seed,
    )


def _majority(same: Bools) -> float:
    return float(max(same.mean(), 1 - same.mean()))
