"""Checkers of chapter 9, BERT: attention, padding, layer normalisation, and what takes the place of masked tokens."""

from __future__ import annotations

import numpy as np

from elmo.exercises.harness.checking import Answer, Mistake, exercise
from elmo.nn.dropout import Dropout
from elmo.nn.transformer import Block, LayerNorm, Sizes
from elmo.runtime import paddle
from elmo.system.types import Array
from elmo.text.masking import Masker
from elmo.text.pieces import PieceVocabulary

_FAR = -1e9


@exercise("9.2")
def attention(answer: Answer, generator: np.random.Generator) -> None:
    """`attention(queries, keys, values)`: three arrays [tokens, size]; returns [tokens, size]."""
    tokens, size = 5, 4
    queries, keys, values = (generator.normal(size=(tokens, size)) for _ in range(3))
    value = answer.array(queries, keys, values, shape=[tokens, size])
    products = queries @ keys.T
    scaled = products / np.sqrt(size)
    mistakes = [
        Mistake(_softmax(products) @ values, "your scores are not scaled", "divide them by the root of the size"),
        Mistake(_softmax(products / size) @ values, "you divided by the size", "divide by its root"),
        Mistake(
            _softmax(products / np.sqrt(tokens)) @ values,
            "you divided by the root of the number of tokens",
            "the size of a query counts, queries.shape[1]",
        ),
        Mistake(_softmax(products * np.sqrt(size)) @ values, "you multiplied by the root", "divide"),
        Mistake(
            _softmax(scaled.T).T @ values,
            "your softmax runs over the queries",
            "each row of the weights, one query's, adds up to 1",
        ),
        Mistake(
            _softmax(scaled.T) @ values,
            "your queries and keys are exchanged",
            "the rows belong to the queries: queries @ keys.T",
        ),
        Mistake(scaled @ values, "the softmax is missing", "the scores become weights that add up to 1"),
        Mistake(_softmax(scaled) @ keys, "you mixed the keys", "what is mixed are the values"),
        Mistake(np.exp(scaled) @ values, "your weights don't add up to 1", "divide each row by its sum"),
    ]
    answer.compare(value, _package_attention(queries, keys, values), mistakes)


@exercise("9.3")
def padded_weights(answer: Answer, generator: np.random.Generator) -> None:
    """`padded_weights(scores, length)`: weights [tokens, tokens] of a sequence whose first `length` tokens are real."""
    tokens, length = 6, 4
    scores = generator.normal(size=(tokens, tokens))
    value = answer.array(scores, length, shape=[tokens, tokens])[:length]
    beyond = np.arange(tokens) >= length
    right = _softmax(np.where(beyond, _FAR, scores))
    late = np.where(beyond, 0.0, _softmax(scores))
    mistakes = [
        Mistake(
            late[:length],
            "your rows add up to less than 1, since the padding has had its share of the softmax",
            "take it out before the softmax, with a score of -1e9",
        ),
        Mistake(_softmax(scores)[:length], "the padding is still attended to", "scores[:, length:] = -1e9"),
        Mistake(
            _softmax(np.where(beyond, 0.0, scores))[:length],
            "you gave the padding the score 0, and exp(0) is 1",
            "a score of -1e9: its exponential is 0",
        ),
        Mistake(
            _softmax(np.where(beyond[:, None], _FAR, scores))[:length],
            "you masked the padding's rows",
            "its columns: the rows are those who look, the columns are looked at",
        ),
        Mistake(
            _softmax(np.where(np.arange(tokens) > length, _FAR, scores))[:length],
            "one padding token is left",
            "the first one has the number `length`",
        ),
        Mistake(
            _softmax(np.where(np.arange(tokens) >= length - 1, _FAR, scores))[:length],
            "the last real token is masked out, too",
            "the padding begins at `length`",
        ),
        Mistake(
            _softmax(np.where(beyond, scores, _FAR))[:length],
            "you masked out the real tokens, and left the padding",
            "the padding's numbers are `length` and above",
        ),
        Mistake(
            np.where(beyond, _FAR, scores)[:length], "these are the masked scores", "their softmax makes them weights"
        ),
        Mistake(
            _softmax(np.where(beyond, _FAR, scores).T).T[:length],
            "your columns add up to 1",
            "the rows have to: axis=1",
        ),
    ]
    answer.compare(value, right[:length], mistakes, "your list of the real tokens' weights")


