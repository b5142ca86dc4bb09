"""The table at the end of a run."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.analysis import wilson_interval
from plumbline.analysis.clean import without_duplicates
from plumbline.analysis.imbalance import is_unequal
from plumbline.cli.console import results_console
from plumbline.progress import in_words
from plumbline.records import (
    PhaseName,
    Record,
    RunFolder,
    ScorePart,
    SplitName,
    WeightsName,
    data_options,
)

if TYPE_CHECKING:
    from rich.table import Table

_SPLITS: tuple[SplitName, ...] = ("validation", "test")
_ROWS: tuple[tuple[str, PhaseName, WeightsName], ...] = (
    ("after phase one", "fit", "raw"),
    ("after phase one, averaged", "fit", "averaged"),
    ("after phase two, raw", "average", "raw"),
    ("after phase two, averaged", "average", "averaged"),
)


def print_summary(record: Record, *, folder: RunFolder) -> None:
    """Print the scores with their intervals, and where everything is."""
    console = results_console(width=100)
    console.print(summary_table(record))
    console.print(summary_footer(record, folder=folder), soft_wrap=True)


def summary_table(record: Record) -> Table:
    """Give the table of scores: after each phase, raw and averaged, then with several views.

    Where classes are so unequal that it matters, balanced accuracy stands beside accuracy.
    """
    from rich import box
    from rich.table import Table

    table = Table(
        title=f"{record.title} on {record.dataset.name}, seed {record.seed}",
        box=box.SIMPLE_HEAD,
        title_justify="left",
    )
    splits = [split for split in _SPLITS if any(score.split == split for score in record.scores)]
    balanced = is_unequal(record.scores)
    # The interval and the loss are those of the split that matters most.
    table.add_column("weights")
    for split in splits:
        headings = [split, *([f"{split}, balanced"] if balanced else [])]
        for heading in headings + (["95 % interval", f"{split} loss"] if split == splits[-1] else []):
            table.add_column(heading, justify="right")
    for words, phase, weights in _ROWS:
        for last in scores_of(record, phase=phase, weights=weights, split=splits[-1] if splits else "test"):
            row = [words if last.views == 1 else f"{words}, {last.views} views"]
            for split in splits:
                score = find_score(record, phase=phase, weights=weights, split=split, views=last.views)
                row.append("-" if score is None else f"{score.accuracy:.2%}")
                if balanced:
                    found = None if score is None else score.balanced_accuracy
                    row.append("-" if found is None else f"{found:.2%}")
            table.add_row(*row, interval(last), f"{last.loss:.4f}")
    return table


def find_score(
    record: Record, *, phase: PhaseName, weights: WeightsName, split: SplitName, views: int = 1
) -> ScorePart | None:
    """Give one score of a record, if it is there."""
    wanted = (phase, weights, split, views)
    return next(
        (part for part in record.scores if (part.phase, part.weights, part.split, part.views) == wanted),
        None,
    )


def scores_of(record: Record, *, phase: PhaseName, weights: WeightsName, split: SplitName) -> list[ScorePart]:
    """Give all scores of some weights on a split: of the images alone first, then of more views."""
    wanted = (phase, weights, split)
    found = [part for part in record.scores if (part.phase, part.weights, part.split) == wanted]
    return sorted(found, key=lambda part: part.views)


def interval(part: ScorePart) -> str:
    """Give the 95 % interval of a score in percent."""
    found = wilson_interval(part.correct, count=part.count)
    return f"{found.low * 100:.2f} to {found.high * 100:.2f}"


def summary_footer(record: Record, *, folder: RunFolder) -> str:
    """Give what the intervals mean, how long it took on what, and where everything is."""
    timing = record.timing
    trained = (timing.training_seconds or 0.0) + (timing.averaging_seconds or 0.0)
    took = f"{in_words(timing.total_seconds or 0.0)} in all, {in_words(trained)} of it training"
    notes = "".join(f"  {note}\n" for note in _notes(record))
    again = shlex.join([str(folder.recipe), *data_options(record.dataset), "--seed", str(record.seed)])
    return f"""\
  {_images(record)}; the interval speaks of other images, not of other seeds.
{notes}  {took}, on {record.device.name}, {record.device.precision}.

  Run folder   {folder.path}
  Report       {folder.report}
  TensorBoard  {beside_python("tensorboard")} --logdir {shlex.quote(str(folder.events))}
  Again        {beside_python("plumbline")} fit {again}"""


def _images(record: Record) -> str:
    counts = record.dataset.counts
    if record.leaves_test_alone:
        return f"{counts.validation:,} validation images, the test images were left alone"
    return f"{counts.test:,} test images"


def _notes(record: Record) -> Iterator[str]:
    if any(score.phase == "average" for score in record.scores):
        yield "Raw after phase two is the control: as many epochs, no averaging."
    if any((score.phase, score.weights) == ("fit", "averaged") for score in record.scores):
        yield "Averaged after phase one is the moving average of its last weights: no epochs more."
    clean = without_duplicates(record)
    if clean is not None:
        yield clean
    shifts = " (half of the weight), and both shifted by a pixel up-left and down-right"
    shifts = shifts if record.recipe.tta == "flip_shift" else ""
    for views in sorted({score.views for score in record.scores} - {1}):
        yield f"{views} views: logits averaged over each image and its mirror image{shifts}."


def beside_python(program: str) -> str:
    """Give the program as it can be typed here: by its path if its environment is not the active one."""
    path = Path(sys.executable).parent / program
    if str(path.parent) in os.environ.get("PATH", "").split(os.pathsep) or not path.exists():
        return program
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
