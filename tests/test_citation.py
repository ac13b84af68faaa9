"""The citation names the version that is here, and nothing that does not exist."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml", reason="the citation is YAML; the extra `book` brings a reader")


def test_the_citation_has_the_projects_version_licence_and_authors(repository: Path) -> None:
    citation = yaml.safe_load((repository / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    book = yaml.safe_load((repository / "_config.yml").read_text(encoding="utf-8"))
    assert [author["name"] for author in citation["authors"]] == [book["author"]]
    assert "doi" not in citation
