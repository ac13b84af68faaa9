"""Public corpora by name: what there is, its licence, and how to get it into the data home.

Nothing is passed on here: a corpus is downloaded from the repository that publishes it, after its licence was shown.
"""

from __future__ import annotations

import difflib
import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from rich.table import Table

from elmo.corpora.download import check_address, fetch_file, find_problem
from elmo.corpora.registry import DATASETS, DataFile, Dataset
from elmo.errors import InputError, RunError
from elmo.system.cache import cache_folder
from elmo.system.terminal import printable

__all__ = [
    "DATASETS",
    "DataFile",
    "Dataset",
    "ask",
    "corpora_table",
    "data_home",
    "describe_corpus",
    "fetch",
    "find",
    "path",
    "verify",
]

HOME_VARIABLE = "ELMO_DATA_HOME"
_FILES_IN_A_LINE = 3  # with more, a message points to `describe`


def data_home() -> Path:
    """Folder of the corpora: ELMO_DATA_HOME, by default the folder datasets of `elmo.system.cache.cache_folder`."""
    if given := os.environ.get(HOME_VARIABLE):
        return Path(given).expanduser()
    return cache_folder() / "datasets"


def find(name: str) -> Dataset:
    """Return the dataset of that name.

    Raises:
        InputError: there is none; names the nearest.
    """
    if name in DATASETS:
        return DATASETS[name]
    near = difflib.get_close_matches(name.lower().replace("-", "_"), DATASETS, cutoff=0.5)
    guess = f"did you mean {' or '.join(near)}?" if near else "`elmo data list` names them all"
    raise InputError(f"{name!r} is no dataset; {guess}")


def path(name: str, file: str | None = None) -> Path:
    """Path of a dataset in the data home: its file, or the folder of its files.

    Args:
        name: a key of `DATASETS`.
        file: one of several files, by its name.

    Raises:
        InputError: there is no such dataset or file, or it is not there yet; says how to get it.
    """
    dataset, home = find(name), data_home()
    wanted = [each for each in dataset.files if file in (None, each.path, PurePosixPath(each.path).name)]
    if not wanted:
        names = ", ".join(PurePosixPath(each.path).name for each in dataset.files)
        raise InputError(f"{name} has no file {file!r}; it has {names}")
    for each in wanted:
        if not (home / each.path).is_file():
            raise InputError(f"{home / each.path} is not there; {_how_to_get(dataset, home)}")
    return home / (dataset.place if file is None else wanted[0].path)


def verify(name: str, checksums: bool = False) -> list[str]:
    """What is wrong with a dataset's files in the data home, one line a file; nothing if all is well.

    Args:
        name: a key of `DATASETS`.
        checksums: read the files and compare their SHA-256, not only their sizes.
    """
    home = data_home()
    problems = (find_problem(home / file.path, file, checksums) for file in find(name).files)
    return [problem for problem in problems if problem]


def describe_corpus(name: str) -> str:
    """A dataset in words: what it is, its licence, source, files and whether they are there."""
    dataset, home = find(name), data_home()
    lines = [
        f"{dataset.name}: {dataset.description}",
        f"licence: {dataset.licence}",
        f"place:   {home / dataset.place} ({_state(dataset)})",
    ]
    for file in dataset.files:
        lines += [
            f"file:    {file.path}, {file.num_bytes:,} bytes{file.about and f': {file.about}'}",
            f"  sha256 {file.sha256}",
            f"  from   {file.source}",
        ]
        if file.url:
            lines.append(f"  at     {file.url}")
    if dataset.by_hand:
        lines.append(f"by hand: {dataset.by_hand}")
    return "\n".join(map(printable, lines))


def corpora_table() -> Table:
    """All datasets: name, size, whether it is there, licence, what it is."""
    result = Table(box=None, pad_edge=False)
    for column, justify in (("name", "left"), ("MB", "right"), ("state", "left"), ("licence", "left"), ("", "left")):
        result.add_column(column, justify="right" if justify == "right" else "left", no_wrap=column == "name")
    for dataset in DATASETS.values():
        size = f"{dataset.num_bytes / 1e6:.1f}"
        result.add_row(dataset.name, size, _state(dataset), dataset.licence, dataset.description)
    return result


def ask(dataset: Dataset) -> bool:
    """Show a dataset and its licence on the terminal and ask whether the licence is accepted: for `fetch`.

    Raises:
        InputError: there is no terminal to ask on.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InputError(
            f"{dataset.name}: its licence ({dataset.licence}) must be accepted and there is no terminal to ask on; "
            f"`elmo data show {dataset.name}` shows its source, --accept_licence True accepts"
        )
    print(describe_corpus(dataset.name), file=sys.stderr)
    print(f"Download it under this licence ({dataset.licence})? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def fetch(name: str, *, accept_licence: Callable[[Dataset], bool] | bool, progress: bool = True) -> Path:
    """Download the files of a dataset that are missing or wrong into the data home; returns `path(name)`.

    A file appears under its name when its checksum was found right. What was received before an interruption stays
    beside it and is gone on with the next time.

    Args:
        name: a key of `DATASETS`.
        accept_licence: whether the reader accepts the licence, or who is asked before anything is downloaded.
        progress: show a bar, if standard error is a terminal.

    Raises:
        InputError: there is no such dataset, it has to be got by hand, its licence was not accepted, the data home
            can't be written, or what the address holds is not what is known of it.
        RunError: the connection fails again and again, or the disk is full; the next call goes on from there.
    """
    dataset, home = find(name), data_home()
    missing = [file for file in dataset.files if find_problem(home / file.path, file, checksum=True)]
    if not missing:
        return path(name)
    for file in missing:
        if file.url is None:
            raise InputError(f"{find_problem(home / file.path, file, checksum=True)}; {_how_to_get(dataset, home)}")
        check_address(file.url)
    if not (accept_licence(dataset) if callable(accept_licence) else accept_licence):
        raise InputError(
            f"{name}: its licence ({dataset.licence}) was not accepted and nothing was downloaded; `elmo data show "
            f"{name}` shows its source, --accept_licence True accepts"
        )
    for file in missing:
        try:
            fetch_file(home, file, progress)
        except OSError as error:
            place = home / file.path
            if error.errno == errno.ENOSPC:
                raise RunError(
                    f"{place}: no space is left on the disk; make room, or set {HOME_VARIABLE} to a larger place, and "
                    "run it again: it goes on where it stopped"
                ) from None
            raise InputError(
                f"{place}: can't be written ({error.strerror or error}); set {HOME_VARIABLE} to a folder that can be"
            ) from None
    return path(name)


def _state(dataset: Dataset) -> str:
    if not verify(dataset.name):
        return "there"
    return "by hand" if dataset.by_hand else "to fetch"


def _how_to_get(dataset: Dataset, home: Path) -> str:
    if not dataset.by_hand:
        return f"get it by `elmo data fetch {dataset.name}`, or set {HOME_VARIABLE} to the folder that holds it"
    if len(dataset.files) > _FILES_IN_A_LINE:
        return (
            f"{dataset.name} has to be got by hand: `elmo data show {dataset.name}` says from where; put it "
            f"into {home}, or set {HOME_VARIABLE} to the folder that holds it"
        )
    sources = ", ".join(dict.fromkeys(file.source for file in dataset.files))
    places = ", ".join(file.path for file in dataset.files)
    return (
        f"{dataset.name} has to be got by hand from {sources}: {dataset.by_hand}; put it into {home} as {places}, or "
        f"set {HOME_VARIABLE} to the folder that holds it"
    )
