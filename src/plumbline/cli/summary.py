"""The table at the end of a run."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.analysis import wilson_interval
from plumbline.cli.console import in_words
from plumbline.records import DatasetPart, PhaseName, Record, RunFolder, ScorePart, SplitName, WeightsName

if TYPE_CHECKING:
    from rich.table import Table

_ROWS: tuple[tuple[str, PhaseName, WeightsName], ...] = (
    ("after phase one", "fit", "raw"),
    ("after phase two, raw", "average", "raw"),
    ("after phase two, averaged", "average", "averaged"),
)


def print_summary(record: Record, *, folder: RunFolder) -> None:
    """Print the scores with their intervals, and where everything is."""
    from rich.console import Console

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)
    console.print(summary_table(record))
    console.print(summary_footer(record, folder=folder), soft_wrap=True, markup=False)


def summary_table(record: Record) -> Table:
    """Give the table of test scores: after phase one, raw at equal epochs, averaged."""
    from rich import box
    from rich.table import Table

    table = Table(
        title=f"{record.title} on {record.dataset.name}, seed {record.seed}",
        box=box.SIMPLE_HEAD,
        title_justify="left",
    )
    table.add_column("weights")
    for heading in ("validation", "test", "95 % interval", "test loss"):
        table.add_column(heading, justify="right")
    for words, phase, weights in _ROWS:
        test = find_score(record, phase=phase, weights=weights, split="test")
        validation = find_score(record, phase=phase, weights=weights, split="validation")
        if test is not None and validation is not None:
            table.add_row(
                words,
                f"{validation.accuracy:.2%}",
                f"{test.accuracy:.2%}",
                interval(test),
                f"{test.loss:.4f}",
            )
    return table


def find_score(
    record: Record, *, phase: PhaseName, weights: WeightsName, split: SplitName
) -> ScorePart | None:
    """Give one score of a record, if it is there."""
    wanted = (phase, weights, split)
    return next((part for part in record.scores if (part.phase, part.weights, part.split) == wanted), None)


def interval(part: ScorePart) -> str:
    """Give the 95 % interval of a score in percent."""
    found = wilson_interval(part.correct, count=part.count)
    return f"{found.low * 100:.2f} to {found.high * 100:.2f}"


def summary_footer(record: Record, *, folder: RunFolder) -> str:
    """Give what the intervals mean, how long it took on what, and where everything is."""
    timing = record.timing
    trained = (timing.training_seconds or 0.0) + (timing.averaging_seconds or 0.0)
    took = f"{in_words(timing.total_seconds or 0.0)} in all, {in_words(trained)} of it training"
    averaged = any(score.weights == "averaged" for score in record.scores)
    control = "  Raw after phase two is the control: as many epochs, no averaging.\n"
    control = control if averaged else ""
    data = shlex.quote(where_it_was(record.dataset))
    again = f"{shlex.quote(str(folder.recipe))} --data {data} --seed {record.seed}"
    return f"""\
  {record.dataset.counts.test:,} test images; the interval speaks of other test images, not of other seeds.
{control}  {took}, on {record.device.name}, {record.device.precision}.

  Run folder   {folder.path}
  TensorBoard  {beside_python("tensorboard")} --logdir {shlex.quote(str(folder.events))}
  Again        {beside_python("plumbline")} fit {again}"""


def where_it_was(dataset: DatasetPart) -> str:
    """Give what --data has to say to get the data of a record again: the folder it came from, or its name.

    >>> from plumbline.records import Counts
    >>> counts = Counts(train=1, validation=1, test=1)
    >>> where_it_was(DatasetPart(name="digits", fingerprint="", source="cache", classes=(), counts=counts))
    'digits'
    """
    return dataset.source if Path(dataset.source).is_dir() else dataset.name


def beside_python(program: str) -> str:
    """Give the program as it can be typed here: by its path if its environment is not the active one."""
    path = Path(sys.executable).parent / program
    if str(path.parent) in os.environ.get("PATH", "").split(os.pathsep) or not path.exists():
        return program
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
