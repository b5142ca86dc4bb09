"""How many pairs of seeds a paired t-test needs, and what a number of them can find.

From the noncentral t distribution: the normal approximation asks for too few where few are needed. An effect
is the true mean of the differences in units of their standard deviation.
"""

from __future__ import annotations

from bisect import bisect_left
from math import isnan, sqrt

from plumbline.analysis.means import check_level
from plumbline.errors import PlumblineError

POWER = 0.8
MOST_PAIRS = 1_000_000


def paired_power(effect: float, *, pairs: int, level: float = 0.95) -> float:
    """Give how often a two-sided paired t-test at 1 - level finds a true effect.

    >>> round(paired_power(0.5, pairs=34), 3), round(paired_power(0.0, pairs=34), 3)
    (0.808, 0.05)
    """
    from scipy.special import nctdtr

    shift, critical = abs(effect) * sqrt(pairs), _critical(pairs, level=level)
    wrong_side = float(nctdtr(pairs - 1, shift, -critical))
    # scipy 1.17 gives NaN where this tail is too thin to be computed.
    return 1 - float(nctdtr(pairs - 1, shift, critical)) + (0.0 if isnan(wrong_side) else wrong_side)


def detectable_effect(pairs: int, *, power: float = POWER, level: float = 0.95) -> float:
    """Give the true effect that `pairs` pairs find with this power.

    >>> round(detectable_effect(10), 3), round(detectable_effect(3), 3)
    (0.996, 3.264)
    """
    from scipy.special import nctdtrinc

    # The tail on the wrong side is left out: it is below a millionth at 80 % power.
    return float(nctdtrinc(pairs - 1, 1 - power, _critical(pairs, level=level))) / sqrt(pairs)


def needed_pairs(effect: float, *, power: float = POWER, level: float = 0.95) -> int | None:
    """Give the fewest pairs that find this true effect with this power; None beyond a million.

    >>> needed_pairs(0.5), needed_pairs(1.0), needed_pairs(0.0)
    (34, 10, None)
    """
    counts = range(2, MOST_PAIRS + 1)
    place = bisect_left(counts, power, key=lambda pairs: paired_power(effect, pairs=pairs, level=level))
    return counts[place] if place < len(counts) else None


def _critical(pairs: int, *, level: float) -> float:
    from scipy.special import stdtrit

    check_level(level)
    if pairs < 2:
        raise PlumblineError(f"pairs: expected 2 or more for a t-test, got {pairs}. Run more seeds.")
    return float(stdtrit(pairs - 1, (1 + level) / 2))
