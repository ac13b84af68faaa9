"""Writing so that a file or a directory appears whole or not at all, and so that nothing is lost that is not ours.

What is written gets a name that nobody can foresee, beside its own, and is renamed when it is on the disk. Which file
may be written, and which directory may be replaced, is decided here for all commands, and how results are.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from elmo.errors import InputError
from elmo.system.stopping import half_written, remove_half_written, undisturbed
from elmo.system.types import PathLike

FindForeign = Callable[[Path], Path | None]  # first thing in a directory that we did not write

NO_REGULAR_FILE = {  # what stands in a message of each other kind
    stat.S_IFDIR: os.strerror(errno.EISDIR),
    stat.S_IFCHR: "it is a device",
    stat.S_IFBLK: "it is a device",
    stat.S_IFIFO: "it is a named pipe",
    stat.S_IFSOCK: "it is a socket",
}
_NAME_CHARACTERS = 48  # of a name that a temporary one repeats: with its other parts it stays below 255 bytes


def writable_file(path: PathLike) -> Path:
    """The regular file, or the free place, that a path leads to; a symbolic link is followed.

    Raises:
        InputError: there is something else, such as a device, or a link that another user has put there.
    """
    given = Path(path)
    try:
        _check_link(given)
        target = Path(os.path.realpath(given)) if given.is_symlink() else given
        mode = target.lstat().st_mode
    except FileNotFoundError:
        return target
    except (OSError, ValueError) as error:
        raise _unwritable(path, getattr(error, "strerror", None) or str(error)) from None
    if not stat.S_ISREG(mode):
        raise _unwritable(path, NO_REGULAR_FILE.get(stat.S_IFMT(mode), "its symbolic links go in a circle"))
    return target


def check_can_be_made(path: PathLike) -> None:
    """Refuse a file or directory that can't be made where it or its folders would be, by trying with another name.

    For the time before work is done for it: to write it tells by itself. What is there already is left to others.

    Raises:
        InputError: a folder above it is a file or can't be written to, or its name is none.
    """
    try:
        with contextlib.suppress(FileNotFoundError):
            os.lstat(path)
            return
        folder = next(each for each in Path(path).absolute().parents if os.path.lexists(each))
        probe = beside(folder / "elmo")
        with undisturbed():
            probe.mkdir(0o700)
            probe.rmdir()
    except (OSError, ValueError) as error:
        raise _unwritable(path, getattr(error, "strerror", None) or str(error)) from None


def check_output(path: PathLike) -> Path:
    """The `writable_file`, before work is done for it; raises as `check_can_be_made` too."""
    target = writable_file(path)
    check_can_be_made(target)
    return target


@contextlib.contextmanager
def folders_above(path: Path) -> Iterator[None]:
    """Remove the folders that the block has made above a path, if it fails and they are empty."""
    missing = [folder for folder in path.absolute().parents if not folder.exists()]
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            for folder in missing:
                folder.rmdir()
        raise


def check_not_read(path: PathLike, sources: Iterable[PathLike]) -> None:
    """Refuse to write a file that is read for it, by whatever name.

    Raises:
        InputError: the path leads to one of the sources.
    """
    for source in sources:
        with contextlib.suppress(OSError):  # one of them is not there
            if os.path.samefile(path, source):
                raise _unwritable(path, "it is read for it")


def _check_link(path: Path) -> None:
    """Refuse a link that neither we nor the folder's owner has put there: in /tmp it may lead to a victim."""
    if path.is_symlink():
        owner = path.lstat().st_uid
        if owner not in (os.geteuid(), path.parent.stat().st_uid):
            raise _unwritable(path, f"it is a symbolic link of the user {owner}")


def _unwritable(path: PathLike, reason: str) -> InputError:
    return InputError(f"{path}: can't be written ({reason}); choose another place")


def beside(target: Path, suffix: str = "") -> Path:
    """A name beside a target that nobody can foresee."""
    return target.with_name(f".{target.name[:_NAME_CHARACTERS]}.{secrets.token_hex(8)}{suffix}")


@contextlib.contextmanager
def replacing(path: PathLike, *, parents: bool = False) -> Iterator[Path]:
    """Give a path to write at; what is there at the end takes the target's place, and after an error is removed.

    Args:
        path: see `writable_file`; a file that is there keeps its permissions.
        parents: make the folders that lack.

    Raises:
        InputError: see `writable_file`. OSError: it can't be written or renamed.
    """
    target = writable_file(path)
    if parents:
        target.parent.mkdir(parents=True, exist_ok=True)
    temporary = beside(target)
    with half_written(temporary):
        try:
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666))
            yield temporary
            with contextlib.suppress(FileNotFoundError):
                temporary.chmod(stat.S_IMODE(target.lstat().st_mode))
            sync(temporary)
            os.replace(temporary, target)
        finally:
            with contextlib.suppress(OSError):  # it has been renamed, or never was
                temporary.unlink()


def _settled(target: Path) -> Path:
    """The same place by a path without "..", which would lead nowhere while what it goes through has another name."""
    if target.name in ("", ".."):
        return Path(os.path.realpath(target))
    return Path(os.path.realpath(target.parent)) / target.name


