"""Means over seeds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from plumbline.analysis import mean_of
from plumbline.errors import PlumblineError


def test_the_interval_is_students() -> None:
    """It is the one that scipy's t-test gives."""
    values = [0.9402, 0.9391, 0.9415, 0.9407, 0.9399]
    wanted = ttest_1samp(values, 0.0).confidence_interval(0.95)
    mean = mean_of(values)
    assert (mean.low, mean.high) == pytest.approx((wanted.low, wanted.high))
    assert mean.n == 5


def test_one_seed_has_no_interval() -> None:
    """Of a single run nothing is said about others."""
    assert mean_of([0.94]).low is None
    assert mean_of([0.94]).sd is None


@pytest.mark.parametrize("seeds", [3, 10])
def test_the_interval_holds_the_truth_as_often_as_it_says(seeds: int) -> None:
    """Of 20,000 simulated sets of seeds, 95 % intervals hold the true mean 94.5 to 95.5 % of the time."""
    drawn = np.random.default_rng(seeds).normal(0.94, 0.002, size=(20_000, seeds))
    covered = [one.low <= 0.94 <= one.high for one in map(mean_of, drawn.tolist()) if one.low and one.high]
    assert len(covered) == len(drawn)
    assert 0.945 <= np.mean(covered) <= 0.955


@pytest.mark.parametrize("values", [[], [0.94, float("nan")], [float("inf")]])
def test_what_is_no_score_is_refused(values: list[float]) -> None:
    """No value, NaN or infinity is an error, not a NaN that spreads."""
    with pytest.raises(PlumblineError, match="Leave out the runs"):
        mean_of(values)


def test_percent_are_no_level() -> None:
    """95 instead of 0.95 is refused."""
    with pytest.raises(PlumblineError, match=r"such as 0\.95, got 95"):
        mean_of([0.94, 0.95], level=95)
