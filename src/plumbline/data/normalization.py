"""The normalisations that CIFAR code writes by hand, as torchvision transforms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.engine import explain_import_error

if TYPE_CHECKING:
    from torchvision.transforms import Normalize

# Mean and standard deviation of all pixels of the 50,000 training images, rounded. The deviations 0.2023
# 0.1994 0.2010 that are often copied for CIFAR-10 are averages over single images, which is not what the
# transform divides by.
CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR10_STD = (0.2470, 0.2435, 0.2616)
CIFAR100_MEAN = (0.5071, 0.4865, 0.4409)
CIFAR100_STD = (0.2673, 0.2564, 0.2762)


def cifar10_normalization() -> Normalize:
    """Give torchvision's Normalize with the mean and deviation of CIFAR-10's training images.

    >>> cifar10_normalization()
    Normalize(mean=(0.4914, 0.4822, 0.4465), std=(0.247, 0.2435, 0.2616))
    """
    return _normalize(CIFAR10_MEAN, std=CIFAR10_STD)


def cifar100_normalization() -> Normalize:
    """Give torchvision's Normalize with the mean and deviation of CIFAR-100's training images.

    >>> cifar100_normalization()
    Normalize(mean=(0.5071, 0.4865, 0.4409), std=(0.2673, 0.2564, 0.2762))
    """
    return _normalize(CIFAR100_MEAN, std=CIFAR100_STD)


def _normalize(mean: tuple[float, float, float], *, std: tuple[float, float, float]) -> Normalize:
    try:
        from torchvision import transforms
    except (ImportError, RuntimeError, AttributeError) as error:
        raise (explain_import_error(error) or error) from error
    return transforms.Normalize(mean, std)