@exercise("9.4")
def normalise(answer: Answer, generator: np.random.Generator) -> None:
    """`normalise(rows, weight, bias, eps)`: rows [tokens, dim] normalised, weight and bias [dim]."""
    tokens, dim, eps = 5, 4, 5e-4  # Paddle takes no more than 1e-3
    rows = generator.normal(0.02, 0.03, size=(tokens, dim))
    weight, bias = generator.uniform(0.5, 2, size=dim), generator.normal(size=dim)
    value = answer.array(rows, weight, bias, eps, shape=[tokens, dim])
    centred = rows - rows.mean(axis=1, keepdims=True)
    variance = rows.var(axis=1, keepdims=True)
    across, alone = rows - rows.mean(axis=0), centred / np.sqrt(variance + eps)
    mistakes = [
        Mistake(
            across / np.sqrt(rows.var(axis=0) + eps) * weight + bias,
            "you normalised each number over the tokens",
            "each token's row by its own mean and variance: axis=1, keepdims=True",
        ),
        Mistake(
            (rows - rows.mean()) / np.sqrt(rows.var() + eps) * weight + bias,
            "you took one mean and one variance for everything",
            "one for each row: axis=1, keepdims=True",
        ),
        Mistake(alone, "the scale and the offset are missing", "times weight, plus bias"),
        Mistake(alone * weight, "the offset is missing", "plus bias"),
        Mistake(alone + bias, "the scale is missing", "times weight"),
        Mistake(alone * (weight + bias), "you added the bias to the weight", "times weight, then plus bias"),
        Mistake(
            centred / (variance + eps) * weight + bias, "the root is missing", "divide by the root of the variance"
        ),
        Mistake(
            centred / (np.sqrt(variance) + eps) * weight + bias,
            "your eps stands outside the root",
            "np.sqrt(variance + eps)",
        ),
        Mistake(centred / np.sqrt(variance) * weight + bias, "eps is missing", "np.sqrt(variance + eps)"),
        Mistake(rows / np.sqrt(variance + eps) * weight + bias, "the mean is not subtracted", "rows - mean on top"),
        Mistake(
            centred / np.sqrt(rows.var(axis=1, ddof=1, keepdims=True) + eps) * weight + bias,
            "your variance divides by dim - 1",
            "the mean of the squares: dim, which is NumPy's default",
        ),
    ]
    answer.compare(value, _package_norm(rows, weight, bias, eps), mistakes)


@exercise("9.5")
def replace(answer: Answer, generator: np.random.Generator) -> None:
    """`replace(ids, places, draws, others, mask_id)`: the ids [tokens], what was chosen replaced 80/10/10."""
    vocabulary = PieceVocabulary([*PieceVocabulary.special_tokens, *"我们今天去公园看花很好晴朗春风吹来了"])
    masker, seed = Masker(vocabulary), int(generator.integers(1 << 30))
    ids = generator.integers(5, len(vocabulary), size=80)
    places = np.sort(generator.choice(len(ids), 40, replace=False))
    drawing = np.random.default_rng(seed)  # as the package draws: first the numbers, then the other tokens
    draws = drawing.random(len(places))
    others = generator.integers(5, len(vocabulary), size=len(places))
    others[draws >= 0.9] = drawing.choice(np.arange(5, len(vocabulary)), int((draws >= 0.9).sum()))
    mask_id = vocabulary.mask_id
    value = answer.array(ids, places, draws, others, mask_id, shape=[len(ids)])

    def with_kinds(masked: Array, other: Array) -> Array:
        changed = ids.copy()
        changed[places[masked]] = mask_id
        changed[places[other]] = others[other]
        return changed

    low, high, nothing = draws < 0.8, draws >= 0.9, np.zeros(len(places), bool)
    middle = ~low & ~high
    first = with_kinds(low, nothing)
    first[places[high]] = others[: high.sum()]
    mistakes = [
        Mistake(with_kinds(~nothing, nothing), "all that was chosen is masked", "only where the draw is below 0.8"),
        Mistake(with_kinds(low, nothing), "no token became another one", "where the draw is 0.9 or more"),
        Mistake(with_kinds(low, ~low), "nothing that was chosen stays", "from 0.8 to 0.9 the token is left as it is"),
        Mistake(
            with_kinds(low, middle),
            "your last two tenths are exchanged",
            "the other token from 0.9 on; between 0.8 and 0.9 nothing changes",
        ),
        Mistake(with_kinds(high, low), "your masked and your other tokens are exchanged", "below 0.8 it is mask_id"),
        Mistake(with_kinds(nothing, high), "nothing is masked", "where the draw is below 0.8: mask_id"),
        Mistake(with_kinds(~high, high), "nothing that was chosen stays", "from 0.8 to 0.9 the token is left as it is"),
        Mistake(
            first,
            "your other tokens stand at the wrong places",
            "others has one for each of the places: others[draws >= 0.9]",
        ),
        Mistake(ids, "nothing is replaced", "ids.copy(), then two assignments"),
    ]
    answer.compare(value, masker.replace(ids, places, np.random.default_rng(seed)), mistakes, "your sequence")


def _softmax(scores: Array) -> Array:
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _package_attention(queries: Array, keys: Array, values: Array) -> Array:
    """The package's block, one head, whose linear map only tells queries, keys and values of a row apart."""
    size = queries.shape[1]
    sizes = Sizes(1, 3 * size, 1, 3, 1, 1, 1, 0, "gelu", 0.0, 0.0, 1e-12)
    block = Block(sizes)
    # Three heads of `size` numbers: the rows hold queries, keys and values, and head 0 gets one of each.
    weight = np.zeros((3 * size, 9 * size))
    for part in range(3):
        own = slice(part * size, (part + 1) * size)
        weight[own, 3 * part * size : (3 * part + 1) * size] = np.eye(size)
    block.qkv.weight.set_value(weight.astype(np.float32))
    rows = paddle.to_tensor(np.concatenate([queries, keys, values], axis=1).astype(np.float32))
    with paddle.no_grad():
        return np.asarray(block.attention(rows, 1, None, Dropout(False)).numpy()[:, :size])


def _package_norm(rows: Array, weight: Array, bias: Array, eps: float) -> Array:
    layer = LayerNorm(rows.shape[1], eps)
    layer.weight.set_value(weight.astype(np.float32))
    layer.bias.set_value(bias.astype(np.float32))
    with paddle.no_grad():
        return np.asarray(layer(paddle.to_tensor(rows.astype(np.float32))).numpy())
