"""A machine as it can be asked: its files, environment, commands, Paddle; tests ask a made-up one."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import re
import shutil
import site
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import elmo
from elmo import runtime
from elmo.errors import RunError
from elmo.system.cache import cache_folder
from elmo.system.project import data_folder

PRODUCT_SIZE = 1024  # rows and columns of the product that is timed


@dataclass(frozen=True)
class PaddleBuild:
    """What an installed Paddle says of itself; `error` alone is set where it can't be imported."""

    version: str = ""
    commit: str = ""
    cuda: str | None = None  # the version it was built for; None for a CPU build
    cudnn: str | None = None
    devices: tuple[tuple[str, int], ...] = ()  # name and memory in bytes of every GPU that Paddle sees
    uses_pip_libraries: bool = False  # looks for NVIDIA's libraries where pip puts them
    error: str = ""


def _run(command: Sequence[str]) -> str | None:
    """Output of a command, or None where it is missing, fails or hangs."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout


def _probe_paddle() -> PaddleBuild | None:
    """Import Paddle and ask it; None where it is not installed."""
    try:
        paddle = runtime.paddle
        version = paddle.version
        cuda, cudnn = (None if value in (None, "False") else str(value) for value in (version.cuda(), version.cudnn()))
        devices = []
        for index in range(paddle.device.cuda.device_count() if paddle.is_compiled_with_cuda() else 0):
            properties = paddle.device.cuda.get_device_properties(index)
            devices.append((str(properties.name), int(properties.total_memory)))
    except RunError:  # what runtime makes of a missing Paddle
        return None
    except Exception as error:  # whatever keeps Paddle from loading is what the reader needs to see
        return PaddleBuild(error=" ".join(str(error).split()) or type(error).__name__)
    uses_pip = getattr(version, "with_pip_cuda_libraries", "OFF") == "ON"
    return PaddleBuild(paddle.__version__, version.commit, cuda, cudnn, tuple(devices), uses_pip)


def _installed_version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _product_speed() -> tuple[str, float]:
    """Whose float32 matrix product ran on the CPU, and its GFLOP/s: the best of at most five within a second."""
    matrix: Any = np.random.default_rng(0).random((PRODUCT_SIZE, PRODUCT_SIZE), dtype=np.float32)
    whose = "NumPy"
    with contextlib.suppress(Exception):  # a missing or broken Paddle is reported elsewhere
        paddle = runtime.paddle
        matrix = paddle.to_tensor(matrix, place=paddle.CPUPlace())
        whose = "Paddle"
    best = float("inf")
    started = time.perf_counter()
    for _ in range(5):
        before = time.perf_counter()
        matrix @ matrix
        best = min(best, time.perf_counter() - before)
        if time.perf_counter() - started > 1:
            break
    return whose, 2 * PRODUCT_SIZE**3 / best / 1e9


@dataclass(frozen=True)
class Machine:
    """What `examine` looks at; the defaults are this machine."""

    root: Path = Path("/")
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    preparation: runtime.Preparation = field(default_factory=lambda: elmo.preparation)
    cores: int = field(default_factory=runtime.available_cores)
    python: tuple[int, ...] = field(default_factory=lambda: tuple(sys.version_info[:3]))
    cache: Path = field(default_factory=cache_folder)
    data: Path = field(default_factory=data_folder)  # what comes with the project
    site_packages: Sequence[Path] = field(
        default_factory=lambda: [Path(path) for path in (*site.getsitepackages(), *sys.path) if path]
    )
    which: Callable[[str], str | None] = shutil.which
    run: Callable[[Sequence[str]], str | None] = _run
    probe_paddle: Callable[[], PaddleBuild | None] = _probe_paddle
    version_of: Callable[[str], str | None] = _installed_version
    product_speed: Callable[[], tuple[str, float]] = _product_speed
    free_disk: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free

    def read(self, path: str) -> str:
        """Text of a file below the root, or nothing."""
        try:
            return (self.root / path).read_text(errors="replace")
        except OSError:
            return ""


def processor_name(cpuinfo: str) -> str | None:
    """Name of the processor in the text of /proc/cpuinfo, or None where that has none (as on ARM)."""
    match = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return match.group(1).strip() if match else None
