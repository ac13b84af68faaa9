"""The compiled loops: built once, switched off, done without. What they compute is tested where it is used."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from elmo.nn import native
from elmo.nn.lstmp import LSTMP
from elmo.nn.native import build
from elmo.runtime import paddle

REPORT = "from elmo.nn import native; print(native.library() is not None, native.status())"


@pytest.fixture
def run(tmp_path: Path, repository: Path):
    """Ask a process of its own, with a cache of its own, for the state of the loops."""

    def start(code: str = REPORT, **variables: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
        environment.pop(native.SWITCH, None)
        environment |= {"ELMO_CACHE": "", **variables}  # the user's, which is made up
        environment["PYTHONPATH"] = str(repository)
        return subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    return start


def answer(process: subprocess.Popen[str]) -> str:
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return output.strip()


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(native.SWITCH, raising=False)  # whoever runs the tests may have set it
    if native.library() is None:
        pytest.skip(f"compiled loops are {native.status()}")


@pytest.mark.slow
@pytest.mark.usefixtures("compiler")
def test_processes_that_build_at_the_same_time_end_with_one_whole_library(run, tmp_path):
    assert all(answer(process).startswith("True on: ") for process in [run(), run()])
    built, digest = sorted((tmp_path / "cache" / "elmo" / "native").iterdir())  # nothing half-written is left beside
    assert digest.name == f"{built.name}.sha256"
    before = built.stat().st_mtime_ns
    assert answer(run()) == f"True on: {built}"
    assert built.stat().st_mtime_ns == before, "built again"


def test_the_switch_turns_them_off_and_builds_nothing(run, tmp_path):
    assert answer(run(**{native.SWITCH: "0"})) == "False off: ELMO_NATIVE=0"
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("compiler", "reason"),
    [("no-such-compiler", "no C++ compiler"), ("false", "false failed"), ("true", "No such file")],
)
def test_without_a_working_compiler_the_layer_works_all_the_same(run, compiler, reason, tmp_path):
    layer = "from elmo.nn.lstmp import LSTMP, paddle; print(LSTMP(2, 4, 3)(paddle.ones([1, 5, 2]))[0].numpy().shape)"
    lines = answer(run(f"{REPORT}; {layer}", CXX=compiler)).splitlines()
    assert lines[0].startswith("False off: ")
    assert reason in lines[0]
    assert lines[1] == "(1, 5, 3)"


def test_a_compiler_whose_name_can_not_be_read_is_none(monkeypatch):
    monkeypatch.setenv("CXX", '"')
    assert build._compiler() is None


@pytest.mark.skipif(os.name != "posix", reason="ends processes by POSIX signals")
def test_a_compiler_that_takes_too_long_is_ended_with_its_children(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "_COMPILE_SECONDS", 0.5)
    with pytest.raises(subprocess.TimeoutExpired):
        build._run(["sh", "-c", f"sleep 600 & echo $! > {tmp_path}/child; wait"], tmp_path)
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        if not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().rpartition(")")[2]:
            break
        time.sleep(0.05)
    else:
        pytest.fail("the child is running still")


def test_a_cache_that_cannot_be_written_is_done_without(run, tmp_path):
    (tmp_path / "file").write_text("")
    assert answer(run(XDG_CACHE_HOME=str(tmp_path / "file"))).startswith("False off: ")


def test_importing_the_package_builds_nothing(run, tmp_path):
    answer(run("import elmo, elmo.nn.lstmp, elmo.nn.softmax, elmo.bilm"))
    assert not (tmp_path / "cache" / "elmo").exists()


def test_other_types_of_number_are_left_to_paddle():
    assert not native.usable(paddle.ones([2, 2], "float16"))
    assert not native.usable(paddle.ones([2, 2], "float32"), paddle.ones([2, 2], "float64"))


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("threads", ["1", "2", "5"])
@pytest.mark.parametrize("batch", [1, 9, 64, 100])
def test_the_number_of_threads_does_not_change_the_result(threads, batch, monkeypatch):
    layer, inputs = LSTMP(8, 24, 8), paddle.randn([batch, 3, 8])
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    outputs = layer(inputs)[0]
    monkeypatch.setenv(native.SWITCH, "0")
    assert float((layer(inputs)[0] - outputs).abs().max()) < 1e-6  # float32, outputs below 1
