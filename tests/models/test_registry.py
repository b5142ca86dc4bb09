import pytest
import torch
from torch import nn

from plumbline.errors import PlumblineError
from plumbline.models import FAMILIES, create_model, list_models


def _logits(model: nn.Module, *, size: int) -> torch.Tensor:
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    output = model(images)
    assert isinstance(output, torch.Tensor)
    return output


@pytest.mark.parametrize("name", list_models())
def test_every_parameter_of_every_model_learns(name: str) -> None:
    """Each supported network reads 32x32 images, has the wanted head, and no parameter is out of reach.

    A frozen parameter is not meant to learn; only networks of our own have some.
    """
    model = create_model(name, num_classes=7, seed=1)
    for layer in model.modules():
        # Dropping a whole block by chance would rightly leave it without a gradient in this step.
        if type(layer).__name__ == "StochasticDepth":
            layer.p = 0.0  # type: ignore[assignment]
    logits = _logits(model, size=32)
    assert logits.shape == (2, 7)
    torch.autograd.backward(nn.functional.cross_entropy(logits, torch.tensor([0, 1])))
    for path, parameter in model.named_parameters():
        if not parameter.requires_grad:
            assert name.startswith("speednet"), path
            assert parameter.grad is None, path
            continue
        assert parameter.grad is not None, path
        assert parameter.grad.isfinite().all(), path
        assert parameter.grad.abs().sum() > 0, path


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_smallest_image_of_a_family_works(family: object) -> None:
    """What a family says is its smallest image is read, in training too, and one pixel less is refused."""
    entry = next(known for known in FAMILIES if known is family)
    name, size = entry.members[0], entry.smallest_image
    assert _logits(create_model(name, image_size=size, seed=0), size=size).shape == (2, 10)
    with pytest.raises(PlumblineError, match=f"at least {size} pixels"):
        create_model(name, image_size=size - 1)


@pytest.mark.parametrize(
    ("name", "width"), [("resnet18", 512), ("resnext50_32x4d", 2048), ("wide_resnet50_2", 2048)]
)
def test_resnets_keep_the_resolution(name: str, width: int) -> None:
    """Stem of 3x3 and stride 1, no pooling: 32 pixels arrive at the first block, 4 at the head."""
    model = create_model(name, seed=0)
    maps: dict[str, torch.Size] = {}
    for path in ("layer1", "layer4"):
        model.get_submodule(path).register_forward_hook(
            lambda _layer, _inputs, output, path=path: maps.update({path: output.shape})
        )
    _logits(model, size=32)
    assert maps["layer1"][2:] == (32, 32)
    assert maps["layer4"] == (2, width, 4, 4)
    assert isinstance(model.get_submodule("maxpool"), nn.Identity)


def test_the_head_is_really_replaced() -> None:
    """The last layer's weights have one row a class, which setting `out_features` alone would not do."""
    head = create_model("resnet18", num_classes=10, pretrained=False).get_submodule("fc")
    assert isinstance(head, nn.Linear)
    assert head.weight.shape == (10, 512)
    assert head.bias.shape == (10,)


def test_a_seed_decides_the_weights_and_nothing_else() -> None:
    """The same seed gives the same weights, another one others, and torch's random state stays."""
    before = torch.get_rng_state()
    first, again, other = (create_model("resnet18", seed=seed).state_dict() for seed in (7, 7, 8))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])
    assert not torch.equal(first["fc.weight"], other["fc.weight"])


def test_without_a_seed_torch_decides() -> None:
    """Without a seed the usual torch.manual_seed sets the weights."""
    torch.manual_seed(3)
    first = create_model("resnet18").state_dict()
    torch.manual_seed(3)
    assert torch.equal(create_model("resnet18").state_dict()["conv1.weight"], first["conv1.weight"])


def test_a_misspelt_name_gets_the_nearest_right_one() -> None:
    """The error names the nearest supported network and lists all."""
    with pytest.raises(PlumblineError, match=r"'resnet81'.*Did you mean 'resnet18'\?.*densenet121"):
        create_model("resnet81")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("vit_b_16", "patches"),
        ("vgg16", "_bn"),
        ("inception_v3", "75 pixels"),
        ("regnet_y_128gf", "large"),
        ("swin_t", "windows"),
    ],
)
def test_a_refused_family_says_why_and_what_works(name: str, reason: str) -> None:
    """A torchvision network without a rule is refused with its reason and the list of those that work."""
    with pytest.raises(PlumblineError, match=f"{name}: not supported.*{reason}.*Those that work: resnet18"):
        create_model(name)


def test_every_torchvision_network_is_either_supported_or_refused() -> None:
    """No name of torchvision's registry falls through, and it knows every supported name but our own."""
    from torchvision import models

    names = models.list_models(module=models)
    own = {name for family in FAMILIES if family.build is not None for name in family.members}
    assert set(list_models()) - set(names) == own == {"speednet_xs", "speednet_s", "speednet_m", "speednet_l"}
    for name in set(names) - set(list_models()):
        with pytest.raises(PlumblineError, match=f"{name}: not supported, since .+"):
            create_model(name)


@pytest.mark.parametrize("count", [1, 0, -3])
def test_fewer_than_two_classes_are_refused(count: int) -> None:
    """There is nothing to tell apart."""
    with pytest.raises(PlumblineError, match=f"num_classes: expected 2 or more, got {count}"):
        create_model("resnet18", num_classes=count)
