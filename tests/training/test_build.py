"""The seam: every field of a recipe, when changed, changes something that is built."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
import torch
from torch import nn

from plumbline.data import Dataset, load_dataset
from plumbline.errors import PlumblineError
from plumbline.models import SpeedNet, create_model
from plumbline.models.winograd import WinogradConv2d
from plumbline.recipes import NAMED, Recipe, Swa, apply_settings
from plumbline.recipes.edit import _leaves
from plumbline.records import PhaseName
from plumbline.training.build import build_data, build_phase, phases
from plumbline.training.device import choose_compute, computes_bf16_natively

CHANGES: dict[str, Any] = {
    "model.name": "shufflenet_v2_x1_0",
    "model.pretrained": True,
    "validation_fraction": 0.2,
    "class_weighting": "balanced",
    "augmentation.crop_padding": 2,
    "augmentation.flip": False,
    "augmentation.jitter": 0.2,
    "augmentation.cutout": 0.25,
    "resolution.train": [24],
    "resolution.test": 24,
    "batch_size": 100,
    "epochs": 3,
    "label_smoothing": 0.3,
    "optimizer.weight_decay": 1e-3,
    "optimizer.nesterov": False,
    "schedule.max_rate": 0.05,
    "schedule.warmup_fraction": 0.5,
    "schedule.start_divisor": 10.0,
    "schedule.final_divisor": 10.0,
    "schedule.base_momentum": 0.5,
    "schedule.max_momentum": 0.99,
    "schedule.anneal": "linear",
    "averaging.epochs": 5,
    "averaging.rate": 0.2,
    "averaging.momentum": 0.5,
    "averaging.every_steps": 1,
    "averaging.augmentation": "flip",
    # What `auto` does not choose here.
    "precision": "fp32" if computes_bf16_natively("cpu") else "bf16",
    "augmentation.padding": "reflect",
    "tta": "flip_shift",
    "compile": True,
}
SPEED_CHANGES: dict[str, Any] = {
    "model.whitening": "trained",
    "optimizer.filter_rate": 0.1,
    "optimizer.filter_momentum": 0.9,
    "optimizer.newton_schulz_steps": 5,
    "optimizer.head_rate": 0.5,
    "optimizer.bias_rate": 1.0,
    "optimizer.momentum": 0.5,
    "optimizer.decay": 0.1,
    "optimizer.whitening_bias_fraction": 0.5,
    "schedule.decay_fraction": 0.5,
    "schedule.final_fraction": 0.5,
    "averaging.half_life_steps": 3.0,
    "averaging.every_steps": 1,
    "averaging.start_fraction": 0.5,
    "augmentation.flip": True,
}
KINDS = {"optimizer.kind", "schedule.kind", "averaging.kind"}


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """Load the built-in set."""
    return load_dataset("digits")


@pytest.fixture(scope="module")
def base() -> Recipe:
    """Give a recipe of a small network."""
    return apply_settings(Recipe(averaging=Swa()), {"model.name": "shufflenet_v2_x0_5", "epochs": 2})


@pytest.fixture(scope="module")
def speed() -> Recipe:
    """Give a recipe of the speed family that fits the built-in set."""
    ema = {"kind": "ema", "half_life_steps": 8.0, "every_steps": 4, "start_fraction": 0.9}
    settings = {"batch_size": 128, "epochs": 2, "resolution": {"train": [9], "test": 9}, "averaging": ema}
    return apply_settings(NAMED["speed94"](), settings)


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
        groups = optimization.optimizer.param_groups
        rates = []
        for _ in range(classifier.total_steps if optimization.scheduler is not None else 0):
            assert optimization.scheduler is not None
            rates.append([(group["lr"], group["momentum"]) for group in groups])
            optimization.scheduler.step()
        found += [
            made.epochs,
            made.steps_per_epoch,
            sum(parameter.numel() for parameter in classifier.parameters() if parameter.requires_grad),
            classifier.label_smoothing,
            None if classifier.class_weights is None else classifier.class_weights.tolist(),
            [{key: value for key, value in group.items() if key != "params"} for group in groups],
            getattr(optimization.optimizer, "newton_schulz_steps", None),
            rates,
            made.views,
            made.classifier.training_pass is None,
            None if made.averager is None else vars(made.averager),
            (images.shape, sha256(images.contiguous().numpy().tobytes()).hexdigest(), labels.sum().item()),
            test_images.shape,
        ]
    return found


def test_every_field_has_a_change_to_try(base: Recipe, speed: Recipe) -> None:
    """A new field of a recipe must be added to one of the tables above."""
    fields = set(_leaves(base.model_dump())) | set(_leaves(speed.model_dump()))
    assert fields - {"name"} - KINDS == set(CHANGES) | set(SPEED_CHANGES)


@pytest.mark.parametrize("path", [path for path in CHANGES if path != "model.pretrained"])
def test_a_changed_field_changes_what_is_built(base: Recipe, digits: Dataset, path: str) -> None:
    """No field of a recipe is there for show."""
    changed = apply_settings(base, {path: CHANGES[path]})
    assert changed.digest != base.digest
    assert built(changed, digits) != built(base, digits)


@pytest.mark.parametrize("path", SPEED_CHANGES)
def test_a_changed_field_of_the_speed_family_changes_what_is_built(
    speed: Recipe, digits: Dataset, path: str
) -> None:
    """Nor is any of the fields that only Muon, its schedule and the moving average have."""
    changed = apply_settings(speed, {path: SPEED_CHANGES[path]})
    assert changed.digest != speed.digest
    assert built(changed, digits) != built(speed, digits)


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


@pytest.mark.parametrize("winograd", [True, False])
def test_convolutions_train_as_the_device_wants_it(base: Recipe, digits: Dataset, *, winograd: bool) -> None:
    """Winograd's algorithm is a choice of the device, and the first weights do not depend on it."""
    compute = choose_compute("cpu", precision="fp32")
    built, plain = (
        build_phase(base, phase="fit", dataset=digits, seed=7, compute=replace(compute, winograd=taken))
        for taken in (winograd, False)
    )
    layers = list(built.classifier.modules())
    assert any(type(layer) is WinogradConv2d for layer in layers) is winograd
    known = plain.classifier.state_dict()
    assert all(torch.equal(tensor, known[name]) for name, tensor in built.classifier.state_dict().items())


