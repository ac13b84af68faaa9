"""Which vector tells senses apart? All forms of a biLM and of word vectors side by side, with paired differences."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from elmo.encoding.protocols import ContextEncoder, WordSpace
from elmo.errors import InputError
from elmo.explore.neighbours import ContextIndex
from elmo.explore.polysemy.forms import (
    BAG_FORMS,
    ELMO_FORMS,
    SUBSTITUTES,
    SUBSTITUTES_MEANING,
    Forms,
    SubstituteSpace,
    bag_forms,
    elmo_forms,
)
from elmo.explore.polysemy.row_scores import VARIANTS, Row, Scored, middle_of, score_words
from elmo.explore.polysemy.senses import SenseSentence, TargetVectors, read_reviews, read_senses, target_vectors
from elmo.explore.polysemy.wic import WicOutcomes, wic_outcomes
from elmo.explore.polysemy.wic_files import read_mcl_wic
from elmo.explore.polysemy.wic_vectors import pair_vectors
from elmo.statistics import Estimate, draw_counts, mean_estimate, percentile_interval
from elmo.system.types import Floats, PathLike, Record

Contrast = tuple[str, Row, str, Row]

WORD = "苹果"
EXAMPLES = [
    SenseSentence(WORD, "fruit", "水果 the fruit", "我买了1斤苹果。", 5),
    SenseSentence(WORD, "company", "公司 the company", "我新买了1个苹果X。", 6),
]
NEIGHBOURS = 5


def compare_forms(
    encoder: ContextEncoder,
    space: WordSpace,
    senses_path: PathLike,
    reviews_path: PathLike | None = None,
    mcl_wic: tuple[PathLike, PathLike] | None = None,
    *,
    substitutes: SubstituteSpace | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Record:
    """How well each form of a biLM and of word vectors tells senses apart, raw and centred, and how they differ.

    The sets are "senses", the mean over the marked words of the AUC of `scores.pair_auc`; "word", the AUC
    of `WORD` alone; "reviews", that of `WORD` in product reviews which no model of ours is pretrained on; and
    "mcl_wic", the accuracy of `wic.wic_outcomes`. "best" is the best row in hindsight, which flatters it
    and whatever offers many; "chosen" is the best on other words than the one that is scored, so that for `WORD` no
    sentence with it had a say.

    Reviews are centred by the mean of the marked sentences with the word, in which both senses are equally frequent:
    among them one sense is twenty times as frequent, so that their own mean is that sense, and to subtract it leaves
    nothing of what its sentences have in common.

    Args:
        encoder: the biLM.
        space: word vectors, the rival.
        senses_path: marked sentences, see `elmo.explore.polysemy.senses.read_senses`.
        reviews_path: see `elmo.explore.polysemy.senses.read_reviews`.
        mcl_wic: .data and .gold file.
        substitutes: makes the row `SUBSTITUTES`, which is otherwise left out.

    Returns:
        a dictionary that JSON can hold. All estimates have value, low and high (95%); those of differences come from
        the same draws of sentences (in MCL-WiC, of words) for both.

    Raises:
        InputError: a file is missing or malformed, or `WORD` or all other words have no senses.
    """
    items = read_senses(senses_path)
    reviews = None if reviews_path is None else read_reviews(reviews_path, WORD, held_out=True)
    pairs = None if mcl_wic is None else read_mcl_wic(*mcl_wic)
    systems = {"elmo": elmo_forms(encoder, substitutes), "word2vec": bag_forms(space, _dim(space))}
    scored: dict[str, dict[str, Scored]] = {}
    outcomes: dict[str, WicOutcomes] = {}
    neighbours: Record = {}
    records: dict[str, Record] = {}
    for name, forms in systems.items():
        picked = target_vectors(items, forms.encode, encoder.words, forms.pick)
        marked = score_words(picked, forms.names, resamples, seed)
        scored[name] = {"senses": marked, "word": marked.part(WORD)}
        neighbours[name] = _neighbours(picked, forms, encoder, marked)
        if reviews is not None:
            in_reviews = target_vectors(reviews, forms.encode, encoder.words, forms.pick)
            middle = middle_of(picked, WORD)
            scored[name]["reviews"] = score_words(in_reviews, forms.names, resamples, seed, middle=middle)
        records[name] = {set_name: _table(values) for set_name, values in scored[name].items()}
        if pairs is not None:
            vectors = pair_vectors(pairs, forms.encode, encoder.words, forms.pick)
            rows = {form: [place] for place, form in enumerate(forms.names)}
            outcomes[name] = wic_outcomes(vectors, rows, seed=seed)
    contrasts = list(_contrasts(encoder.num_layers - 1, substitutes is not None))
    differences = {
        set_name: _differences(scored["elmo"], scored["word2vec"], set_name, contrasts) for set_name in scored["elmo"]
    }
    if pairs is not None:
        counts = draw_counts([pair.word for pair in pairs], resamples, seed)
        for name, answered in outcomes.items():
            records[name]["mcl_wic"] = _wic_table(answered, counts)
        differences["mcl_wic"] = _wic_differences(outcomes["elmo"], outcomes["word2vec"], counts, contrasts)
    return {
        "word": WORD,
        "resamples": resamples,
        "seed": seed,
        "forms": {
            "elmo": ELMO_FORMS if substitutes is None else {**ELMO_FORMS, SUBSTITUTES: SUBSTITUTES_MEANING},
            "word2vec": BAG_FORMS,
        },
        "variants": VARIANTS,
        "sentences": {"senses": len(items), **({} if reviews is None else {"reviews": len(reviews)})},
        "systems": records,
        "differences": differences,
        "neighbours": neighbours,
    }


def _dim(space: WordSpace) -> int:
    return len(space.vector(WORD)) if WORD in space else 1


# Tables


def _table(scored: Scored) -> Record:
    """Estimates by vectors and variant."""
    table: Record = {}
    for place, (vectors, variant) in enumerate(scored.rows):
        table.setdefault(vectors, {})[variant] = _estimate(*scored.of(scored.everywhere(place)))
    return table


def _wic_table(outcomes: WicOutcomes, counts: Floats) -> Record:
    table: Record = {}
    for (vectors, variant), right in zip(outcomes.rows, outcomes.right, strict=True):
        table.setdefault(vectors, {})[variant] = dataclasses.asdict(mean_estimate(right, counts))
    chosen = dataclasses.asdict(mean_estimate(outcomes.selected, counts))
    return {"rows": table, "chosen": {**chosen, "rows": outcomes.chosen}}


def _estimate(value: float, drawn: Floats) -> dict[str, float]:
    return dataclasses.asdict(Estimate(value, *percentile_interval(drawn)))


# Differences


def _contrasts(top: int, has_substitutes: bool) -> Iterator[Contrast]:
    """Rows to compare: the comparison's name, a row of the biLM, the other system, its row."""
    for variant in VARIANTS:
        for layer in range(1, top + 1):
            hole, own = (f"layer {layer}, {form}" for form in ("hole", "own"))
            yield f"hole less own, layer {layer}, {variant}", (hole, variant), "elmo", (own, variant)
        for form in ELMO_FORMS:
            row, bag_row = (f"layer {top}, {form}", variant), (form, variant)
            yield f"ELMo less word2vec, {form}, {variant}", row, "word2vec", bag_row
        if has_substitutes:
            expected, in_hole = (SUBSTITUTES, variant), (f"layer {top}, hole", variant)
            yield f"substitutes less hole, layer {top}, {variant}", expected, "elmo", in_hole
            for form in ("hole", "sentence"):
                yield f"substitutes less word2vec, {form}, {variant}", expected, "word2vec", (form, variant)


