"""The CRF against an enumeration of all sequences of tags, in float64."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest

from elmo.nn import native
from elmo.nn.crf import log_likelihood, viterbi
from elmo.nn.gru import Packing
from elmo.runtime import paddle
from tests.nn.gradients import assert_gradient

TAGS = 3
LENGTHS = [2, 4, 0, 1, 4]


def make(seed: int, scale: float = 1.0) -> tuple[Any, Any, Any, Packing]:
    """Packed emissions, a table, packed tags, and the packing."""
    generator = np.random.default_rng(seed)
    packing = Packing(LENGTHS)
    emissions = generator.normal(0.0, scale, (packing.size, TAGS))
    transitions = generator.normal(0.0, scale, (TAGS + 2, TAGS))
    return emissions, transitions, generator.integers(TAGS, size=packing.size), packing


def sentences(packed: Any, packing: Packing) -> list[Any]:
    """Each sentence's own rows, in their order."""
    owner, step = np.divmod(packing.rows, packing.time)
    return [packed[owner == row][np.argsort(step[owner == row])] for row in range(len(packing.lengths))]


def score(emissions: Any, transitions: Any, tags: Any) -> float:
    if not len(tags):
        return 0.0
    total = transitions[0][tags[0]] + transitions[1][tags[-1]]
    total += sum(emission[tag] for emission, tag in zip(emissions, tags, strict=True))
    return float(total + sum(transitions[2 + before][after] for before, after in pairwise(tags)))


def all_scores(emissions: Any, transitions: Any) -> dict[tuple[int, ...], float]:
    return {tags: score(emissions, transitions, tags) for tags in product(range(TAGS), repeat=len(emissions))}


@pytest.mark.parametrize("seed", range(20))
def test_viterbi_finds_the_best_of_all_sequences(seed: int, loops: str) -> None:
    emissions, transitions, _, packing = make(seed)
    best = sentences(viterbi(emissions, transitions, packing), packing)
    for own, tags in zip(sentences(emissions, packing), best, strict=True):
        scores = all_scores(own, transitions)
        assert tuple(tags) == max(scores, key=scores.__getitem__)


def test_viterbi_of_sentences_without_tokens_is_empty() -> None:
    assert viterbi(np.zeros((0, TAGS)), np.zeros((TAGS + 2, TAGS)), Packing([0, 0])).shape == (0,)


