"""Reading what users name: regular files and standard input, a bounded line at a time.

A device never ends, a named pipe may never begin, and a line of a gigabyte is no sentence: each is refused by an
OSError whose text says so, which every reader turns into its own message, as it does with a file that is missing.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import functools
import os
import stat
import sys
import zipfile
import zlib
from collections.abc import Iterator
from io import BufferedReader
from typing import BinaryIO, cast

from elmo.errors import InputError
from elmo.system.files import NO_REGULAR_FILE
from elmo.system.types import PathLike

STANDARD_INPUT = "-"
MAX_LINE_BYTES = 1 << 20  # of a line of any input: some 350,000 Chinese characters
MAX_FILE_BYTES = 1 << 30  # of a file that is read as a whole, such as a vocabulary

DAMAGE = (  # what readers of archives and of HDF5 raise
    *(OSError, EOFError, KeyError, ValueError, TypeError, AttributeError, RuntimeError, MemoryError),
    *(zipfile.BadZipFile, zlib.error),
)

_BLOCK_BYTES = 1 << 20


def open_regular(path: PathLike) -> BufferedReader:
    """Open a regular file for reading, without waiting for anything.

    Raises:
        OSError: it can't be opened, or is no regular file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except ValueError as error:  # a NUL in the name
        raise OSError(errno.EINVAL, str(error), os.fspath(path)) from None
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        try:
            os.pread(descriptor, 1, 0)  # a file of /proc may wait, for the kernel's next message say
        except OSError as error:
            os.close(descriptor)
            raise OSError(error.errno, error.strerror, os.fspath(path)) from None
        return open(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    kind = NO_REGULAR_FILE.get(stat.S_IFMT(mode), "it is no file")
    raise OSError(errno.EINVAL, f"{kind}: only regular files and - for standard input are read", os.fspath(path))


@contextlib.contextmanager
def opened(source: PathLike) -> Iterator[BinaryIO]:
    """A regular file, or standard input for "-", which stays open; raises as `open_regular`."""
    if os.fspath(source) != STANDARD_INPUT:
        with open_regular(source) as file:
            yield file
        return
    if sys.stdin is None:
        raise OSError(errno.EBADF, "standard input is closed")
    with contextlib.suppress(OSError, ValueError):  # no file of the system's, such as a test's
        os.set_blocking(sys.stdin.fileno(), True)  # a reader of one that does not wait would take a pause for the end
    yield cast(BinaryIO, sys.stdin.buffer)


def read_whole(path: PathLike) -> bytes:
    """All bytes of a regular file.

    Raises:
        OSError: as `open_regular`; or it has more than MAX_FILE_BYTES.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_FILE_BYTES:
            raise OSError(errno.EFBIG, f"it has {size:,} bytes, more than {MAX_FILE_BYTES:,}", os.fspath(path))
        return file.read(MAX_FILE_BYTES)


def lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines of a file with their ends.

    Raises:
        OSError: a line has more than MAX_LINE_BYTES.
    """
    for number, line in enumerate(iter(functools.partial(file.readline, MAX_LINE_BYTES + 1), b""), 1):
        if len(line) > MAX_LINE_BYTES:
            raise too_long(number)
        yield line


def blocks_of_lines(file: BinaryIO) -> Iterator[bytes]:
    """Whole lines, about a megabyte at a time, which is faster where nobody counts them; raises as `lines`."""
    rest, number = b"", 1
    while block := file.read(_BLOCK_BYTES):
        whole, end, begun = block.rpartition(b"\n")
        if not end:
            rest += block
        else:
            yield rest + whole + end
            number += block.count(b"\n")
            rest = begun
        if len(rest) > MAX_LINE_BYTES:
            raise too_long(number)
    if rest:
        yield rest


def too_long(number: int) -> OSError:
    """The error of a line, counted from 1, that is too long."""
    return OSError(errno.EFBIG, f"line {number} has more than {MAX_LINE_BYTES:,} bytes")


def find_codec(encoding: str) -> str:
    """The codec of an encoding that texts are read in, "utf-8" or "gb18030"; InputError for others."""
    with contextlib.suppress(LookupError):
        name = codecs.lookup(encoding).name
        if name in {"utf-8", "utf-8-sig"}:
            return "utf-8"
        if name in {"gb18030", "gbk", "gb2312"}:
            return "gb18030"
    raise InputError(
        f"encoding {encoding!r} cannot be read: choose utf-8 or gb18030 (covers gbk and gb2312), or convert"
    )


def encoding_hint(codec: str, data: bytes, error_start: int) -> str:
    """Say what to do about bytes that do not decode: which encoding they may have instead."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "it looks like UTF-16: convert it to UTF-8"
    other = "gb18030" if codec == "utf-8" else "utf-8"
    # Chinese that did decode as UTF-8 shows that it is UTF-8 with a broken place, though GB18030 may read it as well.
    is_broken_utf8 = codec == "utf-8" and any(character >= "\u0800" for character in data[:error_start].decode(codec))
    line_start = data.rfind(b"\n", 0, error_start) + 1
    with contextlib.suppress(UnicodeDecodeError):
        if not is_broken_utf8:
            codecs.getincrementaldecoder(other)().decode(data[line_start:])
            return f"it reads as {other.upper()}: try --encoding {other}"
    return "mend or convert the file"
