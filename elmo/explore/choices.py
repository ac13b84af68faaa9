"""How often the right one of several candidates is scored best, with intervals and paired differences by resampling."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from elmo.errors import InputError
from elmo.statistics import draw_counts_within, mean_estimate, ratio_estimate
from elmo.system.types import Bools, Floats, Record

METRICS = {
    "accuracy": "share of questions whose answer has the highest score of its candidates",
    "reciprocal_rank": "mean of 1 / rank of the answer among its candidates",
    "accuracy_less_prior": "accuracy of scores less what the same candidate gets on average in the other questions",
    "reciprocal_rank_less_prior": "reciprocal rank of these",
    "log_probability": "mean over answers, in nats, of the logarithm of the whole answer's probability",
    "perplexity": "exp of the nats of all answers over their characters",
}
_DIGITS = 9  # scores are compared to so many: rounding must not order what is equal


@dataclass(frozen=True)
class QuestionScores:
    """What a model made of each question: metrics by name, [questions] each; NaN where a question doesn't count."""

    values: dict[str, Floats]
    sizes: Floats  # [questions]: characters of the answers


def credit(scores: Floats, answer: int) -> tuple[float, float]:
    """Accuracy and reciprocal rank of one question: their means over the orders that equal scores leave open.

    Args:
        scores: [candidates]; minus infinity for what a model can't say.
        answer: which of them is right.
    """
    rounded = np.round(scores, _DIGITS)
    better = int((rounded > rounded[answer]).sum())
    equal = int((rounded == rounded[answer]).sum())
    ranks = better + 1 + np.arange(equal)
    return (0.0 if better else 1 / equal), float((1 / ranks).mean())


def chance(candidates: Sequence[Sequence[str]]) -> dict[str, float]:
    """Accuracy and reciprocal rank, on average, of a model that knows nothing."""
    counts = [len(names) for names in candidates]
    return {
        "accuracy": float(np.mean([1 / count for count in counts])),
        "reciprocal_rank": float(np.mean([(1 / np.arange(1, count + 1)).mean() for count in counts])),
    }


def less_prior(scores: Sequence[Floats], candidates: Sequence[Sequence[str]], kinds: Sequence[str]) -> list[Floats]:
    """Scores less the mean score of the same candidate over all questions of the kind.

    Frequent words have high scores wherever they are asked; what is left is what the question itself says. A
    question's own level is taken away first, as candidates aren't all in the same questions.
    """
    levelled = []
    sums: dict[tuple[str, str], float] = {}
    counts: dict[tuple[str, str], int] = {}
    for row, names, kind in zip(scores, candidates, kinds, strict=True):
        known = np.isfinite(row)
        levelled.append(row - row[known].mean() if known.any() else row)
        for name, score in zip(names, levelled[-1], strict=True):
            sums[kind, name] = sums.get((kind, name), 0.0) + float(score)
            counts[kind, name] = counts.get((kind, name), 0) + 1
    found = []
    for row, names, kind in zip(levelled, candidates, kinds, strict=True):
        means = np.array([sums[kind, name] / counts[kind, name] for name in names])
        found.append(np.where(np.isfinite(row), row - np.where(np.isfinite(means), means, 0.0), -np.inf))
    return found


def score_questions(
    scores: Sequence[Floats],
    candidates: Sequence[Sequence[str]],
    answers: Sequence[str],
    kinds: Sequence[str],
    *,
    are_probabilities: bool,
) -> QuestionScores:
    """Credit of each question by its scores, [candidates] each; log probability where scores are such of the answer."""
    places = [list(names).index(answer) for names, answer in zip(candidates, answers, strict=True)]
    values: dict[str, Floats] = {}
    for ending, rows in (("", scores), ("_less_prior", less_prior(scores, candidates, kinds))):
        credits = np.array([credit(row, place) for row, place in zip(rows, places, strict=True)])
        values["accuracy" + ending], values["reciprocal_rank" + ending] = credits.T
    if are_probabilities:
        logs = np.array([row[place] for row, place in zip(scores, places, strict=True)])
        values["log_probability"] = np.where(np.isfinite(logs), logs, np.nan)
    return QuestionScores(values, np.array([len(answer) for answer in answers], dtype=np.float64))


@dataclass(frozen=True)
class Resamples:
    """Draws of questions, all questions of an answer together, within each kind: the same for all models."""

    kinds: tuple[str, ...]  # [questions]
    counts: Floats  # [resamples, questions]

    @classmethod
    def of(cls, kinds: Sequence[str], answers: Sequence[str], resamples: int, seed: int) -> Resamples:
        """Draw; the same seed draws the same questions."""
        return cls(tuple(kinds), draw_counts_within(kinds, answers, resamples, seed))

    def parts(self) -> dict[str, Bools]:
        """All questions, and those of each kind: [questions]."""
        own = np.array(self.kinds)
        return {"all": np.ones(len(own), np.bool_), **{kind: own == kind for kind in dict.fromkeys(self.kinds)}}

    def estimates(self, found: QuestionScores) -> Record:
        """Each metric on all questions and on each kind, with its interval."""
        return {part: self._metrics(found, rows) for part, rows in self.parts().items()}

    def differences(self, first: QuestionScores, second: QuestionScores) -> Record:
        """Second less first, resample by resample, in each metric that both have; above 0 where the second is better.

        There is none of perplexities: that of log probabilities says the same.
        """
        if len(first.sizes) != len(second.sizes):
            raise InputError(f"{len(first.sizes)} and {len(second.sizes)} questions: compare models on the same ones")
        shared = [name for name in first.values if name in second.values]
        gains = QuestionScores({name: second.values[name] - first.values[name] for name in shared}, first.sizes)
        found = self.estimates(gains)
        for record in found.values():
            record.pop("perplexity", None)
        return found

    def _metrics(self, found: QuestionScores, rows: Bools) -> Record:
        record: Record = {}
        for name, values in found.values.items():
            used = rows & ~np.isnan(values)
            if used.any():
                drawn = self.counts[:, used]
                record[name] = dataclasses.asdict(mean_estimate(values[used], drawn))
                if name == "log_probability":
                    nats = dataclasses.asdict(ratio_estimate(-values[used], found.sizes[used], drawn))
                    record["perplexity"] = {key: float(np.exp(min(value, 700.0))) for key, value in nats.items()}
        return record
