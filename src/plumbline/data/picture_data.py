"""A data set of one's own pictures: found, decoded once, split for good, and in canonical order."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from plumbline.data.content import statistics_of_sums
from plumbline.data.free_memory import free_main_memory
from plumbline.data.image_side import choose_side
from plumbline.data.images import Dataset, StoredImageSet
from plumbline.data.manifest import MANIFEST
from plumbline.data.picture_cache import decode_pictures, forget_pictures
from plumbline.data.picture_names import listed, quoted
from plumbline.data.picture_source import find_pictures
from plumbline.data.picture_splits import SplitPictures, split_pictures
from plumbline.data.row_file import DamagedRows, row_bytes
from plumbline.errors import PlumblineError
from plumbline.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from plumbline.data.content import ChannelStatistics
    from plumbline.data.picture_cache import DecodedPictures
    from plumbline.data.picture_names import Side
    from plumbline.data.picture_source import PictureEntry, PictureSource
    from plumbline.data.row_file import RowFile
    from plumbline.progress import Progress

# What pictures take in memory: once in the data set, once as the copy that batches are made from.
_COPIES = 2
_UNEVEN, _FEW = 3, 10


def load_pictures(
    path: Path,
    *,
    image_size: int | None = None,
    largest_side: int | None = None,
    on_bad_image: Literal["error", "skip"] = "error",
    memory_limit: int | None = None,
    workers: int | None = None,
    progress: Progress = SILENT,
) -> Dataset:
    """Load a folder, a table or an archive of labelled pictures; see `find_pictures` for what these may be.

    Pictures are decoded once, into the user's cache. Splits that are missing are made once and written down
    in a manifest. Any order or naming of the same pictures gives the same tensors where the splits are given.

    Args:
        path: where they are.
        image_size: pixels a side; None: chosen from the pictures.
        largest_side: what that choice is cut to; None: it is not.
        on_bad_image: what a picture that cannot be decoded is: an error, or left out and counted.
        memory_limit: bytes that pictures may take in memory; above, each batch is read from the cache. None:
            half of the memory that is free.
        workers: processes that decode; None: one for each processor.
        progress: who watches.

    Raises:
        PlumblineError: nothing usable at `path`, pictures that cannot be decoded, a class or a split without
            pictures, a full disk, another word in `on_bad_image`.

    """
    if on_bad_image not in ("error", "skip"):
        raise PlumblineError(f"on_bad_image: expected error or skip, got {on_bad_image!r}")
    source = find_pictures(path)
    side = choose_side(source, asked=image_size, at_most=largest_side)

    def load() -> Dataset:
        decoded = decode_pictures(source, side=side.side, workers=workers, progress=progress)
        usable = _usable(source, decoded, on_bad_image=on_bad_image)
        return _assemble(
            usable, told=(*source.notes, side.note), memory_limit=memory_limit, progress=progress
        )

    try:
        return load()
    except DamagedRows as error:
        progress.say(f"{error}: that is done now")
        forget_pictures(source, side=side.side)
    return load()


@dataclass(frozen=True)
class _Usable:
    """The usable pictures of a source, in its order, and one line for each thing that should be known."""

    source: PictureSource
    entries: tuple[PictureEntry, ...]
    file: RowFile
    records: NDArray[np.void]
    notes: tuple[str, ...]

    @property
    def digests(self) -> tuple[str, ...]:
        return tuple(self.records["digest"].astype(str).tolist())

    @property
    def contents(self) -> tuple[str, ...]:
        return tuple(self.records["content"].astype(str).tolist())

    def stored(self, places: Sequence[int]) -> StoredImageSet:
        """Give the pictures at `places` where they lie."""
        rows = torch.from_numpy(self.records["row"][np.array(places, dtype=np.int64)])
        labels = torch.tensor([self.entries[place].label for place in places], dtype=torch.int64)
        return StoredImageSet(self.file, rows, labels)


def _usable(
    source: PictureSource, decoded: DecodedPictures, *, on_bad_image: Literal["error", "skip"]
) -> _Usable:
    notes = [decoded.note]
    if decoded.faults:
        if on_bad_image == "error":
            raise PlumblineError(_bad(decoded.faults, source=source))
        notes.insert(0, f"pictures that cannot be used were left out: {len(decoded.faults):,}")
    good = np.flatnonzero(decoded.records["row"] >= 0).tolist()
    entries = tuple(source.entries[place] for place in good)
    labels = {entry.label for entry in entries}
    empty = [name for label, name in enumerate(source.classes) if label not in labels]
    if empty:
        raise PlumblineError(f"{source.path}: no picture of {listed(empty)} can be used; mend or remove them")
    return _Usable(source, entries, decoded.file, decoded.records[good], tuple(notes))


def _bad(faults: dict[str, str], *, source: PictureSource) -> str:
    first = "; ".join(list(faults.values())[:3])
    more = f"; and {len(faults) - 3:,} more" if len(faults) > 3 else ""
    return (
        f"{len(faults):,} of the {len(source.entries):,} pictures of {source.path} cannot be used: {first}"
        f"{more}. Mend or remove them, or leave them out with --on-bad-image skip"
    )


def _assemble(
    usable: _Usable, *, told: tuple[str, ...], memory_limit: int | None, progress: Progress
) -> Dataset:
    """Split the pictures and give them in canonical order, in memory or where they lie."""
    source, entries, digests = usable.source, usable.entries, usable.digests
    everything = range(len(entries))
    found = split_pictures(
        SplitPictures(source, entries, usable.contents, digests, usable.stored(everything)),
        progress=progress,
    )
    # By name where two pictures are the same.
    ranked = sorted(everything, key=lambda place: (digests[place], entries[place].name))
    train = [place for place in ranked if found.sides[place] != "test"]
    test = [place for place in ranked if found.sides[place] == "test"]
    held_out = [index for index, place in enumerate(train) if found.sides[place] == "validation"]
    if not test or len(held_out) == len(train):
        raise PlumblineError(
            f"{source.path}: expected pictures to train on and to test with, "
            f"got {len(train) - len(held_out)} and {len(test)}; see the splits in {MANIFEST}"
        )
    needed = _COPIES * len(entries) * row_bytes(usable.file.side)
    limit = _limit() if memory_limit is None else memory_limit
    streams = limit is not None and needed > limit
    sets = [usable.stored(train), usable.stored(test)]
    colours = _colours(usable.records["sums"][train], pixels=usable.file.side**2)
    balance = _balance(source.classes, labels=[entry.label for entry in entries])
    return Dataset(
        name=source.path.name,
        classes=source.classes,
        train=sets[0] if streams else sets[0].in_memory(),
        test=sets[1] if streams else sets[1].in_memory(),
        fingerprint=_fingerprint(source.classes, digests=digests, sides=found.sides),
        source=str(source.path),
        mean=colours.mean,
        std=colours.std,
        held_out=torch.tensor(held_out, dtype=torch.int64),
        train_names=tuple(entries[place].name for place in train),
        test_names=tuple(entries[place].name for place in test),
        notes=(*told, *usable.notes, *found.notes, *balance, *([_streamed(needed)] if streams else [])),
    )


def _limit() -> int | None:
    free = free_main_memory()
    return None if free is None else free // 2


def _streamed(needed: int) -> str:
    return (
        f"the pictures would take {needed / 1e6:,.0f} MB in memory and are read from the cache batch by batch"
    )


def _colours(sums: NDArray[np.int64], *, pixels: int) -> ChannelStatistics:
    whole = sums.sum(axis=0).tolist()
    return statistics_of_sums(whole[:3], squares=whole[3:], count=len(sums) * pixels)


def _fingerprint(classes: tuple[str, ...], *, digests: Sequence[str], sides: Sequence[Side]) -> str:
    """Give the hash of classes, and of pixels and labels split by split, in whatever order they come."""
    whole = hashlib.sha256(json.dumps(["pictures", *classes]).encode())
    for side in ("train", "validation", "test"):
        part = sorted(digest for digest, own in zip(digests, sides, strict=True) if own == side)
        whole.update(len(part).to_bytes(8, "big") + bytes.fromhex("".join(part)))
    return whole.hexdigest()


def _balance(classes: tuple[str, ...], *, labels: Sequence[int]) -> tuple[str, ...]:
    counts = Counter(dict.fromkeys(classes, 0) | Counter(classes[label] for label in labels))
    ordered = counts.most_common()
    (largest, most), (smallest, fewest) = ordered[0], ordered[-1]
    notes = []
    if most >= _UNEVEN * fewest:
        notes.append(
            f"the classes are uneven: {most:,} pictures of {quoted(largest)} and {fewest:,} of "
            f"{quoted(smallest)}; balanced accuracy counts all classes alike"
        )
    few = sorted(name for name, count in ordered if count < _FEW)
    if few:
        notes.append(f"classes with fewer than {_FEW} pictures: {len(few):,} ({listed(few)})")
    return tuple(notes)
