"""What a run leaves behind: `record.json`, version 1. Each field's meaning stands in docs/record.md."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from plumbline.recipes import Recipe

SCHEMA_VERSION: Literal[1] = 1

PhaseName = Literal["fit", "average"]
WeightsName = Literal["raw", "averaged"]
SplitName = Literal["validation", "test"]


class Part(BaseModel):
    """A part of a record. Not-a-number is kept as the word, since a loss can be one."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Counts(Part):
    """Images in each split."""

    train: int
    validation: int
    test: int


class DatasetPart(Part):
    """Which images; `fingerprint` is equal for equal content, whatever file or order it came in.

    `image_size` is the side in pixels to which one's own pictures are brought, before a recipe's own size.
    """

    name: str
    fingerprint: str
    source: str
    classes: tuple[str, ...]
    counts: Counts
    image_size: int | None = None


def where_it_was(dataset: DatasetPart) -> str:
    """Give what --data has to say to get the data of a record again: the path it came from, or its name.

    >>> counts = Counts(train=1, validation=1, test=1)
    >>> where_it_was(DatasetPart(name="digits", fingerprint="", source="cache", classes=(), counts=counts))
    'digits'
    """
    return dataset.source if Path(dataset.source).exists() else dataset.name


def data_options(dataset: DatasetPart) -> list[str]:
    """Give the words of a command line that name the data of a record, and the size of one's own pictures."""
    words = ["--data", where_it_was(dataset)]
    return words if dataset.image_size is None else [*words, "--image-size", str(dataset.image_size)]


class DevicePart(Part):
    """What computed, and in which number format."""

    kind: str
    name: str
    count: int
    threads: int
    precision: Literal["fp32", "bf16", "fp16"]
    channels_last: bool
    allocator_tuned: bool
    winograd: bool = False


class PhasePart(Part):
    """One phase of training; `seconds` counts training steps and validation, over all resumes."""

    name: PhaseName
    epochs: int
    steps: int
    steps_per_epoch: int
    seconds: float
    finished: bool


class EpochPart(Part):
    """What one epoch gave: means over its training images, validation of the weights after it.

    Validation is None where no image is held out.
    """

    phase: PhaseName
    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    rate: float
    seconds: float


class TimingPart(Part):
    """Seconds of wall clock, but for those of cores; None where not yet known.

    `core_seconds` and `waiting_seconds` are sums over the threads of the process while it trained: on a core,
    and with something to do but waiting for one that another program or thread had.
    """

    setup_seconds: float | None = None
    compile_seconds: float | None = None
    training_seconds: float | None = None
    averaging_seconds: float | None = None
    scoring_seconds: float | None = None
    total_seconds: float | None = None
    images_per_second: float | None = None
    core_seconds: float | None = None
    waiting_seconds: float | None = None

    @property
    def waiting_share(self) -> float | None:
        """The share of the time in which the threads had something to do that they waited for a core."""
        if self.core_seconds is None or self.waiting_seconds is None:
            return None
        total = self.core_seconds + self.waiting_seconds
        return self.waiting_seconds / total if total else 0.0


class ScorePart(Part):
    """One score: `accuracy` is `correct / count`, `loss` the mean cross-entropy in nats.

    `views` counts the views of each image whose logits were averaged, 1 for the image alone;
    `balanced_accuracy` is the mean over classes of the share of their images that are right.
    """

    phase: PhaseName
    weights: WeightsName
    split: SplitName
    accuracy: float
    correct: int
    count: int
    loss: float
    balanced_accuracy: float | None = None
    views: int = 1
    clean_correct: int | None = None
    clean_count: int | None = None
    seconds: float | None = None


class ArithmeticPart(Part):
    """What training takes and what the device gives: operations, and those of a matrix product in a second.

    The rate was measured in the run's own number format just before it. A multiplication and an addition are
    two operations.
    """

    training_flop: float
    matrix_flop_per_second: float


class Record(Part):
    """A whole run, from its first second on."""

    schema_version: Literal[1] = SCHEMA_VERSION
    status: Literal["running", "interrupted", "failed", "finished"]
    title: str
    recipe: Recipe
    digest: str
    seed: int
    command: str
    started: str
    finished: str | None = None
    resumed: tuple[str, ...] = ()
    dataset: DatasetPart
    device: DevicePart
    versions: dict[str, str]
    phases: tuple[PhasePart, ...] = ()
    epochs: tuple[EpochPart, ...] = ()
    scores: tuple[ScorePart, ...] = ()
    timing: TimingPart = TimingPart()
    peak_memory_bytes: int | None = None
    test_looks: int | None = None
    arithmetic: ArithmeticPart | None = None
    leaves_test_alone: bool = False