def test_without_averaging_there_is_one_phase(base: Recipe) -> None:
    """A recipe says how many phases there are."""
    assert phases(base) == ("fit", "average")
    assert phases(apply_settings(base, {"averaging": None})) == ("fit",)


@pytest.mark.parametrize(("phase", "share"), [("fit", 0.0), ("average", 1.0)])
def test_a_second_phase_may_mirror_alone(
    base: Recipe, digits: Dataset, phase: PhaseName, share: float
) -> None:
    """All its images are training images or mirror images of them; of those of the first phase none is."""
    recipe = apply_settings(base, {"averaging.augmentation": "flip", "augmentation.jitter": 0.1})
    data = build_phase(recipe, phase=phase, dataset=digits, seed=7, compute=choose_compute("cpu")).data
    normalized = data.normalized_images("train", count=len(data.splits.train))
    known = {image.numpy().tobytes() for image in torch.cat([normalized, normalized.flip(3)]).contiguous()}
    images, _ = next(iter(data.train_batches()))
    found = [image.numpy().tobytes() in known for image in images.contiguous()]
    assert sum(found) / len(found) == share


def test_an_average_of_no_steps_is_refused_before_the_first_phase(base: Recipe, digits: Dataset) -> None:
    """A second phase that ends before its first average would be found out after hours."""
    recipe = apply_settings(base, {"averaging.epochs": 1, "averaging.every_steps": 400})
    with pytest.raises(PlumblineError, match=r"expected at most the \d steps .* \(1 epochs of \d\), got 400"):
        build_phase(recipe, phase="fit", dataset=digits, seed=7, compute=choose_compute("cpu"))


def test_a_moving_average_is_part_of_the_first_phase(speed: Recipe) -> None:
    """It needs no phase of its own."""
    assert phases(speed) == ("fit",)


