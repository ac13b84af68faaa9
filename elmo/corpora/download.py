"""Downloads that go on where they stopped and appear under their name only when their checksum is right.

pooch's own downloader begins again where a connection was cut. Over a bad line a corpus of a gigabyte would never come.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin, urlsplit
from uuid import uuid4

import pooch
import requests
import urllib3
from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn

from elmo.corpora.registry import DataFile
from elmo.errors import InputError, RunError
from elmo.system.locks import locked
from elmo.system.terminal import bar_on_stderr, printable
from elmo.system.trusted import is_ours

_ATTEMPTS = 4
_WAIT_SECONDS = 1.0  # before the second attempt; doubles each time
_TIMEOUT_SECONDS = (10.0, 60.0)  # to connect, and between two pieces
_SLOWEST = 256  # bytes a second ...
_SLOW_SECONDS = 120.0  # ... over so long: a server that sends less, or has not answered by then, is given up
_MAX_REDIRECTS = 5
_CHUNK_BYTES = 1 << 12  # less than this is lost when the connection is cut
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
_TRY_LATER = (408, 425, 429, 500, 502, 503, 504)
_GONE = (404, 410)


def find_problem(place: Path, file: DataFile, checksum: bool) -> str:
    """What is wrong with a file in the data home; nothing if all is well."""
    try:
        num_bytes = place.stat().st_size if place.is_file() else None
        if num_bytes is None:
            return f"{place}: is not there"
        if num_bytes != file.num_bytes:
            return f"{place}: has {num_bytes:,} bytes and not {file.num_bytes:,}"
        found = pooch.file_hash(place) if checksum else file.sha256
    except OSError as error:
        return f"{place}: can't be read ({error.strerror})"
    return "" if found == file.sha256 else f"{place}: has the SHA-256 {found} and not {file.sha256}"


def fetch_file(home: Path, file: DataFile, progress: bool) -> None:
    """Download one file, unless somebody else has done it while we waited."""
    place = home / file.path
    place.parent.mkdir(parents=True, exist_ok=True)
    pooch.get_logger().setLevel("ERROR")  # it announces each file
    with _only_one(home) as alone:
        if not find_problem(place, file, checksum=True):
            return
        part = place.with_name(f".{place.name}.part" if alone else f".{place.name}.{uuid4().hex}.part")
        receive = _Resumed(file, place, part, progress)
        try:
            pooch.retrieve(file.url, f"sha256:{file.sha256}", fname=place.name, path=place.parent, downloader=receive)
        finally:
            if not alone:
                receive.forget()


@contextmanager
def _only_one(home: Path) -> Iterator[bool]:
    """Wait until no other process downloads into the data home; yields False where files can't be locked."""
    with contextlib.ExitStack() as stack:
        is_locked = False
        with contextlib.suppress(ImportError, OSError, InputError):  # InputError: what is there is no lock of ours
            import fcntl  # noqa: F401 - not on Windows

            is_locked = stack.enter_context(locked(home / ".lock")) is not None
        yield is_locked


class _CutOffError(Exception):
    """The transfer ended early, and another attempt may help."""


