"""Compiled inner loops of LSTMP, GRU, CRF, softmax and Transformer, and products in bfloat16 by Paddle's own oneDNN.

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
from elmo.nn.native.build import bfloat16_drawback as bfloat16_drawback
from elmo.nn.native.build import bfloat16_instructions as bfloat16_instructions
from elmo.nn.native.build import bfloat16_refusal as bfloat16_refusal
from elmo.nn.native.build import library as library
from elmo.nn.native.build import onednn as onednn
from elmo.nn.native.build import status as status
from elmo.nn.native.build import threads
from elmo.nn.native.signatures import PRODUCTS, SIGNATURES
from elmo.nn.shapes import check_range, match_shapes, short_type
from elmo.runtime import paddle
from elmo.system.types import Tensor

_NO_CLIP = float("inf")
_OUT_OF_MEMORY = 1  # oneDNN's number for it, and that of our own loops
_PLAIN = (paddle.float32, paddle.float64)  # types of products that are not rounded
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
    if dtype not in _PLAIN or not paddle.in_dynamic_mode():
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

    Raises:
        InputError: shapes or types that do not fit.
    """
    axes = ("k m" if transpose_x else "m k", "n k" if transpose_y else "k n")
    sizes = match_shapes("product", {"x": (x, axes[0]), "y": (y, axes[1])})
    dtype = x.dtype if dtype is None else dtype
    types = [short_type(tensor.dtype) for tensor in (x, y)]
    name, rounded = "_".join(types), dtype == paddle.bfloat16
    if not (name in PRODUCTS if rounded else dtype in _PLAIN and types == [short_type(dtype)] * 2):
        raise InputError(f"product: factors are {' and '.join(types)}, to be multiplied as {short_type(dtype)}")
    if 0 in sizes.values():
        return paddle.zeros([sizes["m"], sizes["n"]], paddle.float32 if rounded else dtype)
    if not rounded:  # MKL's: on AMD's Zen 4 oneDNN's take 1.02 to 1.4 times as long, and 6 to 10 times for one column
        return paddle.matmul(x, y, transpose_x, transpose_y)
    if not (x.place.is_cpu_place() and y.place.is_cpu_place() and onednn()):
        raise RunError(f"product: in bfloat16 they are only made on a CPU by compiled loops, which are {status()}")
    x, y = _contiguous(x), _contiguous(y)
    result = paddle.empty([sizes["m"], sizes["n"]], paddle.float32)
    numbers = (sizes["m"], sizes["n"], sizes["k"], int(transpose_x), int(transpose_y), threads())
    _run(f"product_{name}", (*numbers, *map(_address, (x, y, result))))
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
    signature, variant = SIGNATURES[name], short_type(dtype)
    all_sizes = signature.check(name, variant, tensors, sizes or {})
    if (signature.by_onednn or variant == "bfloat16") and not onednn():  # which opens it
        raise RunError(f"{name}: {bfloat16_refusal()}")
    bounds = [_NO_CLIP if number is None else number for number in numbers]
    addresses = [_address(tensors[each]) for each in signature.arrays]
    _run(f"{name}_{variant}", (*all_sizes, threads(), *bounds, *addresses))


def _run(name: str, arguments: tuple[Any, ...]) -> Any:
    """Result of a compiled function, if nothing failed in it."""
    if (loaded := library()) is None:
        raise RunError(f"{name}: compiled loops are {status()}")
    result = getattr(loaded, f"elmo_{name}")(*arguments)
    if failure := loaded.elmo_failure():
        what = "there is not enough memory" if failure == _OUT_OF_MEMORY else f"oneDNN failed with status {failure}"
        raise RunError(f"{name}: {what}; go on without compiled loops: {SWITCH}=0")
    return result


def _sizes(name: str, given: Mapping[str, Tensor | None], known: Mapping[str, int] | None = None) -> dict[str, int]:
    """Sizes of what a function is given, if the arrays belong together."""
    return SIGNATURES[name].sizes_of(name, given, known)


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else int(tensor.data_ptr())


def _contiguous(tensor: Tensor) -> Tensor:
    return tensor if tensor.is_contiguous() else tensor.contiguous()


