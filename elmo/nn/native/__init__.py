"""Compiled inner loops of LSTMP, GRU and the softmax, and products by Paddle's own oneDNN, in float32 or bfloat16.

The sources in `loops` are compiled for this machine at their first use, into the user's cache directory. Without a
compiler, on a GPU, or with ELMO_NATIVE=0 in the environment, Paddle's own operations give the same numbers (to 1e-6),
more slowly. Every tensor is checked against `signatures` before it is handed over.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from elmo.errors import InputError, RunError
from elmo.nn.native.build import SWITCH as SWITCH
from elmo.nn.native.build import bfloat16_instructions as bfloat16_instructions
from elmo.nn.native.build import bfloat16_refusal as bfloat16_refusal
from elmo.nn.native.build import library as library
from elmo.nn.native.build import onednn as onednn
from elmo.nn.native.build import status as status
from elmo.nn.native.build import threads
from elmo.nn.native.signatures import PRODUCTS, SIGNATURES
from elmo.nn.shapes import check_shapes
from elmo.runtime import paddle

Tensor = Any

_NO_CLIP = float("inf")
_bfloat16 = contextvars.ContextVar("bfloat16", default=False)


@contextlib.contextmanager
def bfloat16_products(wanted: bool = True) -> Iterator[None]:
    """Within it, layers round to bfloat16 what they multiply, and add up in float32; on a CPU, for float32 numbers.

    Parameters, states, losses and everything between two products stay in float32. The backward pass of what was
    computed within it does the same, wherever it is run.

    Raises:
        InputError: this machine can't; says why.
    """
    if wanted and (refusal := bfloat16_refusal()) is not None:
        raise InputError(f"products in bfloat16 can't be made here: {refusal}")
    token = _bfloat16.set(wanted)
    try:
        yield
    finally:
        _bfloat16.reset(token)


def usable(*tensors: Tensor) -> bool:
    """Whether the compiled loops can take these tensors: all on the CPU, all float32 or all float64."""
    dtype = tensors[0].dtype
    if dtype not in (paddle.float32, paddle.float64) or not paddle.in_dynamic_mode():
        return False
    return all(tensor.dtype == dtype and tensor.place.is_cpu_place() for tensor in tensors) and library() is not None


def product_type(dtype: Any) -> Any:
    """Type in which numbers of a type are multiplied at the moment: bfloat16 for float32 within `bfloat16_products`."""
    return paddle.bfloat16 if _bfloat16.get() and dtype == paddle.float32 else dtype


def product(x: Tensor, y: Tensor, transpose_x: bool = False, transpose_y: bool = False, dtype: Any = None) -> Tensor:
    """Product of two matrices, without a gradient: what the backward passes of our layers are made of.

    Args:
        x, y: [m, k] and [k, n], or [k, m] and [n, k] where they are transposed; float32, float64, or bfloat16 (kept
            from a forward pass).
        dtype: in which they are multiplied; by default that of `x` (see `product_type`).

    Returns:
        [m, n], float32 where the factors are rounded to bfloat16.
    """
    dtype = x.dtype if dtype is None else dtype
    on_cpu = x.place.is_cpu_place() and y.place.is_cpu_place()
    if not (on_cpu and dtype in (paddle.float32, paddle.bfloat16) and onednn()):
        return paddle.matmul(x, y, transpose_x, transpose_y)
    axes = ("k m" if transpose_x else "m k", "n k" if transpose_y else "k n")
    sizes = check_shapes("product", {"x": (x, axes[0]), "y": (y, axes[1])})
    x, y = _contiguous(x), _contiguous(y)
    types = "_".join(str(tensor.dtype).rpartition(".")[2] for tensor in (x, y))
    name = types if dtype == paddle.bfloat16 else types.removesuffix("_float32")
    if name not in PRODUCTS:
        raise InputError(f"product: factors are {types.replace('_', ' and ')}, to be multiplied as {dtype}")
    if 0 in sizes.values():
        return paddle.zeros([sizes["m"], sizes["n"]], paddle.float32)
    result = paddle.empty([sizes["m"], sizes["n"]], paddle.float32)
    numbers = (sizes["m"], sizes["n"], sizes["k"], int(transpose_x), int(transpose_y), threads())
    getattr(library(), f"elmo_product_{name}")(*numbers, *map(_address, (x, y, result)))
    _raise_failure("product")
    return result


def _call(
    name: str,
    dtype: Any,
    tensors: Mapping[str, Tensor | None],
    numbers: tuple[float | None, ...] = (),
    sizes: Mapping[str, int] | None = None,
) -> None:
    """Check everything, then run a compiled function on contiguous tensors.

    Args:
        name: of the function.
        dtype: in which it multiplies.
        tensors: its arrays by name.
        numbers: its other numbers; None is no clip.
        sizes: those that no array has.
    """
    signature, variant = SIGNATURES[name], str(dtype).rpartition(".")[2]
    all_sizes = signature.check(name, variant, tensors, sizes or {})
    bounds = [_NO_CLIP if number is None else number for number in numbers]
    addresses = [_address(tensors[each]) for each in signature.arrays]
    getattr(library(), f"elmo_{name}_{variant}")(*all_sizes, threads(), *bounds, *addresses)
    if onednn():
        _raise_failure(name)


def _raise_failure(name: str) -> None:
    if failure := library().elmo_failure():  # type: ignore[union-attr]
        raise RunError(f"{name}: oneDNN failed with status {failure}; go on without it: {SWITCH}=0")


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else int(tensor.data_ptr())


def _contiguous(tensor: Tensor) -> Tensor:
    return tensor if tensor.is_contiguous() else tensor.contiguous()


def lstmp_forward(
    inputs: Tensor,
    hidden: Tensor,
    cell: Tensor,
    weight: Tensor,
    bias: Tensor,
    projection: Tensor,
    clips: tuple[float | None, float | None],
    record: bool,
) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """All time steps of an LSTMP.

    Args:
        inputs: [batch, time, input].
        hidden: [batch, proj], before the first step.
        cell: [batch, hidden], likewise.
        weight: [input + proj, 4 * hidden], of the input above that of the recurrence.
        bias: [4 * hidden].
        projection: [hidden, proj].
        clips: of cell and projection; None for none.
        record: whether to keep what the backward pass needs.

    Returns:
        outputs [batch, time, proj], last cell [batch, hidden], and what `lstmp_backward` needs.
    """
    (batch, time, size), (hidden_size, proj), dtype = inputs.shape, projection.shape, inputs.dtype
    kept_type = product_type(dtype)
    given = {"inputs": inputs, "hidden": hidden, "cell": cell, "weight": weight, "bias": bias, "projection": projection}
    made = {
        "outputs": paddle.empty([batch, time, proj], dtype),
        "last_cell": paddle.empty([batch, hidden_size], dtype),
    }
    kept = dict.fromkeys(("inputs_hiddens", "gates", "cells", "unprojected"))
    if record:
        kept = {
            "inputs_hiddens": paddle.empty([time + 1, batch, size + proj], kept_type),  # of a step side by side
            "gates": paddle.empty([time, batch, 4 * hidden_size], kept_type),
            "cells": paddle.empty([time, batch, hidden_size], dtype),
            "unprojected": paddle.empty([time, batch, hidden_size], kept_type),
        }
    given = {name: _contiguous(tensor) for name, tensor in given.items()}
    _call("lstmp_forward", kept_type, {**given, **made, **kept}, clips)
    return made["outputs"], made["last_cell"], tuple(kept.values()) if record else ()


def lstmp_backward(
    d_outputs: Tensor,
    d_last_cell: Tensor,
    cell: Tensor,
    weight: Tensor,
    projection: Tensor,
    clips: tuple[float | None, float | None],
    kept: tuple[Tensor, ...],
) -> tuple[Tensor, ...]:
    """Gradients of `lstmp_forward`, with products of the type that it had.

    Returns:
        d_inputs, d_hidden, d_cell, d_bias, and for the weights' gradients: d_gates [time, batch, 4 * hidden] and
        d_projected [time, batch, proj].
    """
    (batch, time, proj), hidden_size, dtype = d_outputs.shape, cell.shape[1], cell.dtype
    inputs_hiddens, gates, cells, _ = kept
    made = {
        "d_cell": d_last_cell.clone(),
        "d_hidden": paddle.empty([batch, proj], dtype),
        "d_inputs": paddle.empty([batch, time, weight.shape[0] - proj], dtype),
        "d_gates": paddle.empty(gates.shape, gates.dtype),
        "d_projected": paddle.empty([time, batch, proj], gates.dtype),
        "d_bias": paddle.empty([4 * hidden_size], dtype),
    }
    given = {"cell": cell, "weight": weight, "projection": projection, "d_outputs": d_outputs}
    given = {name: _contiguous(tensor) for name, tensor in given.items()}
    states = {"inputs_hiddens": inputs_hiddens, "gates": gates, "cells": cells}
    _call("lstmp_backward", gates.dtype, {**given, **states, **made}, clips)
    names = ("d_inputs", "d_hidden", "d_cell", "d_bias", "d_gates", "d_projected")
    return tuple(made[name] for name in names)


def gru_forward(
    gate_inputs: Tensor,
    candidate_inputs: Tensor,
    gate_weight: Tensor,
    candidate_weight: Tensor,
    counts: Tensor,
    record: bool,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """All steps of one direction of a GRU; the inputs' memory is used for the gates.

    Args:
        gate_inputs: [tokens, 2 * hidden], packed (`elmo.nn.gru.Packing`), of update and reset gate.
        candidate_inputs: [tokens, hidden].
        gate_weight: [hidden, 2 * hidden].
        candidate_weight: [hidden, hidden].
        counts: [steps], int64: tokens of each step, at least one, never growing.
        record: whether to keep what the backward pass needs.

    Returns:
        outputs [tokens, hidden], and what `gru_backward` needs: gates, candidates, hidden states before each token,
        and these after the reset gate.
    """
    (tokens, size), dtype = candidate_inputs.shape, candidate_inputs.dtype
    gates, candidates = _contiguous(gate_inputs), _contiguous(candidate_inputs)
    outputs = paddle.empty([tokens, size], dtype)
    kept = (paddle.empty([tokens, size], dtype), paddle.empty([tokens, size], dtype)) if record else (None, None)
    _check_counts(counts, tokens)
    tensors = {
        "counts": counts,
        "gate_weight": _contiguous(gate_weight),
        "candidate_weight": _contiguous(candidate_weight),
        "gates": gates,
        "candidates": candidates,
        "outputs": outputs,
        "before": kept[0],
        "reset_hiddens": kept[1],
    }
    _call("gru_forward", product_type(dtype), tensors)
    return outputs, (gates, candidates, *kept) if record else ()


def gru_backward(
    d_outputs: Tensor,
    gate_weight: Tensor,
    candidate_weight: Tensor,
    counts: Tensor,
    kept: tuple[Tensor, ...],
    dtype: Any,
) -> tuple[Tensor, Tensor]:
    """Gradients of `gru_forward`: d_gate_inputs [tokens, 2 * hidden] and d_candidate_inputs [tokens, hidden].

    Args:
        dtype: in which it multiplied (`product_type`).
    """
    gates, candidates, before, _ = kept
    d_gates, d_candidates = paddle.empty(gates.shape, gates.dtype), paddle.empty(candidates.shape, gates.dtype)
    _check_counts(counts, gates.shape[0])
    tensors = {
        "counts": counts,
        "gate_weight": _contiguous(gate_weight),
        "candidate_weight": _contiguous(candidate_weight),
        "gates": gates,
        "candidates": candidates,
        "before": before,
        "d_outputs": _contiguous(d_outputs),
        "d_gates": d_gates,
        "d_candidates": d_candidates,
    }
    _call("gru_backward", dtype, tensors)
    return d_gates, d_candidates


def _check_counts(counts: Tensor, tokens: int) -> None:
    """Refuse a packing of another number of tokens, or one whose steps grow."""
    if counts.dtype != paddle.int64:
        raise InputError(f"GRU: counts are {counts.dtype}, not int64")
    numbers = counts.numpy()
    if int(numbers.sum()) != tokens:
        raise InputError(f"GRU: {tokens} packed tokens, but the packing has {int(numbers.sum())}")
    if not len(numbers) or numbers[-1] < 1 or (numbers[1:] > numbers[:-1]).any():
        raise InputError("GRU: the numbers of tokens of each step must be at least 1 and never grow")


def softmax_forward(
    features: Tensor, candidates: Tensor, biases: Tensor, label_logits: Tensor | None, hits: Tensor, record: bool
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Cross-entropy of each row's label against candidates that all rows share.

    Args:
        features: [rows, dim].
        candidates: [count, dim].
        biases: [count], of the candidates.
        label_logits: [rows], where the labels are no candidates; None where they are.
        hits: [rows], int64: the candidate that is the row's own label; beside `label_logits` it is left out, and -1
            where there is none.
        record: whether to return what the backward pass needs.

    Returns:
        losses [rows], and what was asked for: probabilities of the labels [rows] and of the candidates [rows, count]
        (the latter of the type of products), and the mean of the candidates under these [rows, dim].

    Raises:
        InputError: shapes do not fit, or there is no such candidate.
    """
    (rows, dim), count, dtype = features.shape, candidates.shape[0], features.dtype
    least = -1 if label_logits is not None else 0
    if rows and not least <= int(hits.min()) <= int(hits.max()) < count:
        raise InputError(f"softmax: a label is candidate {int(hits.min())} or {int(hits.max())} of {count}")
    kept_type = product_type(dtype)
    made = {"losses": paddle.empty([rows], dtype)}
    kept: dict[str, Tensor | None] = dict.fromkeys(("label_probabilities", "probabilities", "means"))
    if record:
        kept = {
            "label_probabilities": paddle.empty([rows], dtype),
            "probabilities": paddle.empty([rows, count], kept_type),
            "means": paddle.empty([rows, dim], dtype),
        }
    given = {
        "features": features,
        "candidates": candidates,
        "biases": biases,
        "label_logits": label_logits,
        "hits": hits,
    }
    given = {name: None if tensor is None else _contiguous(tensor) for name, tensor in given.items()}
    _call("softmax_forward", kept_type, {**given, **made, **kept})
    return made["losses"], tuple(kept.values()) if record else ()


