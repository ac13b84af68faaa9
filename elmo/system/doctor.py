"""What this machine has, what is wrong with it, and what to do: the command `elmo doctor`.

Everything is looked at through a `Machine`, so that tests can give a made-up one. What only a GPU can show, above all
what Paddle says of its devices and what its loader finds, has been tested with made-up answers alone.
"""

from __future__ import annotations

import glob
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

import elmo
from elmo import runtime
from elmo.checks import is_count
from elmo.system.machine import PRODUCT_SIZE, Machine, PaddleBuild, processor_name
from elmo.system.terminal import printable

# The oldest driver for each major version of CUDA, by NVIDIA's guide to CUDA compatibility.
OLDEST_DRIVERS = {11: 450, 12: 525, 13: 580}
LIBRARIES = {"CUDA runtime": "libcudart.so", "cuBLAS": "libcublas.so", "cuDNN": "libcudnn.so", "NCCL": "libnccl.so"}
PACKAGES = ("numpy", "jieba", "safetensors", "h5py")
INSTALL_CPU = "pip install 'elmo[cpu]'"
INSTALL_GPU = "paddlepaddle-gpu from Paddle's own package index, as Paddle's install guide says for your CUDA"
# What comes with the project in `elmo.system.project.data_folder`.
DATA = (
    *("cloze.tsv", "dev", "documents", "lac", "professions.tsv", "results", "senses.tsv", "tasks", "train"),
    "vocabulary_min5k.txt",
)
RELEASED_MODELS = (
    "bert-zh",
    "bert-zh-small",
    "elmo-zh",
    "elmo-zh-characters",
    "elmo-zh-small",
    "ernie-zh",
    "ernie-zh-small",
    "word2vec-zh",
    "word2vec-zh-small",
)
MODEL_FILES = ("model.safetensors", "vocabulary.txt")
_GIB = 1 << 30


@dataclass(frozen=True)
class Problem:
    """Something that is wrong, and the one next step."""

    what: str
    next_step: str


@dataclass(frozen=True)
class Report:
    """Findings by heading and name, and the problems, of which a healthy machine has none."""

    findings: dict[str, dict[str, str]]
    problems: list[Problem]


def examine(machine: Machine | None = None) -> Report:
    """Look at everything that decides whether and how fast the package runs; changes nothing.

    Works without Paddle. Takes a few seconds, most of them to import Paddle.
    """
    machine = machine or Machine()
    problems: list[Problem] = []
    build = machine.probe_paddle()
    findings = {
        "Software": _software(machine, build, problems),
        "GPU": _gpu(machine, build, problems),
        "NVIDIA libraries": _libraries(machine, build, problems),
        "Threads": _threads(machine, problems),
        "Memory and disk": _space(machine, problems),
        "Models and data": _data(machine, problems),
    }
    return Report(findings, problems)


def render(report: Report) -> str:
    """The report as text: findings under their headings, then what is wrong and what to do."""
    width = max(len(name) for section in report.findings.values() for name in section)
    lines = []
    for heading, section in report.findings.items():
        lines.append(heading)
        lines += [f"  {name:<{width}}  {value}" for name, value in section.items()]
        lines.append("")
    lines.append("What is wrong and what to do" if report.problems else "Nothing is wrong.")
    for number, problem in enumerate(report.problems, 1):
        lines += [f"  {number}. {problem.what}", f"     -> {problem.next_step}"]
    return "\n".join(map(printable, lines))


