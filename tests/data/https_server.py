"""A real https server on this machine that misbehaves on demand."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
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
    """Serve `files` by name; /503, /stall, /short, /to-http and the like misbehave as their names say."""
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
        if behaviour == "503":
            self.send_error(503)
        elif behaviour == "to-http":
            self._redirect(f"http://localhost:1/{name}")
        elif behaviour == "to-https":
            self._redirect(f"/{name}")
        elif behaviour == "corrupt":
            self._send(content[:-1] + bytes([content[-1] ^ 1]))
        elif behaviour == "longer":
            self._send(content + b"x")
        elif behaviour == "stall":
            self._send(content, only=1000, then_sleep=2.0)
        elif behaviour == "broken" and wanted is None:
            self._send(content, only=len(content) // 3)
        elif behaviour == "no-range" or wanted is None:
            self._send(content)
        else:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            self._send(
                content[start:], status=206, content_range=f"bytes {start}-{len(content) - 1}/{len(content)}"
            )

    def _redirect(self, location: str) -> None:
        self.send_response(302)
        self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(
        self,
        content: bytes,
        *,
        status: int = 200,
        content_range: str | None = None,
        only: int | None = None,
        then_sleep: float = 0.0,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if content_range:
            self.send_header("Content-Range", content_range)
        self.end_headers()
        self.wfile.write(content[:only])
        self.wfile.flush()
        time.sleep(then_sleep)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
