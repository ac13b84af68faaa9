"""`elmo doctor` on made-up machines: each thing that can be wrong is named once, with one next step."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from elmo.runtime import Preparation
from elmo.system import machine as machine_module
from elmo.system.doctor import DATA, RELEASED_MODELS, Report, examine, render
from elmo.system.machine import Machine, PaddleBuild
from tests.commands import run_python

CPU_BUILD = PaddleBuild("3.3.1", "7688495538f4d6c1", None, None)
GPU_BUILD = PaddleBuild("3.3.1", "7688495538f4d6c1", "12.6", "9.5.1", (("NVIDIA A10", 24 << 30),), True)
BLIND_BUILD = replace(GPU_BUILD, devices=())
VERSIONS = {"numpy": "2.4", "jieba": "0.42.1", "safetensors": "0.8", "h5py": "3.16"}
GIB = 1 << 30
INTEL = "vendor_id : GenuineIntel\nmodel name\t: Intel(R) Xeon(R)\nflags : avx2 fma\n"
DRIVER = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n"
OPEN_DRIVER = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  535.104.05  Release Build\n"


@pytest.fixture
def files(tmp_path):
    """Write files below a made-up root."""

    def write(**contents: str) -> None:
        for path, text in contents.items():
            target = tmp_path / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")

    write(**{"proc/cpuinfo": INTEL, "proc/meminfo": "MemTotal:  16777216 kB\nMemAvailable:  8388608 kB\n"})
    return write


@pytest.fixture
def machine(tmp_path, files):
    """A healthy machine without a GPU; tests change one thing of it."""
    return Machine(
        root=tmp_path,
        environment={"OMP_NUM_THREADS": "4"},
        preparation=Preparation(chosen={"OMP_NUM_THREADS": "4"}),
        cores=4,
        python=(3, 11, 7),
        cache=tmp_path / "cache" / "elmo",
        site_packages=[tmp_path / "site-packages"],
        which=lambda name: None,
        run=lambda command: None,
        probe_paddle=lambda: CPU_BUILD,
        version_of=VERSIONS.get,
        product_speed=lambda: ("Paddle", 123.0),
        free_disk=lambda path: 50 * GIB,
    )


@pytest.fixture
def card(files):
    """Put an NVIDIA card into the machine, and its driver."""
    files(
        **{
            "sys/bus/pci/devices/0000:01:00.0/vendor": "0x10de\n",
            "sys/bus/pci/devices/0000:01:00.0/class": "0x030200\n",
        }
    )
    files(
        **{
            "sys/bus/pci/devices/0000:01:00.1/vendor": "0x10de\n",
            "sys/bus/pci/devices/0000:01:00.1/class": "0x040300\n",
        }
    )
    files(
        **{
            "sys/bus/pci/devices/0000:02:00.0/vendor": "0x1002\n",
            "sys/bus/pci/devices/0000:02:00.0/class": "0x030000\n",
        }
    )
    files(**{"proc/driver/nvidia/version": DRIVER})


@pytest.fixture
def libraries(tmp_path, files):
    """NVIDIA's libraries where pip puts them."""
    for folder, name in (
        ("cuda_runtime", "libcudart.so.12"),
        ("cublas", "libcublas.so.12"),
        ("cudnn", "libcudnn.so.9"),
        ("nccl", "libnccl.so.2"),
    ):
        files(**{f"site-packages/nvidia/{folder}/lib/{name}": ""})


def only_problem(report: Report) -> tuple[str, str]:
    assert len(report.problems) == 1, render(report)
    return report.problems[0].what, report.problems[0].next_step


def test_a_healthy_machine_without_a_gpu_has_no_problem(machine):
    report = examine(machine)
    assert report.problems == []
    text = render(report)
    for part in ("3.11.7", "3.3.1, commit 7688495538f4", "0.42.1", "123 GFLOP/s", "Intel(R) Xeon(R)", "16.0 GiB"):
        assert part in text
    assert "4, set by elmo" in text
    assert text.endswith("Nothing is wrong.")


def test_a_healthy_machine_with_a_gpu_has_no_problem(machine, card, libraries):
    report = examine(replace(machine, probe_paddle=lambda: GPU_BUILD))
    assert report.problems == []
    assert report.findings["GPU"]["NVIDIA cards"] == "1"
    assert report.findings["GPU"]["NVIDIA driver"] == "535.104.05"
    assert report.findings["GPU"]["gpu:0 (Paddle)"] == "NVIDIA A10, 24.0 GiB"
    assert report.findings["Software"]["built for"] == "CUDA 12.6, cuDNN 9.5.1"
    assert report.findings["NVIDIA libraries"]["cuDNN"].endswith("nvidia/cudnn/lib/libcudnn.so.9")


