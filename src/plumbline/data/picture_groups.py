"""Put pictures that are versions of one another into groups, so that a group can stay on one side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from plumbline.data.duplicates import DuplicatePair, duplicates_within, near_duplicates
from plumbline.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from plumbline.data.images import Images
    from plumbline.progress import Progress

# The search compares every picture that may be moved with every other: minutes up to this product.
_MOST_COMPARED = 200_000**2
# A set in which more than this part of the pictures hang together is one of pictures that are simply alike.
_LARGEST_PART = 0.02


@dataclass(frozen=True)
class PictureGroups:
    """The group of each picture, by number, and one line for each thing that a person should know."""

    groups: tuple[int, ...]
    notes: tuple[str, ...]


def duplicate_groups(
    images: Images, *, movable: Sequence[int], contents: Sequence[str], progress: Progress = SILENT
) -> PictureGroups:
    """Group the pictures that are the same or nearly the same, where at least one of them is `movable`.

    `movable` are places in `images`, ascending; `contents` is a hash of each picture, equal for equal ones.
    Where near duplicates would chain a fiftieth of all pictures together or more (simple drawings, digits),
    and where there are too many pictures to compare, only equal pictures are grouped.
    """
    first: dict[str, int] = {}
    equal = [(first.setdefault(content, place), place) for place, content in enumerate(contents)]
    exact = _joined(len(images), pairs=equal)
    if len(movable) * len(images) > _MOST_COMPARED:
        return PictureGroups(
            exact, ("near duplicates were not looked for, since there are too many pictures to compare",)
        )
    near = _joined(len(images), pairs=[*equal, *_near(images, movable=movable, progress=progress)])
    sizes = torch.bincount(torch.tensor(near)) if near else torch.zeros(1)
    largest = int(sizes.max())
    if largest > max(20, _LARGEST_PART * len(images)):
        note = (
            f"{largest:,} pictures look alike one after the other: near duplicates cannot be told from "
            "pictures that are alike, and only equal ones were kept in one split"
        )
        return PictureGroups(exact, (note,))
    together = int(sizes[sizes > 1].sum())
    note = f"pictures that are equal or nearly so stay in one split: {together:,} have a duplicate"
    return PictureGroups(near, (note,) if together else ())


def _near(images: Images, *, movable: Sequence[int], progress: Progress) -> Iterable[tuple[int, int]]:
    own = torch.tensor(movable, dtype=torch.int64)
    may_move = torch.zeros(len(images), dtype=torch.bool)
    may_move[own] = True
    others = torch.nonzero(~may_move).flatten()
    chosen = images.select(own)
    within = duplicates_within(chosen, title="your pictures", progress=progress).pairs
    yield from ((int(own[pair.first]), int(own[pair.second])) for pair in _meant(within))
    if len(others):
        across = near_duplicates(images.select(others), test=chosen, progress=progress).pairs
        yield from ((int(own[pair.first]), int(others[pair.second])) for pair in _meant(across))


def _meant(pairs: Iterable[DuplicatePair]) -> Iterable[DuplicatePair]:
    return (pair for pair in pairs if pair.kind != "possible")


def _joined(count: int, *, pairs: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    """Give each of `count` places the smallest place that pairs connect it with."""
    lowest = list(range(count))

    def find(place: int) -> int:
        while lowest[place] != place:
            lowest[place] = lowest[lowest[place]]
            place = lowest[place]
        return place

    for one, other in pairs:
        low, high = sorted((find(one), find(other)))
        lowest[high] = low
    return tuple(find(place) for place in range(count))
