"""What a biLM expects at a word's position: the words that could stand there, and one vector made of theirs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from elmo.encoding.encoder import Encoder
from elmo.errors import InputError
from elmo.nn.evaluating import evaluating
from elmo.system.types import Sentence, Vectors

_SHIFT = 2.7  # of Zipf's law as Mandelbrot has it: a word's frequency is proportional to 1 / (rank + 2.7)
_ROWS = 128  # that are compared with the whole vocabulary at a time


class Substitutes:
    """What both readers of a biLM expect at a position, before they have read the word there.

    Each reader gives every word of the vocabulary a probability, p_L from the left and p_R from the right. A word's
    *weight* is proportional to sqrt(p_L p_R) / p, where p is its frequency: how many times more often than usual the
    two readers expect the word, in the geometric mean. The *substitute vector* is the mean by these weights of the
    words' vectors in the softmax, each scaled to length 1. It tells senses apart better than the states it is made of.

    Frequencies follow Zipf's law by a word's place in the vocabulary, which is ordered by falling frequency.

    Args:
        encoder: with a softmax and a vocabulary by falling frequency, as `elmo vocab` writes it.

    Raises:
        InputError: the model came without its softmax.

    Source:
        A word in context as the weights of its substitutes: Melamud, Dagan and Goldberger 2015; substitutes from a
        biLM: Amrami and Goldberg 2018. The geometric mean and the mean of word vectors are choices of this package.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        weight, bias = encoder.model.softmax_parameters()
        with evaluating(encoder.model):
            self._weight, self._bias = np.asarray(weight.numpy(), np.float32), np.asarray(bias.numpy(), np.float32)
        self._unit = self._weight / np.maximum(np.linalg.norm(self._weight, axis=1, keepdims=True), 1e-12)
        self._log_frequency = -np.log(np.arange(len(self._bias), dtype=np.float32) + _SHIFT)
        vocabulary = encoder.vocabulary
        self._never = [vocabulary.bos_id, vocabulary.eos_id, vocabulary.unk_id]

    @property
    def size(self) -> int:
        """Numbers of a substitute vector."""
        return int(self._weight.shape[1])

    def weights(self, holes: npt.ArrayLike) -> Vectors:
        """Weights [n, vocabulary], each row with the sum 1; `<S>`, `</S>` and `<UNK>` have none.

        Args:
            holes: [n, 2 x projection], last layer of `Encoder.encode(..., positions="hole")`.
        """
        holes = np.asarray(holes, np.float32)
        if holes.ndim != 2 or holes.shape[1] != 2 * self.size:
            raise InputError(f"holes have the shape {list(holes.shape)}: give [n, {2 * self.size}], of the last layer")
        left, right = holes[:, : self.size], holes[:, self.size :]
        scores = (self._log_probabilities(left) + self._log_probabilities(right)) / 2 - self._log_frequency
        scores[:, self._never] = -np.inf
        return np.exp(_log_softmax(scores))

    def vectors(self, holes: npt.ArrayLike) -> Vectors:
        """Substitute vectors [n, size] of holes as `weights` takes them."""
        holes = np.asarray(holes, np.float32)
        rows = [self.weights(holes[first : first + _ROWS]) @ self._unit for first in range(0, len(holes), _ROWS)]
        return np.concatenate([np.zeros((0, self.size), np.float32), *rows])

    def words(self, sentence: Sentence, position: int, count: int = 10) -> list[tuple[str, float]]:
        """The words that both readers expect most at a position of a sentence, with their weights.

        Args:
            sentence: a string, which is segmented, or its words.
            position: of the word, from 0; it is not read.
            count: how many words.

        Raises:
            InputError: the sentence has no such position.
        """
        words = self.encoder.words(sentence)
        if not 0 <= position < len(words):
            raise InputError(f"position {position}: the sentence has {len(words)} words, counted from 0")
        (holes,) = self.encoder.encode([words], positions="hole")
        (weights,) = self.weights(holes[-1, position : position + 1])
        best = np.argsort(-weights, kind="stable")[:count]
        return [(self.encoder.vocabulary.tokens[place], float(weights[place])) for place in best]

    def encode(self, sentences: Sequence[Sentence]) -> list[Vectors]:
        """Substitute vectors [words, size] of each sentence."""
        return [self.vectors(layers[-1]) for layers in self.encoder.encode(sentences, positions="hole")]

    def _log_probabilities(self, states: Vectors) -> Vectors:
        return _log_softmax(states @ self._weight.T + self._bias)


def _log_softmax(scores: Vectors) -> Vectors:
    shifted = scores - scores.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), np.float32)
