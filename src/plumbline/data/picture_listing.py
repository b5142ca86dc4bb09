"""Everything that lies in a folder or an archive of pictures, before any of it is given a meaning."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from plumbline.data.decode import SUFFIXES
from plumbline.data.manifest import MANIFEST
from plumbline.data.picture_names import SPLIT_NAMES, counted, listed
from plumbline.errors import PlumblineError


@dataclass
class Listing:
    """Pictures and folders by their names below the root, and what else was seen there.

    `pictures`, `others` and `manifests`, which are our own and no part of what lies there, map a canonical
    name to the name by which the file is opened. `folders` has every folder but the root, empty ones too.
    """

    where: str
    pictures: dict[str, str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    manifests: dict[str, str] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)

    def add_file(self, place: str, *, name: str) -> None:
        """Add a file whose name is `name` and which is opened by `place`; refuse a second one of its name."""
        if is_manifest(name):
            kept = self.manifests
        else:
            kept = self.pictures if suffix(name) in SUFFIXES else self.others
        if kept.setdefault(name, place) != place:
            raise PlumblineError(
                f"{self.where} holds two files whose names are the same to a reader: {name}; rename one"
            )

    def add_folder(self, name: str) -> None:
        """Add a folder; refuse a second one of its name."""
        if name in self.folders:
            raise PlumblineError(
                f"{self.where} holds two folders whose names are the same to a reader: {name}; rename one"
            )
        self.folders.add(name)

    def unwrapped(self) -> Listing:
        """Give what lies in the one folder around everything, if there is one that holds folders or a table.

        A folder with pictures in it stays: it is a class.
        """
        tops = [name for name in self.folders if "/" not in name]
        outside = any("/" not in name for name in (*self.pictures, *self.others))
        if len(tops) != 1 or outside or tops[0].lower() in SPLIT_NAMES:
            return self
        prefix = f"{tops[0]}/"
        inner = Listing(
            f"{self.where}/{tops[0]}",
            pictures={name.removeprefix(prefix): place for name, place in self.pictures.items()},
            others={name.removeprefix(prefix): place for name, place in self.others.items()},
            manifests={
                name.removeprefix(prefix): place
                for name, place in self.manifests.items()
                if name.startswith(prefix)
            },
            folders={name.removeprefix(prefix) for name in self.folders if name.startswith(prefix)},
            hidden=self.hidden,
        )
        if any("/" not in name for name in inner.pictures) and not inner.tables():
            return self
        return inner.unwrapped()

    def tables(self) -> list[str]:
        """Name the tables that lie in the root."""
        return [name for name in self.others if "/" not in name and suffix(name) in {".csv", ".parquet"}]

    def notes(self) -> tuple[str, ...]:
        """Say what was passed over."""
        notes = []
        if self.hidden:
            names = listed(sorted({name.rpartition("/")[2] for name in self.hidden}))
            notes.append(f"hidden or system files and folders were ignored: {len(self.hidden):,} ({names})")
        if self.others:
            suffixes = Counter(map(suffix, self.others))
            notes.append(
                f"files that are no pictures were ignored: {len(self.others):,} ({counted(suffixes)})"
            )
            if suffixes.keys() & {".heic", ".heif", ".avif"}:
                notes.append("HEIC and AVIF pictures are not read: save them as JPEG or PNG")
        return tuple(notes)


def is_manifest(name: str) -> bool:
    """Say whether a file is a manifest of ours, of the folder that it lies in or of a table there.

    >>> is_manifest("cats/plumbline-splits.csv"), is_manifest("labels.csv.plumbline-splits.csv")
    (True, True)
    """
    return f".{name.rpartition('/')[2]}".endswith(f".{MANIFEST}")


def suffix(name: str) -> str:
    """Give the lower-case suffix of a path, its dot included.

    >>> suffix("cat/IMG_1.JPG"), suffix("cat/README"), suffix("a.b/c")
    ('.jpg', '', '')
    """
    stem, dot, end = name.rpartition("/")[2].rpartition(".")
    return f".{end.lower()}" if dot and stem else ""