def _software(machine: Machine, build: PaddleBuild | None, problems: list[Problem]) -> dict[str, str]:
    python = ".".join(map(str, machine.python))
    found = {"Python": python, "platform": platform.platform(), "elmo": elmo.__version__}
    if not (3, 11) <= machine.python[:2] <= (3, 13):
        problems.append(Problem(f"Python {python} is not supported", "use Python 3.11, 3.12 or 3.13"))
    if build is None:
        found["Paddle"] = "not installed"
        problems.append(Problem("Paddle is not installed", f"{INSTALL_CPU}, or for NVIDIA GPUs: {INSTALL_GPU}"))
    elif build.error:
        found["Paddle"] = "installed, but can't be imported"
        problems.append(_why_no_paddle(build.error))
    else:
        found["Paddle"] = f"{build.version}, commit {build.commit[:12]}"
        found["built for"] = "CPU" if build.cuda is None else f"CUDA {build.cuda}, cuDNN {build.cudnn or 'unknown'}"
    if all(machine.version_of(name) for name in ("paddlepaddle", "paddlepaddle-gpu")):
        problems.append(
            Problem(
                "paddlepaddle and paddlepaddle-gpu are both installed, one over the other",
                "pip uninstall both, then install the one you want",
            )
        )
    for package in PACKAGES:
        found[package] = machine.version_of(package) or "not installed"
        if found[package] == "not installed":
            problems.append(Problem(f"{package} is not installed", f"pip install {package}"))
    return found


def _why_no_paddle(error: str) -> Problem:
    if error.startswith("PADDLE_TRAINER_ID"):  # see `elmo.runtime`: what follows the colon is advice
        return Problem(f"Paddle can't be imported: {error.partition(': ')[0]}", "unset PADDLE_TRAINER_ID")
    step = "see the libraries below" if ".so" in error else f"install it again: {INSTALL_CPU}"
    return Problem(f"Paddle can't be imported: {error[:300]}", step)


def _gpu(machine: Machine, build: PaddleBuild | None, problems: list[Problem]) -> dict[str, str]:
    cards = _nvidia_cards(machine)
    match = re.search(r"Kernel Module(?: for \S+)?\s+(\d[\d.]*)", machine.read("proc/driver/nvidia/version"))
    driver = match.group(1) if match else None
    smi = machine.which("nvidia-smi")
    listed = machine.run([smi, "--query-gpu=name,memory.total", "--format=csv,noheader"]) if smi else None
    found = {
        "NVIDIA cards": str(cards) if cards else "none",
        "NVIDIA driver": driver or "none",
        "nvidia-smi": smi or "not on PATH",
    }
    for index, line in enumerate((listed or "").strip().splitlines()):
        found[f"card {index} (nvidia-smi)"] = line
    visible = machine.environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        found["CUDA_VISIBLE_DEVICES"] = repr(visible)
    if build is None or build.error:
        return found
    for index, (name, memory) in enumerate(build.devices):
        found[f"gpu:{index} (Paddle)"] = f"{name}, {memory / _GIB:.1f} GiB"
    if not build.devices:
        found["seen by Paddle"] = "no GPU"
    has_card = bool(cards or driver or listed)
    if build.cuda is None:
        if has_card:
            problems.append(Problem("an NVIDIA card is here, but this Paddle is a CPU build", f"install {INSTALL_GPU}"))
        return found
    oldest = OLDEST_DRIVERS.get(int(build.cuda.split(".")[0]))
    if driver and oldest and int(driver.split(".")[0]) < oldest:
        what = f"the NVIDIA driver {driver} is too old for Paddle's CUDA {build.cuda}"
        problems.append(
            Problem(what, f"install driver {oldest} or newer, or a Paddle that was built for an older CUDA")
        )
    elif not build.devices:
        problems.append(_why_no_gpu(visible, driver, has_card))
    return found


def _nvidia_cards(machine: Machine) -> int:
    """Display and compute controllers of NVIDIA's on the PCI bus; also without a driver."""
    count = 0
    for vendor in sorted((machine.root / "sys/bus/pci/devices").glob("*/vendor")):
        kind = machine.read(str((vendor.parent / "class").relative_to(machine.root)))
        ours = machine.read(str(vendor.relative_to(machine.root))).strip() == "0x10de"
        count += ours and kind.startswith("0x03")
    return count