# Paddle


def test_a_missing_paddle_is_the_problem_and_all_else_is_still_reported(machine):
    report = examine(replace(machine, probe_paddle=lambda: None, product_speed=lambda: ("NumPy", 50.0)))
    what, step = only_problem(report)
    assert what == "Paddle is not installed"
    assert "elmo[cpu]" in step
    assert "Paddle's install guide" in step
    assert "50 GFLOP/s" in render(report)


def test_a_paddle_that_cannot_be_imported_is_quoted(machine):
    what, step = only_problem(examine(replace(machine, probe_paddle=lambda: PaddleBuild(error="bad magic number"))))
    assert what == "Paddle can't be imported: bad magic number"
    assert "install it again" in step


@pytest.mark.parametrize("rank", ["rubbish", "-1", ""])
def test_a_rank_that_is_no_number_is_to_be_unset(machine, monkeypatch, rank):
    monkeypatch.setenv("PADDLE_TRAINER_ID", rank)
    what, step = only_problem(examine(replace(machine, probe_paddle=machine_module._probe_paddle)))
    assert what == f"Paddle can't be imported: PADDLE_TRAINER_ID is {rank!r}, not a whole number, 0 or more"
    assert step == "unset PADDLE_TRAINER_ID"


def test_a_paddle_that_misses_a_library_leads_to_the_line_to_export(machine, files, tmp_path):
    for name in ("libcudart.so.12", "libcublas.so.12", "libcudnn.so.9"):
        files(**{f"usr/local/cuda-12.6/lib64/{name}": ""})
    build = PaddleBuild(error="libcudart.so.12: cannot open shared object file: No such file or directory")
    first, second = examine(replace(machine, probe_paddle=lambda: build)).problems
    assert "libcudart.so.12: cannot open" in first.what
    assert first.next_step == "see the libraries below"
    folder = tmp_path / "usr/local/cuda-12.6/lib64"
    assert second.next_step == f"export LD_LIBRARY_PATH={folder}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"


def test_two_paddles_over_each_other_are_a_problem(machine):
    versions = {**VERSIONS, "paddlepaddle": "3.3.1", "paddlepaddle-gpu": "3.3.1"}
    what, step = only_problem(examine(replace(machine, version_of=versions.get)))
    assert "both installed" in what
    assert "uninstall both" in step


@pytest.mark.parametrize("package", VERSIONS)
def test_a_missing_package_is_named(machine, package):
    versions = {name: version for name, version in VERSIONS.items() if name != package}
    assert only_problem(examine(replace(machine, version_of=versions.get))) == (
        f"{package} is not installed",
        f"pip install {package}",
    )


@pytest.mark.parametrize(("python", "supported"), [((3, 10, 9), False), ((3, 13, 0), True), ((3, 14, 0), False)])
def test_the_version_of_python_must_be_supported(machine, python, supported):
    problems = examine(replace(machine, python=python)).problems
    assert [problem.next_step for problem in problems] == ([] if supported else ["use Python 3.11, 3.12 or 3.13"])


# GPU


@pytest.mark.parametrize("driver", [DRIVER, OPEN_DRIVER])
def test_a_card_with_a_cpu_build_is_a_problem(machine, card, files, driver):
    files(**{"proc/driver/nvidia/version": driver})
    report = examine(machine)
    what, step = only_problem(report)
    assert what == "an NVIDIA card is here, but this Paddle is a CPU build"
    assert "paddlepaddle-gpu" in step
    assert report.findings["GPU"]["NVIDIA driver"] == "535.104.05"


@pytest.mark.parametrize("visible", ["", "-1", " "])
def test_a_gpu_hidden_by_an_empty_variable_is_a_problem(machine, card, libraries, visible):
    environment = {"CUDA_VISIBLE_DEVICES": visible}
    what, step = only_problem(examine(replace(machine, probe_paddle=lambda: BLIND_BUILD, environment=environment)))
    assert f"CUDA_VISIBLE_DEVICES is {visible!r}" in what
    assert step == "unset CUDA_VISIBLE_DEVICES"


