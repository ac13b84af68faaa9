"""What `unpacked` unpacks, what it refuses, and that nothing of it stays behind."""

from __future__ import annotations

import gzip
import io
import os
import random
import stat
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from elmo.convert import archive
from elmo.convert.archive import unpacked
from elmo.errors import InputError
from tests.refusals import refusal

FILES = {"options.json": b'{"lstm": {}}', "lm_weights.hdf5": bytes(range(256)) * 9000, "vocab.txt": "苹果\n".encode()}


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The only place where archives may be unpacked; empty at the end, whatever happened."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield place
    assert list(place.iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} <= {"temporary", *(path.name for path in made(tmp_path))}


def made(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.startswith("model")]


def write_tar(path: Path, files: dict[str, bytes] = FILES, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def write_zip(path: Path, files: dict[str, bytes] = FILES) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(source: Path) -> str:
    message = refusal(unpacked(source).__enter__)
    assert message.startswith(str(source))
    return message


def test_a_directory_is_passed_through(tmp_path: Path, temporary: Path) -> None:
    with unpacked(temporary) as directory:
        assert directory == temporary
    assert temporary.is_dir()


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("model.zip", write_zip),
        ("model.tar.gz", write_tar),
        ("model.TGZ", write_tar),
        ("model.tar", lambda path, files: write_tar(path, files, "w")),
    ],
)
@pytest.mark.parametrize("top", ["", "checkpoint/"])
def test_an_archive_comes_out_as_it_went_in(
    tmp_path: Path, temporary: Path, name: str, write: Callable[[Path, dict[str, bytes]], Path], top: str
) -> None:
    source = write(tmp_path / name, {f"{top}{file}": data for file, data in FILES.items()})
    with unpacked(source) as directory:
        assert directory.is_relative_to(temporary)
        assert contents(directory) == FILES


def test_folders_inside_stay_and_what_macos_adds_does_not_count(tmp_path: Path, temporary: Path) -> None:
    files = {"model/configs/a.json": b"{}", "model/encoder.pkl": b"x", "__MACOSX/model/._encoder.pkl": b"y"}
    with unpacked(write_zip(tmp_path / "model.zip", files)) as directory:
        assert contents(directory) == {"configs/a.json": b"{}", "encoder.pkl": b"x"}


def test_a_tar_made_of_the_current_folder_is_unpacked(tmp_path: Path, temporary: Path) -> None:
    with tarfile.open(tmp_path / "model.tar", "w") as tar:
        folder = tarfile.TarInfo("./")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        member = tarfile.TarInfo("./a")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"abc"))
    with unpacked(tmp_path / "model.tar") as directory:
        assert contents(directory) == {"a": b"abc"}


def test_the_directory_goes_also_when_its_user_fails(tmp_path: Path, temporary: Path) -> None:
    with pytest.raises(OSError, match="mine"), unpacked(write_zip(tmp_path / "model.zip")):
        raise OSError("mine")


def test_one_file_of_a_model_is_no_archive_and_its_directory_is_named(tmp_path: Path, temporary: Path) -> None:
    (tmp_path / "model_weights.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n")
    assert f"give the directory that holds the model's files, here {tmp_path}" in refused(
        tmp_path / "model_weights.hdf5"
    )


def test_what_is_missing_or_no_file_is_refused(tmp_path: Path, temporary: Path) -> None:
    assert "does not exist" in refused(tmp_path / "model.zip")
    os.mkfifo(tmp_path / "model.tar")
    assert "is no file" in refused(tmp_path / "model.tar")


@pytest.mark.parametrize("name", ["model.zip", "model.tar", "model.tar.gz"])
@pytest.mark.parametrize(
    "data", [b"", b"PK", b"PK\x03\x04", b"\x1f\x8b", gzip.compress(b"no tar", mtime=0), b"{}", bytes(2048)]
)
def test_a_file_that_is_only_named_like_an_archive_is_refused(
    tmp_path: Path, temporary: Path, name: str, data: bytes
) -> None:
    (tmp_path / name).write_bytes(data)
    refused(tmp_path / name)


def test_an_archive_without_files_is_refused(tmp_path: Path, temporary: Path) -> None:
    assert "holds no files" in refused(write_zip(tmp_path / "model.zip", {}))
    assert "holds no files" in refused(write_zip(tmp_path / "model.zip", {"folder/": b""}))


