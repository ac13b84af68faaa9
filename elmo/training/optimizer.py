"""Optimisers: Adam with the clip of the gradient's global norm in one pass on a CPU, Paddle's others, their tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from elmo.errors import InputError
from elmo.nn import native
from elmo.runtime import paddle
from elmo.system.types import Array, Arrays, Tensor
from elmo.training.settings import RunSettings

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


def make_optimizer(settings: RunSettings, parameters: list[Any]) -> Any:
    """Return the optimiser that the settings name, with the gradient's global norm clipped."""
    if settings.optim == "adam" and settings.amp != "fp16" and Adam.usable(parameters):
        return Adam(settings.learning_rate, parameters, settings.max_grad_norm)
    clip = paddle.nn.ClipGradByGlobalNorm(settings.max_grad_norm)
    rate = settings.learning_rate
    library = paddle.optimizer
    if settings.optim == "adagrad":
        return library.Adagrad(rate, epsilon=0.0, parameters=parameters, grad_clip=clip, initial_accumulator_value=1.0)
    classes = {"sgd": library.SGD, "adam": library.Adam, "rmsprop": library.RMSProp}
    return classes[settings.optim](learning_rate=rate, parameters=parameters, grad_clip=clip)


def optimizer_arrays(optimizer: Any, model: Any) -> Arrays:
    """Return an optimiser's tensors as "parameter/accumulator", for instance "softmax_bias/moment".

    Paddle's own keys, such as "bi_lm_0.b_0_moment_0", depend on what else the process has built before.
    """
    names = {parameter.name: name for name, parameter in model.named_parameters()}
    arrays = {}
    for key, tensor in optimizer.state_dict().items():
        owners = [name for name in names if key.startswith(f"{name}_")]
        if owners:
            owner = max(owners, key=len)
            accumulator = key.removeprefix(f"{owner}_").rsplit("_", 1)[0]
            arrays[f"{names[owner]}/{accumulator}"] = tensor.numpy()
    return arrays


def load_optimizer(optimizer: Any, model: Any, arrays: Mapping[str, Array], place: object) -> None:
    """Give an optimiser that has not stepped yet the tensors that `optimizer_arrays` took from another.

    Raises:
        InputError: they are not those of this model's parameters; names the first that does not fit.
    """
    if not arrays:
        return  # plain SGD, which keeps nothing
    parameters = dict(model.named_parameters())
    accumulators = {key.rpartition("/")[2] for key in arrays}
    wanted = {f"{name}/{accumulator}" for name in parameters for accumulator in accumulators}
    if odd := sorted(wanted ^ set(arrays)):
        raise InputError(f"{place}: the optimiser's {odd[0]} is missing or not this model's; use an earlier checkpoint")
    state = {}
    for key, array in arrays.items():
        name, _, accumulator = key.rpartition("/")
        if array.size != 1 and list(array.shape) != list(parameters[name].shape):
            raise InputError(f"{place}: the optimiser's {key} has shape {list(array.shape)}; use an earlier checkpoint")
        # Paddle numbers its accumulators: asking for a number tells which one this optimiser will get, the next.
        stem = f"{parameters[name].name}_{accumulator}"
        number = int(paddle.utils.unique_name.generate(stem).rpartition("_")[2])
        state[f"{stem}_{number + 1}"] = paddle.to_tensor(array)
    optimizer.set_state_dict(state)