class _Resumed:
    """Downloader for pooch that keeps what it has received in `part`, and asks only for the rest the next time."""

    def __init__(self, file: DataFile, place: Path, part: Path, progress: bool) -> None:
        self.file = file
        self.place = place
        self.part = part
        self.validator = part.with_name(f"{part.name}.etag")  # which version of the file the part is of
        self.progress = progress

    def __call__(self, url: str, output_file: str, _: object) -> None:
        """Receive `url` under the name `output_file`."""
        reason = ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(_WAIT_SECONDS * 2 ** (attempt - 1))
            try:
                resumed = self._transfer(url)
            except (requests.RequestException, _CutOffError) as error:
                reason = " ".join(str(error).split())[:200] or type(error).__name__
                continue
            found = pooch.file_hash(self.part)
            if found == self.file.sha256:
                os.replace(self.part, output_file)
                self.validator.unlink(missing_ok=True)
                return
            self.forget()
            if not resumed:  # a part of another version may have been at its beginning
                raise InputError(
                    f"{self.place}: {url} sent a file with the SHA-256 {found}, and {self.file.sha256} is known of it; "
                    "it was removed; the source may have changed: look there"
                )
            reason = f"the parts received make the SHA-256 {found}, and {self.file.sha256} is known"
        received = self.part.stat().st_size if self.part.exists() else 0
        raise RunError(
            f"{url}: failed {_ATTEMPTS} times ({reason}) with {received:,} of {self.file.num_bytes:,} bytes received; "
            "run it again: it goes on where it stopped"
        )

    def forget(self) -> None:
        """Remove what was received."""
        self.part.unlink(missing_ok=True)
        self.validator.unlink(missing_ok=True)

    def _transfer(self, url: str) -> bool:
        """Receive what is missing of the part; returns whether it had a beginning already."""
        if not is_ours(self.part):  # a link, say, that somebody has put into a shared folder
            self.forget()
        start = self.part.stat().st_size if self.part.exists() else 0
        if start == self.file.num_bytes:
            return True
        headers = {"Accept-Encoding": "identity"}  # the range is of the file's own bytes
        if 0 < start < self.file.num_bytes:
            headers["Range"] = f"bytes={start}-"
            if self.validator.exists():
                headers["If-Range"] = self.validator.read_text(encoding="latin-1")
        with requests.Session() as session, _answer(session, url, headers) as response:
            resumed = "Range" in headers and response.status_code == requests.codes.partial_content
            content_range = response.headers.get("Content-Range", "").replace("=", " ")
            if response.status_code == requests.codes.range_not_satisfiable or (
                resumed and not content_range.startswith(f"bytes {start}-")
            ):
                self.forget()
                raise _CutOffError("the server can't go on where it stopped")
            if not resumed:
                self._check_status(response)
                start = 0
                validator = response.headers.get("ETag", "")
                self.forget()
                if validator.startswith('"'):  # a weak one doesn't promise the same bytes
                    with open(self.validator, "x", encoding="latin-1") as file:
                        file.write(validator)
            self._write(response, start)
        return resumed

    def _check_status(self, response: requests.Response) -> None:
        status = f"HTTP {response.status_code} {response.reason}"
        if response.status_code in _TRY_LATER:
            raise _CutOffError(status)
        if response.status_code in _GONE:
            raise InputError(
                f"{response.url}: is not there ({status}); the source has moved or removed it: look for it at "
                f"{self.file.source} and put it to {self.place}"
            )
        if response.status_code != requests.codes.ok:
            raise RunError(f"{response.url}: the server refuses it ({status}); try it later")

    def _write(self, response: requests.Response, start: int) -> None:
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with bar_on_stderr(self.progress, *columns) as bar:
            task = bar.add_task(printable(self.place.name), total=self.file.num_bytes, completed=start)
            with open(self.part, "ab" if start else "xb", opener=_without_links) as part:
                received = start
                for piece in _pieces(response):
                    received += len(piece)
                    if received > self.file.num_bytes:
                        self.forget()
                        raise InputError(
                            f"{self.place}: {response.url} sends more than the {self.file.num_bytes:,} bytes that are "
                            "known of it; it was removed; the source may have changed: look there"
                        )
                    part.write(piece)
                    bar.update(task, completed=received)
        if received < self.file.num_bytes and "Content-Length" not in response.headers:
            raise _CutOffError("the server stopped early")


def _pieces(response: requests.Response) -> Iterator[bytes]:
    """What has arrived, as it arrives: waiting for a piece of full size, a byte a minute would keep us for ever."""
    received, since = 0, time.monotonic()
    try:
        while piece := response.raw.read1(_CHUNK_BYTES, decode_content=False):
            received += len(piece)
            elapsed = time.monotonic() - since
            if elapsed > _SLOW_SECONDS:
                if received < _SLOWEST * elapsed:
                    raise _CutOffError(f"the server sent {received:,} bytes in {elapsed:.0f} seconds")
                received, since = 0, time.monotonic()
            yield piece
    except urllib3.exceptions.HTTPError as error:
        raise _CutOffError(" ".join(str(error).split())) from None


def _answer(session: requests.Session, url: str, headers: dict[str, str]) -> requests.Response:
    """As `_open`, with a limit to the time that a server takes for its headers, a byte of which may come at a time."""
    outcome: queue.Queue[requests.Response | Exception] = queue.Queue()

    def ask() -> None:
        try:
            outcome.put(_open(session, url, headers))
        except Exception as error:
            outcome.put(error)

    threading.Thread(target=ask, daemon=True, name="elmo-download").start()
    try:
        answer = outcome.get(timeout=_SLOW_SECONDS)
    except queue.Empty:
        raise _CutOffError(f"the server did not answer in {_SLOW_SECONDS:.0f} seconds") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _without_links(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o644)


def _open(session: requests.Session, url: str, headers: dict[str, str]) -> requests.Response:
    """Ask for an address and follow its redirections, each of which is checked."""
    for _ in range(_MAX_REDIRECTS + 1):
        response = session.get(url, headers=headers, stream=True, timeout=_TIMEOUT_SECONDS, allow_redirects=False)
        if not response.is_redirect:
            return response
        response.close()
        target = urljoin(url, response.headers["Location"])
        check_address(target, url)
        url = target
    raise InputError(f"{url}: is redirected more than {_MAX_REDIRECTS} times; get the file by hand")


def check_address(url: str, origin: str = "") -> None:
    """Refuse what is neither https nor on this machine; only an address on this machine may lead to one on it."""
    address = urlsplit(url)
    local = address.hostname in _LOCAL_HOSTS and (not origin or urlsplit(origin).hostname in _LOCAL_HOSTS)
    if not address.hostname or not (address.scheme == "https" or (address.scheme == "http" and local)):
        came = f" (redirected from {origin})" if origin else ""
        raise InputError(f"{url}: is no https address{came}; nothing is downloaded from there")
