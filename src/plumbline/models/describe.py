"""What a model is, in numbers and words: the answer to `plumbline models NAME`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from plumbline.models.registry import build, find_family
from plumbline.models.surgery import Change


@dataclass(frozen=True)
class ModelDescription:
    """One supported network as `create_model` builds it.

    Attributes:
        name: the name in `list_models()`.
        family: name of the family whose rule was applied.
        rule: that rule in a sentence or two.
        source: where the rule is documented.
        changes: every layer that differs from torchvision's network, in order; none for networks of our own.
        parameters: number of trained numbers.
        multiply_accumulates: multiply-accumulates of convolutions and linear layers for one image.
        image_size: side in pixels of the image they were counted on.
        text: the printed module.

    """

    name: str
    family: str
    rule: str
    source: str
    changes: tuple[Change, ...]
    parameters: int
    multiply_accumulates: int
    image_size: int
    text: str


def describe_model(name: str, *, num_classes: int = 10, image_size: int = 32) -> ModelDescription:
    """Build a network, and tell its size and what was changed for small images, and why.

    Args:
        name: one of `list_models()`.
        num_classes: number of logits, at least 2.
        image_size: side in pixels of the images.

    Raises:
        PlumblineError: what `create_model` refuses.

    >>> description = describe_model("resnet18")
    >>> description.parameters, description.multiply_accumulates
    (11173962, 555422720)
    >>> [change.where for change in description.changes]
    ['conv1', 'maxpool', 'fc']

    """
    family = find_family(name)
    surgery = build(name, num_classes=num_classes, pretrained=False, image_size=image_size, seed=0)
    model = surgery.model
    return ModelDescription(
        name=name,
        family=family.name,
        rule=family.rule,
        source=family.source,
        changes=tuple(surgery.changes),
        parameters=sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
        multiply_accumulates=_multiply_accumulates(model, image_size=image_size),
        image_size=image_size,
        text=str(model),
    )


def _multiply_accumulates(model: nn.Module, *, image_size: int) -> int:
    total = 0

    def count(layer: nn.Module, _inputs: Any, output: torch.Tensor) -> None:  # noqa: ANN401  (torch's hook type)
        nonlocal total
        if isinstance(layer, nn.Conv2d):
            total += (
                output.numel()
                * layer.in_channels
                // layer.groups
                * layer.kernel_size[0]
                * layer.kernel_size[1]
            )
        elif isinstance(layer, nn.Linear):
            total += output.numel() * layer.in_features

    model.eval()
    # On the meta device shapes are computed and numbers are not.
    model.to("meta")
    hooks = [layer.register_forward_hook(count) for layer in model.modules()]
    with torch.inference_mode():
        model(torch.empty(1, 3, image_size, image_size, device="meta"))
    for hook in hooks:
        hook.remove()
    return total