def _why_no_gpu(visible: str | None, driver: str | None, has_card: bool) -> Problem:
    what = "this Paddle is a GPU build, but it sees no GPU"
    if visible is not None and visible.strip() in ("", "-1"):
        return Problem(f"{what}: CUDA_VISIBLE_DEVICES is {visible!r}", "unset CUDA_VISIBLE_DEVICES")
    if visible is not None and has_card:
        return Problem(f"{what} with CUDA_VISIBLE_DEVICES={visible}", "unset it, or name a card that exists, such as 0")
    if has_card and driver is None:
        return Problem(
            f"{what}: the card has no NVIDIA driver", "install the NVIDIA driver and start the machine again"
        )
    if has_card:
        return Problem(what, "run nvidia-smi; in a container, start it with access to the GPUs (docker run --gpus all)")
    return Problem(f"{what}, and there is no NVIDIA card", f"{INSTALL_CPU}, which is smaller, or use --use_gpu False")


def _libraries(machine: Machine, build: PaddleBuild | None, problems: list[Problem]) -> dict[str, str]:
    build = build or PaddleBuild()
    needed = bool(build.cuda) or ".so" in build.error
    found, hidden = {}, []
    for name, stem in LIBRARIES.items():
        built_for = {"cuDNN": build.cudnn, "NCCL": "2"}.get(name, build.cuda) if build.cuda else None
        file = f"{stem}.{built_for.split('.')[0]}" if built_for else stem  # the major version is part of the name
        where, reachable = _find_library(machine, file, build.uses_pip_libraries)
        if where is None:
            found[name] = "not found"
            if needed and (name != "NCCL" or len(build.devices) > 1):
                step = f"install it, or {INSTALL_GPU}, which brings it along"
                problems.append(Problem(f"{name} ({file}) is nowhere to be found", step))
        elif reachable:
            found[name] = f"{where}"
        else:
            found[name] = f"{where}, where the loader does not look"
            hidden.append(str(where.parent))
    if hidden and needed:
        line = f"export LD_LIBRARY_PATH={':'.join(dict.fromkeys(hidden))}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
        problems.append(Problem("NVIDIA libraries lie where the loader does not look", line))
    return found


def _find_library(machine: Machine, file: str, pip_is_searched: bool) -> tuple[Path | None, bool]:
    """Where a library is, and whether Paddle's loader finds it there."""
    folders = [Path(name) for name in machine.environment.get("LD_LIBRARY_PATH", "").split(os.pathsep) if name]
    if prefix := machine.environment.get("CONDA_PREFIX"):  # conda's Python looks there
        folders.append(Path(prefix) / "lib")
    for folder in folders:
        if path := _first(folder, f"{file}*"):
            return path, True
    by_pip = next(filter(None, (_first(folder, f"nvidia/*/lib/{file}*") for folder in machine.site_packages)), None)
    if by_pip and pip_is_searched:
        return by_pip, True
    ldconfig = machine.which("ldconfig") or "/sbin/ldconfig"
    for line in (machine.run([ldconfig, "-p"]) or "").splitlines():
        library, _, target = line.strip().partition(" => ")
        if library.startswith(file) and target:
            return Path(target), True
    elsewhere = ("usr/local/cuda*/lib64", "usr/local/cuda*/targets/*/lib", "opt/cuda*/lib64")
    return by_pip or next(
        filter(None, (_first(machine.root, f"{folder}/{file}*") for folder in elsewhere)), None
    ), False


def _first(folder: Path, pattern: str) -> Path | None:
    names = sorted(glob.glob(os.path.join(glob.escape(str(folder)), pattern)))
    return Path(names[0]) if names else None


