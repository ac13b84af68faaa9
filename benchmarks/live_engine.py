"""The engine of "ELMo live" in V8, without a browser, and its answers beside those of `elmo.Encoder`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from py_mini_racer import MiniRacer

from elmo.encoding.encoder import Encoder
from elmo.web.export import ENGINE, STATIC

Floats = npt.NDArray[np.float32]
_PLAIN = "(key, value) => ArrayBuffer.isView(value) ? Array.from(value) : value"


class Engine:
    """The JavaScript engine with a model.

    Args:
        model_script: what `elmo.web.export.web_model` made.
        simd: False for the loops in plain JavaScript.
    """

    def __init__(self, model_script: str, simd: bool = True) -> None:
        self._racer = MiniRacer()
        for name in ENGINE:
            self._racer.eval((STATIC / f"{name}.js").read_text(encoding="utf-8"))
        self._racer.eval(model_script)
        self._racer.eval("var elmo = {}; for (const part of elmoEngine) part(elmo);")
        self.facts = self.evaluate(
            f'elmo.answerAtOnce("load", {{source: elmoModel, withoutSimd: {json.dumps(not simd)}}})'
        )
        self._racer.eval("elmoModel = null; 0")

    def ask(self, name: str, **request: Any) -> Any:
        """What the engine answers; arrays as lists."""
        return self.evaluate(f"elmo.answerAtOnce({json.dumps(name)}, {json.dumps(request)})")

    def ask_all(self, name: str, requests: Sequence[dict[str, Any]]) -> list[Any]:
        """What the engine answers to each of several requests."""
        asked = json.dumps(requests)
        answers: list[Any] = self.evaluate(f"{asked}.map((request) => elmo.answerAtOnce({json.dumps(name)}, request))")
        return answers

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression that JSON can hold."""
        return json.loads(str(self._racer.eval(f"JSON.stringify({expression}, {_PLAIN})")))

    def seconds(self, name: str, **request: Any) -> float:
        """How long the engine takes to answer, without the answer's way to Python."""
        call = f"elmo.answerAtOnce({json.dumps(name)}, {json.dumps(request)})"
        return (
            float(self.evaluate(f"(() => {{ const start = Date.now(); {call}; return Date.now() - start; }})()")) / 1000
        )


def compare_layers(engine: Engine, encoder: Encoder, sentences: Sequence[list[str]]) -> dict[str, list[float]]:
    """Least cosine of each layer between the engine's vectors and the encoder's, over all words: own and hole."""
    least = {}
    for positions in ("own", "hole"):
        expected = encoder.encode(sentences, positions=positions)
        layers = np.full(encoder.num_layers, np.inf)
        answers = engine.ask_all("layers", [{"words": words, "hole": positions == "hole"} for words in sentences])
        for found, vectors in zip(answers, expected, strict=True):
            layers = np.minimum(layers, _cosines(np.array(found, np.float32), vectors).min(axis=1))
        least[positions] = [float(value) for value in layers]
    return least


def compare_guesses(engine: Engine, encoder: Encoder, sentences: Sequence[list[str]]) -> dict[str, float]:
    """Share of words at which the likeliest guess of each reader is the encoder's own, and how many words there are."""
    parameters = {name: parameter.numpy() for name, parameter in encoder.model.named_parameters()}
    tied = encoder.model.config.tie_softmax
    weight, bias = parameters["embedding_para" if tied else "softmax_weight"], parameters["softmax_bias"]
    same = {"left": 0, "right": 0}
    count = 0
    vectors_by_sentence = encoder.encode(sentences, positions="hole")
    answers = engine.ask_all("allGuesses", [{"words": words} for words in sentences])
    for guesses, vectors in zip(answers, vectors_by_sentence, strict=True):
        for side, states in zip(same, np.split(vectors[-1], 2, axis=1), strict=True):
            best = (states @ weight.T + bias).argmax(axis=1)
            tops = [guess[side]["top"][0]["word"] for guess in guesses]
            same[side] += sum(encoder.vocabulary.tokens[word] == top for word, top in zip(best, tops, strict=True))
        count += len(guesses)
    return {**{side: number / count for side, number in same.items()}, "words": count}


def compare_words(engine: Engine, encoder: Encoder, sentences: Sequence[str]) -> dict[str, float]:
    """How the engine's words agree with the segmenter's.

    Returns:
        precision and recall of its words (same place, same length), their harmonic mean f1; recall of the segmenter's
        words that the vocabulary has; the share of those among all; sentences that are cut alike throughout.
    """
    shared = found = wanted = known = known_shared = whole = 0
    answers = engine.ask_all("cut", [{"text": sentence} for sentence in sentences])
    for sentence, answer in zip(sentences, answers, strict=True):
        words = encoder.words(sentence)
        page_words = answer["words"]
        places = _spans(words)
        page_places = _spans(page_words)
        in_vocabulary = {place for place, word in zip(places, words, strict=True) if word in encoder.vocabulary}
        both = set(page_places) & set(places)
        shared, found, wanted = shared + len(both), found + len(page_words), wanted + len(words)
        known, known_shared = known + len(in_vocabulary), known_shared + len(both & in_vocabulary)
        whole += words == page_words
    return {
        "precision": shared / found,
        "recall": shared / wanted,
        "f1": 2 * shared / (found + wanted),
        "recall_in_vocabulary": known_shared / known,
        "in_vocabulary": known / wanted,
        "whole_sentences": whole / len(sentences),
    }


def _spans(words: Sequence[str]) -> list[tuple[int, int]]:
    ends = np.cumsum([len(word) for word in words])
    return [(int(end) - len(word), int(end)) for end, word in zip(ends, words, strict=True)]


def _cosines(first: Floats, second: Floats) -> Floats:
    lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    return np.asarray((first * second).sum(axis=-1) / lengths)
