"""Open an https connection that is given up in time and never turns into http."""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO, TYPE_CHECKING, cast
from urllib.parse import urlsplit

from plumbline.errors import PlumblineError, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

PATIENCE_SECONDS = 10.0
# Half of what the slowest mirror was seen to give at its worst, 20 kB/s.
SLOWEST_BYTES_PER_SECOND = 10_000.0


class DownloadError(PlumblineError):
    """A file could not be had from a URL; the text says why in one line."""


class RangeRefusedError(DownloadError):
    """The server has no such part of the file as was asked for."""


@dataclass(frozen=True)
class Connector:
    """How to connect.

    A connection (name look-up, TLS and redirects together) that takes longer than `patience_seconds` is given
    up, and so is one that sends nothing for as long, or fewer than `slowest_bytes_per_second` over six times
    as long. `context` holds the certificates to trust; the proxy settings of the environment are followed.
    """

    patience_seconds: float = PATIENCE_SECONDS
    slowest_bytes_per_second: float = SLOWEST_BYTES_PER_SECOND
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    def open(self, url: str, *, headers: Mapping[str, str]) -> HTTPResponse:
        """Send a GET request and give the response, its body unread, or raise `DownloadError`.

        A server that answers a Range with 416 raises `RangeRefusedError`.
        """
        if not url.startswith("https://"):
            raise DownloadError(f"expected an https address, got {url}")
        request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310  # the scheme is checked above
        answer = self._wait_for(request)
        if isinstance(answer, PlumblineError):
            raise answer
        if isinstance(answer, urllib.error.HTTPError):
            answer.close()
        if isinstance(answer, Exception):
            refused = (
                isinstance(answer, urllib.error.HTTPError)
                and answer.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
            )
            kind = RangeRefusedError if refused else DownloadError
            raise kind(f"{urlsplit(url).hostname} {self.reason(answer)}") from answer
        return answer

    def reason(self, error: Exception) -> str:
        """Say in a few words what went wrong, as the rest of a sentence about the server."""
        if isinstance(error, urllib.error.HTTPError):
            return f"answers {error.code} {printable(str(error.reason))}"
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(cause, TimeoutError):
            return f"sends nothing for {self.patience_seconds:g} s"
        if isinstance(cause, socket.gaierror):
            return f"is not known to the name service ({cause.strerror})"
        if isinstance(cause, OSError):
            return f"cannot be reached ({cause.strerror or cause})"
        return f"breaks off ({printable(str(cause)) or type(cause).__name__})"

    def _wait_for(self, request: urllib.request.Request) -> HTTPResponse | Exception:
        # A name look-up cannot be interrupted, so connecting has a thread of its own, which is left behind if
        # it is late.
        answers: queue.SimpleQueue[HTTPResponse | Exception] = queue.SimpleQueue()
        abandoned = threading.Event()

        def connect() -> None:
            try:
                response = self._director().open(request, timeout=self.patience_seconds)
            except (OSError, HTTPException, ValueError) as error:
                answers.put(error)
                return
            answers.put(cast("HTTPResponse", response))
            if abandoned.is_set():
                response.close()

        threading.Thread(target=connect, name="plumbline-connect", daemon=True).start()
        try:
            return answers.get(timeout=self.patience_seconds)
        except queue.Empty:
            abandoned.set()
            return DownloadError(
                f"{urlsplit(request.full_url).hostname} does not answer within {self.patience_seconds:g} s"
            )

    def _director(self) -> urllib.request.OpenerDirector:
        # Put together by hand: the standard opener also speaks http, ftp and file.
        director = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(),
            urllib.request.HTTPSHandler(context=self.context),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
            _HttpsRedirects(),
        ):
            director.add_handler(handler)
        return director


class _HttpsRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if not newurl.startswith("https://"):
            fp.close()
            host, scheme = urlsplit(req.full_url).hostname, urlsplit(newurl).scheme
            raise DownloadError(
                f"{host} redirects to {printable(scheme) or 'no address'}, which is refused: "
                "only https is used"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)
