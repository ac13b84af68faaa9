"""Dropout whose random numbers, on a CPU, are drawn by NumPy: Paddle's own take three times as long there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from elmo.runtime import paddle
from elmo.system.types import Tensor

_PARTS = 1 << 16  # a share is rounded to so many parts: sixteen random bits decide for a number


class Dropout:
    """Dropout of one forward pass, which draws one seed for all that is dropped in it.

    What is drawn depends on `paddle.seed` alone, on one kind of device.

    Args:
        training: False drops nothing.
    """

    def __init__(self, training: bool) -> None:
        self.training = training
        self._bits: np.random.SFC64 | None = None

    def __call__(self, values: Tensor, share: float) -> Tensor:
        """Set a share of the values to zero in training and scale the others up, so that the mean stays.

        Source: Srivastava et al. (2014), "Dropout: A Simple Way to Prevent Neural Networks from Overfitting".

        Args:
            values: of any shape.
            share: from 0 to below 1.
        """
        if not self.training or not share:
            return values
        if not values.place.is_cpu_place():
            return paddle.nn.functional.dropout(values, share)
        drawn = self._draw(values.size // 4 + 1).view(np.uint16)[: values.size]  # (count,)
        kept = (drawn >= round(share * _PARTS)).astype(np.float32)  # (count,)
        kept *= np.float32(1 / (1 - share))
        return values * paddle.to_tensor(kept).reshape(values.shape).astype(values.dtype)

    def seeds(self, count: int) -> Tensor:
        """Seeds [count], int64, below 2^32, for compiled loops that draw what they drop themselves."""
        if not self.training:
            return paddle.zeros([count], "int64")
        return paddle.to_tensor((self._draw(count) >> np.uint64(32)).astype(np.int64))

    def _draw(self, count: int) -> npt.NDArray[np.uint64]:
        if self._bits is None:
            self._bits = np.random.SFC64(paddle.randint(0, 2**31 - 1, [1]).item())
        return np.asarray(self._bits.random_raw(count))


def dropout(values: Tensor, share: float, training: bool = True) -> Tensor:
    """`Dropout` for one tensor, with a seed of its own."""
    return Dropout(training)(values, share)
