"""How alike two pictures are: sketches that find candidates fast, and a close look at each pair.

Both ignore brightness, contrast and colour cast, and both take an image and its mirror image for the same.
The close look compares local detail: what is left when the neighbourhood's mean is subtracted and its
contrast divided out, so that a horizon or a white background, which thousands of images share, counts little.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch.nn import functional

SIDE = 32
MARGIN = 4
ZOOMS = (0.87, 0.93, 1.0, 1.075, 1.15)
# An image is rarely stretched: zooms across and down differ by less than this factor.
_STRETCH = 1.18
# Neighbourhoods, in pixels, whose mean and contrast are taken out: for the close look, and for sketches.
_FINE, _COARSE = (5, 9), (9, 15)
_BLUR = 5
# Grey levels: contrast below this is noise, and is not brought up to that of edges.
_NOISE = 8.0
# What a zoom of 1.15 and the neighbourhood of the last pixel reach beyond the picture.
_EDGE = 7
_TINY = 1e-6
_CHUNK = 1000


@dataclass(frozen=True)
class Likeness:
    """For each pair: `score` float32 (N,), -1 to 1, and whether the mirror image fits better, bool (N,)."""

    score: torch.Tensor
    mirrored: torch.Tensor


def grey_pictures(images: torch.Tensor) -> torch.Tensor:
    """Bring uint8 images (N, 3, H, W) to grey float32 (N, 32, 32), 0 to 255.

    >>> grey_pictures(torch.full((1, 3, 64, 48), 9, dtype=torch.uint8)).round().unique()
    tensor([9.])
    """
    parts = [_small(chunk).mean(dim=1) for chunk in torch.split(images, _CHUNK)]
    return torch.cat(parts) if parts else torch.empty(0, SIDE, SIDE)


def sketches(images: torch.Tensor) -> torch.Tensor:
    """Give uint8 images (N, 3, H, W) as unit vectors, float32 (N, 448), whose product tells likely pairs.

    Half of the product is the correlation of the colours at 8x8 pixels, half that of the detail at 16x16.

    >>> images = torch.arange(2 * 3 * 32 * 32).remainder(251).to(torch.uint8).view(2, 3, 32, 32)
    >>> product = sketches(images) @ sketches((images // 2 + 20).to(torch.uint8)).T
    >>> bool(product[0, 0] > 0.95)
    True
    """
    if not len(images):
        return torch.empty(0, 448)
    return torch.cat([_sketch(chunk) for chunk in torch.split(images, _CHUNK)])


def compare(first: torch.Tensor, *, second: torch.Tensor) -> Likeness:
    """Give the best correlation of detail between grey pictures, pair by pair; both float32 (N, 32, 32).

    The middle of each first picture, 24 pixels a side, is mirrored or not, zoomed by 0.87 to 1.15 across and
    down, moved by up to 4 pixels, and correlated with the second picture there. The best of these counts.

    >>> picture = torch.rand(1, 32, 32, generator=torch.Generator().manual_seed(1)) * 255
    >>> found = compare(picture, second=picture.flip(-1) / 2 + 30)
    >>> bool(found.score[0] > 0.95), found.mirrored
    (True, tensor([True]))
    """
    if not len(first):
        return Likeness(torch.empty(0), torch.empty(0, dtype=torch.bool))
    scores: list[torch.Tensor] = []
    mirrored: list[torch.Tensor] = []
    # Small chunks: the windows of 32 pictures are 6 MB, which stay near the processor.
    for one, other in zip(torch.split(first, 32), torch.split(second, 32), strict=True):
        products = _windows(detail(other)) @ _templates(one).transpose(1, 2)
        best = products.amax(dim=1)
        plain, mirror = best.chunk(2, dim=1)
        scores.append(best.amax(dim=1))
        mirrored.append(mirror.amax(dim=1) > plain.amax(dim=1))
    return Likeness(torch.cat(scores), torch.cat(mirrored))


def detail(grey: torch.Tensor, *, sizes: tuple[int, int] = _FINE) -> torch.Tensor:
    """Give pictures (…, 32, 32) less their neighbourhood's mean, divided by its contrast."""
    near, wide = (_box(size) for size in sizes)
    fine = grey - near @ grey @ near.T
    return fine / ((wide @ fine.square() @ wide.T).clamp_min(0).sqrt() + _NOISE)


def _small(images: torch.Tensor) -> torch.Tensor:
    values = images.float()
    if values.shape[-2:] == (SIDE, SIDE):
        return values
    return functional.interpolate(values, size=(SIDE, SIDE), mode="bilinear", antialias=True)


def _sketch(images: torch.Tensor) -> torch.Tensor:
    small = _small(images)
    colours = functional.avg_pool2d(small, SIDE // 8)
    # Blurred, so that a shift of a pixel or two does not undo the likeness.
    blur = _box(_BLUR)
    lines = functional.avg_pool2d(blur @ detail(small.mean(dim=1), sizes=_COARSE) @ blur.T, SIDE // 16)
    return torch.cat([_unit(colours.flatten(2)).flatten(1), _unit(lines.flatten(1))], dim=1) / 2**0.5


def _unit(values: torch.Tensor) -> torch.Tensor:
    """Subtract the mean over the last dimension; scale all but the first dimension to length 1."""
    centred = values - values.mean(dim=-1, keepdim=True)
    length: torch.Tensor = torch.linalg.vector_norm(centred.flatten(1), dim=1).clamp_min(_TINY)
    return centred / length.view(-1, *[1] * (centred.ndim - 1))


def _windows(pictures: torch.Tensor) -> torch.Tensor:
    """Give all windows of 24x24 pixels as vectors of length 1: (N, 81, 576)."""
    inner = SIDE - 2 * MARGIN
    return _each_unit(pictures.unfold(1, inner, 1).unfold(2, inner, 1).reshape(len(pictures), -1, inner**2))


def _templates(grey: torch.Tensor) -> torch.Tensor:
    """Give the middles of all zooms as vectors of length 1: (N, 2 Z, 576), the mirrored ones last."""
    down, across = _zoom_pairs()
    zoomed = detail(down @ grey[:, None] @ across.transpose(1, 2))
    middle = zoomed[..., MARGIN : SIDE - MARGIN, MARGIN : SIDE - MARGIN]
    return _each_unit(torch.cat([middle, middle.flip(-1)], dim=1).flatten(2))


def _each_unit(vectors: torch.Tensor) -> torch.Tensor:
    centred = vectors - vectors.mean(dim=-1, keepdim=True)
    length: torch.Tensor = torch.linalg.vector_norm(centred, dim=-1, keepdim=True)
    return centred / length.clamp_min(_TINY)


@cache
def _box(size: int) -> torch.Tensor:
    """Give the matrix (32, 32) that averages `size` neighbours, reflected at the edge."""
    reach = size // 2
    away = (_wide_places()[None] - torch.arange(SIDE)[:, None]).abs()
    return _folded((away <= reach) / size)


@cache
def _zoom_pairs() -> tuple[torch.Tensor, torch.Tensor]:
    pairs = [(y, x) for y in ZOOMS for x in ZOOMS if 1 / _STRETCH < y / x < _STRETCH]
    return torch.stack([_zoom(y) for y, _ in pairs]), torch.stack([_zoom(x) for _, x in pairs])


def _zoom(factor: float) -> torch.Tensor:
    """Give the matrix (32, 32) that samples at `factor` times the distance from the middle, by cubic weights.

    Source: R. Keys, Cubic convolution interpolation, IEEE TASSP 29 (1981), with a = -1/2.
    """
    centre = (SIDE - 1) / 2
    samples = centre + (torch.arange(SIDE) - centre) * factor
    away = (_wide_places()[None] - samples[:, None]).abs()
    inside = 1.5 * away**3 - 2.5 * away**2 + 1
    outside = -0.5 * away**3 + 2.5 * away**2 - 4 * away + 2
    return _folded(torch.where(away <= 1, inside, torch.where(away < 2, outside, torch.zeros(()))))


def _wide_places() -> torch.Tensor:
    return torch.arange(-_EDGE, SIDE + _EDGE)


def _folded(weights: torch.Tensor) -> torch.Tensor:
    """Give weights over the pixels and an edge around them as weights over the pixels, the edge reflected."""
    column = _wide_places().abs()
    column = torch.minimum(column, 2 * (SIDE - 1) - column)
    return torch.zeros(len(weights), SIDE).index_add_(1, column, weights)
