"""The report of a comparison: `report.html` beside its `comparison.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from plumbline.analysis.comparison import Arm, Comparison, Pair, read_comparison
from plumbline.analysis.sentences import p_value, power_of, scope_of, score_of, signed, verdict_of
from plumbline.records import write_text
from plumbline.report.charts import Row, dot_chart
from plumbline.report.page import percent, render

SECTIONS = (("verdict", "Verdict"), ("recipes", "Recipes"), ("seeds", "Seeds"), ("again", "The same again"))


@dataclass(frozen=True)
class ShownArm:
    """An arm and what is said of it."""

    arm: Arm
    score: str
    versions: str


@dataclass(frozen=True)
class ShownPair:
    """A pair, what is said of it, and its differences by seed, second minus first."""

    pair: Pair
    verdict: str
    power: str
    differences: Mapping[int, float]

    @property
    def said(self) -> str:
        """The mean difference in points, with its sign."""
        return f"{signed(self.pair.paired.difference.mean)} points"


def write_comparison_report(out: Path) -> Path:
    """Write the report of a comparison from its `comparison.json` alone, and give its path.

    The old report is replaced whole or not at all. Needs no torch and no network.
    Raises PlumblineError where `comparison.json` is missing or damaged, OSError where the disk refuses.
    """
    path = out / "report.html"
    write_text(path, comparison_page(read_comparison(out)))
    return path


def comparison_page(comparison: Comparison) -> str:
    """Give the page itself."""
    arms = [_shown_arm(arm) for arm in comparison.arms]
    pairs = [_shown_pair(pair, comparison=comparison) for pair in comparison.pairs]
    seeds = sorted({run.seed for arm in comparison.arms for run in arm.runs})
    return render(
        "comparison.html",
        title=_title(comparison),
        subtitle=f"{len(seeds)} seed{'s' * (len(seeds) > 1)}, {comparison.images:,} {comparison.split} images"
        + (f", {comparison.date[:10]}" if comparison.date else ""),
        sections=SECTIONS,
        comparison=comparison,
        arms=arms,
        pairs=pairs,
        seeds=[(seed, [_of_seed(arm, seed=seed) for arm in comparison.arms]) for seed in seeds],
        scope=list(scope_of(comparison)),
        level=f"{comparison.level:.0%}".replace("%", "\N{NO-BREAK SPACE}%"),
        scores=Markup(_scores(comparison)),  # noqa: S704 - written by our own charts, which escape
        differences=Markup(_differences(pairs, level=comparison.level)),  # noqa: S704
        signed=signed,
        p_value=p_value,
    )


def _title(comparison: Comparison) -> str:
    labels = [arm.label for arm in comparison.arms]
    return f"{' and '.join(labels) if len(labels) < 3 else f'{len(labels)} recipes'} on {comparison.dataset}"


def _shown_arm(arm: Arm) -> ShownArm:
    versions = ", ".join(f"{name} {version}" for name, version in arm.versions.items() if name != "platform")
    return ShownArm(arm, score=score_of(arm), versions=versions)


def _shown_pair(pair: Pair, *, comparison: Comparison) -> ShownPair:
    first, second = (
        next(arm for arm in comparison.arms if arm.label == label) for label in (pair.first, pair.second)
    )
    return ShownPair(
        pair,
        verdict=verdict_of(pair, comparison=comparison),
        power=power_of(pair),
        differences={
            seed: after - before
            for seed in pair.seeds
            if (before := _of_seed(first, seed=seed)) is not None
            and (after := _of_seed(second, seed=seed)) is not None
        },
    )


def _of_seed(arm: Arm, *, seed: int) -> float | None:
    return next((run.accuracy for run in arm.runs if run.seed == seed), None)


def _scores(comparison: Comparison) -> str:
    rows = [
        Row(
            arm.label,
            said=f"{percent(arm.mean.mean)} %",
            value=arm.mean.mean,
            low=arm.mean.low,
            high=arm.mean.high,
            dots=[run.accuracy for run in arm.runs],
        )
        for arm in comparison.arms
    ]
    told = "; ".join(f"{row.name}: {row.said}" for row in rows)
    unit = f"{comparison.split} accuracy"
    return dot_chart(rows, title=f"Mean {unit} and every seed of each recipe. {told}", unit=unit)


def _differences(pairs: list[ShownPair], *, level: float) -> str:
    rows = [
        Row(
            f"{one.pair.second} minus {one.pair.first}",
            said=one.said,
            value=one.pair.paired.difference.mean,
            low=one.pair.judgement.low if one.pair.judgement else None,
            high=one.pair.judgement.high if one.pair.judgement else None,
            dots=[*one.differences.values()],
        )
        for one in pairs
    ]
    told = "; ".join(f"{row.name}: {row.said}" for row in rows)
    title = f"Mean difference with {level:.0%} interval, and the difference of every seed. {told}"
    return dot_chart(rows, title=title, differences=True, unit="difference in points of accuracy")
