"""The files of the dataset `pool`: a table of thirty sources, read from registry_pool.toml beside this module."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any

_BY_HAND = (
    "take from each repository, at that commit, the files named, as plain text without markup and code: a paragraph a "
    "line, an empty line between documents (of tvsub a subtitle a line), nothing twice, nothing that raw/ has; lines "
    "that share 12 characters or a clause of 8 with evaluation text were dropped, and some sources sampled, so that "
    "your own will have other checksums"
)
POOL: dict[str, str] = {
    "name": "pool",
    "description": "prose of thirty kinds, a paragraph a line, 86.5 million Chinese characters: what models are "
    "pretrained on beside raw",
    "licence": "differs, see each source; for most none stated, of some for research only (tvsub CC BY-NC-ND 4.0); "
    "nothing of it is passed on here",
    "by_hand": _BY_HAND,
}


def pool_files() -> list[dict[str, Any]]:
    """Place, size, checksum, source and description of each file, as the fields of a `DataFile`."""
    table = tomllib.loads(files("elmo.corpora").joinpath("registry_pool.toml").read_text(encoding="utf-8"))
    return [
        {
            "path": f"pool/{name}.txt.xz",
            "num_bytes": entry["num_bytes"],
            "sha256": entry["sha256"],
            "source": f"{', '.join(entry['repositories'])} : {entry['inside']}",
            "about": entry["about"],
        }
        for name, entry in table.items()
    ]
