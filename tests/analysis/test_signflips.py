"""The permutation test of paired differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import permutation_test

from plumbline.analysis import sign_flip_test


@pytest.mark.parametrize("pairs", [2, 5, 10])
def test_all_changes_of_sign_are_counted(pairs: int) -> None:
    """It equals scipy's exact permutation test of paired samples."""
    differences = np.random.default_rng(pairs).normal(0.5, 1.0, size=pairs)
    wanted = permutation_test(
        (differences,), np.mean, permutation_type="samples", vectorized=True, n_resamples=np.inf
    )
    assert sign_flip_test(differences) == pytest.approx(wanted.pvalue)


def test_rounding_breaks_no_tie() -> None:
    """Sums that are equal but for rounding count as equal: 0.1 + 0.2 - 0.3 is as far as 0."""
    assert sign_flip_test(np.array([0.1, 0.2, -0.3])) == 1.0
    assert sign_flip_test(np.array([0.1, 0.2, 0.3])) == 0.25


def test_many_pairs_are_sampled_to_the_same_result() -> None:
    """With 15 pairs, more than are counted, the drawn changes come within 0.01 of scipy's exact test."""
    differences = np.random.default_rng(0).normal(0.4, 1.0, size=15)
    exact = permutation_test(
        (differences,), np.mean, permutation_type="samples", vectorized=True, n_resamples=np.inf, batch=4096
    )
    assert sign_flip_test(differences) == pytest.approx(exact.pvalue, abs=0.01)
    assert sign_flip_test(differences) == sign_flip_test(differences)
    assert sign_flip_test(np.full(15, 0.1)) > 0


@pytest.mark.parametrize("pairs", [8, 14, 20])
def test_no_difference_is_found_no_more_often_than_stated(pairs: int) -> None:
    """Of 2,000 experiments without a difference, on skewed and paired scores, 5.5 % at most have p < 5 %."""
    random = np.random.default_rng(pairs)
    first, second = random.exponential(size=(2, 2_000, pairs))
    found = np.mean([sign_flip_test(one) < 0.05 for one in second - first])
    assert found <= 0.055