def scatter_rows(ids: Tensor, rows: Tensor, count: int) -> Tensor:
    """Table [count, dim] of zeros to which `rows` [n, dim] were added at `ids` [n], int64: the gradient of a look-up.

    Raises:
        InputError: shapes or types do not fit, or an id is not in the table.
    """
    if ids.size and not 0 <= int(ids.min()) <= int(ids.max()) < count:
        raise InputError(f"scatter_rows: ids are {int(ids.min())} to {int(ids.max())}, of {count} rows")
    table = paddle.empty([count, rows.shape[-1]], rows.dtype)
    _call("scatter_rows", rows.dtype, {"ids": _contiguous(ids), "given": _contiguous(rows), "table": table})
    return table


class AdamStep(NamedTuple):
    """Numbers of a step of Adam: rate and epsilon with the corrections for its number, decays, and the clip."""

    rate: float
    beta1: float
    beta2: float
    epsilon: float
    max_norm: float  # of all gradients together; 0 for no clip


def adam(
    parameters: Sequence[Tensor],
    gradients: Sequence[Tensor],
    moments1: Sequence[Tensor],
    moments2: Sequence[Tensor],
    step: AdamStep,
) -> float:
    """Change parameters and moments in place; returns the norm of all gradients before the clip.

    Args:
        parameters, gradients, moments1, moments2: as many of each, of equal shapes, float32, contiguous, on the CPU.
    """
    columns = (parameters, gradients, moments1, moments2)
    for tensors in zip(*columns, strict=True):
        for tensor in tensors:
            if tensor.shape != tensors[0].shape or tensor.dtype != paddle.float32:
                raise InputError(f"adam: {tensor.dtype} {tensor.shape} beside float32 {tensors[0].shape}")
            if not (tensor.is_contiguous() and tensor.place.is_cpu_place()):
                raise InputError("adam: parameters, gradients and moments must be contiguous and on the CPU")
    numbers = np.array([tensor.size for tensor in parameters], np.int64)
    tables = [np.array([_address(tensor) for tensor in column], np.int64) for column in columns]
    addresses = (array.ctypes.data for array in (numbers, *tables))
    return float(library().elmo_adam(len(parameters), threads(), *addresses, *step))  # type: ignore[union-attr]


