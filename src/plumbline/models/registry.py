"""Build a classification network by name: torchvision's, adapted to small images, or one of our own."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import nn

from plumbline.errors import PlumblineError, nearest_of
from plumbline.models.adaptations import replace_head
from plumbline.models.families import FAMILIES, Family
from plumbline.models.refusals import refusal
from plumbline.models.surgery import Surgery
from plumbline.models.timm_models import PREFIX, check_reads, timm_family, timm_model
from plumbline.models.torchvision_models import torchvision_model
from plumbline.streams import stream_seed


def list_models() -> tuple[str, ...]:
    """Give the names that `create_model` accepts, family by family, without timm's (`timm/NAME`).

    >>> "resnet18" in list_models()
    True
    """
    return tuple(name for family in FAMILIES for name in family.members)


def create_model(
    name: str,
    *,
    num_classes: int = 10,
    pretrained: bool = False,
    image_size: int = 32,
    seed: int | None = None,
) -> nn.Module:
    """Build a network that keeps enough resolution on small images and has a head of `num_classes`.

    What is changed for each family, and why, is told by `describe_model`. With `pretrained` the ImageNet
    weights are loaded first: layers that keep their shape keep them, also where only a stride was changed.
    Replaced layers start from random numbers: the head, and the first convolution where it is replaced
    (7x7 in ResNets and DenseNets, 4x4 in ConvNeXts: no smaller kernel holds their weights). Networks of our
    own have no such weights.

    Args:
        name: one of `list_models()`, or `timm/NAME` with any name of the optional package timm.
        num_classes: number of logits, at least 2.
        pretrained: start from torchvision's ImageNet weights (its `DEFAULT` set) or timm's, downloaded once.
        image_size: side in pixels of the smallest image the network will see; it is checked, not stored.
        seed: initialise from the stream `init` of this seed and leave torch's random state as it was; None
            draws from torch's random state as torch itself does.

    Returns:
        A module on the CPU in training mode: images (B, 3, H, W) to logits (B, num_classes).

    Raises:
        PlumblineError: an unknown or refused name, fewer than 2 classes, images too small, weights that
            cannot be had, or a torchvision that does not fit torch.

    >>> create_model("resnet18", num_classes=10, seed=7).fc
    Linear(in_features=512, out_features=10, bias=True)

    """
    return build(name, num_classes=num_classes, pretrained=pretrained, image_size=image_size, seed=seed).model


def build(name: str, *, num_classes: int, pretrained: bool, image_size: int, seed: int | None) -> Surgery:
    """Do the work of `create_model`, and give the list of changes along with the model."""
    family = find_family(name)
    if num_classes < 2:
        raise PlumblineError(
            f"num_classes: expected 2 or more, got {num_classes}. Give the number of classes of the data."
        )
    if image_size < family.smallest_image:
        raise PlumblineError(
            f"image_size: {name} needs images of at least {family.smallest_image} pixels a side, got "
            f"{image_size}. Enlarge the images, or choose a model that halves them less often: "
            f"{', '.join(_members_for(image_size)) or 'none reads images so small'}."
        )
    if pretrained and family.build is not None:
        raise PlumblineError(
            f"pretrained: expected False for {name}, a network of our own for which no weights were ever "
            "published, got True. Start it from random weights with pretrained=False; it trains in minutes."
        )
    with nullcontext() if seed is None else torch.random.fork_rng(devices=[]):
        if seed is not None:
            # torch.manual_seed would also set the generators of GPUs, which are not put back.
            torch.default_generator.manual_seed(stream_seed(seed, "init"))
        if name.startswith(PREFIX):
            surgery = Surgery(timm_model(name, num_classes=num_classes, pretrained=pretrained))
        elif family.build is None:
            surgery = Surgery(torchvision_model(name, pretrained=pretrained))
        else:
            surgery = Surgery(family.build(name, num_classes=num_classes))
        family.adapt(surgery)
        if family.head and family.build is None:
            replace_head(surgery, family.head, num_classes=num_classes)
    if name.startswith(PREFIX):
        check_reads(surgery, name=name, image_size=image_size, num_classes=num_classes)
    return surgery


def find_family(name: str) -> Family:
    """Give the family of a supported name, or say why there is none and what is near."""
    if name.startswith(PREFIX):
        return timm_family(name)
    for family in FAMILIES:
        if name in family.members:
            return family
    reason = refusal(name)
    if reason is not None:
        raise PlumblineError(f"{name}: not supported, since {reason}. Those that work: {_all_names()}.")
    hint = nearest_of(name, list_models())
    raise PlumblineError(
        f"There is no model '{name}'.{hint} Expected one of {_all_names()}; or {PREFIX}NAME, any of timm's."
    )


def _all_names() -> str:
    return ", ".join(list_models())


def _members_for(image_size: int) -> list[str]:
    return [family.members[0] for family in FAMILIES if family.smallest_image <= image_size]