@pytest.mark.parametrize("write", [write_zip, write_tar])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/etc/model", "absolute"),
        ("C:model", "absolute"),
        ("c:/model", "absolute"),
        ("../model", "leads out"),
        ("a/../../model", "leads out"),
        ("a\\b", "no part of a file's name"),
        ("x" * 256, "too long"),
        ("x/" * 600 + "x", "too long"),
    ],
)
def test_names_that_are_not_plainly_inside_are_refused(
    tmp_path: Path, temporary: Path, write: Callable[[Path, dict[str, bytes]], Path], name: str, reason: str
) -> None:
    message = refused(write(tmp_path / ("model.zip" if write is write_zip else "model.tgz"), {"a": b"1", name: b"2"}))
    assert reason in message
    assert len(message) < 400


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (tarfile.SYMTYPE, "symbolic link"),
        (tarfile.LNKTYPE, "hard link"),
        (tarfile.CHRTYPE, "neither a plain file"),
        (tarfile.BLKTYPE, "neither a plain file"),
        (tarfile.FIFOTYPE, "neither a plain file"),
        (tarfile.GNUTYPE_SPARSE, "neither a plain file"),
        (b"Z", "neither a plain file"),
    ],
)
def test_a_tar_of_anything_but_files_and_folders_is_refused(
    tmp_path: Path, temporary: Path, kind: bytes, reason: str
) -> None:
    with tarfile.open(tmp_path / "model.tar", "w") as tar:
        member = tarfile.TarInfo("weights")
        member.type = kind
        member.linkname = "/etc/passwd"
        tar.addfile(member)
    assert reason in refused(tmp_path / "model.tar")


@pytest.mark.parametrize(
    ("kind", "reason"), [(stat.S_IFLNK, "symbolic link"), (stat.S_IFIFO, "neither"), (stat.S_IFCHR, "neither")]
)
def test_a_zip_of_anything_but_files_and_folders_is_refused(
    tmp_path: Path, temporary: Path, kind: int, reason: str
) -> None:
    member = zipfile.ZipInfo("weights")
    member.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as file:
        file.writestr(member, "/etc/passwd")
    assert reason in refused(tmp_path / "model.zip")


