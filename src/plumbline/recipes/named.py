"""The recipes that have a name. The docstring of each is its claim."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from plumbline.recipes.schema import Model, OneCycle, Recipe, Resolution, Swa


def resnet18() -> Recipe:
    """The tutorial's system done right: 50 epochs of one-cycle, then 20 of weight averaging.

    Accuracy: not measured yet for the full 50 + 20 epochs; the tutorial states 94.58 % after its first
    phase and 95.06 % after its second, one seed. Made for a GPU; on two CPU cores it takes many hours.
    Command: plumbline fit resnet18
    """
    return Recipe(name="resnet18")


def resnet18_quick() -> Recipe:
    """The same system, small enough for a machine without an accelerator.

    The same network and phases on images of 16 pixels, 4 + 2 epochs: it shows the whole in minutes, and is
    no baseline to quote.
    Accuracy: 77.14 % averaged on CIFAR-10's test images (76.31 to 77.95, one seed, 2026-11-24; two cores of
    an AMD EPYC without bf16 arithmetic; the time was not measured on a quiet machine).
    Command: plumbline fit resnet18-quick --data cifar10 --seed 7
    """
    return Recipe(
        name="resnet18-quick",
        model=Model(name="resnet18"),
        resolution=Resolution(train=(16,), test=16),
        batch_size=64,
        epochs=4,
        schedule=OneCycle(max_rate=0.05),
        averaging=Swa(epochs=2, rate=0.01),
    )


NAMED: dict[str, Callable[[], Recipe]] = {"resnet18": resnet18, "resnet18-quick": resnet18_quick}


def claim(name: str) -> str:
    """Give what a named recipe promises: its docstring, dedented.

    >>> claim("resnet18").splitlines()[0]
    "The tutorial's system done right: 50 epochs of one-cycle, then 20 of weight averaging."
    """
    return inspect.getdoc(NAMED[name]) or ""
