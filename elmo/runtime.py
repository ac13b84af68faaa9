"""Threads, the AMD/MKL switch, device and seeds: all that must be decided before Paddle is imported, or once after.

`prepare()` runs when `elmo` is imported. It sets environment variables only where the user has set none.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import io
import os
import random
import re
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any

from elmo.checks import check_seed, is_count
from elmo.errors import InputError, RunError

if TYPE_CHECKING:
    import numpy as np

ENDING_SIGNALS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of glibc's mallopt (malloc.h)
_MOST_THREADS = 4096  # more than any machine has processors for
_AVX2_FLAGS = frozenset({"avx2", "fma"})
_AVX512_FLAGS = frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl"})


@dataclass(frozen=True)
class Preparation:
    """What `prepare` found and did: environment variables it set, and those it left as the user had them."""

    chosen: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    paddle_was_imported: bool = False


def available_cores() -> int:
    """Number of cores this process may use: affinity mask and cgroup quota (v2, v1) considered, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for quota in (_cgroup_v2_cores(), _cgroup_v1_cores()):
        if quota is not None:
            cores = min(cores, max(1, int(quota)))
    return max(1, cores)


def _cgroup_v2_cores() -> float | None:
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        return None


def _cgroup_v1_cores() -> float | None:
    folder = Path("/sys/fs/cgroup/cpu")
    try:
        limit = int((folder / "cpu.cfs_quota_us").read_text())
        return None if limit <= 0 else limit / int((folder / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return None


def mkl_cpu_type(cpuinfo: str) -> str | None:
    """Value of MKL_DEBUG_CPU_TYPE that makes MKL use an AMD CPU's own instructions, from the text of /proc/cpuinfo.

    Paddle's bundled MKL takes a slow path on AMD unless told otherwise: "5" selects AVX2, "7" AVX-512. None where the
    CPU is not AMD's or lacks the instructions, since the wrong value would crash.
    """
    fields: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    flags = set(fields.get("flags", "").split())
    if fields.get("vendor_id") != "AuthenticAMD" or not flags >= _AVX2_FLAGS:
        return None
    return "7" if flags >= _AVX512_FLAGS else "5"


def _is_usable(threads: str) -> bool:
    """Whether a value of OMP_NUM_THREADS is a number of threads, or one a level, that the libraries can start."""
    if not re.fullmatch(r"\s*[0-9]{1,9}\s*(,\s*[0-9]{1,9}\s*)*", threads, re.ASCII):
        return False
    return all(1 <= int(number) <= _MOST_THREADS for number in threads.split(","))


def read_cpuinfo() -> str:
    """What Linux says of this machine's processors; empty elsewhere."""
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""


def prepare(cpuinfo: str | None = None, environment: MutableMapping[str, str] | None = None) -> Preparation:
    """Set OMP_NUM_THREADS and, on AMD CPUs that have the instructions, MKL_DEBUG_CPU_TYPE; never override the user.

    Args:
        cpuinfo: text of /proc/cpuinfo; None for this machine's.
        environment: variables that are looked at and set; None for this process's.
    """
    variables = os.environ if environment is None else environment
    wanted = {"OMP_NUM_THREADS": str(available_cores())}
    mkl = mkl_cpu_type(read_cpuinfo() if cpuinfo is None else cpuinfo)
    if mkl is not None:
        wanted["MKL_DEBUG_CPU_TYPE"] = mkl
    chosen: dict[str, str] = {}
    kept: dict[str, str] = {}
    for name, value in wanted.items():
        if name in variables:
            kept[name] = variables[name]
            if name == "OMP_NUM_THREADS" and not _is_usable(kept[name]):
                warnings.warn(f"OMP_NUM_THREADS is {kept[name][:40]!r}: {value} are used", stacklevel=2)
                variables[name] = value
        else:
            variables[name] = chosen[name] = value
    warnings.filterwarnings("ignore", message="No ccache found")
    return Preparation(chosen, kept, "paddle" in sys.modules)


def keep_freed_memory() -> bool:
    """Let glibc keep large blocks that are freed for the next ones; returns whether it does.

    By default each large tensor is memory that the system maps, clears and takes back: a tenth of a training step. For
    programs that train; memory that was needed once stays with the process.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))


def select_device(use_gpu: bool | None = None) -> str:
    """Choose where tensors live and return Paddle's name of the device, such as "cpu" or "gpu:0".

    Args:
        use_gpu: True asks for a GPU, False for the CPU, None takes a GPU where there is one.

    A GPU that is asked for and missing is warned about, and the CPU used.
    """
    paddle = _import_paddle()
    has_gpu = paddle.is_compiled_with_cuda() and paddle.device.cuda.device_count() > 0
    if use_gpu and not has_gpu:
        build = "finds no GPU" if paddle.is_compiled_with_cuda() else "is a CPU build"
        warnings.warn(
            f"a GPU was asked for, but this Paddle {paddle.__version__} {build}: "
            "using the CPU (`elmo doctor` says more)",
            stacklevel=2,
        )
    if has_gpu and use_gpu is not False:
        paddle.set_device(f"gpu:{paddle.distributed.ParallelEnv().device_id}")
    else:
        paddle.set_device("cpu")
    return str(paddle.get_device())


def use_device(device: str | None) -> None:
    """Let models and tensors live on "cpu", "gpu" or one card, such as "gpu:1", from now on in the whole process.

    None leaves Paddle's choice: a GPU where it is built for one and finds it. No GPU was tried.

    Raises:
        InputError: there is no such device.
    """
    if device is None:
        return
    match = re.fullmatch(r"cpu|gpu(?::([0-9]{1,3}))?", str(device))
    if match is None:
        raise InputError(f"device is {device!r}: give cpu, gpu, or one card, such as gpu:0")
    paddle = _import_paddle()
    cards = paddle.device.cuda.device_count() if paddle.is_compiled_with_cuda() else 0
    if device != "cpu" and int(match[1] or 0) >= cards:
        raise InputError(
            f"device is {device!r}, but Paddle sees {cards} GPUs: give cpu, or see what `elmo doctor` says"
        )
    paddle.set_device(device)


def seed_everything(seed: int) -> np.random.Generator:
    """Seed Python, NumPy and Paddle; return a NumPy generator of the same seed for what draws its own numbers."""
    import numpy as np  # late: the package is imported in a third of the time

    check_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    _import_paddle().seed(seed)
    return np.random.default_rng(seed)


def _import_paddle() -> ModuleType:
    """Import Paddle without its advice to use one thread: measured, two threads are twice as fast as one."""
    rank = os.environ.get("PADDLE_TRAINER_ID", "0")
    if not is_count(rank):  # Paddle reads it while it is imported
        raise InputError(
            f"PADDLE_TRAINER_ID is {rank[:40]!r}, not a whole number, 0 or more: Paddle's launcher sets it, unset it "
            "where there is none"
        )
    noise = io.StringIO()
    try:
        with contextlib.redirect_stderr(noise), _signals_kept():
            return importlib.import_module("paddle")
    except ModuleNotFoundError as error:
        if error.name != "paddle":
            raise
        raise RunError(
            "PaddlePaddle is not installed: `pip install 'paddlepaddle>=3.3,<4'` (`elmo doctor` says more)"
        ) from None
    except ImportError as error:
        if "libgomp" not in str(error):
            raise
        raise RunError(
            "PaddlePaddle needs the library libgomp.so.1: `apt install libgomp1`, or your system's"
        ) from None
    finally:
        for line in noise.getvalue().splitlines():
            if "OMP_NUM_THREADS" not in line:
                print(line, file=sys.stderr)


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Hold signals until Paddle is imported, and give them their handlers of before again.

    An exception in the midst of it makes Paddle complain of its own files; and it sets handlers that print a trace.
    """
    if "paddle" in sys.modules or threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
    holding = _HoldingSignals([number for number, handler in handlers.items() if callable(handler)])
    sys.meta_path.insert(0, holding)
    try:
        yield
    finally:
        sys.meta_path.remove(holding)
        for number, handler in handlers.items():
            if handler is not None:  # None: not set by Python, so that Python can't set it
                signal.signal(number, handler)
        for received in holding.received[:1]:
            signal.raise_signal(received)


class _HoldingSignals(MetaPathFinder):
    """Notes signals; takes them again, whoever has taken them meanwhile, whenever a module is looked for."""

    def __init__(self, numbers: list[signal.Signals]) -> None:
        self.received: list[int] = []
        self._numbers = numbers
        self._take()

    def _take(self) -> None:
        for number in self._numbers:
            signal.signal(number, self._note)

    def _note(self, number: int, _: FrameType | None) -> None:
        self.received.append(number)

    def find_spec(self, *_: Any) -> None:
        """Find nothing, so that others are asked."""
        if threading.current_thread() is threading.main_thread():  # in others nobody may take any
            self._take()


def __getattr__(name: str) -> Any:
    """`from elmo.runtime import paddle` is how the package imports Paddle: late, quietly, and after `prepare`."""
    if name == "paddle":
        return _import_paddle()
    raise AttributeError(f"module 'elmo.runtime' has no attribute {name!r}")
