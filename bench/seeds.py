"""Several seeds of one recipe, as `plumbline bench fit` leaves them: one row of the README for all."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median

from plumbline.analysis import mean_of
from plumbline.analysis.poolable import check_pool
from plumbline.benchmarks.conclude import final_score, timed_seconds
from plumbline.errors import PlumblineError
from plumbline.progress import in_words
from plumbline.records import Record, read_record

HEAD = (
    "| recipe | data | seeds | one view | with TTA | set-up, training, scoring | machine | date, digest |",
    "|---|---|---|---|---|---|---|---|",
)


def read_seeds(folder: Path) -> list[tuple[str, Record]]:
    """Read the records of one folder of published seeds, in the order of the seeds.

    Raises PlumblineError for runs that must not be pooled, and for one that is not finished.
    """
    found = [(path.parent.name, read_record(path)) for path in folder.glob("seed*/record.json")]
    for name, record in found:
        if record.status != "finished":
            raise PlumblineError(f"{folder / name} is {record.status}, not finished: no result of a seed.")
    check_pool({record.seed: record for _, record in found}, label=str(folder))
    return sorted(found, key=lambda one: one[1].seed)


def seeds_table(results: Path) -> str:
    """Give the Markdown table of all published seeds; empty where there are none."""
    folders = [path.parent for path in sorted(results.glob("*/declared.json"))]
    rows = [_row(folder) for folder in folders if read_seeds(folder)]
    return "\n".join([*HEAD, *rows]) if rows else ""


def _row(folder: Path) -> str:
    declared = json.loads((folder / "declared.json").read_text(encoding="utf-8"))
    records = [record for _, record in read_seeds(folder)]
    first, device = records[0], records[0].device
    machines = " and ".join(dict.fromkeys(record.device.name for record in records))
    cells = (
        f"[{first.title}](results/{folder.name})",
        f"{first.dataset.name}, {first.dataset.counts.test:,} test images",
        f"{len(records)} of {len(declared['seeds'])} declared",
        _mean(records, with_views=False),
        _mean(records, with_views=True),
        f"{in_words(median(map(timed_seconds, records)))} (median)",
        f"{machines}, {device.threads} threads, {device.precision}, torch {first.versions['torch']}",
        f"{first.started[:10]}, `{first.digest}`",
    )
    return "| " + " | ".join(cells) + " |"


def _mean(records: list[Record], *, with_views: bool) -> str:
    scores = [score.accuracy for one in records if (score := final_score(one, with_views=with_views))]
    if not scores:
        return "-"
    mean = mean_of(scores)
    if mean.low is None or mean.high is None:
        return f"{mean.mean:.2%} (one seed)"
    return f"{mean.mean:.2%} ({mean.low * 100:.2f} to {mean.high * 100:.2f})"
