"""What is run from a cache lies where nobody else can write, and is what we put there."""

from __future__ import annotations

import _ctypes
import ctypes
import grp
import os
import pwd
import stat
from pathlib import Path

import pytest

from elmo.errors import RunError
from elmo.system import trusted
from elmo.system.trusted import UntrustedError, is_ours, is_sound, private_folder, publish

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")


def test_folders_are_made_for_us_alone_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        folder = private_folder(tmp_path / "a/b")
    finally:
        os.umask(before)
    for each in (folder, folder.parent):
        assert stat.S_IMODE(each.stat().st_mode) == 0o700
    assert private_folder(tmp_path / "a/b") == folder


@pytest.mark.parametrize("mode", [0o777, 0o702, 0o1777])
def test_a_folder_that_others_can_write_to_is_refused_and_stays_as_it_is(tmp_path, mode):
    folder = tmp_path / "cache"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(UntrustedError, match="cache: other users can write there"):
        private_folder(folder)
    with pytest.raises(UntrustedError):
        private_folder(folder, parents=False)
    assert stat.S_IMODE(folder.stat().st_mode) == mode


def test_so_is_one_below_such_a_folder_where_code_is_loaded_unless_that_is_like_tmp(tmp_path):
    above = tmp_path / "above"
    (above / "cache").mkdir(parents=True, mode=0o700)
    above.chmod(0o777)
    with pytest.raises(UntrustedError, match="above: other users can write there"):
        private_folder(above / "cache")
    assert private_folder(above / "cache", parents=False) == above / "cache"
    above.chmod(0o1777)
    assert private_folder(above / "cache") == above / "cache"
    (tmp_path / "link").symlink_to(above)
    assert private_folder(tmp_path / "link/cache") == above / "cache"


@as_root
@pytest.mark.parametrize("whose", ["cache", "above"])
def test_a_folder_of_another_user_is_refused(tmp_path, whose):
    (tmp_path / "above/cache").mkdir(parents=True, mode=0o700)
    os.chown(tmp_path / ("above" if whose == "above" else "above/cache"), 12345, 12345)
    with pytest.raises(UntrustedError, match=f"{whose}: belongs to the user 12345"):
        private_folder(tmp_path / "above/cache")


def test_a_group_of_our_own_may_write_but_no_other(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    folder.mkdir()
    folder.chmod(0o770)
    me = pwd.getpwuid(os.geteuid())
    group_id = folder.stat().st_gid
    for name, members, fine in ((me.pw_name, [], True), (me.pw_name, ["mallory"], False), ("staff", [], False)):
        group = grp.struct_group((name, "x", group_id, members))
        monkeypatch.setattr(grp, "getgrgid", lambda _, group=group: group)
        monkeypatch.setattr(pwd, "getpwuid", lambda _: pwd.struct_passwd((me[0], "x", me[2], group_id, "", "", "")))
        assert trusted._others_can_write(folder.stat()) is not fine


def test_a_folder_that_can_not_be_made_is_an_os_error(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError):
        private_folder(tmp_path / "file")
    with pytest.raises(OSError):
        private_folder(tmp_path / "file/cache")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A real library, published."""
    source = Path(_ctypes.__file__)  # a second copy of which does no harm in a process
    folder = private_folder(tmp_path / "cache", parents=False)
    (folder / "made").write_bytes(source.read_bytes())
    publish(folder / "made", folder / "library.so")
    return folder / "library.so"


@pytest.mark.parametrize("name", ["lib.so", "lib.so.sha256"])
def test_a_folder_in_the_place_of_a_file_gives_way_or_is_named(tmp_path, name):
    folder = private_folder(tmp_path / "cache", parents=False)
    (folder / name).mkdir()
    (folder / "new").write_bytes(b"code")
    publish(folder / "new", folder / "lib.so")
    assert is_sound(folder / "lib.so")
    (folder / name).unlink()
    (folder / name / "notes").mkdir(parents=True)
    (folder / "new").write_bytes(b"code")
    with pytest.raises(RunError, match=f"cache/{name}: a folder is in the place of a file of ours; remove it"):
        publish(folder / "new", folder / "lib.so")
    assert (folder / name / "notes").is_dir()


def test_what_was_published_is_sound(library):
    assert is_sound(library) and is_ours(library)
    assert sorted(os.listdir(library.parent)) == ["library.so", "library.so.sha256"]
    assert stat.S_IMODE(library.stat().st_mode) == 0o700
    ctypes.CDLL(str(library))


def damage(library: Path, how: str) -> None:
    content = library.read_bytes()
    digest = library.with_name("library.so.sha256")
    if how == "cut":
        library.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        library.write_bytes(b"")
    elif how == "a bit":
        library.write_bytes(content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])
    elif how == "missing":
        library.unlink()
    elif how == "no digest":
        digest.unlink()
    elif how == "another digest":
        digest.write_text("0" * 64)
    elif how == "odd digest":
        digest.write_bytes(b"\xff")
    elif how == "link":
        library.rename(library.with_name("elsewhere"))
        library.symlink_to("elsewhere")
    elif how == "hard link":
        os.link(library, library.with_name("elsewhere"))
    elif how == "others can write":
        library.chmod(0o777)
    elif how == "digest that others can write":
        digest.chmod(0o666)
    elif how == "folder":
        library.unlink()
        library.mkdir()


@pytest.mark.parametrize(
    "how",
    [
        *("cut", "empty", "a bit", "missing", "no digest", "another digest", "odd digest", "link", "hard link"),
        *("folder", "others can write", "digest that others can write"),
    ],
)
def test_what_is_damaged_or_not_ours_alone_is_not_sound(library, how):
    content = library.read_bytes()
    damage(library, how)
    assert not is_sound(library)
    if how not in ("folder",):
        (library.parent / "again").write_bytes(content)
        publish(library.parent / "again", library)
        assert is_sound(library) and library.read_bytes() == content


@as_root
@pytest.mark.parametrize("name", ["library.so", "library.so.sha256"])
def test_what_another_user_has_put_there_is_not_sound(library, name):
    os.chown(library.with_name(name), 12345, 12345)
    assert not is_sound(library)
