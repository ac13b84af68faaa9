"""Checkers of chapter 2, word2vec: the noise distribution, the gradient of one pair, and analogies."""

from __future__ import annotations

import numpy as np

from elmo.exercises.harness.checking import Answer, Mistake, exercise
from elmo.runtime import paddle
from elmo.skipgram import noise_distribution, pair_slopes
from elmo.system.types import Array


@exercise("2.3")
def noise(answer: Answer, generator: np.random.Generator) -> None:
    """`noise(counts, power)`: probability of each word as noise [words], for counts [words] and a power."""
    counts = generator.permutation([1, 4, 30, 200, 1500])
    power = 0.75
    value = answer.array(counts, power, shape=[5])
    weights = counts**power
    shares = counts / counts.sum()
    mistakes = [
        Mistake(weights, "your numbers are weights that do not sum to 1", "divide by the sum of all weights"),
        Mistake(shares, "your result is the share of each word in the text: the power is missing", "counts ** power"),
        Mistake(
            shares**power,
            "you took the power of the shares and did not divide again, so the result does not sum to 1",
            "the power comes first and the division by the sum last",
        ),
        Mistake(
            counts * power / (counts * power).sum(),
            "you multiply by the power, which the division takes away again",
            "counts ** power, not counts * power",
        ),
        Mistake(
            weights / counts.sum(),
            "you divide by the number of words in the text, so the result does not sum to 1",
            "divide by the sum of the powers",
        ),
        Mistake(weights / weights.max(), "you divide by the largest weight", "divide by the sum of all weights"),
        Mistake(np.full(5, 0.2), "all words are equally likely in your result", "that is what a power of 0 would do"),
    ]
    answer.compare(value, noise_distribution(counts), mistakes)
    flat = answer.array(counts, 0.0, shape=[5])
    answer.compare(
        flat,
        np.full(5, 0.2),
        [Mistake(noise_distribution(counts), "you use 0.75 whatever the power is", "use the argument `power`")],
        "your result for a power of 0",
    )


@exercise("2.4")
def pair_gradient(answer: Answer, generator: np.random.Generator) -> None:
    """`pair_gradient(u, v, noise)`: gradient of one pair's loss in u [dim], for u and v [dim] and noise [k, dim]."""
    dim, count = 4, 3
    u, v, noise_vectors = generator.normal(size=dim), generator.normal(size=dim), generator.normal(size=(count, dim))
    value = answer.array(u, v, noise_vectors, shape=[dim])
    pair, told = _sigmoid(u @ v), _sigmoid(noise_vectors @ u)
    near, far = (pair - 1) * v, told @ noise_vectors
    answer.compare(
        value,
        _package_gradient(u, v, noise_vectors),
        [
            Mistake(near, "your result lacks the noise words", "add sigmoid(u @ n) * n for each row n of the noise"),
            Mistake(far, "your result lacks the word itself", "add (sigmoid(u @ v) - 1) * v"),
            Mistake(near - far, "the noise words have the wrong sign", "they are added: their label is 0, not 1"),
            Mistake(
                near + (told - 1) @ noise_vectors,
                "you treat the noise words like the word itself: their label is 0",
                "sigmoid(u @ n) * n for each row n of the noise",
            ),
            Mistake(
                far - near,
                "the word itself has the wrong sign",
                "its slope is sigmoid - label: (sigmoid(u @ v) - 1) * v",
            ),
            Mistake(
                -near - far,
                "your result has the wrong sign everywhere: it points downhill",
                "the gradient points uphill, and the training step subtracts it",
            ),
            Mistake(
                near + far / count,
                "you take the mean over the noise words",
                "the loss sums over them, and so does its gradient",
            ),
            Mistake(
                pair * v + far,
                "you treat the word like a noise word: its slope is sigmoid - label, and its label is 1",
                "(sigmoid(u @ v) - 1) * v",
            ),
            Mistake(
                (pair - 1) * u + told.sum() * u,
                "your result is made of u itself",
                "the derivative of u @ v in u is v",
            ),
        ],
    )


@exercise("2.5")
def analogy(answer: Answer, generator: np.random.Generator) -> None:
    """`analogy(vectors, a, b, c)`: row of the answer to "a is to b as c is to ?", for vectors [words, dim] and rows."""
    vectors, questions = _analogy_space(generator)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    value = np.array([answer.number(vectors, *question) for question in questions])
    answer.compare(
        value,
        [_nearest(units, question, exclude=True) for question in questions],
        [
            Mistake(
                [_nearest(units, question, exclude=False) for question in questions],
                "you answer with one of the three words of the question",
                "they are nearest nearly always: set their cosines to -np.inf",
            ),
            Mistake(
                [_nearest(units, (b, a, c), exclude=True) for a, b, c in questions],
                "your answers are those to a - b + c",
                "from a to b, and the same step from c: b - a + c",
            ),
            Mistake(
                [_nearest(units, question, exclude=True, worst=True) for question in questions],
                "you answer with the word that is furthest away",
                "argmax, not argmin",
            ),
            Mistake(
                [_nearest(vectors, question, exclude=True) for question in questions],
                "your vectors have different lengths, and long ones win",
                "scale every row to length 1 first",
            ),
            Mistake(
                [_nearest(units, question, exclude=True, step_in=vectors) for question in questions],
                "you scale the rows that are compared, and not the three of the question",
                "all from the scaled rows: units[b] - units[a] + units[c]",
            ),
            Mistake(
                [_nearest(units, question, exclude=True, left_out=question[2:]) for question in questions],
                "some of your answers are a or b itself",
                "all three words of the question are left out: a, b and c",
            ),
        ],
        "your list of answers",
    )


def _analogy_space(generator: np.random.Generator) -> tuple[Array, list[tuple[int, int, int]]]:
    """Vectors of very different lengths, and questions on which every known mistake fails in its own way."""
    vectors = generator.normal(size=(60, 6)) * generator.choice([0.2, 1, 5], size=(60, 1))
    questions = [tuple(map(int, generator.choice(60, size=3, replace=False))) for _ in range(12)]
    return vectors, questions  # type: ignore[return-value]  # mypy takes a tuple of a map as of any length


def _nearest(
    rows: Array,
    question: tuple[int, int, int],
    *,
    exclude: bool,
    worst: bool = False,
    step_in: Array | None = None,
    left_out: tuple[int, ...] = (),
) -> int:
    """The row nearest to b - a + c; the step can be taken in other rows, and fewer than a, b and c be left out."""
    a, b, c = question
    of_question = rows if step_in is None else step_in
    scores = rows @ (of_question[b] - of_question[a] + of_question[c])
    if worst:
        return int(scores.argmin())
    if exclude:
        scores[list(left_out or question)] = -np.inf
    return int(scores.argmax())


def _package_gradient(u: Array, v: Array, noise_vectors: Array) -> Array:
    """The gradient as a training step computes it: slopes of all scores, times the output vectors."""
    outputs = np.vstack([v, noise_vectors]).astype(np.float32)
    scores = paddle.to_tensor((outputs @ u.astype(np.float32))[None, None])  # one block, one context: [1, 1, 1 + k]
    slopes = pair_slopes(scores, paddle.ones_like(scores), 1).numpy()[0, 0]
    return np.asarray(slopes @ outputs)


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))
