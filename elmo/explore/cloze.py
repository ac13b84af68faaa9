"""Questions with a gap: what a model knows of the world and of words, by the probability of the whole missing unit.

Sun et al. (2019), "ERNIE: Enhanced Representation through Knowledge Integration", section 4.5, ask so in six sentences.
Here each answer is also ranked among the answers of its kind and length, which tells knowledge from luck.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from elmo.bilm import bilm_from_files
from elmo.checks import check_batch_size
from elmo.convert import read_any
from elmo.corpora.tables import read_table
from elmo.encoding.bert import Bert
from elmo.encoding.encoder import Encoder
from elmo.errors import InputError
from elmo.explore.choices import METRICS, QuestionScores, Resamples, chance, score_questions
from elmo.explore.cloze_scores import (
    GAP,
    SCORINGS,
    Question,
    characters_of,
    known_words,
    masked_scores,
    sentence_scores,
)
from elmo.masked_lm import KIND, masked_lm_from_files
from elmo.system.types import Floats, PathLike
from elmo.text.pieces import PieceVocabulary
from elmo.text.segment import get_segmenter

ClozeModel = Bert | Encoder

LONGEST = 4  # characters of an answer at most
_COLUMNS = ["kind", "text", "answer"]
_BEST = 3  # candidates that an example names


def read_questions(path: PathLike) -> list[Question]:
    """Read tab-separated questions under the header kind, text, answer, such as data/cloze.tsv.

    Raises:
        InputError: the file is missing, not UTF-8 or empty, or a line is malformed; says which.
    """
    questions: dict[str, Question] = {}
    for number, fields in read_table(path, _COLUMNS, "question"):
        question = _parse(fields, f"{path}:{number}")
        if question.text in questions:
            raise InputError(f"{path}:{number}: {question.text!r} is asked twice; keep one of the two")
        questions[question.text] = question
    return list(questions.values())


def _parse(fields: list[str], place: str) -> Question:
    kind, text, answer = fields
    if text.count(GAP) != 1:
        raise InputError(f"{place}: {text!r} has {text.count(GAP)} gaps; write {GAP} once, where the answer is missing")
    if not re.fullmatch(rf"[\u3400-\u9fff]{{1,{LONGEST}}}", answer):
        raise InputError(f"{place}: answer {answer!r} is not one to {LONGEST} Chinese characters; ask for another word")
    if answer in text:
        raise InputError(f"{place}: {text!r} gives its answer {answer!r} away; word it otherwise")
    return Question(kind, text, answer)


def candidates_of(questions: Sequence[Question]) -> list[list[str]]:
    """For each question the answers of its kind and length, but for those that stand in its own text.

    Raises:
        InputError: a question has no candidate but its answer.
    """
    pools: dict[tuple[str, int], dict[str, None]] = {}
    for question in questions:
        pools.setdefault((question.kind, len(question.answer)), {})[question.answer] = None
    found = []
    for question in questions:
        found.append([n for n in pools[question.kind, len(question.answer)] if n not in question.text])
        if len(found[-1]) < 2:
            raise InputError(
                f"{question.text!r}: no other answer of kind {question.kind} has {len(question.answer)} characters to "
                "choose from; add such questions, or leave it out"
            )
    return found


def load_model(path_or_name: PathLike) -> ClozeModel:
    """Load a masked language model or a biLM, whichever it is.

    Raises:
        InputError: it is missing or damaged, of another kind, or came without what predicts.
    """
    files = read_any(path_or_name)
    if files.kind not in (KIND, "bilm"):
        raise InputError(f"{path_or_name}: a {files.kind} model predicts no missing words; give a masked LM or a biLM")
    model: ClozeModel
    if isinstance(files.vocabulary, PieceVocabulary):
        model = Bert(masked_lm_from_files(files, path_or_name), files.vocabulary, files.provenance)
        predicts = model.model.config.head
    else:
        bilm = bilm_from_files(files, path_or_name, consume=True)
        model = Encoder(bilm, files.vocabulary, get_segmenter("jieba"), files.provenance)
        predicts = bilm.config.softmax
    if not predicts:
        raise InputError(f"{path_or_name}: came without the layer that predicts words: give a model that has it")
    return model


def labels(paths: Sequence[PathLike]) -> list[str]:
    """Short names of models: the last parts of their paths, as many as tell them apart.

    Raises:
        InputError: a model is given twice.
    """
    parts = [Path(path).resolve().parts for path in paths]
    if repeated := [path for path, count in zip(paths, map(parts.count, parts), strict=True) if count > 1]:
        raise InputError(f"{repeated[0]}: is given twice; give each model once")
    size = next(n for n in range(1, 1000) if len({part[-n:] for part in parts}) == len(parts))
    return ["/".join(part[-size:]) for part in parts]


def evaluate_files(
    paths: Sequence[PathLike], questions_path: PathLike, *, batch_size: int = 32, resamples: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """As `evaluate_cloze`, from files: directories or names of models, and questions.

    Raises:
        InputError: one of them can't be used; says which.
    """
    check_batch_size(batch_size)
    questions = read_questions(questions_path)
    names = labels(paths)
    models = {name: load_model(path) for name, path in zip(names, paths, strict=True)}
    return evaluate_cloze(models, questions, batch_size=batch_size, resamples=resamples, seed=seed)


def lines_of(result: dict[str, Any]) -> list[str]:
    """Accuracy of each model over all questions, as lines to print, chance first."""
    lines = [f"chance: {result['chance']['all']['accuracy']:.1%} of {result['questions']['number']} questions"]
    for name, record in result["models"].items():
        for way in (way for way in result["scorings"] if way in record):
            found = record[way]["all"]["accuracy"]
            lines.append(f"{name}, {way}: {found['value']:.1%} ({found['low']:.1%} to {found['high']:.1%})")
    return lines


def evaluate_cloze(
    models: dict[str, ClozeModel],
    questions: Sequence[Question],
    *,
    batch_size: int = 32,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Score models on questions in each way that they can be, with intervals, and compare each two of them.

    Intervals (95%) are from drawing questions within each kind. Log probability and perplexity are taken over the
    answers that every masked language model given can say; a model that can't say an answer is wrong there.

    Args:
        models: by the names that the results give them.
    """
    candidates = candidates_of(questions)
    answers, kinds = [question.answer for question in questions], [question.kind for question in questions]
    draws = Resamples.of(kinds, answers, resamples, seed)
    scores = {name: _scores(model, questions, candidates, batch_size) for name, model in models.items()}
    found = {
        name: {
            way: score_questions(rows, candidates, answers, kinds, are_probabilities=way != "sentence")
            for way, rows in ways.items()
        }
        for name, ways in scores.items()
    }
    _keep_common(found.values())
    return {
        "questions": {"number": len(questions), "kinds": dict(Counter(kinds))},
        "main": "at_once",
        "scorings": {way: text for way, text in SCORINGS.items() if any(way in ways for ways in scores.values())},
        "metrics": METRICS,
        "resamples": resamples,
        "seed": seed,
        "chance": {
            part: chance([candidates[row] for row in np.flatnonzero(rows)]) for part, rows in draws.parts().items()
        },
        "models": {
            name: {
                "unknown": _unknown(model, questions),
                **{way: draws.estimates(result) for way, result in found[name].items()},
            }
            for name, model in models.items()
        },
        "differences": list(_differences(found, draws)),
        "examples": [
            _example(row, questions[row], candidates[row], scores) for row in map(kinds.index, Counter(kinds))
        ],
    }


