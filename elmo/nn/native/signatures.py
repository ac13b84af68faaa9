"""What each compiled function takes: sizes, numbers, and arrays with their axes; checked here before every call."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from elmo.errors import InputError
from elmo.nn.shapes import match_shapes, short_type
from elmo.runtime import paddle
from elmo.system.types import Tensor

Real = type[ctypes.c_float] | type[ctypes.c_double]

_FLOATS: dict[str, Real] = {"float32": ctypes.c_float, "float64": ctypes.c_double}
_BLOCK: dict[str, Real] = {"float32": ctypes.c_float, "bfloat16": ctypes.c_float}
_ALL: dict[str, Real] = {**_FLOATS, "bfloat16": ctypes.c_float}


@dataclass(frozen=True)
class Array:
    """An argument: its axes, and what its numbers are."""

    axes: str
    kind: str = "number"  # "kept": of the type in which products are made; "index": int64


@dataclass(frozen=True)
class Signature:
    """Arguments of a compiled function in their order: sizes, threads, numbers, arrays."""

    sizes: tuple[str, ...]
    arrays: dict[str, Array]
    numbers: int = 0
    variants: Mapping[str, Real] = None  # type: ignore[assignment]  # by the ending of the function's name
    by_onednn: bool = False  # whatever the type; products in bfloat16 always are

    def check(
        self, name: str, variant: str, tensors: Mapping[str, Tensor | None], given: Mapping[str, int]
    ) -> list[int]:
        """Check all that the function relies on, and return the sizes: those of the arrays, and those that are given.

        Raises:
            InputError: names the tensor, what it is and what it should be.
        """
        if variant not in self.variants:
            raise InputError(f"{name}: numbers are {variant}, not {' or '.join(self.variants)}")
        sizes = self.sizes_of(name, tensors, given)
        for each, array in self.arrays.items():
            if (tensor := tensors[each]) is None:
                continue
            wanted = _type(array.kind, variant)
            if tensor.dtype != wanted:
                raise InputError(f"{name}: {each} is {short_type(tensor.dtype)}, not {short_type(wanted)}")
            if not tensor.place.is_cpu_place():
                raise InputError(f"{name}: {each} is on {tensor.place}, not on the CPU")
            if not tensor.is_contiguous():
                raise InputError(f"{name}: {each} is a view with strides {tensor.strides}: give contiguous numbers")
        return [sizes[size] for size in self.sizes]

    def sizes_of(
        self, name: str, tensors: Mapping[str, Tensor | None], given: Mapping[str, int] | None = None
    ) -> dict[str, int]:
        """Sizes by name of the arrays that there are, if they belong together; and those that are given.

        Raises:
            InputError: names the tensor, its shape and the one that it should have.
        """
        return match_shapes(name, {each: (tensor, self.arrays[each].axes) for each, tensor in tensors.items()}, given)


def _type(kind: str, variant: str) -> Any:
    if kind == "index":
        return paddle.int64
    if variant == "bfloat16":
        return paddle.bfloat16 if kind == "kept" else paddle.float32
    return getattr(paddle, variant)


_STATE = {
    "inputs_hiddens": Array("time+1 batch input+proj", "kept"),
    "gates": Array("time batch 4*hidden", "kept"),
    "cells": Array("time batch hidden"),
}
_BLOCK_WEIGHTS = {
    "qkv": Array("dim 3*dim"),
    "attention_output": Array("dim dim"),
    "attention_norm": Array("dim"),
    "intermediate": Array("dim inner"),
    "output": Array("inner dim"),
    "output_norm": Array("dim"),
}
_BLOCK_BIASES = {
    "qkv_bias": Array("3*dim"),
    "attention_output_bias": Array("dim"),
    "attention_norm_bias": Array("dim"),
    "intermediate_bias": Array("inner"),
    "output_bias": Array("dim"),
    "output_norm_bias": Array("dim"),
}
SIGNATURES = {
    "lstmp_forward": Signature(
        ("batch", "time", "input", "hidden", "proj"),
        {
            "inputs": Array("batch time input"),
            "hidden": Array("batch proj"),
            "cell": Array("batch hidden"),
            "weight": Array("input+proj 4*hidden"),
            "bias": Array("4*hidden"),
            "projection": Array("hidden proj"),
            "outputs": Array("batch time proj"),
            "last_cell": Array("batch hidden"),
            **_STATE,
            "unprojected": Array("time batch hidden", "kept"),
        },
        numbers=2,
        variants=_ALL,
    ),
    "lstmp_backward": Signature(
        ("batch", "time", "input", "hidden", "proj"),
        {
            "cell": Array("batch hidden"),
            "weight": Array("input+proj 4*hidden"),
            "projection": Array("hidden proj"),
            **_STATE,
            "d_outputs": Array("batch time proj"),
            "d_cell": Array("batch hidden"),
            "d_hidden": Array("batch proj"),
            "d_inputs": Array("batch time input"),
            "d_gates": Array("time batch 4*hidden", "kept"),
            "d_projected": Array("time batch proj", "kept"),
            "d_bias": Array("4*hidden"),
        },
        numbers=2,
        variants=_ALL,
    ),
    "gru_forward": Signature(
        ("steps", "hidden"),
        {
            "counts": Array("steps", "index"),
            "gate_weight": Array("hidden 2*hidden"),
            "candidate_weight": Array("hidden hidden"),
            "gates": Array("tokens 2*hidden"),
            "candidates": Array("tokens hidden"),
            "outputs": Array("tokens hidden"),
            "before": Array("tokens hidden"),
            "reset_hiddens": Array("tokens hidden"),
        },
        variants=_ALL,
    ),
    "gru_backward": Signature(
        ("steps", "hidden"),
        {
            "counts": Array("steps", "index"),
            "gate_weight": Array("hidden 2*hidden"),
            "candidate_weight": Array("hidden hidden"),
            "gates": Array("tokens 2*hidden"),
            "candidates": Array("tokens hidden"),
            "before": Array("tokens hidden"),
            "d_outputs": Array("tokens hidden"),
            "d_gates": Array("tokens 2*hidden"),
            "d_candidates": Array("tokens hidden"),
        },
        variants=_ALL,
    ),
    "viterbi": Signature(
        ("steps", "tags"),
        {
            "counts": Array("steps", "index"),
            "emissions": Array("tokens tags"),
            "transitions": Array("tags+2 tags"),
            "best": Array("tokens", "index"),
        },
        variants=_FLOATS,
    ),
    "softmax_forward": Signature(
        ("rows", "count", "dim"),
        {
            "features": Array("rows dim"),
            "candidates": Array("count dim"),
            "biases": Array("count"),
            "label_logits": Array("rows"),
            "hits": Array("rows", "index"),
            "losses": Array("rows"),
            "label_probabilities": Array("rows"),
            "probabilities": Array("rows count", "kept"),
            "means": Array("rows dim"),
        },
        variants=_ALL,
    ),
    "scatter_rows": Signature(
        ("rows", "count", "dim"),
        {"ids": Array("count", "index"), "given": Array("count dim"), "table": Array("rows dim")},
        variants=_FLOATS,
    ),
    "block_forward": Signature(
        ("batch", "time", "dim", "inner", "heads", "gelu"),
        {
            "rows": Array("batch time dim"),
            "lengths": Array("batch", "index"),
            "seeds": Array("three", "index"),
            **_BLOCK_WEIGHTS,
            **_BLOCK_BIASES,
            "results": Array("batch time dim"),
            "kept_rows": Array("batch time dim", "kept"),
            "kept_qkv": Array("batch time 3*dim", "kept"),
            "weights": Array("batch heads time time", "kept"),
            "context": Array("batch time dim", "kept"),
            "normal1": Array("batch time dim"),
            "scale1": Array("batch time"),
            "middle": Array("batch time dim", "kept"),
            "kept_inner": Array("batch time inner", "kept"),
            "activated": Array("batch time inner", "kept"),
            "normal2": Array("batch time dim"),
            "scale2": Array("batch time"),
        },
        numbers=3,
        variants=_BLOCK,
        by_onednn=True,
    ),
    "block_backward": Signature(
        ("batch", "time", "dim", "inner", "heads", "gelu"),
        {
            "lengths": Array("batch", "index"),
            "seeds": Array("three", "index"),
            **_BLOCK_WEIGHTS,
            "kept_qkv": Array("batch time 3*dim", "kept"),
            "weights": Array("batch heads time time", "kept"),
            "normal1": Array("batch time dim"),
            "scale1": Array("batch time"),
            "kept_inner": Array("batch time inner", "kept"),
            "normal2": Array("batch time dim"),
            "scale2": Array("batch time"),
            "d_results": Array("batch time dim"),
            "d_rows": Array("batch time dim"),
            "d_qkv": Array("batch time 3*dim", "kept"),
            "d_attended": Array("batch time dim", "kept"),
            "d_inner": Array("batch time inner", "kept"),
            "d_output": Array("batch time dim", "kept"),
            **{f"d_{name}": array for name, array in _BLOCK_BIASES.items()},
            "d_attention_norm": Array("dim"),
            "d_output_norm": Array("dim"),
        },
        numbers=3,
        variants=_BLOCK,
        by_onednn=True,
    ),
}
# Types of the two factors of `elmo_product`, which multiplies in bfloat16.
PRODUCTS = ("float32_float32", "float32_bfloat16", "bfloat16_float32", "bfloat16_bfloat16")
