"""A step two ways: the arithmetic, what is refused, and one run of the whole on few images."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch

from benchmarks.small import small_dataset, small_recipe
from plumbline.benchmarks.arms import fit_arm, plain_arm, script_batches
from plumbline.benchmarks.step import (
    Measured,
    StepAsked,
    check_asked,
    measure_rounds,
    ratios,
    record_of,
    summarise,
)
from plumbline.errors import PlumblineError
from plumbline.recipes import load_recipe
from plumbline.training.device import choose_compute

if TYPE_CHECKING:
    from plumbline.benchmarks.step import ArmName


def measured(arm: ArmName, *seconds: float, rate: float = 1e12) -> Measured:
    """Give one arm's step times; a step is 2e12 operations."""
    return Measured(
        seconds=list(seconds),
        step_flops=2e12,
        matrix_flops_per_second=rate,
        precision="bf16" if arm == "fast" else "fp32",
        device="A CPU (amx_bf16)",
        threads=2,
        data="100 images",
    )


ROUNDS: list[dict[ArmName, Measured]] = [
    {"plain": measured("plain", 8.0, 10.0, 40.0), "fast": measured("fast", 2.0, 4.0, 4.0)},
    {"plain": measured("plain", 5.0, 10.0, 20.0, rate=5e11), "fast": measured("fast", 2.0, 2.0, 4.0)},
]


def test_an_arm_is_the_median_of_all_its_steps() -> None:
    """Images a second over the steps of all rounds: median, least, most and their number."""
    summary = summarise(ROUNDS, arm="fast", batch=8)
    assert (summary.median, summary.least, summary.most, summary.n) == (3.0, 2.0, 4.0, 6)


def test_the_floor_is_the_steps_operations_at_the_matrix_rate() -> None:
    """2e12 operations at the best rate seen, 1e12 a second, are 2 s a batch of 8: 4 images a second."""
    summary = summarise(ROUNDS, arm="plain", batch=8)
    assert summary.floor == 4.0
    assert summary.used == summary.median / 4.0 == 0.2


def test_a_disturbed_matrix_product_lowers_no_floor() -> None:
    """Arms of one number format share the best rate; another format's rate is not taken."""
    slow: dict[ArmName, Measured] = {"plain": measured("plain", 8.0, rate=1e9), "fast": ROUNDS[0]["fast"]}
    assert summarise([slow, ROUNDS[0]], arm="plain", batch=8).floor == 4.0
    assert summarise([slow], arm="plain", batch=8).floor == 0.004


def test_the_ratio_is_taken_round_by_round() -> None:
    """The medians of one round are compared with each other, whatever the other rounds gave."""
    assert ratios(ROUNDS) == [2.5, 5.0]


@pytest.mark.parametrize(("batch", "steps"), [(45_000, 1), (1_000, 44)])
def test_more_steps_than_an_epoch_has_are_refused(batch: int, steps: int) -> None:
    """Nothing is measured first and lost afterwards: 45,000 images are 45 whole steps of 1,000."""
    recipe = load_recipe("resnet18").model_copy(update={"batch_size": batch})
    with pytest.raises(PlumblineError, match=f"exceed one epoch of {45_000 // batch} whole steps"):
        check_asked(StepAsked(recipe=recipe, steps=steps))


@pytest.mark.parametrize("size", [32, 24])
def test_the_scripts_batches_are_shifted_and_mirrored_images(size: int) -> None:
    """Without shift, each image is its normalised self or its mirror image, some of each."""
    recipe = small_recipe(**{"batch_size": 64, "augmentation.crop_padding": 0, "resolution.train": [size]})
    dataset = small_dataset()
    torch.manual_seed(0)
    images, labels = next(script_batches(recipe, dataset=dataset, device=torch.device("cpu")))
    assert images.shape == (64, 3, size, size)
    assert labels.shape == (64,)
    if size != 32:
        return
    torch.manual_seed(0)
    chosen = dataset.train.images[torch.randperm(len(dataset.train))[:64]].float() / 255
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (dataset.mean, dataset.std))
    wanted = (chosen - mean) / std
    same = [torch.equal(one, other) for one, other in zip(images, wanted, strict=True)]
    mirrored = [torch.equal(one, other.flip(-1)) for one, other in zip(images, wanted, strict=True)]
    assert all(one or other for one, other in zip(same, mirrored, strict=True))
    assert 16 < sum(mirrored) < 48


def test_the_plain_arm_of_a_speed_recipe_is_a_script() -> None:
    """It trains the recipe's network with plain SGD, and the step moves its weights."""
    recipe = load_recipe("speed94").model_copy(update={"batch_size": 8})
    arm = plain_arm(recipe, dataset=small_dataset(), device=torch.device("cpu"))
    assert type(arm.optimizer) is torch.optim.SGD
    before = [
        parameter.detach().clone() for group in arm.optimizer.param_groups for parameter in group["params"]
    ]
    arm.step()
    after = [parameter for group in arm.optimizer.param_groups for parameter in group["params"]]
    assert any(not torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_the_fast_arm_is_at_the_last_epoch() -> None:
    """Its images have the last size, and what is frozen by then takes no gradient: that is most steps."""
    recipe = load_recipe("speed94").model_copy(update={"batch_size": 50})
    arm = fit_arm(recipe, dataset=small_dataset(), compute=choose_compute("cpu", precision="fp32"))
    assert next(arm.batches)[0].shape == (50, 3, 32, 32)
    frozen = {name for name, parameter in arm.model.named_parameters() if not parameter.requires_grad}
    assert "model.whitening.bias" in frozen


@pytest.mark.slow
@pytest.mark.parametrize("name", ["small", "speed94"])
def test_the_whole_of_it(name: str) -> None:
    """One step of 8 random images in each of two processes: everything is in the record."""
    recipe = load_recipe(name) if name == "speed94" else small_recipe()
    recipe = recipe.model_copy(update={"batch_size": 8})
    asked = StepAsked(recipe=recipe, rounds=1, steps=1, matrix_side=128)
    record = json.loads(json.dumps(record_of(measure_rounds(asked), asked=asked)))
    assert record["date"].endswith("+00:00")
    assert record["arguments"]["batch"] == 8
    assert {"torch", "torchvision", "python"} <= record["versions"].keys()
    (one,) = record["rounds"]
    assert [len(one[arm]["seconds"]) for arm in ("plain", "fast")] == [1, 1]
    assert (
        0 < one["fast"]["step_flops"] <= one["plain"]["step_flops"]
    )  # one freezes a bias, the other does not
    assert one["plain"]["matrix_flops_per_second"] > 0
    assert "50,000 random images, because cifar10 cannot be had" in one["fast"]["data"]
    assert record["ratio_median"] == one["plain"]["seconds"][0] / one["fast"]["seconds"][0]


def test_an_arm_that_fails_is_told() -> None:
    """A process that ends badly ends the measurement with its name and exit code."""
    asked = StepAsked(recipe=small_recipe(), device="nowhere", rounds=1, steps=1)
    with pytest.raises(PlumblineError, match="The arm plain failed with exit code 1"):
        measure_rounds(asked)
