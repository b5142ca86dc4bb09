"""What a split holds, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from plumbline.data.content import channel_statistics

if TYPE_CHECKING:
    from plumbline.data.images import ImageSet


@dataclass(frozen=True)
class SplitStatistics:
    """Counts and colours of one split.

    `per_class` counts the images of each label; `mean` and `std` are of red, green and blue on the 0..1
    scale; `constant` are the indices of images of one single colour, which show nothing.
    """

    count: int
    per_class: tuple[int, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    constant: tuple[int, ...]


def split_statistics(split: ImageSet, *, classes: int) -> SplitStatistics:
    """Count a split whose labels are 0 to `classes` - 1.

    >>> from plumbline.data.images import ImageSet
    >>> images = torch.full((2, 3, 4, 4), 51, dtype=torch.uint8)
    >>> images[1, 0, 0, 0] = 0
    >>> found = split_statistics(ImageSet(images, torch.tensor([2, 2])), classes=3)
    >>> found.per_class, found.constant
    ((0, 0, 2), (0,))
    """
    flat = split.images.flatten(2)
    constant = torch.nonzero((flat == flat[:, :, :1]).all(dim=2).all(dim=1)).flatten()
    colours = channel_statistics(split.images)
    return SplitStatistics(
        count=len(split),
        per_class=tuple(torch.bincount(split.labels, minlength=classes).tolist()),
        mean=colours.mean,
        std=colours.std,
        constant=tuple(constant.tolist()),
    )
