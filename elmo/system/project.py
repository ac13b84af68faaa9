"""Where the data is that comes with the project: in data/ of the repository, or inside an installed package."""

from __future__ import annotations

from pathlib import Path


def data_folder() -> Path:
    """Folder of what comes with the project: models, small sets, our own text, results; the same wherever we work.

    An installed package has it within. In a checkout it lies beside the package.
    """
    package = Path(__file__).resolve().parents[1]
    within = package / "data"
    is_checkout = (package.parent / "pyproject.toml").is_file()
    return package.parent / "data" if is_checkout and not within.is_dir() else within


def project_data(name: str) -> Path:
    """Return the path of a file or folder of the project's data, such as `tasks`, in whatever folder we work.

    It may be missing: whoever reads it says so, and `elmo doctor` says what else is.
    """
    return data_folder() / name
