"""Threads, the AMD/MKL switch, device and seeds; in a process of its own where a process can show it only once."""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import sys
import threading
import types
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from elmo import runtime
from elmo.errors import RunError
from tests.commands import run_python

AVX2 = "fpu sse4_2 avx avx2 fma"
AVX512 = f"{AVX2} avx512f avx512bw avx512dq avx512vl"


def cpuinfo(vendor: str, flags: str, processors: int = 2) -> str:
    """Text as Linux writes it to /proc/cpuinfo."""
    return "\n".join(
        f"processor\t: {number}\nvendor_id\t: {vendor}\nmodel name\t: Some CPU : 3.0GHz\nflags\t\t: {flags}\n"
        for number in range(processors)
    )


ARM = "processor\t: 0\nFeatures\t: fp asimd bf16\nCPU implementer\t: 0x41\n"
MACHINES = {  # name -> /proc/cpuinfo, and what MKL is told
    "AMD with AVX-512": (cpuinfo("AuthenticAMD", AVX512), "7"),
    "AMD without": (cpuinfo("AuthenticAMD", AVX2), "5"),
    "Intel with AVX-512": (cpuinfo("GenuineIntel", AVX512), None),
    "Intel without": (cpuinfo("GenuineIntel", AVX2), None),
    "ARM": (ARM, None),
    "no /proc/cpuinfo": ("", None),
}


@pytest.mark.parametrize(
    ("vendor", "flags", "expected"),
    [
        ("GenuineIntel", AVX512, None),
        ("GenuineIntel", AVX2, None),
        ("AuthenticAMD", AVX2, "5"),
        ("AuthenticAMD", AVX512, "7"),
        ("AuthenticAMD", "fpu sse4_2 avx", None),
        ("AuthenticAMD", "fpu avx avx2", None),  # no fma
        ("AuthenticAMD", "fpu avx fma", None),  # no avx2
        *(("AuthenticAMD", AVX512.replace(f" {flag}", ""), "5") for flag in AVX512.split()[-4:]),
        ("AuthenticAMD", f"{AVX2} avx512f", "5"),
        ("AuthenticAMD", "", None),
        ("HygonGenuine", AVX2, None),
    ],
)
def test_mkl_is_told_of_amds_instructions_only_where_all_are_there(vendor, flags, expected):
    assert runtime.mkl_cpu_type(cpuinfo(vendor, flags)) == expected


@pytest.mark.parametrize("text", ["", "no colon here", ARM])
def test_other_machines_are_left_alone(text):
    assert runtime.mkl_cpu_type(text) is None


def test_the_first_processor_decides():
    assert runtime.mkl_cpu_type(cpuinfo("AuthenticAMD", AVX2) + cpuinfo("GenuineIntel", AVX512)) == "5"


# A process that has none of this one's thread settings.
run_unprepared = partial(run_python, OMP_NUM_THREADS=None, MKL_DEBUG_CPU_TYPE=None)


def test_importing_elmo_sets_threads_and_does_not_import_paddle():
    code = (
        "import sys, os, elmo; print(*(name in sys.modules for name in ('paddle', 'jieba')));"
        "print(os.environ['OMP_NUM_THREADS'] == str(elmo.runtime.available_cores()));"
        "print(elmo.preparation.chosen['OMP_NUM_THREADS'] == os.environ['OMP_NUM_THREADS'])"
    )
    assert run_unprepared(code).stdout.split() == ["False", "False", "True", "True"]


@pytest.mark.parametrize(("description", "mkl"), MACHINES.values(), ids=MACHINES.keys())
def test_each_kind_of_machine_is_prepared_for(description, mkl):
    variables = {"HOME": "/home/reader"}
    done = runtime.prepare(description, variables)
    expected = {"OMP_NUM_THREADS": str(runtime.available_cores())} | ({"MKL_DEBUG_CPU_TYPE": mkl} if mkl else {})
    assert (done.chosen, done.kept) == (expected, {})
    assert variables == {"HOME": "/home/reader", **expected}


@pytest.mark.parametrize(("description", "mkl"), MACHINES.values(), ids=MACHINES.keys())
def test_what_the_user_has_set_is_kept(description, mkl):
    theirs = {"OMP_NUM_THREADS": "1", "MKL_DEBUG_CPU_TYPE": "4"}
    variables = dict(theirs)
    done = runtime.prepare(description, variables)
    assert variables == theirs
    assert done.chosen == {}
    assert done.kept == {name: theirs[name] for name in ("OMP_NUM_THREADS", *(["MKL_DEBUG_CPU_TYPE"] if mkl else []))}


def test_importing_elmo_keeps_what_the_user_has_set():
    code = (
        "import os, elmo; print(os.environ['OMP_NUM_THREADS'], os.environ['MKL_DEBUG_CPU_TYPE']);"
        "print(elmo.preparation.chosen)"
    )
    result = run_unprepared(code, OMP_NUM_THREADS="1", MKL_DEBUG_CPU_TYPE="4")
    assert result.stdout == "1 4\n{}\n"


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="this system does not describe its processors in /proc")
def test_this_machine_is_described_by_its_own_file():
    assert runtime.read_cpuinfo() == Path("/proc/cpuinfo").read_text() != ""


def test_a_machine_that_does_not_describe_itself_is_left_alone(monkeypatch):
    def missing(self):
        raise FileNotFoundError(self)

    monkeypatch.setattr(Path, "read_text", missing)
    assert runtime.read_cpuinfo() == ""


