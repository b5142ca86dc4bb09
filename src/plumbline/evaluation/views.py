"""Test-time augmentation: the mean of a model's logits over several views of each image.

Protocol: Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", arXiv 2404.00498, and the scripts of its
repository github.com/KellerJordan/cifar10-airbench.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from plumbline.errors import PlumblineError

Views = Literal["flip", "flip_shift"]

VIEW_COUNT: dict[Views, int] = {"flip": 2, "flip_shift": 6}


def view_logits(model: nn.Module, *, images: torch.Tensor, views: Views) -> torch.Tensor:
    """Average the logits of a model over views of each image, in at least float32.

    "flip": the image and its mirror image, equally. "flip_shift": these two have half of the weight; the
    other half belongs to the image shifted by a pixel up-left and by a pixel down-right and to the mirror
    images of both, equally. What a shift brings in is the reflection at the edge.

    A model in evaluation mode treats each image alone, and so does this.

    Args:
        model: gives (B, C) logits for a batch; it is called as it is, once for each view.
        images: floating point (B, 3, H, W), normalised, each side at least 2 pixels; each view has their
            memory format.
        views: which views.

    Returns:
        Logits (B, C), before softmax.

    Raises:
        PlumblineError: views of an unknown name.

    >>> image = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> view_logits(nn.Flatten(), images=image, views="flip")
    tensor([[1.5000, 1.5000, 3.5000, 3.5000]])

    """
    if views not in VIEW_COUNT:
        raise PlumblineError(f"expected the views {' or '.join(VIEW_COUNT)}, got {views}")
    weighted = [
        weight * _wide(model(view)) for weight, view in _weighted_views(images, shifts=views == "flip_shift")
    ]
    return torch.stack(weighted).sum(dim=0)


def _weighted_views(images: torch.Tensor, *, shifts: bool) -> Iterator[tuple[float, torch.Tensor]]:
    # One view at a time, so that a batch of all of them is never in memory.
    pairs = [(0.5, images)]
    if shifts:
        pairs = [(0.25, images), *((0.125, shifted) for shifted in _shifted(images))]
    for weight, view in pairs:
        yield weight, view
        yield weight, view.flip(-1)


def _shifted(images: torch.Tensor) -> Iterator[torch.Tensor]:
    height, width = images.shape[-2:]
    padded = functional.pad(images, (1, 1, 1, 1), mode="reflect")
    for start in (2, 0):  # content moves up-left, then down-right
        window = padded[..., start : start + height, start : start + width]
        # A window has the strides of the padded images; a model computes faster on a whole copy.
        yield torch.empty_like(images).copy_(window)


def _wide(logits: torch.Tensor) -> torch.Tensor:
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