class BlockSettings(NamedTuple):
    """What `block_forward` and `block_backward` need to know beside tensors."""

    heads: int
    gelu: bool  # else relu
    eps: float
    dropout: float
    attention_dropout: float

    @property
    def sizes(self) -> dict[str, int]:
        """Those that no array has."""
        return {"heads": self.heads, "gelu": int(self.gelu), "three": 3}

    @property
    def numbers(self) -> tuple[float, ...]:
        """The others, in the compiled functions' order."""
        return self.eps, self.dropout, self.attention_dropout


def block_forward(
    rows: Tensor,
    lengths: Tensor | None,
    seeds: Tensor,
    parameters: Mapping[str, Tensor],
    settings: BlockSettings,
    record: bool,
) -> tuple[Tensor, dict[str, Tensor]]:
    """A block of a Transformer encoder (`elmo.nn.transformer.Block`), all of it.

    Args:
        rows: [batch, time, dim], float32.
        lengths: [batch], int64: positions of each sequence that are attended to; None for all.
        seeds: [3], int64: of what is dropped from the attention, behind it, and behind the feed forward part.
        parameters: by the names of `signatures`.
        settings: see `BlockSettings`.
        record: whether to return what the backward pass needs.

    Returns:
        results [batch, time, dim], and what `block_backward` and the products of weights' gradients need, by name.
    """
    batch, time, dim = rows.shape
    inner, kept_type = parameters["output"].shape[0], product_type(rows.dtype)
    if lengths is not None and batch and not 0 < int(lengths.min()) <= int(lengths.max()) <= time:
        raise InputError(f"block: lengths are {int(lengths.min())} to {int(lengths.max())}, of {time} positions")
    results = paddle.empty([batch, time, dim], rows.dtype)
    shapes = {
        "kept_rows": ([batch, time, dim], kept_type),
        "kept_qkv": ([batch, time, 3 * dim], kept_type),
        "weights": ([batch, settings.heads, time, time], kept_type),
        "context": ([batch, time, dim], kept_type),
        "normal1": ([batch, time, dim], rows.dtype),
        "scale1": ([batch, time], rows.dtype),
        "middle": ([batch, time, dim], kept_type),
        "kept_inner": ([batch, time, inner], kept_type),
        "activated": ([batch, time, inner], kept_type),
        "normal2": ([batch, time, dim], rows.dtype),
        "scale2": ([batch, time], rows.dtype),
    }
    kept: dict[str, Tensor | None] = {
        name: paddle.empty(shape, dtype) if record else None for name, (shape, dtype) in shapes.items()
    }
    given = {name: _contiguous(parameter) for name, parameter in parameters.items()}
    tensors = {"rows": _contiguous(rows), "lengths": lengths, "seeds": seeds, **given, "results": results, **kept}
    _call("block_forward", kept_type, tensors, settings.numbers, settings.sizes)
    return results, kept if record else {}


