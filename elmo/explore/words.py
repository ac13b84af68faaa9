"""Evaluation of word vectors on human similarity judgements and on analogy questions, each with its interval."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from elmo.checks import optional_module
from elmo.corpora.tables import read_text
from elmo.encoding.protocols import WordSpace
from elmo.errors import InputError
from elmo.statistics import Estimate, draw_rows, middle_95, resampled_means
from elmo.system.types import Bools, Floats, Ids, PathLike, Record, Vectors
from elmo.word_vectors import unit_rows

_QUESTIONS_AT_ONCE = 512


class JudgedPair(NamedTuple):
    """Two words and how similar people find them, on the scale of the set."""

    first: str
    second: str
    judgement: float


class AnalogyQuestion(NamedTuple):
    """`a` is to `b` as `c` is to `d`, where `d` is what has to be found."""

    section: str
    a: str
    b: str
    c: str
    d: str


@dataclass(frozen=True)
class WordScore(Estimate):
    """A score x 100 over the pairs or questions that are covered, with its 95% bootstrap interval over them."""

    covered: int
    total: int

    def record(self, measure: str) -> Record:
        """As a results file has it, the value by its name."""
        fields = dataclasses.asdict(self)
        return {measure: fields.pop("value"), **fields}


@dataclass(frozen=True)
class AnalogyResult:
    """Per cent of the questions answered rightly: of all, and of each section in the order of the set."""

    overall: WordScore
    sections: dict[str, WordScore]

    def record(self) -> Record:
        """As a results file has it."""
        sections = {name: score.record("percent") for name, score in self.sections.items()}
        return {"overall": self.overall.record("percent"), "sections": sections}


def read_similarity(path: PathLike) -> list[JudgedPair]:
    """Read a similarity set: a line holds two words and a number, separated by tabs (the format of wordsim-240).

    Raises:
        InputError: the file is missing, empty or not UTF-8, or a line holds anything else.
    """
    pairs = []
    for number, line in _numbered_lines(path):
        fields = [part.strip() for part in line.split("\t")]
        try:
            first, second, judgement = fields
            pairs.append(JudgedPair(first, second, float(judgement)))
        except ValueError:
            raise InputError(
                f"{path}:{number}: {line!r} is not two words and a number separated by tabs; correct the line"
            ) from None
    if not pairs:
        raise InputError(f"{path}: holds no pair of words; give a similarity set such as wordsim-240")
    return pairs


def read_analogies(path: PathLike) -> list[AnalogyQuestion]:
    """Read an analogy set in word2vec's format: a line holds four words, a line `: name` begins a section.

    Raises:
        InputError: the file is missing, empty or not UTF-8, or a line holds anything else.
    """
    questions = []
    section = ""
    for number, line in _numbered_lines(path):
        words = line.split()
        if words[0] == ":" and len(words) > 1:
            section = " ".join(words[1:])
        elif len(words) == 4:
            questions.append(AnalogyQuestion(section, *words))
        else:
            raise InputError(f"{path}:{number}: {line!r} is not four words nor `: section`; correct the line")
    if not questions:
        raise InputError(f"{path}: holds no question; give an analogy set of four words a line")
    return questions


def word_similarity(
    vectors: WordSpace | Mapping[str, Vectors],
    pairs: Sequence[JudgedPair],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> WordScore:
    """Compare the cosines of word pairs with human judgements by Spearman's rank correlation.

    Args:
        vectors: the words and their vectors.
        pairs: the judged pairs; one is covered when both of its words have a vector.
        resamples: how many times the covered pairs are drawn with replacement for the interval.
        seed: of those draws.

    Raises:
        InputError: fewer than 3 pairs are covered.
    """
    covered = [pair for pair in pairs if pair.first in vectors and pair.second in vectors]
    if len(covered) < 3:
        raise InputError(
            f"{len(covered)} of {len(pairs)} pairs have vectors for both words, too few to correlate: "
            "train on more text or with a smaller min_count"
        )
    first = _unit_rows(vectors, [pair.first for pair in covered])
    second = _unit_rows(vectors, [pair.second for pair in covered])
    cosines = np.einsum("pd,pd->p", first, second).astype(np.float64)
    judgements = np.array([pair.judgement for pair in covered])
    drawn = draw_rows(len(covered), resamples, np.random.default_rng(seed))
    low, high = middle_95(_spearman(cosines[drawn], judgements[drawn]))
    rho = float(_spearman(cosines[None], judgements[None])[0])
    return WordScore(100 * rho, 100 * low, 100 * high, len(covered), len(pairs))


def word_analogy(
    vectors: WordSpace | Mapping[str, Vectors],
    questions: Sequence[AnalogyQuestion],
    *,
    restrict: int | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> AnalogyResult:
    """Answer "a is to b as c is to ?" by the word nearest to b - a + c, the three themselves excluded (3CosAdd).

    Mikolov, Yih and Zweig 2013, "Linguistic regularities in continuous space word representations". Questions of a
    section share words, so the interval, which draws questions one by one, is narrower than one over new words.

    Args:
        vectors: the words and their vectors; an iteration over them gives the possible answers.
        questions: the questions; one is covered when its four words are among the possible answers.
        restrict: consider only the first so many words, as a rule the most frequent; None considers all.
        resamples: how many times the outcomes are drawn with replacement for the interval.
        seed: of those draws.

    Raises:
        InputError: no question is covered.
    """
    words = list(vectors)[:restrict]
    index = {word: row for row, word in enumerate(words)}
    covered = [question for question in questions if all(word in index for word in question[1:])]
    if not covered:
        raise InputError(
            f"none of {len(questions)} questions has all four words among {len(words)}: "
            "train on more text or with a smaller min_count"
        )
    rows = np.array([[index[word] for word in question[1:]] for question in covered])
    right = _answer(_unit_rows(vectors, words), rows[:, :3]) == rows[:, 3]
    sections = np.array([question.section for question in covered])
    rng = np.random.default_rng(seed)

    def accuracy(outcomes: Bools, total: int) -> WordScore:
        if not len(outcomes):
            return WordScore(float("nan"), float("nan"), float("nan"), 0, total)
        low, high = middle_95(resampled_means(outcomes, resamples, rng))
        return WordScore(100 * float(outcomes.mean()), 100 * low, 100 * high, len(outcomes), total)

    names = [question.section for question in questions]
    return AnalogyResult(
        accuracy(right, len(questions)),
        {name: accuracy(right[sections == name], names.count(name)) for name in dict.fromkeys(names)},
    )


def _numbered_lines(path: PathLike) -> list[tuple[int, str]]:
    """Lines that hold anything, with their number from 1."""
    lines = read_text(path).split("\n")
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def _unit_rows(vectors: WordSpace | Mapping[str, Vectors], words: Sequence[str]) -> Vectors:
    """Vectors of the words scaled to length 1 (a zero vector stays zero), [words, dim]."""
    lookup = vectors.__getitem__ if isinstance(vectors, Mapping) else vectors.vector
    rows = np.array([lookup(word) for word in words], dtype=np.float32)
    return unit_rows(rows)


def _answer(units: Vectors, rows: Ids) -> Ids:
    """Row of the best answer to each question, whose words a, b, c stand in these rows [questions, 3]."""
    answers = []
    for start in range(0, len(rows), _QUESTIONS_AT_ONCE):
        a, b, c = rows[start : start + _QUESTIONS_AT_ONCE].T
        scores = (units[b] - units[a] + units[c]) @ units.T
        questions = np.arange(len(a))
        for excluded in (a, b, c):
            scores[questions, excluded] = -np.inf
        answers.append(scores.argmax(axis=1))
    return np.concatenate(answers)


def load_rankdata() -> Callable[..., Floats]:
    """SciPy's ranks, which Spearman's rho needs; InputError where SciPy is not installed."""
    rankdata: Callable[..., Floats] = optional_module("scipy.stats", "a score on word pairs").rankdata
    return rankdata


def _spearman(first: Floats, second: Floats) -> Floats:
    """Spearman's rho of each row of two arrays [rows, n]; NaN where one of them is constant."""
    rankdata = load_rankdata()
    ranks = [rankdata(values, axis=1) for values in (first, second)]
    x, y = (row - row.mean(axis=1, keepdims=True) for row in ranks)
    with np.errstate(invalid="ignore"):
        return np.asarray((x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1)))
