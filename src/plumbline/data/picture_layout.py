"""Which folders are classes and which are splits: a listing in, classes and entries out."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from plumbline.data.picture_listing import suffix
from plumbline.data.picture_names import (
    SPLIT_NAMES,
    Arranged,
    PictureEntry,
    check_classes,
    counted,
    listed,
    quoted,
)
from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from plumbline.data.picture_listing import Listing
    from plumbline.data.picture_names import Side

_EXPECTED = "expected a folder for each class with its pictures inside, or train/, val/ and test/ with such"


def arrange_folders(listing: Listing) -> Arranged:
    """Give the classes and pictures of a folder whose inner folders are classes, or splits with classes.

    Folders inside a class are part of it. Raises `PlumblineError` naming the folder: where there are no
    classes, one only, one without pictures, two that differ only in case, or other ones in another split; and
    where it cannot be told whether `train` is a split or a class.
    """
    tops = sorted(name for name in listing.folders if "/" not in name)
    if not tops:
        raise PlumblineError(
            f"{listing.where} holds {len(listing.pictures):,} pictures and no folder; {_EXPECTED}"
        )
    splits = _split_folders(listing, tops=tops)
    if splits:
        return _arrange(listing, splits=splits, notes=_passed_over(tops, splits=splits))
    notes = [
        f"{quoted(name)} is taken as a class and not as a split, since other classes lie beside it"
        for name in tops
        if name.lower() in SPLIT_NAMES
    ]
    return _arrange(listing, splits={"": None}, notes=notes)


def _split_folders(listing: Listing, *, tops: list[str]) -> dict[str, Side | None]:
    """Give the folders that are splits, a slash behind each, or nothing where the folders are classes."""
    named = {name: SPLIT_NAMES[name.lower()] for name in tops if name.lower() in SPLIT_NAMES}
    filled = {name.partition("/")[0] for name in listing.pictures if "/" in name}
    with_folders = {name.partition("/")[0] for name in listing.folders if "/" in name}
    others = sorted(filled - named.keys())
    if not named or (others and (len(named) == 1 or not with_folders & named.keys())):
        return {}
    if others:
        raise PlumblineError(
            f"{listing.where}: {listed(named)} look like splits, but {listed(others)} lie beside them; take "
            "these away, or rename the former if they are classes"
        )
    _check_splits(listing, named=named, with_folders=with_folders)
    return {f"{name}/": side for name, side in named.items()}


def _check_splits(listing: Listing, *, named: Mapping[str, Side], with_folders: set[str]) -> None:
    for side, count in Counter(named.values()).items():
        if count > 1:
            same = listed(name for name in named if named[name] == side)
            raise PlumblineError(f"{listing.where}: {same} all mean the {side} split; keep one of them")
    for name in named:
        if name not in with_folders:
            raise PlumblineError(
                f"{listing.where}/{name} has no folders of classes, so the class of its pictures is unknown; "
                "put them into folders named after their classes, or move it elsewhere"
            )
    if "train" not in named.values():
        raise PlumblineError(f"{listing.where} holds {listed(named)} and no train/; {_EXPECTED}")


def _passed_over(tops: list[str], *, splits: Mapping[str, Side | None]) -> list[str]:
    beside = [name for name in tops if f"{name}/" not in splits]
    return (
        [f"folders beside the splits hold no pictures and were ignored: {listed(beside)}"] if beside else []
    )


def _arrange(listing: Listing, *, splits: Mapping[str, Side | None], notes: list[str]) -> Arranged:
    """Arrange the pictures of each split; `splits` maps a prefix of names to the split it means."""
    found: dict[str, dict[str, list[str]]] = {
        prefix: {
            name.removeprefix(prefix): []
            for name in listing.folders
            if name.startswith(prefix) and "/" not in name.removeprefix(prefix)
        }
        for prefix in splits
    }
    loose = 0
    for name in listing.pictures:
        prefix = name[: name.find("/") + 1] if "" not in splits else ""
        folder, inner, _ = name.removeprefix(prefix).partition("/")
        if prefix in found and inner:
            found[prefix][folder].append(name)
        else:
            loose += 1
    classes = _check_found(listing, found=found)
    numbers = {name: number for number, name in enumerate(classes)}
    entries = [
        PictureEntry(name, label=numbers[folder], split=side)
        for prefix, side in splits.items()
        for folder, names in found[prefix].items()
        for name in names
    ]
    if loose:
        notes.append(f"pictures that lie in no class were ignored: {loose:,}")
    return Arranged(classes, tuple(sorted(entries, key=lambda entry: entry.name)), (*notes, *listing.notes()))


def _check_found(listing: Listing, *, found: Mapping[str, Mapping[str, list[str]]]) -> tuple[str, ...]:
    every = {folder for folders in found.values() for folder in folders}
    if len(every) == 1 and "" in found:
        _check_one_folder(listing, name=next(iter(every)))
    classes = check_classes(every, where=listing.where)
    for prefix, folders in found.items():
        for folder, names in sorted(folders.items()):
            if not names:
                raise PlumblineError(_nothing_in(listing, folder=prefix + folder))
    holders: dict[str, list[str]] = defaultdict(list)
    for prefix, folders in found.items():
        for folder in folders:
            holders[folder].append(prefix)
    for folder in classes:
        lacking = [prefix for prefix in found if prefix not in holders[folder]]
        if lacking:
            raise PlumblineError(
                f"{listing.where}: the class {quoted(folder)} is in {listed(holders[folder])} and not in "
                f"{listed(lacking)}; every split needs the same classes"
            )
    return classes


def _check_one_folder(listing: Listing, *, name: str) -> None:
    inner = [other for other in listing.folders if other.startswith(f"{name}/")]
    if len(inner) > 1:
        raise PlumblineError(
            f"{listing.where}: expected at least two classes, got {quoted(name)} only; if its folders are "
            f"the classes, name {listing.where}/{name}"
        )


def _nothing_in(listing: Listing, *, folder: str) -> str:
    inside = Counter(suffix(name) for name in listing.others if name.startswith(f"{folder}/"))
    what = f"; it holds {counted(inside)}" if inside else ""
    return f"{listing.where}/{folder}: the class holds no picture{what}; add some, or take the folder away"
