"""Where a model is wrong: the confusion matrix, and figures of each class with their intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from plumbline.analysis.intervals import wilson_interval
from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_ANSWER = -1


@dataclass(frozen=True)
class Share:
    """`part` of `whole` images, with Wilson's interval; value and ends are None where `whole` is 0."""

    part: int
    whole: int
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ClassFigures:
    """The figures of one class.

    Attributes:
        images: number of images of the class.
        accuracy: of all images, those rightly called "this class" or "another".
        precision: of the images called this class, those that are. What they are divided by varies too; the
            interval takes it as given.
        recall: of the images of this class, those called so.

    """

    images: int
    accuracy: Share
    precision: Share
    recall: Share


@dataclass(frozen=True)
class ClassReport:
    """Counts and figures of all classes.

    Attributes:
        confusion: int64 (C, C); row: true class, column: predicted class. Images without an answer are in
            no column.
        classes: C figures, in the order of the labels.

    """

    confusion: NDArray[np.int64]
    classes: tuple[ClassFigures, ...]


def answers(logits: NDArray[np.floating]) -> NDArray[np.int64]:
    """Give the class with the largest of each image's `logits` (N, C), or -1 where one of them is NaN.

    >>> answers(np.array([[0.1, 2.0], [3.0, 1.0], [np.nan, 1.0]])).tolist()
    [1, 0, -1]
    """
    return np.where(np.isnan(logits).any(axis=1), NO_ANSWER, logits.argmax(axis=1)).astype(np.int64)


def class_report(
    labels: NDArray[np.int64], *, predictions: NDArray[np.int64], classes: int, level: float = 0.95
) -> ClassReport:
    """Count what was taken for what.

    Args:
        labels: true classes (N,), 0..classes - 1.
        predictions: predicted classes (N,), or -1 for no answer, which is wrong whatever the label.
        classes: number of classes C.
        level: of the intervals; they speak of other images for the same weights.

    Raises:
        PlumblineError: no image, unequal lengths, or a class outside the range.

    >>> report = class_report(np.array([0, 0, 0, 1]), predictions=np.array([0, 0, 1, 1]), classes=2)
    >>> report.confusion.tolist()
    [[2, 1], [0, 1]]
    >>> recall = report.classes[0].recall
    >>> recall.part, recall.whole, round(recall.low, 2), round(recall.high, 2)
    (2, 3, 0.21, 0.94)

    """
    _check(labels, predictions, classes)
    answered = predictions != NO_ANSWER
    cells = labels[answered] * classes + predictions[answered]
    confusion = np.bincount(cells, minlength=classes**2).reshape(classes, classes).astype(np.int64)
    images, called = np.bincount(labels, minlength=classes), confusion.sum(axis=0)
    figures = []
    for index in range(classes):
        right, own, said = int(confusion[index, index]), int(images[index]), int(called[index])
        figures.append(
            ClassFigures(
                images=own,
                accuracy=_share(len(labels) - (own - right) - (said - right), len(labels), level),
                precision=_share(right, said, level),
                recall=_share(right, own, level),
            )
        )
    return ClassReport(confusion, tuple(figures))


def _share(part: int, whole: int, level: float) -> Share:
    if whole == 0:
        return Share(part, whole, None, None, None)
    interval = wilson_interval(part, count=whole, level=level)
    return Share(part, whole, part / whole, interval.low, interval.high)


def _check(labels: NDArray[np.int64], predictions: NDArray[np.int64], classes: int) -> None:
    if not len(labels) or labels.shape != predictions.shape or labels.ndim != 1:
        raise PlumblineError(
            f"labels, predictions: expected one of each for every image, got {labels.shape} and "
            f"{predictions.shape}."
        )
    for name, values, least in (("labels", labels, 0), ("predictions", predictions, NO_ANSWER)):
        if values.min() < least or values.max() >= classes:
            raise PlumblineError(
                f"{name}: expected {least} to {classes - 1} for {classes} classes, got {values.min()} to "
                f"{values.max()}."
            )