def _differences(
    elmo: Mapping[str, Scored], bag: Mapping[str, Scored], set_name: str, contrasts: Sequence[Contrast]
) -> Record:
    """Paired differences on one set, by name."""
    scored = {"elmo": elmo[set_name], "word2vec": bag[set_name]}

    def difference(first: Sequence[int], system: str, second: Sequence[int]) -> dict[str, float]:
        (value, drawn), (other, other_drawn) = scored["elmo"].of(first), scored[system].of(second)
        return _estimate(value - other, drawn - other_drawn)

    record: Record = {}
    for name, row, system, other_row in contrasts:
        first, second = scored["elmo"], scored[system]
        places = first.everywhere(first.rows.index(row)), second.everywhere(second.rows.index(other_row))
        record[name] = difference(places[0], system, places[1])
    best = {name: set_scores.best() for name, set_scores in scored.items()}
    chosen = {"elmo": _chosen(elmo, set_name), "word2vec": _chosen(bag, set_name)}
    for name, places_of in (("best", best), ("chosen", chosen)):
        record[f"{name}: ELMo less word2vec"] = {
            **difference(places_of["elmo"], "word2vec", places_of["word2vec"]),
            **{
                system: {**_estimate(*scored[system].of(places)), "rows": _counted(scored[system].rows, places)}
                for system, places in places_of.items()
            },
        }
    return record


