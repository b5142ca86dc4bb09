"""Fetch one file: resumable, checked, and never half there under its final name."""

from __future__ import annotations

import os
import shutil
import time
from http.client import HTTPException
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from plumbline.data.connect import Connector, DownloadError, RangeRefusedError
from plumbline.data.read import file_sha256
from plumbline.durable import flush_folder
from plumbline.errors import PlumblineError, printable
from plumbline.progress import SILENT

if TYPE_CHECKING:
    from http.client import HTTPResponse
    from pathlib import Path

    from plumbline.progress import Progress, Task

_BLOCK = 1 << 18
_OTHER_FOLDER = "name another folder for downloads with the environment variable PLUMBLINE_CACHE"
# How often a connection that ends before the file does is taken up again where it stopped.
_RETRIES = 5


class _BrokenOffError(DownloadError):
    """The connection ended early; what has arrived is kept, and trying again may help."""


def fetch_file(
    url: str,
    *,
    target: Path,
    size: int,
    sha256: str,
    progress: Progress = SILENT,
    connector: Connector | None = None,
) -> None:
    """Bring the file at `url` (https) to `target`, unless the very same bytes are there already.

    The file has `size` bytes and the hash `sha256`, and appears under its final name whole and checked, or
    not at all. What an interrupted download leaves beside it is taken up by the next one. Processes that want
    the same file at the same time wait for one another.

    Raises `DownloadError` where the server cannot be reached, says no, stalls or sends other bytes, and
    `PlumblineError` where the folder cannot be written or has no room.
    """
    if _is_same(target, size=size, sha256=sha256):
        return  # without the lock, which a folder that cannot be written would refuse
    lock = FileLock(target.with_name(f".{target.name}.lock"))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _acquire(lock, name=target.name, progress=progress)
        try:
            if not _is_same(target, size=size, sha256=sha256):
                part = target.with_name(f".{target.name}.part")
                _receive_checked(
                    part, url=url, size=size, sha256=sha256, progress=progress, connector=connector
                )
                part.replace(target)
                flush_folder(target.parent)
        finally:
            lock.release()
    except OSError as error:
        raise PlumblineError(
            f"{target} cannot be written: {error.strerror or error}; {_OTHER_FOLDER}"
        ) from error


def _acquire(lock: FileLock, *, name: str, progress: Progress) -> None:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress.say(f"waiting for another process that downloads {name}")
        lock.acquire()


def _is_same(path: Path, *, size: int, sha256: str) -> bool:
    return path.is_file() and path.stat().st_size == size and file_sha256(path) == sha256


def _receive_checked(
    part: Path, *, url: str, size: int, sha256: str, progress: Progress, connector: Connector | None
) -> None:
    resumed = part.is_file() and part.stat().st_size > 0
    _check_room(part, size=size)
    with part.open("ab") as stream:
        receiver = _Receiver(url, size=size, stream=stream, connector=connector or Connector())
        receiver.run(progress)
        if resumed and file_sha256(part) != sha256:
            # Perhaps only the beginning, left by an earlier run, was bad.
            stream.truncate(0)
            receiver.run(progress)
        os.fsync(stream.fileno())
    if file_sha256(part) != sha256:
        part.unlink()
        raise DownloadError(f"{urlsplit(url).hostname} sends a file of the right size whose sha256 is wrong")


def _check_room(part: Path, *, size: int) -> None:
    missing = size - (part.stat().st_size if part.is_file() else 0)
    free = shutil.disk_usage(part.parent).free
    if missing > free:
        raise PlumblineError(
            f"{part.parent} has {free:,} bytes free, {missing:,} are needed: make room, or {_OTHER_FOLDER}"
        )


