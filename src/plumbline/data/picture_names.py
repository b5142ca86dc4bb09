"""What names of files and folders mean in a set of pictures, and what a source of pictures has in it."""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from collections.abc import Iterable

Side = Literal["train", "validation", "test"]

SPLIT_NAMES: dict[str, Side] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
# Deeper than any set of pictures; an archive can be made to hold a path of thousands of folders.
MAX_DEPTH = 100

_SYSTEM = frozenset(
    {
        "__macosx",
        "@eadir",
        "#recycle",
        "$recycle.bin",
        "system volume information",
        "lost+found",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
    }
)


@dataclass(frozen=True)
class PictureEntry:
    """A picture: its posix path below the root, NFC and unique; its class; the split given to it, or None."""

    name: str
    label: int
    split: Side | None


@dataclass(frozen=True)
class Arranged:
    """Classes by name, entries sorted by name, and one line for each thing that a person should know."""

    classes: tuple[str, ...]
    entries: tuple[PictureEntry, ...]
    notes: tuple[str, ...]


def is_hidden(name: str) -> bool:
    """Say whether a file or folder belongs to a system or a program, and not to the pictures.

    >>> [is_hidden(name) for name in (".git", "Thumbs.db", "._a.jpg", "cat")]
    [True, True, True, False]
    """
    return name.startswith(".") or name.lower() in _SYSTEM


def canonical(name: str, *, where: str) -> str:
    r"""Give a name as it is compared and stored: Unicode's composed form, whatever a file system made of it.

    Raises `PlumblineError` where the name is no text in UTF-8.

    >>> canonical("か\u3099", where="photos") == "が"
    True
    """
    if name.isascii():
        return name
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise PlumblineError(
            f"{where} holds the name {name!r}, which is not written in UTF-8; rename it"
        ) from error
    return unicodedata.normalize("NFC", name)


def check_classes(classes: Iterable[str], *, where: str) -> tuple[str, ...]:
    """Give the classes sorted by name, by code point.

    Raises `PlumblineError` where there are fewer than two, or two that differ in nothing but case.
    """
    names = sorted(set(classes))
    by_fold: dict[str, str] = {}
    for name in names:
        other = by_fold.setdefault(unicodedata.normalize("NFC", name.casefold()), name)
        if other != name:
            raise PlumblineError(
                f"{where}: the classes {quoted(other)} and {quoted(name)} differ only in case; "
                "put them together or rename one"
            )
    if len(names) < 2:
        raise PlumblineError(
            f"{where}: expected at least two classes, got {quoted(names[0]) if names else 'none'} only"
        )
    return tuple(names)


def quoted(name: str) -> str:
    r"""Give a name as it can be told: in quotes, on one line.

    >>> print(quoted("a b"), quoted("a\nb"))
    'a b' 'a\nb'
    """
    return repr(name)


def listed(names: Iterable[str], *, most: int = 5) -> str:
    """Give the first few names, and how many more there are.

    >>> listed(["a", "b", "c"], most=2)
    "'a', 'b' and 1 more"
    """
    every = list(names)
    first = ", ".join(map(quoted, every[:most]))
    return f"{first} and {len(every) - most:,} more" if len(every) > most else first


def counted(suffixes: Counter[str]) -> str:
    """Give counts of files by suffix, the most frequent first.

    >>> counted(Counter({".txt": 2, "": 1}))
    '2 .txt, 1 without suffix'
    """
    ranked = sorted(suffixes.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} {suffix or 'without suffix'}" for suffix, count in ranked)
