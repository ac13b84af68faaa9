"""Where things lie that can be made or fetched again: encoded text, jieba's dictionary, compiled loops, corpora."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

CACHE_VARIABLE = "ELMO_CACHE"


def cache_folder() -> Path:
    """Folder of all caches: ELMO_CACHE, or elmo in the user's cache; it need not be there yet."""
    given = os.environ.get(CACHE_VARIABLE)
    return Path(given).expanduser() if given else Path(platformdirs.user_cache_dir("elmo"))
