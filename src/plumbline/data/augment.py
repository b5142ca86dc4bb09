"""Crop, flip, resize and normalise whole batches, with a random draw of its own for every image.

All randomness comes from a CPU generator that the caller names, so the numbers are the same on every device.
The work itself happens where the images are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from collections.abc import Sequence


def random_crop(images: torch.Tensor, *, padding: int, generator: torch.Generator) -> torch.Tensor:
    """Pad every image with `padding` zeros on each side and cut its own size out at an offset of its own.

    Takes and gives (N, C, H, W) of any dtype. Offsets are uniform on 0..2·padding in both directions, as in
    torchvision's RandomCrop(size, padding=padding).

    >>> images = torch.arange(48, dtype=torch.uint8).reshape(1, 3, 4, 4)
    >>> random_crop(images, padding=1, generator=torch.Generator().manual_seed(0)).shape
    torch.Size([1, 3, 4, 4])
    """
    if padding < 0:
        raise PlumblineError(f"expected a crop padding of 0 or more pixels, got {padding}")
    count, _, height, width = images.shape
    offsets = torch.randint(0, 2 * padding + 1, (2, count), generator=generator)
    return crop_at(images, padding=padding, offsets=offsets, size=(height, width))


def crop_at(
    images: torch.Tensor, *, padding: int, offsets: torch.Tensor, size: tuple[int, int]
) -> torch.Tensor:
    """Pad (N, C, H, W) with zeros and cut `size` out at `offsets`, int64 (2, N): rows, then columns.

    >>> images = torch.tensor([[[[1, 2], [3, 4]]]])
    >>> crop_at(images, padding=1, offsets=torch.tensor([[2], [1]]), size=(2, 2))
    tensor([[[[3, 4],
              [0, 0]]]])
    """
    height, width = size
    windows = functional.pad(images, (padding,) * 4).unfold(2, height, 1).unfold(3, width, 1)
    rows, columns = offsets.to(images.device)
    return windows[torch.arange(len(images), device=images.device), :, rows, columns]


def random_flip(images: torch.Tensor, *, generator: torch.Generator) -> torch.Tensor:
    """Mirror each image of (N, C, H, W) left to right with probability one half.

    >>> images = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    >>> random_flip(images, generator=torch.Generator().manual_seed(0)).dtype
    torch.uint8
    """
    flipped = torch.randint(0, 2, (len(images), 1, 1, 1), generator=generator).bool().to(images.device)
    return torch.where(flipped, images.flip(3), images)


def resize(images: torch.Tensor, *, size: int) -> torch.Tensor:
    """Bring (N, C, H, W) to `size` x `size`, bilinear with antialiasing; uint8 stays uint8, rounded.

    >>> resize(torch.full((1, 3, 4, 4), 9, dtype=torch.uint8), size=2).unique()
    tensor([9], dtype=torch.uint8)
    """
    if size < 1:
        raise PlumblineError(f"expected an image size of at least 1 pixel, got {size}")
    if images.shape[-2:] == (size, size):
        return images
    values = images.float() if images.dtype == torch.uint8 else images
    scaled = functional.interpolate(
        values, size=(size, size), mode="bilinear", align_corners=False, antialias=True
    )
    return scaled.round_().clamp_(0, 255).to(torch.uint8) if images.dtype == torch.uint8 else scaled


def normalize(
    images: torch.Tensor,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    dtype: torch.dtype = torch.float32,
    channels_last: bool = False,
) -> torch.Tensor:
    """Bring uint8 (N, C, H, W) to the 0..1 scale, subtract `mean` and divide by `std`, channel by channel.

    Computed in float32, then given as `dtype`; `channels_last` chooses the memory format of the result.

    >>> normalize(torch.full((1, 1, 1, 1), 255, dtype=torch.uint8), mean=[0.5], std=[0.25]).item()
    2.0
    """
    if len(mean) != images.shape[1] or len(std) != images.shape[1] or min(std) <= 0:
        raise PlumblineError(
            f"expected a mean and a positive std for each of {images.shape[1]} channels, got {mean} and {std}"
        )
    layout = torch.channels_last if channels_last else torch.contiguous_format
    scale = torch.tensor([1 / (255 * value) for value in std], device=images.device)
    shift = torch.tensor(
        [-center / value for center, value in zip(mean, std, strict=True)], device=images.device
    )
    values = images.to(torch.float32, memory_format=layout, copy=True)
    return values.mul_(scale.view(1, -1, 1, 1)).add_(shift.view(1, -1, 1, 1)).to(dtype)
