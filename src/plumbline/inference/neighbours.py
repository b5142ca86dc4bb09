"""The nearest training images: those whose features before the last layer point the same way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from plumbline.errors import PlumblineError

_CHUNK = 8192  # rows compared at once: 16 MiB as float32 for 512 features


@dataclass(frozen=True)
class Neighbour:
    """One image of an index, and the cosine, at most 1, between its features and those asked about."""

    index: int
    similarity: float


@contextmanager
def penultimate_features(model: nn.Module) -> Iterator[list[torch.Tensor]]:
    """Collect what goes into the model's last linear layer while inside, float32 (N, D) for each batch.

    The last linear layer is the one that the model registered last: the head of every supported model.
    Raises PlumblineError where there is none.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.Linear(3, 2))
    >>> with penultimate_features(model) as seen:
    ...     _ = model(torch.zeros(5, 1, 2, 2))
    >>> seen[0].shape
    torch.Size([5, 3])
    """
    heads = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not heads:
        raise PlumblineError(
            f"Nearest images need a last linear layer to compare what goes into it, and "
            f"{type(model).__name__} has none. Ask without them."
        )
    seen: list[torch.Tensor] = []

    def keep(_module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        seen.append(inputs[0].detach().float().flatten(1))

    handle = heads[-1].register_forward_pre_hook(keep)
    try:
        yield seen
    finally:
        handle.remove()


class FeatureIndex:
    """Directions of features by image, in half precision: 2 bytes a feature. It can be asked while it grows.

    Not for several threads at once. Rounding to half moves a cosine by less than 0.001.

    >>> index = FeatureIndex(capacity=2)
    >>> index.add(torch.tensor([[1.0, 0.0], [3.0, 3.0]]), images=torch.tensor([7, 9]))
    >>> (found,) = index.nearest(torch.tensor([[0.0, 5.0]]), count=2)
    >>> [(one.index, round(one.similarity, 2)) for one in found]
    [(9, 0.71), (7, 0.0)]
    """

    def __init__(self, *, capacity: int) -> None:
        self._images = torch.zeros(capacity, dtype=torch.int64)
        self._directions: torch.Tensor | None = None
        self._filled = 0

    def __len__(self) -> int:
        return self._filled

    def add(self, features: torch.Tensor, *, images: torch.Tensor) -> None:
        """Add the features (M, D) of images, int64 (M,) indices; `capacity` images at most in all."""
        if self._directions is None:
            self._directions = torch.zeros(len(self._images), features.shape[1], dtype=torch.float16)
        rows = slice(self._filled, self._filled + len(features))
        self._directions[rows] = _directions(features).half()
        self._images[rows] = images
        self._filled += len(features)

    def nearest(self, features: torch.Tensor, *, count: int) -> list[tuple[Neighbour, ...]]:
        """Give the `count` nearest images of each row of (N, D), best first; fewer where it has fewer."""
        if self._directions is None or count == 0:
            return [()] * len(features)
        asked = _directions(features)
        rows = torch.split(self._directions[: self._filled], _CHUNK)
        cosines = torch.cat([asked @ chunk.float().T for chunk in rows], dim=1)
        best = cosines.topk(min(count, self._filled), dim=1)
        images = self._images[best.indices]
        return [
            tuple(Neighbour(*pair) for pair in zip(found, similar, strict=True))
            for found, similar in zip(images.tolist(), best.values.clamp(-1, 1).tolist(), strict=True)
        ]


def _directions(features: torch.Tensor) -> torch.Tensor:
    return nn.functional.normalize(features.float().cpu(), dim=1)
