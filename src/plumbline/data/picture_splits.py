"""Which split each picture is in: as given, as the manifest has it, or made now and written down."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from plumbline.data.manifest import (
    MANIFEST,
    ManifestEntry,
    compare_manifest,
    parse_manifest,
    read_manifest,
    renamed_pictures,
    write_manifest,
)
from plumbline.data.partition import partition
from plumbline.data.picture_cache import pictures_folder
from plumbline.data.picture_groups import duplicate_groups
from plumbline.errors import PlumblineError
from plumbline.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from plumbline.data.images import Images
    from plumbline.data.picture_names import PictureEntry, Side
    from plumbline.data.picture_source import PictureSource
    from plumbline.progress import Progress


@dataclass(frozen=True)
class SplitPictures:
    """Usable entries of a source with the sha256 of each one's file, their digests, and their images."""

    source: PictureSource
    entries: tuple[PictureEntry, ...]
    contents: tuple[str, ...]
    digests: tuple[str, ...]
    images: Images


@dataclass(frozen=True)
class PictureSplits:
    """The split of each entry, and one line for each thing that a person should know."""

    sides: tuple[Side, ...]
    notes: tuple[str, ...]


def manifest_places(source: PictureSource) -> tuple[Path, Path]:
    """Give where the manifest may be: with the pictures, or in the cache if they cannot be written to."""
    path = source.path
    beside = path / MANIFEST if source.form == "folder" else path.with_name(f"{path.name}.{MANIFEST}")
    return beside, pictures_folder(path) / MANIFEST


def split_pictures(pictures: SplitPictures, *, progress: Progress = SILENT) -> PictureSplits:
    """Give every entry a split and see that it is written down.

    What the manifest says holds, under whatever name a picture has now, except that a picture that is given
    to validation or test is there. What neither says is made by `partition`, with near duplicates on one
    side. Raises what `read_manifest` raises.
    """
    entries = pictures.entries
    places = manifest_places(pictures.source)
    path = next((place for place in places if place.is_file()), None)
    before = read_manifest(path) if path else _came_along(pictures.source)
    hashes = {entry.name: content for entry, content in zip(entries, pictures.contents, strict=True)}
    renamed = renamed_pictures(before, hashes=hashes)
    written = tuple(replace(entry, path=renamed.get(entry.path, entry.path)) for entry in before)
    known = {entry.path: entry.split for entry in written}
    given = [_given(entry, known=known) for entry in entries]
    open_places = [place for place, side in enumerate(given) if side is None]
    sides, notes = [side or "train" for side in given], list[str]()
    # A split that is missing is made once. What has a manifest has been through that.
    if open_places or not (written or {"validation", "test"} <= set(given)):
        movable = open_places or [place for place, side in enumerate(given) if side == "train"]
        found = duplicate_groups(
            pictures.images, movable=movable, contents=pictures.digests, progress=progress
        )
        made = partition(
            [entry.label for entry in entries],
            groups=found.groups,
            given=given,
            keys=pictures.digests,
            top_up=bool(written),
        )
        sides, notes = list(made.splits), [_made(given, written=bool(written)), *found.notes]
        if made.torn_groups:
            notes.append(f"pictures of which copies were given to several splits: {made.torn_groups:,}")
    elif not written:
        return PictureSplits(tuple(sides), ())
    now = _manifest(pictures, sides=sides)
    if written:
        notes += compare_manifest(written, now=now, renamed=renamed.values()).notes()
    gone = tuple(entry for entry in written if entry.path not in hashes)
    if written and path is None:
        notes.append(f"the splits began as those of the {MANIFEST} inside {pictures.source.path}")
    notes.append(_keep((*now, *gone), before=before, path=path, places=places))
    return PictureSplits(tuple(sides), tuple(notes))


def _came_along(source: PictureSource) -> tuple[ManifestEntry, ...]:
    """Give the manifest that an archive brings along, if it does."""
    data = source.packed_manifest()
    return () if data is None else parse_manifest(data, told=f"{source.path}/{source.manifest}")


def _given(entry: PictureEntry, *, known: dict[str, Side]) -> Side | None:
    if entry.split in ("validation", "test"):
        return entry.split
    return known.get(entry.name, entry.split)


def _made(given: Sequence[Side | None], *, written: bool) -> str:
    if written:
        return "new pictures were given splits by the same rule as those before"
    missing = [side for side in ("validation", "test") if side not in given]
    return f"made from the training pictures, stratified by class: the {' and the '.join(missing)} split"


def _manifest(pictures: SplitPictures, *, sides: Sequence[Side]) -> tuple[ManifestEntry, ...]:
    classes = pictures.source.classes
    return tuple(
        ManifestEntry(entry.name, classes[entry.label], side, content)
        for entry, side, content in zip(pictures.entries, sides, pictures.contents, strict=True)
    )


def _keep(
    entries: tuple[ManifestEntry, ...],
    *,
    before: tuple[ManifestEntry, ...],
    path: Path | None,
    places: tuple[Path, Path],
) -> str:
    """Write the manifest unless it says the same already, and say where it is."""
    if path is not None and set(entries) == set(before):
        return f"the splits are those of {path}"
    troubles = []
    for place in (path,) if path is not None else places:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            write_manifest(place, entries=entries)
        except (OSError, PlumblineError) as error:
            troubles.append(str(error))
        else:
            return f"the splits are written down in {place}; keep that file, and they stay as they are"
    return f"the splits could not be written down, and change with the pictures: {'; '.join(troubles)}"
