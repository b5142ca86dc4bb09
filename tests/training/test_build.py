"""The seam: every field of a recipe, when changed, changes something that is built."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from plumbline.data import Dataset, load_dataset
from plumbline.errors import PlumblineError
from plumbline.recipes import NAMED, Recipe, apply_settings
from plumbline.recipes.edit import _leaves
from plumbline.training.build import build_data, build_phase, phases
from plumbline.training.device import choose_compute

CHANGES: dict[str, Any] = {
    "model.name": "shufflenet_v2_x1_0",
    "model.pretrained": True,
    "validation_fraction": 0.2,
    "augmentation.crop_padding": 2,
    "augmentation.flip": False,
    "resolution.train": [24],
    "resolution.test": 24,
    "batch_size": 100,
    "epochs": 3,
    "label_smoothing": 0.1,
    "optimizer.weight_decay": 1e-3,
    "optimizer.nesterov": False,
    "schedule.max_rate": 0.3,
    "schedule.warmup_fraction": 0.5,
    "schedule.start_divisor": 10.0,
    "schedule.final_divisor": 10.0,
    "schedule.base_momentum": 0.5,
    "schedule.max_momentum": 0.99,
    "averaging.epochs": 5,
    "averaging.rate": 0.2,
    "averaging.momentum": 0.5,
    "precision": "bf16",
}
ONE_CHOICE = {"optimizer.kind", "schedule.kind", "averaging.kind"}


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """Load the built-in set."""
    return load_dataset("digits")


@pytest.fixture(scope="module")
def base() -> Recipe:
    """Give a recipe of a small network."""
    return apply_settings(NAMED["resnet18"](), {"model.name": "shufflenet_v2_x0_5", "epochs": 2})


def built(recipe: Recipe, dataset: Dataset) -> list[Any]:
    """Give what follows from a recipe, as values that can be compared."""
    found: list[Any] = [choose_compute("cpu", precision=recipe.precision).precision]
    for phase in phases(recipe):
        made = build_phase(recipe, phase=phase, dataset=dataset, seed=7, compute=choose_compute("cpu"))
        classifier, data = made.classifier, made.data
        images, labels = next(iter(data.train_batches()))
        test_images, _ = next(iter(data.evaluation_batches("test")))
        assert classifier.total_steps is not None
        optimization = classifier.optimization(classifier.model, total_steps=classifier.total_steps)
        group = optimization.optimizer.param_groups[0]
        rates = []
        for _ in range(classifier.total_steps if optimization.scheduler is not None else 0):
            assert optimization.scheduler is not None
            rates.append((group["lr"], group["momentum"]))
            optimization.scheduler.step()
        found += [
            made.epochs,
            made.steps_per_epoch,
            sum(parameter.numel() for parameter in classifier.parameters()),
            classifier.label_smoothing,
            {key: value for key, value in group.items() if key != "params"},
            rates,
            (images.shape, images.sum().item(), labels.sum().item()),
            test_images.shape,
        ]
    return found


def test_every_field_has_a_change_to_try() -> None:
    """A new field of a recipe must be added to the table above."""
    fields = set(_leaves(NAMED["resnet18"]().model_dump())) - {"name"} - ONE_CHOICE
    assert fields == set(CHANGES)


@pytest.mark.parametrize("path", [path for path in CHANGES if path != "model.pretrained"])
def test_a_changed_field_changes_what_is_built(base: Recipe, digits: Dataset, path: str) -> None:
    """No field of a recipe is there for show."""
    changed = apply_settings(base, {path: CHANGES[path]})
    assert changed.digest != base.digest
    assert built(changed, digits) != built(base, digits)


def test_pretrained_asks_for_the_weights(
    base: Recipe,
    digits: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,  # noqa: ANN401
) -> None:
    """The field reaches the loader of weights, which says what to do where they cannot be had."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    changed = apply_settings(base, {"model.pretrained": True, "averaging": None})
    with pytest.raises(PlumblineError, match=str(tmp_path)):
        built(changed, digits)


def test_without_averaging_there_is_one_phase(base: Recipe) -> None:
    """A recipe says how many phases there are."""
    assert phases(base) == ("fit", "average")
    assert phases(apply_settings(base, {"averaging": None})) == ("fit",)


def test_a_batch_larger_than_the_data_is_refused(base: Recipe, digits: Dataset) -> None:
    """The error says how many images there are and how to ask for less."""
    large = apply_settings(base, {"batch_size": 5000})
    with pytest.raises(PlumblineError, match=r"5,000 images is larger than the 1,293 .*--set batch_size="):
        build_data(large, phase="fit", dataset=digits, seed=7, compute=choose_compute("cpu"))


def test_the_second_phase_does_not_repeat_the_draws_of_the_first(base: Recipe, digits: Dataset) -> None:
    """Its epochs count on, in order and augmentation."""
    first, second = (
        build_data(base, phase=phase, dataset=digits, seed=7, compute=choose_compute("cpu"))
        for phase in phases(base)
    )
    one, two = next(iter(first.train_batches()))[0], next(iter(second.train_batches()))[0]
    assert not torch.equal(one, two)
    assert torch.equal(first.splits.validation, second.splits.validation)
