"""The numbers of a report for other programs: as JSON, or as one CSV table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from plumbline.analysis.comparison import Comparison, read_comparison
from plumbline.records import RunFolder
from plumbline.report.details import Details
from plumbline.report.facts import RunFacts, run_facts
from plumbline.report.kind import is_comparison

COLUMNS = (
    "table",
    "name",
    "figure",
    "value",
    "low",
    "high",
    "split",
    "seed",
    "index",
    "true",
    "predicted",
    "path",
)
Cells = dict[str, Any]


def json_of(folder: Path) -> str:
    """Give all numbers of a run or comparison as JSON; what is not a number is a word, as in record.json.

    Raises PlumblineError where the folder is neither, or damaged.
    """
    found = read_comparison(folder) if is_comparison(folder) else run_facts(RunFolder(folder))
    kind = "comparison" if isinstance(found, Comparison) else "run"
    content = {"kind": kind} | {field.name: getattr(found, field.name) for field in fields(found)}
    return to_json(content, indent=1, inf_nan_mode="strings").decode()


def csv_of(folder: Path) -> str:
    """Give all numbers as one table with a heading; cells that do not apply are empty.

    `table` says what a row is. Of a run: score, epoch, time, class, confusion, calibration, and mistake, a
    misclassified image by its index in the test images (and its file, of one's own pictures), with the
    confidence as its value. Of a comparison:
    recipe, seed, difference.
    Raises PlumblineError where the folder is neither, or damaged.
    """
    if is_comparison(folder):
        rows = _comparison_rows(read_comparison(folder))
    else:
        rows = _run_rows(run_facts(RunFolder(folder)))
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _run_rows(facts: RunFacts) -> Iterator[Cells]:
    for score in facts.scores:
        name = f"{score.name}, {score.views} view{'s' * (score.views > 1)}"
        base = {"table": "score", "name": name, "split": score.split}
        ends = {"low": score.interval.low, "high": score.interval.high}
        yield base | {"figure": "accuracy", "value": score.accuracy} | ends
        yield base | {"figure": "loss", "value": score.loss}
    for epoch in facts.record.epochs:
        figures = epoch.model_dump(exclude={"phase", "epoch"}, exclude_none=True)
        for figure, value in figures.items():
            yield {"table": "epoch", "name": f"{epoch.phase} {epoch.epoch}", "figure": figure, "value": value}
    for part in facts.parts:
        yield {"table": "time", "name": part.name, "figure": "seconds", "value": part.seconds}
    if facts.details is not None:
        yield from _detail_rows(facts.details, names=facts.classes)


def _detail_rows(details: Details, *, names: tuple[str, ...]) -> Iterator[Cells]:
    for one in details.classes:
        for figure in ("recall", "precision", "accuracy"):
            share = getattr(one.figures, figure)
            ends = {"value": share.value, "low": share.low, "high": share.high}
            yield {"table": "class", "name": one.name, "figure": figure, "split": "test"} | ends
    for true, row in zip(names, details.matrix, strict=True):
        for predicted, count in zip(names, row, strict=True):
            cells = {"table": "confusion", "figure": "images", "value": count, "split": "test"}
            yield cells | {"true": true, "predicted": predicted}
    for name, found in (("as trained", details.before), ("with temperature", details.after)):
        if found is not None:
            base = {"table": "calibration", "name": name, "split": "test"}
            yield base | {"figure": "ece", "value": found.ece}
            for one_bin in found.bins:
                figure = f"accuracy at confidence {one_bin.above:.4g} to {one_bin.upto:.4g}"
                ends = {"value": one_bin.accuracy, "low": one_bin.low, "high": one_bin.high}
                yield base | {"figure": figure} | ends
    if details.temperature is not None:
        yield {"table": "calibration", "name": "temperature", "value": details.temperature.value}
    for mistake in details.mistakes:
        yield {
            "table": "mistake",
            "figure": "confidence",
            "value": mistake.confidence,
            "split": "test",
            "index": mistake.index,
            "true": mistake.true,
            "predicted": mistake.predicted,
            "path": mistake.path,
        }


def _comparison_rows(comparison: Comparison) -> Iterator[Cells]:
    for arm in comparison.arms:
        base = {"name": arm.label, "figure": "accuracy", "split": comparison.split}
        ends = {"value": arm.mean.mean, "low": arm.mean.low, "high": arm.mean.high}
        yield {"table": "recipe"} | base | ends
        for run in arm.runs:
            yield {"table": "seed", "seed": run.seed, "value": run.accuracy} | base
    for pair in comparison.pairs:
        base = {"table": "difference", "name": f"{pair.second} minus {pair.first}", "split": comparison.split}
        paired, judged = pair.paired, pair.judgement
        ends = {"low": judged.low, "high": judged.high} if judged else {}
        yield base | {"figure": "difference", "value": paired.difference.mean} | ends
        figures = {
            "p, paired t": paired.p_t,
            "p, permutation": paired.p_permutation,
            "p, corrected": judged.p_corrected if judged else None,
            "detectable": paired.detectable,
            "pairs needed": paired.needed,
            "verdict": judged.verdict if judged else None,
        }
        for figure, value in figures.items():
            yield base | {"figure": figure, "value": value}
