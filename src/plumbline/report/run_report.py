"""The report of one run: `report.html` in its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from plumbline.analysis import Calibration
from plumbline.analysis.clean import without_duplicates
from plumbline.progress import in_words
from plumbline.records import RunFolder, write_text
from plumbline.records.predictions import read_predictions
from plumbline.report.charts import Line, Row, dot_chart, heat_map, line_chart
from plumbline.report.curves import curves
from plumbline.report.details import Details, Mistake
from plumbline.report.facts import RunFacts, run_facts
from plumbline.report.page import percent, picture_source, render

SECTIONS = (
    ("accuracy", "Accuracy"),
    ("training", "Training"),
    ("errors", "Where it is wrong"),
    ("mistakes", "Confident mistakes"),
    ("calibration", "Calibration"),
    ("speed", "Speed"),
    ("again", "The same again"),
)
MOST_CELLS = 20
MOST_PICTURES = 24


@dataclass(frozen=True)
class Note:
    """A sentence below the headline; `warn` where a reader must not miss it."""

    text: str
    warn: bool = False


@dataclass(frozen=True)
class Shown:
    """A mistake as a picture."""

    mistake: Mistake
    source: str
    width: int
    height: int


def write_run_report(folder: RunFolder) -> Path:
    """Write the report of a run, finished or not, from what its folder holds, and give its path.

    The old report is replaced whole or not at all. Needs no torch and no network.
    Raises PlumblineError where the record or the predictions are damaged, OSError where the disk refuses.
    """
    facts = run_facts(folder)
    path = folder.report
    write_text(path, run_page(facts, folder=folder))
    return path


def run_page(facts: RunFacts, *, folder: RunFolder) -> str:
    """Give the page itself."""
    record = facts.record
    took = record.timing.total_seconds
    gallery = _gallery(facts, folder=folder)
    return render(
        "run.html",
        title=f"{record.title} on {record.dataset.name}",
        subtitle=f"Seed {record.seed}, {record.status}, started {record.started[:10]}"
        + (f", {in_words(took, decimals=1)} in all" if took else "")
        + f", on {record.device.name}",
        sections=SECTIONS,
        facts=facts,
        folder=folder.path,
        notes=_notes(facts),
        charts=_charts(facts, folder=folder),
        gallery=gallery,
        no_gallery=facts.no_details or "The pictures of the mistakes were not kept with this run.",
        recipe=record.recipe.model_dump_json(indent=2, exclude_none=True),
    )


def _notes(facts: RunFacts) -> list[Note]:
    record, notes = facts.record, []
    if record.status != "finished":
        notes.append(Note(f"This run is not finished: its record says {record.status}.", warn=True))
    if facts.disagreement:
        notes.append(Note(facts.disagreement, warn=True))
    if record.test_looks is not None:
        times = "once" if record.test_looks == 1 else f"{record.test_looks:,} times"
        notes.append(
            Note(
                f"Up to the end of this run, the test score of these images had been looked at {times} on "
                "this machine, its own scores included. Whoever chooses by such looks gets too good a score."
            )
        )
    clean = without_duplicates(record)
    if clean is not None:
        notes.append(Note(clean))
    if not record.dataset.counts.validation:
        notes.append(Note("Nothing was held out, so there is no validation score beside the test score."))
    return notes


def _charts(facts: RunFacts, *, folder: RunFolder) -> dict[str, Any]:
    details = facts.details
    large = details is not None and len(facts.classes) > MOST_CELLS
    return {
        "scores": Markup(_score_chart(facts)),  # noqa: S704 - written by our own charts, which escape
        "curves": [
            (name, Markup(chart), words)  # noqa: S704
            for name, chart, words in curves(facts.record, metrics=folder.metrics)
        ],
        "heat": Markup(_heat(details)) if details and large else None,  # noqa: S704
        "reliability": Markup(_reliability(details) or "") if details else None,  # noqa: S704
    }


def _score_chart(facts: RunFacts) -> str:
    tested = [score for score in facts.scores if score.split == "test"]
    rows = [
        Row(
            name=score.name if score.views == 1 else f"{score.name}, {score.views} views",
            said=f"{percent(score.accuracy)} %",
            value=score.accuracy,
            low=score.interval.low,
            high=score.interval.high,
        )
        for score in tested
    ]
    told = "; ".join(
        f"{row.name}: {row.said} ({percent(row.low or 0.0)} to {percent(row.high or 0.0)})" for row in rows
    )
    return dot_chart(
        rows, title=f"Test accuracy in percent with 95 % intervals. {told}", unit="test accuracy"
    )


def _heat(details: Details) -> str:
    shares = [[cell / (sum(row) or 1) for cell in row] for row in details.matrix]
    return heat_map(shares, title=f"Confusion matrix of {len(shares)} classes, shares of each row")


def _reliability(details: Details) -> str | None:
    if details.before is None:
        return None
    lines = [
        Line("perfect", [(0.0, 0.0), (1.0, 1.0)], style="rule"),
        Line("as trained", _points(details.before), style="first", dots=True),
    ]
    title = f"Accuracy by confidence; calibration error {percent(details.before.ece)} % as trained"
    if details.after:
        lines.append(Line("with temperature", _points(details.after), style="second", dots=True))
        title += f", {percent(details.after.ece)} % with temperature"
    return line_chart(
        lines, title=title, x_name="confidence", percent=True, x_range=(0.0, 1.0), y_range=(0.0, 1.0)
    )


def _points(found: Calibration) -> list[tuple[float, float]]:
    return [
        (one.confidence, one.accuracy)
        for one in found.bins
        if one.confidence is not None and one.accuracy is not None
    ]


def _gallery(facts: RunFacts, *, folder: RunFolder) -> list[Shown]:
    if facts.details is None:
        return []
    predictions = read_predictions(folder, split="test")
    pictures = predictions.pictures if predictions else {}
    chosen = [one for one in facts.details.mistakes if one.index in pictures][:MOST_PICTURES]
    return [
        Shown(one, picture_source(picture), width=picture.shape[1], height=picture.shape[0])
        for one in chosen
        for picture in [pictures[one.index]]
    ]
