"""From what a person types to the pictures that are meant: files, folders, patterns, lists."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from plumbline.data.decode import SUFFIXES

_PATTERN_SIGNS = frozenset("*?[")


def find_sources(words: Iterable[str]) -> Iterator[Path]:
    """Give the pictures that words mean, one after another, in the order of the words.

    A folder means the pictures in it and below, told by their suffix, in the order of their names; what is
    hidden is left out and links to folders are not followed. A word that is not there and has one of the
    signs * ? [ is a pattern; ** reaches below. Every other word is itself, there or not: who reads it finds
    out, and so a folder without a picture is given as itself.

    >>> [str(path) for path in find_sources(["no-such.png"])]
    ['no-such.png']
    """
    for word in words:
        path = Path(word)
        if path.is_dir():
            yield from _pictures_below(path)
        elif not path.exists() and _PATTERN_SIGNS & set(word):
            found = sorted(glob.glob(word, recursive=True))  # noqa: PTH207  # takes absolute patterns too
            for name in found or [word]:
                yield from _pictures_below(Path(name)) if Path(name).is_dir() else [Path(name)]
        else:
            yield path


def read_list(lines: Iterable[bytes]) -> Iterator[str]:
    r"""Give the paths of a list, one a line, whatever their encoding; empty lines mean nothing.

    >>> list(read_list([b"one.png\n", b"\n", b"two three.png\r\n"]))
    ['one.png', 'two three.png']
    """
    names = (os.fsdecode(line.rstrip(b"\r\n")) for line in lines)
    return (name for name in names if name)


def _pictures_below(folder: Path) -> Iterator[Path]:
    is_empty = True
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES:  # noqa: PTH122
                is_empty = False
                yield Path(here, name)
    if is_empty:
        yield folder
