"""The repository's address is written once, and no button leads nowhere."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("sphinx", reason="the book needs the extra `book`")

from sphinx.errors import ConfigError

from book.tools.repository import UNKNOWN, configure, repository_url


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("ELMO_REPOSITORY", raising=False)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "elmo"\n', encoding="utf-8")
    return tmp_path


def configured(root: Path) -> SimpleNamespace:
    config = SimpleNamespace(myst_substitutions={"a": "b"}, html_theme_options={"show_toc_level": 2})
    configure(SimpleNamespace(confdir=str(root)), config)  # type: ignore[arg-type]
    return config


def test_without_an_address_there_are_no_buttons(root: Path):
    config = configured(root)
    assert config.html_theme_options == {"show_toc_level": 2}
    assert config.myst_substitutions == {"a": "b", "repository": UNKNOWN}


def test_the_address_in_pyproject_gives_buttons_and_a_substitution(root: Path):
    with (root / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write('[project.urls]\nRepository = "https://github.com/someone/elmo.git"\n')
    config = configured(root)
    assert config.html_theme_options["repository_url"] == "https://github.com/someone/elmo"
    assert config.html_theme_options["launch_buttons"] == {"colab_url": "https://colab.research.google.com"}
    assert config.myst_substitutions["repository"] == "https://github.com/someone/elmo"


def test_a_fork_names_its_own(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ELMO_REPOSITORY", "https://github.com/fork/elmo/")
    assert repository_url(root) == "https://github.com/fork/elmo"


@pytest.mark.parametrize("url", ["https://example.org/elmo", "https://github.com/someone", "git@github.com:a/b"])
def test_an_address_that_colab_cannot_open_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch, url: str):
    monkeypatch.setenv("ELMO_REPOSITORY", url)
    with pytest.raises(ConfigError, match="OWNER/NAME"):
        repository_url(root)
