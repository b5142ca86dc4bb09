"""What can be asked for: frozen, validated, typed.

A recipe holds decisions only. What follows from the data, such as steps per epoch, is computed where the data
are known (`plumbline.training.build`) and never written here.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
ImageSize = Annotated[int, Field(ge=8, le=1024)]


class Section(BaseModel):
    """A part of a recipe: refuses unknown keys, other types and changes."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Model(Section):
    """Which network, and what its weights start from."""

    name: str = "resnet18"
    pretrained: bool = False


class Augmentation(Section):
    """What is done to a training image, anew in every epoch."""

    crop_padding: Annotated[int, Field(ge=0, le=64)] = 4
    flip: bool = True


class Resolution(Section):
    """Image side lengths in pixels: training goes through `train` in equal shares of the epochs."""

    train: Annotated[tuple[ImageSize, ...], Field(min_length=1)] = (32,)
    test: ImageSize = 32


class Sgd(Section):
    """Stochastic gradient descent; its momentum belongs to the schedule, which sets it at every step."""

    kind: Literal["sgd"] = "sgd"
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    nesterov: bool = True


class OneCycle(Section):
    """One-cycle rate and momentum over the whole first phase (Smith and Topin, arXiv 1708.07120)."""

    kind: Literal["one_cycle"] = "one_cycle"
    max_rate: Positive = 0.1
    warmup_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.3
    start_divisor: Annotated[float, Field(ge=1)] = 25.0
    final_divisor: Annotated[float, Field(ge=1)] = 1e4
    base_momentum: Fraction = 0.85
    max_momentum: Fraction = 0.95


class Swa(Section):
    """Stochastic weight averaging as a second phase (Izmailov et al., arXiv 1803.05407).

    Training goes on for `epochs` at a constant rate; the weights after each of them count equally.
    """

    kind: Literal["swa"] = "swa"
    epochs: Count = 20
    rate: Positive = 0.01
    momentum: Fraction = 0.9


class Recipe(Section):
    """A whole training run but for the data, the seed and the device."""

    name: str | None = None
    model: Model = Model()
    validation_fraction: Annotated[float, Field(gt=0, lt=0.9)] = 0.1
    augmentation: Augmentation = Augmentation()
    resolution: Resolution = Resolution()
    batch_size: Count = 256
    epochs: Count = 50
    label_smoothing: Fraction = 0.0
    optimizer: Sgd = Sgd()
    schedule: OneCycle = OneCycle()
    averaging: Swa | None = Swa()
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"

    @property
    def digest(self) -> str:
        """Give 16 hex digits, equal for two recipes that ask for the same; the name is no part."""
        content = self.model_dump(mode="json", exclude={"name"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