def _threads(machine: Machine, problems: list[Problem]) -> dict[str, str]:
    preparation = machine.preparation
    cpuinfo = machine.read("proc/cpuinfo")
    found = {"CPU": processor_name(cpuinfo) or "unknown", "cores available": str(machine.cores)}
    for name in ("OMP_NUM_THREADS", "MKL_DEBUG_CPU_TYPE"):
        if name in preparation.chosen:
            found[name] = f"{preparation.chosen[name]}, set by elmo"
        elif name in machine.environment:
            found[name] = f"{machine.environment[name][:40]}, set by you"
        else:
            found[name] = "not set"
    threads = preparation.kept.get("OMP_NUM_THREADS")
    unset = "unset OMP_NUM_THREADS: elmo then takes all cores"
    if threads is not None and not (is_count(threads) and int(threads) > 0):
        problems.append(Problem(f"OMP_NUM_THREADS is {threads[:40]!r}, not a number above 0", unset))
    elif threads is not None and int(threads) == 1 and machine.cores > 1:
        problems.append(Problem(f"OMP_NUM_THREADS is 1, so {machine.cores - 1} of {machine.cores} cores idle", unset))
    elif threads is not None and int(threads) > machine.cores:
        problems.append(Problem(f"OMP_NUM_THREADS is {threads}, but only {machine.cores} cores are available", unset))
    mkl, right = preparation.kept.get("MKL_DEBUG_CPU_TYPE"), runtime.mkl_cpu_type(cpuinfo)
    if mkl is not None and mkl != right:
        what = f"MKL_DEBUG_CPU_TYPE is {mkl}, which does not fit this CPU: slow at best, a crash at worst"
        problems.append(
            Problem(what, f"unset MKL_DEBUG_CPU_TYPE: elmo then {f'sets {right}' if right else 'leaves it'}")
        )
    if preparation.paddle_was_imported:
        what = "Paddle was imported before elmo, which could no longer set threads"
        problems.append(Problem(what, "put `import elmo` above `import paddle`"))
    whose, speed = machine.product_speed()
    found["matrix product"] = f"{speed:.0f} GFLOP/s (float32, {PRODUCT_SIZE} x {PRODUCT_SIZE}, CPU, {whose})"
    return found


def _space(machine: Machine, problems: list[Problem]) -> dict[str, str]:
    meminfo = dict(re.findall(r"^(\w+):\s+(\d+) kB$", machine.read("proc/meminfo"), re.MULTILINE))
    found = {}
    sizes = {
        name: int(meminfo[key]) * 1024
        for name, key in (("total", "MemTotal"), ("available", "MemAvailable"))
        if key in meminfo
    }
    limit = machine.read("sys/fs/cgroup/memory.max").strip()
    if limit.isdecimal():
        used = machine.read("sys/fs/cgroup/memory.current").strip()
        left = int(limit) - (int(used) if used.isdecimal() else 0)
        sizes["total"] = min(sizes.get("total", int(limit)), int(limit))
        sizes["available"] = max(0, min(sizes.get("available", left), left))
    for name in ("total", "available"):
        found[f"memory {name}"] = f"{sizes[name] / _GIB:.1f} GiB" if name in sizes else "unknown"
    if sizes.get("available", _GIB) < _GIB:
        what = f"only {sizes['available'] / _GIB:.1f} GiB of memory is available"
        problems.append(Problem(what, "close other programs, or use a smaller --batch_size and --hidden_size"))
    for name, folder in (("disk, working folder", Path.cwd()), ("disk, cache", machine.cache)):
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        free = machine.free_disk(existing)
        found[name] = f"{free / _GIB:.1f} GiB free in {folder}"
        if free < _GIB:
            what = f"only {free / _GIB:.1f} GiB of disk space is left for {folder}"
            problems.append(Problem(what, "make room: a checkpoint of the large model alone takes about a gigabyte"))
        if not os.access(existing, os.W_OK):
            problems.append(Problem(f"{folder} can't be written to", f"make it yours: chown or chmod u+w {existing}"))
    return found


def _data(machine: Machine, problems: list[Problem]) -> dict[str, str]:
    """What comes with the project, and what of it is missing."""
    models, sets = machine.data / "models", [name for name in DATA if (machine.data / name).exists()]
    whole = [name for name in RELEASED_MODELS if all((models / name / file).is_file() for file in MODEL_FILES)]
    missing = [f"models/{name}" for name in RELEASED_MODELS if name not in whole] + [
        name for name in DATA if name not in sets
    ]
    if missing:
        what = f"missing in {machine.data}, where what comes with the project should be: {', '.join(missing)}"
        step = "install the wheel that `pip wheel .` builds in a checkout, or check the repository out again"
        problems.append(Problem(what, step))
    return {"folder": str(machine.data), "models": ", ".join(whole) or "none", "data": ", ".join(sets) or "none"}
