"""Read the official binary form, records of label bytes and planar RGB, from its files or archive."""

from __future__ import annotations

import gzip
import tarfile
from typing import IO, TYPE_CHECKING, BinaryIO, cast

import numpy as np

from plumbline.data.catalog import IMAGE_SIZE
from plumbline.data.content import RawSplit, join_splits
from plumbline.errors import PlumblineError, StopRequested, printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from plumbline.data.catalog import BinaryLayout

# CIFAR-100's training file has 153.7 million.
MAX_FILE_BYTES = 200_000_000
# What an archive may hold beside its data: names, headers, a page about it.
_MARGIN_BYTES = 10_000_000
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
            parts.append(parse_records(_read_whole(path), label_bytes=label_bytes))
        except PlumblineError as error:
            raise PlumblineError(f"{path}: {error}; get the file anew") from error
        except OSError as error:
            raise PlumblineError(f"{path} cannot be read: {error.strerror or error}") from error
    return join_splits(parts)


def _read_whole(path: Path) -> bytes:
    with path.open("rb") as stream:
        data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise PlumblineError(f"expected at most {MAX_FILE_BYTES:,} bytes, got more")
    return data


class _Limited:
    """What unpacking gives, up to a limit: an archive of 100 kilobytes can unpack to gigabytes."""

    def __init__(self, stream: BinaryIO, *, limit: int) -> None:
        self._stream, self._left = stream, limit

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise PlumblineError("it unpacks to more than the data set")
        return data


def read_archive(path: Path, *, layout: BinaryLayout, counts: Mapping[str, int]) -> dict[str, RawSplit]:
    """Read the official archive in one pass, extracting nothing: `counts` has the images of each member.

    Members are taken by their known names, and only if they are plain files of the known size. No more is
    unpacked than these and a margin. Raises `PlumblineError` naming the archive where it is damaged.
    """
    records = (layout.label_bytes + _PIXEL_BYTES) * sum(counts.values())
    found: dict[str, RawSplit] = {}
    try:
        with gzip.open(path) as packed:
            stream = _Limited(cast("BinaryIO", packed), limit=records + _MARGIN_BYTES)
            archive = tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|")  # noqa: SIM115  # it has no file of its own
            for member in archive:
                folder, _, name = member.name.rpartition("/")
                if folder == layout.folder and name in counts:
                    found[name] = _read_member(archive, member, layout=layout, count=counts[name])
            # The checksum of the packed data stands at its end and is compared only when that is reached.
            while stream.read(1 << 20):
                pass
    except PlumblineError as error:
        raise PlumblineError(f"{path}: {error}; get the archive anew") from error
    except StopRequested:
        raise
    except Exception as error:  # tarfile names no class for what odd headers raise
        raise PlumblineError(f"{path} is damaged ({printable(str(error))}); get the archive anew") from error
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
        raise PlumblineError(
            f"expected {printable(member.name)} as a file of {size:,} bytes, got {_kind(member)}"
        )
    return parse_records(stream.read(size), label_bytes=layout.label_bytes)


def _kind(member: tarfile.TarInfo) -> str:
    return f"{member.size:,} bytes" if member.isreg() else "a link, a folder or a device"
