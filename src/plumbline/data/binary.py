"""Read the official binary form, records of label bytes and planar RGB, from its files or archive."""

from __future__ import annotations

import tarfile
import zlib
from typing import TYPE_CHECKING

import numpy as np

from plumbline.data.catalog import IMAGE_SIZE
from plumbline.data.content import RawSplit, join_splits
from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from plumbline.data.catalog import BinaryLayout

_PIXEL_BYTES = 3 * IMAGE_SIZE * IMAGE_SIZE


def parse_records(data: bytes, *, label_bytes: int) -> RawSplit:
    """Read whole records of `label_bytes` labels (the last one counts) and 3,072 pixel bytes.

    >>> raw = parse_records(bytes([1, 9]) + bytes(3072), label_bytes=2)
    >>> raw.labels.tolist(), raw.pixels.shape
    ([9], (1, 3, 32, 32))
    """
    size = label_bytes + _PIXEL_BYTES
    if len(data) % size:
        raise PlumblineError(
            f"expected whole records of {size:,} bytes, got {len(data):,} bytes: the file is cut short"
        )
    records = np.frombuffer(data, np.uint8).reshape(-1, size)
    pixels = records[:, label_bytes:].reshape(-1, 3, IMAGE_SIZE, IMAGE_SIZE)
    return RawSplit(pixels, records[:, label_bytes - 1].astype(np.int64))


def read_binary(paths: Sequence[Path], *, label_bytes: int) -> RawSplit:
    """Read the `.bin` files of one split in the given order; `PlumblineError` names a damaged one."""
    parts = []
    for path in paths:
        try:
            parts.append(parse_records(path.read_bytes(), label_bytes=label_bytes))
        except PlumblineError as error:
            raise PlumblineError(f"{path}: {error}; get the file anew") from error
        except OSError as error:
            raise PlumblineError(f"{path} cannot be read: {error.strerror or error}") from error
    return join_splits(parts)


def read_archive(path: Path, *, layout: BinaryLayout, counts: Mapping[str, int]) -> dict[str, RawSplit]:
    """Read the official archive in one pass, extracting nothing: `counts` has the images of each member.

    Members are taken by their known names, and only if they are plain files of the known size.
    Raises `PlumblineError` naming the archive where it is damaged.
    """
    found: dict[str, RawSplit] = {}
    try:
        with tarfile.open(path, mode="r:gz") as archive:
            for member in archive:
                folder, _, name = member.name.rpartition("/")
                if folder == layout.folder and name in counts:
                    found[name] = _read_member(archive, member, layout=layout, count=counts[name])
            _read_to_the_end(archive)
    except PlumblineError as error:
        raise PlumblineError(f"{path}: {error}; get the archive anew") from error
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise PlumblineError(f"{path} is damaged ({error}); get the archive anew") from error
    missing = [name for name in counts if name not in found]
    if missing:
        raise PlumblineError(f"{path} lacks {', '.join(missing)}; get the archive anew")
    return found


def _read_member(
    archive: tarfile.TarFile, member: tarfile.TarInfo, *, layout: BinaryLayout, count: int
) -> RawSplit:
    size = (layout.label_bytes + _PIXEL_BYTES) * count
    stream = archive.extractfile(member) if member.isreg() and member.size == size else None
    if stream is None:
        raise PlumblineError(f"expected {member.name} as a file of {size:,} bytes, got {member.size:,} bytes")
    return parse_records(stream.read(size), label_bytes=layout.label_bytes)


def _read_to_the_end(archive: tarfile.TarFile) -> None:
    # The checksum of the compressed data stands at its end and is compared only when that is reached.
    assert archive.fileobj is not None  # noqa: S101  # an open archive has one
    while archive.fileobj.read(1 << 20):
        pass
