"""How probable a model finds each candidate for the gap of a question; see `elmo.explore.cloze`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from elmo.encoding.bert import Bert
from elmo.encoding.encoder import Encoder
from elmo.errors import InputError
from elmo.nn.evaluating import evaluating
from elmo.runtime import paddle
from elmo.system.types import Floats
from elmo.text.lengths import pad

GAP = "____"
SCORINGS = {
    "at_once": "all characters of the answer are masked, and each is predicted without the others; the main score",
    "in_turn": "from left to right, each character is predicted with those before it filled in and those behind masked",
    "sentence": "log probability of the sentence with the candidate in the gap, forwards plus backwards",
}


@dataclass(frozen=True)
class Question:
    """A sentence with a gap, and what belongs there."""

    kind: str  # candidates come from the same kind
    text: str  # holds GAP once
    answer: str

    @property
    def sides(self) -> tuple[str, str]:
        """What stands before and behind the gap."""
        before, _, behind = self.text.partition(GAP)
        return before, behind


# Masked language models


class _Wanted(NamedTuple):
    """What is asked of a sequence: log probabilities of tokens at one place, for some candidates of a question."""

    place: int
    question: int
    candidates: list[int]
    tokens: list[int]  # one for each of them


def masked_scores(
    bert: Bert,
    questions: Sequence[Question],
    candidates: Sequence[Sequence[str]],
    *,
    in_turn: bool = False,
    batch_size: int = 32,
) -> list[Floats]:
    """Log probability in nats of each candidate in the gap, an array [candidates] a question; see SCORINGS.

    Both ways the probabilities of all strings of that length add up to 1. A candidate with a character that is not in
    the vocabulary can't be said by the model: minus infinity.

    Raises:
        InputError: a question is too long for the model.
    """
    requests = list(_requests(bert, questions, candidates, in_turn))
    requests.sort(key=lambda request: len(request[0]))
    known = [[characters_of(bert, name) is not None for name in names] for names in candidates]
    scores = [np.where(row, 0.0, -np.inf) for row in known]
    for start in range(0, len(requests), batch_size):
        batch = requests[start : start + batch_size]
        rows, lengths = pad([ids for ids, _ in batch], bert.vocabulary.pad_id)
        asked = [(row * rows.shape[1] + wanted.place, wanted) for row, (_, all_) in enumerate(batch) for wanted in all_]
        places = np.array([place for place, _ in asked], np.int64)
        with evaluating(bert.model):
            logs = bert.model.predictions(*map(paddle.to_tensor, (rows, lengths, places))).numpy()
        for row, (_, wanted) in enumerate(asked):
            scores[wanted.question][wanted.candidates] += logs[row, wanted.tokens]
    return scores


def _requests(
    bert: Bert, questions: Sequence[Question], candidates: Sequence[Sequence[str]], in_turn: bool
) -> Iterator[tuple[list[int], list[_Wanted]]]:
    """Sequences of ids, each once, and what is asked of them."""
    vocabulary, longest = bert.vocabulary, bert.model.config.max_length
    for number, (question, names) in enumerate(zip(questions, candidates, strict=True)):
        before, behind = ([piece.id for piece in bert.tokenize(side)] for side in question.sides)
        size = len(question.answer)
        if len(before) + size + len(behind) + 2 > longest:
            raise InputError(f"{question.text!r} is too long for this model, which reads {longest}: give a shorter one")
        asked: dict[tuple[int, ...], dict[int, _Wanted]] = {}  # by what is filled in, and by place
        for index, name in enumerate(names):
            spelt = characters_of(bert, name) or []
            for place, token in enumerate(spelt):
                filled = tuple(spelt[:place]) if in_turn else ()
                empty = _Wanted(1 + len(before) + place, number, [], [])
                wanted = asked.setdefault(filled, {}).setdefault(place, empty)
                wanted.candidates.append(index)
                wanted.tokens.append(token)
        for filled, by_place in asked.items():
            gap = [*filled, *[vocabulary.mask_id] * (size - len(filled))]
            yield [vocabulary.bos_id, *before, *gap, *behind, vocabulary.eos_id], list(by_place.values())


def characters_of(bert: Bert, name: str) -> list[int] | None:
    """Ids of a candidate's characters; None if one of them is unknown."""
    ids = [piece.id for piece in bert.tokenize(name)]
    return None if bert.vocabulary.unk_id in ids else ids


