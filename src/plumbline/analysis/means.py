"""Means over seeds, with Student's interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from statistics import fmean, stdev

from plumbline.analysis.intervals import Interval
from plumbline.errors import PlumblineError


@dataclass(frozen=True)
class Mean:
    """A mean over independent values, with the t-interval of the mean; the interval needs two values."""

    mean: float
    sd: float | None
    n: int
    low: float | None
    high: float | None


def mean_of(values: Sequence[float], *, level: float = 0.95) -> Mean:
    """Give mean, standard deviation and Student's interval of the mean over independent seeds.

    Raises:
        PlumblineError: no value, one that is not finite, or a level below 0.5 or not below 1.

    >>> one = mean_of([0.94, 0.95, 0.96])
    >>> round(one.mean, 2), round(one.sd, 2), round(one.low, 4), round(one.high, 4)
    (0.95, 0.01, 0.9252, 0.9748)

    """
    check_values(values)
    mean, n = fmean(values), len(values)
    if n < 2:
        return Mean(mean, None, n, None, None)
    sd = stdev(values)
    interval = student_interval(mean, sd=sd, n=n, level=level)
    return Mean(mean, sd, n, interval.low, interval.high)


def student_interval(mean: float, *, sd: float, n: int, level: float) -> Interval:
    """Give Student's interval of a mean of n values, at least 2, with standard deviation `sd`.

    >>> interval = student_interval(0.95, sd=0.01, n=3, level=0.95)
    >>> round(interval.low, 4), round(interval.high, 4)
    (0.9252, 0.9748)
    """
    from scipy.special import stdtrit

    check_level(level)
    half = float(stdtrit(n - 1, (1 + level) / 2)) * sd / sqrt(n)
    return Interval(mean - half, mean + half)


def check_values(values: Sequence[float]) -> None:
    """Raise `PlumblineError` unless there is a value and all are finite."""
    if not len(values) or not all(map(isfinite, values)):
        raise PlumblineError(
            f"scores: expected one finite number or more, got {list(values)[:5]}. "
            "Leave out the runs that failed."
        )


def check_level(level: float) -> None:
    """Raise `PlumblineError` unless 0.5 <= level < 1."""
    if not 0.5 <= level < 1:
        raise PlumblineError(f"level: expected a fraction from 0.5 to below 1, such as 0.95, got {level}.")
