"""Checkpoints of a pretraining run: a model directory with all beside it that the run needs to go on bit by bit.

A checkpoint appears whole or not at all, and names the SHA-256 of each of its files, so that one that was cut or
changed is recognised and the one before it used. A process may be killed at any moment: what it leaves half done bears
its number, and the next one mends it (`checkpoints`, `tidy`). There is no pickle in it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from elmo.errors import InputError, RunError
from elmo.models import VOCABULARY_FILE, WEIGHTS_FILE, ModelFiles, check_kind, write_model
from elmo.system.files import check_replaceable, first_foreign, replace_directory, sha256_of
from elmo.system.types import Array, PathLike
from elmo.training.checkpoint.record import LaterVersionError, TrainingState, read_json, read_record, seal

TRAINING_FILE = "training.json"
OPTIMIZER_FILE = "optimizer.safetensors"
POSITION_FILE = "position.safetensors"
BEST = "best"  # a link, or a copy, of the checkpoint with the lowest held-out perplexity
_FILES = (WEIGHTS_FILE, VOCABULARY_FILE, TRAINING_FILE, OPTIMIZER_FILE, POSITION_FILE)
_NAME = re.compile(r"(epoch(?=_\d{3})|step(?=_\d{7}))_(\d+)")
# What a process is at work on: a checkpoint that is being written, one whose place it takes, one that is removed.
_AT_WORK = re.compile(rf"\.{{1,2}}((?:epoch|step)_\d+|{BEST})(?:\.(new|old|gone))?\.(\d+)(?:\.[0-9a-f]+)*")
_HALF_WRITTEN = re.compile(r"\.(.+)\.[0-9a-f]{16}")  # a file of a checkpoint that is being written


def write_checkpoint(
    directory: PathLike, files: ModelFiles, state: TrainingState, *, in_place_of_all: bool = False
) -> Path:
    """Write a checkpoint; the directory appears whole or not at all, and takes the place of one of the same name.

    Args:
        directory: the checkpoint; those of a run are in one folder.
        files: the model.
        state: the run.
        in_place_of_all: once this one is ready, remove all others in the folder: those of an earlier run.

    Raises:
        RunError: it can't be written.
    """
    target = Path(directory)
    temporary = target.with_name(f".{target.name}.new.{_mark()}")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        write_model(temporary, files)
        _save(temporary / OPTIMIZER_FILE, state.optimizer)
        _save(temporary / POSITION_FILE, state.position)
        record = asdict(replace(state, optimizer={}, position={}))
        record["sha256"] = {path.name: sha256_of(path) for path in sorted(temporary.iterdir())}
        record["seal"] = seal(record)
        _write_text(temporary / TRAINING_FILE, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
        if in_place_of_all:
            for path in check_removable(target.parent, files.kind):
                _remove(path)
        replace_directory(temporary, target, find_foreign)
    except (OSError, SafetensorError, InputError) as error:
        raise RunError(
            f"{target}: the checkpoint could not be written ({error}); earlier ones are untouched: when that is "
            "mended, go on with --resume True"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def _save(path: Path, arrays: Mapping[str, Array]) -> None:
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, str(path))
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _write_text(path: Path, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def read_training_state(directory: PathLike) -> TrainingState:
    """Read what `write_checkpoint` put beside the model, after comparing every file's SHA-256.

    Raises:
        InputError: a file is missing, cut or altered. LaterVersionError: a later version has written it.
    """
    folder = Path(directory)
    for name in (TRAINING_FILE, OPTIMIZER_FILE, POSITION_FILE):
        if not (folder / name).is_file():
            raise InputError(f"{folder}: {name} is missing; going on needs a checkpoint of `elmo pretrain`")
    try:
        record = read_record(folder / TRAINING_FILE)
        for name, digest in record.pop("sha256").items():
            if not (folder / name).is_file() or sha256_of(folder / name) != digest:
                raise ValueError(f"{name} was cut or altered")
        arrays = {
            "optimizer": load_file(str(folder / OPTIMIZER_FILE)),
            "position": load_file(str(folder / POSITION_FILE)),
        }
        return TrainingState(**{**record, **arrays})
    except LaterVersionError:
        raise
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder}: the checkpoint is damaged ({error}); use an earlier one") from None


def checkpoints(folder: PathLike) -> list[Path]:
    """Checkpoints in a folder, the newest first, by the step they were taken after; unreadable ones come before all.

    One that was about to be replaced by a process that was killed just then is put back.
    """
    for path, name, kind in _left_behind(folder):
        if kind == "old" and not path.with_name(name).exists():
            with contextlib.suppress(OSError):  # another rank was first
                os.rename(path, path.with_name(name))
    found = []
    for path in Path(folder).glob("*_*"):
        if (match := _NAME.fullmatch(path.name)) and path.is_dir():
            found.append((_step_of(path), match[1] == "epoch", int(match[2]), path))
    return [entry[-1] for entry in sorted(found, reverse=True)]


def _step_of(path: Path) -> float:
    try:
        return int(read_json(path / TRAINING_FILE)["step"])
    except (OSError, ValueError, KeyError, TypeError, IndexError, OverflowError):
        return float("inf")


def newest_checkpoint(folder: PathLike, warn: Callable[[str], None]) -> Path | None:
    """Find the newest checkpoint that is whole, or None where there is none; `warn` is told of newer ones.

    Raises:
        InputError: there are checkpoints, but none is whole: to train anew over them is not what was asked for.
        LaterVersionError: the newest is one of a later version.
    """
    problems = []
    for path in checkpoints(folder):
        try:
            read_training_state(path)
        except LaterVersionError:
            raise
        except InputError as error:
            problems.append(f"{error}".rpartition("; ")[0])  # without the next step
        else:
            for problem in problems:
                warn(f"{problem}; the one before it is used")
            return path
    if problems:
        raise InputError(
            f"{problems[0]}, and no other of the {len(problems)} checkpoints there is whole: bring a copy back, or "
            "begin anew with --overwrite True in place of --resume True"
        )
    return None


def remove(checkpoint: Path) -> None:
    """Remove a checkpoint, if it is there and holds nothing else."""
    if checkpoint.is_dir():
        _remove(checkpoint)


def prune(written: Path, keep: int) -> None:
    """Remove all but the newest `keep` checkpoints within epochs, and of whole epochs, by the numbers in their names.

    Args:
        written: the checkpoint that was written last, which stays; the others are those beside it.
        keep: how many of each kind stay with it, itself included.
    """
    named = ((path, _NAME.fullmatch(path.name)) for path in written.parent.glob("*_*") if path.is_dir())
    found = sorted((int(match[2]), match[1], path) for path, match in named if match)
    for kind in ("epoch", "step"):
        others = [path for _, its_kind, path in found if its_kind == kind and path != written]
        room = keep - written.name.startswith(kind)
        for path in others[: max(len(others) - room, 0)]:
            _remove(path)


def tidy(folder: PathLike) -> None:
    """Remove what processes that are gone left half done."""
    for path, _, _ in _left_behind(folder):
        with contextlib.suppress(OSError):
            names = (
                name for name in os.listdir(path) if (match := _HALF_WRITTEN.fullmatch(name)) and match[1] in _FILES
            )
            if first_foreign(path, {*_FILES, *names}) is None:
                shutil.rmtree(path, ignore_errors=True)


def find_foreign(directory: Path) -> Path | None:
    """First thing in a directory that is no file of a checkpoint; an empty one holds none."""
    if foreign := first_foreign(directory, _FILES):
        return foreign
    names = set(os.listdir(directory))
    if names and not names & {TRAINING_FILE, OPTIMIZER_FILE, POSITION_FILE}:  # of a model alone: not a run's to remove
        return directory / min(names)
    return None


def check_removable(
    folder: PathLike, kind: str, *, only_best: bool = False, sources: Iterable[PathLike] = ()
) -> list[Path]:
    """Return all checkpoints in a folder, and `best`, or `best` alone.

    Args:
        kind: of the model that is trained now.
        sources: what is read for its training.

    Raises:
        InputError: one of them holds something else than a checkpoint's files, or a model of another kind, or is a
            link, or is or holds a source.
    """
    best = Path(folder) / BEST
    found = [] if only_best else checkpoints(folder)
    found += [best] if os.path.lexists(best) else []
    sources = list(sources)
    for path in found:
        check_replaceable(path, find_foreign, sources=sources)
        check_kind(path, kind)
    return found


def check_room(folder: PathLike, epoch: int, step: int) -> None:
    """Refuse a folder where a run that has come this far could not write one of its next checkpoints.

    Raises:
        InputError: what has such a checkpoint's name is no checkpoint of ours.
    """
    for path in sorted(Path(folder).glob("*_*")):
        if (match := _NAME.fullmatch(path.name)) and int(match[2]) > (epoch if match[1] == "epoch" else step):
            check_replaceable(path, find_foreign)


def _remove(path: Path) -> None:
    """Remove a checkpoint in one step: no half of it is ever taken for a damaged one; one with foreign files stays."""
    try:
        check_replaceable(path, find_foreign)
    except InputError:
        return
    gone = path.with_name(f".{path.name}.gone.{_mark()}")
    with contextlib.suppress(OSError):
        os.rename(path, gone)
    shutil.rmtree(gone, ignore_errors=True)


def _left_behind(folder: PathLike) -> Iterator[tuple[Path, str, str | None]]:
    """Yield what processes that are gone were at work on: its path, the checkpoint's name, and new, old or gone."""
    for path in sorted(Path(folder).glob(".*")):
        if (match := _AT_WORK.fullmatch(path.name)) and not _is_alive(int(match[3])):
            yield path, match[1], match[2]


def _mark() -> str:
    """End of a name for what this process is at work on; nobody can foresee it."""
    return f"{os.getpid()}.{secrets.token_hex(8)}"


def _is_alive(process: int) -> bool:
    """Whether another process is running; what bears our own number is that of one that had it before us."""
    if process == os.getpid():
        return False
    if os.name != "posix":  # elsewhere, asking would end it
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        pass
    return True


def mark_best(checkpoint: Path) -> None:
    """Make `best` beside a checkpoint the same as it: by links to its files, or copies where there can be none."""
    target = checkpoint.with_name(BEST)
    temporary = checkpoint.with_name(f".{BEST}.{_mark()}")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        try:
            shutil.copytree(checkpoint, temporary, copy_function=os.link)
        except (OSError, shutil.Error):
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.copytree(checkpoint, temporary)
        replace_directory(temporary, target, find_foreign)
    except (OSError, InputError) as error:
        raise RunError(f"{target}: could not be written ({error}); the checkpoints are untouched") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