def _scores(
    model: ClozeModel, questions: Sequence[Question], candidates: Sequence[Sequence[str]], batch_size: int
) -> dict[str, list[Floats]]:
    if isinstance(model, Bert):
        return {
            way: masked_scores(model, questions, candidates, in_turn=way == "in_turn", batch_size=batch_size)
            for way in ("at_once", "in_turn")
        }
    return {"sentence": sentence_scores(model, questions, candidates, batch_size)}


def _keep_common(found: Iterable[dict[str, QuestionScores]]) -> None:
    """Leave out of every log probability the answers that one of the models can't say."""
    logs = [result.values["log_probability"] for ways in found for result in ways.values() if "sentence" not in ways]
    if logs:
        missing = np.isnan(logs).any(axis=0)
        for values in logs:
            values[missing] = np.nan


def _unknown(model: ClozeModel, questions: Sequence[Question]) -> dict[str, Any]:
    """What a vocabulary lacks: answers that can't be said, by kind, and characters or words of the texts."""
    silent: Counter[str] = Counter()
    tokens = 0
    for question in questions:
        if isinstance(model, Bert):
            silent[question.kind] += characters_of(model, question.answer) is None
            ids = [piece.id for side in question.sides for piece in model.tokenize(side)]
        else:
            silent[question.kind] += known_words(model, question.answer) is None
            ids = model.vocabulary.encode(word for side in question.sides for word in model.words(side))
        tokens += ids.count(model.vocabulary.unk_id)
    return {"answers": silent.total(), "answers_by_kind": dict(silent), "tokens_of_texts": tokens}


def _differences(found: dict[str, dict[str, QuestionScores]], draws: Resamples) -> Iterator[dict[str, Any]]:
    """Each two models, second less first, in each scoring that both have; a biLM is set against at_once."""
    names = list(found)
    for number, second in enumerate(names):
        for first in names[:number]:
            pairs = [(way, way) for way in found[first] if way in found[second]]
            for one, other in pairs or [(next(iter(found[first])), next(iter(found[second])))]:
                yield {
                    "first": first,
                    "second": second,
                    "scorings": [one, other],
                    **draws.differences(found[first][one], found[second][other]),
                }


def _example(
    row: int, question: Question, candidates: Sequence[str], scores: dict[str, dict[str, list[Floats]]]
) -> dict[str, Any]:
    """The answer's score and rank, and the best candidates, of the first question of a kind."""
    place = list(candidates).index(question.answer)
    shown: dict[str, dict[str, Any]] = {}
    for name, ways in scores.items():
        for way, rows in ways.items():
            values = rows[row]
            order = np.argsort(-values, kind="stable")[:_BEST]
            shown.setdefault(name, {})[way] = {
                "log_probability": float(values[place]) if np.isfinite(values[place]) else None,
                "rank": 1 + int((values > values[place]).sum()),
                "best": [candidates[index] for index in order],
            }
    return {
        "kind": question.kind,
        "text": question.text,
        "answer": question.answer,
        "candidates": len(candidates),
        "models": shown,
    }
