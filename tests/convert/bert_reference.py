"""BERT's forward pass in NumPy and double precision, from the names that Hugging Face's files have.

Written from the paper's formulas, not from our layers: what both get wrong alike is unlikely.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

erf = np.vectorize(math.erf)


def norm(values: np.ndarray, weights: dict[str, np.ndarray], name: str, eps: float) -> np.ndarray:
    mean = values.mean(-1, keepdims=True)
    variance = ((values - mean) ** 2).mean(-1, keepdims=True)
    return (values - mean) / np.sqrt(variance + eps) * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def linear(values: np.ndarray, weights: dict[str, np.ndarray], name: str) -> np.ndarray:
    return values @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def activate(values: np.ndarray, name: str) -> np.ndarray:
    if name == "gelu_new":
        return 0.5 * values * (1 + np.tanh(math.sqrt(2 / math.pi) * (values + 0.044715 * values**3)))
    return np.maximum(values, 0) if name == "relu" else values * 0.5 * (1 + erf(values / math.sqrt(2)))


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def hidden_states(ids: list[int], weights: dict[str, np.ndarray], config: dict[str, Any]) -> list[np.ndarray]:
    """Hidden states [time, dim] of every layer, for one sequence; names without the prefix `bert.`."""
    eps, heads = config["layer_norm_eps"], config["num_attention_heads"]
    embedded = (
        weights["embeddings.word_embeddings.weight"][ids]
        + weights["embeddings.position_embeddings.weight"][: len(ids)]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    if config.get("use_task_id"):
        embedded = embedded + weights["embeddings.task_type_embeddings.weight"][0]
    hidden = norm(embedded, weights, "embeddings.LayerNorm", eps)
    layers, size = [hidden], hidden.shape[1] // heads
    for number in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{number}"
        query, key, value = (linear(hidden, weights, f"{name}.attention.self.{part}") for part in QKV)
        context = np.concatenate(
            [
                softmax(query[:, part] @ key[:, part].T / math.sqrt(size)) @ value[:, part]
                for part in (slice(head * size, (head + 1) * size) for head in range(heads))
            ],
            axis=1,
        )
        attended = linear(context, weights, f"{name}.attention.output.dense")
        hidden = norm(hidden + attended, weights, f"{name}.attention.output.LayerNorm", eps)
        inner = activate(linear(hidden, weights, f"{name}.intermediate.dense"), config["hidden_act"])
        hidden = norm(hidden + linear(inner, weights, f"{name}.output.dense"), weights, f"{name}.output.LayerNorm", eps)
        layers.append(hidden)
    return layers


def logits(hidden: np.ndarray, weights: dict[str, np.ndarray], config: dict[str, Any]) -> np.ndarray:
    """Scores [time, vocab] by the head that predicts masked tokens."""
    inner = activate(linear(hidden, weights, "cls.predictions.transform.dense"), config["hidden_act"])
    inner = norm(inner, weights, "cls.predictions.transform.LayerNorm", config["layer_norm_eps"])
    return inner @ weights["embeddings.word_embeddings.weight"].T + weights["cls.predictions.bias"]


QKV = ("query", "key", "value")


def shapes(config: dict[str, Any], head: bool, pooler: bool) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all parameters in such a file, without the prefix."""
    dim, inner, vocab = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    found: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (vocab, dim),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], dim),
        "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], dim),
    }
    if config.get("use_task_id"):
        found["embeddings.task_type_embeddings.weight"] = (config["task_type_vocab_size"], dim)
    norms, maps = ["embeddings.LayerNorm"], {}
    for number in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{number}"
        maps |= {f"{name}.attention.self.{part}": (dim, dim) for part in QKV}
        maps |= {f"{name}.attention.output.dense": (dim, dim)}
        maps |= {f"{name}.intermediate.dense": (inner, dim), f"{name}.output.dense": (dim, inner)}
        norms += [f"{name}.attention.output.LayerNorm", f"{name}.output.LayerNorm"]
    if pooler:
        maps["pooler.dense"] = (dim, dim)
    if head:
        maps["cls.predictions.transform.dense"] = (dim, dim)
        norms.append("cls.predictions.transform.LayerNorm")
        found["cls.predictions.bias"] = (vocab,)
    for name, shape in maps.items():
        found |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    for name in norms:
        found |= {f"{name}.weight": (dim,), f"{name}.bias": (dim,)}
    return found
