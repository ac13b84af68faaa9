"""Parameters of small layers and models: drawn by chance, and as a model's files hold them."""

from __future__ import annotations

from typing import Any

import numpy as np

from elmo.bilm import BiLM
from elmo.masked_lm import MaskedLM
from elmo.models import ModelFiles
from elmo.text.vocabulary import Vocabulary


def draw(layer: Any, seed: int, spread: float = 0.7) -> None:
    """Parameters large enough to use the curved parts of the layer's functions."""
    generator = np.random.default_rng(seed)
    for parameter in layer.parameters():
        parameter.set_value(generator.normal(0.0, spread, parameter.shape).astype(parameter.numpy().dtype))


def shake(layer: Any, seed: int = 0) -> None:
    """Give all parameters values that are neither zero nor one, near those that they have."""
    generator = np.random.default_rng(seed)
    for parameter in layer.parameters():
        noise = generator.normal(0.0, 0.3, parameter.shape).astype(np.float32)
        parameter.set_value(parameter.numpy() + noise)


def files_of(model: BiLM | MaskedLM, vocabulary: Vocabulary, provenance: dict[str, Any] | None = None) -> ModelFiles:
    """A model as its directory holds it."""
    kind = "bilm" if isinstance(model, BiLM) else "masked_lm"
    arrays = {name: parameter.numpy() for name, parameter in model.named_parameters()}
    return ModelFiles(kind, model.config.to_dict(), vocabulary, arrays, provenance or {})
