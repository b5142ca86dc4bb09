"""Operations, counted from the network: against counts made by hand and by others."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from plumbline.benchmarks.flops import count_flops, recipe_flops, training_flops
from plumbline.models import describe_model, use_winograd
from plumbline.recipes import Recipe, load_recipe


def test_the_first_convolution_needs_no_gradient_of_its_input() -> None:
    """Two 3x3 convolutions by hand: the second is counted three times in training, the first twice."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 5, 3, padding=1))
    first, second = 2 * 64 * 9 * 3 * 4, 2 * 64 * 9 * 4 * 5
    counted = count_flops(model, image_size=8)
    assert counted.forward == first + second
    assert counted.training == 2 * first + 3 * second


def test_a_frozen_first_layer_is_passed_through_once() -> None:
    """Where the first filters are not trained, they have no backward pass at all."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.Conv2d(4, 5, 3, padding=1))
    model[0].weight.requires_grad = False
    first, second = 2 * 64 * 9 * 3 * 4, 2 * 64 * 9 * 4 * 5
    assert count_flops(model, image_size=8).training == first + 2 * second


@pytest.mark.parametrize("model", ["resnet18", "mobilenet_v2"])
def test_the_forward_pass_agrees_with_the_description(model: str) -> None:
    """A multiplication and an addition are two operations: twice the multiply-accumulates."""
    counted = recipe_flops(with_model(model), num_classes=10, image_size=32)
    assert counted.forward == 2 * describe_model(model).multiply_accumulates


@pytest.mark.parametrize(("name", "giga"), [("resnet18", 3.33), ("speed94", 0.68)])
def test_a_training_image_costs_what_is_known_of_it(name: str, giga: float) -> None:
    """ResNet-18 with a 3x3 stem needs 3.33 GFLOP an image, the small speed network 0.68."""
    counted = recipe_flops(load_recipe(name), num_classes=10, image_size=32)
    assert counted.training / 1e9 == pytest.approx(giga, abs=0.01)


def test_winograds_algorithm_takes_a_quarter_of_the_products() -> None:
    """A layer of whole tiles costs a quarter in all three passes, and as ever where it is not quicker."""
    layers = [nn.Conv2d(256, 256, 3, padding=1, bias=False) for _ in range(2)]
    model = nn.Sequential(nn.Conv2d(3, 256, 1), *layers)
    use_winograd(model)
    first, layer = 2 * 64 * 3 * 256, 2 * 64 * 9 * 256 * 256
    one_by_one = count_flops(model, image_size=1).forward
    assert one_by_one == (first + 2 * layer) / 64
    counted = count_flops(model, image_size=8, batch_size=64)
    assert counted.forward == first + 2 * layer / 4
    assert counted.training == 2 * first + 3 * 2 * layer / 4


def test_a_recipe_is_counted_as_it_is_trained() -> None:
    """Most of ResNet-18 is such convolutions: it needs less than half of the products with the algorithm."""
    recipe = load_recipe("resnet18")
    plain, ours = (
        recipe_flops(recipe, num_classes=10, image_size=32, winograd=winograd) for winograd in (False, True)
    )
    assert 0.3 * plain.training < ours.training < 0.5 * plain.training


def test_epochs_cost_by_their_image_size() -> None:
    """Each epoch counts at its own size, those after the first phase at the last one."""
    recipe = load_recipe("resnet18").model_copy(
        update={"epochs": 2, "resolution": Recipe().resolution.model_copy(update={"train": (16, 32)})}
    )
    small, large = (recipe_flops(recipe, num_classes=10, image_size=size).training for size in (16, 32))
    counted = training_flops(recipe, num_classes=10, images_per_epoch=100, epochs=range(3))
    assert counted == 100 * (small + 2 * large)


def test_counting_leaves_the_model_as_it_was() -> None:
    """The model stays where it is, in its mode, with its numbers and without gradients."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    count_flops(model, image_size=8)
    assert not model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def with_model(name: str) -> Recipe:
    recipe = Recipe()
    return recipe.model_copy(update={"model": recipe.model.model_copy(update={"name": name})})