def _chosen(scored: Mapping[str, Scored], set_name: str) -> list[int]:
    """The row for each word of a set, chosen on the marked sentences of all other words."""
    marked = scored["senses"]
    chosen = marked.chosen_elsewhere()
    return chosen if set_name == "senses" else [chosen[marked.place(WORD)]]


def _counted(rows: Sequence[Row], places: Sequence[int]) -> dict[str, int]:
    """How often each row is named."""
    names = [", ".join(rows[place]) for place in places]
    return {name: names.count(name) for name in dict.fromkeys(names)}


def _wic_differences(elmo: WicOutcomes, bag: WicOutcomes, counts: Floats, contrasts: Sequence[Contrast]) -> Record:
    """As `_differences`; "chosen" is chosen in folds within the training folds, among more variants."""
    outcomes = {"elmo": elmo, "word2vec": bag}
    record: Record = {}
    for name, row, system, other_row in contrasts:
        other = outcomes[system]
        gain = elmo.right[elmo.rows.index(row)] - other.right[other.rows.index(other_row)]
        record[name] = dataclasses.asdict(mean_estimate(gain, counts))
    best = {name: int(answered.right.mean(axis=1).argmax()) for name, answered in outcomes.items()}
    right = {
        "best": {name: answered.right[best[name]] for name, answered in outcomes.items()},
        "chosen": {name: answered.selected for name, answered in outcomes.items()},
    }
    for name, rights in right.items():
        record[f"{name}: ELMo less word2vec"] = {
            **dataclasses.asdict(mean_estimate(rights["elmo"] - rights["word2vec"], counts)),
            **{
                system: {
                    **dataclasses.asdict(mean_estimate(rights[system], counts)),
                    "rows": {", ".join(answered.rows[best[system]]): 1} if name == "best" else answered.chosen,
                }
                for system, answered in outcomes.items()
            },
        }
    return record


# Neighbours


def _neighbours(picked: TargetVectors, forms: Forms, encoder: ContextEncoder, marked: Scored) -> Record:
    """Of the marked sentences of `WORD` those nearest to `EXAMPLES`, by the row chosen on other words and by each."""
    asked = target_vectors(EXAMPLES, forms.encode, encoder.words, forms.pick)
    if asked.dropped:
        raise InputError(f"in {asked.dropped[0].sentence!r} {WORD!r} is no word of its own: try another segmenter")
    places = [place for place, item in enumerate(picked.items) if item.word == WORD]
    items = [picked.items[place] for place in places]
    vectors, means = picked.vectors[places], middle_of(picked, WORD)
    chosen = marked.chosen_elsewhere()[marked.place(WORD)]
    table: Record = {}
    record: Record = {"chosen": dict(zip(("vectors", "variant"), marked.rows[chosen], strict=True))}
    for place, (name, variant) in enumerate(marked.rows):
        column = place // len(VARIANTS)
        middle = means[column] if variant == "centred" else np.zeros_like(means[column])
        index = ContextIndex(items, vectors[:, column] - middle)
        found = [index.nearest(vector - middle, NEIGHBOURS) for vector in asked.vectors[:, column]]
        right = [
            sum(neighbour.item.sense == item.sense for neighbour in nearest)
            for nearest, item in zip(found, EXAMPLES, strict=True)
        ]
        by_sense = dict(zip([item.sense for item in EXAMPLES], right, strict=True))
        table.setdefault(name, {})[variant] = by_sense
        if place == chosen:
            record["right"] = by_sense
            record["nearest"] = {
                item.sentence: [
                    {"sentence": one.item.sentence, "sense": one.item.sense, "cosine": one.cosine} for one in nearest
                ]
                for item, nearest in zip(EXAMPLES, found, strict=True)
            }
    return {**record, "right_by_rows": table}