def block_backward(
    d_results: Tensor,
    lengths: Tensor | None,
    seeds: Tensor,
    parameters: Mapping[str, Tensor],
    settings: BlockSettings,
    kept: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Gradients of `block_forward` by name: d_rows, and d_NAME of each parameter."""
    (batch, time, dim), inner = d_results.shape, parameters["output"].shape[0]
    kept_type = kept["kept_qkv"].dtype
    shapes = {
        "d_qkv": [batch, time, 3 * dim],
        "d_attended": [batch, time, dim],
        "d_inner": [batch, time, inner],
        "d_output": [batch, time, dim],
    }
    made = {name: paddle.empty(shape, kept_type) for name, shape in shapes.items()}
    small = {name: p for name, p in parameters.items() if p.ndim == 1}
    made |= {f"d_{name}": paddle.empty(parameter.shape, parameter.dtype) for name, parameter in small.items()}
    made["d_rows"] = paddle.empty([batch, time, dim], d_results.dtype)
    given = {"lengths": lengths, "seeds": seeds, "d_results": _contiguous(d_results)}
    names = SIGNATURES["block_backward"].arrays
    given |= {name: _contiguous(parameter) for name, parameter in parameters.items() if name in names}
    given |= {name: tensor for name, tensor in kept.items() if name in names}
    _call("block_backward", kept_type, {**given, **made}, settings.numbers, settings.sizes)
    factors = {
        "qkv": ("kept_rows", "d_qkv"),
        "attention_output": ("context", "d_attended"),
        "intermediate": ("middle", "d_inner"),
        "output": ("activated", "d_output"),
    }
    gradients = {name: tensor for name, tensor in made.items() if name not in shapes}
    for name, (left, right) in factors.items():
        inputs, d_outputs = (tensor.reshape([batch * time, -1]) for tensor in (kept[left], made[right]))
        gradients[f"d_{name}"] = product(inputs, d_outputs, transpose_x=True)
    return gradients
