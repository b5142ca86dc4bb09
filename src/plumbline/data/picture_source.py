"""Where somebody's own pictures are: a folder, a table or an archive in, classes and entries out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from plumbline.data import picture_zip
from plumbline.data.decode import read_picture_file
from plumbline.data.manifest import MANIFEST
from plumbline.data.picture_folder import list_folder
from plumbline.data.picture_layout import arrange_folders
from plumbline.data.picture_names import PictureEntry, listed
from plumbline.data.picture_table import MAX_TABLE_BYTES, arrange_rows, arrange_table, is_table, read_rows
from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from plumbline.data.picture_names import Arranged

__all__ = ["PictureEntry", "PictureSource", "find_pictures"]

_EXPECTED = (
    "expected a folder with a folder of pictures for each class, a .csv or .parquet table of paths and "
    "labels, or a .zip of one of these"
)


@dataclass(frozen=True)
class PictureSource:
    """Labelled pictures and how to get their bytes. Can be sent to worker processes.

    `classes` is sorted by name, by code point, and an entry's label is its class's place there. `entries` is
    sorted by name. `notes` has one line for each thing that a person should know. `places` has the name by
    which a picture is opened, where that is another than the entry's. `manifest` is the name by which the
    manifest in an archive is opened, if there is one.
    """

    path: Path
    form: Literal["folder", "table", "zip"]
    classes: tuple[str, ...]
    entries: tuple[PictureEntry, ...]
    notes: tuple[str, ...]
    places: Mapping[str, str] = field(default_factory=dict, repr=False)
    manifest: str | None = None

    def read(self, entry: PictureEntry) -> bytes:
        """Give the bytes of one picture's file.

        Raises `BadImage` where it is missing, empty or too large, or its archive is damaged there.
        """
        place = self.places.get(entry.name, entry.name)
        if self.form == "zip":
            return picture_zip.read_member(self.path, place=place, told=f"{self.path}/{entry.name}")
        return read_picture_file(self.root / place, name=str(self.root / entry.name))

    def packed_manifest(self) -> bytes | None:
        """Give the manifest in an archive, or None if there is none; `BadImage` where it is damaged."""
        if self.manifest is None:
            return None
        told = f"{self.path}/{self.manifest}"
        return picture_zip.read_member(self.path, place=self.manifest, told=told, most=MAX_TABLE_BYTES)

    @property
    def root(self) -> Path:
        """The folder below which pictures lie, or the archive that they lie in."""
        return self.path.parent if self.form == "table" else self.path

    def path_of(self, entry: PictureEntry) -> Path | None:
        """Give the path of one picture's file, or None in an archive."""
        return None if self.form == "zip" else self.root / self.places.get(entry.name, entry.name)


def find_pictures(path: Path) -> PictureSource:
    """Find the labelled pictures in a folder, a .csv or .parquet table, or a .zip of one of these.

    No picture is opened. Raises `PlumblineError` naming the file or folder, as `arrange_folders`,
    `list_folder`, `arrange_table` and `list_zip` do.
    """
    if not path.exists():
        raise PlumblineError(f"{path} does not exist; {_EXPECTED}")
    if path.is_dir():
        listing = list_folder(path)
        return _source(path, "folder", arranged=arrange_folders(listing), places=listing.pictures)
    if is_table(path.name):
        table = arrange_table(path)
        return _source(path, "table", arranged=table.arranged, places=table.places)
    if path.suffix.lower() == ".zip":
        return _find_in_zip(path)
    raise PlumblineError(f"{path} is none of what can be read; {_EXPECTED}")


def _find_in_zip(path: Path) -> PictureSource:
    listing = picture_zip.list_zip(path)
    tables = listing.tables()
    if len(tables) > 1:
        raise PlumblineError(f"{path} holds several tables ({listed(tables)}); leave one in it")
    manifest = listing.manifests.get(MANIFEST)
    if not tables:
        arranged = arrange_folders(listing)
        return _source(path, "zip", arranged=arranged, places=listing.pictures, manifest=manifest)
    files = listing.others | listing.pictures
    told = f"{path}/{tables[0]}"
    data = picture_zip.read_member(path, place=files[tables[0]], told=told, most=MAX_TABLE_BYTES)
    table = arrange_rows(read_rows(data, told=told), told=told, locate=files.get)
    manifest = listing.manifests.get(f"{tables[0]}.{MANIFEST}", manifest)
    return _source(path, "zip", arranged=table.arranged, places=table.places, manifest=manifest)


def _source(
    path: Path,
    form: Literal["folder", "table", "zip"],
    *,
    arranged: Arranged,
    places: Mapping[str, str],
    manifest: str | None = None,
) -> PictureSource:
    differing = {name: place for name, place in places.items() if name != place}
    return PictureSource(path, form, arranged.classes, arranged.entries, arranged.notes, differing, manifest)
