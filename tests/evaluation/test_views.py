"""Several views of an image: which they are, what they weigh, and that images do not mix."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import nn

from plumbline.errors import PlumblineError
from plumbline.evaluation import VIEW_COUNT, Views, predict, view_logits

ALL: tuple[Views, ...] = get_args(Views)


class _Watching(nn.Module):
    """Gives the pixels as logits, and keeps what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[torch.Tensor] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen.append(images)
        return images.flatten(1)


def _images(count: int, *, size: int = 8) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(2))


def _network() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 5))
    layers[1].running_mean = torch.randn(8)
    return layers


def test_a_shift_is_by_one_pixel_with_the_edge_reflected() -> None:
    """By hand: six pictures of 3x3 pixels, which are those of the published protocol."""
    watching = _Watching()
    view_logits(watching, images=torch.arange(9.0).reshape(1, 1, 3, 3), views="flip_shift")
    assert [view[0, 0].int().tolist() for view in watching.seen] == [
        [[0, 1, 2], [3, 4, 5], [6, 7, 8]],
        [[2, 1, 0], [5, 4, 3], [8, 7, 6]],
        [[4, 5, 4], [7, 8, 7], [4, 5, 4]],
        [[4, 5, 4], [7, 8, 7], [4, 5, 4]],
        [[4, 3, 4], [1, 0, 1], [4, 3, 4]],
        [[4, 3, 4], [1, 0, 1], [4, 3, 4]],
    ]


def test_mirror_images_weigh_as_much_as_the_image() -> None:
    """With "flip" the logits are the mean of two, each view seen once."""
    watching, images = _Watching(), _images(4)
    logits = view_logits(watching, images=images, views="flip")
    torch.testing.assert_close(logits, (images + images.flip(-1)).flatten(1) / 2)
    assert len(watching.seen) == VIEW_COUNT["flip"]


def test_shifted_images_have_half_of_the_weight() -> None:
    """With "flip_shift" the pair of the image weighs as much as the pairs of both shifts together."""
    watching, images = _Watching(), _images(4)
    logits = view_logits(watching, images=images, views="flip_shift")
    assert len(watching.seen) == VIEW_COUNT["flip_shift"]
    image, *shifted = (torch.stack(watching.seen[i : i + 2]).mean(dim=0) for i in (0, 2, 4))
    expected = image / 2 + torch.stack(shifted).mean(dim=0) / 2
    torch.testing.assert_close(logits, expected.flatten(1))


@pytest.mark.parametrize("views", ALL)
def test_other_images_of_a_batch_change_nothing(views: Views) -> None:
    """In evaluation mode an image has the same logits, to the bit, whatever stands beside it."""
    network, images = _network().eval(), _images(6)
    others = torch.cat([images[:1], 100 * _images(6)[1:].flip(0)])
    first = view_logits(network, images=images, views=views)
    second = view_logits(network, images=others, views=views)
    assert torch.equal(first[0], second[0])
    assert not torch.equal(first[1:], second[1:])


@pytest.mark.parametrize("views", ALL)
def test_predictions_are_those_of_the_views(views: Views) -> None:
    """`predict` puts the model into evaluation mode for the views as for plain images."""
    network, images = _network().train(), _images(6)
    labels = torch.zeros(6, dtype=torch.int64)
    batches = [(images[:4], labels[:4]), (images[4:], labels[4:])]
    logits = predict(network, batches=batches, views=views).logits
    expected = view_logits(network.eval(), images=images, views=views).detach()
    torch.testing.assert_close(logits, expected)
    assert not torch.allclose(logits, predict(network, batches=batches).logits)


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format], ids=str)
@pytest.mark.parametrize("views", ALL)
def test_every_view_lies_in_memory_as_the_images_do(views: Views, memory_format: torch.memory_format) -> None:
    """A model that was laid out for channels_last gets channels_last, shifted or not."""
    watching = _Watching()
    images = _images(2).to(memory_format=memory_format)
    view_logits(watching, images=images, views=views)
    assert {view.stride() for view in watching.seen} == {images.stride()}


def test_half_precision_logits_are_averaged_in_float32() -> None:
    """Each view is rounded to bfloat16 by autocast; their mean is not rounded again."""
    network, images = _network().eval(), _images(4)
    batches = [(images, torch.zeros(4, dtype=torch.int64))]
    logits = predict(network, batches=batches, views="flip_shift", autocast=torch.bfloat16).logits
    assert logits.dtype == torch.float32
    assert not torch.equal(logits, logits.bfloat16().float())
    exact = predict(network, batches=batches, views="flip_shift").logits
    torch.testing.assert_close(logits, exact, atol=0.05, rtol=0.05)


def test_unknown_views_are_refused() -> None:
    """The error names what there is."""
    with pytest.raises(PlumblineError, match="expected the views flip or flip_shift, got mirror"):
        view_logits(_Watching(), images=_images(1), views="mirror")  # type: ignore[arg-type]