def test_a_variable_that_names_a_card_that_is_not_there_is_a_problem(machine, card, libraries):
    environment = {"CUDA_VISIBLE_DEVICES": "7"}
    what, _ = only_problem(examine(replace(machine, probe_paddle=lambda: BLIND_BUILD, environment=environment)))
    assert "CUDA_VISIBLE_DEVICES=7" in what


def test_a_card_without_a_driver_is_a_problem(machine, card, libraries, tmp_path):
    (tmp_path / "proc/driver/nvidia/version").unlink()
    what, step = only_problem(examine(replace(machine, probe_paddle=lambda: BLIND_BUILD)))
    assert "the card has no NVIDIA driver" in what
    assert "install the NVIDIA driver" in step


def test_a_card_and_driver_that_paddle_does_not_see_lead_to_nvidia_smi(machine, card, libraries):
    _, step = only_problem(examine(replace(machine, probe_paddle=lambda: BLIND_BUILD)))
    assert "run nvidia-smi" in step


def test_a_gpu_build_without_any_card_is_a_problem(machine, libraries):
    what, step = only_problem(examine(replace(machine, probe_paddle=lambda: BLIND_BUILD)))
    assert "there is no NVIDIA card" in what
    assert "elmo[cpu]" in step


@pytest.mark.parametrize(
    ("driver", "cuda", "enough"),
    [
        ("535.104.05", "12.6", True),
        ("525.60", "12.0", True),
        ("470.57.02", "12.6", False),
        ("470.57.02", "11.8", True),
        ("418.87", "11.8", False),
        ("570.124", "13.0", False),
        ("580.65.06", "13.0", True),
    ],
)
def test_a_driver_must_be_new_enough_for_the_builds_cuda(machine, card, files, driver, cuda, enough):
    files(**{"proc/driver/nvidia/version": DRIVER.replace("535.104.05", driver)})
    major = cuda.split(".")[0]
    for name in (f"libcudart.so.{major}", f"libcublas.so.{major}", "libcudnn.so.9"):
        files(**{f"site-packages/nvidia/some/lib/{name}": ""})
    build = replace(GPU_BUILD if enough else BLIND_BUILD, cuda=cuda)
    problems = examine(replace(machine, probe_paddle=lambda: build)).problems
    if enough:
        assert problems == []
    else:
        (problem,) = problems
        assert problem.what == f"the NVIDIA driver {driver} is too old for Paddle's CUDA {cuda}"


def test_nvidia_smi_says_what_cards_there_are(machine, card, libraries):
    asked = []

    def run(command):
        asked.append(command)
        return "NVIDIA A10, 23028 MiB\nNVIDIA T4, 15360 MiB\n" if "nvidia-smi" in command[0] else None

    smi = replace(machine, probe_paddle=lambda: GPU_BUILD, run=run, which=lambda name: f"/usr/bin/{name}")
    found = examine(smi).findings["GPU"]
    assert found["card 0 (nvidia-smi)"] == "NVIDIA A10, 23028 MiB"
    assert found["card 1 (nvidia-smi)"] == "NVIDIA T4, 15360 MiB"
    assert ["/usr/bin/nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"] in asked


# Libraries


def test_libraries_that_the_loader_knows_need_nothing(machine, card):
    ldconfig = "3 libs found in cache `/etc/ld.so.cache'\n" + "".join(
        f"\t{name} (libc6,x86-64) => /usr/lib/x86_64-linux-gnu/{name}\n"
        for name in ("libcudart.so.12", "libcublas.so.12", "libcudnn.so.9")
    )
    known = replace(
        machine, probe_paddle=lambda: GPU_BUILD, run=lambda command: ldconfig if "ldconfig" in command[0] else None
    )
    report = examine(known)
    assert report.problems == []
    assert report.findings["NVIDIA libraries"]["cuDNN"] == "/usr/lib/x86_64-linux-gnu/libcudnn.so.9"
    assert report.findings["NVIDIA libraries"]["NCCL"] == "not found"  # one GPU does without


def test_libraries_in_folders_that_are_not_searched_give_one_line_to_export(machine, card, files, tmp_path):
    files(**{"usr/local/cuda-12.6/lib64/libcudart.so.12": "", "usr/local/cuda-12.6/lib64/libcublas.so.12": ""})
    files(**{"usr/local/cuda-12.6/targets/x86_64-linux/lib/libcudnn.so.9": ""})
    report = examine(replace(machine, probe_paddle=lambda: GPU_BUILD))
    _, step = only_problem(report)
    first, second = (tmp_path / f"usr/local/cuda-12.6/{part}" for part in ("lib64", "targets/x86_64-linux/lib"))
    assert step == f"export LD_LIBRARY_PATH={first}:{second}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
    assert "where the loader does not look" in report.findings["NVIDIA libraries"]["cuDNN"]

    followed = {"LD_LIBRARY_PATH": f"{first}:{second}"}
    assert examine(replace(machine, probe_paddle=lambda: GPU_BUILD, environment=followed)).problems == []


