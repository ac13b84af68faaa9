"""Adam with the clip of the gradient's global norm, in one pass over the parameters on a CPU."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from elmo.nn import native
from elmo.runtime import paddle

Tensor = Any

_MOMENTS = ("moment1", "moment2")
_LONG_AGO = 10**6  # steps


class Adam:
    """Adam (Kingma and Ba, 2015) for float32 parameters on a CPU, by compiled loops; Paddle's own elsewhere.

    Has the methods of `paddle.optimizer.Adam` that a training loop uses, and computes what that computes, to rounding.

    Args:
        rate: learning rate; `set_lr` changes it.
        parameters: what is trained. One without a gradient is left as it is.
        max_norm: the gradients' global norm is clipped to this.
    """

    beta1, beta2, epsilon = 0.9, 0.999, 1e-8

    def __init__(self, rate: float, parameters: Sequence[Tensor], max_norm: float) -> None:
        self.parameters, self.max_norm = list(parameters), max_norm
        self._rate = rate
        self._steps = 0
        self._moments = [[paddle.zeros(p.shape, p.dtype) for _ in _MOMENTS] for p in self.parameters]

    @staticmethod
    def usable(parameters: Sequence[Tensor]) -> bool:
        """Whether the compiled loops can take these parameters."""
        return all(p.dtype == paddle.float32 for p in parameters) and native.usable(*parameters)

    def get_lr(self) -> float:
        """Return the learning rate."""
        return self._rate

    def set_lr(self, rate: float) -> None:
        """Set the learning rate of the steps to come."""
        self._rate = rate

    @paddle.no_grad()  # type: ignore[untyped-decorator]
    def step(self) -> None:
        """Change the parameters by their gradients."""
        self._steps += 1
        pairs = zip(self.parameters, self._moments, strict=True)
        trained = [(parameter, *moments) for parameter, moments in pairs if parameter.grad is not None]
        if not trained:
            return
        parameters, moments1, moments2 = zip(*trained, strict=True)
        gradients = [parameter.grad.contiguous() for parameter in parameters]
        correction = (1 - self.beta2**self._steps) ** 0.5
        numbers = native.AdamStep(
            self._rate * correction / (1 - self.beta1**self._steps),
            self.beta1,
            self.beta2,
            self.epsilon * correction,
            self.max_norm,
        )
        native.adam(parameters, gradients, moments1, moments2, numbers)

    def clear_grad(self) -> None:
        """Let go of the gradients."""
        for parameter in self.parameters:
            parameter.clear_gradient(False)

    def state_dict(self) -> dict[str, Tensor]:
        """Moments and powers of the decays, by the names and in the types that Paddle's Adam has."""
        state: dict[str, Tensor] = {}
        for parameter, moments in zip(self.parameters, self._moments, strict=True):
            state |= {f"{parameter.name}_{name}_0": moment for name, moment in zip(_MOMENTS, moments, strict=True)}
            for name, beta in (("beta1", self.beta1), ("beta2", self.beta2)):
                state[f"{parameter.name}_{name}_pow_acc_0"] = paddle.to_tensor([beta ** (self._steps + 1)], "float32")
        return state

    def set_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from the tensors of a `state_dict`, Paddle's or our own."""
        found = {key.rpartition("_")[0]: tensor for key, tensor in state.items()}  # without Paddle's numbering
        for parameter, moments in zip(self.parameters, self._moments, strict=True):
            for name, moment in zip(_MOMENTS, moments, strict=True):
                moment.set_value(found[f"{parameter.name}_{name}"])
            power = found[f"{parameter.name}_beta2_pow_acc"].item()
            # Once the power is 0, so is what is left of the correction.
            self._steps = round(math.log(power) / math.log(self.beta2)) - 1 if power > 0 else _LONG_AGO
