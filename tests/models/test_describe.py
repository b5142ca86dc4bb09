import pytest
import torch
from torch import nn

from plumbline.errors import PlumblineError
from plumbline.models import FAMILIES, create_model, describe_model


def test_the_tutorials_step_is_told() -> None:
    """For ResNet-18 the three changes are shown as before and after, each with a reason and a source."""
    description = describe_model("resnet18")
    stem, pool, head = description.changes
    assert (stem.where, pool.where, head.where) == ("conv1", "maxpool", "fc")
    assert "kernel_size=(7, 7), stride=(2, 2)" in stem.before
    assert "kernel_size=(3, 3), stride=(1, 1)" in stem.after
    assert pool.before.startswith("MaxPool2d")
    assert pool.after == "Identity()"
    assert "out_features=1000" in head.before
    assert "out_features=10," in head.after
    assert "arXiv 2002.05709" in description.source
    assert "(fc): Linear(in_features=512, out_features=10, bias=True)" in description.text


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_changes_are_those_of_the_real_model(family: object) -> None:
    """What is printed as "after" is what the built network holds there, and every change has a reason.

    Networks of our own, and only they, have no changes.
    """
    entry = next(known for known in FAMILIES if known is family)
    name = entry.members[0]
    description, model = describe_model(name, num_classes=5), create_model(name, num_classes=5)
    assert bool(description.changes) == (entry.build is None)
    for change in description.changes:
        assert " ".join(str(model.get_submodule(change.where)).split()) == change.after
        assert change.before != change.after
        assert len(change.why) > 40
    assert description.source
    assert description.rule
    assert description.parameters == sum(p.numel() for p in model.parameters() if p.requires_grad)


def test_multiply_accumulates_are_those_of_the_layers() -> None:
    """For a VGG the count is the sum over its layers by hand: 9 inputs x outputs x places, and the head."""
    widths = [(3, 64, 32), (64, 128, 16), (128, 256, 8), (256, 256, 8), (256, 512, 4), (512, 512, 4)]
    widths += [(512, 512, 2), (512, 512, 2)]
    expected = sum(9 * inputs * outputs * side**2 for inputs, outputs, side in widths) + 512 * 10
    assert describe_model("vgg11_bn").multiply_accumulates == expected


def test_counting_follows_the_image_size() -> None:
    """Half the side costs a quarter in the convolutions."""
    large, small = describe_model("resnet18"), describe_model("resnet18", image_size=16)
    assert (large.multiply_accumulates - 5120) == 4 * (small.multiply_accumulates - 5120)
    assert (large.image_size, small.image_size) == (32, 16)


def test_describing_draws_no_random_number() -> None:
    """Printing a model changes no later training."""
    before = torch.get_rng_state()
    describe_model("shufflenet_v2_x0_5")
    assert torch.equal(torch.get_rng_state(), before)


def test_strides_are_changed_without_touching_weights() -> None:
    """Where only the step changes, the kernel of torchvision's network stays."""
    stem = create_model("mobilenet_v2", seed=0).get_submodule("features.0.0")
    assert isinstance(stem, nn.Conv2d)
    assert (stem.kernel_size, stem.stride) == ((3, 3), (1, 1))


def test_an_unknown_name_is_refused_as_in_create_model() -> None:
    """The same error for the same mistake."""
    with pytest.raises(PlumblineError, match="Did you mean 'densenet121'"):
        describe_model("densenet12")
