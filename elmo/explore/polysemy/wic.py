"""Word in context: does a word mean the same in two sentences? Told by the cosine of its vectors and one threshold.

Nothing is trained but the threshold, and that never on the pairs it is scored on.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from elmo.checks import is_count
from elmo.errors import InputError
from elmo.explore.polysemy.scores import Estimate, draw_counts, percentile_interval, resampled_roc_auc, roc_auc
from elmo.explore.polysemy.senses import Pick, check_shape, encode_each, mean_over
from elmo.explore.tables import read_rows, read_text

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.floating]
PathLike = str | os.PathLike[str]

_COLUMNS = ["context1", "context2", "label"]  # of AM2iCo
_SAME = {"T": True, "F": False}
_DIGITS = 12  # cosines are compared to so many: float64 rounding must not order what is equal
_INNER_FOLDS = 5


@dataclass(frozen=True)
class Mention:
    """A word at its place in a sentence."""

    sentence: str
    start: int  # characters of the sentence before the word
    end: int  # ... up to its end

    @property
    def word(self) -> str:
        """The word as it stands there."""
        return self.sentence[self.start : self.end]


@dataclass(frozen=True)
class WicPair:
    """Two mentions of a word, and whether it means the same in both."""

    name: str  # its id in the file, or its line
    word: str
    first: Mention
    second: Mention
    same: bool


def read_mcl_wic(data_path: PathLike, gold_path: PathLike) -> list[WicPair]:
    """Read a monolingual part of MCL-WiC (Martelli et al. 2021, SemEval task 2): a .data and a .gold file, both JSON.

    Raises:
        InputError: a file is missing or malformed, or the two don't have the same ids; names the file and the line.
    """
    answers: dict[str, bool] = {}
    for place, item in _json_items(gold_path):
        name, tag = (_text(item, key, place) for key in ("id", "tag"))
        if tag not in _SAME:
            raise InputError(f"{place}: tag {tag!r} is neither T nor F; correct it")
        if name in answers:
            raise InputError(f"{place}: the id {name!r} occurs twice; keep one of the two")
        answers[name] = _SAME[tag]
    pairs: dict[str, WicPair] = {}
    for place, item in _json_items(data_path):
        name, word = (_text(item, key, place) for key in ("id", "lemma"))
        if name in pairs:
            raise InputError(f"{place}: the id {name!r} occurs twice; keep one of the two")
        if name not in answers:
            raise InputError(f"{place}: {gold_path} has no answer for {name!r}; give the .gold file of these pairs")
        first, second = (_mention(item, number, place) for number in "12")
        pairs[name] = WicPair(name, word, first, second, answers[name])
    missing = next((name for name in answers if name not in pairs), None)
    if missing is not None:
        raise InputError(f"{gold_path}: answers {missing!r}, which {data_path} lacks; give the files of one set")
    return list(pairs.values())


def read_am2ico(path: PathLike) -> list[WicPair]:
    """Read AM2iCo (Liu et al. 2021): tab-separated context1, context2, label, the word in each between <word> tags.

    In the published files the second context is English. See `require_chinese`.

    Raises:
        InputError: the file is missing, not UTF-8 or empty, or a line is malformed; says which.
    """
    pairs = []
    for number, fields in read_rows(path, _COLUMNS, "pair"):
        place = f"{path}:{number}"
        if fields[2] not in _SAME:
            raise InputError(f"{place}: label {fields[2]!r} is neither T nor F; correct it")
        first, second = (_untagged(context, place) for context in fields[:2])
        pairs.append(WicPair(f"line {number}", first.word, first, second, _SAME[fields[2]]))
    return pairs


def require_chinese(pairs: Sequence[WicPair], path: PathLike) -> None:
    """Refuse pairs that a Chinese model can't score, since one of the sentences is in another language.

    Such are all of AM2iCo: it asks whether a Chinese word and an English one mean the same. A Chinese model has no
    vectors for English words, the Chinese half alone doesn't hold the answer, and cosines between the spaces of two
    models mean nothing unless a map between them was trained.

    Raises:
        InputError: a sentence has fewer Chinese characters than Latin words.
    """
    others = [
        (pair.name, mention.word)
        for pair in pairs
        for mention in (pair.first, pair.second)
        if len(re.findall(r"[\u3400-\u9fff]", mention.sentence)) < len(re.findall(r"[A-Za-z]+", mention.sentence))
    ]
    if others:
        (name, word), count = others[0], len({name for name, _ in others})
        raise InputError(
            f"{path}: in {count} of {len(pairs)} pairs a sentence is not Chinese ({name}: that of {word!r}), and a "
            "Chinese model has no vectors for it; give pairs of Chinese sentences, such as MCL-WiC zh-zh"
        )


@dataclass(frozen=True)
class PairVectors:
    """Vectors of mentions, and which two of them make each pair."""

    pairs: list[WicPair]
    vectors: npt.NDArray[np.float32]  # [mentions, layers, dim], each mention once, however many pairs it is in
    first: Ints  # [pairs]: row of the pair's first mention
    second: Ints
    is_whole: Bools  # [pairs]: in both sentences the segmenter made one word of the target


def pair_vectors(
    pairs: Sequence[WicPair],
    encode: Callable[[list[list[str]]], Iterable[Vectors]],
    segment: Callable[[str], Sequence[str]],
    pick: Pick = mean_over,
) -> PairVectors:
    """Encode each sentence once and pick the vectors of the words the pairs are about.

    Unlike `senses.target_vectors` nothing is dropped, as an accuracy on fewer pairs is not that of the
    set: where the segmenter cut otherwise, the target is all words that share a character with it, be they parts of it
    or longer than it.

    Args:
        encode: takes all sentences, a list of words each, and gives an array [layers, words, dim] for each.
        segment: cuts a sentence into words, such as the `cut` of a segmenter.
        pick: what stands for the target's words, if not their mean; see `elmo.explore.polysemy.forms`.

    Raises:
        InputError: there is no pair, no word covers a target, or `encode` gives arrays of other shapes.
    """
    mentions = list(dict.fromkeys(mention for pair in pairs for mention in (pair.first, pair.second)))
    if not mentions:
        raise InputError("there is no pair to score: give at least one of each answer")
    words_of = {sentence: list(segment(sentence)) for sentence in dict.fromkeys(m.sentence for m in mentions)}
    array_of = dict(zip(words_of, encode_each(encode, list(words_of.values())), strict=True))
    picked, is_whole = [], []
    for mention in mentions:
        words, array = words_of[mention.sentence], array_of[mention.sentence]
        check_shape(array, words, mention.sentence)
        chosen = overlapping_words(words, mention)
        if not chosen:
            raise InputError(f"no word of {mention.sentence!r} covers {mention.word!r}: try another segmenter")
        picked.append(pick(array, chosen))
        is_whole.append(len(chosen) == 1 and words[chosen[0]] == "".join(mention.word.split()))
    row = {mention: number for number, mention in enumerate(mentions)}
    first = np.array([row[pair.first] for pair in pairs])
    second = np.array([row[pair.second] for pair in pairs])
    whole = np.array(is_whole)
    return PairVectors(list(pairs), np.array(picked, dtype=np.float32), first, second, whole[first] & whole[second])


def overlapping_words(words: Sequence[str], mention: Mention) -> range:
    """Places of the words that share a character with the mention; words are without white space, sentences not."""
    begin = len("".join(mention.sentence[: mention.start].split()))
    end = begin + len("".join(mention.word.split()))
    ends = np.cumsum([len(word) for word in words])
    return range(int(np.searchsorted(ends, begin, side="right")), int(np.searchsorted(ends, end, side="left")) + 1)


# Without labels, against what all vectors have in common


def centred(vectors: Floats) -> Floats:
    """Vectors [n, dim] less their mean; what that leaves of equal vectors is zero, not rounding noise."""
    rows = vectors - vectors.mean(axis=0)
    return np.asarray(np.where(np.abs(rows) <= 1e-9 * np.abs(vectors).max(initial=0.0), 0.0, rows))


def standardised(vectors: Floats) -> Floats:
    """Vectors [n, dim], each dimension with mean 0 and standard deviation 1, or all 0."""
    rows = centred(vectors)
    deviations = rows.std(axis=0)
    return np.asarray(rows / np.where(deviations == 0, 1.0, deviations))


def all_but_the_top(vectors: Floats, components: int | None = None) -> Floats:
    """Centred vectors [n, dim] less their parts along the first principal components; one in a hundred dimensions.

    Mu and Viswanath 2018, "All-but-the-top: simple and effective postprocessing for word representations".
    """
    rows = centred(vectors)
    count = max(1, round(rows.shape[1] / 100)) if components is None else components
    directions = np.linalg.svd(rows, full_matrices=False)[2][:count]
    return np.asarray(rows - rows @ directions.T @ directions)


VARIANTS: dict[str, Callable[[Floats], Floats]] = {
    "raw": lambda vectors: vectors,
    "centred": centred,
    "standardised": standardised,
    "all but the top": all_but_the_top,
}


def pair_cosines(vectors: Floats, first: Ints, second: Ints) -> Floats:
    """Cosine of each pair of rows, [pairs]. That with a zero vector is 0, but of two zero vectors 1: they are equal."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    is_zero = lengths[:, 0] == 0
    units = vectors / np.where(lengths == 0, 1.0, lengths)
    cosines = np.einsum("pd,pd->p", units[first], units[second]) + (is_zero[first] & is_zero[second])
    return np.asarray(np.round(cosines, _DIGITS))