def test_pips_libraries_need_the_variable_where_paddle_does_not_look_there_itself(machine, card, libraries):
    build = replace(GPU_BUILD, uses_pip_libraries=False)
    _, step = only_problem(examine(replace(machine, probe_paddle=lambda: build)))
    assert step.startswith("export LD_LIBRARY_PATH=")
    assert step.count("site-packages/nvidia/") == 4


def test_libraries_of_another_cuda_do_not_count(machine, card, files):
    for name in ("libcudart.so.11.0", "libcublas.so.11", "libcudnn.so.8"):
        files(**{f"usr/local/cuda-11.8/lib64/{name}": ""})
    problems = examine(replace(machine, probe_paddle=lambda: GPU_BUILD)).problems
    assert [problem.what for problem in problems] == [
        "CUDA runtime (libcudart.so.12) is nowhere to be found",
        "cuBLAS (libcublas.so.12) is nowhere to be found",
        "cuDNN (libcudnn.so.9) is nowhere to be found",
    ]


def test_several_gpus_need_nccl(machine, card, libraries, tmp_path):
    (tmp_path / "site-packages/nvidia/nccl/lib/libnccl.so.2").unlink()
    build = replace(GPU_BUILD, devices=GPU_BUILD.devices * 2)
    what, _ = only_problem(examine(replace(machine, probe_paddle=lambda: build)))
    assert what == "NCCL (libnccl.so.2) is nowhere to be found"


def test_condas_libraries_are_found(machine, card, files, tmp_path):
    for name in ("libcudart.so.12", "libcublas.so.12", "libcudnn.so.9"):
        files(**{f"conda/lib/{name}": ""})
    environment = {"CONDA_PREFIX": str(tmp_path / "conda")}
    assert examine(replace(machine, probe_paddle=lambda: GPU_BUILD, environment=environment)).problems == []


# Threads


@pytest.mark.parametrize(
    ("threads", "message"),
    [
        ("1", "OMP_NUM_THREADS is 1, so 3 of 4 cores idle"),
        ("64", "OMP_NUM_THREADS is 64, but only 4 cores are available"),
        ("0", "OMP_NUM_THREADS is '0', not a number above 0"),
        ("many", "OMP_NUM_THREADS is 'many', not a number above 0"),
        ("9" * 5000, f"OMP_NUM_THREADS is '{'9' * 40}', not a number above 0"),
    ],
)
def test_thread_counts_that_waste_the_machine_are_problems(machine, threads, message):
    users = replace(
        machine, environment={"OMP_NUM_THREADS": threads}, preparation=Preparation(kept={"OMP_NUM_THREADS": threads})
    )
    report = examine(users)
    what, step = only_problem(report)
    assert what == message
    assert step.startswith("unset OMP_NUM_THREADS")
    assert report.findings["Threads"]["OMP_NUM_THREADS"] == f"{threads[:40]}, set by you"


@pytest.mark.parametrize(("threads", "cores"), [("1", 1), ("4", 4), ("2", 4)])
def test_other_thread_counts_are_the_users_own_affair(machine, threads, cores):
    users = replace(machine, cores=cores, preparation=Preparation(kept={"OMP_NUM_THREADS": threads}))
    assert examine(users).problems == []


@pytest.mark.parametrize(
    ("flags", "value", "fits"), [("avx2 fma", "5", True), ("avx2 fma", "7", False), ("sse4_2", "5", False)]
)
def test_an_mkl_switch_that_does_not_fit_the_cpu_is_a_problem(machine, files, flags, value, fits):
    files(**{"proc/cpuinfo": f"vendor_id : AuthenticAMD\nflags : {flags}\n"})
    problems = examine(replace(machine, preparation=Preparation(kept={"MKL_DEBUG_CPU_TYPE": value}))).problems
    assert [problem.what.split(",")[0] for problem in problems] == ([] if fits else [f"MKL_DEBUG_CPU_TYPE is {value}"])


def test_paddle_before_elmo_is_a_problem(machine):
    _, step = only_problem(examine(replace(machine, preparation=Preparation(paddle_was_imported=True))))
    assert step == "put `import elmo` above `import paddle`"


