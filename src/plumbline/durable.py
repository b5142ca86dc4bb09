"""Files that are there whole or not at all, and survive a power cut."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def flush_folder(folder: Path) -> None:
    """Bring a folder's entries to disk: a rename is not safe before.

    Raises OSError where the folder cannot be opened or flushed.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: Path, *, previous: Path | None = None) -> Iterator[BinaryIO]:
    """Give a file to write beside `path`, which takes its name and place once it is whole and on disk.

    At every instant the old or the new file is there; where writing fails the old one is as it was and
    nothing is left beside it. The folder must be there. The old file goes to `previous` if that is given.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        if previous is not None and path.is_file():
            path.replace(previous)
        temporary.replace(path)
        flush_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
