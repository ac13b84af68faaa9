"""Curves that VisualDL shows: what was added comes back, and without VisualDL one line says what to do."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
from visualdl import LogReader

from elmo.errors import InputError
from elmo.training.progress import Curves


def test_scalars_come_back_by_name_and_step(tmp_path: Path) -> None:
    curves = Curves(tmp_path / "logs")
    for step in (10, 20):
        curves.add(step, training_loss=1 / step, perplexity=math.inf if step == 10 else 50.0)
    curves.close()
    (file,) = (tmp_path / "logs").iterdir()
    reader = LogReader(file_path=str(file))
    losses = reader.get_data("scalar", "training_loss")
    assert [(point.id, pytest.approx(point.value)) for point in losses] == [(10, 0.1), (20, 0.05)]
    assert [point.id for point in reader.get_data("scalar", "perplexity")] == [20]


def test_without_visualdl_one_line_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "visualdl", None)
    with pytest.raises(InputError, match=r"pip install 'elmo\[watch\]'"):
        Curves(tmp_path)


def test_a_place_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="can't be written"):
        Curves(tmp_path / "file" / "logs")