def test_the_whitening_layer_is_set_from_the_training_images(speed: Recipe, digits: Dataset) -> None:
    """What comes out of its first filters, one for each direction of grey images, is white."""
    made = build_phase(speed, phase="fit", dataset=digits, seed=7, compute=choose_compute("cpu"))
    model = made.classifier.model
    assert isinstance(model, SpeedNet)
    images = made.data.normalized_images("train", count=1000)
    with torch.no_grad():
        out = torch.nn.functional.conv2d(images, model.whitening.weight)[:, :4]
    flat = out.permute(1, 0, 2, 3).flatten(1)
    covariance = flat @ flat.T / flat.shape[1]
    # The direction that varies least in these scans is damped a little, not blown up.
    assert 0.8 < covariance.diagonal().min() < covariance.diagonal().max() < 1.2
    assert (covariance - covariance.diagonal().diag()).abs().max() < 0.1


def test_a_trained_first_layer_starts_at_random(speed: Recipe, digits: Dataset) -> None:
    """It is that of the seed, whatever the images."""
    asked = apply_settings(speed, {"model.whitening": "trained"})
    made = build_phase(asked, phase="fit", dataset=digits, seed=7, compute=choose_compute("cpu"))
    drawn = create_model(asked.model.name, num_classes=10, image_size=9, seed=7)
    assert torch.equal(first_filter(made.classifier.model), first_filter(drawn))


def test_a_network_without_a_whitening_layer_is_refused(base: Recipe, digits: Dataset) -> None:
    """The error says what to change."""
    asked = apply_settings(base, {"model.whitening": "trained"})
    with pytest.raises(PlumblineError, match="has no whitening layer"):
        build_phase(asked, phase="fit", dataset=digits, seed=7, compute=choose_compute("cpu"))


def first_filter(model: nn.Module) -> torch.Tensor:
    assert isinstance(model, SpeedNet)
    return model.whitening.weight


def test_validation_can_be_left_out(base: Recipe, digits: Dataset) -> None:
    """With a fraction of 0 every training image is trained on."""
    data = build_data(
        apply_settings(base, {"validation_fraction": 0}),
        phase="fit",
        dataset=digits,
        seed=7,
        compute=choose_compute("cpu"),
    )
    assert len(data.splits.train) == len(digits.train)
    assert data.val_dataloader() == []


def test_class_weights_make_every_class_count_the_same(base: Recipe, digits: Dataset) -> None:
    """Weight times images is one number for all classes, and the mean weight of an image is 1."""
    made = build_phase(
        apply_settings(base, {"class_weighting": "balanced"}),
        phase="fit",
        dataset=digits,
        seed=7,
        compute=choose_compute("cpu"),
    )
    weights = made.classifier.class_weights
    assert weights is not None
    labels = digits.train.labels[made.data.splits.train]
    totals = weights * torch.bincount(labels)
    assert torch.allclose(totals, totals[:1].expand(10))
    assert weights[labels].mean().item() == pytest.approx(1)
    assert not any("class_weights" in name for name in made.classifier.state_dict())


def test_a_batch_larger_than_the_data_is_refused(base: Recipe, digits: Dataset) -> None:
    """The error says how many images there are and how to ask for less."""
    large = apply_settings(base, {"batch_size": 5000})
    with pytest.raises(PlumblineError, match=r"5,000 images is larger than the 1,293 .*--set batch_size="):
        build_phase(large, phase="fit", dataset=digits, seed=7, compute=choose_compute("cpu"))


def test_the_second_phase_does_not_repeat_the_draws_of_the_first(base: Recipe, digits: Dataset) -> None:
    """Its epochs count on, in order and augmentation."""
    first, second = (
        build_data(base, phase=phase, dataset=digits, seed=7, compute=choose_compute("cpu"))
        for phase in phases(base)
    )
    one, two = next(iter(first.train_batches()))[0], next(iter(second.train_batches()))[0]
    assert not torch.equal(one, two)
    assert torch.equal(first.splits.validation, second.splits.validation)
