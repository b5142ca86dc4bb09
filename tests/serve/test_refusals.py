"""What is refused as a whole: too much, too often, from elsewhere, or in no form that can be read."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from plumbline.serve.limits import Limits
from serve.running import one_colour, serving

if TYPE_CHECKING:
    from plumbline.inference.trained import TrainedModel

PICTURE = one_colour(40, 30)
MULTIPART = "multipart/form-data; boundary=xyz"
PART = b'--xyz\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'


def kind_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["kind"]


def post(client: httpx.Client, content: bytes, kind: str = MULTIPART) -> httpx.Response:
    return client.post("/api/predict", content=content, headers={"Content-Type": kind})


@pytest.mark.parametrize(
    ("content", "kind", "expected"),
    [
        (b"{}", "application/json", (415, "no_multipart")),
        (b"", "multipart/form-data", (415, "no_multipart")),
        (PART + b"cut short", MULTIPART, (400, "malformed")),
        (b"no boundary at all", MULTIPART, (400, "malformed")),
        (
            b'--xyz\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--xyz--\r\n',
            MULTIPART,
            (400, "no_files"),
        ),
    ],
)
def test_a_body_of_another_form(
    client: httpx.Client, content: bytes, kind: str, expected: tuple[int, str]
) -> None:
    """What is no multipart body with files is told apart and refused."""
    assert kind_of(post(client, content, kind)) == expected


def test_too_many_files(client: httpx.Client) -> None:
    """Sixteen are taken, seventeen are not."""
    files = [("files", (f"{at}.png", PICTURE)) for at in range(17)]
    assert len(client.post("/api/predict", files=files[:16]).json()["results"]) == 16
    assert kind_of(client.post("/api/predict", files=files)) == (413, "too_many_files")


def first_line(connection: socket.socket) -> bytes:
    return connection.recv(1000).split(b"\r\n", 1)[0]


@pytest.mark.parametrize("length", [b"Content-Length: 900000000", b"Transfer-Encoding: chunked"])
def test_too_many_bytes_are_refused_before_they_are_there(client: httpx.Client, length: bytes) -> None:
    """A request that says it is too large is refused unread, and one that does not, on the way."""
    address = (client.base_url.host, client.base_url.port or 0)
    head = b"POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + MULTIPART.encode()
    with socket.create_connection(address, timeout=120) as connection:
        connection.sendall(head + b"\r\n" + length + b"\r\n\r\n")
        if length.endswith(b"chunked"):
            connection.sendall(b"%x\r\n" % len(PART) + PART + b"\r\n")
            megabyte = b"100000\r\n" + bytes(2**20) + b"\r\n"
            for _ in range(20):
                connection.sendall(megabyte)
        assert first_line(connection).startswith(b"HTTP/1.1 413 ")  # though there is more to come


def test_a_body_that_does_not_arrive(trained: TrainedModel) -> None:
    """Who sends nothing for too long is told so, and the place is free again."""
    limits = Limits(rate=0, upload_seconds=0.2, uploads=1)
    with serving(trained, limits=limits) as client:
        address = (client.base_url.host, client.base_url.port or 0)
        head = f"POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: {MULTIPART}\r\n"
        with socket.create_connection(address, timeout=120) as connection:
            connection.sendall(f"{head}Content-Length: 1000\r\n\r\n".encode())
            assert first_line(connection).startswith(b"HTTP/1.1 408 ")
        assert client.post("/api/predict", files={"files": ("a.png", PICTURE)}).status_code == 200


def test_too_many_requests(trained: TrainedModel) -> None:
    """Beyond the burst a client is told when to come again, and is then served."""
    with serving(trained, limits=Limits(rate=2, burst=3)) as client:
        answers = [client.get("/api/health", headers={"Accept-Language": "ja"}) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert answers[-1].headers["Retry-After"] == "1"
        assert "秒後" in answers[-1].json()["error"]["message"]
        time.sleep(1)
        assert client.get("/api/health").status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "192.168.0.7", "localhost.evil.example", ""]
)
def test_a_strange_host(client: httpx.Client, host: str) -> None:
    """A name that somebody pointed at this machine opens nothing (DNS rebinding)."""
    for path in ("/", "/api/model", "/assets/page.js"):
        assert client.get(path, headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost:9", "127.0.0.1", "[::1]:8000"])
def test_a_host_of_this_machine(client: httpx.Client, host: str) -> None:
    """By its usual names it can be reached, whatever port a tunnel gave it."""
    assert client.get("/api/health", headers={"Host": host}).json() == {"status": "ok"}


def test_another_sites_page(client: httpx.Client) -> None:
    """A page of another origin can send nothing, and is allowed to read nothing."""
    headers = {"Origin": "https://evil.example"}
    files = {"files": ("a.png", PICTURE)}
    assert kind_of(client.post("/api/predict", files=files, headers=headers)) == (403, "origin")
    own = {"Origin": str(client.base_url).rstrip("/")}
    answer = client.post("/api/predict", files=files, headers=own)
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/openapi.json", "/assets/page.css", "/api/model", "/nothing"]
)
def test_every_answer_is_closed_to_the_outside(client: httpx.Client, path: str) -> None:
    """Pages may load from here only, with no script in the page; nothing is guessed, told or kept."""
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


def test_parameters_that_cannot_be(client: httpx.Client) -> None:
    """A value out of range is refused by the name of its parameter."""
    answer = client.post("/api/predict?neighbours=99", files={"files": ("a.png", PICTURE)})
    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith("neighbours:")
