"""The biLMs of benchmarks/pretrain.py, by system: ours, plain Paddle's, and PyTorch's; see pretrain_systems.py.

Ours is that of the `elmo` package that is imported, which may be an earlier one. plain is a Python loop of LSTMP steps,
differentiated by Paddle, with dense gradients; lstm is paddle.nn.LSTM with proj_size, with dense gradients; torch is
torch.nn.LSTM with proj_size, and has sparse gradients for Adagrad. PyTorch's needs PyTorch and NumPy alone.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # an earlier checkout lacks it
    from elmo.system.types import Arrays

DIRECTIONS = ("forward", "backward")


class Ours:
    """`BiLM` with its objective and optimiser, as `elmo pretrain` uses them."""

    def __init__(self, size: dict[str, Any], arrays: Arrays, amp: str) -> None:
        from elmo import runtime
        from elmo.bilm import BiLM
        from elmo.bilm_config import BiLMConfig
        from elmo.nn.softmax import LogUniformSampler
        from elmo.runtime import paddle
        from elmo.text.batches import Batch
        from elmo.training.bilm import BiLMObjective
        from elmo.training.optimizer import make_optimizer
        from elmo.training.settings import PretrainSettings

        class Sampler(LogUniformSampler):
            """Draws, which takes its time, but gives the candidates that all systems use."""

            def draw(self, generator: np.random.Generator) -> tuple[npt.NDArray[np.int64], int]:
                super().draw(generator)
                return arrays["candidates"], int(arrays["num_draws"])

        self.paddle, self.arrays, self.amp = paddle, arrays, amp
        getattr(runtime, "keep_freed_memory", bool)()  # earlier versions lack it
        sizes = {name: size[name] for name in ("vocab_size", "embed_size", "hidden_size", "num_layers", "dropout")}
        self.model = BiLM(BiLMConfig(**sizes))
        names = {name for name, _ in self.model.named_parameters()}
        self.model.set_state_dict({name: paddle.to_tensor(arrays[name]) for name in names})
        settings = PretrainSettings(
            batch_size=size["batch_size"],
            num_steps=size["num_steps"],
            learning_rate=size["learning_rate"],
            optim=size["optim"],
            n_negative_samples_batch=size["num_samples"],
            amp=amp,
        )
        self.objective = BiLMObjective(self.model, range(size["vocab_size"]), None, None, settings)  # type: ignore[arg-type]
        self.objective.sampler = Sampler(size["vocab_size"], size["num_samples"])
        self.optimizer = make_optimizer(settings, self.model.parameters())
        ids = arrays["ids"]
        self.batch = Batch(ids[0], ids[1], ids[2], ids[3], np.ones(ids[0].shape, bool), np.zeros(len(ids[0]), bool))

    def loss(self) -> float:
        """Mean loss before the first step, without dropout, in nats."""
        self.model.eval()
        with self.paddle.no_grad(), products_in(self.amp):
            mean = float(self.objective.training_loss(self.batch)[1])
        self.model.train()
        return mean

    def train(self) -> None:
        """One step."""
        with products_in(self.amp):
            loss, mean, _ = self.objective.training_loss(self.batch)
        float(mean)
        loss.backward()
        self.optimizer.step()
        self.optimizer.clear_grad()

    def encode(self) -> None:
        """One batch of whole sentences."""
        self.model.eval()
        ids = self.arrays["ids"][0]
        with self.paddle.no_grad(), products_in(self.amp):
            lengths = self.paddle.full([len(ids)], ids.shape[1], dtype="int64")
            for layer in self.model.layers(self.paddle.to_tensor(ids), lengths):
                layer.numpy()
        self.model.train()


class PlainPaddle:
    """What one writes without further thought; `lstm` chooses Paddle's layer (it has no clips) or the loop."""

    def __init__(self, size: dict[str, Any], arrays: Arrays, lstm: bool) -> None:
        import paddle

        self.paddle, self.size, self.arrays, self.lstm = paddle, size, arrays, lstm
        self.parameters = {
            name: paddle.create_parameter(
                array.shape, "float32", default_initializer=paddle.nn.initializer.Assign(array)
            )
            for name, array in arrays.items()
            if array.dtype == np.float32 and not (lstm and "_layers" in name) and name != "correction"
        }
        self.layers: dict[str, list[Any]] = {}
        trained = list(self.parameters.values())
        if lstm:
            for direction in DIRECTIONS:
                self.layers[direction] = []
                for layer in range(size["num_layers"]):
                    made = paddle.nn.LSTM(size["embed_size"], size["hidden_size"], proj_size=size["embed_size"])
                    weights = torch_weights(arrays, direction, layer)
                    weights["weight_ho"] = weights.pop("weight_hr_l0").T
                    for ending, array in weights.items():
                        next(p for name, p in made.named_parameters() if name.endswith(ending)).set_value(array)
                    self.layers[direction].append(made)
                    trained += made.parameters()
        self.optimizer = paddle.optimizer.Adagrad(
            size["learning_rate"],
            epsilon=0.0,
            parameters=trained,
            grad_clip=paddle.nn.ClipGradByGlobalNorm(10.0),
            initial_accumulator_value=1.0,
        )
        if size["optim"] == "adam":
            clip = paddle.nn.ClipGradByGlobalNorm(10.0)
            self.optimizer = paddle.optimizer.Adam(size["learning_rate"], parameters=trained, grad_clip=clip)
        self.states: dict[str, list[Any]] = {direction: self.zero_states() for direction in DIRECTIONS}

    def zero_states(self) -> list[Any]:
        """Hidden state and cell of each layer."""
        size, lead = self.size, [1] if self.lstm else []
        shapes = [[*lead, size["batch_size"], size[name]] for name in ("embed_size", "hidden_size")]
        return [tuple(map(self.paddle.zeros, shapes)) for _ in range(size["num_layers"])]

    def run_layer(self, direction: str, layer: int, inputs: Any, state: tuple[Any, Any]) -> tuple[Any, Any]:
        """Outputs [batch, time, embed] and the last state of one layer."""
        if self.lstm:
            outputs, last = self.layers[direction][layer](inputs, state)
            return outputs, last
        paddle, clip = self.paddle, 3.0
        names = ("input_weight", "recurrent_weight", "bias", "projection_weight")
        w_x, w_h, bias, w_p = (self.parameters[f"{direction}_layers.{layer}.{name}"] for name in names)
        hidden, cell = state
        results = []
        for step in range(inputs.shape[1]):
            sums = paddle.matmul(inputs[:, step], w_x) + paddle.matmul(hidden, w_h) + bias
            candidate, update, forget, output = paddle.split(sums, 4, axis=1)
            sigmoid = paddle.nn.functional.sigmoid
            cell = paddle.clip(sigmoid(forget) * cell + sigmoid(update) * paddle.tanh(candidate), -clip, clip)
            hidden = paddle.clip(paddle.matmul(sigmoid(output) * paddle.tanh(cell), w_p), -clip, clip)
            results.append(hidden)
        return paddle.stack(results, axis=1), (hidden, cell)

    def losses(self, dropout: float) -> Any:
        """Loss of every prediction."""
        paddle, arrays = self.paddle, self.arrays
        features, targets = [], []
        for number, direction in enumerate(DIRECTIONS):
            ids = paddle.to_tensor(arrays["ids"][2 * number])
            inputs = paddle.nn.functional.embedding(ids, self.parameters["embedding_para"])
            states = []
            for layer, state in enumerate(self.states[direction]):
                inputs = paddle.nn.functional.dropout(inputs, dropout)
                outputs, last = self.run_layer(direction, layer, inputs, state)
                states.append(tuple(part.detach() for part in last))
                inputs = outputs + inputs if layer else outputs
            self.states[direction] = states
            features.append(inputs.reshape([-1, self.size["embed_size"]]))
            targets.append(arrays["ids"][2 * number + 1].ravel())
        rows, labels = paddle.concat(features), np.concatenate(targets)
        ids = paddle.to_tensor(np.concatenate([labels, arrays["candidates"]]))
        weights = paddle.nn.functional.embedding(ids, self.parameters["softmax_weight"])
        biases = paddle.gather(self.parameters["softmax_bias"], ids) + paddle.to_tensor(arrays["correction"])
        count = len(labels)
        label_logits = (rows * weights[:count]).sum(axis=1) + biases[:count]
        logits = paddle.matmul(rows, weights[count:], transpose_y=True) + biases[count:]
        same = paddle.to_tensor(labels).unsqueeze(1) == paddle.to_tensor(arrays["candidates"]).unsqueeze(0)
        logits = paddle.where(same, paddle.full([], -1e9), logits)
        return paddle.logsumexp(paddle.concat([label_logits.unsqueeze(1), logits], axis=1), axis=1) - label_logits

    def loss(self) -> float:
        """As in `Ours`."""
        with self.paddle.no_grad():
            return float(self.losses(0.0).mean())

    def train(self) -> None:
        """One step."""
        losses = self.losses(self.size["dropout"])
        loss = losses.sum() / (2 * self.size["batch_size"])
        float(losses.mean())
        loss.backward()
        self.optimizer.step()
        self.optimizer.clear_grad()


