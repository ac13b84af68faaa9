"""Which implementation of a layer a test runs."""

from __future__ import annotations

import pytest

from elmo.nn import native


@pytest.fixture(params=["compiled", "paddle"])
def loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Compiled loops, or Paddle's operations."""
    monkeypatch.setenv(native.SWITCH, "1" if request.param == "compiled" else "0")
    if request.param == "compiled" and native.library() is None:
        pytest.skip(f"compiled loops are {native.status()}")
    return request.param


@pytest.fixture
def onednn_loops() -> None:
    """Nothing is to be tested without compiled loops and Paddle's oneDNN."""
    if not native.onednn():
        pytest.skip(f"compiled loops are {native.status()}; some need Paddle's oneDNN too")
