"""Mean, median and trimmed mean: each estimates its own, as surely as it says."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from scipy import stats

from plumbline.analysis import Location, Statistic, aggregate, location
from plumbline.errors import PlumblineError

STATISTICS = get_args(Statistic)
# Of the exponential distribution with mean 1; that of the middle 60 % by partial integration.
LOW, HIGH = -np.log(0.8), -np.log(0.2)
SKEWED = {
    "mean": 1.0,
    "median": float(np.log(2)),
    "trimmed": float(((LOW + 1) * 0.8 - (HIGH + 1) * 0.2) / 0.6),
}


def holds(found: Location, truth: float) -> bool:
    assert found.low is not None
    assert found.high is not None
    return found.low <= truth <= found.high


@pytest.mark.parametrize("seeds", [6, 10, 25])
@pytest.mark.parametrize("statistic", STATISTICS)
def test_intervals_hold_the_truth_as_often_as_they_say(statistic: Statistic, seeds: int) -> None:
    """On 10,000 simulated sets of normal scores, 95 % intervals hold the truth 93.5 to 96.5 % of the time."""
    drawn = np.random.default_rng(seeds).normal(0.94, 0.002, size=(10_000, seeds))
    covered = np.mean([holds(location(scores, statistic=statistic), 0.94) for scores in drawn.tolist()])
    assert 0.935 <= covered <= 0.965


@pytest.mark.parametrize("statistic", STATISTICS)
def test_on_skewed_scores_each_holds_its_own_truth(statistic: Statistic) -> None:
    """On 4,000 sets of 200 exponential scores the intervals hold their own truth as often."""
    drawn = np.random.default_rng(1).exponential(size=(4_000, 200))
    covered = np.mean(
        [holds(location(scores, statistic=statistic), SKEWED[statistic]) for scores in drawn.tolist()]
    )
    assert 0.935 <= covered <= 0.965


def test_the_three_are_told_apart() -> None:
    """With 2,000 skewed scores every interval holds its own truth and neither of the others'."""
    scores = np.random.default_rng(0).exponential(size=2_000).tolist()
    found = {statistic: location(scores, statistic=statistic) for statistic in STATISTICS}
    held = {(one, other) for one in STATISTICS for other in STATISTICS if holds(found[one], SKEWED[other])}
    assert held == {(one, one) for one in STATISTICS}


def test_the_median_interval_is_the_exact_one_where_that_has_the_level() -> None:
    """At a level that two order statistics have exactly, it is that of scipy's quantile test."""
    scores = np.random.default_rng(2).normal(size=15)
    level = 1 - 2 * stats.binom.cdf(3, 15, 0.5)
    exact = stats.quantile_test(scores, p=0.5).confidence_interval(level - 1e-9)
    found = location(scores.tolist(), statistic="median", level=level - 1e-9)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high))


def test_few_values_have_no_median_interval() -> None:
    """The least and the largest of 5 values enclose the median 93.75 % of the time: too seldom for 95 %."""
    scores = [0.91, 0.92, 0.93, 0.94, 0.95]
    assert location(scores, statistic="median").low is None
    assert location([*scores, 0.96], statistic="median").low is not None
    assert location(scores, statistic="median", level=0.9).low is not None


def test_the_trimmed_interval_is_yuens() -> None:
    """Its t equals that of scipy's trimmed test against a sample without spread."""
    scores = np.random.default_rng(3).exponential(size=17)
    wanted = stats.ttest_ind(scores, np.zeros(17), equal_var=False, trim=0.2)
    found = location(scores.tolist(), statistic="trimmed")
    assert found.low is not None
    half = stats.t.ppf(0.975, wanted.df) * found.value / wanted.statistic
    assert found.value == pytest.approx(stats.trim_mean(scores, 0.2))
    assert found.value - found.low == pytest.approx(half)


@pytest.mark.parametrize("runs", [3, 10])
@pytest.mark.parametrize("statistic", STATISTICS)
def test_intervals_over_tasks_hold_the_truth_as_often_as_they_say(statistic: Statistic, runs: int) -> None:
    """3 runs suffice for it, on 6,000 simulated sets of five tasks of which one is far from the others."""
    centres = np.array([0.55, 0.90, 0.92, 0.94, 0.96])
    truth = {"mean": centres.mean(), "median": 0.92, "trimmed": centres[1:4].mean()}[statistic]
    drawn = np.random.default_rng(runs).normal(centres, 0.002, size=(6_000, runs, 5))
    covered = np.mean([holds(aggregate(scores, statistic=statistic), truth) for scores in drawn])
    assert 0.935 <= covered <= 0.965


def test_seeds_that_do_well_everywhere_are_allowed_for() -> None:
    """Where a seed's luck is the same in all tasks, four tasks tell no more than one."""
    luck = np.random.default_rng(4).normal(0.94, 0.01, size=(6, 1))
    together = aggregate(np.repeat(luck, 4, axis=1), statistic="mean")
    alone = aggregate(luck, statistic="mean")
    assert (together.low, together.high) == pytest.approx((alone.low, alone.high))


def test_over_tasks_the_three_differ() -> None:
    """A hard task pulls the mean, less the trimmed mean, and not the median of the tasks' means."""
    scores = np.array([[0.30, 0.90, 0.92, 0.94, 0.96], [0.32, 0.91, 0.92, 0.94, 0.97]])
    values = [aggregate(scores, statistic=statistic).value for statistic in STATISTICS]
    assert values == pytest.approx([scores.mean(), 0.92, stats.trim_mean(scores.ravel(), 0.2)])


def test_one_run_has_no_interval_over_tasks() -> None:
    """Of a single run nothing is said about others, however many tasks there are."""
    assert aggregate(np.array([[0.9, 0.8, 0.7]]), statistic="median").low is None


def test_scores_without_tasks_are_refused() -> None:
    """A plain list of runs is not (runs, tasks)."""
    with pytest.raises(PlumblineError, match="got 1 axes"):
        aggregate(np.array([0.9, 0.8]), statistic="mean")
