"""Which images stand in a data set twice: exactly, or as another version of the same picture.

Near duplicates are found in two steps. Sketches of all images are multiplied with one another, and of each
image's likeliest partners those above a floor are compared closely (see `plumbline.data.likeness`). How the
thresholds were chosen and what they miss is said in docs/near-duplicates.md.

Studied for CIFAR by Barz and Denzler, Do we train on test data?, arXiv 1902.00423, by hand and by the
features of a trained network; this needs neither.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from plumbline.data.likeness import Likeness, compare, grey_pictures, sketches
from plumbline.errors import PlumblineError
from plumbline.progress import SILENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from plumbline.data.images import Images
    from plumbline.progress import Progress

# "exact": the same pixels, or the mirror image's; "near": the same picture, cut, scaled or coloured another
# way; "possible": alike enough to be looked at, and counted nowhere.
Kind = Literal["exact", "near", "possible"]

METHOD = "detail correlation 1"
NEAR, POSSIBLE = 0.80, 0.70
# Partners of each image that are looked at closely, and the least product of sketches for that.
PARTNERS, FLOOR = 8, 0.65
_BLOCK = 500


@dataclass(frozen=True)
class DuplicatePair:
    """Two images that are the same picture, by their indices; `similarity` is -1 to 1 (exact: 1).

    Across splits `first` is the test image and `second` the training image; inside one, `first` < `second`.
    """

    first: int
    second: int
    similarity: float
    kind: Kind
    mirrored: bool


@dataclass(frozen=True)
class NearDuplicates:
    """All pairs found, and how: exact ones first, then by falling similarity, by `first`, by `second`."""

    pairs: tuple[DuplicatePair, ...]
    method: str = METHOD

    @property
    def duplicated(self) -> tuple[int, ...]:
        """The first images (across splits: the test images) of exact and near pairs, ascending, each once."""
        return tuple(sorted({pair.first for pair in self.pairs if pair.kind != "possible"}))


def near_duplicates(train: Images, *, test: Images, progress: Progress = SILENT) -> NearDuplicates:
    """Find the test images that have a duplicate or near duplicate among the training images.

    For each test image its eight likeliest partners are compared; of several exact copies the first is given.
    Images of any size are compared at 32x32 pixels. It finds copies that are mirrored, brightened, tinted,
    moved by a pixel or two or zoomed by up to 15 %; most of those that are turned or cut more are missed.
    Simple pictures (digits, a plane before the sky) can be alike without being copies.
    """
    return _all_pairs(test, others=train, title="near duplicates across splits", progress=progress)


def duplicates_within(
    images: Images, *, title: str = "images", progress: Progress = SILENT
) -> NearDuplicates:
    """Find duplicates and near duplicates inside one split, as `near_duplicates` does across two.

    Each image is compared with its eight likeliest partners behind it.
    """
    return _all_pairs(images, others=None, title=f"near duplicates inside {title}", progress=progress)


def clean_test_indices(duplicated: Sequence[int], *, test_count: int) -> torch.Tensor:
    """Give the test images without an exact or near duplicate in training: int64, ascending.

    `duplicated` are those that have one, ascending, as `NearDuplicates.duplicated` gives them.

    >>> clean_test_indices([1], test_count=4)
    tensor([0, 2, 3])
    """
    keep = torch.ones(test_count, dtype=torch.bool)
    if duplicated and duplicated[-1] >= test_count:
        raise PlumblineError(
            f"expected pairs of {test_count:,} test images, got one of image {duplicated[-1]:,}: "
            "these duplicates belong to another data set"
        )
    keep[list(duplicated)] = False
    return torch.nonzero(keep).flatten()


def _all_pairs(images: Images, *, others: Images | None, title: str, progress: Progress) -> NearDuplicates:
    known: dict[tuple[int, int], DuplicatePair] = {}
    with progress.task(title, total=len(images), unit="images") as task:
        for start, pairs in _search(images, others=others):
            known |= {(pair.first, pair.second): pair for pair in pairs}
            task.advance(min(_BLOCK, len(images) - start))
    known |= {(pair.first, pair.second): pair for pair in _exact_pairs(images, others=others)}
    return NearDuplicates(tuple(sorted(known.values(), key=_place)))


def _place(pair: DuplicatePair) -> tuple[bool, float, int, int]:
    return pair.kind != "exact", -pair.similarity, pair.first, pair.second


def _exact_pairs(images: Images, *, others: Images | None) -> Iterator[DuplicatePair]:
    """Pair each image with the first of equal pixels, plain or mirrored: among `others`, or before it."""
    first: dict[bytes, int] = {}
    if others is not None:
        for index, content in enumerate(_contents(others)):
            first.setdefault(content, index)
    mirrored = _contents(images, mirrored=True)
    for index, (content, mirror) in enumerate(zip(_contents(images), mirrored, strict=True)):
        known = first.get(content)
        other = first.get(mirror) if known is None else known
        if other is not None:
            one, two = (index, other) if others is not None else (other, index)
            yield DuplicatePair(one, two, similarity=1.0, kind="exact", mirrored=known is None)
        if others is None:
            first.setdefault(content, index)


def _contents(images: Images, *, mirrored: bool = False) -> Iterator[bytes]:
    for chunk in _blocks(images):
        ready = (chunk.flip(-1) if mirrored else chunk).contiguous().flatten(1).numpy()
        yield from (hashlib.sha256(row.data).digest() for row in ready)


def _blocks(images: Images) -> Iterator[torch.Tensor]:
    # One block, of nothing, where there are no images.
    places = [slice(start, start + _BLOCK) for start in range(0, max(1, len(images)), _BLOCK)]
    return (chunk.cpu() for chunk in images.take_each(places))


def _search(images: Images, *, others: Images | None) -> Iterator[tuple[int, list[DuplicatePair]]]:
    """Give each block's start with its near and possible pairs; `others` None: inside `images`."""
    searched = images if others is None else others
    against = torch.cat([sketches(block) for block in _blocks(searched)])
    for number, block in enumerate(_blocks(images)):
        start = number * _BLOCK
        behind = start if others is None else 0
        product = torch.maximum(
            sketches(block) @ against[behind:].T, sketches(block.flip(-1)) @ against[behind:].T
        )
        if others is None:
            product = product.triu(1)
        values, partners = product.topk(min(PARTNERS, product.shape[1]), dim=1)
        rows, places = torch.nonzero(values >= FLOOR, as_tuple=True)
        first, second = rows + start, partners[rows, places] + behind
        # Each partner once, and read when it is wanted: all in grey would be more than many sets themselves.
        wanted, where = torch.unique(second, return_inverse=True)
        theirs = torch.cat([grey_pictures(part) for part in _blocks(searched.select(wanted))])
        found = compare(grey_pictures(block)[rows], second=theirs[where])
        yield start, list(_judged(first.tolist(), second.tolist(), found))


def _judged(first: list[int], second: list[int], found: Likeness) -> Iterator[DuplicatePair]:
    seen = zip(first, second, found.score.tolist(), found.mirrored.tolist(), strict=True)
    for one, two, similarity, mirror in seen:
        if similarity >= POSSIBLE:
            kind: Kind = "near" if similarity >= NEAR else "possible"
            yield DuplicatePair(one, two, similarity=min(similarity, 1.0), kind=kind, mirrored=mirror)
