"""Intervals around fractions."""

from __future__ import annotations

import numpy as np
import pytest

from plumbline.analysis import wilson_interval
from plumbline.errors import PlumblineError


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """On 2,000 simulated test sets, 95 % intervals hold the truth 93.5 to 96.5 % of the time."""
    truth, count = 0.94, 10_000
    drawn = np.random.default_rng(0).binomial(count, truth, size=2_000)
    intervals = {int(correct): wilson_interval(int(correct), count=count) for correct in set(drawn)}
    covered = np.mean([intervals[int(c)].low <= truth <= intervals[int(c)].high for c in drawn])
    assert 0.935 <= covered <= 0.965


@pytest.mark.parametrize(("correct", "count"), [(-1, 10), (11, 10), (0, 0)])
def test_impossible_counts_are_refused(correct: int, count: int) -> None:
    """More right answers than images, or no image, is an error."""
    with pytest.raises(PlumblineError, match="Expected 0 to"):
        wilson_interval(correct, count=count)
