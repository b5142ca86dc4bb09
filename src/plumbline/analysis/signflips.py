"""A test of paired differences that assumes no normal distribution."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# All changes of sign up to 2^14; beyond, as many are drawn.
MOST_EXACT_PAIRS = 14


def sign_flip_test(differences: NDArray[np.float64]) -> float:
    """Give the two-sided p-value of the mean of `differences` (n,) over changes of their signs.

    Up to 14 differences all 2^n changes are counted; beyond, 16,384 drawn ones and the observed one. The
    same ones are drawn each time.

    >>> sign_flip_test(np.array([1.0, 2.0, 3.0, 4.0]))
    0.125
    """
    sums = np.abs(_signs(len(differences)) @ differences)
    # Sums that are equal but for rounding count as equal.
    as_far = int((sums >= abs(differences.sum()) - 1e-9 * np.abs(differences).sum()).sum())
    return as_far / len(sums) if len(differences) <= MOST_EXACT_PAIRS else (as_far + 1) / (len(sums) + 1)


@lru_cache(maxsize=8)
def _signs(n: int) -> NDArray[np.float64]:
    if n <= MOST_EXACT_PAIRS:
        bits = np.arange(2**n)[:, None] >> np.arange(n) & 1
    else:
        bits = np.random.default_rng(0).integers(2, size=(2**MOST_EXACT_PAIRS, n))
    signs = np.where(bits, -1.0, 1.0)
    signs.setflags(write=False)
    return signs
