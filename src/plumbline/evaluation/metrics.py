"""Accuracy and loss of predictions, counted exactly."""

from __future__ import annotations

from dataclasses import dataclass

from torch.nn import functional

from plumbline.errors import PlumblineError
from plumbline.evaluation.logits import Predictions


@dataclass(frozen=True)
class Score:
    """How well predictions agree with labels.

    Attributes:
        accuracy: fraction of all images that are right (micro average), 0 to 1.
        correct: number of images that are right.
        count: number of images.
        loss: mean cross-entropy in nats.
        balanced_accuracy: mean over the classes that occur of the fraction of their images that are right.

    """

    accuracy: float
    correct: int
    count: int
    loss: float
    balanced_accuracy: float


def score(predictions: Predictions) -> Score:
    """Count the right predictions and average the cross-entropy, in float64.

    An image with NaN among its logits counts as wrong and makes the loss NaN: a broken model must not
    score by chance.

    Args:
        predictions: logits (N, C) and labels (N,) with N at least 1.

    Raises:
        PlumblineError: no image, or a label outside 0..C-1.

    >>> import torch
    >>> logits = torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0], [0.0, 2.0]])
    >>> result = score(Predictions(logits, torch.tensor([0, 1, 0, 0])))
    >>> result.correct, result.count, result.accuracy, round(result.loss, 4)
    (3, 4, 0.75, 0.6269)
    >>> round(result.balanced_accuracy, 4)
    0.8333

    """
    logits, labels = predictions.logits, predictions.labels
    count, classes = logits.shape
    if count == 0:
        raise PlumblineError(
            "predictions: expected at least one image to score, got none. Check the split's size."
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise PlumblineError(
            f"labels: expected 0 to {classes - 1} for {classes} classes, got {low} to {high}. "
            "Build the model with as many classes as the data has."
        )
    right = (logits.argmax(dim=1) == labels) & ~logits.isnan().any(dim=1)
    correct = int(right.sum())
    loss = float(functional.cross_entropy(logits.double(), labels))
    of_class = labels.bincount(minlength=classes)
    recalls = labels[right].bincount(minlength=classes)[of_class > 0] / of_class[of_class > 0].double()
    return Score(
        accuracy=correct / count,
        correct=correct,
        count=count,
        loss=loss,
        balanced_accuracy=float(recalls.mean()),
    )
