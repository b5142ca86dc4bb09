"""Downloads by processes of their own: killed, eight at once, on a full disk, into a read-only folder."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from fetching import DONE, Fetching, Wanted, start_fetching
from https_server import CONTENT, Server, https_server
from small_cifar import SPEC, TEST_COUNT, TRAIN_COUNT, write_shards

from plumbline.data import download
from plumbline.data.catalog import Mirror, PublishedFile
from plumbline.data.connect import Connector
from plumbline.data.load import DataUnavailable, load_cifar

SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with https_server(tmp_path_factory.mktemp("server")) as server:
        yield server


def start(server: Server, path: str, *, target: Path, most: int = 0) -> Fetching:
    return start_fetching(Wanted(server.url(path), target, server.certificate, len(CONTENT), SHA256, most))


def test_eight_processes_download_once(server: Server, tmp_path: Path) -> None:
    """Eight processes that want the same file at the same time all end right, and it is sent once."""
    server.asked.clear()
    processes = [start(server, "file.bin", target=tmp_path / "file.bin") for _ in range(8)]
    assert [process.result() for process in processes] == [DONE] * 8
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.asked == [("file.bin", None)]


def test_a_killed_process_is_followed_by_one_that_goes_on(server: Server, tmp_path: Path) -> None:
    """SIGKILL in mid-file leaves no file and no lock that holds; the next process fetches the rest."""
    target, part = tmp_path / "file.bin", tmp_path / ".file.bin.part"
    fetching = start(server, "stall/file.bin", target=target)
    end = time.monotonic() + 30
    while not (part.is_file() and part.stat().st_size) and time.monotonic() < end:
        time.sleep(0.01)
    fetching.process.kill()
    assert fetching.result() == f"ended with {-signal.SIGKILL}"
    assert not target.exists()
    have = part.stat().st_size
    server.asked.clear()
    assert start(server, "file.bin", target=target).result() == DONE
    assert target.read_bytes() == CONTENT
    assert server.asked == [("file.bin", f"bytes={have}-" if have else None)]


def test_a_file_size_limit_is_told(server: Server, tmp_path: Path) -> None:
    """A disk that refuses in mid-file ends in one clear sentence, and no file under the final name."""
    told = start(server, "file.bin", target=tmp_path / "file.bin", most=300_000).result()
    assert "file.bin cannot be written: File too large; name another folder" in told
    assert not (tmp_path / "file.bin").exists()


@contextmanager
def small_disk(folder: Path, *, options: str = "size=300k") -> Iterator[None]:
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this user cannot mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_disk_without_room_is_told_before(server: Server, tmp_path: Path) -> None:
    """A disk that is too small is told before anything is asked of the server, with both figures."""
    disk = tmp_path / "disk"
    server.asked.clear()
    with small_disk(disk):
        told = start(server, "file.bin", target=disk / "file.bin").result()
        assert not (disk / "file.bin").exists()
    assert "bytes free, 1,024,000 are needed: make room, or name another folder" in told
    assert server.asked == []


def test_a_folder_that_is_read_only(server: Server, tmp_path: Path) -> None:
    """On a read-only disk (root, too) a whole file is used as it is, a missing one is a clear error."""
    disk = tmp_path / "disk"
    with small_disk(disk, options="size=4m"):
        (disk / "file.bin").write_bytes(CONTENT)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        assert start(server, "file.bin", target=disk / "file.bin").result() == DONE
        told = start(server, "file.bin", target=disk / "other.bin").result()
        assert "other.bin cannot be written: Read-only file system" in told


@pytest.mark.parametrize("left", [b"", b"12345"])
def test_a_stale_lock_file_holds_nobody(server: Server, tmp_path: Path, left: bytes) -> None:
    """A lock file without a process that holds it, as a power cut leaves it, is in nobody's way."""
    (tmp_path / ".file.bin.lock").write_bytes(left)
    assert start(server, "file.bin", target=tmp_path / "file.bin").result() == DONE


def mirror(server: Server, how: str, *, folder: Path) -> Mirror:
    return Mirror(
        title=f"mirror {how or 'good'}",
        folder=how or "good",
        files=tuple(
            PublishedFile(
                url=server.url(f"{how}/{path.name}" if how else path.name),
                size=path.stat().st_size,
                sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            )
            for path in sorted(folder.iterdir())
        ),
    )


@pytest.mark.parametrize("bad", ["503", "corrupt", "web-page", "to-http", "packed"])
def test_the_next_mirror_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server, bad: str
) -> None:
    """Whatever is wrong with the first mirror, the data comes from the second; alone, it is told."""
    write_shards(tmp_path / "files")
    server.files.update({path.name: path.read_bytes() for path in (tmp_path / "files").iterdir()})
    monkeypatch.setenv("PLUMBLINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PLUMBLINE_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    trusted = server.trust()
    monkeypatch.setattr(download, "Connector", lambda: Connector(context=trusted))
    mirrors = (mirror(server, bad, folder=tmp_path / "files"), mirror(server, "", folder=tmp_path / "files"))
    with pytest.raises(DataUnavailable, match=f"mirror {bad}: localhost "):
        load_cifar(replace(SPEC, mirrors=mirrors[:1]))
    dataset = load_cifar(replace(SPEC, mirrors=mirrors))
    assert (len(dataset.train), len(dataset.test)) == (TRAIN_COUNT, TEST_COUNT)
    assert dataset.source.startswith("mirror good")
