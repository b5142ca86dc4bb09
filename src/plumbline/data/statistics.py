"""What a split holds, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from plumbline.data.content import channel_sums, statistics_of_sums

if TYPE_CHECKING:
    from plumbline.data.images import Images

_CHUNK = 1000


@dataclass(frozen=True)
class SplitStatistics:
    """Counts and colours of one split.

    `per_class` counts the images of each label; `mean` and `std` are of red, green and blue, as
    `ChannelStatistics` has them; `constant` are the indices of images of one single colour, which show
    nothing.
    """

    count: int
    per_class: tuple[int, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    constant: tuple[int, ...]


def split_statistics(split: Images, *, classes: int) -> SplitStatistics:
    """Count a split whose labels are 0 to `classes` - 1.

    >>> from plumbline.data.images import ImageSet
    >>> images = torch.full((2, 3, 4, 4), 51, dtype=torch.uint8)
    >>> images[1, 0, 0, 0] = 0
    >>> found = split_statistics(ImageSet(images, torch.tensor([2, 2])), classes=3)
    >>> found.per_class, found.constant
    ((0, 0, 2), (0,))
    """
    sums, pixels = torch.zeros(2, 3, dtype=torch.float64), 0
    constant: list[bool] = []
    for images in split.take_each([slice(start, start + _CHUNK) for start in range(0, len(split), _CHUNK)]):
        flat = images.flatten(2)
        constant += (flat == flat[:, :, :1]).all(dim=2).all(dim=1).tolist()
        sums += channel_sums(images)
        pixels += images.numel() // 3
    colours = statistics_of_sums(sums[0].tolist(), squares=sums[1].tolist(), count=pixels)
    return SplitStatistics(
        count=len(split),
        per_class=tuple(torch.bincount(split.labels, minlength=classes).tolist()),
        mean=colours.mean,
        std=colours.std,
        constant=tuple(index for index, is_constant in enumerate(constant) if is_constant),
    )
