"""The scalar mix: a mean at first, a softmax-weighted sum afterwards, and a weight decay of its weights alone."""

from __future__ import annotations

import numpy as np
import pytest

from elmo.nn.scalar_mix import ScalarMix
from elmo.runtime import paddle


def make_layers(count: int = 3):
    generator = np.random.default_rng(0)
    return [paddle.to_tensor(generator.normal(size=(2, 4, 5)).astype(np.float32)) for _ in range(count)]


def test_a_new_mix_is_the_mean_of_the_layers():
    layers = make_layers()
    mean = np.mean([layer.numpy() for layer in layers], axis=0)
    np.testing.assert_allclose(ScalarMix(3)(layers).numpy(), mean, rtol=0, atol=1e-6)  # float32 of order 1


def test_the_mix_is_gamma_times_the_softmax_weighted_sum():
    layers, mix = make_layers(), ScalarMix(3)
    weights = np.array([0.5, -1.0, 2.0], np.float32)
    mix.weights.set_value(weights)
    mix.gamma.set_value(np.array([3.0], np.float32))
    shares = np.exp(weights) / np.exp(weights).sum()
    expected = 3.0 * sum(share * layer.numpy() for share, layer in zip(shares, layers, strict=True))
    np.testing.assert_allclose(mix(layers).numpy(), expected, rtol=0, atol=5e-6)


def test_layers_in_one_tensor_are_mixed_alike():
    layers, mix = [layer.reshape([8, 5]) for layer in make_layers()], ScalarMix(3)
    mix.weights.set_value(np.array([0.5, -1.0, 2.0], np.float32))
    mix.gamma.set_value(np.array([3.0], np.float32))
    found, gradients = [], []
    for mixed in (mix(layers), mix.mix_stacked(paddle.stack(layers))):
        mixed.square().sum().backward()
        found.append(mixed.numpy())
        gradients.append(np.concatenate([mix.weights.grad.numpy(), mix.gamma.grad.numpy()]))
        mix.clear_gradients()
    np.testing.assert_allclose(*found, rtol=0, atol=5e-6)  # float32 of order 10, summed in another order
    np.testing.assert_allclose(*gradients, rtol=1e-4)


def test_the_same_number_added_to_all_weights_changes_nothing():
    layers, mix = make_layers(), ScalarMix(3)
    mix.weights.set_value(np.array([0.5, -1.0, 2.0], np.float32))
    before = mix(layers).numpy()
    mix.weights.set_value(np.array([10.5, 9.0, 12.0], np.float32))
    np.testing.assert_allclose(mix(layers).numpy(), before, rtol=0, atol=1e-5)


def test_weights_and_gamma_both_learn():
    layers, mix = make_layers(), ScalarMix(3)
    mix(layers).square().sum().backward()
    assert np.abs(mix.weights.grad.numpy()).min() > 0
    assert np.abs(mix.gamma.grad.numpy()).min() > 0


@pytest.mark.parametrize("count", [2, 4])
def test_another_number_of_layers_is_refused(count):
    with pytest.raises(ValueError, match=f"{count} layers were given to a scalar mix of 3"):
        ScalarMix(3)(make_layers(count))


@pytest.mark.parametrize("l2", [0.0, 0.5])
def test_weight_decay_pulls_the_weights_to_the_mean_and_leaves_gamma_alone(l2):
    mix = ScalarMix(3, l2)
    mix.weights.set_value(np.array([1.0, 0.0, -1.0], np.float32))
    mix.gamma.set_value(np.array([2.0], np.float32))
    optimizer = paddle.optimizer.SGD(0.1, parameters=mix.parameters())
    zeros = [paddle.zeros([1, 1, 2])] * 3  # the task itself asks for nothing
    mix(zeros).sum().backward()
    optimizer.step()
    np.testing.assert_allclose(mix.weights.numpy(), np.array([1.0, 0.0, -1.0]) * (1 - 0.1 * l2), rtol=0, atol=1e-6)
    assert mix.gamma.item() == 2.0
