"""Dropout whose random numbers, on a CPU, are drawn by NumPy: there Paddle's own takes some seventy nanoseconds each."""

from __future__ import annotations

from typing import Any

import numpy as np

from elmo.runtime import paddle

Tensor = Any

_PARTS = 1 << 16  # a share is rounded to so many parts: sixteen random bits decide for a number


def dropout(values: Tensor, share: float, training: bool = True) -> Tensor:
    """Set a share of the values to zero in training and scale the others up, so that the mean stays (Srivastava 2014).

    What is drawn depends on `paddle.seed` alone, on one kind of device.

    Args:
        values: of any shape.
        share: from 0 to below 1.
        training: False returns the values as they are.
    """
    if not training or not share:
        return values
    if not values.place.is_cpu_place():
        return paddle.nn.functional.dropout(values, share)
    seed = paddle.randint(0, 2**31 - 1, [1]).item()
    drawn = np.random.SFC64(seed).random_raw(values.size // 4 + 1).view(np.uint16)[: values.size]
    kept = (drawn >= round(share * _PARTS)).astype(np.float32)
    kept *= np.float32(1 / (1 - share))
    return values * paddle.to_tensor(kept).reshape(values.shape).astype(values.dtype)
