"""A real https server on this machine that misbehaves on demand."""

from __future__ import annotations

import contextlib
import gzip
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

CONTENT = bytes(range(256)) * 4000


@dataclass
class Server:
    """What was asked for (path, Range header), and where the server is."""

    base: str
    certificate: Path
    files: dict[str, bytes]
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"{self.base}/{path}"

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))


@contextmanager
def https_server(folder: Path, *, files: dict[str, bytes] | None = None) -> Iterator[Server]:
    """Serve `files` by name; /503, /stall, /drip, /to-http and the like misbehave as their names say."""
    certificate = _certificate(folder)
    listener = _Listener(("127.0.0.1", 0), _Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    # The handshake belongs into the connection's own thread: one silent client must not block the others.
    listener.socket = context.wrap_socket(listener.socket, server_side=True, do_handshake_on_connect=False)
    server = Server(f"https://localhost:{listener.server_port}", certificate, files or {"file.bin": CONTENT})
    listener.state = server  # type: ignore[attr-defined]
    thread = threading.Thread(target=lambda: listener.serve_forever(poll_interval=0.02))
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


def _certificate(folder: Path) -> Path:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    path = folder / "certificate.pem"
    options = (
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    subprocess.run(
        [openssl, *options.split(), "-keyout", str(path), "-out", str(folder / "public.pem")],
        check=True,
        capture_output=True,
    )
    with path.open("a") as stream:
        stream.write((folder / "public.pem").read_text())
    return path


class _Listener(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that hangs up is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        state: Server = self.server.state  # type: ignore[attr-defined]
        behaviour, _, name = self.path.strip("/").rpartition("/")
        wanted = self.headers.get("Range")
        state.asked.append((self.path.strip("/"), wanted))
        content = state.files.get(name, CONTENT)
        if not self._misbehave(behaviour, content=content, name=name, wanted=wanted):
            self._serve(content, wanted=None if behaviour == "no-range" else wanted)

    def _serve(self, content: bytes, *, wanted: str | None) -> None:
        if wanted is None:
            self._send(content)
        else:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            self._send_part(content, start=start)

    def _misbehave(self, behaviour: str, *, content: bytes, name: str, wanted: str | None) -> bool:
        always: dict[str, Callable[[], None]] = {
            "503": lambda: self.send_error(503),
            "to-http": lambda: self._redirect(f"http://localhost:1/{name}"),
            "to-https": lambda: self._redirect(f"/{name}"),
            "round": lambda: self._redirect(self.path),
            "corrupt": lambda: self._send(content[:-1] + bytes([content[-1] ^ 1])),
            "longer": lambda: self._send(content + b"x"),
            "stall": lambda: self._send(content, only=1000, then_sleep=2.0),
            "drip": lambda: self._drip(content),
            "web-page": lambda: self._send(
                b"<html>Sign in</html>", headers={"Content-Type": "text/html; charset=utf-8"}
            ),
            "packed": lambda: self._send(gzip.compress(content), headers={"Content-Encoding": "gzip"}),
            "chunked": lambda: self._send_chunks(content),
            "endless": lambda: self._send_chunks(bytes(len(content)), rounds=3),
            "says-less": lambda: self._send(content, headers={"Content-Length": "1000"}),
            "says-nonsense": lambda: self._send(content, headers={"Content-Length": "\x1b[31mmany"}),
            "escape": lambda: self._send(b"", status=404, reason="\x1b]0;owned\x07 not here"),
        }
        first: dict[str, Callable[[], None]] = {"broken": lambda: self._send(content, only=len(content) // 3)}
        rest: dict[str, Callable[[], None]] = {
            "no-such-range": lambda: self.send_error(416),
            "other-range": lambda: self._send_part(content, start=5),
        }
        act = (always | (first if wanted is None else rest)).get(behaviour)
        if act is not None:
            act()
        return act is not None

    def _redirect(self, location: str) -> None:
        self.send_response(302)
        self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send_part(self, content: bytes, *, start: int) -> None:
        promised = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._send(content[start:], status=206, headers={"Content-Range": promised})

    def _send(
        self,
        content: bytes,
        *,
        status: int = 200,
        reason: str | None = None,
        headers: Mapping[str, str] | None = None,
        only: int | None = None,
        then_sleep: float = 0.0,
    ) -> None:
        self.send_response(status, reason)
        for name, value in ({"Content-Length": str(len(content))} | dict(headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[:only])
        self.wfile.flush()
        time.sleep(then_sleep)

    def _send_chunks(self, content: bytes, *, rounds: int = 1) -> None:
        self.protocol_version = "HTTP/1.1"
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(rounds):
            for start in range(0, len(content), 100_000):
                part = content[start : start + 100_000]
                self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def _drip(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(OSError):
            for place in range(100):
                self.wfile.write(content[place : place + 1])
                self.wfile.flush()
                time.sleep(0.05)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
