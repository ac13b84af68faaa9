"""Public corpora by name: found, checked, and downloaded whole or not at all, whatever the network does."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from elmo.corpora import datasets, download, registry
from elmo.corpora.datasets import (
    DATASETS,
    DataFile,
    Dataset,
    corpora_table,
    data_home,
    describe_corpus,
    fetch,
    path,
    verify,
)
from elmo.errors import InputError, RunError
from tests.refusals import refusal

CONTENT = bytes(range(256)) * 1000
CUT = 24 << 12  # whole pieces: the beginning of the next one is lost with the connection
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """What the server is told to do, and what it was asked and sent."""

    address: str = ""
    content: bytes = CONTENT
    cuts: int = 0  # so many answers stop after CUT bytes
    ranges: bool = True
    length: bool = True
    etag: str = '"one"'
    statuses: list[int] = field(default_factory=list)  # for the first answers
    location: str = ""
    delay: float = 0.0
    requested: list[dict[str, str]] = field(default_factory=list)
    sent: int = 0


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server: Server = self.server.told
        server.requested.append({"path": self.path, **self.headers})
        time.sleep(server.delay)
        if server.location and self.path == "/file":
            self.send_response(302)
            self.send_header("Location", server.location)
            self.end_headers()
            return
        if server.statuses:
            self.send_response(server.statuses.pop(0))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = 0
        asked = self.headers.get("Range", "")
        if server.ranges and asked and self.headers.get("If-Range", server.etag) == server.etag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        else:
            self.send_response(200)
        body = server.content[start:]
        if server.length:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", server.etag)
        self.end_headers()
        if server.cuts:
            server.cuts -= 1
            body = body[:CUT]
            self.close_connection = True
        server.sent += len(body)
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.told = Server(address=f"http://127.0.0.1:{listening.server_port}")
    listening.handle_error = lambda *_: None  # who goes away early does so on purpose
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield listening.told
    listening.shutdown()
    listening.server_close()
    thread.join()


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("ELMO_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setattr(download, "_WAIT_SECONDS", 0.0)
    return tmp_path / "home"


@pytest.fixture
def sample(server, home, monkeypatch):
    """A dataset of one file on the local server."""
    file = DataFile("texts/sample.txt", len(CONTENT), SHA256, "the local server", f"{server.address}/file")
    monkeypatch.setitem(DATASETS, "sample", Dataset("sample", "a sample", "MIT", (file,)))
    return home / "texts/sample.txt"


def left_over(home):
    """Files in the data home, apart from its lock."""
    return sorted(str(each.relative_to(home)) for each in home.rglob("*") if each.is_file() and each.name != ".lock")


def fetch_sample():
    return fetch("sample", accept_licence=True, progress=False)


# The registry


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda dataset: dataset.name)
def test_every_dataset_says_what_it_is_and_how_to_get_it(dataset):
    assert DATASETS[dataset.name] is dataset
    assert dataset.description and dataset.licence
    assert bool(dataset.by_hand) == any(file.url is None for file in dataset.files)
    assert len({Path(file.path).parent for file in dataset.files}) == 1
    for file in dataset.files:
        assert len(bytes.fromhex(file.sha256)) == 32
        assert file.source
        if file.url:
            assert file.url.startswith("https://")
            assert file.url.removeprefix("https://raw.githubusercontent.com/").split("/")[0] in file.source


def test_no_file_and_no_checksum_is_there_twice():
    files = [file for dataset in DATASETS.values() for file in dataset.files]
    assert len({file.path for file in files}) == len(files) == len({file.sha256 for file in files})
    assert len(files) == len(registry._KNOWN) + len(DATASETS["pool"].files)


def test_the_public_corpora_are_found_and_have_their_checksums(shared, monkeypatch):
    monkeypatch.setenv("ELMO_DATA_HOME", str(shared / "corpora"))
    assert {name: verify(name, checksums=True) for name in DATASETS if verify(name, checksums=True)} == {}
    for name, dataset in DATASETS.items():
        assert path(name).exists()
        assert fetch(name, accept_licence=False) == path(name)  # nothing to do, so nothing to accept
        for file in dataset.files:
            assert path(name, Path(file.path).name) == shared / "corpora" / file.path
    assert path("raw") == shared / "corpora/raw"


def test_every_source_of_the_pool_says_what_it_is_and_under_which_licence_it_came():
    for file in DATASETS["pool"].files:
        repositories, _, inside = file.source.partition(" : ")
        assert file.about and inside
        assert file.url is None  # made from its source, so that no address has it
        commits = re.findall(r"github\.com/[\w.-]+/[\w.-]+ @ [0-9a-f]{12} \([^()]+(?:\([^()]+\))?\)", repositories)
        assert ", ".join(commits) == repositories or "94 repositories" in repositories
    shown = describe_corpus("pool")
    for words in (
        "pool/tvsub.txt.xz, 7,964,156 bytes: subtitles",
        "longyuewangdcu/tvsub @ 76a07be477ea (CC BY-NC-ND 4.0",
    ):
        assert words in shown


def test_the_data_home_is_in_the_users_cache_unless_it_is_set(monkeypatch):
    monkeypatch.setenv("ELMO_DATA_HOME", "~/corpora")
    assert data_home() == Path.home() / "corpora"
    monkeypatch.delenv("ELMO_DATA_HOME")
    monkeypatch.setenv("ELMO_CACHE", "~/elsewhere")
    assert data_home() == Path.home() / "elsewhere/datasets"
    monkeypatch.delenv("ELMO_CACHE")
    assert data_home().parts[-2:] == ("elmo", "datasets")


def test_an_unknown_name_gets_the_nearest_names(home):
    for call in (path, verify, describe_corpus, lambda name: fetch(name, accept_licence=True)):
        with pytest.raises(InputError, match="did you mean msra_ner"):
            call("MSRA-NER")
    with pytest.raises(InputError, match="elmo data list"):
        path("zzzzzzzz")


def test_an_unknown_file_gets_the_names_of_the_files(home):
    with pytest.raises(InputError, match=r"no file '\.\./x'; it has ud_gsdsimp_train.conll, ud_gsdsimp_dev.conll"):
        path("ud_gsdsimp", "../x")


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "..", "", "a\\..\\x", "C:/x", "a\0b"])
def test_a_file_name_that_leads_outside_is_refused(name):
    with pytest.raises(InputError, match="leads out of the data home"):
        DataFile(name, 1, SHA256, "nowhere")


def test_a_missing_dataset_says_how_to_get_it(home):
    with pytest.raises(InputError, match=r"`elmo data fetch ud_gsdsimp`.*ELMO_DATA_HOME"):
        path("ud_gsdsimp")


def test_a_dataset_by_hand_says_where_it_comes_from_and_where_it_goes(home):
    for call in (path, lambda name: fetch(name, accept_licence=True)):
        message = refusal(call, "mcl_wic")
        for words in ("by hand", "mcl-wic", "dev.zh-zh.data", str(home), "senses/mcl_wic_dev.zh-zh.gold"):
            assert words in message
    assert not home.exists()


def test_a_dataset_of_many_files_is_not_listed_in_a_message(home):
    with pytest.raises(InputError, match=r"raw has to be got by hand: `elmo data show raw` says from where"):
        path("raw")
    assert "yihui" in describe_corpus("raw")


def test_verify_names_what_is_missing_short_or_changed(sample):
    assert verify("sample") == [f"{sample}: is not there"]
    sample.parent.mkdir(parents=True)
    sample.write_bytes(CONTENT[:-1])
    assert verify("sample") == [f"{sample}: has 255,999 bytes and not 256,000"]
    sample.write_bytes(CONTENT[:-1] + b"x")
    assert verify("sample") == []
    assert SHA256 in verify("sample", checksums=True)[0]
    sample.write_bytes(CONTENT)
    assert verify("sample", checksums=True) == []


def test_describe_and_table_show_licence_source_and_state(sample):
    text = describe_corpus("sample")
    for words in ("a sample", "MIT", "the local server", SHA256, "256,000 bytes", "to fetch"):
        assert words in text
    assert "by hand" in describe_corpus("raw")
    fetch_sample()
    assert "there" in describe_corpus("sample")
    assert corpora_table().row_count == len(DATASETS)


# Downloading


def test_a_file_arrives_whole_under_its_name(sample, server, home):
    assert fetch_sample() == sample
    assert sample.read_bytes() == CONTENT
    assert left_over(home) == ["texts/sample.txt"]
    assert fetch_sample() == sample
    assert len(server.requested) == 1  # the second time there was nothing to do


def test_a_file_that_was_damaged_is_fetched_anew(sample, server):
    sample.parent.mkdir(parents=True)
    sample.write_bytes(CONTENT[:-1] + b"x")
    assert fetch_sample().read_bytes() == CONTENT


def test_only_what_is_missing_is_fetched(sample, server, home, monkeypatch):
    second = DataFile("texts/second.txt", len(CONTENT), SHA256, "the local server", f"{server.address}/second")
    both = Dataset("sample", "two files", "MIT", (DATASETS["sample"].files[0], second))
    monkeypatch.setitem(DATASETS, "sample", both)
    sample.parent.mkdir(parents=True)
    sample.write_bytes(CONTENT)
    assert fetch_sample() == home / "texts"
    assert [request["path"] for request in server.requested] == ["/second"]


def test_a_refused_licence_downloads_nothing(sample, server, home):
    shown = []
    for answer in (False, lambda dataset: shown.append(dataset.licence)):
        with pytest.raises(InputError, match=r"licence \(MIT\) was not accepted and nothing was downloaded"):
            fetch("sample", accept_licence=answer)
    assert shown == ["MIT"]
    assert server.requested == []
    assert not home.exists()


def test_an_accepted_licence_downloads(sample, capsys):
    fetch("sample", accept_licence=lambda dataset: dataset.licence == "MIT")
    assert sample.exists()
    assert capsys.readouterr() == ("", "")  # no bar without a terminal


def test_without_a_terminal_the_licence_has_to_be_accepted_by_the_flag(sample, server):
    with pytest.raises(InputError, match="--accept_licence True"):
        fetch("sample", accept_licence=datasets.ask)
    assert server.requested == []


@pytest.mark.parametrize(("typed", "accepted"), [("y\n", True), ("Yes\n", True), ("\n", False), ("", False)])
def test_on_a_terminal_the_licence_is_shown_and_asked_for(sample, monkeypatch, capsys, typed, accepted):
    class Terminal:
        def isatty(self):
            return True

        def readline(self):
            return typed

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert datasets.ask(DATASETS["sample"]) is accepted
    shown = capsys.readouterr().err
    assert shown.index("licence: MIT") < shown.index("[y/N]")


def test_a_wrong_checksum_leaves_nothing_and_says_both(sample, server, home):
    server.content = CONTENT[:-1] + b"x"
    with pytest.raises(InputError) as caught:
        fetch_sample()
    assert SHA256 in str(caught.value)
    assert hashlib.sha256(server.content).hexdigest() in str(caught.value)
    assert len(server.requested) == 1  # it would be as wrong again
    assert left_over(home) == []


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"x", b""], ids=["short", "long", "empty"])
def test_a_file_of_another_length_leaves_nothing(sample, server, home, content):
    server.content = content
    with pytest.raises(InputError, match="the source may have changed"):
        fetch_sample()
    assert left_over(home) == []


def test_a_cut_connection_is_gone_on_with(sample, server):
    server.cuts = 1
    assert fetch_sample().read_bytes() == CONTENT
    assert server.sent == len(CONTENT)  # no byte twice
    assert server.requested[1]["Range"] == f"bytes={CUT}-"
    assert server.requested[1]["If-Range"] == '"one"'


def test_a_connection_that_is_cut_again_and_again_is_gone_on_with_the_next_time(sample, server, home, monkeypatch):
    monkeypatch.setattr(download, "_ATTEMPTS", 2)
    server.cuts = 2
    with pytest.raises(RunError, match=r"196,608 of 256,000 bytes received; run it again: it goes on where it stopped"):
        fetch_sample()
    assert not sample.exists()
    assert left_over(home) == ["texts/.sample.txt.part", "texts/.sample.txt.part.etag"]
    assert fetch_sample().read_bytes() == CONTENT
    assert server.sent == len(CONTENT)
    assert left_over(home) == ["texts/sample.txt"]


def test_a_server_that_names_no_length_and_stops_early_is_gone_on_with(sample, server):
    server.length, server.cuts = False, 1
    assert fetch_sample().read_bytes() == CONTENT
    assert server.sent == len(CONTENT)


def test_a_server_without_ranges_sends_it_again(sample, server):
    server.ranges, server.cuts = False, 1
    assert fetch_sample().read_bytes() == CONTENT
    assert server.requested[1]["Range"] == f"bytes={CUT}-"
    assert server.sent == CUT + len(CONTENT)


def test_another_version_on_the_server_is_not_mixed_with_the_part(sample, server):
    sample.parent.mkdir(parents=True)
    sample.with_name(".sample.txt.part").write_bytes(b"x" * CUT)
    sample.with_name(".sample.txt.part.etag").write_text('"older"')
    assert fetch_sample().read_bytes() == CONTENT
    assert server.sent == len(CONTENT)


@pytest.mark.parametrize("size", [CUT, len(CONTENT), len(CONTENT) + 1])
def test_a_wrong_part_without_a_version_is_dropped(sample, server, home, size):
    sample.parent.mkdir(parents=True)
    sample.with_name(".sample.txt.part").write_bytes(b"x" * size)
    assert fetch_sample().read_bytes() == CONTENT
    assert left_over(home) == ["texts/sample.txt"]


def test_a_part_that_is_whole_needs_no_server(sample, server):
    sample.parent.mkdir(parents=True)
    sample.with_name(".sample.txt.part").write_bytes(CONTENT)
    assert fetch_sample().read_bytes() == CONTENT
    assert server.requested == []


def test_a_range_that_the_server_does_not_have_starts_anew(sample, server):
    sample.parent.mkdir(parents=True)
    sample.with_name(".sample.txt.part").write_bytes(CONTENT[:CUT])
    server.statuses = [416]
    assert fetch_sample().read_bytes() == CONTENT
    assert "Range" not in server.requested[1]


def test_an_interruption_leaves_the_part(sample, server, home, monkeypatch):
    server.cuts = 1

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "time", SimpleNamespace(sleep=interrupt, monotonic=time.monotonic))
    with pytest.raises(KeyboardInterrupt):
        fetch_sample()
    assert sample.with_name(".sample.txt.part").stat().st_size == CUT
    assert left_over(home) == ["texts/.sample.txt.part", "texts/.sample.txt.part.etag"]


@pytest.mark.parametrize("status", [404, 410])
def test_a_file_that_is_not_there_says_where_to_look(sample, server, home, status):
    server.statuses = [status] * 9
    with pytest.raises(InputError, match=rf"is not there \(HTTP {status}.*look for it at the local server"):
        fetch_sample()
    assert len(server.requested) == 1
    assert left_over(home) == []


def test_a_busy_server_is_asked_again(sample, server):
    server.statuses = [503, 429]
    assert fetch_sample().read_bytes() == CONTENT


def test_a_server_that_stays_busy_fails_the_run(sample, server):
    server.statuses = [503] * 9
    with pytest.raises(RunError, match=r"failed 4 times \(HTTP 503.*0 of 256,000 bytes"):
        fetch_sample()


def test_a_refusal_fails_the_run_at_once(sample, server):
    server.statuses = [403] * 9
    with pytest.raises(RunError, match="HTTP 403"):
        fetch_sample()
    assert len(server.requested) == 1


def test_a_server_that_does_not_answer_fails_the_run(sample, server, monkeypatch):
    monkeypatch.setattr(download, "_TIMEOUT_SECONDS", (0.2, 0.05))
    monkeypatch.setattr(download, "_ATTEMPTS", 2)
    server.delay = 0.3
    with pytest.raises(RunError, match=r"failed 2 times \(.*timed out.*run it again"):
        fetch_sample()


def test_no_server_fails_the_run(sample, server, monkeypatch):
    file = DataFile("texts/sample.txt", len(CONTENT), SHA256, "nowhere", "http://127.0.0.1:9/file")
    monkeypatch.setitem(DATASETS, "sample", Dataset("sample", "a sample", "MIT", (file,)))
    with pytest.raises(RunError, match="failed 4 times") as caught:
        fetch_sample()
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full, which is always full")
def test_a_full_disk_fails_the_run_and_names_the_place(sample, server):
    sample.parent.mkdir(parents=True)

    def open_full(name, mode="r", **options):
        is_full = "x" in mode and str(name).endswith(".part")
        return open("/dev/full", "wb") if is_full else open(name, mode, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(download, "open", open_full, raising=False)
        with pytest.raises(RunError, match=r"no space is left on the disk.*ELMO_DATA_HOME.*goes on where it stopped"):
            fetch_sample()
    assert not sample.exists()
    assert fetch_sample().read_bytes() == CONTENT


def test_a_place_that_can_not_be_written_is_named(sample, server, home):
    home.parent.mkdir(exist_ok=True)
    home.write_text("a file where the folder should be")
    with pytest.raises(InputError, match=r"can't be written .*set ELMO_DATA_HOME"):
        fetch_sample()


@pytest.mark.parametrize("locks", [True, False], ids=["locks", "no locks"])
def test_several_at_a_time_give_one_whole_file(sample, server, home, monkeypatch, locks):
    if not locks:
        import fcntl

        def refuse(*_):
            raise OSError(errno.ENOLCK, "no locks here")

        monkeypatch.setattr(fcntl, "flock", refuse)
    server.delay = 0.02
    server.cuts = 1
    results = []
    threads = [threading.Thread(target=lambda: results.append(fetch_sample().read_bytes())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [CONTENT] * 4
    assert left_over(home) == ["texts/sample.txt"]
    if locks:
        assert server.sent == len(CONTENT)  # the others waited


def test_a_redirection_on_this_machine_is_followed(sample, server):
    server.location = "/elsewhere"
    assert fetch_sample().read_bytes() == CONTENT
    assert [request["path"] for request in server.requested] == ["/file", "/elsewhere"]


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "http://example.org/x", "ftp://example.org/x", "//example.org/x", "https:///x"]
)
def test_a_redirection_to_an_unsafe_address_is_refused(sample, server, home, target):
    server.location = target
    with pytest.raises(InputError, match=r"no https address \(redirected from"):
        fetch_sample()
    assert left_over(home) == []


def test_an_address_elsewhere_may_not_lead_to_this_machine():
    download.check_address("https://example.org/x", "https://example.com/x")
    with pytest.raises(InputError, match="no https address"):
        download.check_address("http://localhost/x", "https://example.org/x")


def test_a_redirection_without_end_is_refused(sample, server):
    server.location = "/file"
    with pytest.raises(InputError, match="redirected more than 5 times"):
        fetch_sample()


def test_an_address_without_encryption_is_refused_before_anything_is_asked(home, monkeypatch):
    file = DataFile("x.txt", 1, SHA256, "nowhere", "http://example.org/x.txt")
    monkeypatch.setitem(DATASETS, "sample", Dataset("sample", "a sample", "MIT", (file,)))
    with pytest.raises(InputError, match="no https address"):
        fetch_sample()
    assert not home.exists()


@pytest.mark.parametrize("name", [".sample.txt.part", ".sample.txt.part.etag", "../.lock"])
@pytest.mark.parametrize("kind", ["link", "hard link", "dangling"])
def test_planted_links_are_not_followed(sample, server, home, tmp_path, name, kind):
    sample.parent.mkdir(parents=True)
    victim, planted = tmp_path / "victim", sample.parent / name
    victim.write_text("x" * 10)
    if kind == "hard link":
        os.link(victim, planted)
    else:
        planted.symlink_to(victim if kind == "link" else tmp_path / "none")
    assert fetch_sample().read_bytes() == CONTENT
    assert victim.read_text() == "x" * 10 and not (tmp_path / "none").exists()


class Trickle(BaseHTTPRequestHandler):
    """Sends a byte now and then, for ever: of the body, or of the headers already."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.server.told == "body":
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
        else:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        with contextlib.suppress(OSError):
            while not self.server.over.wait(0.05):
                self.wfile.write(CONTENT[:1])

    def log_message(self, *_):
        pass


@pytest.mark.timeout(30)
@pytest.mark.parametrize("part", ["body", "headers"])
def test_a_server_that_trickles_is_given_up(home, monkeypatch, part):
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Trickle)
    listening.told, listening.over = part, threading.Event()
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setattr(download, "_SLOW_SECONDS", 0.4)
    file = DataFile("texts/sample.txt", len(CONTENT), SHA256, "here", f"http://127.0.0.1:{listening.server_port}/x")
    home.mkdir(parents=True)
    try:
        with pytest.raises(RunError, match=r"failed 4 times \(the server (sent \d+ bytes in|did not answer in)"):
            download.fetch_file(home, file, progress=False)
    finally:
        listening.over.set()
        listening.shutdown()
        listening.server_close()
        thread.join()
