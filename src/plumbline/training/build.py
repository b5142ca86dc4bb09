"""The one seam: the only file that knows both a recipe and the components it asks for."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from plumbline.data import Dataset
from plumbline.data.modules import ImageDataModule
from plumbline.errors import PlumblineError
from plumbline.evaluation import Views
from plumbline.models import SpeedNet, create_model, use_winograd
from plumbline.optim import MuonSgdLinear, OptimizerFactory, SgdConstant, SgdOneCycle
from plumbline.recipes import Augmentation, Ema, LinearDecay, MuonSgd, OneCycle, Recipe, Sgd, Swa
from plumbline.records import PhaseName
from plumbline.training.averaging import WeightAverager
from plumbline.training.classifier import ImageClassifier
from plumbline.training.compiled import CompiledPass
from plumbline.training.device import Compute
from plumbline.training.ema import EmaAverager

Averager = WeightAverager | EmaAverager

_WHITENING_IMAGES = 5000


@dataclass(frozen=True)
class Built:
    """What one phase of training needs; `views` are those that are scored beside the plain images."""

    classifier: ImageClassifier
    data: ImageDataModule
    epochs: int
    steps_per_epoch: int
    averager: Averager | None
    views: Views | None


def phases(recipe: Recipe) -> tuple[PhaseName, ...]:
    """Give the phases that a recipe has."""
    return ("fit", "average") if isinstance(recipe.averaging, Swa) else ("fit",)


def epochs_of(recipe: Recipe, *, phase: PhaseName) -> int:
    """Give the number of epochs of one phase."""
    if phase == "fit":
        return recipe.epochs
    return recipe.averaging.epochs if isinstance(recipe.averaging, Swa) else 0


def build_phase(recipe: Recipe, *, phase: PhaseName, dataset: Dataset, seed: int, compute: Compute) -> Built:
    """Build model, data and optimization of one phase; the weights are those of the seed's `init` stream.

    Raises PlumblineError where the recipe does not fit the data, a batch larger than the training split or an
    image size the model cannot take, or its parts do not fit each other.
    """
    if recipe.compile and compute.count > 1:
        raise PlumblineError(
            f"compile: expected one device, got {compute.count}. Leave out --compile or --devices."
        )
    data = build_data(recipe, phase=phase, dataset=dataset, seed=seed, compute=compute)
    training_count = len(data.splits.train)
    if recipe.batch_size > training_count:
        raise PlumblineError(
            f"A batch of {recipe.batch_size:,} images is larger than the {training_count:,} training images "
            f"of {dataset.name}. Take a smaller one, such as --set batch_size={max(1, training_count // 8)}."
        )
    epochs = epochs_of(recipe, phase=phase)
    model = create_model(
        recipe.model.name,
        num_classes=len(dataset.classes),
        pretrained=recipe.model.pretrained and phase == "fit",
        image_size=min(*recipe.resolution.train, recipe.resolution.test),
        seed=seed,
    )
    _prepare_first_layer(model, recipe=recipe, phase=phase, data=data)
    if compute.channels_last:
        model = model.to(memory_format=torch.channels_last)
    if compute.winograd:
        use_winograd(model)
    classifier = ImageClassifier(
        model,
        num_classes=len(dataset.classes),
        model_name=recipe.model.name,
        label_smoothing=recipe.label_smoothing,
        class_weights=_class_weights(recipe, data=data),
        optimization=optimization_of(recipe, phase=phase, compute=compute),
        total_steps=data.steps_per_epoch * epochs,
    )
    if recipe.compile:
        classifier.training_pass = CompiledPass(model, batch_size=recipe.batch_size)
    return Built(
        classifier=classifier,
        data=data,
        epochs=epochs,
        steps_per_epoch=data.steps_per_epoch,
        averager=_averager(recipe, phase=phase, steps_per_epoch=data.steps_per_epoch),
        views=recipe.tta,
    )


def _prepare_first_layer(
    model: nn.Module, *, recipe: Recipe, phase: PhaseName, data: ImageDataModule
) -> None:
    if not isinstance(model, SpeedNet):
        if recipe.model.whitening is not None:
            raise PlumblineError(
                f"model.whitening: {recipe.model.name} has no whitening layer. Take a network that has one, "
                "such as speednet_s, or --set model.whitening=none."
            )
    elif recipe.model.whitening == "trained":
        model.whitening.requires_grad_()
    elif phase == "fit":
        model.whiten(data.normalized_images("train", count=_WHITENING_IMAGES))


def build_data(
    recipe: Recipe, *, phase: PhaseName, dataset: Dataset, seed: int, compute: Compute
) -> ImageDataModule:
    """Build the splits and batches of one phase. The second phase trains at the last image size."""
    validation_count = round(len(dataset.train) * recipe.validation_fraction)
    if recipe.validation_fraction > 0:
        validation_count = max(1, validation_count)
    augmentation = _augmentation(recipe, phase=phase)
    return ImageDataModule(
        dataset,
        batch_size=recipe.batch_size,
        validation_count=validation_count,
        seed=seed,
        crop_padding=augmentation.crop_padding,
        crop_fill=augmentation.padding or "zeros",
        flip=augmentation.flip,
        jitter=augmentation.jitter or 0.0,
        cutout=augmentation.cutout or 0.0,
        train_sizes=recipe.resolution.train if phase == "fit" else recipe.resolution.train[-1:],
        test_size=recipe.resolution.test,
        epochs=epochs_of(recipe, phase=phase),
        first_epoch=0 if phase == "fit" else recipe.epochs,
        channels_last=compute.channels_last,
    )


def _augmentation(recipe: Recipe, *, phase: PhaseName) -> Augmentation:
    second = recipe.averaging if phase == "average" else None
    if isinstance(second, Swa) and second.augmentation == "flip":
        return Augmentation(crop_padding=0, flip=recipe.augmentation.flip)
    return recipe.augmentation


def _class_weights(recipe: Recipe, *, data: ImageDataModule) -> torch.Tensor | None:
    """Give weights in inverse proportion to the training images of each class, 1 on average over images."""
    if recipe.class_weighting is None:
        return None
    labels = data.dataset.train.labels[data.splits.train]
    counts = torch.bincount(labels, minlength=data.num_classes)
    present = int((counts > 0).sum())
    return len(labels) / (present * counts.clamp_min(1).float())


def optimization_of(recipe: Recipe, *, phase: PhaseName, compute: Compute) -> OptimizerFactory:
    """Give the optimizer and schedule of one phase."""
    match recipe.optimizer, recipe.schedule, recipe.averaging:
        case Sgd() as sgd, OneCycle(), Swa() as swa if phase == "average":
            return SgdConstant(
                rate=swa.rate, momentum=swa.momentum, weight_decay=sgd.weight_decay, nesterov=sgd.nesterov
            )
        case Sgd() as sgd, OneCycle() as cycle, _:
            return SgdOneCycle(
                weight_decay=sgd.weight_decay,
                nesterov=sgd.nesterov,
                **cycle.model_dump(exclude={"kind", "anneal"}),
                anneal=cycle.anneal or "cosine",
            )
        case MuonSgd() as muon, LinearDecay() as decay, _:
            return MuonSgdLinear(
                **muon.model_dump(exclude={"kind"}),
                **decay.model_dump(exclude={"kind"}),
                dtype=torch.bfloat16 if compute.precision == "bf16" else None,
                # Without its gradient the network would be another program.
                freeze=compute.count == 1 and not recipe.compile,
            )
        case optimizer, schedule, _:
            raise PlumblineError(f"The optimizer {optimizer.kind} does not go with {schedule.kind}.")


def _averager(recipe: Recipe, *, phase: PhaseName, steps_per_epoch: int) -> Averager | None:
    match recipe.averaging:
        case Swa() as swa:
            steps = swa.epochs * steps_per_epoch
            if swa.every_steps is not None and swa.every_steps > steps:
                raise PlumblineError(
                    f"averaging.every_steps: expected at most the {steps} steps of the second phase "
                    f"({swa.epochs} epochs of {steps_per_epoch}), got {swa.every_steps}."
                )
            return WeightAverager(every_steps=swa.every_steps) if phase == "average" else None
        case Ema() as ema:
            return EmaAverager(
                half_life_steps=ema.half_life_steps,
                every_steps=ema.every_steps,
                start_step=round(ema.start_fraction * recipe.epochs * steps_per_epoch),
            )
        case None:
            return None
