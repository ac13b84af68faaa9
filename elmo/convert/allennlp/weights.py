"""Parameters of ours from the datasets of bilm-tf or AllenNLP: which come from where, and in which order."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from elmo.convert.hdf5 import Hdf5File
from elmo.convert.safety import check_memory
from elmo.system.types import Array, Shape

NUM_BYTE_CODES = 261  # 256 bytes; begin and end of sentence and word; padding
_PARAMETER = re.compile(r"(CNN|CNN_high_\d+|CNN_proj|RNN(_\d+)?|char_embed|embedding)(/|$)")


def check_unused(weights: Hdf5File) -> list[str]:
    """Return the datasets that were not read; refuse those that are parameters by their name."""
    others = [name for name in weights.unused() if not name.startswith("softmax/")]
    for name in others:
        if _PARAMETER.match(name):
            raise weights.refuse(name, "is not part of the model that the options describe")
    return others


class ModelReader:
    """Which of our parameters comes from which datasets, and how; all is checked before anything is read."""

    def __init__(self, config: dict[str, Any], weights: Hdf5File, num_tokens: int | None) -> None:
        self._config = config
        self._weights = weights
        self._num_tokens = num_tokens  # rows of the vocabulary file, None where it is not whole
        self._makers: dict[str, Callable[[], Array]] = {}
        self._num_values = 0
        embed_size = config["embed_size"]
        if config["token_encoder"] is None:
            self._plan("embedding_para", "embedding", (num_tokens or 0, embed_size))
        else:
            self._plan_token_encoder(config["token_encoder"], embed_size)
        self._plan_layers(config["hidden_size"], embed_size)

    def read(self) -> dict[str, Array]:
        """Parameters by name, float32; InputError where they do not fit in memory."""
        check_memory(4 * self._num_values, self._weights.path)
        with np.errstate(over="ignore"):  # becomes infinite, which is refused later
            return {name: make() for name, make in self._makers.items()}

    def plan_softmax(self, weights: Hdf5File) -> list[str]:
        """Take the softmax if it is there and has the vocabulary's rows; else return a note that says why not."""
        if not (weights.has("softmax/W") and weights.has("softmax/b")):
            return []
        rows = weights.num_rows("softmax/W")
        if rows != self._num_tokens:
            return [f"the softmax over {rows:,} tokens was left out: no whole vocabulary of so many tokens was given"]
        self._plan("softmax_weight", "softmax/W", (rows, self._config["embed_size"]), weights)
        self._plan("softmax_bias", "softmax/b", (rows,), weights)
        self._config["softmax"] = True
        return []

    def _plan(self, name: str, dataset: str, shape: Shape, weights: Hdf5File | None = None) -> None:
        """Plan a parameter that is a dataset as it is."""
        source = weights or self._weights
        source.check(dataset, shape)
        self._add(name, math.prod(shape), lambda: source.read(dataset, shape))

    def _add(self, name: str, size: int, make: Callable[[], Array]) -> None:
        self._num_values += size
        self._makers[name] = make

    def _plan_token_encoder(self, encoder: dict[str, Any], embed_size: int) -> None:
        weights, prefix = self._weights, "token_encoder"
        char_size = encoder["char_embed_size"]
        self._plan(f"{prefix}.char_embedding", "char_embed", (NUM_BYTE_CODES, char_size))
        for index, (width, count) in enumerate(encoder["filters"]):
            self._plan_convolution(f"{prefix}.convolutions.{index}", index, (1, width, char_size, count))
        size = sum(count for _, count in encoder["filters"])
        for index in range(encoder["num_highway"]):
            for theirs, ours in (("transform", "transform"), ("carry", "gate")):  # "carry" multiplies what is new
                name, dataset = f"{prefix}.highways.{index}.{ours}", f"CNN_high_{index}"
                self._plan(f"{name}_weight", f"{dataset}/W_{theirs}", (size, size))
                self._plan(f"{name}_bias", f"{dataset}/b_{theirs}", (size,))
        if size != embed_size or weights.has("CNN_proj"):
            self._plan(f"{prefix}.projection_weight", "CNN_proj/W_proj", (size, embed_size))
            self._plan(f"{prefix}.projection_bias", "CNN_proj/b_proj", (embed_size,))
        else:  # they project only where sizes differ; a product with the identity is exact
            self._add(f"{prefix}.projection_weight", size * size, lambda: np.eye(size, dtype=np.float32))
            self._add(f"{prefix}.projection_bias", size, lambda: np.zeros(size, np.float32))

    def _plan_convolution(self, name: str, index: int, shape: Shape) -> None:
        weights, dataset = self._weights, f"CNN/W_cnn_{index}"
        weights.check(dataset, shape)
        self._add(f"{name}.weight", math.prod(shape), lambda: weights.read(dataset, shape)[0])
        self._plan(f"{name}.bias", f"CNN/b_cnn_{index}", shape[-1:])

    def _plan_layers(self, hidden_size: int, embed_size: int) -> None:
        num_layers = self._config["num_layers"]
        cells = [f"RNN/MultiRNNCell/Cell{layer}/LSTMCell" for layer in range(num_layers)]
        if num_layers == 1 and not self._weights.has(f"RNN_0/{cells[0]}"):
            cells = ["RNN/LSTMCell"]  # how bilm-tf dumps a model of one layer
        is_projected = hidden_size != embed_size or self._weights.has(f"RNN_0/{cells[0]}/W_P_0")
        if not is_projected:  # TensorFlow clips a projection only where there is one
            self._config["proj_clip"] = None
        for direction, ours in enumerate(("forward_layers", "backward_layers")):
            for layer, cell in enumerate(cells):
                self._plan_layer(f"{ours}.{layer}", f"RNN_{direction}/{cell}", hidden_size, embed_size, is_projected)

    def _plan_layer(self, name: str, cell: str, hidden_size: int, embed_size: int, is_projected: bool) -> None:
        weights, shape = self._weights, (2 * embed_size, 4 * hidden_size)
        weights.check(f"{cell}/W_0", shape)
        weights.check(f"{cell}/B", shape[1:])

        def make_bias() -> Array:
            bias = weights.read(f"{cell}/B", shape[1:])
            bias[2 * hidden_size : 3 * hidden_size] += np.float32(1)  # the forget gate's
            return _in_our_order(bias)

        for kind, rows in (("input", slice(embed_size)), ("recurrent", slice(embed_size, None))):
            self._plan_gates(f"{name}.{kind}_weight", f"{cell}/W_0", shape, rows)
        self._add(f"{name}.bias", 4 * hidden_size, make_bias)
        if is_projected:
            self._plan(f"{name}.projection_weight", f"{cell}/W_P_0", (hidden_size, embed_size))
        else:
            self._add(f"{name}.projection_weight", embed_size**2, lambda: np.eye(embed_size, dtype=np.float32))

    def _plan_gates(self, name: str, dataset: str, shape: Shape, rows: slice) -> None:
        size = len(range(shape[0])[rows]) * shape[1]
        self._add(name, size, lambda: _in_our_order(self._weights.read(dataset, shape, rows)))


def _in_our_order(gates: Array) -> Array:
    """Turn input, candidate, forget, output along the last axis into candidate, input, forget, output."""
    input_gate, candidate, forget_gate, output_gate = np.split(gates, 4, axis=-1)
    return np.concatenate([candidate, input_gate, forget_gate, output_gate], axis=-1)
