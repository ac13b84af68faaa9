"""The scalar mix with which a task weighs the layers of a biLM (Peters et al., 2018, equation 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elmo.errors import InputError
from elmo.runtime import paddle
from elmo.system.types import Tensor


class ScalarMix(paddle.nn.Layer):
    r"""mix = gamma * sum_j s_j * layer_j, with s = softmax(weights).

    Args:
        num_layers: how many layers are mixed.
        l2: weight decay of `weights` alone, which pulls the mix towards the mean of the layers (LARK: 0.001).

    Parameters: `weights` [num_layers], zeros at first so that the mix is the mean; `gamma` [1], one at first.
    """

    def __init__(self, num_layers: int, l2: float = 0.0) -> None:
        super().__init__()
        zeros = paddle.nn.initializer.Constant(0.0)
        regularizer = paddle.regularizer.L2Decay(l2) if l2 else None
        self.weights = self.create_parameter([num_layers], paddle.ParamAttr(initializer=zeros, regularizer=regularizer))
        self.gamma = self.create_parameter([1], paddle.ParamAttr(initializer=paddle.nn.initializer.Constant(1.0)))

    def describe(self) -> dict[str, Any]:
        """Share of each layer, and gamma, as a record of a run has them."""
        return {
            "layer_weights": paddle.nn.functional.softmax(self.weights).tolist(),
            "gamma": self.gamma.item(),
        }

    def forward(self, layers: Sequence[Tensor]) -> Tensor:
        """Mix tensors of one shape, [batch, time, dim] each.

        Raises:
            ValueError: the number of layers is not the one this mix was made for.
            InputError: the layers are of several shapes.
        """
        if len(layers) != self.weights.shape[0]:
            raise ValueError(f"{len(layers)} layers were given to a scalar mix of {self.weights.shape[0]}")
        for j, layer in enumerate(layers):
            if layer.shape != layers[0].shape:
                raise InputError(
                    f"scalar mix: layer {j} has shape {list(layer.shape)}, layer 0 {list(layers[0].shape)}: give one"
                )
        shares = paddle.nn.functional.softmax(self.weights)  # (layers,)
        mixed = layers[0] * shares[0]  # (batch, time, dim)
        for j in range(1, len(layers)):
            mixed = mixed + layers[j] * shares[j]
        return self.gamma * mixed

    def mix_stacked(self, layers: Tensor) -> Tensor:
        """As `forward`, of layers that are one tensor [layers, rows, dim]: by one product, in a third of the time."""
        count, rows, dim = layers.shape
        shares = self.gamma * paddle.nn.functional.softmax(self.weights)  # (layers,)
        mixed = paddle.matmul(shares.unsqueeze(0), layers.reshape([count, rows * dim]))  # (1, rows * dim)
        return mixed.reshape([rows, dim])