# The threshold and its accuracy


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


def make_folds(words: Sequence[str], same: Bools, folds: int, rng: np.random.Generator) -> Ints:
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


def held_out_outcomes(cosines: Floats, same: Bools, fold: Ints) -> Bools:
    """Is each pair answered rightly by the threshold that is best on the other folds? [rows, n], as the cosines."""
    right = np.empty(cosines.shape, dtype=np.bool_)
    for number in np.unique(fold):
        inside = fold == number
        thresholds = best_thresholds(cosines[:, ~inside], same[~inside])
        right[:, inside] = (cosines[:, inside] >= thresholds[:, None]) == same[inside]
    return right


def selected_outcomes(
    cosines: Floats, same: Bools, words: Sequence[str], fold: Ints, seed: Sequence[int]
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
    variant: str  # one of VARIANTS
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
        for variant, change in VARIANTS.items():
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
        return mean_of_pairs(values[mask], counts[:, mask], confidence)

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


def mean_of_pairs(values: Floats, counts: Floats, confidence: float = 0.95) -> Estimate:
    """Mean of values [pairs], such as outcomes or their differences; counts are those of `draw_counts`."""
    with np.errstate(invalid="ignore"):  # a resample without any of them
        drawn = counts @ values / counts.sum(axis=1)
    return Estimate(float(values.mean()), *percentile_interval(drawn, confidence))


def _majority(same: Bools) -> float:
    return float(max(same.mean(), 1 - same.mean()))


# Files


def _untagged(context: str, place: str) -> Mention:
    """The sentence of an AM2iCo context and where its word stands."""
    parts = re.split(r"<word>(.*?)</word>", context)
    if len(parts) != 3 or not parts[1].strip():
        raise InputError(f"{place}: {context!r} does not have one word between <word> and </word>; tag one")
    before, word, after = parts
    return Mention(before + word + after, len(before), len(before) + len(word))


def _mention(item: Mapping[str, Any], number: str, place: str) -> Mention:
    """The mention that an MCL-WiC item calls sentence1, start1, end1, or 2."""
    sentence, start, end = (_text(item, key + number, place) for key in ("sentence", "start", "end"))
    for name, value in (("start", start), ("end", end)):
        if not is_count(value):
            raise InputError(f"{place}: {name}{number} {value[:40]!r} is not a whole number; count characters from 0")
    if not (int(start) < int(end) <= len(sentence) and sentence[int(start) : int(end)].strip()):
        raise InputError(
            f"{place}: characters {start} to {end} of sentence{number}, which has {len(sentence)}, hold no word; "
            "correct the offsets"
        )
    return Mention(sentence, int(start), int(end))


def _text(item: Mapping[str, Any], key: str, place: str) -> str:
    value = item.get(key)
    value = str(value) if type(value) is int else value
    if not isinstance(value, str) or not value:
        raise InputError(f"{place}: {key} is {value!r}; give a text")
    return value


def _json_items(path: PathLike) -> Iterator[tuple[str, dict[str, Any]]]:
    """Objects of a JSON list, each with "file:line" of its beginning."""
    text, decoder = read_text(path), json.JSONDecoder()

    def place(at: int) -> str:
        return f"{path}:{text.count(chr(10), 0, at) + 1}"

    def after(separators: str, at: int) -> int:
        """Where the text goes on behind one of the characters and white space; its end behind a closing bracket."""
        match = re.compile(rf"\s*([{re.escape(separators)}])\s*").match(text, at)
        if match is None:
            raise InputError(f"{place(at)}: expected {' or '.join(separators)} here; give a JSON list of objects")
        return len(text) if match[1] == "]" else match.end()

    at = after("[", 0)
    while at < len(text):
        try:
            item, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise InputError(f"{place(error.pos)}: not JSON ({error.msg}); give a JSON list of objects") from None
        if not isinstance(item, dict):
            raise InputError(f"{place(at)}: {item!r} is not an object; give a JSON list of objects")
        yield place(at), item
        at = after(",]", end)
