"""The wheel holds what the README promises: installed alone, in another folder, without a network, it all works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # it is built and installed first


def pip(*arguments: object) -> None:
    """Run pip without a network."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        *map(str, arguments),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", repository, "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    pip("install", wheel, "--no-deps", "--no-index", "--target", folder)
    return folder


def run(site: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the installed package, which stands before the checkout's."""
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1", "ELMO_NATIVE": "0"}  # no compiling
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=250, check=False
    )


def test_it_holds_models_sets_and_types(wheel: Path, data: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    ours = {f"elmo/data/{path.relative_to(data).as_posix()}" for path in data.rglob("*") if path.is_file()}
    package = data.parent / "elmo"
    code = [path.relative_to(package.parent).as_posix() for path in package.rglob("*") if path.is_file()]
    assert ours.union(name for name in code if "__pycache__" not in name) <= names
    assert "elmo/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "book/", "benchmarks/")) or ".pyc" in name]


def test_the_readme_begins_with_what_runs_anywhere(site: Path, repository: Path, tmp_path: Path) -> None:
    readme = (repository / "README.md").read_text(encoding="utf-8")
    example = re.findall(r"```python\n(.*?)```", readme, re.S)[0]
    done = run(site, tmp_path, "-c", f"{example}\nprint(elmo.__file__)")
    assert done.returncode == 0, done.stderr
    (promised,) = re.findall(r"print\(.*\)  # .*: (\(.*\))", example)
    assert done.stdout.splitlines() == [promised, str(site / "elmo/__init__.py")]


def test_commands_find_their_data_and_the_doctor_says_what_is_missing(site: Path, tmp_path: Path) -> None:
    doctor = run(site, tmp_path, "-m", "elmo", "doctor").stdout
    assert "bert-zh, bert-zh-small, elmo-zh, elmo-zh-characters, elmo-zh-small" in doctor and "missing in" not in doctor
    shutil.move(site / "elmo/data/lac", tmp_path / "lac")
    shutil.move(site / "elmo/data/models/elmo-zh-small", tmp_path / "small")
    try:
        done = run(site, tmp_path, "-m", "elmo", "doctor")
    finally:
        shutil.move(tmp_path / "lac", site / "elmo/data/lac")
        shutil.move(tmp_path / "small", site / "elmo/data/models/elmo-zh-small")
    assert done.returncode == 1
    assert f"missing in {site / 'elmo/data'}" in done.stdout
    assert re.search(r": models/elmo-zh-small, lac$", done.stdout, re.M)
