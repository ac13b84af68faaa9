"""Compiled inner loops of LSTMP, GRU and the sampled softmax, for machines that have a C++ compiler.

`native.cc` is compiled for this machine at its first use, into the user's cache directory. Without a compiler, on a
GPU, or with ELMO_NATIVE=0 in the environment, Paddle's own operations give the same numbers (to 1e-6), more slowly.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import platformdirs

from elmo.runtime import available_cores, paddle

Tensor = Any

SWITCH = "ELMO_NATIVE"  # "0" switches the compiled loops off
_SOURCE = Path(__file__).with_name("native.cc")
# No flag may let the compiler assume that there is no NaN: a loss that is not finite must stay so.
_FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fopenmp-simd")
_LINK_FLAGS = ("-fPIC", "-shared", "-pthread")
_COMPILE_SECONDS = 120
_NO_CLIP = float("inf")
_FUNCTIONS = {  # how many sizes, whether clips, how many arrays
    "lstmp_forward": (5, True, 12),
    "lstmp_backward": (5, True, 13),
    "gru_forward": (2, False, 8),
    "gru_backward": (2, False, 9),
    "softmax_forward": (3, False, 9),
}


def usable(*tensors: Tensor) -> bool:
    """Whether the compiled loops can take these tensors: all on the CPU, all float32 or all float64."""
    dtype = tensors[0].dtype
    if dtype not in (paddle.float32, paddle.float64) or not paddle.in_dynamic_mode():
        return False
    return all(tensor.dtype == dtype and tensor.place.is_cpu_place() for tensor in tensors) and library() is not None


def library() -> ctypes.CDLL | None:
    """Return the compiled loops, or None where there are none; `status` says why."""
    return None if os.environ.get(SWITCH) == "0" else _load()[0]


def status() -> str:
    """One line for people: whether the compiled loops are in use, and why not."""
    return f"off: {SWITCH}=0" if os.environ.get(SWITCH) == "0" else _load()[1]


@functools.cache
def _load() -> tuple[ctypes.CDLL | None, str]:
    compiler = _compiler()
    if compiler is None:
        return None, "off: no C++ compiler (g++ or clang++) was found"
    try:
        path = _build(compiler)
        loaded = ctypes.CDLL(str(path))
        for name, (sizes, clips, pointers) in _FUNCTIONS.items():
            for dtype, real in (("float32", ctypes.c_float), ("float64", ctypes.c_double)):
                function = getattr(loaded, f"elmo_{name}_{dtype}")
                function.restype = None
                function.argtypes = [ctypes.c_int64] * sizes + [ctypes.c_int] + [real] * (2 * clips)
                function.argtypes += [ctypes.c_void_p] * pointers
        _share_threads(loaded)
    except (OSError, RuntimeError, AttributeError, subprocess.SubprocessError) as error:
        return None, f"off: {' '.join(str(error).split())[:300]}"
    return loaded, f"on: {path}"


def _compiler() -> list[str] | None:
    if named := shlex.split(os.environ.get("CXX", "")):
        return named if shutil.which(named[0]) else None
    found = next(filter(None, map(shutil.which, ("g++", "clang++", "c++"))), None)
    return [found] if found else None


def _build(compiler: list[str]) -> Path:
    """Compile unless it has been done; the file is named after source, flags, compiler and CPU."""
    source = _SOURCE.read_bytes()
    marks = [source, *(part.encode() for part in (*compiler, *_FLAGS, *_LINK_FLAGS, _cpu()))]
    digest = hashlib.sha256(b"\0".join(marks)).hexdigest()[:20]
    target = Path(platformdirs.user_cache_dir("elmo")) / "native" / f"{digest}.so"
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{digest}.{os.getpid()}.so")  # of this process alone: several may compile at once
    try:
        command = [*compiler, *_FLAGS, *_LINK_FLAGS, str(_SOURCE), "-o", str(temporary)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=_COMPILE_SECONDS, check=False)
        if result.returncode:
            raise RuntimeError(f"{compiler[0]} failed: {result.stderr.strip() or result.returncode}")
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _cpu() -> str:
    """What -march=native depends on: a cache in a shared home directory may serve several machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(
        sorted({line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))})
    )


def _share_threads(loaded: ctypes.CDLL) -> None:
    """Run on the threads of Paddle's OpenMP library: threads beside them would compete, since they wait by spinning."""
    spec = importlib.util.find_spec("paddle")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "libs" / "libiomp5.so"
        if path.is_file() and hasattr(os, "RTLD_NOLOAD"):
            start = ctypes.CDLL(str(path), os.RTLD_NOLOAD | os.RTLD_NOW).GOMP_parallel  # OSError: not in this process
            loaded.elmo_use_threads_of.argtypes = [ctypes.c_void_p]
            loaded.elmo_use_threads_of(ctypes.cast(start, ctypes.c_void_p))
            return


def _threads() -> int:
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return max(1, int(wanted)) if wanted.isdigit() else available_cores()


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else int(tensor.data_ptr())


