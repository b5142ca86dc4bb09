"""The manifest of a set of pictures: which is in which split, written down so that it stays so for ever."""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from plumbline.data.picture_names import SPLIT_NAMES, listed, quoted
from plumbline.durable import replacing
from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from plumbline.data.picture_names import Side

MANIFEST = "plumbline-splits.csv"
HEADER = ("path", "class", "split", "sha256")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SIDES = frozenset(SPLIT_NAMES.values())


@dataclass(frozen=True)
class ManifestEntry:
    """One picture: its name below the root, its class, its split, and the sha256 of its file in hex."""

    path: str
    class_name: str
    split: Side
    sha256: str


@dataclass(frozen=True)
class ManifestDifferences:
    """How the pictures that are there differ from a manifest, by name, each sorted.

    `changed` have other bytes, `relabelled` another class and `resplit` another split than was written down;
    `renamed` have another name and the split that was; `vanished` are in the manifest only, `new` not in it.
    """

    new: tuple[str, ...]
    renamed: tuple[str, ...]
    vanished: tuple[str, ...]
    changed: tuple[str, ...]
    relabelled: tuple[str, ...]
    resplit: tuple[str, ...]

    def notes(self) -> tuple[str, ...]:
        """Give one line for each kind of difference that there is."""
        told = (
            (self.new, "new pictures, given a split (those in the manifest keep theirs)"),
            (self.renamed, "pictures that were renamed or moved, and keep their split"),
            (self.vanished, "pictures in the manifest that are no longer there"),
            (self.changed, "pictures with other contents than when the manifest was written"),
            (self.relabelled, "pictures with another class than when the manifest was written"),
            (self.resplit, "pictures that are now given another split than the manifest has"),
        )
        return tuple(f"{what}: {len(names):,} ({listed(names)})" for names, what in told if names)


def write_manifest(path: Path, *, entries: Iterable[ManifestEntry]) -> None:
    """Write a manifest, sorted by path; the old one is there until the new one is whole.

    Raises `PlumblineError` for a path that stands twice, and where the file cannot be written.
    """
    rows = sorted(entries, key=lambda entry: entry.path)
    twice = [one.path for one, other in pairwise(rows) if one.path == other.path]
    if twice:
        raise PlumblineError(f"expected each picture once in {path}, got twice: {listed(twice)}")
    text = io.StringIO(newline="")
    plain = csv.writer(text, lineterminator="\n")
    # The usual quoting leaves a lone carriage return bare, which is read as the end of a line (Python 3.11).
    quoting = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    plain.writerow(HEADER)
    for row in rows:
        writer = quoting if "\r" in row.path + row.class_name else plain
        writer.writerow((row.path, row.class_name, row.split, row.sha256))
    try:
        with replacing(path) as file:
            file.write(text.getvalue().encode())
    except OSError as error:
        raise PlumblineError(f"{path} cannot be written ({error.strerror or error})") from error


def read_manifest(path: Path) -> tuple[ManifestEntry, ...]:
    """Read a manifest, in its order; `PlumblineError` names the file and the line of what is wrong in it."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PlumblineError(f"{path} cannot be read ({error.strerror or error})") from error
    return parse_manifest(data, told=str(path))


def parse_manifest(data: bytes, *, told: str) -> tuple[ManifestEntry, ...]:
    """Read the bytes of a manifest, as `read_manifest` does; `told` names it in errors."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise PlumblineError(f"{told}: expected a manifest in UTF-8; {_REMEDY}") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    entries: dict[str, ManifestEntry] = {}
    try:
        if tuple(next(reader, ())) != HEADER:
            raise PlumblineError(f"{told}, line 1: expected the header {','.join(HEADER)}; {_REMEDY}")
        for cells in reader:
            where = f"{told}, line {reader.line_num:,}"
            entry = _entry(cells, where=where)
            if entry.path in entries:
                raise PlumblineError(f"{where}: {quoted(entry.path)} stands twice; {_REMEDY}")
            entries[entry.path] = entry
    except csv.Error as error:
        raise PlumblineError(
            f"{told}, line {reader.line_num:,}: no valid CSV ({error}); {_REMEDY}"
        ) from error
    return tuple(entries.values())


_REMEDY = "bring back the file as it was written, or take it away and let new splits be made"


def _entry(cells: Sequence[str], *, where: str) -> ManifestEntry:
    if len(cells) != len(HEADER):
        raise PlumblineError(f"{where}: expected {len(HEADER)} cells, got {len(cells)}; {_REMEDY}")
    path, class_name, split, sha256 = cells
    if split not in _SIDES:
        raise PlumblineError(f"{where}: expected train, validation or test, got {quoted(split)}; {_REMEDY}")
    if not path or not class_name or not _SHA256.fullmatch(sha256):
        raise PlumblineError(
            f"{where}: expected a path, a class and 64 hexadecimal digits, got {listed(cells)}; {_REMEDY}"
        )
    return ManifestEntry(path, class_name, SPLIT_NAMES[split], sha256)


def renamed_pictures(entries: Iterable[ManifestEntry], *, hashes: Mapping[str, str]) -> dict[str, str]:
    """Map the path of each entry whose picture has another name now to that name.

    `hashes` maps the name of each picture that is there to its sha256. An entry whose path is gone is the
    picture of the same bytes whose name is not known; several of the same are paired in the order of names.

    >>> kept = [ManifestEntry("a/1.png", "a", "test", "0" * 64)]
    >>> renamed_pictures(kept, hashes={"b/1.png": "0" * 64})
    {'a/1.png': 'b/1.png'}
    """
    known = {entry.path: entry.sha256 for entry in entries}
    gone, unknown = defaultdict(list), defaultdict(list)
    for path in sorted(known.keys() - hashes.keys()):
        gone[known[path]].append(path)
    for name in sorted(hashes.keys() - known.keys()):
        unknown[hashes[name]].append(name)
    return {
        path: name
        for content, paths in gone.items()
        for path, name in zip(paths, unknown[content], strict=False)
    }


def compare_manifest(
    entries: Iterable[ManifestEntry], *, now: Iterable[ManifestEntry], renamed: Iterable[str] = ()
) -> ManifestDifferences:
    """Say how the pictures that are there `now` differ from a manifest, by the new names of those `renamed`.

    >>> kept = [ManifestEntry("a/1.png", "a", "test", "0" * 64)]
    >>> compare_manifest(kept, now=[ManifestEntry("a/2.png", "a", "test", "1" * 64)]).vanished
    ('a/1.png',)
    """
    known, here = ({entry.path: entry for entry in some} for some in (entries, now))
    both = [(known[name], here[name]) for name in sorted(known.keys() & here.keys())]
    resplit = tuple(new.path for old, new in both if old.split != new.split)
    return ManifestDifferences(
        new=tuple(sorted(here.keys() - known.keys())),
        renamed=tuple(sorted(set(renamed) - set(resplit))),
        vanished=tuple(sorted(known.keys() - here.keys())),
        changed=tuple(new.path for old, new in both if old.sha256 != new.sha256),
        relabelled=tuple(new.path for old, new in both if old.class_name != new.class_name),
        resplit=resplit,
    )
