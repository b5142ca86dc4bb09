"""Files that are there whole or not at all, and survive a power cut."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from plumbline.errors import PlumblineError

_STEPS = ("write", "flush", "keep old", "rename", "flush folder")
# Every moment at which tests pull the plug. "keep old" is also the removal of the file before the old one.
FAIL_POINTS = tuple(f"{side} {step}" for step in _STEPS for side in ("before", "after"))

_ENDING = ".unfinished"
_DISK_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}


def _pass(point: str, path: Path) -> None:
    """Do nothing: tests put something else here that ends the process."""


reached: Callable[[str, Path], None] = _pass


@contextmanager
def _step(name: str, path: Path) -> Iterator[None]:
    reached(f"before {name}", path)
    yield
    reached(f"after {name}", path)


def flush_folder(folder: Path) -> None:
    """Bring a folder's entries to disk: a rename is not safe before.

    Some network and FUSE file systems cannot, and say so; they are taken as they are. Raises OSError where
    the folder cannot be opened or flushed for another reason.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: Path, *, previous: Path | None = None) -> Iterator[BinaryIO]:
    """Give a file to write and read beside `path`, which takes its place once it is whole and on disk.

    At every instant the old or the new file is there, under its name or as `previous`; where writing fails
    the old one is as it was and nothing is left beside it. The folder must be there. The old file goes to
    `previous` if that is given.
    """
    start = path.name.encode()[:100].decode(errors="ignore")  # room for the rest of a name of 255 bytes
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{start}-", suffix=_ENDING)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w+b") as file:
            with _step("write", path):
                yield file
                file.flush()
            with _step("flush", path):
                os.fsync(file.fileno())
        temporary.chmod(0o644)
        if previous is not None and path.is_file():
            with _step("keep old", path):
                path.replace(previous)
        with _step("rename", path):
            temporary.replace(path)
        with _step("flush folder", path):
            flush_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Remove what `replacing` left in `folder` and below where its process was killed.

    Nobody may be writing there: see `held`.
    """
    for path in folder.rglob(f".*{_ENDING}"):
        path.unlink(missing_ok=True)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep every other process out of `folder` that asks in the same way; a process that dies lets go.

    Raises PlumblineError if another one is in it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PlumblineError(
                f"Another process is at work on the run in {folder}. Wait for it, or end it first."
            ) from error
        except OSError:  # a file system without locks: as good as it gets
            pass
        yield
    finally:
        os.close(descriptor)


def disk_fault(error: BaseException, *, folder: Path) -> PlumblineError | None:
    """Put into words that the disk or the folder refuses to be written; None for any other error.

    >>> print(disk_fault(OSError(28, "No space left on device"), folder=Path("runs/a")))
    runs/a cannot be written: No space left on device. What was saved before is kept.
    >>> disk_fault(OSError(2, "No such file or directory"), folder=Path("runs/a"))
    """
    if not isinstance(error, OSError) or error.errno not in _DISK_FAULTS:
        return None
    place = error.filename2 or error.filename or folder
    return PlumblineError(f"{place} cannot be written: {error.strerror}. What was saved before is kept.")
