"""What a split holds."""

from __future__ import annotations

import torch
from small_cifar import TRAIN

from plumbline.data.images import ImageSet
from plumbline.data.statistics import split_statistics


def test_counts_and_constant_images() -> None:
    """Every label is counted, absent ones too, and an image of one colour is named wherever it stands."""
    images = torch.from_numpy(TRAIN.pixels).clone()
    images[7] = torch.tensor([1, 2, 3], dtype=torch.uint8).view(3, 1, 1)
    images[9] = 0
    images[9, 2, 31, 31] = 1
    found = split_statistics(ImageSet(images, torch.from_numpy(TRAIN.labels)), classes=11)
    assert (found.count, found.per_class, found.constant) == (50, (5,) * 10 + (0,), (7,))
