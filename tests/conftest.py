"""Fixtures that every test may use."""

from __future__ import annotations

import atexit
import os
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import hypothesis
import numpy as np
import pytest

# Tests run in several processes: one thread each is faster than many that wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Nothing that a test makes is kept in, or found in, the cache of whoever runs it. All processes of a run share one, so
# that the loops are compiled once: pytest-xdist's workers inherit it from the process that starts them.
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["ELMO_CACHE"] = tempfile.mkdtemp(prefix="elmo-cache-")
    atexit.register(shutil.rmtree, os.environ["ELMO_CACHE"], ignore_errors=True)

# What random tests draw is the same every time; `ELMO_TEST_SEED=7 make test` draws something else.
SEED = int(os.environ.setdefault("ELMO_TEST_SEED", "0"))

# How long something takes depends on the machine, and nothing that a test draws is kept for the next run.
hypothesis.settings.register_profile(
    "anywhere",
    deadline=None,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("anywhere")

# In the background of a shell, and under nohup, a signal is ignored, and so it would be by all that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
REPOSITORY = Path(__file__).resolve().parent.parent

# Files that take longest, the longest first: begun first, so that the processes of a run end together.
LONGEST = (
    "book/test_notebooks.py",
    "training/test_resume.py",
    "system/test_inputs.py",
    "test_run_scripts.py",
    "exercises/harness/test_hostile.py",
    "test_readme.py",
    "corpora/test_pool.py",
    "test_too_much.py",
    "test_web_engine.py",
    "training/test_ranks.py",
    "book/test_build.py",
)


def pytest_report_header() -> str:
    """Say what repeats a run."""
    return f"random tests: ELMO_TEST_SEED={SEED}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Seed what Hypothesis draws, and put the longest files first."""
    ranks = {REPOSITORY / "tests" / name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))
    for item in items:
        if isinstance(item, pytest.Function) and hypothesis.is_hypothesis_test(item.obj):
            hypothesis.seed(SEED)(item.obj)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Seed what a test, or a fixture that it is the first to need, draws from generators that all share."""
    random.seed(SEED)
    np.random.seed(SEED)
    if seed := getattr(sys.modules.get("paddle"), "seed", None):
        seed(SEED)


@pytest.fixture(scope="session")
def test_seed() -> int:
    """What a random test begins with."""
    return SEED


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the repository."""
    return REPOSITORY


@pytest.fixture(scope="session")
def data() -> Path:
    """The data that comes with the project."""
    return REPOSITORY / "data"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real corpora, weights and expected outputs that are not part of the repository."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the shared corpora and expected outputs beside the repository")
    return folder