def test_paddles_advice_on_threads_does_not_reach_the_reader():
    result = run_unprepared("import elmo; from elmo.runtime import paddle; print(paddle.ones([1]).item())")
    assert result.stdout == "1.0\n"
    assert "OMP_NUM_THREADS" not in result.stderr
    assert "ccache" not in result.stderr


@pytest.mark.skipif(os.name != "posix", reason="ends processes by POSIX signals")
@pytest.mark.parametrize(
    ("handler", "code"), [("lambda *_: sys.exit(7)", 7), ("signal.SIG_IGN", 0), ("signal.SIG_DFL", -signal.SIGTERM)]
)
def test_importing_paddle_leaves_sigterm_to_whom_it_belongs(handler, code):
    program = (
        f"import elmo, signal, sys; signal.signal(signal.SIGTERM, {handler}); from elmo.runtime import paddle\n"
        "signal.raise_signal(signal.SIGTERM)"
    )
    done = run_unprepared(program, check=False)
    assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.skipif(os.name != "posix", reason="ends processes by POSIX signals")
def test_paddle_says_nothing_of_a_signal_that_comes_while_it_is_imported():
    program = """
import signal, sys
from elmo import runtime
from elmo.system.stopping import stoppable
def told_to_end(name):
    try:
        signal.raise_signal(signal.SIGTERM)
    except BaseException:
        print("Error: Can not import paddle core", file=sys.stderr)
        raise
runtime.importlib.import_module = told_to_end
with stoppable():
    runtime.paddle
"""
    done = run_unprepared(program, check=False)
    assert (done.returncode, done.stderr) == (143, "")


def test_other_threads_import_while_paddle_does_and_the_terminals_end_waits_too(monkeypatch):
    heard = []

    def told_to_end(name):
        thread = threading.Thread(target=lambda: heard.append(importlib.util.find_spec("elmo.no_such_module")))
        thread.start()
        thread.join()
        signal.raise_signal(signal.SIGHUP)
        heard.append("imported")
        return types.ModuleType(name)

    monkeypatch.delitem(sys.modules, "paddle", raising=False)
    monkeypatch.setattr("elmo.runtime.importlib.import_module", told_to_end)
    before = signal.signal(signal.SIGHUP, lambda *_: heard.append("hung up"))
    try:
        assert runtime.paddle.__name__ == "paddle"
    finally:
        signal.signal(signal.SIGHUP, before)
    assert heard == [None, "imported", "hung up"]


def test_other_messages_of_the_import_do_reach_the_reader(monkeypatch, capsys):
    def noisy_import(name):
        print("OMP_NUM_THREADS should be 1\nsomething else is wrong", file=sys.stderr)
        return types.ModuleType(name)

    monkeypatch.setattr("elmo.runtime.importlib.import_module", noisy_import)
    assert runtime.paddle.__name__ == "paddle"
    assert capsys.readouterr().err == "something else is wrong\n"


def test_a_missing_paddle_is_one_line_that_says_what_to_do(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError("No module named 'paddle'", name="paddle")

    monkeypatch.setattr("elmo.runtime.importlib.import_module", missing)
    with pytest.raises(RunError, match="PaddlePaddle is not installed: `pip install") as caught:
        runtime._import_paddle()
    assert "\n" not in str(caught.value)


def test_a_paddle_that_lacks_something_else_says_so_itself(monkeypatch):
    def broken(name):
        raise ModuleNotFoundError("No module named 'google'", name="google")

    monkeypatch.setattr("elmo.runtime.importlib.import_module", broken)
    with pytest.raises(ModuleNotFoundError, match="google"):
        runtime._import_paddle()


def test_cores_are_within_what_the_machine_has(monkeypatch):
    assert 1 <= runtime.available_cores() <= (os.cpu_count() or 1)
    monkeypatch.setattr(runtime, "_cgroup_v2_cores", lambda: 0.5)
    assert runtime.available_cores() == 1
    monkeypatch.setattr(runtime, "_cgroup_v2_cores", lambda: None)
    monkeypatch.setattr(runtime, "_cgroup_v1_cores", lambda: 10_000.0)
    assert runtime.available_cores() <= (os.cpu_count() or 1)


def cpu_build(monkeypatch) -> None:
    monkeypatch.setattr(runtime.paddle, "is_compiled_with_cuda", lambda: False)


def test_a_gpu_that_is_asked_for_and_missing_is_warned_about_and_the_cpu_used(monkeypatch):
    cpu_build(monkeypatch)
    with pytest.warns(UserWarning, match=r"a GPU was asked for, but this Paddle .* is a CPU build: using the CPU"):
        assert runtime.select_device(True) == "cpu"


@pytest.mark.parametrize("use_gpu", [None, False])
def test_without_a_gpu_the_cpu_is_used_without_a_word(monkeypatch, recwarn, use_gpu):
    cpu_build(monkeypatch)
    assert runtime.select_device(use_gpu) == "cpu"
    assert len(recwarn) == 0


def draws(seed: int) -> tuple[float, ...]:
    generator = runtime.seed_everything(seed)
    return random.random(), np.random.rand(), runtime.paddle.rand([1]).item(), generator.random()


@pytest.mark.parametrize("seed", [0, 7, 2**40])
def test_a_seed_decides_python_numpy_paddle_and_the_generator(seed):
    first = draws(seed)
    assert draws(seed) == first
    assert all(a != b for a, b in zip(first, draws(seed + 1), strict=True))
