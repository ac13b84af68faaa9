"""Folders and files that nobody but us can have written: what is loaded and run from a cache must lie in one.

`private_folder` makes or checks the folder; `is_sound` says whether a file in it is what `publish` put there, and if it
is not (missing, cut, altered, another user's), the file is made again beside its place and published.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from elmo.errors import RunError
from elmo.system.files import replacing, sha256_of, sync
from elmo.system.types import PathLike

_ROOT = 0
_DIGEST_SUFFIX = ".sha256"


class UntrustedError(RunError):
    """Another user could have written what we were about to use."""


def private_folder(path: PathLike, *, parents: bool = True) -> Path:
    """Make a folder that only we can read and write, or check one that is there; returns it without symbolic links.

    Args:
        path: the folder; what lacks is made with the permissions 0700, and nothing that is there is changed.
        parents: also check all folders above it: each must be ours or root's, and nobody else may write to it, but for
            one like /tmp where nobody can rename or remove what is another's. Needed where code is loaded from it.

    Raises:
        UntrustedError: names the folder that others can write to, or that is another user's. OSError: it can't be made.
    """
    folder = Path(os.path.realpath(path))
    for each in reversed((folder, *folder.parents)):
        with contextlib.suppress(FileExistsError):
            os.mkdir(each, 0o700) if not each.exists() else None
    for each in (folder, *folder.parents) if parents else (folder,):
        status = each.lstat()
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(20, "it is no folder", str(each))
        owners = (os.geteuid(), _ROOT) if each != folder else (os.geteuid(),)
        if status.st_uid not in owners:
            raise UntrustedError(f"{each}: belongs to the user {status.st_uid}; choose a folder of your own")
        is_sticky = bool(status.st_mode & stat.S_ISVTX) and each != folder
        if _others_can_write(status) and not is_sticky:
            raise UntrustedError(f"{each}: other users can write there; take that right away (chmod go-w), or move")
    return folder


def _others_can_write(status: os.stat_result) -> bool:
    """Whether a mode lets anybody but the owner write; a group that holds the owner alone does not count."""
    if status.st_mode & stat.S_IWOTH:
        return True
    return bool(status.st_mode & stat.S_IWGRP) and not _is_private_group(status.st_gid)


def _is_private_group(group_id: int) -> bool:
    """Whether a group is our own and has no other member, as many systems make one for each user."""
    try:
        import grp
        import pwd

        me, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(group_id)
    except (ImportError, KeyError):
        return False
    return group_id == me.pw_gid and group.gr_name == me.pw_name and set(group.gr_mem) <= {me.pw_name}


def is_ours(path: Path) -> bool:
    """Whether there is a regular file that is ours alone, and no link to one."""
    try:
        status = path.lstat()
    except OSError:
        return False
    is_file = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
    return is_file and status.st_uid == os.geteuid() and not _others_can_write(status)


def publish(temporary: Path, target: Path) -> None:
    """Let a file that is finished take its place, with its SHA-256 beside it for `is_sound`.

    Args:
        temporary: in the same folder, which `private_folder` has returned.
        target: replaced where it is there.

    Raises:
        OSError: they can't be written. RunError: a folder that is not empty is in the place of one of them.
    """
    for place in (target, _digest_path(target)):
        _remove_empty_folder(place)
    temporary.chmod(0o700)
    _digest_path(target).unlink(missing_ok=True)  # a file that is replaced keeps its permissions
    with replacing(_digest_path(target)) as digest_file:
        digest_file.write_text(sha256_of(temporary), encoding="ascii")
    sync(temporary)
    os.replace(temporary, target)


def _remove_empty_folder(place: Path) -> None:
    if not place.is_dir() or place.is_symlink():
        return
    try:
        place.rmdir()
    except OSError:
        raise RunError(f"{place}: a folder is in the place of a file of ours; remove it") from None


def is_sound(path: Path) -> bool:
    """Whether a file is there, is ours alone, and is what `publish` put there, byte for byte."""
    try:
        if not (is_ours(path) and is_ours(_digest_path(path))):
            return False
        return _digest_path(path).read_text(encoding="ascii") == sha256_of(path)
    except (OSError, ValueError):
        return False


def _digest_path(path: Path) -> Path:
    return path.with_name(path.name + _DIGEST_SUFFIX)
