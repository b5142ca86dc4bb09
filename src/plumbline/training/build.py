"""The one seam: the only file that knows both a recipe and the components it asks for."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from plumbline.data import Dataset
from plumbline.data.modules import ImageDataModule
from plumbline.errors import PlumblineError
from plumbline.models import create_model
from plumbline.optim import OptimizerFactory, SgdConstant, SgdOneCycle
from plumbline.recipes import Recipe
from plumbline.records import PhaseName
from plumbline.training.classifier import ImageClassifier
from plumbline.training.device import Compute


@dataclass(frozen=True)
class Built:
    """What one phase of training needs."""

    classifier: ImageClassifier
    data: ImageDataModule
    epochs: int
    steps_per_epoch: int


def phases(recipe: Recipe) -> tuple[PhaseName, ...]:
    """Give the phases that a recipe has."""
    return ("fit",) if recipe.averaging is None else ("fit", "average")


def epochs_of(recipe: Recipe, *, phase: PhaseName) -> int:
    """Give the number of epochs of one phase."""
    if phase == "fit":
        return recipe.epochs
    return recipe.averaging.epochs if recipe.averaging is not None else 0


def build_phase(recipe: Recipe, *, phase: PhaseName, dataset: Dataset, seed: int, compute: Compute) -> Built:
    """Build model, data and optimization of one phase; the weights are those of the seed's `init` stream.

    Raises PlumblineError where the recipe does not fit the data: a batch larger than the training split, an
    image size the model cannot take.
    """
    data = build_data(recipe, phase=phase, dataset=dataset, seed=seed, compute=compute)
    epochs = epochs_of(recipe, phase=phase)
    model = create_model(
        recipe.model.name,
        num_classes=len(dataset.classes),
        pretrained=recipe.model.pretrained and phase == "fit",
        image_size=min(*recipe.resolution.train, recipe.resolution.test),
        seed=seed,
    )
    if compute.channels_last:
        model = model.to(memory_format=torch.channels_last)
    classifier = ImageClassifier(
        model,
        num_classes=len(dataset.classes),
        model_name=recipe.model.name,
        label_smoothing=recipe.label_smoothing,
        optimization=optimization_of(recipe, phase=phase),
        total_steps=data.steps_per_epoch * epochs,
    )
    return Built(classifier=classifier, data=data, epochs=epochs, steps_per_epoch=data.steps_per_epoch)


def build_data(
    recipe: Recipe, *, phase: PhaseName, dataset: Dataset, seed: int, compute: Compute
) -> ImageDataModule:
    """Build the splits and batches of one phase. The second phase trains at the last image size."""
    validation_count = max(1, round(len(dataset.train) * recipe.validation_fraction))
    training_count = len(dataset.train) - validation_count
    if recipe.batch_size > training_count:
        raise PlumblineError(
            f"A batch of {recipe.batch_size:,} images is larger than the {training_count:,} training images "
            f"of {dataset.name}. Take a smaller one, such as --set batch_size={max(1, training_count // 8)}."
        )
    return ImageDataModule(
        dataset,
        batch_size=recipe.batch_size,
        validation_count=validation_count,
        seed=seed,
        crop_padding=recipe.augmentation.crop_padding,
        flip=recipe.augmentation.flip,
        train_sizes=recipe.resolution.train if phase == "fit" else recipe.resolution.train[-1:],
        test_size=recipe.resolution.test,
        epochs=epochs_of(recipe, phase=phase),
        first_epoch=0 if phase == "fit" else recipe.epochs,
        channels_last=compute.channels_last,
    )


def optimization_of(recipe: Recipe, *, phase: PhaseName) -> OptimizerFactory:
    """Give the optimizer and schedule of one phase."""
    sgd, cycle = recipe.optimizer, recipe.schedule
    if phase == "average" and recipe.averaging is not None:
        return SgdConstant(
            rate=recipe.averaging.rate,
            momentum=recipe.averaging.momentum,
            weight_decay=sgd.weight_decay,
            nesterov=sgd.nesterov,
        )
    return SgdOneCycle(
        weight_decay=sgd.weight_decay, nesterov=sgd.nesterov, **cycle.model_dump(exclude={"kind"})
    )