# Memory and disk


def test_little_memory_and_a_full_disk_are_problems(machine, files, tmp_path):
    files(**{"proc/meminfo": "MemTotal:  16777216 kB\nMemAvailable:  524288 kB\n"})
    what, _ = only_problem(examine(machine))
    assert what == "only 0.5 GiB of memory is available"
    files(**{"proc/meminfo": "MemTotal:  16777216 kB\nMemAvailable:  8388608 kB\n"})
    problems = examine(replace(machine, free_disk=lambda path: GIB // 2)).problems
    assert [problem.what for problem in problems] == [
        f"only 0.5 GiB of disk space is left for {folder}" for folder in (Path.cwd(), machine.cache)
    ]


def test_a_containers_limit_counts_as_its_memory(machine, files):
    files(**{"sys/fs/cgroup/memory.max": f"{4 * GIB}\n", "sys/fs/cgroup/memory.current": f"{GIB}\n"})
    found = examine(machine).findings["Memory and disk"]
    assert (found["memory total"], found["memory available"]) == ("4.0 GiB", "3.0 GiB")
    files(**{"sys/fs/cgroup/memory.max": "max\n"})
    assert examine(machine).findings["Memory and disk"]["memory total"] == "16.0 GiB"


def test_a_machine_without_proc_is_reported_as_unknown(machine, tmp_path):
    bare = replace(machine, root=tmp_path / "nothing")
    report = examine(bare)
    assert report.problems == []
    assert report.findings["Memory and disk"]["memory total"] == "unknown"
    assert report.findings["Threads"]["CPU"] == "unknown"


# The text, and this machine


def test_problems_are_numbered_and_each_has_its_next_step(machine):
    report = examine(replace(machine, python=(3, 9, 0), probe_paddle=lambda: None))
    lines = render(report).splitlines()
    start = lines.index("What is wrong and what to do")
    assert lines[start + 1].startswith("  1. Python 3.9.0 is not supported")
    assert lines[start + 2].startswith("     -> use Python")
    assert lines[start + 3].startswith("  2. Paddle is not installed")
    assert len(lines) == start + 5


def test_this_machine_can_be_examined():
    report = examine()
    assert report.findings["Software"]["Paddle"].startswith("3.")
    assert float(report.findings["Threads"]["matrix product"].split()[0]) > 0
    assert render(report)


def test_commands_that_are_missing_fail_or_hang_count_as_no_answer():
    assert machine_module._run(["/no/such/command"]) is None
    assert machine_module._run([sys.executable, "-c", "raise SystemExit(3)"]) is None
    assert machine_module._run([sys.executable, "-c", "print('yes')"]) == "yes\n"


def test_without_paddle_the_command_still_works(tmp_path):
    code = (
        "import sys; sys.modules['paddle'] = None\n"  # what Python does for a module that can't be found
        "from elmo.system.doctor import examine, render\n"
        "report = examine(); print(render(report)); print([problem.what for problem in report.problems])"
    )
    result = run_python(code, PATH="/usr/bin:/bin", HOME=str(tmp_path))
    assert "Paddle is not installed" in result.stdout.splitlines()[-1]
    assert "GFLOP/s (float32, 1024 x 1024, CPU, NumPy)" in result.stdout


# What comes with the project


def test_the_doctor_knows_all_that_comes_with_the_project(data):
    assert sorted(path.name for path in data.iterdir()) == sorted(("README.md", "models", *DATA))
    assert sorted(path.name for path in (data / "models").iterdir()) == sorted(("README.md", *RELEASED_MODELS))


def test_what_is_missing_of_it_is_named(machine, data, tmp_path):
    report = examine(machine)
    assert report.findings["Models and data"]["models"] == ", ".join(RELEASED_MODELS)
    (tmp_path / "data").mkdir()
    for name in ("models", *DATA):
        if name != "lac":
            (tmp_path / "data" / name).symlink_to(data / name)
    what, step = only_problem(examine(replace(machine, data=tmp_path / "data")))
    assert what.endswith(": lac") and str(tmp_path / "data") in what and "pip wheel" in step
    (tmp_path / "data/models").unlink()
    (tmp_path / "data/models/elmo-zh-small").mkdir(parents=True)
    what, _ = only_problem(examine(replace(machine, data=tmp_path / "data")))
    assert "models/elmo-zh-small" in what and "models/bert-zh-small" in what
