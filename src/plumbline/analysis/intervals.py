"""Intervals around measured fractions."""

from __future__ import annotations

from dataclasses import dataclass

from plumbline.errors import PlumblineError


@dataclass(frozen=True)
class Interval:
    """The range that holds the true value at the stated level, in the unit of the estimate."""

    low: float
    high: float


def wilson_interval(correct: int, *, count: int, level: float = 0.95) -> Interval:
    """Give Wilson's interval for a fraction of `count` independent images.

    It speaks of other test images for the same weights, not of other seeds.
    Source: E. B. Wilson, JASA 22 (1927); computed by `scipy.stats.binomtest`.

    >>> interval = wilson_interval(9458, count=10_000)
    >>> round(interval.low, 4), round(interval.high, 4)
    (0.9412, 0.9501)
    """
    from scipy.stats import binomtest

    if not 0 <= correct <= count or count == 0:
        raise PlumblineError(
            f"Expected 0 to {count} correct of at least one image, got {correct} of {count}."
        )
    found = binomtest(correct, count).proportion_ci(confidence_level=level, method="wilson")
    return Interval(low=float(found.low), high=float(found.high))
