"""A file is there whole or not at all, and nothing is left beside it."""

from __future__ import annotations

import os

import pytest

from elmo.errors import InputError
from elmo.models import check_free
from elmo.system.files import check_can_be_made, check_output, check_replaceable, replacing, whole_file


def test_what_was_there_stays_until_the_new_file_is_whole(tmp_path):
    target = tmp_path / "file"
    target.write_text("old")
    with whole_file(target) as temporary:
        temporary.write_text("new")
        assert temporary.parent == tmp_path and target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("writing", [replacing, whole_file])
def test_after_an_error_the_old_file_is_there_and_nothing_beside_it(tmp_path, writing):
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), writing(target) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("name", "reason"), [("missing/file", "No such file or directory"), ("folder", "Is a directory")]
)
def test_a_place_that_can_not_be_written_is_named(tmp_path, name, reason):
    (tmp_path / "folder").mkdir()
    with (
        pytest.raises(InputError, match=rf"{name}: can't be written \({reason}\)"),
        whole_file(tmp_path / name) as temporary,
    ):
        temporary.write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("place", ["file/below", "file/far/below", "x" * 300, "a\0b", "/proc/nope/below"])
def test_what_can_not_be_made_is_told_beforehand(tmp_path, place):
    (tmp_path / "file").write_text("mine")
    for check in (check_output, check_can_be_made, lambda path: check_free(path, overwrite=False)):
        with pytest.raises(InputError, match="can't be written"):
            check(tmp_path / place)
    check_can_be_made(tmp_path / "new/far/below")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_told_beforehand(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match="Permission denied"):
            check_can_be_made(tmp_path / "new")
    finally:
        tmp_path.chmod(0o700)


def test_a_directory_that_can_not_be_removed_stays(tmp_path, monkeypatch):
    (tmp_path / "theirs").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(InputError, match="can't be removed"):
        check_replaceable(tmp_path / "theirs", lambda _: None)
