"""The curves of a run: from its record and the figures logged beside it to charts."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from math import nan
from pathlib import Path

from plumbline.records import EpochPart, Record
from plumbline.report.charts import Line, Point, line_chart

Curve = tuple[str, str, str]
MAX_METRICS_BYTES = 200_000_000
MOST_POINTS = 400


def curves(record: Record, *, metrics: Path) -> list[Curve]:
    """Give name, chart and words of loss, accuracy and learning rate; nothing before the first epoch's end.

    Each point of the record stands at the end of its epoch, counted over both phases. `metrics` is the run's
    metrics.csv; where it is missing or damaged, only what it would add is left out.
    """
    epochs = record.epochs
    if not epochs:
        return []
    logged = read_metrics(metrics, epochs_at=_EpochsAt(record))
    first = next((phase.epochs for phase in record.phases if phase.name == "fit"), len(epochs))
    words = f" Phase two begins after epoch {first}." if any(one.phase == "average" for one in epochs) else ""
    validated = any(one.validation_loss is not None for one in epochs)
    held_out = "" if validated else " Nothing was held out, so nothing was validated."
    faint = " The faint line is single batches." if logged.get("train/loss") else ""
    rates = logged.get("train/rate") or _points([one.rate for one in epochs])

    def chart(name: str, *, trained: Sequence[float], held: Sequence[float | None]) -> str:
        faint_line = Line("", logged.get(f"train/{name.lower()}", []), style="faint")
        lines = [Line("training", _points(trained), style="first", dots=True)]
        if validated:
            lines.append(Line("validation", _points(held), style="second", dots=True))
        title = f"{name} by epoch: {_ends(epochs, trained, held, percent=name == 'Accuracy')}"
        return line_chart(
            [faint_line, *lines],
            title=title,
            x_name="epochs",
            percent=name == "Accuracy",
            x_range=(0.0, float(len(epochs))),
        )

    return [
        (
            "Loss",
            chart("Loss", trained=[o.train_loss for o in epochs], held=[o.validation_loss for o in epochs]),
            f"Mean cross-entropy in nats.{faint}{held_out}",
        ),
        (
            "Accuracy",
            chart(
                "Accuracy",
                trained=[o.train_accuracy for o in epochs],
                held=[o.validation_accuracy for o in epochs],
            ),
            f"Training images are augmented, and seen while the weights move.{words}",
        ),
        (
            "Learning rate",
            line_chart(
                [Line("", rates, style="first")],
                title=f"Learning rate by epoch, from {rates[0][1]:.3g} to {rates[-1][1]:.3g}",
                x_name="epochs",
                x_range=(0.0, float(len(epochs))),
            ),
            f"Of the first group of parameters.{words}",
        ),
    ]


class _EpochsAt:
    """From a step to epochs, over phases that may have different numbers of steps."""

    def __init__(self, record: Record) -> None:
        self._phases = [(phase.steps, phase.steps_per_epoch) for phase in record.phases]

    def __call__(self, step: int) -> float:
        epochs = 0.0
        for steps, steps_per_epoch in self._phases:
            here = min(step, steps)
            epochs, step = epochs + here / max(steps_per_epoch, 1), step - here
        return epochs


def read_metrics(path: Path, *, epochs_at: _EpochsAt) -> dict[str, list[Point]]:
    """Read metrics.csv as points by name, at most `MOST_POINTS` of each; what is no figure is left out."""
    found: dict[str, list[Point]] = {}
    try:
        if path.stat().st_size > MAX_METRICS_BYTES:
            return {}
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            for name, step, value in _figures(csv.reader(file)):
                found.setdefault(name, []).append((epochs_at(step), value))
    except (OSError, csv.Error):
        return {}
    return {name: points[:: -(-len(points) // MOST_POINTS)] for name, points in found.items()}


def _figures(rows: Iterator[list[str]]) -> Iterator[tuple[str, int, float]]:
    for row in rows:
        try:
            step, name, value = row
            yield name, int(step), float(value)
        except ValueError:  # the heading, or a line that a power cut left half
            continue


def _points(values: Sequence[float | None]) -> list[Point]:
    return [(float(epoch), nan if value is None else value) for epoch, value in enumerate(values, start=1)]


def _ends(
    epochs: Sequence[EpochPart], trained: Sequence[float], held: Sequence[float | None], *, percent: bool
) -> str:
    def said(value: float) -> str:
        return f"{value:.1%}" if percent else f"{value:.3f}"

    validation = f", validation {said(held[-1])}" if held[-1] is not None else ""
    return f"after {len(epochs)} epochs training {said(trained[-1])}{validation}"
