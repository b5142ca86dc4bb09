"""Choose the size that pictures of many sizes are brought to, from the pictures themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from plumbline.data.decode import picture_size
from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from plumbline.data.picture_source import PictureEntry, PictureSource

SIDES = (32, 48, 64, 96, 128, 160, 224)
MOST_PIXELS_A_SIDE = 1024
_SAMPLE = 200


@dataclass(frozen=True)
class ImageSide:
    """Pixels a side, and in words where that comes from."""

    side: int
    note: str


def choose_side(source: PictureSource, *, asked: int | None, at_most: int | None = None) -> ImageSide:
    """Give the side that was asked for, or that of `SIDES` nearest to the pictures' median shorter side.

    That one is cut to `at_most`, where it is given.
    Looks at the headers of 200 pictures, evenly spaced over the source. Raises `PlumblineError` for a size
    outside 8 to 1,024, where none of these pictures can be read, and where memory is too short for one.
    """
    if asked is not None:
        if not 8 <= asked <= MOST_PIXELS_A_SIDE:
            raise PlumblineError(
                f"--image-size: expected from 8 to {MOST_PIXELS_A_SIDE:,} pixels a side, got {asked:,}"
            )
        return ImageSide(asked, f"pictures are brought to {asked} x {asked} pixels, as asked")
    entries = source.entries[:: max(1, math.ceil(len(source.entries) / _SAMPLE))]
    shorter = [min(size) for entry in entries if (size := _size(source, entry)) is not None]
    if not shorter:
        raise PlumblineError(
            f"none of the {len(entries):,} pictures of {source.path} that were looked at can be read: "
            f"{_fault(source, entries[0])}"
        )
    typical = round(median(shorter))
    nearest = nearest_side(typical)
    side = nearest if at_most is None else min(nearest, at_most)
    cut = f", and more than {side} takes long on a CPU" if side < nearest else ""
    return ImageSide(
        side,
        f"pictures are brought to {side} x {side} pixels: their shorter sides have a median of {typical:,}"
        f"{cut} (--image-size takes another size)",
    )


def nearest_side(shorter: float) -> int:
    """Give that of `SIDES` whose ratio to `shorter` is nearest to 1, the smaller of two.

    >>> [nearest_side(pixels) for pixels in (8, 32, 60, 80, 500)]
    [32, 32, 64, 96, 224]
    """
    return min(SIDES, key=lambda side: abs(math.log(side / shorter)))


def _size(source: PictureSource, entry: PictureEntry) -> tuple[int, int] | None:
    try:
        return picture_size(source.path_of(entry) or source.read(entry), name=entry.name)
    except PlumblineError:
        return None
    except MemoryError as error:  # without it another size might be chosen
        raise PlumblineError(
            f"{entry.name}: there is not enough memory to read the picture; close other programs"
        ) from error


def _fault(source: PictureSource, entry: PictureEntry) -> str:
    try:
        picture_size(source.read(entry), name=entry.name)
    except PlumblineError as error:
        return str(error)
    return "they cannot be read"
