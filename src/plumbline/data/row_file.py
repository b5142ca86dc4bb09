"""Pictures of one size in a file, row by row: read where they lie, and checked whenever they are read."""

from __future__ import annotations

import os
import weakref
import zlib
from typing import TYPE_CHECKING

import numpy as np
import torch

from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


class DamagedRows(PlumblineError):  # noqa: N818  # what it says is the state of the file
    """A file of rows that no longer holds what was written into it."""


class RowFile:
    """An open file of uint8 pictures (side, side, 3), one behind the other.

    Rows are read into memory of their own, not mapped: mapped pages count as this process's memory.
    `checksums` is the CRC-32 of each row, uint32 (N,). The file stays open, so it may be replaced or removed
    by somebody else meanwhile. `descriptor` is duplicated; the caller keeps the one it has.
    """

    def __init__(self, descriptor: int, *, path: Path, side: int, checksums: NDArray[np.uint32]) -> None:
        self.path = path
        self.side = side
        self._checksums = checksums
        self._descriptor = os.dup(descriptor)
        weakref.finalize(self, os.close, self._descriptor)

    def __len__(self) -> int:
        return len(self._checksums)

    def read(self, rows: torch.Tensor) -> torch.Tensor:
        """Give the rows at `rows`, int64 (M,), in that order: uint8 (M, 3, side, side), channels_last.

        Raises `DamagedRows` where the file does not hold what was written.
        """
        length = row_bytes(self.side)
        pixels = torch.empty(len(rows) * length, dtype=torch.uint8)
        whole = pixels.numpy().data
        expected = self._checksums[rows.numpy()].tolist()
        for place, (row, checksum) in enumerate(zip(rows.tolist(), expected, strict=True)):
            part = whole[place * length : (place + 1) * length]
            try:
                got = os.preadv(self._descriptor, [part], row * length)
            except OSError as error:
                raise PlumblineError(
                    f"{self.path} cannot be read: {error.strerror or error}; try again, or delete it"
                ) from error
            if got != length or zlib.crc32(part) != checksum:
                raise DamagedRows(
                    f"{self.path} is damaged: its row {row:,} is not what was written; delete the file and "
                    "start again, the pictures are then decoded anew"
                )
        return pixels.view(len(rows), self.side, self.side, 3).permute(0, 3, 1, 2)


def row_bytes(side: int) -> int:
    """Give the bytes of one row.

    >>> row_bytes(32)
    3072
    """
    return side * side * 3
