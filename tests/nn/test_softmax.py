"""The softmaxes: the full one against NumPy, the sampler against its probabilities, the sampled against the full."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elmo.nn.softmax import LogUniformSampler, full_softmax_loss, sampled_softmax_loss
from elmo.runtime import paddle

VOCAB, DIM, COUNT = 40, 6, 9


class EveryWord(LogUniformSampler):
    """Draws the whole vocabulary in an order of its own, each word with certainty: then sampled and full are equal."""

    def draw(self, generator: np.random.Generator) -> tuple[npt.NDArray[np.int64], int]:
        return generator.permutation(self.vocab_size), 1

    def expected_count(self, ids: npt.NDArray[np.int64], num_draws: int) -> npt.NDArray[np.float32]:
        return np.ones(len(ids), np.float32)


class Fixed(LogUniformSampler):
    """Draws what it is told to."""

    def __init__(self, vocab_size: int, ids: list[int], num_draws: int) -> None:
        super().__init__(vocab_size, len(ids))
        self.ids, self.num_draws = np.array(ids), num_draws

    def draw(self, generator: np.random.Generator) -> tuple[npt.NDArray[np.int64], int]:
        return self.ids, self.num_draws


def make(seed: int = 0, dtype: str = "float64") -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    return {
        "features": generator.normal(size=(COUNT, DIM)).astype(dtype),
        "weight": generator.normal(size=(VOCAB, DIM)).astype(dtype),
        "bias": generator.normal(size=VOCAB).astype(dtype),
        "labels": generator.integers(0, VOCAB, COUNT),
    }


def loss_and_gradients(
    arrays: dict[str, Any], sampler: LogUniformSampler | None = None, seed: int = 0
) -> tuple[Any, Any]:
    """Mean loss of each row, and the gradients of the mean for features, weight and bias."""
    tensors = {name: paddle.to_tensor(arrays[name], stop_gradient=False) for name in ("features", "weight", "bias")}
    labels = paddle.to_tensor(arrays["labels"])
    if sampler is None:
        losses = full_softmax_loss(tensors["features"], labels, tensors["weight"], tensors["bias"])
    else:
        losses = sampled_softmax_loss(
            tensors["features"], labels, tensors["weight"], tensors["bias"], sampler, np.random.default_rng(seed)
        )
    losses.mean().backward()
    return losses.numpy(), {name: dense(tensor) for name, tensor in tensors.items()}


def dense(tensor: Any) -> Any:
    """The gradient of a tensor, also where Paddle keeps only the rows that were looked up."""
    gradient = tensor.grad
    if not gradient.is_selected_rows():
        return gradient.numpy()
    full = np.zeros(tensor.shape, gradient.numpy().dtype)
    np.add.at(full, np.array(gradient.rows()), gradient.numpy())
    return full


def log_softmax(logits: Any) -> Any:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


# The sampler


@pytest.mark.parametrize("vocab_size", [3, 100, 52445])
def test_probabilities_sum_to_one_and_fall(vocab_size):
    probabilities = LogUniformSampler(vocab_size, 1).probabilities
    assert probabilities.shape == (vocab_size,)
    assert abs(probabilities.sum() - 1) < 1e-12
    assert (np.diff(probabilities) < 0).all()
    np.testing.assert_allclose(probabilities[1], np.log(3 / 2) / np.log(vocab_size + 1), rtol=1e-12)


@given(st.integers(3, 300), st.data())
@settings(max_examples=50)
def test_a_draw_is_of_distinct_ids_within_the_vocabulary(vocab_size, data):
    num_samples = data.draw(st.integers(1, vocab_size))
    sampler = LogUniformSampler(vocab_size, num_samples)
    ids, num_draws = sampler.draw(np.random.default_rng(data.draw(st.integers(0, 1000))))
    assert ids.shape == (num_samples,)
    assert len(set(ids.tolist())) == num_samples
    assert ids.min() >= 0
    assert ids.max() < vocab_size
    assert num_draws >= num_samples


def test_the_same_generator_state_draws_the_same_ids():
    sampler = LogUniformSampler(1000, 50)
    first, again, other = (sampler.draw(np.random.default_rng(seed))[0] for seed in (3, 3, 4))
    assert (first == again).all()
    assert (first != other).any()


def test_single_draws_follow_the_probabilities():
    sampler, generator = LogUniformSampler(20, 1), np.random.default_rng(0)
    count = 10_000
    drawn = np.bincount([sampler.draw(generator)[0][0] for _ in range(count)], minlength=20) / count
    # Five standard errors of a share: sqrt(p (1 - p) / n) <= 0.005.
    error = np.sqrt(sampler.probabilities * (1 - sampler.probabilities) / count)
    assert (np.abs(drawn - sampler.probabilities) < 5 * error).all()


def test_words_are_included_as_often_as_the_expected_count_says():
    sampler, generator = LogUniformSampler(VOCAB, 12), np.random.default_rng(0)
    rounds, every = 4000, np.arange(VOCAB)
    included, expected = np.zeros(VOCAB), np.zeros(VOCAB)
    for _ in range(rounds):
        ids, num_draws = sampler.draw(generator)
        included[ids] += 1 / rounds
        expected += sampler.expected_count(every, num_draws) / rounds
    # Five standard errors (at most 0.04), and 0.02 for the formula itself: it takes the number of draws as given,
    # while drawing stops as soon as there are enough distinct words.
    assert np.abs(included - expected).max() < 5 * np.sqrt(0.25 / rounds) + 0.02


def test_the_correction_makes_sums_over_the_vocabulary_right_for_frequent_and_rare_words_alike():
    sampler, generator = LogUniformSampler(VOCAB, 12), np.random.default_rng(1)
    masses, rounds = np.exp(np.random.default_rng(2).normal(size=VOCAB)), 4000
    estimates = np.zeros(VOCAB)
    for _ in range(rounds):
        ids, num_draws = sampler.draw(generator)
        estimates[ids] += masses[ids] / sampler.expected_count(ids, num_draws) / rounds
    for part in (slice(0, 10), slice(10, VOCAB // 2), slice(VOCAB // 2, VOCAB)):
        # Thrice the relative standard error of a part's sum, sqrt(1 / (0.15 * 10 * 4000)) = 1.3 %, and one word in
        # twelve for the formula: the last word that a draw stops at is always a new one.
        assert abs(estimates[part].sum() / masses[part].sum() - 1) < 0.04 + 1 / 12


@pytest.mark.parametrize("num_samples", [0, 11, -1])
def test_more_samples_than_words_or_none_are_refused(num_samples):
    with pytest.raises(ValueError, match=f"num_samples {num_samples} must be between 1 and the vocabulary size 10"):
        LogUniformSampler(10, num_samples)


# The full softmax


def test_the_full_loss_and_its_gradients_equal_numpy():
    arrays = make()
    losses, gradients = loss_and_gradients(arrays)
    log_probabilities = log_softmax(arrays["features"] @ arrays["weight"].T + arrays["bias"])
    rows = np.arange(COUNT)
    np.testing.assert_allclose(losses, -log_probabilities[rows, arrays["labels"]], rtol=0, atol=1e-12)
    error = np.exp(log_probabilities)
    error[rows, arrays["labels"]] -= 1
    error /= COUNT
    np.testing.assert_allclose(gradients["features"], error @ arrays["weight"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(gradients["weight"], error.T @ arrays["features"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(gradients["bias"], error.sum(axis=0), rtol=0, atol=1e-12)


def test_the_full_loss_stays_finite_for_extreme_logits():
    arrays = make(dtype="float32")
    arrays["bias"] = np.linspace(-2e4, 2e4, VOCAB).astype(np.float32)
    assert np.isfinite(loss_and_gradients(arrays)[0]).all()


# The sampled softmax


@pytest.mark.usefixtures("loops")
def test_with_every_word_drawn_for_sure_loss_and_gradients_are_those_of_the_full_softmax():
    arrays = make()
    arrays["labels"][:3] = 7  # the same label in several rows: their gradients add up
    full, full_gradients = loss_and_gradients(arrays)
    sampled, sampled_gradients = loss_and_gradients(arrays, EveryWord(VOCAB, VOCAB))
    np.testing.assert_allclose(sampled, full, rtol=0, atol=1e-12)
    for name, gradient in full_gradients.items():
        np.testing.assert_allclose(sampled_gradients[name], gradient, rtol=0, atol=1e-12, err_msg=name)


@pytest.mark.usefixtures("loops")
def test_the_loss_follows_its_definition_and_leaves_accidental_hits_out():
    arrays = make()
    ids = [0, 3, 5, 9, 30]
    arrays["labels"] = np.array([3, 30, 8, 0, 3, 39, 12, 9, 5])  # some are candidates as well
    sampler = Fixed(VOCAB, ids, num_draws=7)
    losses, gradients = loss_and_gradients(arrays, sampler)
    correction = -np.log(1 - (1 - sampler.probabilities) ** 7)
    logits = arrays["features"] @ arrays["weight"].T + arrays["bias"] + correction
    for row, label in enumerate(arrays["labels"]):
        kept = [label, *(other for other in ids if other != label)]
        # float32 expected counts: relative error 6e-8
        np.testing.assert_allclose(losses[row], -log_softmax(logits[row, kept])[0], rtol=0, atol=1e-6)
    untouched = np.setdiff1d(np.arange(VOCAB), [*ids, *arrays["labels"]])
    assert len(untouched) > 0
    assert not gradients["weight"][untouched].any()
    assert not gradients["bias"][untouched].any()


@pytest.mark.usefixtures("loops")
def test_a_row_whose_only_candidate_is_its_own_label_costs_nothing():
    arrays = make()
    arrays["labels"][:] = 4
    losses, gradients = loss_and_gradients(arrays, Fixed(VOCAB, [4], num_draws=1))
    np.testing.assert_allclose(losses, 0.0, rtol=0, atol=1e-12)
    for gradient in gradients.values():
        np.testing.assert_allclose(gradient, 0.0, rtol=0, atol=1e-12)


@pytest.mark.usefixtures("loops")
@pytest.mark.parametrize("row", [0, 5])
def test_gradients_of_the_sampled_loss_equal_finite_differences(row):
    arrays, sampler, step = make(3), LogUniformSampler(VOCAB, 15), 1e-6
    gradients = loss_and_gradients(arrays, sampler)[1]
    label = arrays["labels"][row]
    for name, index in (("features", (row, 2)), ("weight", (label, 1)), ("weight", (0, 3)), ("bias", (label,))):
        values = []
        for change in (step, -step):
            moved = {**arrays, name: arrays[name].copy()}
            moved[name][index] += change
            values.append(loss_and_gradients(moved, sampler)[0].mean())
        # central differences in float64 err by about step ** 2 + 1e-16 / step
        assert abs(gradients[name][index] - (values[0] - values[1]) / (2 * step)) < 1e-8, name


@pytest.mark.usefixtures("loops")
def test_the_mean_gradient_over_many_draws_points_where_the_full_one_does():
    arrays, sampler = make(4, "float32"), LogUniformSampler(VOCAB, 25)
    full = loss_and_gradients(arrays)[1]
    sums = {name: np.zeros_like(gradient) for name, gradient in full.items()}
    for seed in range(150):
        for name, gradient in loss_and_gradients(arrays, sampler, seed)[1].items():
            sums[name] += gradient / 150
    for name, gradient in full.items():
        cosine = (sums[name] * gradient).sum() / np.linalg.norm(sums[name]) / np.linalg.norm(gradient)
        # The estimate is biased by design (a logarithm of an estimated sum), so only nearly parallel.
        assert cosine > 0.98, f"{name}: {cosine:.4f}"


@pytest.mark.usefixtures("loops")
def test_single_precision_is_right_to_its_own_rounding_at_any_size():
    generator, vocab, dim, count = np.random.default_rng(5), 500, 37, 131
    arrays = {
        "features": generator.normal(size=(count, dim)),
        "weight": generator.normal(0.0, dim**-0.5, (vocab, dim)),
        "bias": generator.normal(size=vocab),
    }
    single = {name: array.astype(np.float32) for name, array in arrays.items()}
    double = {name: array.astype(np.float64) for name, array in single.items()}
    labels = {"labels": generator.integers(0, vocab, count)}
    sampler = LogUniformSampler(vocab, 211)
    losses, gradients = loss_and_gradients({**single, **labels}, sampler)
    expected, expected_gradients = loss_and_gradients({**double, **labels}, sampler)
    # A logit is a sum of 37 products of order 1, each rounded by 6e-8 of its value; losses are of order 5.
    np.testing.assert_allclose(losses, expected, rtol=0, atol=5e-6)
    for name, gradient in expected_gradients.items():  # of a mean over 131 rows
        np.testing.assert_allclose(gradients[name], gradient, rtol=0, atol=1e-6 / 30, err_msg=name)


@pytest.mark.usefixtures("loops")
def test_losses_of_extreme_logits_are_finite_and_those_of_no_number_are_not():
    arrays = make(dtype="float32")
    arrays["bias"] = np.linspace(-2e4, 2e4, VOCAB).astype(np.float32)
    arrays["labels"][0] = 1  # likely nowhere
    losses, gradients = loss_and_gradients(arrays, LogUniformSampler(VOCAB, 15))
    assert np.isfinite(losses).all()
    assert losses[0] > 1e4
    assert all(np.isfinite(gradient).all() for gradient in gradients.values())
    arrays["features"][2, 0] = np.nan
    losses = loss_and_gradients(arrays, LogUniformSampler(VOCAB, 15))[0]
    assert np.flatnonzero(np.isnan(losses)).tolist() == [2]


@pytest.mark.usefixtures("loops")
@pytest.mark.parametrize("frozen", ["features", "weight", "bias"])
def test_what_is_frozen_gets_no_gradient_and_the_others_keep_theirs(frozen):
    arrays, sampler = make(6), LogUniformSampler(VOCAB, 15)
    expected = loss_and_gradients(arrays, sampler)[1]
    names = ("features", "weight", "bias")
    tensors = {name: paddle.to_tensor(arrays[name], stop_gradient=name == frozen) for name in names}
    labels = paddle.to_tensor(arrays["labels"])
    sampled_softmax_loss(
        **tensors, labels=labels, sampler=sampler, generator=np.random.default_rng(0)
    ).mean().backward()
    for name, tensor in tensors.items():
        if name == frozen:
            assert tensor.grad is None
        else:
            np.testing.assert_allclose(dense(tensor), expected[name], rtol=0, atol=1e-13, err_msg=name)
