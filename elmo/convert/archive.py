"""Models as they are downloaded: a .zip or .tar.gz is unpacked into a temporary directory that goes when we are done.

Only plain files and directories come out of an archive, under names that stay inside, in bounded pieces; what else an
archive can hold (links, devices, sizes that no disk has) is refused by name.

Archives come from strangers. The data filter of tarfile keeps names inside, but has no bound on members, on headers or
on what they unpack to, and zipfile has no filter. So both kinds are read member by member.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Protocol

from elmo.convert.safety import BoundedFile
from elmo.errors import InputError
from elmo.system.stopping import half_written

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
MAX_MEMBERS = 10_000
RESERVE_BYTES = 256 << 20  # left free on the temporary disk
BOMB_BYTES = 1 << 30  # so much is unpacked without asking ...
BOMB_RATIO = 200  # ... and more than that only if it is at most so many times the archive's size
_MAX_NAME_BYTES = 1024
_MAX_PART_BYTES = 255
_CHUNK_BYTES = 1 << 20
_HEADER_BYTES = 16 << 20  # a header that asks for more at once is no header of 10,000 members
_TAR_BLOCK = 512
_DAMAGE = (
    OSError,  # gzip's own errors, and what the disk says
    ValueError,
    EOFError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    TypeError,
    struct.error,
    zlib.error,
    tarfile.TarError,
    zipfile.BadZipFile,
)


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


@contextmanager
def unpacked(source: Path) -> Iterator[Path]:
    """Yield the directory of a model that is given as a directory (itself) or as a .zip, .tar, .tar.gz or .tgz.

    An archive is unpacked into a temporary directory, which is removed at the end, also after an error. If all that it
    holds is one folder, that folder is yielded.

    Raises:
        InputError: there is nothing, or neither directory nor archive; the archive is damaged, encrypted, too large,
            or holds what does not belong into a model (links, devices, names that lead outside, a name twice).
    """
    source = Path(source)
    if source.is_dir():
        yield source
        return
    if not source.is_file():
        reason = "is no file" if os.path.lexists(source) else "does not exist"
        raise InputError(f"{source}: {reason}; give the directory of a model, or its archive ({', '.join(SUFFIXES)})")
    if not source.name.lower().endswith(SUFFIXES):
        raise InputError(
            f"{source}: is a single file and no archive ({', '.join(SUFFIXES)}); give the directory that holds the "
            f"model's files, here {source.parent}"
        )
    try:
        temporary = tempfile.TemporaryDirectory(prefix="elmo-")
    except OSError as error:
        raise InputError(f"{source}: no temporary directory can be made ({error}); set TMPDIR to a place") from None
    with temporary as name, half_written(Path(name)):
        directory = Path(name)
        try:
            _unpack(source, directory)
        except InputError:
            raise
        except _DAMAGE as error:
            reason = getattr(error, "strerror", None) or f"{error or type(error).__name__}"
            raise InputError(
                f"{source}: can't be unpacked ({' '.join(str(reason).split())}); copy or download it again"
            ) from None
        yield _only_folder(directory)


class _Destination:
    """The temporary directory: checks each name, and counts the bytes before and while they are written."""

    def __init__(self, source: Path, directory: Path) -> None:
        self.source = source
        self.directory = directory
        self.archive_bytes = source.stat().st_size
        self.free_bytes = shutil.disk_usage(directory).free - RESERVE_BYTES
        self.num_bytes = 0
        self.names: set[PurePosixPath] = set()

    def refuse(self, name: str, reason: str) -> InputError:
        return InputError(f"{self.source}: its member {name!r} {reason}; unpack it yourself and give the directory")

    def check_count(self, num_members: int) -> None:
        if num_members > MAX_MEMBERS:
            raise InputError(
                f"{self.source}: holds more than {MAX_MEMBERS:,} members, a model holds a few; unpack it yourself and "
                "give the directory of the model"
            )

    def check_size(self, num_bytes: int) -> None:
        """Refuse an archive that comes to so many bytes."""
        if num_bytes > BOMB_BYTES and num_bytes > BOMB_RATIO * self.archive_bytes:
            raise InputError(
                f"{self.source}: its {self.archive_bytes:,} bytes unpack to {num_bytes:,} or more, over {BOMB_RATIO} "
                "times as many, which no model does; download it again from a place you trust"
            )
        if num_bytes > self.free_bytes:
            raise InputError(
                f"{self.source}: unpacks to {num_bytes:,} bytes or more, and {max(self.free_bytes, 0):,} may be used "
                f"in {self.directory.parent}; set TMPDIR to a larger place"
            )

    def path(self, name: str) -> PurePosixPath:
        """Where a member goes, relative to the directory; refuses names that are not plainly inside it."""
        if name.startswith("/") or re.match(r"[A-Za-z]:", name):
            raise self.refuse(name, "has an absolute name")
        if "\\" in name or "\0" in name:
            raise self.refuse(name, "has a character in its name that is no part of a file's name")
        path = PurePosixPath(name)
        if ".." in path.parts:
            raise self.refuse(name, "leads out of the archive")
        lengths = [len(part.encode(errors="surrogatepass")) for part in path.parts]
        if sum(lengths) + len(lengths) > _MAX_NAME_BYTES or max(lengths, default=0) > _MAX_PART_BYTES:
            raise self.refuse(f"{name[:40]}...", "has too long a name")
        return path

    def add_directory(self, name: str) -> None:
        (self.directory / self.path(name)).mkdir(parents=True, exist_ok=True)

    def add_file(self, name: str, size: int, stream: _Readable) -> None:
        """Write a member of `size` bytes, as its header says, from a stream."""
        path = self.path(name)
        if path in self.names:
            raise self.refuse(name, "is there twice")
        if size < 0:
            raise self.refuse(name, f"has the size {size}")
        self.names.add(path)
        self.check_size(self.num_bytes + size)
        target = self.directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        left = size
        with open(target, "xb") as file:
            while left and (chunk := stream.read(min(left, _CHUNK_BYTES))):
                left -= len(chunk)
                file.write(chunk)
        if left:
            raise self.refuse(name, f"ends {left:,} bytes early")
        self.num_bytes += size


def _unpack(source: Path, directory: Path) -> None:
    destination = _Destination(source, directory)
    with open(source, "rb") as file:
        begin = file.read(4)
    if begin.startswith(b"PK"):
        _unpack_zip(destination)
    elif begin.startswith(b"\x1f\x8b"):
        with gzip.open(source, "rb") as stream:
            _unpack_tar(destination, stream)
    else:
        with open(source, "rb") as stream:
            _unpack_tar(destination, stream)
    if not destination.names:
        raise InputError(f"{source}: holds no files; give the archive of a model, or its directory")


def _unpack_zip(destination: _Destination) -> None:
    def too_long(size: int) -> InputError:
        return InputError(
            f"{destination.source}: its list of members is {size:,} bytes long, too many for a model; unpack it "
            "yourself and give the directory of the model"
        )

    with (
        BoundedFile(destination.source, _HEADER_BYTES, too_long) as file,  # zipfile reads the list as a whole
        zipfile.ZipFile(file) as archive,
    ):
        members = archive.infolist()
        destination.check_count(len(members))
        for member in members:
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind == stat.S_IFLNK:
                raise destination.refuse(member.filename, "is a symbolic link")
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise destination.refuse(member.filename, "is neither a file nor a directory")
            if member.flag_bits & 1:
                raise destination.refuse(member.filename, "is encrypted")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise destination.refuse(member.filename, f"is compressed by method {member.compress_type}")
            destination.path(member.filename)
        destination.check_size(sum(member.file_size for member in members))
        for member in members:
            if member.is_dir():
                destination.add_directory(member.filename)
                continue
            with archive.open(member) as stream:
                destination.add_file(member.filename, member.file_size, stream)
                if stream.read(1):  # and so has its checksum compared
                    raise destination.refuse(member.filename, "is longer than its header says")


class _ForwardStream:
    """An unpacked tar as tarfile reads it: forward only, every byte counted, and never much of it at once."""

    def __init__(self, stream: _Readable, destination: _Destination) -> None:
        self._stream = stream
        self._destination = destination
        self._position = 0
        self.last = b""

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        if not 0 <= size <= _CHUNK_BYTES:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        self.last = self._stream.read(size)
        self._position += len(self.last)
        self._destination.check_size(self._position)
        return self.last

    def seek(self, position: int) -> None:
        if position < self._position:
            raise tarfile.ReadError("a header leads backwards")
        while self._position < position and self.read(min(_CHUNK_BYTES, position - self._position)):
            pass

    def finish(self) -> None:
        """Check that the archive ended where it says so (tarfile takes a damaged header for the end), and read on."""
        if self.last != bytes(_TAR_BLOCK):
            raise tarfile.ReadError(f"it breaks off at byte {self._position:,}")
        while self.read(_CHUNK_BYTES):  # gzip compares its checksum at the end
            pass


def _unpack_tar(destination: _Destination, stream: _Readable) -> None:
    forward = _ForwardStream(stream, destination)
    with tarfile.TarFile(fileobj=forward) as archive:  # type: ignore[arg-type]  # it needs no more than these methods
        for index, member in enumerate(archive):
            destination.check_count(index + 1)
            if member.issym() or member.islnk():
                raise destination.refuse(member.name, f"is a {'symbolic' if member.issym() else 'hard'} link")
            if member.issparse() or not (member.isreg() or member.isdir()):
                raise destination.refuse(member.name, "is neither a plain file nor a directory")
            if member.isdir():
                destination.add_directory(member.name)
                continue
            forward.seek(member.offset_data)
            destination.add_file(member.name, member.size, forward)
    forward.finish()


def _only_folder(directory: Path) -> Path:
    """The one folder that everything is in, or the directory itself; what macOS adds does not count."""
    entries = [path for path in directory.iterdir() if path.name != "__MACOSX" and not path.name.startswith(".")]
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else directory