# ELMo


def sentence_scores(
    encoder: Encoder, questions: Sequence[Question], candidates: Sequence[Sequence[str]], batch_size: int = 64
) -> list[Floats]:
    """Log probability in nats of each sentence with a candidate filled in, both directions added up; see SCORINGS.

    The two sides of the gap are cut into words on their own, so that they are the same whatever is filled in: the
    segmenter's dictionary, which knows idioms, has no say. A candidate that is no word of the vocabulary is cut into
    some that are, or else can't be said: minus infinity.

    Raises:
        InputError: the biLM came without its softmax.
    """
    scores = [np.full(len(names), -np.inf) for names in candidates]
    sentences: list[tuple[list[str], int, int]] = []
    for number, (question, names) in enumerate(zip(questions, candidates, strict=True)):
        before, behind = (encoder.words(side) for side in question.sides)
        for index, name in enumerate(names):
            filled = known_words(encoder, name)
            if filled is not None:
                sentences.append((before + filled + behind, number, index))
    sentences.sort(key=lambda sentence: len(sentence[0]))
    start = 0
    while start < len(sentences):  # batches of one length: without padding
        length = len(sentences[start][0])
        batch = [sentence for sentence in sentences[start : start + batch_size] if len(sentence[0]) == length]
        for total, (_, number, index) in zip(_log_probabilities(encoder, [s[0] for s in batch]), batch, strict=True):
            scores[number][index] = total
        start += len(batch)
    return scores


def known_words(encoder: Encoder, name: str) -> list[str] | None:
    """A candidate as one word of the vocabulary, or cut into several; None if one of them is unknown."""
    if name in encoder.vocabulary:
        return [name]
    words = encoder.words(name)
    return words if all(word in encoder.vocabulary for word in words) else None


def _log_probabilities(encoder: Encoder, sentences: Sequence[list[str]]) -> Floats:
    """Forward plus backward log probability of sentences of one length, [sentences]."""
    model, vocabulary = encoder.model, encoder.vocabulary
    rows, lexicon = encoder.ids(sentences)
    first, last = model.boundary_ids(lexicon)
    ids, words = np.array(rows, np.int64), np.array([vocabulary.encode(words) for words in sentences], np.int64)

    def bounded(values: npt.NDArray[np.int64], begin: int | None, end: int | None) -> npt.NDArray[np.int64]:
        edges = [np.full((len(values), 1), edge) for edge in (begin, end) if edge is not None]
        return np.concatenate([*edges[: begin is not None], values, *edges[begin is not None :]], axis=1)

    turned_ids, turned_words = ids[:, ::-1], words[:, ::-1]
    with evaluating(model):
        forward, backward, _ = model(
            paddle.to_tensor(bounded(ids, first, None)),
            paddle.to_tensor(bounded(turned_ids, last, None)),
            lexicon=lexicon,
        )
        totals = np.zeros(len(sentences))
        for outputs, targets in (
            (forward[-1], bounded(words, None, vocabulary.eos_id)),
            (backward[-1], bounded(turned_words, None, vocabulary.bos_id)),
        ):
            losses = model.losses(
                outputs.reshape([-1, outputs.shape[2]]), paddle.to_tensor(np.ascontiguousarray(targets).ravel())
            )
            totals -= losses.numpy().astype(np.float64).reshape(targets.shape).sum(axis=1)
    return totals
