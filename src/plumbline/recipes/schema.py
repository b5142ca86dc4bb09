"""What can be asked for: frozen, validated, typed.

A recipe holds decisions only. What follows from the data, such as steps per epoch, is computed where the data
are known (`plumbline.training.build`) and never written here.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
ImageSize = Annotated[int, Field(ge=8, le=1024)]


class Section(BaseModel):
    """A part of a recipe: refuses unknown keys, other types and changes."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Model(Section):
    """Which network, and what its weights start from.

    `whitening` is for the speed networks: their first layer is computed from training images and stays as it
    is (None), or starts at random and is trained like the others (trained).
    """

    name: str = "resnet18"
    pretrained: bool = False
    whitening: Literal["trained"] | None = None


class Augmentation(Section):
    """What is done to a training image, anew in every epoch.

    `padding` is what a crop sees beyond the edge: None is zeros. `flip` alternates where an image is mirrored
    in every other epoch, half of them in the even ones (Jordan, arXiv 2404.00498). `jitter` is how far
    brightness and contrast are moved: by up to so many deviations of the data's pixels, and so much of 1.
    `cutout` is the side of a square that is cut out of every image, as a fraction of the image's.
    """

    crop_padding: Annotated[int, Field(ge=0, le=64)] = 4
    padding: Literal["reflect"] | None = None
    flip: bool | Literal["alternating"] = True
    jitter: Annotated[float, Field(gt=0, lt=1)] | None = None
    cutout: Annotated[float, Field(gt=0, lt=1)] | None = None


class Resolution(Section):
    """Image side lengths in pixels: training goes through `train` in equal shares of the epochs."""

    train: Annotated[tuple[ImageSize, ...], Field(min_length=1)] = (32,)
    test: ImageSize = 32


class Sgd(Section):
    """Stochastic gradient descent; its momentum belongs to the schedule, which sets it at every step."""

    kind: Literal["sgd"] = "sgd"
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    nesterov: bool = True


class MuonSgd(Section):
    """Muon for the filters, SGD for the head and the biases (Jordan, github.com/KellerJordan/Muon).

    Rates are those of the first step; the schedule scales all of them. `decay` is the share of head and
    biases that one step at the full rate takes away. The whitening layer's bias is trained for
    `whitening_bias_fraction` of the steps only, its rate falling to zero over them.
    """

    kind: Literal["muon_sgd"] = "muon_sgd"
    filter_rate: Positive = 0.24
    filter_momentum: Fraction = 0.6
    newton_schulz_steps: Annotated[int, Field(ge=1, le=20)] = 3
    head_rate: Positive = 0.02
    bias_rate: Positive = 100.0
    momentum: Fraction = 0.85
    decay: Annotated[float, Field(ge=0, lt=1)] = 0.004
    whitening_bias_fraction: Annotated[float, Field(ge=0, le=1)] = 0.375


class OneCycle(Section):
    """One-cycle rate and momentum over the whole first phase (Smith and Topin, arXiv 1708.07120).

    The way up and the way down are halves of a cosine (`anneal` is None) or lines (linear).
    """

    kind: Literal["one_cycle"] = "one_cycle"
    max_rate: Positive = 0.1
    warmup_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.3
    start_divisor: Annotated[float, Field(ge=1)] = 25.0
    final_divisor: Annotated[float, Field(ge=1)] = 1e4
    base_momentum: Fraction = 0.85
    max_momentum: Fraction = 0.95
    anneal: Literal["linear"] | None = None


class LinearDecay(Section):
    """Rates fall in a line from the first step to `final_fraction` of theirs, which is kept from then on.

    The line ends at `decay_fraction` of all steps.
    """

    kind: Literal["linear"] = "linear"
    decay_fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    final_fraction: Fraction = 0.0


class Swa(Section):
    """Stochastic weight averaging as a second phase (Izmailov et al., arXiv 1803.05407).

    Training goes on for `epochs` at a constant rate; the weights after each of them count equally, or those
    after every `every_steps` steps. With `augmentation` flip its images are mirrored as in the first phase
    and not changed otherwise: what the average is taken from has then seen images as they are tested.
    """

    kind: Literal["swa"] = "swa"
    epochs: Count = 20
    rate: Positive = 0.01
    momentum: Fraction = 0.9
    every_steps: Count | None = None
    augmentation: Literal["flip"] | None = None


class Ema(Section):
    """An exponential moving average of the weights, kept beside them in the last part of the first phase.

    It begins at `start_fraction` of the steps and takes the weights in every `every_steps`; what was taken in
    counts half after `half_life_steps`.
    """

    kind: Literal["ema"] = "ema"
    half_life_steps: Positive = 8.0
    every_steps: Count = 4
    start_fraction: Fraction = 0.9


class Recipe(Section):
    """A whole training run but for the data, the seed and the device.

    With a `validation_fraction` of 0 all training images are trained on and nothing is validated. `tta` is
    test-time augmentation, scored beside the plain score: the logits of each image and its mirror image are
    averaged (flip), or of these and of both shifted by a pixel up-left and down-right (flip_shift).
    `class_weighting` balanced lets every class weigh the same in the training loss, however many images it
    has. `compile` puts training through torch.compile: the same arithmetic in another order.
    """

    name: str | None = None
    model: Model = Model()
    validation_fraction: Annotated[float, Field(ge=0, lt=0.9)] = 0.1
    augmentation: Augmentation = Augmentation()
    resolution: Resolution = Resolution()
    batch_size: Count = 256
    epochs: Count = 50
    label_smoothing: Fraction = 0.0
    class_weighting: Literal["balanced"] | None = None
    optimizer: Annotated[Sgd | MuonSgd, Field(discriminator="kind")] = Sgd()
    schedule: Annotated[OneCycle | LinearDecay, Field(discriminator="kind")] = OneCycle()
    averaging: Annotated[Swa | Ema, Field(discriminator="kind")] | None = Swa()
    tta: Literal["flip", "flip_shift"] | None = None
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    compile: Literal[True] | None = None

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if (self.optimizer.kind == "sgd") != (self.schedule.kind == "one_cycle"):
            raise ValueError("sgd goes with the schedule one_cycle, muon_sgd with linear")
        if self.optimizer.kind == "muon_sgd" and self.averaging is not None and self.averaging.kind == "swa":
            raise ValueError("averaging swa goes with the optimizer sgd; give muon_sgd ema or none")
        return self

    @property
    def digest(self) -> str:
        """Give 16 hex digits, equal for two recipes that ask for the same; the name is no part.

        What is None is left out, so that a part added to recipes later, None by default, changes no digest.
        """
        content = self.model_dump(mode="json", exclude={"name"}, exclude_none=True)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
