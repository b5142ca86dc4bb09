"""What is known of decoded pictures: a table beside their rows, read whole and replaced whole."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from plumbline.durable import replacing

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_FORMAT = 1
# One picture: its file's bytes and the nanosecond of its last change (ctime: nothing in a file changes
# without it); sha256 of the file; its row, -1 for none, and that row's CRC-32; its label, and the digest that
# was made with that many bytes for it; for red, green and blue the sums of all values and of squares.
RECORD = np.dtype(
    [
        ("size", "<i8"),
        ("changed", "<i8"),
        ("content", "S64"),
        ("row", "<i8"),
        ("checksum", "<u4"),
        ("label", "<i4"),
        ("label_bytes", "<i4"),
        ("digest", "S64"),
        ("sums", "<i8", (6,)),
    ]
)


@dataclass(frozen=True)
class PictureIndex:
    """`records` (N,) of dtype `RECORD`, one for each of `names`; why those without a row are bad, by name.

    `rows` counts the rows of the file, used or not.
    """

    names: tuple[str, ...]
    records: NDArray[np.void]
    faults: dict[str, str]
    rows: int


EMPTY = PictureIndex((), np.empty(0, RECORD), {}, rows=0)


def read_index(path: Path) -> PictureIndex:
    """Read what `write_index` wrote; where it is missing, damaged or of another version, an empty one."""
    try:
        # numpy leaves a damaged file open that it opened itself.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            told = json.loads(stored["told"].tobytes())
            index = PictureIndex(tuple(told["names"]), stored["records"], told["faults"], rows=told["rows"])
        right = told["format"] == _FORMAT and index.records.dtype == RECORD
        if not right or index.records.shape != (len(index.names),):
            return EMPTY
        rows = index.records["row"]
        if len(rows) and not -1 <= rows.min() <= rows.max() < index.rows:
            return EMPTY
    except (OSError, ValueError, KeyError, TypeError, EOFError, RecursionError, zipfile.BadZipFile):
        return EMPTY
    return index


def write_index(index: PictureIndex, *, path: Path) -> None:
    """Put an index in the place of the one there, on disk; raises OSError where it cannot be written."""
    told = {"format": _FORMAT, "rows": index.rows, "names": index.names, "faults": index.faults}
    with replacing(path) as file:
        np.savez(
            file,
            records=index.records,
            told=np.frombuffer(json.dumps(told, ensure_ascii=True).encode("ascii"), dtype=np.uint8),
        )
