import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from https_server import CONTENT, Server, https_server

from plumbline.data.connect import Connector, DownloadError
from plumbline.data.download import fetch_file
from plumbline.errors import PlumblineError

SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with https_server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def server(shared_server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("no_proxy", "*")
    shared_server.asked.clear()
    return shared_server


def fetch(server: Server, path: str, *, target: Path, patience_seconds: float = 10.0) -> None:
    fetch_file(
        server.url(path),
        target=target,
        size=len(CONTENT),
        sha256=SHA256,
        connector=Connector(patience_seconds=patience_seconds, context=server.trust()),
    )


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_whole_file(server: Server, tmp_path: Path) -> None:
    """A file arrives under its name with nothing left beside it, and is not fetched a second time."""
    target = tmp_path / "deep" / "file.bin"
    for _ in range(2):
        fetch(server, "file.bin", target=target)
    assert target.read_bytes() == CONTENT
    assert visible(target.parent) == ["file.bin"]
    assert server.asked == [("file.bin", None)]


def test_broken_connection_is_resumed(server: Server, tmp_path: Path) -> None:
    """A connection that ends after a third of the file is taken up by Range where it stopped."""
    fetch(server, "broken/file.bin", target=tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert [wanted for _, wanted in server.asked] == [None, f"bytes={len(CONTENT) // 3}-"]


def test_earlier_run_is_resumed(server: Server, tmp_path: Path) -> None:
    """What an earlier, killed run left is not fetched again."""
    (tmp_path / ".file.bin.part").write_bytes(CONTENT[:1000])
    fetch(server, "file.bin", target=tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.asked == [("file.bin", "bytes=1000-")]


@pytest.mark.parametrize("left", [b"garbage", CONTENT + b"too much", b"\0" * len(CONTENT)])
def test_bad_beginning_is_dropped(server: Server, tmp_path: Path, left: bytes) -> None:
    """A bad beginning left by an earlier run costs one more download and no wrong file."""
    (tmp_path / ".file.bin.part").write_bytes(left)
    fetch(server, "file.bin", target=tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_server_without_range(server: Server, tmp_path: Path) -> None:
    """A server that answers a Range request with the whole file gives the whole file once, not appended."""
    (tmp_path / ".file.bin.part").write_bytes(CONTENT[:1000])
    fetch(server, "no-range/file.bin", target=tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("corrupt/file.bin", "sha256 is wrong"),
        ("longer/file.bin", "not the published file"),
        ("503/file.bin", "answers 503"),
        ("round/file.bin", "answers 302"),
        ("web-page/file.bin", "sends a web page in place of the file"),
        ("packed/file.bin", r"sends the file packed \(gzip\)"),
        ("endless/file.bin", "sha256 is wrong"),
        ("says-less/file.bin", "offers 1000 bytes"),
        ("says-nonsense/file.bin", r"offers \\x1b\[31mmany bytes"),
        ("escape/file.bin", r"answers 404 \\x1b\]0;owned\\x07 not here"),
        ("to-http/file.bin", "redirects to http, which is refused"),
    ],
)
def test_refusals_leave_no_file(server: Server, tmp_path: Path, path: str, says: str) -> None:
    """Wrong bytes, a wrong size, an error status and a redirect to http each end in an error and no file."""
    with pytest.raises(DownloadError, match=says):
        fetch(server, path, target=tmp_path / "file.bin")
    assert not (tmp_path / "file.bin").exists()
    if "sha256" in says:
        assert visible(tmp_path) == []


def test_chunks(server: Server, tmp_path: Path) -> None:
    """A server that does not say how much will come, and sends it in chunks, gives the file."""
    fetch(server, "chunked/file.bin", target=tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("path", ["no-such-range/file.bin", "other-range/file.bin"])
def test_a_refused_or_wrong_range_costs_a_whole_download(server: Server, tmp_path: Path, path: str) -> None:
    """Where the rest cannot be had, or another part is sent, the file is fetched from its beginning."""
    (tmp_path / ".file.bin.part").write_bytes(CONTENT[:1000])
    fetch(server, path, target=tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert [wanted for _, wanted in server.asked] == ["bytes=1000-", None]


def test_a_drip_is_given_up(server: Server, tmp_path: Path) -> None:
    """A server that is never silent but sends next to nothing is given up, too; what came is kept."""
    begin = time.monotonic()
    with pytest.raises(DownloadError, match=r"sends fewer than 6,000 bytes in 0\.6 s"):
        fetch(server, "drip/file.bin", target=tmp_path / "file.bin", patience_seconds=0.1)
    assert time.monotonic() - begin < 3
    assert 0 < (tmp_path / ".file.bin.part").stat().st_size < 100


def test_old_file_survives_a_failure(server: Server, tmp_path: Path) -> None:
    """A failed download does not touch what lies under the final name."""
    (tmp_path / "file.bin").write_bytes(b"old")
    with pytest.raises(DownloadError):
        fetch(server, "corrupt/file.bin", target=tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == b"old"


def test_redirect_to_https(server: Server, tmp_path: Path) -> None:
    """A redirect within https is followed."""
    fetch(server, "to-https/file.bin", target=tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_http_is_never_spoken(tmp_path: Path) -> None:
    """An http address is refused before anything is sent."""
    with pytest.raises(DownloadError, match="expected an https address"):
        fetch_file("http://localhost:1/file.bin", target=tmp_path / "f", size=1, sha256="0")


def test_unknown_certificate(server: Server, tmp_path: Path) -> None:
    """A server whose certificate nobody vouches for is refused."""
    with pytest.raises(DownloadError, match="CERTIFICATE_VERIFY_FAILED"):
        fetch_file(server.url("file.bin"), target=tmp_path / "f", size=len(CONTENT), sha256=SHA256)


def test_stall_is_given_up(server: Server, tmp_path: Path) -> None:
    """A server that falls silent in the middle of the file is given up; what came is kept."""
    begin = time.monotonic()
    with pytest.raises(DownloadError, match=r"sends nothing for 0\.3 s"):
        fetch(server, "stall/file.bin", target=tmp_path / "file.bin", patience_seconds=0.3)
    assert time.monotonic() - begin < 1.5
    assert (tmp_path / ".file.bin.part").stat().st_size == 1000


def test_silent_server_is_given_up(server: Server, tmp_path: Path) -> None:
    """A server that accepts the connection and never says a word is given up in time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        silent = Server(f"https://localhost:{listener.getsockname()[1]}", server.certificate, {})
        begin = time.monotonic()
        with pytest.raises(DownloadError, match=r"0\.3 s"):
            fetch(silent, "file.bin", target=tmp_path / "file.bin", patience_seconds=0.3)
        assert time.monotonic() - begin < 1.5


def test_name_look_up_is_bounded(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name look-up that hangs is given up in time, too."""
    done = threading.Event()

    def hang(*_: object, **__: object) -> None:
        done.wait(5)
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    begin = time.monotonic()
    with pytest.raises(DownloadError, match=r"localhost does not answer within 0\.3 s"):
        fetch(server, "file.bin", target=tmp_path / "file.bin", patience_seconds=0.3)
    assert time.monotonic() - begin < 1.5
    done.set()


def test_unwritable_folder(server: Server, tmp_path: Path) -> None:
    """A folder that cannot be made is named, as an error that a person can mend."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PlumblineError, match="cannot be written"):
        fetch(server, "file.bin", target=tmp_path / "file" / "file.bin")


def test_two_at_once_download_once(server: Server, tmp_path: Path) -> None:
    """Two that want the same file at the same time cause one download."""
    threads = [
        threading.Thread(target=lambda: fetch(server, "file.bin", target=tmp_path / "file.bin"))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.asked == [("file.bin", None)]
