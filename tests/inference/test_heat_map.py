"""Heat maps show what an answer depends on, and leave no trace on the network."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from plumbline.errors import PlumblineError
from plumbline.inference.heat_map import heat_maps
from plumbline.models import create_model


class LooksAtACorner(nn.Module):
    """The first logit is the brightness of the corner at the top left, the second its negative."""

    def __init__(self) -> None:
        super().__init__()
        self.copy = nn.Conv2d(3, 3, kernel_size=1, bias=False)
        self.copy.weight.data = torch.eye(3)[:, :, None, None]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        bright: torch.Tensor = self.copy(images)[:, :, :2, :3].mean(dim=(1, 2, 3))
        return torch.stack([bright, -bright], dim=1)


class HasAShortcut(nn.Module):
    """A fine map, then a coarse one that a shortcut goes round."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Conv2d(3, 4, kernel_size=3, padding=1)
        self.coarse = nn.Conv2d(4, 4, kernel_size=2, stride=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(4, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        fine = self.fine(images)
        coarse = self.coarse(fine)
        logits: torch.Tensor = self.head((self.pool(fine) + self.pool(coarse)).flatten(1))
        return logits


def test_only_the_corner_that_counts_is_hot() -> None:
    """A network that reads one corner has a map that is hot there and nowhere else."""
    images = torch.rand(4, 3, 8, 8) + 0.1
    maps = heat_maps(LooksAtACorner(), images=images, classes=torch.zeros(4, dtype=torch.int64))
    assert maps.shape == (4, 8, 8)
    corner = torch.zeros(8, 8, dtype=torch.bool)
    corner[:2, :3] = True
    assert (maps[:, corner] > 0).all()
    assert (maps[:, ~corner] == 0).all()
    assert maps.amax(dim=(1, 2)).tolist() == [1.0] * 4


def test_the_map_is_of_the_class_asked_about() -> None:
    """What speaks against a class is not shown as speaking for it: the map of the other class is empty."""
    images = torch.rand(2, 3, 8, 8) + 0.1
    maps = heat_maps(LooksAtACorner(), images=images, classes=torch.tensor([0, 1]))
    assert maps[0].max() == 1
    assert (maps[1] == 0).all()


def test_a_map_that_a_shortcut_goes_round_is_not_taken() -> None:
    """A later layer that carries only a part of the answer would hide the rest."""
    maps = heat_maps(HasAShortcut(), images=torch.rand(1, 3, 16, 16), classes=torch.tensor([0]))
    assert maps.shape == (1, 16, 16)


@pytest.mark.parametrize(("name", "places"), [("resnet18", 8), ("speednet_xs", 7), ("mobilenet_v2", 8)])
def test_a_network_has_a_map_fine_enough(name: str, places: int) -> None:
    """The map of a 32-pixel image has at least 6 places a side, and images do not mix."""
    model = create_model(name, seed=3).eval()
    images = torch.randn(2, 3, 32, 32)
    classes = torch.tensor([4, 2])
    maps = heat_maps(model, images=images, classes=classes)
    assert maps.shape == (2, places, places)
    alone = heat_maps(model, images=images[1:], classes=classes[1:])
    torch.testing.assert_close(maps[1:], alone, atol=1e-3, rtol=1e-3)


def test_the_network_is_left_as_it_was() -> None:
    """No gradient stays on its parameters, no hook on its layers, and nothing on the images."""
    model, images = LooksAtACorner(), torch.rand(1, 3, 8, 8)
    heat_maps(model, images=images, classes=torch.tensor([0]))
    assert model.copy.weight.grad is None
    assert not model.copy._forward_hooks
    assert not images.requires_grad


def test_a_network_without_maps_is_refused() -> None:
    """There is nothing to show where no layer has places."""
    flat = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    with pytest.raises(PlumblineError, match="Sequential has none"):
        heat_maps(flat, images=torch.rand(1, 3, 2, 2), classes=torch.tensor([0]))