class Torch:
    """The same biLM in PyTorch: its LSTM with projection, and with Adagrad gradients of only the rows looked up."""

    def __init__(self, size: dict[str, Any], arrays: Arrays, amp: str) -> None:
        torch = importlib.import_module("torch")  # not one of this project's dependencies
        self.torch, self.size, self.arrays = torch, size, arrays
        self.cast = torch.autocast("cpu", torch.bfloat16, enabled=amp == "bf16")
        torch.set_num_threads(size["threads"])
        sparse = size["optim"] == "adagrad"

        def table(array: npt.NDArray[Any]) -> Any:
            return torch.nn.Embedding.from_pretrained(torch.from_numpy(array.copy()), freeze=False, sparse=sparse)

        self.embedding, self.weight = table(arrays["embedding_para"]), table(arrays["softmax_weight"])
        self.bias = table(arrays["softmax_bias"][:, None])
        self.layers: dict[str, list[Any]] = {}
        trained = [*self.embedding.parameters(), *self.weight.parameters(), *self.bias.parameters()]
        for direction in DIRECTIONS:
            self.layers[direction] = []
            for layer in range(size["num_layers"]):
                embed = size["embed_size"]
                made = torch.nn.LSTM(embed, size["hidden_size"], proj_size=embed, batch_first=True)
                made.load_state_dict({n: torch.tensor(a) for n, a in torch_weights(arrays, direction, layer).items()})
                self.layers[direction].append(made)
                trained += made.parameters()
        self.trained, rate = trained, size["learning_rate"]
        if size["optim"] == "adam":
            self.optimizer: Any = torch.optim.Adam(trained, rate, fused=True)
        else:
            self.optimizer = torch.optim.Adagrad(trained, rate, initial_accumulator_value=1.0, eps=0.0)
        shapes = [[1, size["batch_size"], size[name]] for name in ("embed_size", "hidden_size")]
        self.states = {
            direction: [tuple(map(torch.zeros, shapes)) for _ in made] for direction, made in self.layers.items()
        }
        self.ids = torch.from_numpy(arrays["ids"])
        self.candidates = torch.from_numpy(arrays["candidates"])
        self.correction = torch.from_numpy(arrays["correction"])
        self.place = torch.full((size["vocab_size"],), -1)
        self.place[self.candidates] = torch.arange(len(self.candidates))

    def run(self, direction: str, inputs: Any, states: list[Any], dropout: float) -> tuple[list[Any], list[Any]]:
        """Outputs and last states of every layer of a direction."""
        outputs, last_states = [], []
        for layer, lstm in enumerate(self.layers[direction]):
            inputs = self.torch.nn.functional.dropout(inputs, dropout)
            output, last = lstm(inputs, states[layer])
            inputs = output + inputs if layer else output
            outputs.append(inputs)
            last_states.append(tuple(part.detach() for part in last))
        return outputs, last_states

    def losses(self, dropout: float) -> Any:
        """Loss of every prediction."""
        torch, features = self.torch, []
        for number, direction in enumerate(DIRECTIONS):
            inputs = self.embedding(self.ids[2 * number])
            outputs, self.states[direction] = self.run(direction, inputs, self.states[direction], dropout)
            features.append(outputs[-1].reshape(-1, self.size["embed_size"]))
        rows, labels = torch.cat(features), torch.cat([self.ids[1].reshape(-1), self.ids[3].reshape(-1)])
        ids, count = torch.cat([labels, self.candidates]), len(labels)
        weights, biases = self.weight(ids), self.bias(ids)[:, 0] + self.correction
        label_logits = (rows * weights[:count]).sum(1) + biases[:count]
        logits = torch.addmm(biases[count:], rows, weights[count:].T).float()
        hit = torch.nonzero(self.place[labels] >= 0)[:, 0]
        logits = logits.index_put((hit, self.place[labels[hit]]), torch.tensor(-1e9))
        return torch.logsumexp(torch.cat([label_logits[:, None], logits], 1), 1) - label_logits

    def loss(self) -> float:
        """As in `Ours`."""
        with self.torch.no_grad(), self.cast:
            return float(self.losses(0.0).mean())

    def train(self) -> None:
        """One step; PyTorch's own clipping does not take sparse gradients."""
        with self.cast:
            losses = self.losses(self.size["dropout"])
        float(losses.mean())
        (losses.sum() / (2 * self.size["batch_size"])).backward()
        squares = []
        for parameter in self.trained:
            if parameter.grad.is_sparse:
                parameter.grad = parameter.grad.coalesce()
            values = parameter.grad.values() if parameter.grad.is_sparse else parameter.grad
            squares.append(values.square().sum())
        scale = 10.0 / max(10.0, float(sum(squares)) ** 0.5)
        if scale < 1:
            for parameter in self.trained:
                parameter.grad.mul_(scale)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def encode(self) -> None:
        """One batch of whole sentences, as `BiLM.layers` does it."""
        torch = self.torch
        with torch.inference_mode(), self.cast:
            ids = self.ids[0]
            ends = [torch.full((len(ids), 1), end) for end in (0, 1)]
            outputs = []
            for direction, end, order in zip(DIRECTIONS, ends, (ids, ids.flip(1)), strict=True):
                inputs = self.embedding(torch.cat([end, order], 1))
                zero = [tuple(map(torch.zeros_like, state)) for state in self.states[direction]]
                outputs.append(self.run(direction, inputs, zero, 0.0)[0])
            words = self.embedding(ids)
            layers = [torch.cat([words, words], 2)]
            for forward, backward in zip(*outputs, strict=True):
                layers.append(torch.cat([forward[:, 1:], backward[:, 1:].flip(1)], 2))
            for layer in layers:
                layer.float().numpy()


