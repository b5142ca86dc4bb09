"""Two recipes over the same seeds, and the verdict on several such pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_rel

from plumbline.analysis import PairedComparison, compare_pairs, judge
from plumbline.errors import PlumblineError

SEED_SD = 0.002


def simulated(
    random: np.random.Generator, *, seeds: int, differences: tuple[float, ...]
) -> list[PairedComparison]:
    """Compare several recipes with one, over seeds whose luck is partly shared by all of them."""
    luck = random.normal(0.94, SEED_SD, size=seeds)
    first, *others = (luck + random.normal(shift, SEED_SD, size=seeds) for shift in (0.0, *differences))
    return [compare_pairs(first.tolist(), second=other.tolist()) for other in others]


def test_the_t_test_is_scipys() -> None:
    """Difference, interval and p-value are those of scipy's paired t-test."""
    first, second = np.random.default_rng(0).normal(0.94, 0.002, size=(2, 9))
    wanted = ttest_rel(second, first)
    found = compare_pairs(first.tolist(), second=second.tolist())
    assert found.p_t == pytest.approx(wanted.pvalue)
    assert (found.difference.low, found.difference.high) == pytest.approx(wanted.confidence_interval(0.95))
    assert found.difference.mean == pytest.approx(found.second.mean - found.first.mean)


@pytest.mark.slow
def test_intervals_hold_and_no_difference_is_seldom_found() -> None:
    """Of 6,000 experiments without a difference 95 % hold 0, and 5.5 % at most have p < 5 %, either way."""
    random = np.random.default_rng(0)
    pairs = [simulated(random, seeds=10, differences=(0.0,))[0] for _ in range(6_000)]
    held = [
        pair.difference.low <= 0 <= pair.difference.high
        for pair in pairs
        if pair.difference.low and pair.difference.high
    ]
    assert 0.935 <= np.mean(held) <= 0.965
    assert np.mean([pair.p_t < 0.05 for pair in pairs if pair.p_t is not None]) <= 0.055
    assert np.mean([pair.p_permutation < 0.05 for pair in pairs if pair.p_permutation is not None]) <= 0.055


def test_the_stated_seeds_find_the_difference() -> None:
    """As many pairs as one experiment says are needed find its difference in 78 to 90 % of 1,500 others."""
    random = np.random.default_rng(1)
    sd = SEED_SD * 2**0.5
    # Differences whose mean and deviation are exactly 0.0025 and `sd`: what the experiment saw is true.
    noise = random.normal(size=10)
    differences = 0.0025 + sd * (noise - noise.mean()) / noise.std(ddof=1)
    needed = compare_pairs([0.94] * 10, second=(0.94 + differences).tolist()).needed
    assert needed is not None
    tried = [simulated(random, seeds=needed, differences=(0.0025,))[0].p_t for _ in range(1_500)]
    assert 0.78 <= np.mean([p < 0.05 for p in tried if p is not None]) <= 0.9


def test_one_pair_says_nothing() -> None:
    """With one seed there is a difference and no interval, p-value, power or verdict."""
    pair = compare_pairs([0.94], second=[0.95])
    assert pair.difference.mean == pytest.approx(0.01)
    assert (pair.difference.low, pair.p_t, pair.p_permutation) == (None, None, None)
    assert (pair.detectable, pair.needed) == (None, None)
    judgement = judge([pair])[0]
    assert (judgement.verdict, judgement.p_corrected, judgement.low) == ("not shown", None, None)


def test_pairs_need_partners() -> None:
    """Seeds that one recipe lacks are refused, not cut off."""
    with pytest.raises(PlumblineError, match="got 2 and 3"):
        compare_pairs([0.94, 0.95], second=[0.94, 0.95, 0.96])


@pytest.mark.slow
def test_wrong_verdicts_are_as_rare_as_stated() -> None:
    """Of 3,000 families of three comparisons without a difference, 5.5 % at most hold a "real" one."""
    random = np.random.default_rng(2)
    families = [judge(simulated(random, seeds=6, differences=(0.0,) * 3), margin=0.0) for _ in range(3_000)]
    wrong = np.mean([any(one.verdict == "real" for one in family) for family in families])
    assert wrong <= 0.055


