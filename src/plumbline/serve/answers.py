"""What the JSON endpoint gives: the fields of its answers, as its documentation shows them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from plumbline.records import WeightsName


class Part(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(frozen=True)


class Problem(Part):
    """Why a picture or a request was not taken."""

    kind: str = Field(description="for programs: no_picture, damaged, empty, too_many_pixels, rate, …")
    message: str = Field(description="for people, in the language asked for")


class Refused(Part):
    """The answer where a whole request is refused."""

    error: Problem


class ClassShare(Part):
    """One class and its probability."""

    name: str
    probability: float


class NearPicture(Part):
    """A training picture near the one that was sent."""

    index: int = Field(description="its index in the training images of the data set")
    class_name: str
    similarity: float = Field(description="cosine between the features before the last layer, at most 1")
    picture: str = Field(description="a PNG of 96 pixels a side at most, as a data URI")


class PictureAnswer(Part):
    """What the model says of one picture; either `error` or the rest is null."""

    name: str
    classes: tuple[ClassShare, ...] | None = Field(None, description="the most likely first")
    square: str | None = Field(None, description="what the model sees: a PNG as a data URI")
    heat_map: tuple[tuple[float, ...], ...] | None = Field(
        None,
        description="rows of numbers from 0 to 1: how much each place speaks for the first class (HiResCAM)",
    )
    neighbours: tuple[NearPicture, ...] | None = None
    error: Problem | None = None


class IndexAnswer(Part):
    """How far the reading of training pictures is, which are compared with."""

    state: Literal["opening", "reading", "ready", "unavailable"]
    done: int
    total: int
    reason: str


class PredictAnswer(Part):
    """One result for each file, in their order."""

    results: tuple[PictureAnswer, ...]
    calibrated: bool = Field(description="whether held-out images gave the temperature of the probabilities")
    training_pictures: IndexAnswer


class LimitsAnswer(Part):
    """What is taken."""

    file_bytes: int
    files: int
    pixels: int
    requests_per_second: float


class ModelAnswer(Part):
    """What answers here."""

    title: str
    model: str
    dataset: str
    classes: tuple[str, ...]
    weights: WeightsName
    image_size: int = Field(description="side in pixels of the square that a picture is brought to")
    calibrated: bool
    temperature: float
    test_accuracy: float | None = Field(description="of these weights, by the run's record")
    test_count: int | None
    training_pictures: IndexAnswer
    limits: LimitsAnswer


class HealthAnswer(Part):
    """That the server is there."""

    status: Literal["ok"] = "ok"
