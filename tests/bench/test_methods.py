"""The table of docs/methods: signs, intervals and times of made-up runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bench.methods import TECHNIQUES, methods_table
from bench.table import ROOT, read_results

from plumbline.analysis.chosen import SELECTIONS
from plumbline.analysis.comparison import ArmRuns, compare_arms, write_comparison
from plumbline.records import Record, ScorePart, TimingPart, create_run_folder, write_record

if TYPE_CHECKING:
    from pathlib import Path

    from plumbline.records import WeightsName

SEEDS = (1, 2, 3, 4, 5)


def score(weights: WeightsName, *, correct: int, views: int) -> ScorePart:
    return ScorePart(
        phase="fit",
        weights=weights,
        split="validation",
        accuracy=correct / 1000,
        correct=correct,
        count=1000,
        loss=0.5,
        views=views,
    )


def runs(folder: Path, *, name: str, arm: str, correct: int, epochs: int, seconds: float) -> ArmRuns:
    """Give one arm: six views find 10 images more than one, an average 20 more, and seeds differ a little."""
    _, known = read_results(ROOT / "results")[0]
    recipe = known.recipe.model_copy(update={"epochs": epochs})
    records: dict[int, Record] = {}
    for seed in SEEDS:
        found = correct + seed % 2
        scores = (
            score("raw", correct=found - 10, views=1),
            score("raw", correct=found, views=6),
            score("averaged", correct=found + 20, views=6),
        )
        timing = TimingPart(training_seconds=seconds, total_seconds=seconds)
        update = {"seed": seed, "scores": scores, "timing": timing, "recipe": recipe, "digest": recipe.digest}
        records[seed] = known.model_copy(update=update)
        there = folder / name / f"seed{seed}"
        if not there.exists():
            write_record(records[seed], folder=create_run_folder(there))
    weights = "averaged" if arm.endswith(":averaged") else "raw"
    return ArmRuns(arm, records, {seed: f"{name}/seed{seed}" for seed in SEEDS}, SELECTIONS[weights])


@pytest.fixture
def rows(tmp_path: Path) -> dict[str, list[str]]:
    """Give the cells of each row by its technique."""
    arms = [
        runs(tmp_path, name="all", arm="speed94", correct=900, epochs=4, seconds=60),
        runs(tmp_path, name="all", arm="speed94:averaged", correct=900, epochs=4, seconds=60),
        runs(
            tmp_path, name="more", arm="speed94@augmentation.cutout=0.25", correct=880, epochs=6, seconds=90
        ),
        runs(tmp_path, name="less", arm="speed94@label_smoothing=0.0", correct=870, epochs=5, seconds=80),
    ]
    write_comparison(compare_arms(arms, split="validation"), path=tmp_path / "comparison.json")
    lines = [line.strip("| ").split(" | ") for line in methods_table(tmp_path).splitlines()[2:]]
    return {cells[0].partition("]")[0].strip("["): cells[1:] for cells in lines}


def test_what_is_better_with_a_technique_than_without_it_is_above_zero(rows: dict[str, list[str]]) -> None:
    """Though the arm in the comparison is the one without it, and its difference below zero."""
    assert rows["label smoothing"][:2] == ["`label_smoothing=0.0`", "+3.00"]


def test_what_was_added_keeps_its_sign(rows: dict[str, list[str]]) -> None:
    """The moving average is another score of the same runs, whose time says nothing about it."""
    assert rows["moving average"][:2] == ["the same runs without it", "+2.00"]
    assert rows["moving average"][-1] == "-"


def test_what_speed94_lacks_is_compared_with_speed94(rows: dict[str, list[str]]) -> None:
    """Worse with it is below zero, slower with it above one."""
    assert rows["cutout"][:2] == ["none; with `augmentation.cutout=0.25`", "-2.00"]
    assert rows["cutout"][-1] == "1.50 times"


def test_views_are_compared_within_the_runs_of_the_first_arm(rows: dict[str, list[str]]) -> None:
    """Each of them has a score with one view and one with several."""
    assert rows["test-time augmentation"][1] == "+1.00"


def test_times_are_those_with_the_technique_over_those_without(rows: dict[str, list[str]]) -> None:
    """A technique that saves time stands below 1."""
    assert rows["label smoothing"][-1] == "0.75 times"


def test_every_technique_has_a_card() -> None:
    """The link in the first cell leads to it."""
    for technique in (*TECHNIQUES.values(), "test-time augmentation"):
        assert (ROOT / "docs" / "methods" / f"{technique.lower().replace(' ', '-')}.md").is_file()
