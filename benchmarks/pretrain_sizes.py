"""The models and batches that benchmarks/pretrain.py measures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from elmo.bilm import BiLM
from elmo.bilm_config import BiLMConfig
from elmo.masked_lm import MaskedLM, MaskedLMConfig
from elmo.nn.softmax import LogUniformSampler
from elmo.runtime import seed_everything
from elmo.system.types import Arrays

GAIN, BIAS = 2.0, 0.1  # of a model's matrices, and the standard deviation of its biases, see `_parameters`


@dataclass(frozen=True)
class Size:
    """Sizes of a biLM and its batch, and how long to measure."""

    objective: ClassVar[str] = "bilm"
    vocab_size: int
    embed_size: int = 128
    hidden_size: int = 512
    num_layers: int = 2
    dropout: float = 0.1
    batch_size: int = 64
    num_steps: int = 20
    num_samples: int = 2048
    optim: str = "adagrad"
    learning_rate: float = 0.2
    rounds: int = 7
    steps: int = 2  # of training, in a turn

    @property
    def step_gflop(self) -> float:
        """Products of a step: forward once, backward twice; both directions."""
        embed, hidden = self.embed_size, self.hidden_size
        layer = 2 * (4 * hidden * 2 * embed + hidden * embed)  # inputs and recurrence, projection
        token = 3 * (self.num_layers * layer + 2 * self.num_samples * embed)
        return 2 * self.batch_size * self.num_steps * token / 1e9

    @property
    def tokens(self) -> int:
        """Words of a batch."""
        return self.batch_size * self.num_steps


@dataclass(frozen=True)
class MaskedSize:
    """Sizes of a masked language model and its batch, and how long to measure."""

    objective: ClassVar[str] = "masked"
    vocab_size: int = 6_000
    hidden_size: int = 288
    num_layers: int = 4
    num_heads: int = 4
    intermediate_size: int = 1152
    max_length: int = 128
    dropout: float = 0.1  # of attention, too
    batch_size: int = 16
    masked: int = 19  # tokens of each sequence, 15%
    learning_rate: float = 5e-4
    rounds: int = 7
    steps: int = 1

    @property
    def step_gflop(self) -> float:
        """Products of a step: forward once, backward twice."""
        hidden, time_steps = self.hidden_size, self.max_length
        block = 2 * hidden * (4 * hidden + 2 * self.intermediate_size) + 4 * time_steps * hidden
        head = 2 * hidden * (hidden + self.vocab_size) * self.masked / time_steps
        return 3 * self.batch_size * time_steps * (self.num_layers * block + head) / 1e9

    @property
    def tokens(self) -> int:
        """Characters of a batch, without [CLS] and [SEP]."""
        return self.batch_size * (self.max_length - 2)


SIZES: dict[str, Size | MaskedSize] = {
    "small": Size(7_219),
    "large vocabulary": Size(52_445, rounds=5),
    "adam": Size(30_000, optim="adam", learning_rate=1e-3, rounds=5),
    "larger": Size(30_000, embed_size=256, hidden_size=1024, num_samples=4096, rounds=3, steps=1),
    "bert": MaskedSize(),
}


def make_arrays(size: Size | MaskedSize) -> Arrays:
    """Parameters, and a batch whose ids are as frequent as words are; for a biLM, the candidates of its softmax too."""
    generator = seed_everything(0)
    frequent = LogUniformSampler(size.vocab_size, 1).probabilities
    if isinstance(size, MaskedSize):
        names = ("vocab_size", "hidden_size", "num_layers", "num_heads", "intermediate_size", "max_length")
        masked_config = MaskedLMConfig(**{name: getattr(size, name) for name in names})
        shape = (size.batch_size, size.max_length)
        inner = [generator.choice(np.arange(1, shape[1] - 1), size.masked, replace=False) for _ in range(shape[0])]
        places = np.concatenate([row * shape[1] + np.sort(columns) for row, columns in enumerate(inner)])
        targets = generator.choice(size.vocab_size, len(places), p=frequent)
        batch = {
            "token_ids": generator.choice(size.vocab_size, shape, p=frequent),
            "places": places,
            "targets": targets,
        }
        return {**_parameters(MaskedLM(masked_config), generator), **batch}
    config = BiLMConfig(
        size.vocab_size, size.embed_size, size.hidden_size, size.num_layers, dropout=size.dropout, bos_id=0, eos_id=1
    )
    arrays = _parameters(BiLM(config), generator)
    sampler = LogUniformSampler(size.vocab_size, size.num_samples)
    arrays["ids"] = generator.choice(size.vocab_size, (4, size.batch_size, size.num_steps), p=frequent)
    candidates, num_draws = sampler.draw(generator)
    ids = np.concatenate([arrays["ids"][1].ravel(), arrays["ids"][3].ravel(), candidates])
    arrays["correction"] = -np.log(sampler.expected_count(ids, num_draws))
    return {**arrays, "candidates": candidates, "num_draws": np.array(num_draws)}


def _parameters(model: Any, generator: np.random.Generator) -> Arrays:
    """First values made larger, and biases that are not zero: or a loss would say little about what led to it."""
    arrays = {name: parameter.numpy() for name, parameter in model.named_parameters()}
    for name, array in arrays.items():
        if name.endswith("bias"):
            array += generator.normal(0.0, BIAS, array.shape).astype(np.float32)
        elif array.ndim == 2:
            array *= GAIN
    return arrays
