"""What each technique of the speed recipes adds, for docs/methods: from the comparison under results/methods.

Its first arm has every technique and no moving average; of the others one has it, and each of the rest lacks
one technique. Test-time augmentation is read from the first arm's runs, which have both scores.
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
_ADDED = ":averaged"
# What stands in the name of an arm tells its technique, and the card of it.
TECHNIQUES = {
    _ADDED: "moving average",
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
        _row(arm, judgement=found, paired=pair.paired, times=_times(base, others=runs[arm.label]))
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


def _row(arm: Arm, *, judgement: Judgement, paired: PairedComparison, times: float) -> str:
    technique = next(name for part, name in TECHNIQUES.items() if part in arm.label)
    added = arm.label.endswith(_ADDED)
    other = "the same runs without it" if added else f"`{arm.label.partition('@')[2]}`"
    cells = _cells(paired, judgement=judgement, sign=1 if added else -1)
    return _line(technique, other, *cells, "-" if added else f"{times:.2f} times")


def _cells(paired: PairedComparison, *, judgement: Judgement, sign: int) -> tuple[str, str, str]:
    ends = sorted(sign * end for end in (judgement.low, judgement.high) if end is not None)
    interval = " to ".join(map(signed, ends)) or "-"
    return signed(sign * paired.difference.mean), interval, judgement.verdict


def _line(technique: str, *cells: str) -> str:
    card = f"[{technique}]({technique.lower().replace(' ', '-')}.md)"
    return f"| {' | '.join((card, *cells))} |"
