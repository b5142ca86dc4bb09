"""Image-classification baselines that people can trust, fast.

The public names are handed out lazily: importing plumbline costs nothing until one of them is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plumbline.data import cifar10_normalization, cifar100_normalization, load_dataset
    from plumbline.data.modules import CIFAR10DataModule, CIFAR100DataModule, ImageDataModule
    from plumbline.errors import PlumblineError
    from plumbline.models import create_model, describe_model, list_models
    from plumbline.records import read_record
    from plumbline.training.averaging import WeightAverager, refresh_batch_norm
    from plumbline.training.classifier import ImageClassifier

_HOMES = {
    "CIFAR100DataModule": "plumbline.data.modules",
    "CIFAR10DataModule": "plumbline.data.modules",
    "ImageClassifier": "plumbline.training.classifier",
    "ImageDataModule": "plumbline.data.modules",
    "PlumblineError": "plumbline.errors",
    "WeightAverager": "plumbline.training.averaging",
    "cifar100_normalization": "plumbline.data",
    "cifar10_normalization": "plumbline.data",
    "create_model": "plumbline.models",
    "describe_model": "plumbline.models",
    "list_models": "plumbline.models",
    "load_dataset": "plumbline.data",
    "read_record": "plumbline.records",
    "refresh_batch_norm": "plumbline.training.averaging",
}

__all__ = [
    "CIFAR10DataModule",
    "CIFAR100DataModule",
    "ImageClassifier",
    "ImageDataModule",
    "PlumblineError",
    "WeightAverager",
    "cifar10_normalization",
    "cifar100_normalization",
    "create_model",
    "describe_model",
    "list_models",
    "load_dataset",
    "read_record",
    "refresh_batch_norm",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'plumbline' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
