"""What one client may ask for, and what the whole server holds at once."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, field

_CLIENTS_KNOWN = 1024


@dataclass(frozen=True)
class Limits:
    """Sizes and rates; whatever is beyond them is refused in words.

    Attributes:
        file_bytes: of one picture.
        files: pictures in one request.
        pixels: of one picture, before anything is decoded.
        rate: requests a second that one client may go on with; 0: as many as it likes.
        burst: requests that it may send at once.
        uploads: requests that are read at the same time; one holds one file's bytes at most.
        upload_seconds: in which a request must have arrived.
        waiting: pictures that may wait for the model.

    """

    file_bytes: int = 20_000_000
    files: int = 16
    pixels: int = 50_000_000
    rate: float = 10.0
    burst: int = 30
    uploads: int = 32
    upload_seconds: float = 120.0
    waiting: int = 512

    @property
    def request_bytes(self) -> int:
        """Of a whole request: its files, and room for what stands between them."""
        return self.files * self.file_bytes + 100_000


@dataclass
class TokenBuckets:
    """One bucket a client: it holds `burst` tokens, gains `rate` a second, and each request takes one.

    The buckets of the clients that were heard last are kept; a client that is forgotten starts full.

    >>> buckets = TokenBuckets(rate=2.0, burst=1)
    >>> buckets.seconds_to_wait("a", now=0.0), buckets.seconds_to_wait("a", now=0.1)
    (0, 1)
    >>> buckets.seconds_to_wait("a", now=0.6), buckets.seconds_to_wait("b", now=0.6)
    (0, 0)
    """

    rate: float
    burst: int
    _left: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def seconds_to_wait(self, client: str, *, now: float) -> int:
        """Take a token at the time `now`, in seconds, and give 0; or give the seconds until there is one."""
        if self.rate <= 0:
            return 0
        tokens, then = self._left.pop(client, (float(self.burst), now))
        tokens = min(float(self.burst), tokens + (now - then) * self.rate)
        enough = tokens >= 1
        self._left[client] = (tokens - 1 if enough else tokens, now)
        if len(self._left) > _CLIENTS_KNOWN:
            self._left.popitem(last=False)
        return 0 if enough else math.ceil((1 - tokens) / self.rate)
