"""Fixtures that every test may use."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest

# Tests run in several processes: one thread each is faster than many that wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Nothing that a test makes is kept in, or found in, the cache of whoever runs it. All processes of a run share one, so
# that the loops are compiled once: pytest-xdist's workers inherit it from the process that starts them.
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["ELMO_CACHE"] = tempfile.mkdtemp(prefix="elmo-cache-")
    atexit.register(shutil.rmtree, os.environ["ELMO_CACHE"], ignore_errors=True)

REPOSITORY = Path(__file__).resolve().parent.parent


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