class _Receiver:
    """Appends what a URL sends to an open file until that has `size` bytes."""

    def __init__(self, url: str, *, size: int, stream: IO[bytes], connector: Connector) -> None:
        self._url = url
        self._host = urlsplit(url).hostname
        self._size = size
        self._stream = stream
        self._connector = connector

    def run(self, progress: Progress) -> None:
        """Receive the rest of the file, over more than one connection if need be."""
        if self._have() > self._size:
            self._stream.truncate(0)
        title = f"downloading {self._url.rsplit('/', 1)[-1]} from {self._host}"
        with progress.task(title, total=self._size, unit="bytes", done=self._have()) as task:
            for attempt in range(_RETRIES + 1):
                try:
                    return self._continue(task)
                except _BrokenOffError:
                    if attempt == _RETRIES:
                        raise
        return None

    def _have(self) -> int:
        return self._stream.seek(0, os.SEEK_END)

    def _continue(self, task: Task) -> None:
        have = self._have()
        if have == self._size:
            return
        # A compressed answer would have neither the size nor the positions that are counted on.
        headers = {"User-Agent": "plumbline", "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        try:
            response = self._connector.open(self._url, headers=headers)
        except RangeRefusedError as error:
            self._start_anew(task)
            raise _BrokenOffError(str(error)) from error
        with response:
            self._check_start(response, have=have, task=task)
            self._copy(response, task=task)

    def _start_anew(self, task: Task) -> None:
        task.advance(-self._have())
        self._stream.truncate(0)

    def _check_start(self, response: HTTPResponse, *, have: int, task: Task) -> None:
        if response.status == 206:  # partial content
            promised = response.headers.get("Content-Range", "")
            if promised != f"bytes {have}-{self._size - 1}/{self._size}":
                self._start_anew(task)
                raise _BrokenOffError(
                    f"{self._host} offers {promised!r}, expected the rest of {self._size:,} bytes"
                )
            return
        self._check_whole(response)
        if have:
            self._start_anew(task)

    def _check_whole(self, response: HTTPResponse) -> None:
        coding = response.headers.get("Content-Encoding", "identity")
        if coding != "identity":
            raise DownloadError(
                f"{self._host} sends the file packed ({printable(coding)}), expected it as it is"
            )
        if response.headers.get_content_type() == "text/html":
            raise DownloadError(f"{self._host} sends a web page in place of the file")
        length = response.headers.get("Content-Length")
        if length is not None and length != str(self._size):
            raise DownloadError(
                f"{self._host} offers {printable(length)} bytes, expected {self._size}: "
                "not the published file"
            )

    def _copy(self, response: HTTPResponse, *, task: Task) -> None:
        have = self._have()
        pace = _Pace(self._connector)
        while have < self._size:
            try:
                block = response.read1(min(_BLOCK, self._size - have))
            except TimeoutError as error:
                raise DownloadError(f"{self._host} {self._connector.reason(error)}") from error
            except (OSError, HTTPException) as error:
                raise _BrokenOffError(f"{self._host} {self._connector.reason(error)}") from error
            if not block:
                raise _BrokenOffError(f"{self._host} ends after {have:,} of {self._size:,} bytes")
            self._stream.write(block)
            task.advance(len(block))
            have += len(block)
            if not pace.holds(len(block)):
                self._stream.flush()
                raise DownloadError(f"{self._host} {pace.reason}")
        self._stream.flush()


class _Pace:
    """Whether enough comes: a server that sends one byte now and then is never silent, and never done."""

    def __init__(self, connector: Connector) -> None:
        self._window = 6 * connector.patience_seconds
        self._enough = connector.slowest_bytes_per_second * self._window
        self._began, self._came = time.monotonic(), 0
        self.reason = f"sends fewer than {self._enough:,.0f} bytes in {self._window:g} s"

    def holds(self, amount: int) -> bool:
        """Count what came, and say whether the window that has just ended brought enough."""
        self._came += amount
        now = time.monotonic()
        if now - self._began < self._window:
            return True
        enough = self._came >= self._enough
        self._began, self._came = now, 0
        return enough