def test_an_encrypted_zip_is_refused(tmp_path: Path, temporary: Path) -> None:
    source = write_zip(tmp_path / "model.zip", {"a": b"1"})
    data = bytearray(source.read_bytes())
    data[data.index(b"PK\x03\x04") + 6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    source.write_bytes(data)
    assert "is encrypted" in refused(source)


def test_a_zip_in_a_method_that_needs_much_memory_is_refused(tmp_path: Path, temporary: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.zip", "w", zipfile.ZIP_LZMA) as file:
        file.writestr("a", b"1" * 100)
    assert "compressed by method 14" in refused(tmp_path / "model.zip")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["a", "./a"])
def test_a_name_that_is_there_twice_is_refused(tmp_path: Path, temporary: Path, second: str) -> None:
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as file:
        file.writestr("a", b"1")
        file.writestr(second, b"2")
    assert "is there twice" in refused(tmp_path / "model.zip")
    with tarfile.open(tmp_path / "model.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("a"))
        tar.addfile(tarfile.TarInfo(second))
    assert "is there twice" in refused(tmp_path / "model.tar")


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_a_name_that_is_file_and_folder_is_refused(
    tmp_path: Path, temporary: Path, write: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    refused(write(tmp_path / ("model.zip" if write is write_zip else "model.tgz"), {"a": b"1", "a/b": b"2"}))


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_too_many_members_are_refused(
    tmp_path: Path, temporary: Path, write: Callable[[Path, dict[str, bytes]], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBERS", 2)
    source = tmp_path / ("model.zip" if write is write_zip else "model.tgz")
    assert "more than 2 members" in refused(write(source, FILES))


def test_a_zip_with_a_huge_list_of_members_is_not_even_listed(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_zip(tmp_path / "model.zip", {f"{i:05}": b"" for i in range(3000)})
    monkeypatch.setattr(archive, "_HEADER_BYTES", 70_000)  # zipfile looks for the end in 65 kB; the list takes 150 kB
    assert "list of members" in refused(source)


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_what_would_fill_the_disk_is_refused(
    tmp_path: Path, temporary: Path, write: Callable[[Path, dict[str, bytes]], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / ("model.zip" if write is write_zip else "model.tgz"), FILES)
    monkeypatch.setattr(archive, "RESERVE_BYTES", 1 << 62)
    assert "set TMPDIR to a larger place" in refused(source)


def test_a_tar_that_claims_more_than_the_disk_has_is_refused_before_it_is_written(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = tarfile.TarInfo("weights")
    member.size = 1 << 50
    monkeypatch.setattr(archive, "BOMB_RATIO", 1 << 50)
    (tmp_path / "model.tar").write_bytes(member.tobuf() + bytes(2048))
    assert "1,125,899,906,842,624 bytes" in refused(tmp_path / "model.tar")


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_what_expands_beyond_belief_is_refused(
    tmp_path: Path, temporary: Path, write: Callable[[Path, dict[str, bytes]], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "BOMB_BYTES", 1 << 20)
    zeros = {"weights": bytes(4 << 20)}
    source = write(tmp_path / ("model.zip" if write is write_zip else "model.tgz"), zeros)
    assert "no model does" in refused(source)
    monkeypatch.setattr(archive, "BOMB_RATIO", 2000)  # deflate reaches about 1000
    with unpacked(source) as directory:
        assert contents(directory) == zeros


def test_a_stream_that_goes_on_after_the_tar_is_counted(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "BOMB_BYTES", 1 << 20)
    inner = write_tar(tmp_path / "model.tar", {"a": b"1"}, "w").read_bytes()
    (tmp_path / "model.tgz").write_bytes(gzip.compress(inner + bytes(8 << 20)))
    assert "no model does" in refused(tmp_path / "model.tgz")


def test_a_tar_header_that_asks_for_much_memory_or_leads_back_is_refused(tmp_path: Path, temporary: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type = tarfile.XHDTYPE
    header.size = 1 << 30
    (tmp_path / "model.tar").write_bytes(header.tobuf() + bytes(4096))
    assert "a header of 1,073,741,824 bytes" in refused(tmp_path / "model.tar")
    back = tarfile.TarInfo("back")
    back.type = tarfile.DIRTYPE
    block = bytearray(back.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = b"\xff" * 4 + struct.pack(">q", -1024)  # a negative size, which old versions of tarfile follow
    block[156:157] = b"7"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    (tmp_path / "model.tar").write_bytes(bytes(block) + bytes(4096))
    assert "has the size -1024" in refused(tmp_path / "model.tar")


def test_a_zip_member_that_is_longer_or_other_than_its_header_says_is_refused(tmp_path: Path, temporary: Path) -> None:
    source = write_zip(tmp_path / "model.zip", {"a": b"1" * 1000})
    data = source.read_bytes()
    for offset, value in ((24, 10), (24, 2000), (16, 7)):  # the size, and the checksum
        changed = bytearray(data)
        struct.pack_into("<I", changed, changed.index(b"PK\x01\x02") + offset, value)
        source.write_bytes(changed)
        refused(source)


def test_a_truncated_archive_is_refused(tmp_path: Path, temporary: Path) -> None:
    for source in (
        write_zip(tmp_path / "model.zip"),
        write_tar(tmp_path / "model.tgz"),
        write_tar(tmp_path / "model.tar", FILES, "w"),
    ):
        data = source.read_bytes()
        end = len(data.rstrip(b"\0")) if source.suffix == ".tar" else len(data)
        for length in (1, 3, 100, 512, 1024, end // 2, end - 1, end):
            if length < len(data):
                source.write_bytes(data[:length])
                refused(source)


@pytest.mark.parametrize("name", ["model.zip", "model.tar", "model.tgz"])
def test_damaged_archives_end_in_a_line_and_leave_nothing_behind(tmp_path: Path, temporary: Path, name: str) -> None:
    generator = random.Random(2018)
    small = {"options.json": b'{"lstm": {}}', "folder/weights": bytes(range(256)) * 2, "vocab.txt": "苹果\n".encode()}
    source = tmp_path / name
    data = (
        write_zip(source, small)
        if name == "model.zip"
        else write_tar(source, small, "w" if name == "model.tar" else "w:gz")
    ).read_bytes()
    num_refused = 0
    for _ in range(200):
        changed = bytearray(data)
        for _ in range(generator.choice([1, 1, 3, 20])):
            place = generator.randrange(len(changed))
            action = generator.randrange(5)
            if action == 0:
                del changed[place : place + generator.choice([1, 512])]
                changed = changed or bytearray(1)
            elif action == 1:
                changed[place:place] = generator.randbytes(generator.choice([1, 4, 512]))
            else:
                changed[place] = generator.choice([0, 0xFF, 0x7F, changed[place] ^ 1 << generator.randrange(8)])
        source.write_bytes(changed)
        try:
            with unpacked(source) as directory:
                assert directory.is_relative_to(temporary)
        except InputError as error:
            assert "\n" not in str(error)
            num_refused += 1
    assert num_refused > 50  # an unpacked tar has no checksum over its members
