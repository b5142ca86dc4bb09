"""Weights on disk: files that Lightning's `load_from_checkpoint` reads, and that need no other file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import torch

from plumbline.data import Dataset
from plumbline.errors import PlumblineError
from plumbline.tensor_files import WEIGHTS_SETTINGS, read_checkpoint, write_checkpoint
from plumbline.training.classifier import ImageClassifier
from plumbline.training.device import Compute


def save_weights(classifier: ImageClassifier, *, dataset: Dataset, path: Path) -> None:
    """Write the weights with the class names, the image size and the normalisation that belong to them."""
    content = {
        "pytorch-lightning_version": lightning.__version__,
        "hyper_parameters": dict(classifier.hparams),
        "state_dict": {name: tensor.detach().cpu() for name, tensor in classifier.state_dict().items()},
        "plumbline": {
            "dataset": dataset.name,
            "classes": list(dataset.classes),
            "mean": list(dataset.mean),
            "std": list(dataset.std),
            "image_size": dataset.train.image_size,
        },
    }
    write_checkpoint(content, path=path)


def normalized_for(dataset: Dataset, *, path: Path) -> Dataset:
    """Give data with the mean and deviation that belong to the weights in a file of `save_weights`.

    Those of the data themselves would show the network other inputs than it was trained on.
    """
    about = read_checkpoint(path).get("plumbline", {})
    if {"mean", "std"} - set(about):
        raise PlumblineError(f"{path} holds no weights of a plumbline run: expected their mean and std.")
    return replace(dataset, mean=tuple(about["mean"]), std=tuple(about["std"]))


def load_weights(classifier: ImageClassifier, path: Path) -> None:
    """Put the weights of a file into a classifier of the same shape."""
    _fill(classifier, content=read_checkpoint(path), path=path)


def _fill(classifier: ImageClassifier, *, content: dict[str, Any], path: Path) -> None:
    try:
        classifier.load_state_dict(content.get("state_dict", {}))
    except RuntimeError as error:
        raise PlumblineError(f"The weights in {path} do not fit this model: {str(error)[:300]}") from error


def load_classifier(path: Path, *, compute: Compute | None = None) -> ImageClassifier:
    """Make the classifier that a file of `save_weights` holds, in evaluation mode.

    It lies on the CPU, or where and as `compute` wants it.
    """
    content = read_checkpoint(path)
    settings = content.get("hyper_parameters", {})
    unknown = set(settings) - WEIGHTS_SETTINGS
    if "model" not in settings or unknown:
        raise PlumblineError(
            f"{path} holds no weights of a plumbline run: expected a model's name and classes."
        )
    classifier = ImageClassifier(**settings)
    _fill(classifier, content=content, path=path)
    if compute is not None:
        classifier = classifier.to(compute.device)
        if compute.channels_last:
            classifier = classifier.to(memory_format=torch.channels_last)
    return classifier.eval()
