"""Winograd's convolution is the convolution of the definition, forward and backward."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from plumbline.models import create_model, use_winograd
from plumbline.models.winograd import WinogradConv2d, is_quicker, winograd_convolution

QUICK = (128, 64, 8, 8)  # images that a layer of 64 channels convolves faster so


def both_ways(images: Tensor, filters: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Give outputs, the images' gradient and the filters' gradient, each by Winograd and by torch."""
    images, filters = images.requires_grad_(), filters.requires_grad_()
    outputs = winograd_convolution(images, filters), torch.conv2d(images, filters, padding=1)
    above = torch.randn_like(outputs[0])
    ours, theirs = (torch.autograd.grad(each, (images, filters), above) for each in outputs)
    return [(outputs[0].detach(), outputs[1].detach()), *zip(ours, theirs, strict=True)]


@pytest.mark.parametrize(
    ("count", "inputs", "outputs", "height", "width"),
    [(2, 8, 5, 7, 9), (3, 4, 4, 1, 1), (2, 3, 2, 4, 8), (70, 2, 3, 33, 6), (1, 1, 1, 2, 5)],
)
def test_it_is_the_convolution_and_so_are_its_gradients(
    count: int, inputs: int, outputs: int, height: int, width: int
) -> None:
    """In fp64 all three agree to rounding: whole tiles and parts of tiles, one chunk and several."""
    torch.manual_seed(0)
    images = torch.randn(count, inputs, height, width, dtype=torch.float64)
    filters = torch.randn(outputs, inputs, 3, 3, dtype=torch.float64)
    for ours, theirs in both_ways(images, filters):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12 * float(theirs.abs().max()))


def test_in_fp32_it_is_exact_to_some_millionths() -> None:
    """A layer of ResNet-18: no value is off by more than a hundred-thousandth of the largest one."""
    torch.manual_seed(0)
    images = torch.randn(8, 64, 32, 32).contiguous(memory_format=torch.channels_last)
    for ours, theirs in both_ways(images, torch.randn(64, 64, 3, 3) / 24):
        assert float((ours - theirs).abs().max() / theirs.abs().max()) < 1e-5


@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # read by the check itself
def test_torch_finds_the_operator_sound() -> None:
    """Shapes without numbers, gradients and what a compiler asks of it are as torch wants them."""
    images = torch.randn(2, 3, 5, 6, dtype=torch.float64, requires_grad=True)
    filters = torch.randn(2, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    torch.library.opcheck(torch.ops.plumbline.winograd.default, (images, filters))


def test_a_network_trains_by_it_and_is_scored_as_ever() -> None:
    """ResNet-18's fourteen 3x3 convolutions of stride 1 are such; its evaluation is the same to the bit."""
    torch.manual_seed(0)
    plain = create_model("resnet18", num_classes=10, seed=0)
    ours = copy.deepcopy(plain)
    use_winograd(ours)
    assert sum(type(layer) is WinogradConv2d for layer in ours.modules()) == 14
    assert ours.state_dict().keys() == plain.state_dict().keys()
    images = torch.randn(4, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours.eval()(images), plain.eval()(images))
        trained, known = ours.train()(images), plain.train()(images)
    assert not torch.equal(trained, known)
    torch.testing.assert_close(trained, known, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "changed", ["stride", "dilation", "groups", "padding", "padding_mode", "kernel_size"]
)
def test_other_convolutions_are_left_alone(changed: str) -> None:
    """Whatever is not 3x3 with stride 1, a border of one zero and one group stays torch's."""
    other = {"padding_mode": "reflect", "padding": 0, "kernel_size": 5}.get(changed, 2)
    chosen: dict[str, Any] = {"kernel_size": 3, "padding": 1} | {changed: other}
    network = nn.Sequential(nn.Conv2d(4, 4, **chosen))
    use_winograd(network)
    assert type(network[0]) is nn.Conv2d


def test_a_bias_is_added() -> None:
    """A convolution with a bias gives the same as without Winograd's algorithm."""
    torch.manual_seed(0)
    layer, images = nn.Conv2d(64, 64, 3, padding=1), torch.randn(*QUICK)
    known = layer(images)
    use_winograd(layer)
    assert is_quicker(QUICK, outputs=64)
    torch.testing.assert_close(layer(images), known, rtol=1e-4, atol=1e-4)


def test_a_copy_trains_weights_of_its_own() -> None:
    """An average is a copy of the network: what it is given does not reach the network, nor the reverse."""
    network = nn.Conv2d(64, 64, 3, padding=1, bias=False)
    use_winograd(network)
    twin = copy.deepcopy(network)
    nn.init.zeros_(twin.weight)
    images = torch.randn(*QUICK)
    assert not twin(images).any()
    assert network(images).any()


@pytest.mark.parametrize(
    ("images", "outputs", "quicker"),
    [
        ((128, 64, 32, 32), 64, True),
        ((128, 512, 4, 4), 512, True),
        ((1536, 256, 7, 7), 256, True),
        ((128, 3, 32, 32), 64, False),  # the way to the points and back costs more than it saves
        ((512, 256, 5, 5), 256, False),  # most of what four tiles compute is beyond the border
        ((16, 512, 4, 4), 512, False),  # a few tiles do not pay for the filters
    ],
)
def test_it_is_taken_where_it_was_measured_to_be_quicker(
    images: tuple[int, ...], outputs: int, *, quicker: bool
) -> None:
    """On two cores of an AMD EPYC (AVX2): docs/methods/winograd.md."""
    assert is_quicker(images, outputs=outputs) is quicker
