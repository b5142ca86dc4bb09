"""Share pictures out to training, validation and test: stratified, near duplicates kept together, by seed."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plumbline.data.split import class_quotas
from plumbline.errors import PlumblineError
from plumbline.streams import stream_seed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from plumbline.data.picture_names import Side


@dataclass(frozen=True)
class Partition:
    """The split of each image, and how many groups had been given to several splits before."""

    splits: tuple[Side, ...]
    torn_groups: int = 0


def partition(
    labels: Sequence[int],
    *,
    groups: Sequence[int],
    given: Sequence[Side | None],
    keys: Sequence[str] | None = None,
    seed: int = 0,
    validation_fraction: float = 0.1,
    test_fraction: float = 0.15,
    top_up: bool = False,
) -> Partition:
    """Give every image a split: what was `given` stays, and what is missing of validation and test is made.

    It is made from the images without a given split, or, where all have one, from those of training: of each
    class in proportion (by largest remainder), at least one image, always leaving one to train on, and one
    for each split that is still to be made; where a class is too small for that, test comes first. Images of
    the same number in `groups` stay on one side; where some of them were given a split the others follow (to
    training, if they were given to several). Which ones are taken is decided by a hash of the seed and an
    image's key (its place, without `keys`), so with keys the order has no say. With `top_up` splits that are
    there are filled up to their fractions too, for pictures that come later.

    Raises `PlumblineError` unless there is one of each for every image and the fractions leave something.

    >>> partition([0, 0, 1, 1], groups=[0, 1, 2, 3], given=[None] * 4).splits
    ('train', 'test', 'train', 'test')
    """
    _check(labels, others=(groups, given, keys or labels), fractions=(validation_fraction, test_fraction))
    sides: list[Side] = [side or "train" for side in given]
    free = [index for index, side in enumerate(given) if side is None]
    free = free or [index for index, side in enumerate(given) if side == "train"]
    together = _together(groups)
    torn = _follow(sides, given=given, together=together.values())
    pool = _movable(free, sides=sides, groups=groups, together=together)
    root = stream_seed(seed, "split").to_bytes(8, "big")
    hashes = [
        hashlib.sha256(root + (index.to_bytes(8, "big") if keys is None else keys[index].encode())).digest()
        for index in range(len(labels))
    ]
    pool.sort(key=lambda members: min(hashes[member] for member in members))
    fractions: tuple[tuple[Side, float], ...] = (("test", test_fraction), ("validation", validation_fraction))
    made = [(side, fraction) for side, fraction in fractions if fraction and (top_up or side not in given)]
    base = range(len(labels)) if top_up else free
    for place, (side, fraction) in enumerate(made):
        there = _count(labels, sides=sides, side=side)
        # One is left for training, and one for each split that is still to be made.
        wanted = _wanted(labels, base=base, there=there, fraction=fraction, leave=len(made) - place)
        pool = _take(pool, wanted=wanted, labels=labels, sides=sides, side=side)
    return Partition(tuple(sides), torn)


def _check(
    labels: Sequence[int], *, others: Iterable[Sequence[object]], fractions: tuple[float, float]
) -> None:
    if any(len(other) != len(labels) for other in others):
        raise PlumblineError(
            f"expected one group, one given split and one key for each of {len(labels):,} images, "
            f"got {', '.join(f'{len(other):,}' for other in others)}"
        )
    if min(fractions) < 0 or sum(fractions) >= 1:
        raise PlumblineError(
            f"expected fractions for validation and test that leave some for training, got {fractions[0]} "
            f"and {fractions[1]}"
        )


def _together(groups: Sequence[int]) -> dict[int, list[int]]:
    members: dict[int, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    return members


def _follow(sides: list[Side], *, given: Sequence[Side | None], together: Iterable[list[int]]) -> int:
    """Send images without a split after those of their group that have one; count groups given to several."""
    torn = 0
    order: tuple[Side, ...] = ("train", "validation", "test")
    for members in together:
        known = {given[member] for member in members} - {None}
        torn += len(known) > 1
        for member in members:
            if known and given[member] is None:
                sides[member] = next(side for side in order if side in known)
    return torn


def _movable(
    free: list[int], *, sides: list[Side], groups: Sequence[int], together: dict[int, list[int]]
) -> list[list[int]]:
    """Give the groups all of whose images may be moved: a group with one that stays, stays."""
    may_move = set(free)
    return [
        members
        for group in dict.fromkeys(groups[index] for index in free)
        if may_move.issuperset(members := together[group])
        and all(sides[member] == "train" for member in members)
    ]


def _count(labels: Sequence[int], *, sides: list[Side], side: Side) -> Counter[int]:
    return Counter(label for label, own in zip(labels, sides, strict=True) if own == side)


def _wanted(
    labels: Sequence[int], *, base: Iterable[int], there: Counter[int], fraction: float, leave: int
) -> Counter[int]:
    """Give how many images of each class a split still needs: its share of `base`, but one at least.

    Where it can have that one all the same, it leaves `leave` of the class.
    """
    counts = Counter(labels[index] for index in base)
    if not counts:
        return Counter()
    classes = sorted(counts)
    total = round(fraction * counts.total())
    quotas = class_quotas([counts[label] for label in classes], total=total)
    return Counter(
        {
            label: max(1, min(quota, counts[label] - leave)) - there[label]
            for label, quota in zip(classes, quotas, strict=True)
        }
    )


def _take(
    pool: list[list[int]], *, wanted: Counter[int], labels: Sequence[int], sides: list[Side], side: Side
) -> list[list[int]]:
    """Move groups to `side` while they fit what is wanted, and give the groups that are left.

    A class that got nothing, since all its groups are larger than its share, gets its smallest one.
    """
    left = _count(labels, sides=sides, side="train")
    before = _count(labels, sides=sides, side=side)
    missing = Counter(wanted)

    def move(members: list[int]) -> None:
        for member in members:
            sides[member] = side
            left[labels[member]] -= 1
            missing[labels[member]] -= 1

    for members in pool:
        counts = Counter(labels[member] for member in members)
        if all(count <= missing[label] and left[label] > count for label, count in counts.items()):
            move(members)
    starved = {
        label
        for label, count in wanted.items()
        if count > 0 and not before[label] and missing[label] == count
    }
    for members in sorted(pool, key=len):
        counts = Counter(labels[member] for member in members)
        if starved & counts.keys() and all(left[other] > count for other, count in counts.items()):
            move(members)
            starved -= counts.keys()
    return [members for members in pool if sides[members[0]] == "train"]
