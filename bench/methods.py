"""What each technique of the speed recipes adds, for docs/methods: from the comparison under results/methods.

Its first arm is the recipe; of the others each lacks one of its techniques, or has one that it has not.
Test-time augmentation is read from the first arm's runs, which have both scores.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median

from plumbline.analysis.chosen import Selection, choose_score
from plumbline.analysis.comparison import Arm, Comparison, read_comparison
from plumbline.analysis.paired import Judgement, PairedComparison, compare_pairs, judge
from plumbline.analysis.sentences import signed
from plumbline.records import Record, read_record

HEAD = (
    "| technique | compared with | points that it adds | interval | verdict | training time |",
    "|---|---|---|---|---|---|",
)
_AVERAGED, _CUTOUT = ":averaged", "augmentation.cutout"
# What stands in the name of an arm tells its technique, and the card of it.
TECHNIQUES = {
    _AVERAGED: "moving average",
    _CUTOUT: "cutout",
    "model.whitening": "whitening",
    "optimizer=": "Muon",
    "augmentation.flip": "alternating flip",
    "augmentation.padding": "reflecting crop",
    "augmentation.jitter": "jitter",
    "label_smoothing": "label smoothing",
    "resolution.train": "progressive resolution",
}


def methods_table(folder: Path) -> str:
    """Give the Markdown table of a published comparison; every row is corrected for all of them."""
    comparison = read_comparison(folder)
    first, *others = comparison.arms
    runs = {arm.label: _records(arm, folder=folder) for arm in comparison.arms}
    base = runs[first.label]
    views = _views(base, comparison=comparison)
    paired = [*(pair.paired for pair in comparison.pairs), views]
    *judged, of_views = judge(paired, margin=comparison.margin, level=comparison.level)
    rows = [
        _row(arm, judgement=found, paired=pair.paired, base=base, runs=runs[arm.label])
        for arm, pair, found in zip(others, comparison.pairs, judged, strict=True)
    ]
    known = _cells(views, judgement=of_views, sign=1)
    rows.append(_line("test-time augmentation", "one view of each image", *known, "-"))
    return "\n".join([*HEAD, *rows])


def _records(arm: Arm, *, folder: Path) -> list[Record]:
    return [read_record(folder / run.folder) for run in arm.runs]


def _views(runs: list[Record], *, comparison: Comparison) -> PairedComparison:
    chosen = Selection(weights=comparison.arms[0].weights)
    one, several = (
        [choose_score(run, selection=chosen, split=comparison.split, views=views).accuracy for run in runs]
        for views in (1, None)
    )
    return compare_pairs(one, second=several, level=comparison.level)


def _times(runs: list[Record], *, others: list[Record]) -> float:
    """Give how many times as long training takes with the technique, each seed against its own."""
    return median(
        (one.timing.training_seconds or 0.0) / (other.timing.training_seconds or 1.0)
        for one, other in zip(runs, others, strict=True)
    )


def _row(
    arm: Arm, *, judgement: Judgement, paired: PairedComparison, base: list[Record], runs: list[Record]
) -> str:
    technique = next(name for part, name in TECHNIQUES.items() if part in arm.label)
    if _AVERAGED in arm.label:
        return _line(technique, "the same runs without it", *_cells(paired, judgement=judgement, sign=1), "-")
    change = f"`{arm.label.partition('@')[2]}`"
    if _CUTOUT in arm.label:
        cells = (f"none; with {change}", *_cells(paired, judgement=judgement, sign=1))
        return _line(technique, *cells, f"{_times(runs, others=base):.2f} times")
    cells = (change, *_cells(paired, judgement=judgement, sign=-1))
    return _line(technique, *cells, f"{_times(base, others=runs):.2f} times")


def _cells(paired: PairedComparison, *, judgement: Judgement, sign: int) -> tuple[str, str, str]:
    ends = sorted(sign * end for end in (judgement.low, judgement.high) if end is not None)
    interval = " to ".join(map(signed, ends)) or "-"
    return signed(sign * paired.difference.mean), interval, judgement.verdict


def _line(technique: str, *cells: str) -> str:
    card = f"[{technique}]({technique.lower().replace(' ', '-')}.md)"
    return f"| {' | '.join((card, *cells))} |"