def test_viterbi_avoids_a_forbidden_transition(loops: str) -> None:
    transitions = np.zeros((TAGS + 2, TAGS))
    transitions[2 + 0][0] = -np.inf
    emissions = np.tile([1.0, 0.5, 0.0], (3, 1))
    assert viterbi(emissions, transitions, Packing([3])).tolist() == [0, 1, 0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("tags", [1, 16, 31, 33, 57, 70])  # 32 numbers in float32, 16 in float64: a panel
@pytest.mark.parametrize("numbers", ["any", "equal", "none"])
def test_compiled_loops_choose_the_same_tags(dtype, tags, numbers, onednn_loops, monkeypatch) -> None:
    """Where sums tie, and where they are infinite or no numbers (NaN), too."""
    generator = np.random.default_rng(tags)
    packing = Packing([3, 0, 7, 1, 7, 20])
    shapes = (packing.size, tags), (tags + 2, tags)
    emissions, transitions = (generator.normal(size=shape).astype(dtype) for shape in shapes)
    if numbers == "equal":
        emissions, transitions = np.round(emissions), np.round(transitions)
    elif numbers == "none":
        for value in (np.nan, np.inf, -np.inf):
            emissions.reshape(-1)[generator.integers(emissions.size, size=4)] = value
        transitions[generator.integers(tags + 2)] = -np.inf
    compiled = viterbi(emissions, transitions, packing)
    monkeypatch.setattr(native, "library", lambda: None)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(compiled, viterbi(emissions, transitions, packing))


@pytest.mark.parametrize("seed", range(5))
def test_log_likelihood_is_that_of_the_enumeration(seed: int) -> None:
    emissions, transitions, tags, packing = make(seed)
    found = log_likelihood(
        paddle.to_tensor(emissions), paddle.to_tensor(tags), paddle.to_tensor(transitions), packing
    ).numpy()
    expected = [
        score(own, transitions, own_tags) - np.log(np.sum(np.exp(list(all_scores(own, transitions).values()))))
        for own, own_tags in zip(sentences(emissions, packing), sentences(tags, packing), strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_large_scores_neither_overflow_nor_vanish() -> None:
    emissions, transitions, _, packing = make(0, scale=1e5)
    best = viterbi(emissions, transitions, packing)
    arguments = [paddle.to_tensor(array) for array in (emissions, best, transitions)]
    # All other sequences are worse by far more than exp can tell: the best has probability 1.
    np.testing.assert_allclose(log_likelihood(*arguments, packing).numpy(), 0.0, rtol=0, atol=1e-9)


def test_sentences_without_tokens_are_certain() -> None:
    empty, table = paddle.zeros([0, TAGS]), paddle.zeros([TAGS + 2, TAGS])
    assert log_likelihood(empty, paddle.zeros([0], "int64"), table, Packing([0, 0])).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("widest", [600.0, 0.0], ids=["by products of exponentials", "by logs of sums"])
def test_gradients_agree_with_finite_differences(widest: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elmo.nn.crf._WIDEST", widest)
    emissions, transitions, tags, packing = make(7)
    weights = paddle.to_tensor(np.random.default_rng(8).normal(size=len(LENGTHS)))

    def loss(emissions: Any, transitions: Any) -> Any:
        return (log_likelihood(emissions, paddle.to_tensor(tags), transitions, packing) * weights).sum()

    arrays = [emissions, transitions]
    tensors = [paddle.to_tensor(array, stop_gradient=False) for array in arrays]
    loss(*tensors).backward()
    for array, tensor in zip(arrays, tensors, strict=True):
        assert_gradient(tensor.grad, array, lambda: float(loss(*map(paddle.to_tensor, arrays))))


def test_both_ways_to_sum_agree_for_scores_far_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for widest in (1e9, 0.0):
        monkeypatch.setattr("elmo.nn.crf._WIDEST", widest)
        emissions, transitions, tags, packing = make(3, scale=60.0)
        tensors = [paddle.to_tensor(array, stop_gradient=False) for array in (emissions, transitions)]
        likelihood = log_likelihood(tensors[0], paddle.to_tensor(tags), tensors[1], packing)
        likelihood.sum().backward()
        found.append([likelihood.numpy(), *(tensor.grad.numpy() for tensor in tensors)])
    for products, sums in zip(*found, strict=True):
        np.testing.assert_allclose(products, sums, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_best_sequence_is_that_of_paddles_own_viterbi(seed: int) -> None:
    generator = np.random.default_rng(seed)
    lengths = [7, 1, 4]
    packing = Packing(lengths)
    padded = generator.normal(size=(3, 7, TAGS)).astype(np.float32)
    transitions = generator.normal(size=(TAGS + 2, TAGS)).astype(np.float32)
    # Paddle keeps stop and start in the last two rows of a square table, whatever its columns say.
    table = np.full((TAGS + 2, TAGS + 2), -1e4, np.float32)
    table[:TAGS, :TAGS], table[-1, :TAGS], table[-2, :TAGS] = transitions[2:], transitions[0], transitions[1]
    scores = np.concatenate([padded, np.full((3, 7, 2), -1e4, np.float32)], axis=2)
    _, expected = paddle.text.viterbi_decode(
        paddle.to_tensor(scores), paddle.to_tensor(table), paddle.to_tensor(lengths), include_bos_eos_tag=True
    )
    found = viterbi(padded.reshape(-1, TAGS)[packing.rows], transitions, packing)
    for tags, best, length in zip(sentences(found, packing), expected.numpy(), lengths, strict=True):
        assert tags.tolist() == best[:length].tolist()