def _all_contiguous(tensors: Mapping[str, Tensor | None]) -> dict[str, Tensor | None]:
    return {name: None if tensor is None else _contiguous(tensor) for name, tensor in tensors.items()}


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
    given = {"inputs": inputs, "hidden": hidden, "cell": cell, "weight": weight, "bias": bias, "projection": projection}
    sizes, dtype = _sizes("lstmp_forward", given), inputs.dtype
    batch, time, size, hidden_size, proj = (sizes[name] for name in ("batch", "time", "input", "hidden", "proj"))
    kept_type = product_type(dtype)
    made = {"outputs": paddle.empty([batch, time, proj], dtype), "last_cell": paddle.empty([batch, hidden_size], dtype)}
    kept = dict.fromkeys(("inputs_hiddens", "gates", "cells", "unprojected"))
    if record:
        kept = {
            "inputs_hiddens": paddle.empty([time + 1, batch, size + proj], kept_type),  # of a step side by side
            "gates": paddle.empty([time, batch, 4 * hidden_size], kept_type),
            "cells": paddle.empty([time, batch, hidden_size], dtype),
            "unprojected": paddle.empty([time, batch, hidden_size], kept_type),
        }
    _call("lstmp_forward", kept_type, {**_all_contiguous(given), **made, **kept}, clips)
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
    """Gradients of `lstmp_forward`, with products of the type that it had; the memory of the gates is used for theirs.

    Returns:
        d_inputs, d_hidden, d_cell, d_bias, and for the weights' gradients: d_gates [time, batch, 4 * hidden] and
        d_projected [time, batch, proj].
    """
    inputs_hiddens, gates, cells, _ = kept
    given = {"cell": cell, "weight": weight, "projection": projection, "d_outputs": d_outputs, "d_cell": d_last_cell}
    states = {"inputs_hiddens": inputs_hiddens, "gates": gates, "cells": cells}
    known = {"input": max(0, weight.shape[0] - projection.shape[-1])}
    sizes, dtype = _sizes("lstmp_backward", {**given, **states}, known), cell.dtype
    batch, time, size, hidden_size, proj = (sizes[name] for name in ("batch", "time", "input", "hidden", "proj"))
    made = {
        "d_cell": _contiguous(d_last_cell).clone(),
        "d_hidden": paddle.empty([batch, proj], dtype),
        "d_inputs": paddle.empty([batch, time, size], dtype),
        "d_gates": gates,  # each row is read before it is written; these are most of what a step keeps
        "d_projected": paddle.empty([time, batch, proj], gates.dtype),
        "d_bias": paddle.empty([4 * hidden_size], dtype),
    }
    _call("lstmp_backward", gates.dtype, {**_all_contiguous(given), **states, **made}, clips)
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
    given = {
        "counts": counts,
        "gate_weight": gate_weight,
        "candidate_weight": candidate_weight,
        "gates": gate_inputs,
        "candidates": candidate_inputs,
    }
    sizes, dtype = _sizes("gru_forward", given), candidate_inputs.dtype
    shape = [sizes["tokens"], sizes["hidden"]]
    _check_counts("GRU", counts, sizes["tokens"])
    given, outputs = _all_contiguous(given), paddle.empty(shape, dtype)
    kept = (paddle.empty(shape, dtype), paddle.empty(shape, dtype)) if record else (None, None)
    _call(
        "gru_forward", product_type(dtype), {**given, "outputs": outputs, "before": kept[0], "reset_hiddens": kept[1]}
    )
    return outputs, (given["gates"], given["candidates"], *kept) if record else ()


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
    given = {
        "counts": counts,
        "gate_weight": gate_weight,
        "candidate_weight": candidate_weight,
        "gates": gates,
        "candidates": candidates,
        "before": before,
        "d_outputs": d_outputs,
    }
    _check_counts("GRU", counts, _sizes("gru_backward", given)["tokens"])
    d_gates, d_candidates = paddle.empty(gates.shape, gates.dtype), paddle.empty(candidates.shape, gates.dtype)
    _call("gru_backward", dtype, {**_all_contiguous(given), "d_gates": d_gates, "d_candidates": d_candidates})
    return d_gates, d_candidates


def _check_counts(owner: str, counts: Tensor, tokens: int) -> None:
    """Refuse a packing of another number of tokens, or one whose steps grow."""
    if counts.dtype != paddle.int64:
        raise InputError(f"{owner}: counts are {short_type(counts.dtype)}, not int64")
    numbers = counts.numpy()
    if (total := sum(numbers.tolist())) != tokens:  # of Python's numbers, which do not overflow
        raise InputError(f"{owner}: {tokens} packed tokens, but the packing has {total}")
    if not len(numbers) or numbers[-1] < 1 or (numbers[1:] > numbers[:-1]).any():
        raise InputError(f"{owner}: the numbers of tokens of each step must be at least 1 and never grow")


def viterbi(emissions: Tensor, transitions: Tensor, counts: Tensor) -> Tensor:
    """The best tags [tokens], int64, of packed sentences by a CRF; see `elmo.nn.crf.viterbi`.

    Args:
        emissions: [tokens, tags], packed.
        transitions: [tags + 2, tags]: start, stop, then from each tag.
        counts: [steps], int64: tokens of each step, at least one, never growing.

    Raises:
        InputError: shapes or types do not fit, or there is no tag.
    """
    given = {"counts": counts, "emissions": emissions, "transitions": transitions}
    sizes = _sizes("viterbi", given)
    if not sizes["tags"]:
        raise InputError("viterbi: there is no tag to choose: give at least one")
    _check_counts("viterbi", counts, sizes["tokens"])
    best = paddle.empty([sizes["tokens"]], paddle.int64)
    _call("viterbi", emissions.dtype, {**_all_contiguous(given), "best": best})
    return best


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
    given = {
        "features": features,
        "candidates": candidates,
        "biases": biases,
        "label_logits": label_logits,
        "hits": hits,
    }
    sizes, dtype = _sizes("softmax_forward", given), features.dtype
    rows, dim, count = (sizes[name] for name in ("rows", "dim", "count"))
    check_range("softmax", "hits", hits, -1 if label_logits is not None else 0, count - 1, f"{count} candidates")
    kept_type = product_type(dtype)
    made = {"losses": paddle.empty([rows], dtype)}
    kept: dict[str, Tensor | None] = dict.fromkeys(("label_probabilities", "probabilities", "means"))
    if record:
        kept = {
            "label_probabilities": paddle.empty([rows], dtype),
            "probabilities": paddle.empty([rows, count], kept_type),
            "means": paddle.empty([rows, dim], dtype),
        }
    _call("softmax_forward", kept_type, {**_all_contiguous(given), **made, **kept})
    return made["losses"], tuple(kept.values()) if record else ()


