"""Two recipes over the same seeds: the difference, how sure it is, and what more seeds could show.

Several comparisons are corrected together by Bonferroni, p-values and intervals alike. Holm's p-values would
be a little smaller, but the intervals that go with them lose an end where only some comparisons are decided,
and beside plain ones "p below 5 %" could stand next to an interval that holds 0. So a verdict can be read
from its interval, and one statement covers all: in 95 % of the cases no verdict of the family is wrong,
neither a "real" nor a "practically none".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np

from plumbline.analysis.intervals import Interval
from plumbline.analysis.means import Mean, check_level, check_values, mean_of, student_interval
from plumbline.analysis.power import detectable_effect, needed_pairs
from plumbline.analysis.signflips import sign_flip_test
from plumbline.errors import PlumblineError

Verdict = Literal["real", "not shown", "practically none"]


@dataclass(frozen=True)
class PairedComparison:
    """What pairs of equal seeds show; scores and differences are fractions, not percent.

    Attributes:
        first: mean of the first recipe's scores.
        second: mean of the second's.
        difference: mean of second - first over the pairs, with Student's interval.
        p_t: two-sided p-value of the paired t-test; None for one pair, and where all pairs differ by the
            same amount, so that there is no spread to measure the difference by.
        p_permutation: two-sided p-value over changes of sign: exact up to 14 pairs, else from 16,384 drawn
            ones. It assumes no normal distribution, and cannot be below 2 / 2^n. None for one pair.
        detectable: true difference that this many pairs would have found with 80 % power, were their spread
            the true one; None without spread. Found is what is below 1 - level when p is corrected for all
            comparisons.
        needed: pairs that would find the observed difference with 80 % power, were it and the spread the
            true ones: as rough as the difference itself. None without spread and beyond a million.

    """

    first: Mean
    second: Mean
    difference: Mean
    p_t: float | None
    p_permutation: float | None
    detectable: float | None
    needed: int | None


@dataclass(frozen=True)
class Judgement:
    """What may be said of one comparison among several.

    Attributes:
        verdict: "practically none" where the whole interval lies within ±margin; else "real" where the
            corrected p is below 1 - level and the interval excludes 0; else "not shown".
        p_corrected: p-value of the t-test times the number of comparisons, 1 at most; None for one pair.
        low: lower end of the interval that holds for all comparisons at once; None where there is none.
        high: upper end.
        margin: the difference that would matter, a fraction.
        level: how often all intervals hold their true differences.

    """

    verdict: Verdict
    p_corrected: float | None
    low: float | None
    high: float | None
    margin: float
    level: float

    @property
    def differs(self) -> bool:
        """Whether a difference is shown, be it one that is too small to matter ("practically none")."""
        if self.low is None or self.high is None:
            return False
        return _differs(self.p_corrected, Interval(self.low, self.high), level=self.level)


def compare_pairs(
    first: Sequence[float], *, second: Sequence[float], level: float = 0.95, comparisons: int = 1
) -> PairedComparison:
    """Compare two recipes over the same seeds: `first[i]` and `second[i]` are fractions of the same seed.

    `comparisons` is how many are judged at once: what can be found among several is less than alone.

    Raises:
        PlumblineError: not as many scores of one as of the other, none, or one that is not finite.

    >>> plain, averaged = [0.940, 0.942, 0.939, 0.941, 0.943], [0.944, 0.945, 0.945, 0.944, 0.948]
    >>> found = compare_pairs(plain, second=averaged)
    >>> round(found.difference.mean, 4), round(found.difference.low, 4), round(found.difference.high, 4)
    (0.0042, 0.0026, 0.0058)
    >>> round(found.p_t, 4), found.p_permutation, round(found.detectable, 4), found.needed
    (0.002, 0.0625, 0.0022, 4)

    """
    if len(first) != len(second):
        raise PlumblineError(
            f"pairs: expected one score of each recipe for every seed, got {len(first)} and {len(second)}. "
            "Leave out the seeds that one of them lacks."
        )
    check_values([*first, *second])
    # Rounded, so that pairs that differ by the same count of images differ by the same number.
    differences = np.round(np.asarray(second, np.float64) - np.asarray(first, np.float64), 12)
    difference = mean_of(differences.tolist(), level=level)
    sd, n, judged_at = difference.sd, difference.n, _corrected(level, count=comparisons)
    return PairedComparison(
        first=mean_of(first, level=level),
        second=mean_of(second, level=level),
        difference=difference,
        p_t=_t_test(difference.mean, sd=sd, n=n) if sd else None,
        p_permutation=sign_flip_test(differences) if n > 1 else None,
        detectable=detectable_effect(n, level=judged_at) * sd if sd else None,
        needed=needed_pairs(difference.mean / sd, level=judged_at) if sd else None,
    )


def judge(
    comparisons: Sequence[PairedComparison], *, margin: float = 0.001, level: float = 0.95
) -> list[Judgement]:
    """Give a verdict on each comparison, corrected for all of them (Bonferroni).

    A difference that is shown and surely within ±margin is "practically none" and `differs`: the verdict
    answers whether to care. Comparisons with a single pair count too, so that no verdict changes because
    another comparison gets more seeds. Where all pairs differ by exactly the same amount there is no spread
    for a t-test: the permutation test decides, and with so few pairs that it never could (5 or fewer at
    95 %) nothing is shown.

    Args:
        comparisons: any number; none gives none.
        margin: the smallest difference that would matter, as a fraction: 0.001 is 0.1 points.
        level: 1 - the chance that any verdict of the family is wrong.

    Raises:
        PlumblineError: a negative margin, or a level below 0.5 or not below 1.

    >>> plain, averaged = [0.940, 0.942, 0.939, 0.941, 0.943], [0.944, 0.945, 0.945, 0.944, 0.948]
    >>> one = judge([compare_pairs(plain, second=averaged)])[0]
    >>> one.verdict, round(one.p_corrected, 4), round(one.low, 4), round(one.high, 4)
    ('real', 0.002, 0.0026, 0.0058)
    >>> judge([compare_pairs(plain, second=averaged)], margin=0.01)[0].verdict
    'practically none'

    """
    check_level(level)
    if not margin >= 0:
        raise PlumblineError(f"margin: expected a fraction of 0 or more, such as 0.001, got {margin}.")
    return [_judge_one(one, count=len(comparisons), margin=margin, level=level) for one in comparisons]


def _judge_one(comparison: PairedComparison, *, count: int, margin: float, level: float) -> Judgement:
    p = comparison.p_permutation if comparison.p_t is None else comparison.p_t
    p_corrected = None if p is None else min(1.0, count * p)
    interval = _interval(comparison, level=_corrected(level, count=count))
    if interval is None:
        return Judgement("not shown", p_corrected, None, None, margin, level)
    verdict: Verdict = "not shown"
    if -margin < interval.low and interval.high < margin:
        verdict = "practically none"
    elif _differs(p_corrected, interval, level=level):
        verdict = "real"
    return Judgement(verdict, p_corrected, interval.low, interval.high, margin, level)


def _corrected(level: float, *, count: int) -> float:
    return 1 - (1 - level) / count


def _differs(p_corrected: float | None, interval: Interval, *, level: float) -> bool:
    return p_corrected is not None and p_corrected < 1 - level and not interval.low <= 0 <= interval.high


def _interval(comparison: PairedComparison, *, level: float) -> Interval | None:
    difference = comparison.difference
    if difference.sd is None or (difference.sd == 0 and 2.0 ** (1 - difference.n) >= 1 - level):
        return None
    return student_interval(difference.mean, sd=difference.sd, n=difference.n, level=level)


def _t_test(mean: float, *, sd: float, n: int) -> float:
    from scipy.special import stdtr

    return 2 * float(stdtr(n - 1, -abs(mean) / (sd / sqrt(n))))
