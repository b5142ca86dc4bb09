"""The typical value of scores three ways, mean, median and trimmed mean, each with an interval of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Literal

import numpy as np

from plumbline.analysis.intervals import Interval
from plumbline.analysis.means import check_level, check_values, mean_of, student_interval
from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Statistic = Literal["mean", "median", "trimmed"]

# A fifth off each end: R. Wilcox, Introduction to Robust Estimation and Hypothesis Testing (2017).
TRIMMED_SHARE = 0.2


@dataclass(frozen=True)
class Location:
    """A typical value, and the interval around it where there are enough values for one."""

    statistic: Statistic
    value: float
    low: float | None
    high: float | None
    n: int


def location(values: Sequence[float], *, statistic: Statistic, level: float = 0.95) -> Location:
    """Give the mean, the median or the 20 % trimmed mean of independent values, with its interval.

    Each estimates something else where scores are skewed. The mean has Student's interval. The median has
    that of order statistics by binomial probabilities, interpolated between two of them to the level asked
    for (Hettmansperger and Sheather, Statistics & Probability Letters 4, 1986); at 95 % it needs 6 values.
    The trimmed mean has Tukey and McLaughlin's (Sankhya A 25, 1963), which is Yuen's for one sample: t from
    the winsorized deviation.

    Raises:
        PlumblineError: no value, one that is not finite, or a level below 0.5 or not below 1.

    >>> scores = [0.90, 0.93, 0.94, 0.94, 0.95, 0.95, 0.95, 0.96, 0.96, 0.97]
    >>> median = location(scores, statistic="median")
    >>> round(median.value, 4), round(median.low, 4), round(median.high, 4)
    (0.95, 0.9366, 0.96)
    >>> round(location(scores, statistic="trimmed").value, 4)
    0.9483

    """
    check_values(values)
    check_level(level)
    ordered = np.sort(np.asarray(values, np.float64))
    if statistic == "mean":
        mean = mean_of(values, level=level)
        return Location(statistic, mean.mean, mean.low, mean.high, mean.n)
    value = float(np.median(ordered) if statistic == "median" else _trimmed_mean(ordered))
    interval = (_median_interval if statistic == "median" else _trimmed_interval)(ordered, level)
    low, high = (interval.low, interval.high) if interval else (None, None)
    return Location(statistic, value, low, high, len(ordered))


def aggregate(scores: NDArray[np.float64], *, statistic: Statistic, level: float = 0.95) -> Location:
    """Put the scores of several tasks (data sets) together: `scores` (runs, tasks), one row a seed.

    As in Agarwal et al. (NeurIPS 2021, arXiv 2108.13264) the mean is over all scores, the median is that of
    the tasks' means, and the trimmed mean is over all scores, here with 20 % off each end. The interval is
    the jackknife's: every run is left out once (Tukey 1958), with Student's t for runs - 1 degrees of
    freedom; for the mean that is Student's interval over the rows' means. Their bootstrap, percentiles of
    runs drawn anew for each task by itself, is too narrow for few runs; and leaving out whole rows holds too
    where one seed does well in several tasks at once. One run has no interval.

    Raises:
        PlumblineError: not two axes, no score, or one that is not finite.

    >>> scores = np.array([[0.95, 0.76], [0.94, 0.77], [0.96, 0.78], [0.95, 0.77], [0.95, 0.77]])
    >>> found = aggregate(scores, statistic="mean")
    >>> found.n, round(found.value, 3), round(found.low, 3), round(found.high, 3)
    (5, 0.86, 0.852, 0.868)

    """
    if scores.ndim != 2:
        raise PlumblineError(f"scores: expected an array (runs, tasks), got {scores.ndim} axes.")
    check_values(scores.ravel().tolist())
    runs, value = len(scores), float(_over_tasks(scores, statistic))
    if runs < 2:
        return Location(statistic, value, None, None, runs)
    others = np.stack([np.delete(scores, run, axis=0) for run in range(runs)])
    sd = (runs - 1) * float(_over_tasks(others, statistic).std(ddof=1))
    interval = student_interval(value, sd=sd, n=runs, level=level)
    return Location(statistic, value, interval.low, interval.high, runs)


def _over_tasks(scores: NDArray[np.float64], statistic: Statistic) -> NDArray[np.float64]:
    """Give the statistic of each of (…, runs, tasks)."""
    if statistic == "mean":
        return np.asarray(scores.mean(axis=(-2, -1)))
    if statistic == "median":
        return np.asarray(np.median(scores.mean(axis=-2), axis=-1))
    return _trimmed_mean(np.sort(scores.reshape(*scores.shape[:-2], -1), axis=-1))


def _trimmed_mean(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    cut = int(TRIMMED_SHARE * ordered.shape[-1])
    return np.asarray(ordered[..., cut : ordered.shape[-1] - cut].mean(axis=-1))


def _trimmed_interval(ordered: NDArray[np.float64], level: float) -> Interval | None:
    n = len(ordered)
    if n < 2:
        return None
    cut = int(TRIMMED_SHARE * n)
    kept = n - 2 * cut
    winsorized = np.clip(ordered, ordered[cut], ordered[n - 1 - cut])
    # The deviation of `kept` values whose mean would vary as much as the trimmed mean does (Yuen 1974).
    sd = float(winsorized.std(ddof=1)) * sqrt((n - 1) / (kept - 1))
    return student_interval(float(_trimmed_mean(ordered)), sd=sd, n=kept, level=level)


def _median_interval(ordered: NDArray[np.float64], level: float) -> Interval | None:
    from scipy.special import bdtr

    n = len(ordered)
    # held[d]: how often the d-th value from below and that from above enclose the median; falls with d.
    held = [1.0, *(1 - 2 * float(bdtr(depth - 1, n, 0.5)) for depth in range(1, n // 2 + 1)), 0.0]
    depth = max(d for d, probability in enumerate(held) if probability >= level)
    if depth == 0:
        return None
    share = (held[depth] - level) / (held[depth] - held[depth + 1])
    inward = (n - depth) * share / (depth + (n - 2 * depth) * share)
    low, high = (
        (1 - inward) * side[depth - 1] + inward * side[min(depth, n - 1)] for side in (ordered, ordered[::-1])
    )
    return Interval(float(low), float(high))
