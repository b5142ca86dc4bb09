"""Crop, flip, resize, normalise, jitter and cut whole batches, with a random draw of its own for every image.

All randomness comes from a CPU generator that the caller names, so the numbers are the same on every device.
The work itself happens where the images are. Every function takes images in either memory format; crop and
flip give channels_last and are quickest where they get it.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch.nn import functional

from plumbline.data.placement import onto
from plumbline.errors import PlumblineError
from plumbline.streams import stream_generator

if TYPE_CHECKING:
    from collections.abc import Sequence

Fill = Literal["zeros", "reflect"]


def random_crop(
    images: torch.Tensor, *, padding: int, generator: torch.Generator, fill: Fill = "zeros"
) -> torch.Tensor:
    """Pad every image by `padding` pixels on each side and cut its own size out at an offset of its own.

    Takes and gives (N, C, H, W) of any dtype. Offsets are uniform on 0..2·padding in both directions, as in
    torchvision's RandomCrop(size, padding=padding); `fill` is as in `crop_at`.

    >>> images = torch.arange(48, dtype=torch.uint8).reshape(1, 3, 4, 4)
    >>> random_crop(images, padding=1, generator=torch.Generator().manual_seed(0)).shape
    torch.Size([1, 3, 4, 4])
    """
    offsets = draw_offsets(len(images), padding=padding, generator=generator)
    return crop_at(images, padding=padding, offsets=offsets, fill=fill)


def draw_offsets(count: int, *, padding: int, generator: torch.Generator) -> torch.Tensor:
    """Draw where to crop `count` images: int64 (2, N), rows, then columns, uniform on 0..2·padding.

    >>> draw_offsets(5, padding=0, generator=torch.Generator()).tolist()
    [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    """
    if padding < 0:
        raise PlumblineError(f"expected a crop padding of 0 or more pixels, got {padding}")
    return torch.randint(0, 2 * padding + 1, (2, count), generator=generator)


def crop_at(
    images: torch.Tensor,
    *,
    padding: int,
    offsets: torch.Tensor,
    fill: Fill = "zeros",
    mirrored: torch.Tensor | None = None,
) -> torch.Tensor:
    """Pad (N, C, H, W) and cut H x W out at `offsets`, int64 (2, N): rows, then columns.

    `fill` is what lies beyond the edge: zeros, or the image itself, reflected without repeating its edge.
    `mirrored`, bool (N,), says which crops are mirrored left to right as well, in the same pass. Raises
    `PlumblineError` for another fill, and where an image is too small to be reflected that far.

    >>> images = torch.tensor([[[[1, 2], [3, 4]]]])
    >>> crop_at(images, padding=1, offsets=torch.tensor([[2], [1]]))
    tensor([[[[3, 4],
              [0, 0]]]])
    >>> crop_at(images, padding=1, offsets=torch.tensor([[2], [1]]), fill="reflect")
    tensor([[[[3, 4],
              [1, 2]]]])
    """
    height, width = images.shape[-2:]
    if fill not in get_args(Fill):
        raise PlumblineError(f"expected the fill of a crop as {' or '.join(get_args(Fill))}, got {fill!r}")
    if fill == "reflect" and padding >= min(height, width):
        raise PlumblineError(
            f"expected a crop padding below the image size to reflect {height}x{width} images, got {padding}"
        )
    top, left = onto(offsets, images.device).unsqueeze(2)
    rows = top + torch.arange(height, device=images.device)
    columns = left + torch.arange(width, device=images.device)
    if mirrored is not None:
        columns = torch.where(onto(mirrored, images.device).unsqueeze(1), columns.flip(1), columns)
    if fill == "zeros":
        return _pick(functional.pad(images, (padding,) * 4), rows=rows, columns=columns)
    return _pick(
        images, rows=_reflect(rows - padding, size=height), columns=_reflect(columns - padding, size=width)
    )


def _reflect(indices: torch.Tensor, *, size: int) -> torch.Tensor:
    last = size - 1
    return last - (last - indices.abs()).abs()


def _pick(images: torch.Tensor, *, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Give image n's pixel (rows[n, i], columns[n, j]) at (i, j): (N, C, I, J), channels_last."""
    pixels = images.permute(0, 2, 3, 1).contiguous()
    count, height, width, channels = pixels.shape
    # Whole lines first, since copying them is nearly free, then values within the lines.
    starts = height * torch.arange(count, device=images.device).unsqueeze(1)
    lines = pixels.view(count * height, width * channels).index_select(0, (starts + rows).flatten())
    within = (channels * columns).unsqueeze(2) + torch.arange(channels, device=images.device)
    within = within.view(count, 1, -1).expand(-1, rows.shape[1], -1)
    picked = lines.view(count, rows.shape[1], -1).gather(2, within)
    return picked.view(count, rows.shape[1], columns.shape[1], channels).permute(0, 3, 1, 2)


def random_flip(images: torch.Tensor, *, generator: torch.Generator) -> torch.Tensor:
    """Mirror each image of (N, C, H, W) left to right with probability one half.

    >>> images = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    >>> random_flip(images, generator=torch.Generator().manual_seed(0)).dtype
    torch.uint8
    """
    return flip_where(images, mirrored=draw_mirrored(len(images), generator=generator))


def draw_mirrored(count: int, *, generator: torch.Generator) -> torch.Tensor:
    """Draw which of `count` images to mirror: bool (N,), each with probability one half.

    >>> draw_mirrored(3, generator=torch.Generator()).dtype
    torch.bool
    """
    return torch.randint(0, 2, (count,), generator=generator).bool()


def alternating_mask(indices: torch.Tensor, *, count: int, seed: int, epoch: int) -> torch.Tensor:
    """Say which of the images at `indices`, int64 (N,), are mirrored in `epoch`: bool (N,), on the CPU.

    Half of all `count` images, chosen once by `seed`, are mirrored in even epochs and the other half in odd
    ones, so that two epochs in a row show every image both ways (Jordan, arXiv 2404.00498).

    >>> everything = torch.arange(4)
    >>> even, odd = (alternating_mask(everything, count=4, seed=7, epoch=epoch) for epoch in (0, 1))
    >>> int(even.sum()), torch.equal(even, ~odd)
    (2, True)
    """
    return _mirrored_in_even_epochs(count, seed)[indices.cpu()] ^ bool(epoch % 2)


@functools.lru_cache(maxsize=4)
def _mirrored_in_even_epochs(count: int, seed: int) -> torch.Tensor:
    return torch.randperm(count, generator=stream_generator(seed, "flip")) < count // 2


def flip_where(images: torch.Tensor, *, mirrored: torch.Tensor) -> torch.Tensor:
    """Mirror those of (N, C, H, W) left to right where `mirrored`, bool (N,), says so.

    >>> flip_where(torch.tensor([[[[1, 2]]], [[[3, 4]]]]), mirrored=torch.tensor([True, False])).flatten()
    tensor([2, 1, 3, 4])
    """
    nowhere = torch.zeros(2, len(images), dtype=torch.int64)
    return crop_at(images, padding=0, offsets=nowhere, mirrored=mirrored)


def resize(images: torch.Tensor, *, size: int) -> torch.Tensor:
    """Bring (N, C, H, W) to `size` x `size`, bilinear with antialiasing; uint8 stays uint8, rounded.

    On the CPU uint8 is computed in integers, at most one grey level from the same in float32, rounded.

    >>> resize(torch.full((1, 3, 4, 4), 9, dtype=torch.uint8), size=2).unique()
    tensor([9], dtype=torch.uint8)
    """
    if size < 1:
        raise PlumblineError(f"expected an image size of at least 1 pixel, got {size}")
    if images.shape[-2:] == (size, size):
        return images
    # torch has integer kernels for the CPU alone: seven times as fast as those for float32.
    widened = images.dtype == torch.uint8 and images.device.type != "cpu"
    scaled = functional.interpolate(
        images.float() if widened else images,
        size=(size, size),
        mode="bilinear",
        align_corners=False,
        antialias=True,
    )
    return scaled.round_().clamp_(0, 255).to(torch.uint8) if widened else scaled


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
    scales = torch.tensor([1 / (255 * value) for value in std])
    shifts = torch.tensor([-center / value for center, value in zip(mean, std, strict=True)])
    scale, shift = onto(scales, images.device), onto(shifts, images.device)
    if not channels_last:
        values = images.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
        return values.mul_(scale.view(-1, 1, 1)).add_(shift.view(-1, 1, 1)).to(dtype)
    values = images.to(torch.float32, memory_format=torch.channels_last, copy=True)
    # Constants as long as an image: with three at a time the loops inside torch take several times as long.
    count, channels, height, width = values.shape
    flat = values.permute(0, 2, 3, 1).view(count, height * width * channels)
    flat.mul_(scale.repeat(height * width)).add_(shift.repeat(height * width))
    return values.to(dtype)


def draw_jitter(count: int, *, strength: float, generator: torch.Generator) -> torch.Tensor:
    """Draw how to light `count` images: float32 (2, N), shifts on ±strength, then factors on 1 ± strength.

    >>> shifts, factors = draw_jitter(3, strength=0.2, generator=torch.Generator())
    >>> bool((shifts.abs() <= 0.2).all()), bool(((factors - 1).abs() <= 0.2).all())
    (True, True)
    """
    if not 0 <= strength < 1:
        raise PlumblineError(f"expected a jitter of at least 0 and below 1, got {strength}")
    drawn = strength * (2 * torch.rand(2, count, generator=generator) - 1)
    drawn[1] += 1
    return drawn


def jitter(images: torch.Tensor, *, drawn: torch.Tensor) -> torch.Tensor:
    """Shift the brightness of normalised images (N, C, H, W), then scale their contrast, both in place.

    `drawn`, (2, N), is what `draw_jitter` gives: a shift, in deviations of the data's pixels, and a factor
    for each image, as in github.com/hiverge/cifar10-speedrun.

    >>> jitter(torch.tensor([[[[0.0, 1.0]]]]), drawn=torch.tensor([[1.0], [2.0]])).flatten()
    tensor([2., 4.])
    """
    shifts, factors = onto(drawn.to(images.dtype), images.device).view(2, -1, 1, 1, 1)
    return images.add_(shifts).mul_(factors)


def draw_squares(count: int, *, side: int, size: int, generator: torch.Generator) -> torch.Tensor:
    """Draw a square of `side` pixels within each of `count` images: int64 (2, N), its top rows, then columns.

    Uniform over the places at which the whole square lies within an image of `size` x `size`.

    >>> draw_squares(3, side=4, size=4, generator=torch.Generator()).tolist()
    [[0, 0, 0], [0, 0, 0]]
    """
    if not 1 <= side <= size:
        raise PlumblineError(f"expected a square of 1 to {size} pixels in images of that size, got {side}")
    return torch.randint(0, size - side + 1, (2, count), generator=generator)


def cut_out(images: torch.Tensor, *, corners: torch.Tensor, side: int) -> torch.Tensor:
    """Set a square of normalised images (N, C, H, W) to zero, the mean of the data, in place.

    `corners`, int64 (2, N), is what `draw_squares` gives (DeVries and Taylor, arXiv 1708.04552; squares that
    lie within the image as in github.com/KellerJordan/cifar10-airbench).

    >>> cut_out(torch.ones(1, 1, 3, 3), corners=torch.tensor([[1], [0]]), side=2)[0, 0].int()
    tensor([[1, 1, 1],
            [0, 0, 1],
            [0, 0, 1]], dtype=torch.int32)
    """
    height, width = images.shape[-2:]
    top, left = onto(corners, images.device).unsqueeze(2)
    rows = torch.arange(height, device=images.device) - top
    columns = torch.arange(width, device=images.device) - left
    inside = ((rows >= 0) & (rows < side)).unsqueeze(2) & ((columns >= 0) & (columns < side)).unsqueeze(1)
    return images.masked_fill_(inside.unsqueeze(1), 0)
