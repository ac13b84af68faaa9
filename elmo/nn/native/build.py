"""Compiles the loops for this machine at their first use, into the user's cache, and opens them."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import importlib.util
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

from elmo.nn.native.signatures import PRODUCTS, SIGNATURES
from elmo.runtime import available_cores, read_cpuinfo
from elmo.system.cache import cache_folder
from elmo.system.files import temporary_directory
from elmo.system.trusted import is_sound, private_folder, publish

SWITCH = "ELMO_NATIVE"  # "0" switches the compiled loops off
_SOURCES = Path(__file__).with_name("loops")
# No flag may let the compiler assume that there is no NaN: a loss that is not finite must stay so.
_FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fopenmp-simd")
_LINK_FLAGS = ("-fPIC", "-shared", "-pthread")
_LIBRARIES = ("-ldl",)
_COMPILE_SECONDS = 300  # a busy machine takes a minute
_MOST_THREADS = 1024  # whatever the environment says
_AVX512_BF16, _AMX = 0xE7, 0xFEF  # oneDNN's numbers (dnnl_cpu_isa_t); each has the bits of what it contains


def library() -> ctypes.CDLL | None:
    """Return the compiled loops, or None where there are none; `status` says why."""
    return None if os.environ.get(SWITCH) == "0" else _load()[0]


def status() -> str:
    """One line for people: whether the compiled loops are in use, and why not."""
    return f"off: {SWITCH}=0" if os.environ.get(SWITCH) == "0" else _load()[1]


def onednn() -> bool:
    """Whether the compiled loops have found oneDNN."""
    return library() is not None and _onednn()[0] >= 0


def bfloat16_refusal() -> str | None:
    """Why products can't be made in bfloat16 on this machine, or None where they can."""
    if library() is None:
        return f"compiled loops are {status()}"
    instructions, reason = _onednn()
    if instructions < 0:
        return reason
    if instructions & _AVX512_BF16 != _AVX512_BF16:
        return "this processor has neither AMX nor AVX-512 with bfloat16"
    return None


def bfloat16_instructions() -> str:
    """The processor's instructions that products in bfloat16 use, for people: "AMX" or "AVX-512 BF16"."""
    return "AMX" if _onednn()[0] & _AMX == _AMX else "AVX-512 BF16"


def bfloat16_drawback() -> str | None:
    """Why products in bfloat16 are slower here than in float32, though they can be made, or None where they are not.

    An Intel core without AMX (many virtual machines hide it) takes as long for a bfloat16 product as for a float32 one,
    and rounds the factors first: training was 0.6 to 0.9 times as fast (`data/results/pretrain_speed_intel.json`).
    """
    if bfloat16_instructions() != "AMX" and re.search(r"^vendor_id\s*:\s*GenuineIntel$", read_cpuinfo(), re.MULTILINE):
        return "an Intel processor that shows no AMX is slower in it"
    return None


@functools.cache
def _load() -> tuple[ctypes.CDLL | None, str]:
    compiler = _compiler()
    if compiler is None:
        return None, "off: no C++ compiler (g++ or clang++) was found"
    try:
        path = _build(compiler)
        loaded = ctypes.CDLL(str(path))
        for name, signature in SIGNATURES.items():
            for suffix, real in signature.variants.items():
                function = getattr(loaded, f"elmo_{name}_{suffix}")
                function.restype = None
                function.argtypes = [ctypes.c_int64] * len(signature.sizes) + [ctypes.c_int]
                function.argtypes += [real] * signature.numbers + [ctypes.c_void_p] * len(signature.arrays)
        loaded.elmo_adam.restype = ctypes.c_double
        loaded.elmo_adam.argtypes = [ctypes.c_int64, ctypes.c_int, *[ctypes.c_void_p] * 5, *[ctypes.c_float] * 5]
        for suffix in PRODUCTS:
            function = getattr(loaded, f"elmo_product_{suffix}")
            function.restype = None
            function.argtypes = [ctypes.c_int64] * 5 + [ctypes.c_int] + [ctypes.c_void_p] * 3
        _share_threads(loaded)
    except (OSError, RuntimeError, AttributeError, subprocess.SubprocessError) as error:
        return None, f"off: {' '.join(str(error).split())[:300]}"
    return loaded, f"on: {path}"


