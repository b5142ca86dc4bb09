"""What a comparison says, in sentences: the same in the terminal and in the report."""

from __future__ import annotations

from collections.abc import Iterator

from plumbline.analysis.comparison import Arm, Comparison, Pair


def verdict_of(pair: Pair, *, comparison: Comparison) -> str:
    """Give the verdict on one pair, with the interval it stands on."""
    mean, judgement = pair.paired.difference.mean, pair.judgement
    size = f"{abs(100 * mean):.2f} points {'above' if mean >= 0 else 'below'}"
    if judgement is None:
        return (
            f"No verdict: {pair.second} is {size} {pair.first} on seed {pair.seeds[0]}. One seed has no "
            "interval: how far seeds lie apart takes two or more."
        )
    if judgement.low is None or judgement.high is None:
        stands_on = f"all {len(pair.seeds)} pairs differ by the same amount, too few to tell by"
    else:
        corrected = f", for {len(comparison.pairs)} comparisons at once" if len(comparison.pairs) > 1 else ""
        stands_on = (
            f"{comparison.level:.0%} interval {signed(judgement.low)} to {signed(judgement.high)}{corrected}"
        )
    within = f"{100 * comparison.margin:.2f} points"
    words = {
        "real": f"Real: {pair.second} is {size} {pair.first}",
        "not shown": f"Not shown: {pair.second} is {size} {pair.first}, which may be noise",
        "practically none": f"Practically none: {pair.second} is within {within} of {pair.first}",
    }
    return f"{words[judgement.verdict]} ({stands_on})."


def power_of(pair: Pair) -> str:
    """Give what so many pairs could have found, and how many the observed difference would need."""
    paired, n = pair.paired, len(pair.seeds)
    if paired.detectable is None:
        return ""
    could = (
        f"With {n} seeds a true difference of {100 * paired.detectable:.2f} points is found in 80 % of cases"
    )
    seen = f"one of {abs(100 * paired.difference.mean):.2f}, as seen here"
    if paired.needed is None:
        return f"{could}; {seen}, is too small for a million."
    return f"{could}; {seen}, needs {paired.needed:,} seeds."


def scope_of(comparison: Comparison) -> Iterator[str]:
    """Give what the intervals speak of, and what they do not."""
    noun = images_of(comparison)
    several = any(arm.mean.sd is not None for arm in comparison.arms)
    if not comparison.shares_images:
        if several:
            yield f"Seeds: the intervals and the verdict speak of other seeds, each with {noun} of its own."
        same = " For one seed all arms see the same ones, so their difference moves less."
        equal = len(_counts(comparison)) == 1
        yield (
            "Images: every seed holds out others, so that how far seeds lie apart tells of images too."
            f"{same if equal else ''}"
        )
        return
    if several:
        yield f"Seeds: the intervals and the verdict speak of other seeds, scored on these {noun}."
    widest = max(comparison.arms, key=lambda arm: arm.images.high - arm.images.low)
    half = 50 * (widest.images.high - widest.images.low)
    yield (
        f"Images: {noun} leave each mean ±{half:.2f} points ({comparison.level:.0%}, Wilson) were others "
        "drawn; more seeds do not make that less. All arms see the same ones, so their difference moves less."
    )


def images_of(comparison: Comparison) -> str:
    """Give on how many images of which split a score is: `10,000 test images`."""
    counts = " or ".join(f"{count:,}" for count in _counts(comparison))
    return f"{counts} {comparison.split} images"


def _counts(comparison: Comparison) -> list[int]:
    return sorted({run.count for arm in comparison.arms for run in arm.runs})


def score_of(arm: Arm) -> str:
    """Give which score of a run counts, in words: `averaged, 6 epochs`."""
    views = f", {arm.views} views" if arm.views > 1 else ""
    return f"{arm.weights}, {arm.epochs} epoch{'s' * (arm.epochs > 1)}{views}"


def signed(fraction: float) -> str:
    """Give a difference of fractions in points, with its sign.

    >>> signed(0.0075), signed(-0.0001), signed(0.0)
    ('+0.75', '-0.01', '0.00')
    """
    return f"{100 * fraction:+.2f}" if round(100 * fraction, 2) else "0.00"


def p_value(p: float | None) -> str:
    """Give a p-value as it is written.

    >>> p_value(0.04321), p_value(0.00001), p_value(None)
    ('0.043', '< 0.001', '-')
    """
    if p is None:
        return "-"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
