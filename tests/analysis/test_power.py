"""How many pairs are needed, and what they find."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from plumbline.analysis import detectable_effect, needed_pairs, paired_power
from plumbline.errors import PlumblineError


@pytest.mark.parametrize("effect", [0.5, 0.8, 1.0, 1.5, 3.0])
def test_the_needed_pairs_have_the_power(effect: float) -> None:
    """In 20,000 simulated experiments of the stated size, t-tests find the effect 78 to 100 % of the time."""
    pairs = needed_pairs(effect)
    assert pairs is not None
    drawn = np.random.default_rng(pairs).normal(effect, 1.0, size=(20_000, pairs))
    found = np.mean(stats.ttest_1samp(drawn, 0.0, axis=1).pvalue < 0.05)
    assert found >= 0.78
    assert found == pytest.approx(paired_power(effect, pairs=pairs), abs=0.01)


def test_one_pair_less_would_not_do() -> None:
    """The stated number is the smallest."""
    for effect in (0.2, 0.5, 0.8, 1.0, 3.0):
        pairs = needed_pairs(effect)
        assert pairs is not None
        assert paired_power(effect, pairs=pairs) >= 0.8 > paired_power(effect, pairs=pairs - 1)


@pytest.mark.parametrize(("effect", "pairs"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_the_needed_pairs_are_those_of_the_tables(effect: float, pairs: int) -> None:
    """For Cohen's small, medium and large effect they are the known 199, 34 and 15."""
    assert needed_pairs(effect) == pairs
    assert needed_pairs(-effect) == pairs


@pytest.mark.parametrize("pairs", [2, 3, 5, 10, 100, 10_000])
def test_a_detectable_effect_is_found_with_the_stated_power(pairs: int) -> None:
    """Power at the detectable effect is 80 %."""
    assert paired_power(detectable_effect(pairs), pairs=pairs) == pytest.approx(0.8, abs=1e-4)


def test_huge_and_tiny_effects_have_an_answer() -> None:
    """Power stays between 0.05 and 1, and what needs more than a million pairs has no number."""
    assert paired_power(1e6, pairs=3) == 1.0
    assert paired_power(0.0, pairs=3) == pytest.approx(0.05)
    assert needed_pairs(1e6) == 2
    assert needed_pairs(1e-6) is None


def test_one_pair_is_no_experiment() -> None:
    """A single pair has no t-test."""
    with pytest.raises(PlumblineError, match="Run more seeds"):
        paired_power(1.0, pairs=1)