def scatter_rows(ids: Tensor, rows: Tensor, count: int) -> Tensor:
    """Table [count, dim] of zeros to which `rows` [n, dim] were added at `ids` [n], int64: the gradient of a look-up.

    Raises:
        InputError: shapes or types do not fit, or an id is not in the table.
    """
    given = {"ids": ids, "given": rows}
    dim = _sizes("scatter_rows", given, {"rows": count})["dim"]
    check_range("scatter_rows", "ids", ids, 0, count - 1, f"{count} rows")
    table = paddle.empty([count, dim], rows.dtype)
    _call("scatter_rows", rows.dtype, {**_all_contiguous(given), "table": table})
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
    if len({len(column) for column in columns}) > 1:
        raise InputError(f"adam: {' and '.join(str(len(column)) for column in columns)} tensors: give as many of each")
    for tensors in zip(*columns, strict=True):
        for tensor in tensors:
            if tensor.shape != tensors[0].shape or tensor.dtype != paddle.float32:
                shown = f"{short_type(tensor.dtype)} {list(tensor.shape)}"
                raise InputError(f"adam: {shown} beside float32 {list(tensors[0].shape)}")
            if not (tensor.is_contiguous() and tensor.place.is_cpu_place()):
                raise InputError("adam: parameters, gradients and moments must be contiguous and on the CPU")
    numbers = np.array([tensor.size for tensor in parameters], np.int64)
    tables = [np.array([_address(tensor) for tensor in column], np.int64) for column in columns]
    addresses = (array.ctypes.data for array in (numbers, *tables))
    return float(_run("adam", (len(parameters), threads(), *addresses, *step)))


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
    given = {"rows": rows, "lengths": lengths, "seeds": seeds, **parameters}
    sizes, kept_type = _block_sizes("block_forward", given, settings), product_type(rows.dtype)
    batch, time, dim, inner = (sizes[name] for name in ("batch", "time", "dim", "inner"))
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
    tensors = {**_all_contiguous(given), "results": results, **kept}
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
    names = SIGNATURES["block_backward"].arrays
    given = {"lengths": lengths, "seeds": seeds, "d_results": d_results}
    given |= {name: tensor for name, tensor in (*parameters.items(), *kept.items()) if name in names}
    sizes, kept_type = _block_sizes("block_backward", given, settings), kept["kept_qkv"].dtype
    _sizes("block_forward", kept, sizes)
    batch, time, dim, inner = (sizes[name] for name in ("batch", "time", "dim", "inner"))
    shapes = {
        "d_qkv": [batch, time, 3 * dim],
        "d_attended": [batch, time, dim],
        "d_inner": [batch, time, inner],
        "d_output": [batch, time, dim],
    }
    made = {name: paddle.empty(shape, kept_type) for name, shape in shapes.items()}
    axes = {name: SIGNATURES["block_forward"].arrays[name].axes for name in parameters}
    small = {name: parameter for name, parameter in parameters.items() if " " not in axes[name]}
    made |= {f"d_{name}": paddle.empty(parameter.shape, parameter.dtype) for name, parameter in small.items()}
    made["d_rows"] = paddle.empty([batch, time, dim], d_results.dtype)
    _call("block_backward", kept_type, {**_all_contiguous(given), **made}, settings.numbers, settings.sizes)
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


def _block_sizes(name: str, given: Mapping[str, Tensor | None], settings: BlockSettings) -> dict[str, int]:
    """Sizes of what a block is given, if that belongs together and can be computed."""
    sizes = SIGNATURES[name].sizes_of(name, given, settings.sizes)
    if missing := [each for each in ("batch", "time", "dim", "inner") if not sizes[each]]:
        raise InputError(f"{name}: {missing[0]} is 0: give at least one of each")
    if settings.heads < 1 or sizes["dim"] % settings.heads:
        raise InputError(f"{name}: {settings.heads} heads can't share {sizes['dim']} numbers: give a divisor of them")
    for share in (settings.dropout, settings.attention_dropout):
        if not 0 <= share < 1:
            raise InputError(f"{name}: a share of {share} is dropped: give 0 to below 1")
    if (lengths := given["lengths"]) is not None:
        check_range(name, "lengths", lengths, 1, sizes["time"], f"{sizes['time']} positions")
    return sizes