@functools.cache
def _onednn() -> tuple[int, str]:
    """Open Paddle's own oneDNN: the instruction set that it uses, or a negative number and the reason."""
    loaded, path = _load()[0], _paddle_library("libdnnl.so.3")
    if loaded is None or path is None:
        return -1, "this Paddle comes without oneDNN (libdnnl.so.3)"
    found = loaded.elmo_use_onednn(os.fsencode(path))
    return found, "" if found >= 0 else f"{path.name} can't be used (error {-found})"


def _compiler() -> list[str] | None:
    try:
        named = shlex.split(os.environ.get("CXX", ""))
    except ValueError:  # a quotation mark that is not closed
        return None
    if named:
        return named if shutil.which(named[0]) else None
    found = next(filter(None, map(shutil.which, ("g++", "clang++", "c++"))), None)
    return [found] if found else None


def _build(compiler: list[str]) -> Path:
    """Compile unless it has been done; the file is named after source, flags, compiler and CPU."""
    sources = [path.read_bytes() for path in sorted(_SOURCES.iterdir()) if path.suffix in (".h", ".cc")]
    marks = [*sources, *(part.encode() for part in (*compiler, *_FLAGS, *_LINK_FLAGS, _cpu()))]
    digest = hashlib.sha256(b"\0".join(marks)).hexdigest()[:20]
    target = private_folder(cache_folder() / "native") / f"{digest}.so"
    if is_sound(target):
        return target
    with temporary_directory(target) as folder:  # of this process alone: several may compile at once
        compiled = folder / target.name
        command = [*compiler, *_FLAGS, *_LINK_FLAGS, str(_SOURCES / "loops.cc"), "-o", str(compiled), *_LIBRARIES]
        _run(command, folder)
        publish(compiled, target)
    return target


def _run(command: list[str], folder: Path) -> None:
    """Run a compiler whose temporary files go into a folder; all its processes end with us."""
    with subprocess.Popen(
        command,
        env={**os.environ, "TMPDIR": str(folder)},  # what a compiler that is ended leaves goes with the folder
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            _, said = process.communicate(timeout=_COMPILE_SECONDS)
        except BaseException:
            if hasattr(os, "killpg"):  # the compiler's own children too
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            raise
    if process.returncode:
        raise RuntimeError(f"{command[0]} failed: {said.strip() or process.returncode}")


def _cpu() -> str:
    """What -march=native depends on: a cache in a shared home directory may serve several machines."""
    lines = read_cpuinfo().splitlines()
    told = {line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))}
    return "\n".join(sorted(told)) if lines else platform.processor()


def _share_threads(loaded: ctypes.CDLL) -> None:
    """Run on the threads of Paddle's OpenMP library: threads beside them would compete, since they wait by spinning."""
    path = _paddle_library("libiomp5.so")
    if path is not None and hasattr(os, "RTLD_NOLOAD"):
        start = ctypes.CDLL(str(path), os.RTLD_NOLOAD | os.RTLD_NOW).GOMP_parallel  # OSError: not in this process
        loaded.elmo_use_threads_of.argtypes = [ctypes.c_void_p]
        loaded.elmo_use_threads_of(ctypes.cast(start, ctypes.c_void_p))


def _paddle_library(name: str) -> Path | None:
    """Path of a library that lies in Paddle's wheel, or None where it has none of this name."""
    spec = importlib.util.find_spec("paddle")
    folders = (spec.submodule_search_locations or ()) if spec else ()
    paths = (Path(folder) / "libs" / name for folder in folders)
    return next((path for path in paths if path.is_file()), None)


def threads() -> int:
    """Threads that compiled functions are to use: as many as Paddle's own products."""
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return min(max(1, int(wanted)), _MOST_THREADS) if wanted.isdecimal() else available_cores()