@contextlib.contextmanager
def temporary_directory(target: Path, *, parents: bool = False, mode: int = 0o777) -> Iterator[Path]:
    """Make a directory beside a target, to be renamed to it when it is finished; removed at the end if it was not.

    Raises:
        OSError: it can't be made.
    """
    target = _settled(target)
    temporary = beside(target)
    with half_written(temporary):
        try:
            if parents:
                target.parent.mkdir(parents=True, exist_ok=True)
            temporary.mkdir(mode)
            yield temporary
        finally:
            remove_half_written(temporary)


@contextlib.contextmanager
def whole_file(path: PathLike, *, parents: bool = False) -> Iterator[Path]:
    """As `replacing`, for a file that the user named.

    Raises:
        InputError: it can't be written: an OSError, of the block too.
    """
    try:
        with replacing(path, parents=parents) as temporary:
            yield temporary
    except OSError as error:
        raise _unwritable(path, str(error.strerror or error)) from error


def write_results(path: PathLike, results: dict[str, Any]) -> None:
    """Write results as JSON with the versions they were made with; the file appears whole or not at all."""
    from importlib import metadata  # which takes a while, and nothing else here needs it

    versions = {}
    for name in ("elmo", "paddlepaddle", "paddlepaddle-gpu", "numpy", "jieba"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    with whole_file(path, parents=True) as temporary:
        text = json.dumps(_without_nan({**results, "versions": versions}), ensure_ascii=False, indent=1)
        temporary.write_text(text + "\n", encoding="utf-8")


def _without_nan(value: Any) -> Any:
    """Put null where a score does not exist: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def sync(path: Path) -> None:
    """Let a file, or the names in a folder, be on the disk before anything else happens."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def first_foreign(directory: Path, names: Collection[str]) -> Path | None:
    """First thing in a directory, by name, that is no regular file of one of these names."""
    for path in sorted(directory.iterdir()):
        if path.name not in names or not stat.S_ISREG(path.lstat().st_mode):
            return path
    return None


def check_replaceable(
    directory: PathLike, find_foreign: FindForeign, *, overwrite: bool = True, sources: Iterable[PathLike] = ()
) -> None:
    """Refuse to put a directory in the place of what is there, unless that is a directory that we wrote.

    Args:
        directory: the place; all is well where there is nothing.
        find_foreign: first thing in a directory that is not ours.
        overwrite: whether the user allows it.
        sources: what is read for it: a directory that is one of them, or holds one, stays.

    Raises:
        InputError: what is there is a file, a link, a source or the working directory or holds one, or holds anything
            that we did not write: names the first.
    """
    target = Path(directory)
    if not os.path.lexists(target):
        return
    if not overwrite:
        raise InputError(
            f"{target} exists already: choose another place, or give --overwrite True (in Python overwrite=True)"
        )
    if target.is_symlink():
        raise InputError(f"{target} is a symbolic link, which is not replaced: name the directory itself")
    if not target.is_dir():
        raise InputError(f"{target} is a file and no directory: choose another place")
    real = Path(os.path.realpath(target))
    for source in sources:
        if _holds(real, source):
            raise InputError(f"{target} is or holds {source}, which is read for it: choose another place")
    with contextlib.suppress(FileNotFoundError):  # the working directory may be gone
        if _holds(real, os.getcwd()):
            raise InputError(f"{target} is or holds the working directory: choose another place")
    try:
        foreign = find_foreign(target)
    except OSError as error:
        raise InputError(f"{target}: can't be read ({error.strerror}); choose another place") from None
    if not os.access(target, os.W_OK | os.X_OK):
        raise InputError(f"{target} can't be removed (Permission denied): choose another place")
    if foreign is not None:
        raise InputError(f"{foreign} is not a file that such a directory of ours has: move it, or choose another place")


def _holds(directory: Path, path: PathLike) -> bool:
    """Whether a directory is or holds a path, also where it is mounted in two places or its name has other cases."""
    real = Path(os.path.realpath(path))
    if real.is_relative_to(directory):
        return True
    with contextlib.suppress(OSError):  # the path is not there, or gone meanwhile
        return any(os.path.samefile(directory, each) for each in (real, *real.parents))
    return False


def replace_directory(new: Path, target: Path, find_foreign: FindForeign, sources: Iterable[PathLike] = ()) -> None:
    """Put a finished directory in the place of another of ours, which comes back if that fails or is interrupted.

    Raises:
        InputError: see `check_replaceable`. OSError: a directory can't be renamed.
    """
    for path in new.iterdir():
        sync(path)
    sync(new)
    if not os.path.lexists(target):
        os.rename(new, target)
        return
    check_replaceable(target, find_foreign, sources=sources)
    target = _settled(target)
    old = target.with_name(f".{target.name}.old.{os.getpid()}.{secrets.token_hex(8)}")  # as `checkpoint.tidy` knows it
    with undisturbed():
        try:
            os.rename(target, old)
            os.rename(new, target)
        except BaseException:
            if old.exists() and not target.exists():
                os.rename(old, target)
            raise
        shutil.rmtree(old, ignore_errors=True)


def sha256_of(path: PathLike) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
