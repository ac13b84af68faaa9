"""A Sphinx extension: where the repository is, for the button that opens a page in Colab and for {{ repository }}.

It is written in one place, pyproject.toml, as `Repository` of [project.urls]; ELMO_REPOSITORY names another, such as a
fork. Where neither says one, there are no such buttons, rather than buttons that lead nowhere.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ConfigError

UNKNOWN = "REPOSITORY"
_COLAB = "https://colab.research.google.com"


def repository_url(root: Path) -> str | None:
    """Address of the repository, without a slash at its end, or None.

    Raises:
        ConfigError: it is not the address of a GitHub repository, which Colab asks for.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    url = os.environ.get("ELMO_REPOSITORY") or project.get("urls", {}).get("Repository")
    if not url:
        return None
    url = str(url).removesuffix("/").removesuffix(".git")
    parts = url.removeprefix("https://github.com/").split("/")
    if not url.startswith("https://github.com/") or len(parts) != 2 or not all(parts):
        raise ConfigError(f"the repository is {url!r}: Colab opens https://github.com/OWNER/NAME")
    return url


def configure(app: Sphinx, config: Config) -> None:
    """Tell the theme and the pages where the repository is."""
    url = repository_url(Path(app.confdir))
    config.myst_substitutions = {**config.myst_substitutions, "repository": url or UNKNOWN}
    if url:
        config.html_theme_options = {
            **config.html_theme_options,
            "repository_url": url,
            "repository_branch": os.environ.get("ELMO_BRANCH", "main"),
            "use_repository_button": True,
            "launch_buttons": {"colab_url": _COLAB},
        }


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to Sphinx; called by it."""
    app.connect("config-inited", configure, priority=100)  # before MyST and the theme read their options
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
