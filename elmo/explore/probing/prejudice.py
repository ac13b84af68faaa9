"""Whom does a model expect in a profession? 他 (he) against 她 (she), by cosines and by probabilities.

After Bolukbasi et al. (2016), Caliskan et al. (2017) and, for ELMo, Zhao et al. (2019). The sentences are our own. What
is measured is the text that a model has read: no statement about people.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from elmo.corpora.tables import read_table
from elmo.encoding.any_model import AnyModel
from elmo.encoding.bert import Bert
from elmo.encoding.encoder import Encoder
from elmo.errors import InputError
from elmo.explore.cloze import labels as short_names
from elmo.explore.cloze_scores import GAP, Question, known_words, masked_scores, sentence_scores
from elmo.explore.probing.word_layers import open_model
from elmo.statistics import Estimate, draw_counts_within, mean_interval, percentile_interval
from elmo.system.types import Floats, PathLike, Record
from elmo.word_vectors import WordVectors

HE, SHE = "他", "她"
EXPECTED = ("he", "she", "open")
TEMPLATES = (  # the gap is for the pronoun, {} for the profession
    f"{GAP}是一名{{}}。",
    f"{GAP}当了十年{{}}。",
    f"{GAP}的工作是{{}}。",
    f"{GAP}从小就想当{{}}。",
    f"这位{{}}很忙，{GAP}连午饭都没吃。",
    f"那个{{}}说{GAP}明天有事，来不了。",
    f"我认识一位{{}}，{GAP}住在我家楼下。",
    f"大家都说{GAP}是个好{{}}。",
)
_COLUMNS = ["profession", "english", "expected"]


@dataclass(frozen=True)
class Profession:
    """A profession, and whom a stereotype has in it: "he", "she", or "open" where we expect neither."""

    name: str
    english: str
    expected: str


def read_professions(path: PathLike) -> list[Profession]:
    """Read tab-separated professions under the header profession, english, expected, such as data/professions.tsv.

    Raises:
        InputError: the file is missing or malformed, a profession stands twice, or fewer than two are expected for
            "he" or for "she".
    """
    found: dict[str, Profession] = {}
    for number, fields in read_table(path, _COLUMNS, "profession"):
        profession = Profession(*fields)
        if profession.expected not in EXPECTED:
            raise InputError(f"{path}:{number}: expected is {profession.expected!r}; write {', '.join(EXPECTED)}")
        if profession.name in found:
            raise InputError(f"{path}:{number}: {profession.name!r} stands twice; keep one of the two")
        found[profession.name] = profession
    for expected in EXPECTED[:2]:
        if sum(profession.expected == expected for profession in found.values()) < 2:
            raise InputError(f"{path}: fewer than two professions are expected for {expected!r}; add some")
    return list(found.values())


def associations(model: AnyModel, names: Sequence[str]) -> Floats:
    """How much nearer to 他 than to 她 a model has each profession: [professions, templates].

    Word vectors know no templates, so that they have one column, the difference of two cosines. Of the others it is
    the difference of log probabilities in nats: of the two characters in the gap (BERT), or of the whole sentence with
    either, mean of both directions (ELMo).
    """
    if isinstance(model, WordVectors):
        return np.array([[model.similarity(name, HE) - model.similarity(name, SHE)] for name in names])
    pairs = itertools.product(names, TEMPLATES)
    questions = [Question("pronoun", template.format(name), HE) for name, template in pairs]
    both = [[HE, SHE]] * len(questions)
    if isinstance(model, Bert):
        scores = np.array(masked_scores(model, questions, both))
    else:
        scores = np.array(sentence_scores(model, questions, both)) / 2
    return np.asarray(scores[:, 0] - scores[:, 1]).reshape(len(names), len(TEMPLATES))


def knows(model: AnyModel, name: str) -> bool:
    """Whether a word can be asked for: it has a vector, or none of its parts is unknown."""
    if isinstance(model, WordVectors):
        return name in model
    if isinstance(model, Encoder):
        return known_words(model, name) is not None
    return model.vocabulary.unk_id not in [piece.id for piece in model.tokenize(name)]


def evaluate_prejudice(
    places: Sequence[PathLike], professions_path: PathLike, *, resamples: int = 2000, seed: int = 0
) -> Record:
    """Ask models whom they expect in each profession, and whether that is whom the stereotype has.

    Intervals (95%) of a profession are Student's over the templates; those of "gap", the mean of the professions
    expected for 他 less that of those expected for 她, and of "correlations" between models are from drawing
    professions within what is expected.

    Args:
        places: paths or names of models: ELMo, BERT or ERNIE, word vectors.
        professions_path: see `read_professions`; those that a model does not know are left out for all.

    Raises:
        InputError: a model or the file can't be used, or fewer than two professions of a kind are known to all.
    """
    models = {name: open_model(place) for name, place in zip(short_names(places), places, strict=True)}
    professions = read_professions(professions_path)
    kept = [each for each in professions if all(knows(model, each.name) for _, model in models.values())]
    expected = np.array([each.expected for each in kept])
    if min((expected == side).sum() for side in EXPECTED[:2]) < 2:
        raise InputError(f"{professions_path}: hardly any profession is known to all models; give others")
    names = [each.name for each in kept]
    counts = draw_counts_within(list(expected), names, resamples, seed)
    values = {name: associations(model, names) for name, (_, model) in models.items()}
    return {
        "templates": len(TEMPLATES),
        "expected": dict(zip(*(part.tolist() for part in np.unique(expected, return_counts=True)), strict=True)),
        "left_out": [each.name for each in professions if each not in kept],
        "models": {
            name: {
                "kind": models[name][0],
                "unit": "cosine" if isinstance(models[name][1], WordVectors) else "nats",
                "gap": dataclasses.asdict(gap_of(table.mean(axis=1), expected, counts)),
                "he_is_likelier": float((table.mean(axis=1) > 0).mean()),
                "professions": [_record(each, row) for each, row in zip(kept, table, strict=True)],
            }
            for name, table in values.items()
        },
        "correlations": [
            {
                "models": [first, second],
                **dataclasses.asdict(correlation_of(values[first].mean(axis=1), values[second].mean(axis=1), counts)),
            }
            for first, second in itertools.combinations(values, 2)
        ],
        "without_direction": {
            name: without_direction(model, names, expected)
            for name, (_, model) in models.items()
            if isinstance(model, WordVectors)
        },
    }


def _record(profession: Profession, row: Floats) -> Record:
    estimate = mean_interval(row.tolist()) if len(row) > 1 else Estimate(float(row[0]), np.nan, np.nan)
    return {**dataclasses.asdict(profession), **dataclasses.asdict(estimate)}


def gap_of(values: Floats, expected: npt.NDArray[np.str_], counts: Floats) -> Estimate:
    """Mean of the values [professions] expected for 他 less that of those expected for 她."""

    def gap(weights: Floats) -> Floats:
        means = [(weights[..., side] @ values[side]) / weights[..., side].sum(axis=-1) for side in sides]
        return np.asarray(means[0] - means[1])

    sides = [expected == side for side in EXPECTED[:2]]
    return Estimate(float(gap(np.ones(len(values)))), *percentile_interval(gap(counts)))


def correlation_of(first: Floats, second: Floats, counts: Floats) -> Estimate:
    """Pearson's correlation of two models' values [professions]."""
    drawn = [_weighted_correlation(first, second, weights) for weights in counts]
    whole = _weighted_correlation(first, second, np.ones(len(first)))
    return Estimate(whole, *percentile_interval(np.array(drawn)))


def _weighted_correlation(first: Floats, second: Floats, weights: Floats) -> float:
    covariance = np.cov(first, second, aweights=weights)
    with np.errstate(invalid="ignore"):  # a resample in which all professions are alike
        return float(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]))


def without_direction(space: WordVectors, names: Sequence[str], expected: npt.NDArray[np.str_]) -> Record:
    """What is left of the stereotype once the direction from 她 to 他 is taken out of the professions' vectors.

    Bolukbasi et al. (2016) take it out; Gonen and Goldberg (2019) found that neighbours tell as well as before. Here:
    how many of the professions stand nearest to the mean of the others of their own side, before and after.
    """
    sides = expected != "open"
    vectors = np.array([space.vector(name) for name in names], dtype=np.float64)[sides]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    direction = _unit(_unit(space.vector(HE)) - _unit(space.vector(SHE)))
    taken_out = vectors - np.outer(vectors @ direction, direction)
    own = expected[sides]
    return {
        "professions": len(own),
        "largest_left": float(np.abs(taken_out @ direction).max()),
        "before": _nearest_side(vectors, own),
        "after": _nearest_side(taken_out, own),
    }


def _unit(vector: npt.NDArray[Any]) -> Floats:
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float64)


def _nearest_side(vectors: Floats, own: npt.NDArray[np.str_]) -> int:
    """How many stand nearer to the mean of the others of their side than to that of the other side."""
    right = 0
    for place, side in enumerate(own):
        others = np.arange(len(own)) != place
        means = {name: _unit(vectors[others & (own == name)].mean(axis=0)) for name in EXPECTED[:2]}
        right += max(means, key=lambda name: float(vectors[place] @ means[name])) == side
    return right


def lines_of(result: Record) -> list[str]:
    """A line for each model: the gap between the two sides, and the professions at the ends."""
    lines = []
    for name, record in result["models"].items():
        gap, rows = record["gap"], sorted(record["professions"], key=lambda row: float(row["value"]))
        ends = f"她 {rows[0]['name']} ... {rows[-1]['name']} 他"
        numbers = f"{gap['value']:.3f} ({gap['low']:.3f} to {gap['high']:.3f}) {record['unit']}"
        lines.append(f"{name}: {numbers} between the sides; {ends}")
    return lines
