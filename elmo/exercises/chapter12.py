"""Checkers of chapter 12, taking it further: parameters, foreign gates, quantisation, a safetensors file."""

from __future__ import annotations

import numpy as np
from safetensors.numpy import save

from elmo.exercises.harness.checking import Answer, Mistake, exercise
from elmo.system.types import Array


@exercise("12.2")
def num_parameters(answer: Answer, generator: np.random.Generator) -> None:
    """`num_parameters(vocab, embed, hidden, layers, tied)`: parameters of a biLM."""
    vocab, embed, hidden = (int(generator.integers(low, 2 * low)) for low in (500, 8, 30))
    for tied in (False, True):
        value = answer.number(vocab, embed, hidden, 3, tied)
        layer = 9 * embed * hidden + 4 * hidden
        words = vocab * ((1 if tied else 2) * embed + 1)
        right = 6 * layer + words
        mistakes = [
            Mistake(
                3 * layer + vocab * (2 * embed + 1),
                "you counted one direction" + (", and a softmax that is tied" if tied else ""),
                "layers in each of two directions; tied, words have one matrix and not two",
            ),
            Mistake(3 * layer + words, "you counted one direction", "forward and backward layers are different ones"),
            Mistake(
                6 * layer + vocab * (2 * embed + 1) if tied else 0,
                "you counted the tied softmax's weights a second time",
                "tied, the softmax has only its bias",
            ),
            Mistake(right - vocab, "the bias of the softmax is missing", "one number a word, tied or not"),
            Mistake(
                right - 24 * hidden, "the biases of the layers are missing", "4 * hidden in each layer and direction"
            ),
            Mistake(
                right - 24 * embed * hidden,
                "the weights of the state are missing",
                "each layer has two matrices [embed, 4 * hidden]",
            ),
            Mistake(
                right - 6 * embed * hidden, "the projections are missing", "a matrix [hidden, embed] in each layer"
            ),
            Mistake(
                6 * layer + vocab * (embed + 1) if not tied else 0,
                "without tying the softmax has weights of its own",
                "two matrices [vocab, embed]",
            ),
        ]
        answer.compare(np.asarray(value), right, mistakes, f"your number with tied={tied}")


@exercise("12.3")
def our_bias(answer: Answer, generator: np.random.Generator) -> None:
    """`our_bias(bias)`: TensorFlow's bias [4 * hidden] in our order."""
    bias = generator.normal(size=20)
    value = answer.array(bias, shape=[20])
    first, candidate, forget, output = np.split(bias, 4)
    right = np.concatenate([candidate, first, forget + 1, output])
    mistakes = [
        Mistake(bias, "this is their bias as it was", "candidate first, then input; and the forget gate's 1"),
        Mistake(
            np.concatenate([candidate, first, forget, output]),
            "the order is right, and the 1 of the forget gate is missing",
            "forget + 1",
        ),
        Mistake(
            np.concatenate([first, candidate, forget + 1, output]),
            "the 1 is right, and two gates stand in their order",
            "candidate first, then input",
        ),
        Mistake(
            np.concatenate([candidate, first, forget - 1, output]),
            "you took the 1 away",
            "their program adds it at each step, ours does not: it must be in our bias",
        ),
        Mistake(
            np.concatenate([candidate, first, forget, output]) + 1,
            "you added 1 to every gate",
            "only the forget gate's quarter",
        ),
        Mistake(
            np.concatenate([candidate, first + 1, forget, output]), "you added 1 to the input gate", "the forget gate"
        ),
        Mistake(
            np.concatenate([candidate, first, output, forget + 1]), "the last two are exchanged", "forget, then output"
        ),
    ]
    answer.compare(value, right, mistakes)


@exercise("12.4")
def eight_bits(answer: Answer, generator: np.random.Generator) -> None:
    """`eight_bits(weights)`: quantised and scaled back, with one scale a column."""
    weights = generator.normal(size=(6, 4)) * np.array([0.1, 1.0, 5.0, 0.3])
    value = answer.array(weights, shape=[6, 4])
    size = np.abs(weights)
    largest = size.max(axis=0)
    scaled = weights / largest * 127
    mistakes = [
        Mistake(_round_trip(weights, size.max() / 127), "you used one scale for all columns", "axis=0 in max"),
        Mistake(
            _round_trip(weights, size.max(axis=1, keepdims=True) / 127),
            "you used a scale for each row",
            "a column goes down: axis=0",
        ),
        Mistake(weights, "these are the weights as they were", "np.round is missing"),
        Mistake(np.round(scaled), "these are the whole numbers", "times the scale again"),
        Mistake(np.trunc(scaled) * largest / 127, "you cut the numbers off", "np.round goes to the nearest"),
        Mistake(np.ceil(scaled) * largest / 127, "you rounded up", "np.round goes to the nearest"),
        Mistake(np.floor(scaled) * largest / 127, "you rounded down", "np.round goes to the nearest"),
        Mistake(
            _round_trip(weights, largest / 255),
            "your whole numbers go to 255",
            "with its sign, eight bits reach from -127 to 127",
        ),
        Mistake(
            _round_trip(weights, largest / 128),
            "your largest whole number is 128",
            "eight bits with a sign end at 127",
        ),
        Mistake(
            _round_trip(weights, weights.max(axis=0) / 127),
            "your scale ignores negative numbers",
            "the largest by its size: np.abs first",
        ),
    ]
    value, right = value / largest, _round_trip(weights, largest / 127) / largest  # columns count alike
    scaled_mistakes = [Mistake(m.value / largest, m.message, m.hint) for m in mistakes]
    answer.compare(value, right, scaled_mistakes)


def _round_trip(weights: Array, scale: Array) -> Array:
    return np.asarray(np.round(weights / scale) * scale)


@exercise("12.5")
def read_array(answer: Answer, generator: np.random.Generator) -> None:
    """`read_array(raw, name)`: an array of a safetensors file of float32 numbers."""
    arrays = {name: generator.normal(size=(3, 4)).astype(np.float32) for name in ("first", "second", "third")}
    raw = save(arrays, {"kind": "an exercise of chapter twelve"})
    length = int.from_bytes(raw[:8], "little")
    for name in ("second", "first"):
        value = answer.array(raw, name, shape=[3, 4])
        others = [
            Mistake(arrays[other], f"this is the array {other!r}, and {name!r} was asked for", "header[name]")
            for other in arrays
            if other != name
        ]
        mistakes = [
            Mistake(
                _cut(raw, arrays, name, 0),
                "you counted from the beginning of the file",
                "places are counted from the end of the header: 8 + length bytes are before them",
            ),
            Mistake(
                _cut(raw, arrays, name, length),
                "your numbers begin 8 bytes too early",
                "the eight bytes of the length stand before the header",
            ),
            Mistake(
                _cut(raw, arrays, name, 8),
                "you left the header's own length out",
                "8 + length bytes stand before the numbers",
            ),
            Mistake(arrays[name].reshape(4, 3).T, "your numbers are by columns", "reshape(shape), rows first"),
            *others,
        ]
        answer.compare(value, arrays[name], mistakes)


def _cut(raw: bytes, arrays: dict[str, Array], name: str, start: int) -> Array:
    """What stands where an array would be if the numbers began at another byte; not finite values become 0."""
    begin = start + 48 * list(arrays).index(name)
    return np.asarray(np.nan_to_num(np.frombuffer(raw[begin : begin + 48], "<f4").reshape(3, 4), posinf=0, neginf=0))
