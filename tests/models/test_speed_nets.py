"""The speed networks keep their shapes, train what they should, and read images of any size."""

import pytest
import torch
from torch import nn

from plumbline.data import load_dataset
from plumbline.data.augment import resize
from plumbline.data.modules import ImageDataModule
from plumbline.errors import PlumblineError
from plumbline.models import SpeedNet, create_model, describe_model, whitening_filter

NAMES = ("speednet_xs", "speednet_s", "speednet_m", "speednet_l")


def _build(name: str = "speednet_s", *, num_classes: int = 10) -> SpeedNet:
    model = create_model(name, num_classes=num_classes, seed=3)
    assert isinstance(model, SpeedNet)
    return model


def _images(count: int = 4, *, size: int = 32) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def _convolutions(model: SpeedNet) -> list[nn.Conv2d]:
    return [layer for layer in model.groups.modules() if isinstance(layer, nn.Conv2d)]


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("speednet_s", [(64, 24), (64, 64), (256, 64), (256, 256), (256, 256), (256, 256)]),
        ("speednet_m", [(128, 24), (128, 128), (384, 128), (384, 384), (384, 384), (384, 384)]),
        (
            "speednet_l",
            [
                *[(128, 24), (128, 128), (128, 128)],
                *[(384, 128), (384, 384), (384, 384)],
                *[(512, 384), (512, 512), (512, 512)],
            ],
        ),
    ],
)
def test_widths_and_depth(name: str, shapes: list[tuple[int, int]]) -> None:
    """Two or three 3x3 convolutions a group, of these widths; the head has one row a class."""
    model = _build(name, num_classes=100)
    assert [tuple(layer.weight.shape) for layer in _convolutions(model)] == [(*pair, 3, 3) for pair in shapes]
    assert model.whitening.weight.shape == (24, 3, 2, 2)
    assert model.head.weight.shape == (100, shapes[-1][0])
    assert model.head.bias is None


def test_what_is_trained() -> None:
    """Filters, head and biases are trained; the whitening filter and the scales of the norms are not."""
    model = _build()
    frozen = {path for path, parameter in model.named_parameters() if not parameter.requires_grad}
    norms = {path for path, layer in model.named_modules() if isinstance(layer, nn.BatchNorm2d)}
    assert len(norms) == 6
    assert frozen == {"whitening.weight"} | {f"{path}.weight" for path in norms}
    assert dict(model.named_parameters())["whitening.bias"].requires_grad


def test_it_starts_as_a_copy() -> None:
    """Each 3x3 convolution hands its inputs on as its first outputs; the others are not all zero or alike."""
    for layer in _convolutions(_build()):
        maps = torch.randn(2, layer.in_channels, 5, 5)
        outputs = layer(maps)
        torch.testing.assert_close(outputs[:, : layer.in_channels], maps)
        assert layer.out_channels == layer.in_channels or outputs[:, layer.in_channels :].std() > 0.1


@pytest.mark.parametrize("name", NAMES)
def test_the_head_starts_small(name: str) -> None:
    """Its weights have standard deviation 1 over the width, so that logits need no division by a constant."""
    weight = _build(name, num_classes=100).head.weight
    assert weight.std().item() * weight.shape[1] == pytest.approx(1.0, abs=0.02)


def test_norms_forget_fast() -> None:
    """After one batch the running mean holds 0.4 of that batch's."""
    norm = next(layer for layer in _build().modules() if isinstance(layer, nn.BatchNorm2d))
    assert norm.running_mean is not None
    norm(torch.full((2, 64, 3, 3), 5.0))
    torch.testing.assert_close(norm.running_mean, torch.full((64,), 2.0))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_weights_read_every_size(name: str) -> None:
    """The maps of 24, 28 and 32 pixels end 2, 3 and 3 wide, and logits come out of each."""
    model = _build(name).eval()
    ends: list[int] = []
    model.groups.register_forward_hook(lambda _layer, _inputs, output: ends.append(output.shape[-1]))
    with torch.inference_mode():
        assert [model(_images(size=size)).shape for size in (24, 28, 32)] == [(4, 10)] * 3
    assert ends == [2, 3, 3]


def test_the_head_reads_the_maximum_of_each_channel() -> None:
    """Only the largest value of a channel reaches the logits, wherever in the last map it stands."""
    model = _build().eval()
    maps = torch.randn(2, 256, 3, 3)
    expected = model.head(maps.flatten(2).max(dim=2).values)
    model.groups.register_forward_hook(lambda _layer, _inputs, _output: maps)
    torch.testing.assert_close(model(_images(2)), expected)


