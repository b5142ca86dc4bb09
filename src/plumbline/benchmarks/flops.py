"""Count the floating-point operations of a network from the network itself."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from plumbline.data.image_module import stage_size
from plumbline.models import SpeedNet, create_model, use_winograd
from plumbline.recipes import MuonSgd, Recipe

_FEWEST_IMAGES = 2  # BatchNorm in training needs more than one


@dataclass(frozen=True)
class ImageFlops:
    """Operations for one image: a multiplication and an addition are two.

    `training` is forward and backward; where the first trained layer needs no gradient of its input, none is
    counted.
    """

    forward: int
    training: int


def count_flops(model: nn.Module, *, image_size: int, batch_size: int = _FEWEST_IMAGES) -> ImageFlops:
    """Count convolutions and matrix products of one forward and backward pass; the model is left as it is.

    Normalisation, activation, pooling and the optimizer are not counted: they bound memory, not arithmetic.
    It runs on torch's meta device, which computes shapes and no numbers. A network that trains by Winograd's
    algorithm does so from a size of batch on, and fewer operations with it.

    >>> count_flops(nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 10)), image_size=8)
    ImageFlops(forward=3840, training=7680)
    """
    twin = copy.deepcopy(model).to("meta").train()
    count = max(_FEWEST_IMAGES, batch_size)
    images = torch.empty(count, 3, image_size, image_size, device="meta")
    with FlopCounterMode(display=False) as counter:
        output = twin(images)
        forward = counter.get_total_flops()
        torch.autograd.backward(output.sum())
    return ImageFlops(forward // count, counter.get_total_flops() // count)


def recipe_flops(recipe: Recipe, *, num_classes: int, image_size: int, winograd: bool = False) -> ImageFlops:
    """Count the operations of a recipe's network on images of one size, in whole batches.

    With `winograd` the convolutions that are trained so count the products of that algorithm. The bias of a
    whitening layer counts as frozen, which it is in most steps: the count is a floor.
    """
    model = create_model(recipe.model.name, num_classes=num_classes, image_size=image_size, seed=0)
    if isinstance(model, SpeedNet) and recipe.model.whitening == "trained":
        model.whitening.requires_grad_()
    elif isinstance(model, SpeedNet) and isinstance(recipe.optimizer, MuonSgd):
        model.whitening.requires_grad_(requires_grad=False)
    if winograd:
        use_winograd(model)
    return count_flops(model, image_size=image_size, batch_size=recipe.batch_size)


def training_flops(
    recipe: Recipe, *, num_classes: int, images_per_epoch: int, epochs: Sequence[int], winograd: bool = False
) -> int:
    """Count the operations of whole epochs, each at the image size that the recipe gives it.

    `epochs` are their numbers from 0; those after the first phase have the last size.
    """
    sizes = [stage_size(epoch, epochs=recipe.epochs, sizes=recipe.resolution.train) for epoch in epochs]
    each = {
        size: recipe_flops(recipe, num_classes=num_classes, image_size=size, winograd=winograd).training
        for size in set(sizes)
    }
    return sum(each[size] for size in sizes) * images_per_epoch
