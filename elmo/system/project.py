"""Where the data is that comes with the project: in data/ of the repository, or inside an installed package."""

from __future__ import annotations

from pathlib import Path


def data_folders() -> list[Path]:
    """Folders in which data of the project may be: beside the package, and in it."""
    package = Path(__file__).resolve().parents[1]
    return [package.parent / "data", package / "data"]


def project_data(name: str) -> Path:
    """Return the path of a file or folder of the project's data, such as "senses.tsv", in whatever folder we work.

    What is nowhere is looked for in the installed package: whoever reads it says that it is not there.
    """
    places = [folder / name for folder in data_folders()]
    return next((place for place in places if place.exists()), places[-1])
