"""Gradients in float64 against finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from elmo.runtime import paddle

# Central differences in float64 err by about STEP ** 2 plus 1e-16 / STEP; both are below 1e-9 for sums of order 1.
STEP, DIFFERENCE_TOLERANCE = 1e-6, 1e-8


def assert_gradient(gradient: Any, array: Any, loss: Callable[[], float], name: str = "") -> None:
    """The gradient of the loss is that of the array's finite differences; the array is changed in between."""
    expected = np.zeros_like(array)
    for index in np.ndindex(*array.shape):
        kept = array[index]
        array[index] = kept + STEP
        above = loss()
        array[index] = kept - STEP
        expected[index] = (above - loss()) / (2 * STEP)
        array[index] = kept
    np.testing.assert_allclose(gradient.numpy(), expected, rtol=0, atol=DIFFERENCE_TOLERANCE, err_msg=name)


def assert_parameter_gradients(layer: paddle.nn.Layer, loss: Callable[[], float]) -> None:
    """The same for each parameter of a layer; the parameters are as before in the end."""
    for name, parameter in layer.named_parameters():
        original = parameter.numpy().copy()
        values = original.copy()

        def moved(parameter: Any = parameter, values: Any = values) -> float:
            parameter.set_value(values)
            return loss()

        assert_gradient(parameter.grad, values, moved, name)
        parameter.set_value(original)
