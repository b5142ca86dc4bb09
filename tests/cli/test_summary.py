"""The table at the end of a run: a row for each kind of weights and views, and notes that are true of it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from bench.table import ROOT
from rich.console import Console

from plumbline.cli.summary import find_score, print_summary, summary_footer, summary_table
from plumbline.recipes import Ema, Recipe
from plumbline.records import PhaseName, Record, RunFolder, ScorePart, SplitName, WeightsName, read_record

# One view of each image: views are added by the tests.
TWO_PHASES = read_record(ROOT / "results/resnet18-quick-cifar10-seed7/record.json")


def _score(phase: PhaseName, weights: WeightsName, *, split: SplitName = "test", views: int = 1) -> ScorePart:
    return ScorePart(
        phase=phase, weights=weights, split=split, accuracy=0.9, correct=90, count=100, loss=0.5, views=views
    )


def _speed_run() -> Record:
    """Give the record of a run without held-out images and second phase, scored with six views."""
    scores = tuple(_score("fit", weights, views=views) for weights in ("raw", "averaged") for views in (6, 1))
    counts = TWO_PHASES.dataset.counts.model_copy(update={"validation": 0})
    dataset = TWO_PHASES.dataset.model_copy(update={"counts": counts})
    recipe = Recipe(averaging=Ema(), tta="flip_shift", validation_fraction=0.0)
    return TWO_PHASES.model_copy(update={"scores": scores, "dataset": dataset, "recipe": recipe})


def _shown(record: Record) -> str:
    text = io.StringIO()
    Console(file=text, width=120).print(summary_table(record))
    return text.getvalue()


def _rows(record: Record) -> list[list[str]]:
    rows = [line.strip().split("  ") for line in _shown(record).splitlines() if line.startswith("  after")]
    return [[cell.strip() for cell in row if cell.strip()] for row in rows]


def test_a_run_of_one_phase_has_rows_for_averages_and_views() -> None:
    """Each set of weights is shown by the images alone first; the column of what was not held out is gone."""
    numbers = ["90.00%", "82.56 to 94.48", "0.5000"]
    assert _rows(_speed_run()) == [
        ["after phase one", *numbers],
        ["after phase one, 6 views", *numbers],
        ["after phase one, averaged", *numbers],
        ["after phase one, averaged, 6 views", *numbers],
    ]
    assert "validation" not in _shown(_speed_run())


def test_a_run_of_two_phases_is_shown_with_validation() -> None:
    """Views have rows there too; where only they were not validated, the cell says so."""
    more = (*TWO_PHASES.scores, _score("average", "averaged", views=2))
    rows = _rows(TWO_PHASES.model_copy(update={"scores": more}))
    assert [row[0] for row in rows] == [
        "after phase one",
        "after phase two, raw",
        "after phase two, averaged",
        "after phase two, averaged, 2 views",
    ]
    assert [len(row) for row in rows] == [5, 5, 5, 5]
    assert rows[-1][1] == "-"
    assert "validation" in _shown(TWO_PHASES)


def test_brackets_in_the_name_of_the_data_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder may be called so, and its name is no markup."""
    dataset = TWO_PHASES.dataset.model_copy(update={"name": "photos[new]"})
    print_summary(TWO_PHASES.model_copy(update={"dataset": dataset}), folder=RunFolder(tmp_path))
    assert "resnet18-quick on photos[new], seed 7" in capsys.readouterr().out


def test_the_notes_speak_of_what_the_table_shows() -> None:
    """The control is named with a second phase only, views and moving averages where there are any."""
    folder = RunFolder(Path("run"))
    speed, two = summary_footer(_speed_run(), folder=folder), summary_footer(TWO_PHASES, folder=folder)
    assert "Raw after phase two is the control" in two
    assert "phase two" not in speed
    assert "moving average" in speed
    assert "moving average" not in two
    assert "6 views: logits averaged over each image and its mirror image (half of the weight), and" in speed
    assert "views" not in two


def test_a_score_is_found_by_its_views() -> None:
    """Without a word it is the score of the images alone."""
    record = _speed_run()
    plain = find_score(record, phase="fit", weights="averaged", split="test")
    several = find_score(record, phase="fit", weights="averaged", split="test", views=6)
    assert plain is not None
    assert several is not None
    assert (plain.views, several.views) == (1, 6)
    assert find_score(record, phase="fit", weights="averaged", split="test", views=2) is None


def test_a_run_without_test_scores_is_shown_by_its_validation() -> None:
    """The interval and the loss are then those of the validation images, and the footer says why."""
    scores = tuple(score for score in TWO_PHASES.scores if score.split == "validation")
    record = TWO_PHASES.model_copy(update={"scores": scores, "leaves_test_alone": True})
    shown = _shown(record)
    assert "validation loss" in shown
    assert "test" not in shown
    assert len(_rows(record)) == len(scores)
    assert "the test images were left alone" in summary_footer(record, folder=RunFolder(Path("run")))


def test_unequal_classes_bring_balanced_accuracy() -> None:
    """It stands beside accuracy where the two differ, and nowhere else."""
    assert "balanced" not in _shown(TWO_PHASES)
    unequal = tuple(score.model_copy(update={"balanced_accuracy": 0.4321}) for score in TWO_PHASES.scores)
    shown = _shown(TWO_PHASES.model_copy(update={"scores": unequal}))
    assert "test, balanced" in shown
    assert "43.21%" in shown
