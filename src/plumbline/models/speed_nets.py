"""Small convolutional networks that train fast: made for small images, whitened first layer.

The structure is that of Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU" (arXiv 2404.00498), and of
the author's later scripts (github.com/KellerJordan/cifar10-airbench). Two things differ: SiLU in the place
of GELU, which costs more, and a head that starts small in the place of logits divided by a constant.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from plumbline.models.spatial_maximum import spatial_maximum
from plumbline.models.whitening import whitening_filter

# The first layer has no padding, and each of the three groups halves what it gets: 9, 8, 4, 2, 1.
SMALLEST_IMAGE = 9
_WHITENING_SIZE = 2
_WHITENING_WIDTH = 2 * 3 * _WHITENING_SIZE**2


class SpeedNet(nn.Module):
    """Whitening, three groups of convolutions, maximum over places, linear head.

    `whiten` sets the filter of the first layer from training images, once before training. Without that the
    filter stays random: the network trains all the same, more slowly.

    Attributes:
        whitening: 2x2 convolution to 24 channels; its filter is frozen, its bias is trained.
        groups: the three groups, each of which halves the map.
        head: linear layer without bias.

    """

    def __init__(self, widths: tuple[int, int, int], *, convolutions: int, num_classes: int) -> None:
        super().__init__()
        self.whitening = nn.Conv2d(3, _WHITENING_WIDTH, kernel_size=_WHITENING_SIZE)
        self.whitening.weight.requires_grad = False
        self.activation = nn.SiLU()
        inputs = (_WHITENING_WIDTH, *widths[:-1])
        self.groups = nn.Sequential(
            *(
                _Group(before, width, convolutions=convolutions)
                for before, width in zip(inputs, widths, strict=True)
            )
        )
        self.head = nn.Linear(widths[-1], num_classes, bias=False)
        # The source starts with standard deviation 1 and divides the logits by the width.
        nn.init.normal_(self.head.weight, std=1 / widths[-1])

    @torch.no_grad()
    def whiten(self, images: torch.Tensor) -> None:
        """Set the filter of the first layer from normalised images.

        Args:
            images: floats (N, 3, H, W) on any device; the source takes 5,000 training images, not augmented.

        Raises:
            PlumblineError: what `whitening_filter` refuses.

        """
        self.whitening.weight.copy_(whitening_filter(images, size=_WHITENING_SIZE))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """From images (B, 3, H, W) of at least 9 pixels a side to logits (B, num_classes)."""
        maps = self.groups(self.activation(self.whitening(images)))
        logits: torch.Tensor = self.head(spatial_maximum(maps))
        return logits


class _Group(nn.Module):
    """Convolution, 2x2 maximum, norm, activation; then one more convolution, or two with a shortcut."""

    def __init__(self, inputs: int, width: int, *, convolutions: int) -> None:
        super().__init__()
        self.conv = _convolution(inputs, width)
        # Eager torch has nothing faster on a CPU: maxima of strided slices took twice as long and more.
        self.pool = nn.MaxPool2d(2)
        self.norm = _norm(width)
        self.activation = nn.SiLU()
        body: list[nn.Module] = [_convolution(width, width), _norm(width)]
        for _ in range(convolutions - 2):
            body += [nn.SiLU(), _convolution(width, width), _norm(width)]
        self.body = nn.Sequential(*body)
        self.shortcut = convolutions > 2

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        maps = self.activation(self.norm(self.pool(self.conv(maps))))
        more = self.body(maps)
        out: torch.Tensor = self.activation(maps + more if self.shortcut else more)
        return out


def _convolution(inputs: int, width: int) -> nn.Conv2d:
    """Make a 3x3 convolution whose first outputs copy its inputs: depth costs nothing at the start."""
    layer = nn.Conv2d(inputs, width, kernel_size=3, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(layer.weight[:inputs])
    return layer


def _norm(width: int) -> nn.BatchNorm2d:
    """Make a norm of scale 1 whose statistics follow fast, which a training of a few hundred steps needs."""
    layer = nn.BatchNorm2d(width, eps=1e-12, momentum=0.4)
    layer.weight.requires_grad = False
    return layer


_LAYOUTS = {
    "speednet_xs": partial(SpeedNet, (24, 64, 128), convolutions=2),
    "speednet_s": partial(SpeedNet, (64, 256, 256), convolutions=2),
    "speednet_m": partial(SpeedNet, (128, 384, 384), convolutions=2),
    "speednet_l": partial(SpeedNet, (128, 384, 512), convolutions=3),
}
SPEED_NETS = tuple(_LAYOUTS)


def speed_net(name: str, *, num_classes: int) -> SpeedNet:
    """Build one of `SPEED_NETS` from torch's random state."""
    return _LAYOUTS[name](num_classes=num_classes)
