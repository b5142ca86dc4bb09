"""Whether a model is right as often as it says: reliability, its error, and a temperature that mends it."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log
from typing import TYPE_CHECKING

import numpy as np

from plumbline.analysis.intervals import wilson_interval
from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# As in Guo et al. (2017).
BINS = 15
LEAST_TEMPERATURE, MOST_TEMPERATURE = 0.01, 100.0


@dataclass(frozen=True)
class Bin:
    """Images whose confidence is above `above` and at most `upto`.

    Attributes:
        above: lower end of the confidences, not included.
        upto: upper end, included.
        count: number of images.
        confidence: their mean confidence; None where there is no image.
        accuracy: the share of them that is right.
        low: lower end of Wilson's interval of that share.
        high: upper end.

    """

    above: float
    upto: float
    count: int
    confidence: float | None
    accuracy: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Calibration:
    """How confidence and accuracy agree.

    Attributes:
        bins: of equal width, from 0 to 1.
        ece: expected calibration error: mean over images of |accuracy - confidence| of their bin. Never
            negative, so that chance alone makes it larger than the true one.
        confidence: mean confidence.
        accuracy: share of images that are right.
        loss: mean cross-entropy in nats.
        count: number of images.

    """

    bins: tuple[Bin, ...]
    ece: float
    confidence: float
    accuracy: float
    loss: float
    count: int


@dataclass(frozen=True)
class Temperature:
    """The divisor of the logits that makes their cross-entropy smallest, and both cross-entropies in nats.

    `bounded` is true where none between 0.01 and 100 is best: where every image is right, the smaller the
    better, and where the logits say nothing of the labels, the larger.
    """

    value: float
    loss_before: float
    loss_after: float
    bounded: bool

    @staticmethod
    def why_bounded(count: int) -> str:
        """Say of `count` validation images why none is best."""
        return f"all {count:,} validation images are right, or say nothing of how sure to be"


def log_softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Give logarithms of probabilities for `logits` (N, C), in float64 and without overflow.

    >>> np.exp(log_softmax(np.array([[1000.0, 1000.0], [0.0, -2000.0]]))).tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def calibration(
    logits: NDArray[np.floating], *, labels: NDArray[np.int64], temperature: float = 1.0, bins: int = BINS
) -> Calibration:
    """Compare confidence, the largest probability, with accuracy, by bins of confidence.

    Source: Guo et al., "On Calibration of Modern Neural Networks" (2017), arXiv 1706.04599.

    Args:
        logits: (N, C), finite.
        labels: (N,), 0..C - 1.
        temperature: divisor of the logits, above 0.
        bins: number of bins of equal width.

    Raises:
        PlumblineError: no image, shapes or labels that do not fit, logits that are not finite, no bin, or a
            temperature of 0 or less.

    >>> logits = np.log(np.array([[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.3, 0.7]]))
    >>> found = calibration(logits, labels=np.array([0, 1, 1, 1]), bins=10)
    >>> round(found.ece, 3), round(found.confidence, 3), found.accuracy
    (0.35, 0.8, 0.75)

    """
    _check(logits, labels)
    if bins < 1 or not temperature > 0:
        raise PlumblineError(f"expected bins and a temperature above 0, got {bins} and {temperature}.")
    logs = log_softmax(logits / temperature)
    confidences, right = np.exp(logs.max(axis=1)), logits.argmax(axis=1) == labels
    edges = np.linspace(0.0, 1.0, bins + 1)
    # Rounding may put a confidence a little above 1.
    places = np.clip(np.searchsorted(edges, confidences, side="left") - 1, 0, bins - 1)
    counts = np.bincount(places, minlength=bins)
    sums = np.bincount(places, weights=confidences, minlength=bins)
    hits = np.bincount(places, weights=right, minlength=bins)
    return Calibration(
        bins=tuple(
            _bin(edges[i : i + 2], count=int(counts[i]), total=float(sums[i]), right=int(hits[i]))
            for i in range(bins)
        ),
        ece=float(np.abs(hits - sums).sum() / len(labels)),
        confidence=float(confidences.mean()),
        accuracy=float(right.mean()),
        loss=_loss(logs, labels),
        count=len(labels),
    )


def fit_temperature(logits: NDArray[np.floating], *, labels: NDArray[np.int64]) -> Temperature:
    """Find the temperature on images that were held out, never on the test images it is reported for.

    The cross-entropy is convex in 1 / temperature, so a search over its logarithm ends at the one minimum.
    Source: Guo et al. (2017), arXiv 1706.04599, section 4.2.

    Raises:
        PlumblineError: no image, shapes or labels that do not fit, or logits that are not finite.

    >>> logits = np.array([[4.0, 0.0]] * 4)
    >>> found = fit_temperature(logits, labels=np.array([0, 0, 0, 1]))
    >>> round(found.value, 3), round(4 / log(3), 3), found.loss_after < found.loss_before
    (3.641, 3.641, True)

    """
    from scipy.optimize import minimize_scalar

    _check(logits, labels)

    def loss_at(log_temperature: float) -> float:
        return _loss(log_softmax(logits / exp(log_temperature)), labels)

    ends = log(LEAST_TEMPERATURE), log(MOST_TEMPERATURE)
    found = minimize_scalar(loss_at, bounds=ends, method="bounded", options={"xatol": 1e-6})
    # A loss of 0 is a flat stretch without a best place.
    bounded = found.fun == 0 or min(abs(found.x - end) for end in ends) < 1e-3
    return Temperature(exp(found.x), loss_at(0.0), float(found.fun), bounded=bool(bounded))


def _bin(ends: NDArray[np.float64], *, count: int, total: float, right: int) -> Bin:
    above, upto = map(float, ends)
    if count == 0:
        return Bin(above, upto, 0, None, None, None, None)
    interval = wilson_interval(right, count=count)
    return Bin(above, upto, count, total / count, right / count, interval.low, interval.high)


def _loss(logs: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    return -float(logs[np.arange(len(labels)), labels].mean())


def _check(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> None:
    if logits.ndim != 2 or not len(logits) or labels.shape != logits.shape[:1]:
        raise PlumblineError(
            f"logits, labels: expected (N, C) and (N,) with at least one image, got {logits.shape} and "
            f"{labels.shape}."
        )
    if not np.isfinite(logits).all():
        raise PlumblineError("logits: expected finite numbers, got NaN or infinity. The training diverged.")
    if labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise PlumblineError(
            f"labels: expected 0 to {logits.shape[1] - 1}, got {labels.min()} to {labels.max()}."
        )