def test_differences_that_matter_are_seldom_called_none() -> None:
    """Of 1,500 families with differences as large as the margin, 5.5 % at most call one practically none."""
    random = np.random.default_rng(3)
    shifts = (0.004, -0.004, 0.0)
    families = [judge(simulated(random, seeds=10, differences=shifts), margin=0.004) for _ in range(1_500)]
    wrong = np.mean([any(one.verdict == "practically none" for one in family[:2]) for family in families])
    right = np.mean([family[2].verdict == "practically none" for family in families])
    assert wrong <= 0.055
    assert right >= 0.5


@pytest.mark.slow
def test_all_intervals_hold_at_once() -> None:
    """In 1,500 families of three, all three intervals hold their differences 95 to 98 % of the time."""
    random = np.random.default_rng(4)
    shifts = (0.0, 0.002, -0.001)
    families = [judge(simulated(random, seeds=8, differences=shifts)) for _ in range(1_500)]
    held = [
        all(
            one.low <= shift <= one.high
            for one, shift in zip(family, shifts, strict=True)
            if one.low and one.high
        )
        for family in families
    ]
    assert 0.945 <= np.mean(held) <= 0.98


def test_the_three_verdicts() -> None:
    """Large and clear is real, small and clear is none, and what scatters too much is not shown."""
    steps = np.linspace(-1, 1, 10)
    base = np.full(10, 0.94)

    def with_difference(mean: float, scatter: float) -> PairedComparison:
        return compare_pairs(base.tolist(), second=(base + mean + scatter * steps).tolist())

    real, small, unclear = judge(
        [with_difference(0.005, 0.002), with_difference(0.0003, 0.0002), with_difference(0.002, 0.01)]
    )
    assert (real.verdict, real.differs) == ("real", True)
    assert (unclear.verdict, unclear.differs) == ("not shown", False)
    # Real and too small to matter: the verdict says that nobody need care, `differs` that it is there.
    assert (small.verdict, small.differs) == ("practically none", True)


def test_verdict_p_and_interval_agree() -> None:
    """A corrected p below 5 % goes with an interval without 0, and none else, in 300 families of two."""
    random = np.random.default_rng(5)
    for _ in range(300):
        for one in judge(simulated(random, seeds=5, differences=(0.003, 0.004))):
            assert one.p_corrected is not None
            assert one.low is not None
            assert one.high is not None
            assert (one.p_corrected < 0.05) == (not one.low <= 0 <= one.high) == one.differs


def test_more_comparisons_ask_for_more() -> None:
    """The same pair is real alone and not shown among ten: its p is ten times as large."""
    first, second = [0.940, 0.941, 0.939, 0.942, 0.940], [0.943, 0.945, 0.941, 0.947, 0.941]
    pair = compare_pairs(first, second=second)
    alone, among = judge([pair])[0], judge([pair] * 10)[0]
    assert pair.p_t is not None
    assert (alone.verdict, among.verdict) == ("real", "not shown")
    assert among.p_corrected == pytest.approx(10 * pair.p_t)


@pytest.mark.parametrize(
    ("pairs", "difference", "verdict"),
    [(2, 0.0, "not shown"), (5, 0.0113, "not shown"), (6, 0.0113, "real"), (6, 0.0, "practically none")],
)
def test_pairs_without_spread_show_something_from_six_on(pairs: int, difference: float, verdict: str) -> None:
    """Two seeds that agree by chance show nothing; six with one and the same difference do."""
    # As fractions of 10,000 images: in binary their differences are not quite equal.
    right = np.array([9402, 9391, 9415, 9407, 9399, 9410])[:pairs]
    second = (right + round(10_000 * difference)) / 10_000
    pair = compare_pairs((right / 10_000).tolist(), second=second.tolist())
    assert (pair.p_t, pair.detectable, pair.needed) == (None, None, None)
    assert judge([pair])[0].verdict == verdict


def test_the_order_of_recipes_only_turns_the_sign() -> None:
    """Comparing B with A mirrors comparing A with B."""
    first, second = [0.940, 0.941, 0.939, 0.942], [0.943, 0.942, 0.941, 0.947]
    there, back = compare_pairs(first, second=second), compare_pairs(second, second=first)
    assert back.difference.mean == -there.difference.mean
    assert replace(back, first=there.first, second=there.second, difference=there.difference) == there


def test_a_negative_margin_is_refused() -> None:
    """So is one that is no number."""
    for margin in (-0.001, float("nan")):
        with pytest.raises(PlumblineError, match="margin"):
            judge([], margin=margin)
