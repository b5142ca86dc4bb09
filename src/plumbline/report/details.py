"""Where a run is wrong, and how sure it says it is: from the predictions of its final weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from plumbline.analysis import (
    Calibration,
    ClassFigures,
    Temperature,
    answers,
    calibration,
    class_report,
    fit_temperature,
)
from plumbline.errors import PlumblineError
from plumbline.records import Record
from plumbline.records.predictions import SplitPredictions, confident_mistakes, softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_CONFUSED = 10


@dataclass(frozen=True)
class OneClass:
    """The name of a class and its figures."""

    name: str
    figures: ClassFigures


@dataclass(frozen=True)
class Confused:
    """How many images of one class were taken for another; `share` is of all images of the true class."""

    true: str
    predicted: str
    count: int
    share: float


@dataclass(frozen=True)
class Mistake:
    """A misclassified image, by its index in the test images; `predicted` is None where the network gave NaN.

    `confidence` is the probability of the predicted class, `true_probability` that of the true one; `path` is
    the file of a picture of one's own, else empty.
    """

    index: int
    true: str
    predicted: str | None
    confidence: float
    true_probability: float
    path: str = ""


@dataclass(frozen=True)
class Details:
    """What the predictions on the test images show.

    Attributes:
        count: test images.
        matrix: counts by true class (row) and predicted class (column).
        classes: the worst recognised first.
        confused: the pairs of classes with the most mistakes.
        mistakes: all misclassified images, the most confident first.
        before: calibration as trained; None where a logit is not finite.
        temperature: fitted on the validation images; None where that cannot be.
        after: calibration with it, on the test images.
        missing: why `before` or `temperature` is None; empty where neither is.

    """

    count: int
    matrix: tuple[tuple[int, ...], ...]
    classes: tuple[OneClass, ...]
    confused: tuple[Confused, ...]
    mistakes: tuple[Mistake, ...]
    before: Calibration | None
    temperature: Temperature | None
    after: Calibration | None
    missing: str


def details_of(
    test: SplitPredictions,
    *,
    validation: SplitPredictions | None,
    record: Record,
    paths: Mapping[int, str],
) -> Details:
    """Give what the predictions show; a temperature is fitted on the validation images and nowhere else.

    `paths` are the files of test images by index, where they are files of one's own.

    Raises PlumblineError where the predictions are of other classes than the record's.
    """
    names = record.dataset.classes
    for predictions in filter(None, (test, validation)):
        if predictions.logits.shape[1] != len(names):
            raise PlumblineError(
                f"The predictions kept with this run are of {predictions.logits.shape[1]} classes, its "
                f"record names {len(names)}. Delete the folder predictions/ to have a report without them."
            )
    said = answers(test.logits)
    report = class_report(test.labels, predictions=said, classes=len(names))
    missing = _missing(test, validation, held_out=record.dataset.counts.validation)
    finite = bool(np.isfinite(test.logits).all())
    fitted = None
    if validation is not None and not missing:
        fitted = fit_temperature(validation.logits, labels=validation.labels)
        if fitted.bounded:
            missing = f"No temperature was fitted: {fitted.why_bounded(len(validation.labels))}."
            fitted = None
    classes = [OneClass(name, figures) for name, figures in zip(names, report.classes, strict=True)]
    return Details(
        count=len(test.labels),
        matrix=tuple(tuple(row) for row in report.confusion.tolist()),
        classes=tuple(sorted(classes, key=lambda one: 2.0 if (v := one.figures.recall.value) is None else v)),
        confused=_confused(report.confusion, test=test, names=names),
        mistakes=_mistakes(test, said=said, names=names, paths=paths),
        before=calibration(test.logits, labels=test.labels) if finite else None,
        temperature=fitted,
        after=calibration(test.logits, labels=test.labels, temperature=fitted.value) if fitted else None,
        missing=missing,
    )


def _missing(test: SplitPredictions, validation: SplitPredictions | None, *, held_out: int) -> str:
    odd = int((~np.isfinite(test.logits)).any(axis=1).sum())
    if odd:
        return (
            f"For {odd:,} of {len(test.labels):,} test images the network gave values that are not finite, "
            "so there is no confidence to compare with."
        )
    if not held_out:
        return (
            "No temperature was fitted: nothing was held out for validation, and one fitted on the test "
            "images would look better than it is."
        )
    if validation is None:
        return "No temperature was fitted: the predictions on the validation images were not kept."
    if not np.isfinite(validation.logits).all():
        return "No temperature was fitted: some values for the validation images are not finite."
    return ""


def _confused(
    confusion: NDArray[np.int64], *, test: SplitPredictions, names: Sequence[str]
) -> tuple[Confused, ...]:
    images = np.bincount(test.labels, minlength=len(names))
    errors = confusion - np.diag(np.diag(confusion))
    largest = np.argsort(-errors, axis=None, kind="stable")[:MOST_CONFUSED]
    cells = [divmod(int(place), len(names)) for place in largest]
    return tuple(
        Confused(names[true], names[said], int(errors[true, said]), float(errors[true, said] / images[true]))
        for true, said in cells
        if errors[true, said]
    )


def _mistakes(
    test: SplitPredictions, *, said: NDArray[np.int64], names: Sequence[str], paths: Mapping[int, str]
) -> tuple[Mistake, ...]:
    order = confident_mistakes(test)
    shares = np.nan_to_num(softmax(test.logits[order]), nan=0.0)
    rows = zip(order.tolist(), shares, strict=True)
    return tuple(
        Mistake(
            index=int(test.indices[place]),
            true=names[test.labels[place]],
            predicted=None if said[place] < 0 else names[said[place]],
            confidence=float(share.max()),
            true_probability=float(share[test.labels[place]]),
            path=paths.get(int(test.indices[place]), ""),
        )
        for place, share in rows
    )
