"""Choose validation images: stratified by class, by seed, the same on every machine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction

import torch

from plumbline.errors import PlumblineError
from plumbline.streams import stream_seed


@dataclass(frozen=True)
class Split:
    """Indices (int64, ascending) of the images to train on and of those held out."""

    train: torch.Tensor
    validation: torch.Tensor


def stratified_split(labels: torch.Tensor, *, validation_count: int, seed: int) -> Split:
    """Hold out exactly `validation_count` images, each class in proportion (by largest remainder).

    `labels` is int64 (N,) in canonical order. Which images of a class are held out is decided by a hash of
    (seed, index), so neither the machine nor the version of torch has a say, and a class that gets more
    places from a larger count at the same seed keeps the images it had. Raises `PlumblineError` unless
    0 ≤ validation_count < N.

    >>> split = stratified_split(torch.tensor([0, 0, 0, 0, 1, 1]), validation_count=3, seed=7)
    >>> len(split.train), len(split.validation)
    (3, 3)
    """
    total = len(labels)
    if not 0 <= validation_count < total:
        raise PlumblineError(
            f"expected from 0 to {total - 1:,} validation images of {total:,}, got {validation_count:,}"
        )
    root = stream_seed(seed, "split").to_bytes(8, "big")
    quotas = class_quotas(torch.bincount(labels).tolist(), total=validation_count)
    held_out = torch.zeros(total, dtype=torch.bool)
    for label, quota in enumerate(quotas):
        members = torch.nonzero(labels == label).flatten().tolist()
        members.sort(key=lambda index: hashlib.sha256(root + index.to_bytes(8, "big")).digest())
        held_out[members[:quota]] = True
    return Split(train=torch.nonzero(~held_out).flatten(), validation=torch.nonzero(held_out).flatten())


def class_quotas(counts: list[int], *, total: int) -> list[int]:
    """Share `total` places among classes of `counts` images in proportion, by largest remainder.

    >>> class_quotas([50, 30, 20], total=7)
    [4, 2, 1]
    """
    exact = [Fraction(total * count, sum(counts)) for count in counts]
    quotas = [int(share) for share in exact]
    by_remainder = sorted(range(len(counts)), key=lambda label: (quotas[label] - exact[label], label))
    for label in by_remainder[: total - sum(quotas)]:
        quotas[label] += 1
    return quotas
