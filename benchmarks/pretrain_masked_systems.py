"""The masked language models of benchmarks/pretrain.py, by system: ours and PyTorch's; see pretrain_systems.py."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # an earlier checkout lacks it
    from elmo.system.types import Arrays

MODEL = ("vocab_size", "hidden_size", "num_layers", "num_heads", "intermediate_size", "max_length", "dropout")
CLIP = 1.0
TABLES = ("token", "position", "segment")
BATCH = ("token_ids", "places", "targets")


class Ours:
    """`MaskedLM` with its objective and optimiser, as `elmo pretrain_masked` uses them."""

    def __init__(self, size: dict[str, Any], arrays: Arrays, amp: str) -> None:
        from elmo import runtime
        from elmo.masked_lm import MaskedLM, MaskedLMConfig
        from elmo.runtime import paddle
        from elmo.text.masking import MaskedBatch
        from elmo.training.masked import MaskedLMObjective, MaskedSettings
        from elmo.training.optimizer import make_optimizer

        self.paddle, self.amp = paddle, amp
        self.products_in = importlib.import_module("pretrain_bilm_systems").products_in
        getattr(runtime, "keep_freed_memory", bool)()  # earlier versions lack it
        sizes = {name: size[name] for name in MODEL}
        self.model = MaskedLM(MaskedLMConfig(**sizes, attention_dropout=size["dropout"]))
        names = {name for name, _ in self.model.named_parameters()}
        self.model.set_state_dict({name: paddle.to_tensor(arrays[name]) for name in names})
        self.model.train()
        settings = MaskedSettings(
            batch_size=size["batch_size"], learning_rate=size["learning_rate"], max_grad_norm=CLIP, amp=amp
        )
        text: Any = SimpleNamespace(length=size["max_length"] - 2)
        nothing: Any = None
        self.objective = MaskedLMObjective(self.model, nothing, text, None, settings)
        self.optimizer = make_optimizer(settings, self.model.parameters())
        self.batch = MaskedBatch(*(arrays[name] for name in BATCH))

    def loss(self) -> float:
        """Mean loss before the first step, without dropout, in nats."""
        self.model.eval()
        with self.paddle.no_grad(), self.products_in(self.amp):
            mean = float(self.objective.training_loss(self.batch)[1])
        self.model.train()
        return mean

    def train(self) -> None:
        """One step."""
        with self.products_in(self.amp):
            loss, mean, _ = self.objective.training_loss(self.batch)
        float(mean)
        loss.backward()
        self.optimizer.step()
        self.optimizer.clear_grad()

    def encode(self) -> None:
        """Vectors of one batch, of all layers."""
        self.model.eval()
        ids = self.batch.token_ids
        with self.paddle.no_grad(), self.products_in(self.amp):
            lengths = self.paddle.full([len(ids)], ids.shape[1], dtype="int64")
            for layer in self.model(self.paddle.to_tensor(ids), lengths):
                layer.numpy()
        self.model.train()


class Torch:
    """The same network in PyTorch: its fused attention, and Adam in one pass."""

    def __init__(self, size: dict[str, Any], arrays: Arrays, amp: str) -> None:
        torch = importlib.import_module("torch")  # not one of this project's dependencies
        torch.set_num_threads(size["threads"])
        self.torch, self.size, self.functional = torch, size, torch.nn.functional
        self.cast = torch.autocast("cpu", torch.bfloat16, enabled=amp == "bf16")
        self.parameters = {
            name: torch.nn.Parameter(torch.from_numpy(np.ascontiguousarray(array.T if is_linear(name) else array)))
            for name, array in arrays.items()
            if name not in BATCH
        }
        self.ids, self.places, self.targets = (torch.from_numpy(arrays[name]) for name in BATCH)
        self.optimizer = torch.optim.Adam(self.parameters.values(), size["learning_rate"], fused=True)

    def linear(self, rows: Any, name: str) -> Any:
        """A linear map of rows."""
        return self.functional.linear(rows, self.parameters[f"{name}.weight"], self.parameters[f"{name}.bias"])

    def norm(self, rows: Any, name: str) -> Any:
        """Layer norm."""
        weight, bias = (self.parameters[f"{name}.{part}"] for part in ("weight", "bias"))
        return self.functional.layer_norm(rows, rows.shape[-1:], weight, bias, 1e-12)

    def layers(self, dropout: float) -> list[Any]:
        """Hidden states of every layer, [batch, time, hidden] each."""
        size, drop = self.size, self.functional.dropout
        batch, time = self.ids.shape
        rows = self.functional.embedding(self.ids, self.parameters["encoder.token_embedding"])
        rows = (
            rows
            + self.parameters["encoder.position_embedding"][:time]
            + self.parameters["encoder.segment_embedding"][0]
        )
        layers = [drop(self.norm(rows, "encoder.embedding_norm"), dropout)]
        for number in range(size["num_layers"]):
            rows, block = layers[-1], f"encoder.blocks.{number}"
            parts = self.linear(rows, f"{block}.qkv").view(batch, time, 3, size["num_heads"], -1).permute(2, 0, 3, 1, 4)
            mixed = self.functional.scaled_dot_product_attention(*parts, dropout_p=dropout)
            mixed = self.linear(mixed.transpose(1, 2).reshape(batch, time, -1), f"{block}.attention_output")
            rows = self.norm(rows + drop(mixed, dropout), f"{block}.attention_norm")
            inner = self.functional.gelu(self.linear(rows, f"{block}.intermediate"))
            rows = self.norm(rows + drop(self.linear(inner, f"{block}.output"), dropout), f"{block}.output_norm")
            layers.append(rows)
        return layers

    def losses(self, dropout: float) -> Any:
        """Loss of every prediction."""
        rows = self.layers(dropout)[-1].reshape(-1, self.size["hidden_size"])[self.places]
        rows = self.norm(self.functional.gelu(self.linear(rows, "head.transform")), "head.transform_norm")
        weight, bias = self.parameters["encoder.token_embedding"], self.parameters["head.decoder_bias"]
        logits = self.functional.linear(rows, weight, bias)
        return self.functional.cross_entropy(logits.float(), self.targets, reduction="none")

    def loss(self) -> float:
        """As in `Ours`."""
        with self.torch.no_grad(), self.cast:
            return float(self.losses(0.0).mean())

    def train(self) -> None:
        """One step."""
        with self.cast:
            losses = self.losses(self.size["dropout"])
        float(losses.mean())
        (losses.sum() / len(losses)).backward()
        self.torch.nn.utils.clip_grad_norm_(self.parameters.values(), CLIP, foreach=True)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def encode(self) -> None:
        """As in `Ours`."""
        with self.torch.inference_mode(), self.cast:
            for layer in self.layers(0.0):
                layer.float().numpy()


def is_linear(name: str) -> bool:
    """Whether a parameter is the weight [inputs, outputs] of a linear map, which PyTorch has transposed."""
    *_, layer, part = ("", *name.split("."))
    return part == "weight" and not layer.endswith("norm")


SYSTEMS: dict[str, Callable[[dict[str, Any], Arrays, str], Any]] = {"elmo": Ours, "torch": Torch}
