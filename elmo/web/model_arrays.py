"""What the page's engine needs of a biLM: its weights, one matrix row for each number that comes out."""

from __future__ import annotations

from typing import Any

import numpy as np

from elmo.bilm import BiLM
from elmo.encoding.encoder import Encoder
from elmo.errors import InputError
from elmo.system.types import Arrays

_PARTS = {"input": "input_weight", "recurrent": "recurrent_weight", "projection": "projection_weight"}


def model_arrays(model: BiLM) -> Arrays:
    """Embedding, softmax and LSTMP layers; matrices as [out, in].

    Raises:
        InputError: the page can't run such a model: it reads characters, or has no softmax.
    """
    config = model.config
    if config.token_encoder is not None:
        raise InputError("this model reads words by their characters, and a page only by their ids: choose another")
    if not config.softmax:
        raise InputError("this model came without its softmax, so that a page could show no guesses: choose another")
    parameters = {name: parameter.numpy().astype(np.float32) for name, parameter in model.named_parameters()}
    arrays = {"embedding": parameters["embedding_para"], "softmaxBias": parameters["softmax_bias"]}
    if not config.tie_softmax:
        arrays["softmax"] = parameters["softmax_weight"]
    for direction in ("forward", "backward"):
        for layer in range(config.num_layers):
            here, there = f"{direction}.{layer}", f"{direction}_layers.{layer}"
            arrays[f"{here}.bias"] = parameters[f"{there}.bias"]
            for part, name in _PARTS.items():
                arrays[f"{here}.{part}"] = parameters[f"{there}.{name}"].T
    return arrays


def model_facts(encoder: Encoder) -> dict[str, Any]:
    """Sizes and words, as the engine's header names them."""
    config = encoder.model.config
    sizes = {
        "embed": config.embed_size,
        "hidden": config.hidden_size,
        "layers": config.num_layers,
        "words": config.vocab_size,
        "cellClip": config.cell_clip,
        "projClip": config.proj_clip,
        "skip": config.use_skip_connections,
        "bos": config.bos_id,
        "eos": config.eos_id,
        "unk": encoder.vocabulary.unk_id,
    }
    return {"config": sizes, "words": "\n".join(encoder.vocabulary.tokens)}
