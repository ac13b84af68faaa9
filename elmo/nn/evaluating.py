"""Computing with a model that may be in the middle of its training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from elmo.runtime import paddle


@contextlib.contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Compute without dropout and gradients; afterwards each layer of the model is in the mode in which it was."""
    in_training = [layer for layer in model.sublayers(include_self=True) if layer.training]
    for layer in in_training:
        layer.training = False
    try:
        with paddle.no_grad():
            yield
    finally:
        for layer in in_training:
            layer.training = True
