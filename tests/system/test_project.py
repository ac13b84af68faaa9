"""Data of the project is found wherever we work, in the repository and in an installed package."""

from __future__ import annotations

from pathlib import Path

import pytest

from elmo.commands import evaluation
from elmo.models import find_model
from elmo.system import project
from elmo.system.project import project_data


def test_in_the_repository_it_lies_beside_the_package_whatever_folder_we_work_in(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("lac", "tasks", "senses.tsv"):
        assert project_data(name) == data / name
    assert data / "cloze.tsv" == evaluation.OWN_CLOZE
    assert find_model("elmo-zh-small") == data / "models/elmo-zh-small"


def test_in_an_installed_package_it_lies_within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages/elmo"
    (package / "data/lac").mkdir(parents=True)
    (package / "data/models/small").mkdir(parents=True)
    monkeypatch.setattr(project, "__file__", str(package / "system/project.py"))
    assert project_data("lac") == package / "data/lac"
    assert find_model("small") == package / "data/models/small"
    assert project_data("senses.tsv") == package / "data/senses.tsv"  # whoever reads it says that it is not there


def test_a_folder_that_another_package_has_put_beside_it_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages/elmo"
    (tmp_path / "site-packages/data/lac").mkdir(parents=True)
    monkeypatch.setattr(project, "__file__", str(package / "system/project.py"))
    assert project_data("lac") == package / "data/lac"
