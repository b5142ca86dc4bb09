"""The Lightning data modules. They are apart from `plumbline.data`, which does not import Lightning."""

from plumbline.data.cifar_modules import CIFAR10DataModule, CIFAR100DataModule
from plumbline.data.image_module import ImageDataModule

__all__ = ["CIFAR10DataModule", "CIFAR100DataModule", "ImageDataModule"]
