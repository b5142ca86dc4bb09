"""Pictures decoded once: their rows are kept in the user's cache, found by content, and checked on use."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import tempfile
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock, Timeout

from plumbline.data.cache import cache_folder
from plumbline.data.decode_pool import decode_each, usable_processors
from plumbline.data.picture_index import EMPTY, read_index, write_index
from plumbline.data.picture_update import IndexUpdate, is_current
from plumbline.data.picture_worker import DecodeWork
from plumbline.data.row_file import RowFile, row_bytes
from plumbline.errors import PlumblineError
from plumbline.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO

    from numpy.typing import NDArray

    from plumbline.data.picture_index import PictureIndex
    from plumbline.data.picture_source import PictureSource
    from plumbline.progress import Progress

# Fewer pictures than this, and fewer bytes, are decoded before other processes have begun.
_FEW_PICTURES, _FEW_BYTES = 1500, 20_000_000
_FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True)
class DecodedPictures:
    """What the entries of a source hold, in their order.

    `records` has the dtype `RECORD`; those whose `row` is not -1 have a row in `file`. `faults` says by name
    what is wrong with the others. `note` says where the rows are kept.
    """

    file: RowFile
    records: NDArray[np.void]
    faults: dict[str, str]
    note: str


def pictures_folder(path: Path) -> Path:
    """Give the folder of the cache that is for the pictures at `path`."""
    whole = str(path.resolve())
    readable = re.sub(r"[^\w.-]+", "-", path.resolve().name)[:40]
    return cache_folder() / "pictures" / f"{readable}-{hashlib.sha256(os.fsencode(whole)).hexdigest()[:16]}"


def decode_pictures(
    source: PictureSource, *, side: int, workers: int | None = None, progress: Progress = SILENT
) -> DecodedPictures:
    """Give every picture of a source as a row of `side` x `side` pixels, decoding only what is not known.

    A file whose bytes and time of change are as they were is not read; one that only moved is not decoded.
    `workers` counts processes; None: one for each processor, 0: this process alone. Where the cache cannot be
    written, rows go to a temporary file that ends with this process.

    Raises `PlumblineError` where the disk is full.
    """
    decoding = _Decoding(source, side, usable_processors() if workers is None else workers, progress)
    folder = pictures_folder(source.path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{side}.rows"
        with _locked(folder / "lock", progress=progress), _row_stream(path) as rows:
            return decoding.bring_up_to_date(rows, path=path)
    except OSError as error:
        if error.errno in _FULL:
            raise PlumblineError(f"{_disk_full(folder)}.") from error
        why = error.strerror or str(error)
    note = (
        f"the cache {folder} cannot be written ({why}): pictures are decoded anew at each start; set "
        "PLUMBLINE_CACHE to a folder that can be written"
    )
    return decoding.without_cache(note, path=folder / f"{side}.rows")


def forget_pictures(source: PictureSource, *, side: int) -> None:
    """Take what is known of the rows of one size out of the cache, so that the next start decodes anew."""
    (pictures_folder(source.path) / f"{side}.npz").unlink(missing_ok=True)


@dataclass(frozen=True)
class _Decoding:
    source: PictureSource
    side: int
    workers: int
    progress: Progress

    def bring_up_to_date(self, rows: FileIO, *, path: Path) -> DecodedPictures:
        index_path, length = path.with_suffix(".npz"), row_bytes(self.side)
        index = read_index(index_path)
        if os.fstat(rows.fileno()).st_size < index.rows * length:
            index = EMPTY
        stamps, kept = _stamps(self.source), index.rows * length
        if not is_current(index, source=self.source, stamps=stamps):
            # Behind the rows that are known lies what a killed process left.
            os.ftruncate(rows.fileno(), kept)
            try:
                index = self._decode(rows, before=index, stamps=stamps, path=path)
                os.fsync(rows.fileno())
                write_index(index, path=index_path)
            except BaseException:
                os.ftruncate(rows.fileno(), kept)
                raise
        note = f"decoded pictures are kept in {path.parent}, which may be deleted at any time"
        return _result(index, rows=rows, path=path, side=self.side, note=note)

    def without_cache(self, note: str, *, path: Path) -> DecodedPictures:
        try:
            with tempfile.TemporaryFile(buffering=0) as rows:
                temporary = Path(tempfile.gettempdir()) / "pictures"
                index = self._decode(rows, before=EMPTY, stamps=_stamps(self.source), path=temporary)
                return _result(index, rows=rows, path=path, side=self.side, note=note)
        except OSError as error:
            raise PlumblineError(
                f"{note}. A temporary file cannot be written either ({error.strerror or error}); set TMPDIR "
                "to a folder that can be written."
            ) from error

    def _decode(
        self, rows: FileIO, *, before: PictureIndex, stamps: NDArray[np.int64], path: Path
    ) -> PictureIndex:
        """Give the index of all entries, after the rows that were missing were written behind the others."""
        update = IndexUpdate(self.source, before=before, stamps=stamps)
        places = update.unknown
        needed = len(places) * row_bytes(self.side)
        if (free := shutil.disk_usage(path.parent).free) < needed:
            raise PlumblineError(
                f"{_disk_full(path.parent)}: expected {needed / 1e6:,.0f} MB for {len(places):,} pictures, "
                f"got {free / 1e6:,.0f} MB."
            )
        few = len(places) < _FEW_PICTURES and stamps[places, 0].clip(0).sum() < _FEW_BYTES
        work = DecodeWork(self.source, side=self.side, known=update.known_contents)
        each = decode_each(work, places=places, workers=0 if few else self.workers, progress=self.progress)
        with self.progress.task("decode", total=len(places), unit="images") as task, closing(each):
            for some, decoded in each:
                for place, one in zip(some, decoded, strict=True):
                    update.enter(place, one)
                _write(b"".join(one.row for one in decoded if one.row is not None), file=rows)
                task.advance(len(some))
        return update.finish(_row_file(update.draft(), rows=rows, path=path, side=self.side))


def _write(data: bytes, *, file: FileIO) -> None:
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def _disk_full(folder: Path) -> str:
    return (
        f"The disk of {folder} is full, where decoded pictures are kept; free some of it, set "
        "PLUMBLINE_CACHE to a folder on another disk, or take a smaller --image-size"
    )


@contextmanager
def _locked(path: Path, *, progress: Progress) -> Iterator[None]:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress.say("Waiting for another process that decodes the same pictures.")
        lock.acquire()
    except NotImplementedError as error:
        raise OSError(errno.ENOLCK, "its file system has no locks") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _row_stream(path: Path) -> Iterator[FileIO]:
    """Open a file of rows to read and to append, and do not leave it behind empty."""
    try:
        with open(path, "a+b", buffering=0) as file:  # noqa: PTH123  # typed as what it is
            yield file
    finally:
        if path.is_file() and path.stat().st_size == 0:
            path.unlink()


def _row_file(index: PictureIndex, *, rows: FileIO, path: Path, side: int) -> RowFile:
    checksums = np.zeros(index.rows, dtype=np.uint32)
    used = index.records[index.records["row"] >= 0]
    checksums[used["row"]] = used["checksum"]
    return RowFile(rows.fileno(), path=path, side=side, checksums=checksums)


def _result(index: PictureIndex, *, rows: FileIO, path: Path, side: int, note: str) -> DecodedPictures:
    file = _row_file(index, rows=rows, path=path, side=side)
    return DecodedPictures(file, records=index.records, faults=index.faults, note=note)


def _stamps(source: PictureSource) -> NDArray[np.int64]:
    """Give the bytes and the time of change of each entry's file, int64 (N, 2); -1 where there is none."""
    stamps = np.full((len(source.entries), 2), -1, dtype=np.int64)
    if source.form == "zip":
        found = source.path.stat()
        stamps[:] = found.st_size, found.st_ctime_ns
        return stamps
    root = str(source.root)
    for place, entry in enumerate(source.entries):
        try:
            # os.stat on text: four times as fast as on a Path, and there may be a million.
            found = os.stat(f"{root}/{source.places.get(entry.name, entry.name)}")  # noqa: PTH116
        except (OSError, ValueError):
            continue
        stamps[place] = found.st_size, found.st_ctime_ns
    return stamps
