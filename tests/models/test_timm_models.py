"""Networks of timm: adapted where the family is known, otherwise as they are, and told so."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from plumbline.errors import PlumblineError
from plumbline.models import create_model, describe_model

needs_timm = pytest.mark.usefixtures("timm")


@pytest.fixture
def timm() -> object:
    return pytest.importorskip("timm", reason="timm is optional: pip install 'plumbline[timm]'")


@needs_timm
@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("name", ["timm/resnet10t", "timm/test_convnext", "timm/test_vit"])
def test_every_parameter_learns_at_both_sizes(name: str, size: int) -> None:
    """A ResNet, a ConvNeXt and a vision transformer read 32 and 64 pixels, and nothing is out of reach."""
    model = create_model(name, num_classes=7, image_size=size, seed=1)
    assert model.training
    logits = model(torch.randn(4, 3, size, size, generator=torch.Generator().manual_seed(0)))
    assert logits.shape == (4, 7)
    torch.autograd.backward(nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 3])))
    for path, parameter in model.named_parameters():
        assert parameter.grad is not None, path
        assert torch.isfinite(parameter.grad).all(), path


@needs_timm
@pytest.mark.parametrize(
    ("name", "stem"),
    [("timm/resnet18", "conv1"), ("timm/test_resnet", "conv1.0"), ("timm/resnet10t", "conv1.0")],
)
def test_a_stem_like_that_of_resnet_keeps_the_resolution(name: str, stem: str) -> None:
    """7x7 becomes 3x3, three layers lose their stride, pooling goes; the last map is 4x4; it is told."""
    description, model = describe_model(name), create_model(name, seed=0)
    assert [change.where for change in description.changes] == [stem, "maxpool"]
    assert "like ResNet" in description.family
    assert model.forward_features(torch.zeros(1, 3, 32, 32)).shape[2:] == (4, 4)  # type: ignore[operator]


@needs_timm
def test_what_is_left_as_it_is_is_told() -> None:
    """No change, and the rule says that it was made for larger images."""
    description = describe_model("timm/test_convnext", num_classes=5)
    assert description.changes == ()
    assert "as timm builds it" in description.rule
    assert "(fc): Linear(in_features=64, out_features=5" in description.text


@needs_timm
def test_a_seed_decides_the_weights_and_nothing_else() -> None:
    """As for every other model."""
    before = torch.get_rng_state()
    first, again, other = (create_model("timm/test_resnet", seed=seed).state_dict() for seed in (7, 7, 8))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@needs_timm
@pytest.mark.parametrize(
    ("name", "settings", "told"),
    [
        ("timm/resnet81", {}, r"timm has no network 'resnet81'\. Did you mean 'resnet"),
        ("timm/resnet18.nosuch", {}, r"no weights 'nosuch' of 'resnet18'\. Did you mean 'resnet18\."),
        ("timm/hf-hub:somebody/something", {}, "timm has no network"),
        ("timm/beit_base_patch16_224", {}, "images of one size only"),
        ("timm/eva02_tiny_patch14_224", {}, "does not read images of 32 pixels a side: .*divisible by patch"),
        ("timm/resnet10t", {"image_size": 4}, "at least 8 pixels"),
        ("timm/test_byobnet", {"num_classes": 1}, "num_classes: expected 2 or more"),
        ("timm/resnet6t", {"pretrained": True}, "timm has no (network|weights)"),
    ],
)
def test_what_cannot_be_built_is_told(name: str, settings: dict[str, int], told: str) -> None:
    """A wrong name, also of weights; a network for one size, images too small, weights never published."""
    with pytest.raises(PlumblineError, match=told):
        create_model(name, **settings)  # type: ignore[arg-type]


@needs_timm
def test_weights_that_cannot_be_had_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network the error names the model, the cause and the way without weights."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        PlumblineError, match=r"could not get or load its weights of test_resnet.*pretrained=False"
    ):
        create_model("timm/test_resnet", pretrained=True)


def test_without_timm_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pip command stands in it."""
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(PlumblineError, match=r"not installed: pip install 'plumbline\[timm\]'"):
        create_model("timm/resnet18")