def torch_weights(arrays: Arrays, direction: str, layer: int) -> Arrays:
    """Parameters of an LSTMP layer in PyTorch's order and names: input, forget, candidate, output; gates in rows."""
    names = ("input_weight", "recurrent_weight", "bias", "projection_weight")
    w_x, w_h, bias, w_p = (arrays[f"{direction}_layers.{layer}.{name}"] for name in names)
    hidden = len(bias) // 4
    order = np.concatenate([np.arange(hidden) + gate * hidden for gate in (1, 2, 0, 3)])
    return {
        "weight_ih_l0": np.ascontiguousarray(w_x.T[order]),
        "weight_hh_l0": np.ascontiguousarray(w_h.T[order]),
        "bias_ih_l0": bias[order],
        "bias_hh_l0": np.zeros_like(bias),
        "weight_hr_l0": np.ascontiguousarray(w_p.T),
    }


def products_in(amp: str) -> AbstractContextManager[object]:
    """As `elmo.nn.native.precision` has it, which earlier versions lack."""
    if amp == "none":
        return nullcontext()
    made: AbstractContextManager[object] = importlib.import_module("elmo.nn.native.precision").products_in(amp)
    return made


SYSTEMS: dict[str, Callable[[dict[str, Any], Arrays, str], Any]] = {
    "elmo": Ours,
    "plain": lambda size, arrays, _: PlainPaddle(size, arrays, lstm=False),
    "lstm": lambda size, arrays, _: PlainPaddle(size, arrays, lstm=True),
    "torch": Torch,
}
