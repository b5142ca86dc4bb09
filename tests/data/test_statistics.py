"""What a split holds."""

from __future__ import annotations

import pytest
import torch
from small_cifar import TRAIN

from plumbline.data.augment import normalize
from plumbline.data.content import channel_statistics
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


def test_a_constant_channel_can_be_divided_by() -> None:
    """A channel that never changes has a deviation of 1 and is zero when normalised; others have theirs."""
    images = torch.from_numpy(TRAIN.pixels).clone()
    images[:, 2] = 77
    split = ImageSet(images, torch.from_numpy(TRAIN.labels))
    for found in (split_statistics(split, classes=10), channel_statistics(images)):
        assert found.std[2] == 1
        assert found.std[0] == pytest.approx(float(images[:, 0].double().std() / 255), rel=1e-4)
        assert not normalize(images, mean=found.mean, std=found.std)[:, 2].round(decimals=5).any()
