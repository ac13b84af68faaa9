"""Run one chapter from its source: a clean kernel of this environment, and a notebook without traces of the machine."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from book.tools.checks import Cell, Notebook, code_cells, first_line

_KERNEL_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONWARNINGS": "ignore:No ccache found",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "GLOG_minloglevel": "2",  # Paddle's own chatter; its errors are exceptions
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
}
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_BROKEN_FENCE = re.compile(r"^```+\{[\w-]+\}.*`.*$", re.MULTILINE)

# Runs after the last cell; what it prints is the stamp.
_PROBE = """
import importlib.metadata, json, os, platform, sys
_names = {"elmo": "elmo", "paddle": "paddlepaddle", "numpy": "numpy", "jieba": "jieba", "sklearn": "scikit-learn",
          "gensim": "gensim", "matplotlib": "matplotlib", "plotly": "plotly"}
_versions = {"python": platform.python_version()}
for _module, _package in _names.items():
    if _module in sys.modules:
        for _name in (_package, _package + "-gpu"):
            try:
                _versions[_name] = importlib.metadata.version(_name)
            except importlib.metadata.PackageNotFoundError:
                pass
_paddle = sys.modules.get("paddle")
_device = str(_paddle.get_device()) if _paddle else "cpu"
if _device.startswith("gpu"):
    _device = _paddle.device.cuda.get_device_name()
else:
    try:
        _lines = open("/proc/cpuinfo").read().splitlines()
        _model = next(line.split(":")[1].strip() for line in _lines if line.startswith("model name"))
    except (OSError, StopIteration):
        _model = platform.machine()
    _cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    _device = f"{_cores} cores of {_model}"
_found = {"versions": _versions, "device": _device}
try:
    import resource
    _peak = max(resource.getrusage(_who).ru_maxrss for _who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    _found["peak_memory_mb"] = round(_peak / (1e6 if sys.platform == "darwin" else 1e3))  # Linux counts kilobytes
except ImportError:
    pass
print(json.dumps(_found))
"""


class _ThisPython(AsyncKernelManager):
    """A kernel of the running interpreter, whatever "python3" the user has told Jupyter about."""

    def _kernel_spec_manager_default(self) -> KernelSpecManager:
        return KernelSpecManager(kernel_dirs=[])


class ChapterError(Exception):
    """A chapter that cannot be executed; the message names the cell."""


def execute(source: Path, profile: str, cell_timeout: int) -> tuple[Notebook, dict[str, Any]]:
    """Execute a MyST text notebook and return it with {seconds, versions, device, peak_memory_mb}.

    It runs in an empty folder, as one that a reader has downloaded: what it reads comes with the package.
    Raises ChapterError naming the cell that raised, hung for cell_timeout seconds or killed the kernel.
    """
    notebook = read_source(source)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        kernel_manager_class=_ThisPython,
        extra_arguments=["--log-level=ERROR"],
        timeout=cell_timeout,
        startup_timeout=600,  # a machine with other work to do may need minutes to import IPython
        record_timing=False,
        coalesce_streams=True,
        shutdown_kernel="graceful",
    )
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as ipython_folder, tempfile.TemporaryDirectory() as empty:
        environment = os.environ | _KERNEL_ENVIRONMENT | {"ELMO_PROFILE": profile, "IPYTHONDIR": ipython_folder}
        with client.setup_kernel(cwd=empty, env=environment):
            for index, cell in enumerate(notebook.cells):
                _execute_cell(client, cell, index, source)
            seconds = round(time.monotonic() - start)
            probe = nbformat.v4.new_code_cell(_PROBE)
            notebook.cells.append(probe)
            client.execute_cell(probe, len(notebook.cells) - 1, store_history=False)
            notebook.cells.pop()
    found = json.loads(probe.outputs[-1].text)
    _normalise(notebook)
    return notebook, {"seconds": seconds, **found}


def broken_fences(text: str) -> list[str]:
    """First lines of directives with a backtick, which ends the fence: the directive and what follows become code."""
    return _BROKEN_FENCE.findall(text)


def read_source(source: Path) -> Notebook:
    """Read a MyST text notebook, with cell ids that depend on the cells' text alone; ChapterError if it is none."""
    for line in broken_fences(source.read_text(encoding="utf-8")):
        raise ChapterError(f"{source.name}: a backtick ends the fence in its first line, use `:::`: {line[:60]}")
    try:
        notebook = jupytext.read(source, fmt="md:myst")
    except nbformat.ValidationError as error:
        raise ChapterError(f"{source.name}: not a MyST text notebook: {error.message}; see its front matter") from None
    notebook.metadata = nbformat.NotebookNode(
        kernelspec={"name": "python3", "display_name": "Python 3", "language": "python"},
    )
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        name = f"{cell.cell_type[:4]}-{hashlib.sha256(cell.source.encode()).hexdigest()[:8]}"
        seen[name] = seen.get(name, 0) + 1
        cell.id = name if seen[name] == 1 else f"{name}-{seen[name]}"
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def _execute_cell(client: NotebookClient, cell: Cell, index: int, source: Path) -> None:
    try:
        client.execute_cell(cell, index)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        number = code_cells(client.nb).index(cell) + 1
        if isinstance(error, CellExecutionError):
            print(_ANSI.sub("", error.traceback), file=sys.stderr)
            what = f"{error.ename}: {error.evalue}"
        elif isinstance(error, CellTimeoutError):
            what = f"took more than {client.timeout} s (--timeout allows more)"
        else:
            what = "the kernel died (out of memory?)"
        raise ChapterError(f"{source.name}: code cell {number} ({first_line(cell)}): {what}") from None


def _normalise(notebook: Notebook) -> None:
    """Keep what a reader sees; drop what differs from machine to machine."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = {
        "name": "python",
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "pygments_lexer": "ipython3",
    }
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            if output.get("name") in ("stdout", "stderr"):
                output.text = _ANSI.sub("", output.text)