def _call(
    name: str, sizes: tuple[int, ...], clips: tuple[float | None, ...], tensors: tuple[Tensor | None, ...]
) -> None:
    """Run a compiled function on contiguous tensors of one type; it checks nothing."""
    loaded = library()
    dtype = "float64" if any(t is not None and t.dtype == paddle.float64 for t in tensors) else "float32"
    bounds = [_NO_CLIP if clip is None else clip for clip in clips]
    getattr(loaded, f"elmo_{name}_{dtype}")(*sizes, _threads(), *bounds, *map(_address, tensors))


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
    outputs = paddle.empty([batch, time, proj], dtype)
    last_cell = paddle.empty([batch, hidden_size], dtype)
    kept: tuple[Tensor, ...] = ()
    if record:
        kept = (
            paddle.empty([time + 1, batch, size + proj], dtype),  # inputs and hidden states, of a step side by side
            paddle.empty([time, batch, 4 * hidden_size], dtype),  # gates
            paddle.empty([time, batch, hidden_size], dtype),  # cells
            paddle.empty([time, batch, hidden_size], dtype),  # unprojected outputs
        )
    given = [_contiguous(tensor) for tensor in (inputs, hidden, cell, weight, bias, projection)]
    _call(
        "lstmp_forward",
        (batch, time, size, hidden_size, proj),
        clips,
        (*given, outputs, last_cell, *(kept or (None,) * 4)),
    )
    return outputs, last_cell, kept


def lstmp_backward(
    d_outputs: Tensor,
    d_last_cell: Tensor,
    cell: Tensor,
    weight: Tensor,
    projection: Tensor,
    clips: tuple[float | None, float | None],
    kept: tuple[Tensor, ...],
) -> tuple[Tensor, ...]:
    """Gradients of `lstmp_forward`.

    Returns:
        d_inputs, d_hidden, d_cell, d_bias, and for the weights' gradients: d_gates [time, batch, 4 * hidden] and
        d_projected [time, batch, proj].
    """
    (batch, time, proj), hidden_size, dtype = d_outputs.shape, cell.shape[1], cell.dtype
    size = weight.shape[0] - proj
    d_cell = d_last_cell.clone()
    d_hidden, d_inputs = paddle.empty([batch, proj], dtype), paddle.empty([batch, time, size], dtype)
    d_gates, d_projected = paddle.empty(kept[1].shape, dtype), paddle.empty([time, batch, proj], dtype)
    d_bias = paddle.empty([4 * hidden_size], dtype)
    given = [_contiguous(tensor) for tensor in (cell, weight, projection)]
    d_outputs = _contiguous(d_outputs)
    _call(
        "lstmp_backward",
        (batch, time, size, hidden_size, proj),
        clips,
        (*given, *kept[:3], d_outputs, d_cell, d_hidden, d_inputs, d_gates, d_projected, d_bias),
    )
    return d_inputs, d_hidden, d_cell, d_bias, d_gates, d_projected


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
    weights = _contiguous(gate_weight), _contiguous(candidate_weight)
    _call("gru_forward", (len(counts), size), (), (counts, *weights, gates, candidates, outputs, *kept))
    return outputs, (gates, candidates, *kept) if record else ()


def gru_backward(
    d_outputs: Tensor, gate_weight: Tensor, candidate_weight: Tensor, counts: Tensor, kept: tuple[Tensor, ...]
) -> tuple[Tensor, Tensor]:
    """Gradients of `gru_forward`: d_gate_inputs [tokens, 2 * hidden] and d_candidate_inputs [tokens, hidden]."""
    gates, candidates, before, _ = kept
    d_gates, d_candidates = paddle.empty(gates.shape, gates.dtype), paddle.empty(candidates.shape, gates.dtype)
    given = [_contiguous(tensor) for tensor in (gate_weight, candidate_weight)]
    tensors = (counts, *given, gates, candidates, before, _contiguous(d_outputs), d_gates, d_candidates)
    _call("gru_backward", (len(counts), d_outputs.shape[1]), (), tensors)
    return d_gates, d_candidates


def softmax_forward(
    features: Tensor, candidates: Tensor, biases: Tensor, label_logits: Tensor, hits: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Cross-entropy of each row's label against candidates that all rows share.

    Args:
        features: [rows, dim].
        candidates: [count, dim].
        biases: [count], of the candidates.
        label_logits: [rows].
        hits: [rows], int64: the candidate that is the row's own label and left out, or -1.

    Returns:
        losses [rows], probabilities of the labels [rows] and of the candidates [rows, count], and the mean of the
        candidates under these [rows, dim].
    """
    (rows, dim), count, dtype = features.shape, candidates.shape[0], features.dtype
    losses, label_probabilities = paddle.empty([rows], dtype), paddle.empty([rows], dtype)
    probabilities, means = paddle.empty([rows, count], dtype), paddle.empty([rows, dim], dtype)
    given = [_contiguous(tensor) for tensor in (features, candidates, biases, label_logits, hits)]
    _call("softmax_forward", (rows, count, dim), (), (*given, losses, label_probabilities, probabilities, means))
    return losses, label_probabilities, probabilities, means


def _contiguous(tensor: Tensor) -> Tensor:
    return tensor if tensor.is_contiguous() else tensor.contiguous()
