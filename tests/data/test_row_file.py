"""Rows on disk are read as they were written, or their damage is told."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from plumbline.data.row_file import DamagedRows, RowFile

PIXELS = np.random.default_rng(1).integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)


def row_file(path: Path) -> RowFile:
    path.write_bytes(PIXELS.tobytes())
    checksums = np.array([zlib.crc32(row.tobytes()) for row in PIXELS], dtype=np.uint32)
    with path.open("rb") as file:
        return RowFile(file.fileno(), path=path, side=4, checksums=checksums)


def test_rows_come_as_asked_for(tmp_path: Path) -> None:
    """Any rows in any order, some twice or none at all, are the pixels that were written."""
    file = row_file(tmp_path / "4.rows")
    read = file.read(torch.tensor([3, 0, 3]))
    assert np.array_equal(read.permute(0, 2, 3, 1).numpy(), PIXELS[[3, 0, 3]])
    assert read.is_contiguous(memory_format=torch.channels_last)
    assert file.read(torch.empty(0, dtype=torch.int64)).shape == (0, 3, 4, 4)


@pytest.mark.parametrize("damage", ["flipped", "cut"])
def test_damage_is_an_error_that_names_the_file(tmp_path: Path, damage: str) -> None:
    """A flipped bit and a lost end are told when their row is read; the other rows can still be had."""
    path = tmp_path / "4.rows"
    file = row_file(path)
    with path.open("r+b") as stream:
        if damage == "cut":
            stream.truncate(4 * 48 + 7)
        else:
            stream.seek(4 * 48 + 7)
            stream.write(bytes([int(PIXELS[4].tobytes()[7]) ^ 1]))
    assert len(file.read(torch.arange(4))) == 4
    with pytest.raises(DamagedRows, match=f"{path} is damaged: its row 4"):
        file.read(torch.tensor([4]))


def test_a_removed_file_stays_readable(tmp_path: Path) -> None:
    """Whoever clears the cache does not end a run that reads from it."""
    file = row_file(tmp_path / "4.rows")
    (tmp_path / "4.rows").unlink()
    assert len(file.read(torch.arange(5))) == 5