def test_the_shortcut_goes_round_the_last_convolutions() -> None:
    """With three convolutions a group whose later norms give zero hands on its first part; with two, zero."""
    for name, hands_on in (("speednet_l", True), ("speednet_s", False)):
        group = _build(name).groups[0].eval()
        nn.init.zeros_(list(group.parameters())[-2])  # the scale of the last norm
        maps = torch.randn(2, 24, 8, 8)
        first = maps
        for part in ("conv", "pool", "norm", "activation"):
            first = group.get_submodule(part)(first)
        expected = nn.functional.silu(first) if hands_on else torch.zeros_like(first)
        torch.testing.assert_close(group(maps), expected)


def test_channels_last_stays_channels_last() -> None:
    """No layer changes the memory layout, forward or backward, which would cost a hidden copy."""
    model = _build().to(memory_format=torch.channels_last)
    outputs: list[torch.Tensor] = []
    for layer in model.modules():
        layer.register_forward_hook(lambda _layer, _inputs, output: outputs.append(output))
    images = _images().contiguous(memory_format=torch.channels_last)
    torch.autograd.backward(model(images).logsumexp(dim=1).sum())
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    maps = [tensor for tensor in outputs + gradients if tensor.ndim == 4]
    assert len(maps) > 20
    assert all(tensor.is_contiguous(memory_format=torch.channels_last) for tensor in maps)


def test_whitening_sets_the_frozen_filter_and_nothing_else() -> None:
    """`whiten` puts the filter of these images in place, still frozen, also where weights are float16."""
    model = _build()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.whiten(_images(20))
    after = model.state_dict()
    assert torch.equal(after.pop("whitening.weight"), whitening_filter(_images(20)))
    assert all(torch.equal(value, before[key]) for key, value in after.items())
    assert not model.whitening.weight.requires_grad
    half = _build().half()
    half.whiten(_images(20))
    assert half.whitening.weight.dtype == torch.float16
    with pytest.raises(PlumblineError, match="images: expected normalised floats"):
        model.whiten(_images(20).byte())


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_grey_images_give_gradients_of_ordinary_size(precision: torch.dtype) -> None:
    """No channel starts without variance, which would multiply what flows back by a million at each norm."""
    data = ImageDataModule(load_dataset("digits"), batch_size=128, validation_count=0, seed=3)
    grey = data.normalized_images("train", count=1437)
    model = _build("speednet_xs")
    model.whiten(grey)
    with torch.autocast("cpu", dtype=precision, enabled=precision != torch.float32):
        loss = nn.functional.cross_entropy(model(resize(grey[:128], size=20)), torch.arange(128) % 10)
    torch.autograd.backward(loss)
    assert max(float(p.grad.abs().max()) for p in model.parameters() if p.grad is not None) < 10


def test_the_arithmetic_is_as_planned() -> None:
    """A 32-pixel image costs speednet_s about 118 million multiply-accumulates, a 24-pixel one about half."""
    large, small = describe_model("speednet_s"), describe_model("speednet_s", image_size=24)
    assert large.multiply_accumulates == pytest.approx(118e6, rel=0.01)
    assert small.multiply_accumulates / large.multiply_accumulates == pytest.approx(0.52, abs=0.01)
    assert large.changes == ()
    assert "arXiv 2404.00498" in large.source
    assert "whitens" in large.rule
    assert "(whitening): Conv2d(3, 24" in large.text


@pytest.mark.parametrize("name", NAMES)
def test_published_weights_are_refused(name: str) -> None:
    """There are none to start from, and the error says what to do."""
    with pytest.raises(PlumblineError, match=f"pretrained: expected False for {name}.*pretrained=False"):
        create_model(name, pretrained=True)


def test_a_seed_decides_the_weights_and_nothing_else() -> None:
    """The same seed gives the same weights, another one others, and torch's random state stays."""
    before = torch.get_rng_state()
    first, again, other = (create_model("speednet_s", seed=seed).state_dict() for seed in (7, 7, 8))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[key], again[key]) for key in first)
    for key in ("whitening.weight", "groups.0.conv.weight", "head.weight"):
        assert not torch.equal(first[key], other[key])


def test_it_learns() -> None:
    """A few steps of plain SGD on one whitened batch bring the loss down by half."""
    images, labels = _images(32, size=16), torch.arange(32) % 10
    model = _build()
    model.whiten(images)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.05, momentum=0.9)
    losses = []
    for _ in range(15):
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
