"""Pictures that are copies of one another stay together."""

from __future__ import annotations

import torch

from plumbline.data import ImageSet, load_dataset
from plumbline.data.picture_groups import duplicate_groups


def test_equal_and_near_pictures_are_grouped_across_what_may_move() -> None:
    """A brighter copy of a picture that stays, and an equal one, are in its group; others are alone."""
    generator = torch.Generator().manual_seed(1)
    grid = torch.randint(40, 200, (30, 3, 8, 8), generator=generator).float()
    images = torch.nn.functional.interpolate(grid, size=(32, 32), mode="bicubic").clamp(0, 240)
    images[28], images[29] = images[3] + 9, images[5]
    split = ImageSet(images.round().to(torch.uint8), torch.zeros(30, dtype=torch.int64))
    contents = [str(place) for place in range(29)] + ["5"]
    for movable in (range(30), range(20, 30)):
        found = duplicate_groups(split, movable=movable, contents=contents)
        assert found.groups == (*range(28), 3, 5)
        assert "4 have a duplicate" in found.notes[0]


def test_pictures_that_are_only_alike_are_not_chained_together() -> None:
    """A hundred noughts look like one another: each stays its own group, and it is said."""
    digits = load_dataset("digits").train
    noughts = digits.select(torch.nonzero(digits.labels == 0).flatten()[:100])
    found = duplicate_groups(noughts, movable=range(100), contents=[str(place) for place in range(100)])
    assert found.groups == tuple(range(100))
    assert "only equal ones" in found.notes[0]
