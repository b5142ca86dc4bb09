"""Who may ask, how often, and what every answer says to the browser: a layer around the application."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Awaitable, Callable, MutableMapping
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from plumbline.serve.limits import Limits, TokenBuckets
from plumbline.serve.refusals import Refusal
from plumbline.serve.words import choose_language

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_SAFE_HEADERS = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]


class Guard:
    """Refuses strange hosts, other pages' requests and too many of them, and adds headers to all answers."""

    def __init__(self, app: Application, *, host: str, limits: Limits) -> None:
        self._app, self._host = app, host
        self._buckets = TokenBuckets(rate=limits.rate, burst=limits.burst)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_SAFE_HEADERS]
            await send(message)

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers=headers)
        if refusal is None:
            await self._app(scope, receive, send_with_headers)
            return
        await _answer(refusal, language_of=headers.get("accept-language", ""), send=send_with_headers)

    def _refusal(self, scope: Message, *, headers: dict[str, str]) -> Refusal | None:
        host = headers.get("host", "")
        if not is_host_allowed(host, given=self._host):
            return Refusal("host", status=421, host=host[:100])
        origin = headers.get("origin")
        if scope["method"] != "GET" and origin is not None and urlsplit(origin).netloc != host:
            return Refusal("origin", status=403)
        client = scope.get("client")
        wait = self._buckets.seconds_to_wait(client[0] if client else "", now=monotonic())
        return Refusal("rate", status=429, retry_after=wait, seconds=wait) if wait else None


def is_host_allowed(header: str, *, given: str) -> bool:
    """Tell whether a Host header names this machine as a person would: not by a name of somebody else's.

    A page elsewhere can have its own name point at 127.0.0.1 (DNS rebinding), so of names only `localhost`
    and the one that --host gave are taken. A number is no name: with --host 0.0.0.0, any is taken.

    >>> [is_host_allowed(host, given="127.0.0.1") for host in ("localhost:8000", "[::1]:80", "evil.example")]
    [True, True, False]
    >>> [is_host_allowed("192.168.1.5:8000", given=given) for given in ("127.0.0.1", "0.0.0.0")]
    [False, True]
    """
    try:
        name = urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return False
    if name in {"localhost", "127.0.0.1", "::1", given.lower().strip("[]")}:
        return True
    return _is_number(name) and _is_number(given) and ipaddress.ip_address(given).is_unspecified


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def _answer(refusal: Refusal, *, language_of: str, send: Send) -> None:
    words = refusal.words(choose_language(None, accepted=language_of))
    body = json.dumps({"error": {"kind": refusal.kind, "message": words}}, ensure_ascii=False).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    if refusal.retry_after is not None:
        headers.append((b"retry-after", str(refusal.retry_after).encode()))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
