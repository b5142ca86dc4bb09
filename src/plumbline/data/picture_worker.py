"""What a worker process does: read pictures, decode them, and say what they hold."""

from __future__ import annotations

import hashlib
import signal
import threading
import zlib
from dataclasses import dataclass
from multiprocessing import connection, parent_process
from os import _exit
from typing import TYPE_CHECKING

import numpy as np

from plumbline.data.content import image_digest
from plumbline.data.decode import decode_picture
from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from plumbline.data.picture_source import PictureSource


@dataclass(frozen=True)
class Decoded:
    """One picture: the sha256 of its file in hexadecimal ("" where it cannot be read), and its row or fault.

    Both are None where the content is known already. `checksum`, `digest` and `sums` are those of the row, as
    `plumbline.data.picture_index.RECORD` has them.
    """

    content: str
    row: bytes | None = None
    fault: str | None = None
    checksum: int = 0
    digest: str = ""
    sums: tuple[int, ...] = (0,) * 6


@dataclass(frozen=True)
class DecodeWork:
    """Everything a worker needs to know: where pictures are, the side of rows, and contents known already."""

    source: PictureSource
    side: int
    known: frozenset[str]

    def decode(self, places: Sequence[int]) -> list[Decoded]:
        """Decode the source's entries at `places`; a picture that cannot be used is a fault, not an error."""
        return [self._decode(place) for place in places]

    def _decode(self, place: int) -> Decoded:
        entry, content = self.source.entries[place], ""
        try:
            data = self.source.read(entry)
            content = hashlib.sha256(data).hexdigest()
            if content in self.known:
                return Decoded(content)
            pixels = decode_picture(data, size=self.side, name=entry.name)
        except PlumblineError as error:
            return Decoded(content, fault=str(error))
        except MemoryError:
            return Decoded("", fault=f"{entry.name}: there is not enough memory to decode the picture")
        row = pixels.tobytes()
        return Decoded(
            content,
            row=row,
            checksum=zlib.crc32(row),
            digest=row_digest(pixels, label=entry.label, classes=len(self.source.classes)),
            sums=channel_sums(pixels),
        )


def row_digest(pixels: NDArray[np.uint8], *, label: int, classes: int) -> str:
    """Give `image_digest` of pixels (H, W, 3), in hexadecimal."""
    return image_digest(pixels.transpose(2, 0, 1).tobytes(), label=label, classes=classes).hex()


def channel_sums(pixels: NDArray[np.uint8]) -> tuple[int, ...]:
    """Give the sums of red, green and blue of pixels (H, W, 3), then those of their squares.

    >>> channel_sums(np.full((2, 2, 3), 3, np.uint8))
    (12, 12, 12, 36, 36, 36)
    """
    flat = pixels.reshape(-1, 3).astype(np.int64)
    return (*flat.sum(0).tolist(), *np.einsum("ij,ij->j", flat, flat).tolist())


_work: DecodeWork | None = None


def begin(work: DecodeWork) -> None:
    """Make this process a worker. Ctrl-C is its parent's to answer, and it ends when its parent is gone."""
    global _work  # noqa: PLW0603  # a pool's initializer has no other way to hand something to its tasks
    _work = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def decode_in_worker(places: Sequence[int]) -> list[Decoded]:
    """Decode in a process that `begin` made a worker."""
    assert _work is not None  # noqa: S101  # `begin` came before
    return _work.decode(places)


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    _exit(1)
