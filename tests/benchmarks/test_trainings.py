"""Whole trainings: declared, made once each, resumed, beside a reference."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from benchmarks.small import small_recipe
from plumbline.benchmarks.trainings import FitsAsked, check_fits, measure_fits
from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from pathlib import Path

REFERENCE = """
print("|  run  |  epoch  |  tta_val_acc  |  time_seconds  |")
print("|    0  |   eval  |       0.9410  |        2.6100  |")
"""


class Heard:
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    task = None


class Impatient(Heard):
    """Presses Ctrl-C when the first seed is done."""

    def say(self, text: str) -> None:
        if text.startswith("1 of 2"):
            raise KeyboardInterrupt


@pytest.fixture
def asked(tmp_path: Path) -> FitsAsked:
    """Ask for two seeds of one epoch on digits."""
    recipe = tmp_path / "small.json"
    recipe.write_text(small_recipe(batch_size=256).model_dump_json())
    return FitsAsked(
        recipe=str(recipe), seeds=(1, 2), out=tmp_path / "runs", data="digits", device="cpu", matrix_side=64
    )


@pytest.mark.slow
def test_the_whole_of_it(asked: FitsAsked, tmp_path: Path) -> None:
    """Two seeds and a reference in turns, gone on with after a stop; a further call makes no run again."""
    program = tmp_path / "theirs.py"
    program.write_text(REFERENCE)
    asked, heard = replace(asked, reference=program), Heard()
    with pytest.raises(KeyboardInterrupt):
        measure_fits(asked, progress=Impatient())  # type: ignore[arg-type]
    so_far = json.loads((asked.out / "summary.json").read_text())
    assert [run["seed"] for run in so_far["runs"]] == [1]
    assert so_far["declared"]["seeds"] == [1, 2]
    fits = measure_fits(asked, progress=heard)  # type: ignore[arg-type]
    assert [record.seed for record in fits.records] == [1, 2]
    assert fits.conclusion.plain.n == 2
    assert fits.conclusion.with_views is not None
    assert [result.accuracy for result in fits.reference_results] == [0.941, 0.941]
    assert "seeds 1, 2" in heard.lines[0]
    assert [("seed" in line, "reference" in line) for line in heard.lines[1:]] == [
        (True, False),
        (False, True),
    ] * 2
    summary = json.loads((asked.out / "summary.json").read_text())
    assert summary["declared"]["seeds"] == [1, 2]
    assert [run["seed"] for run in summary["runs"]] == [1, 2]
    assert all(run["cold_seconds"] > run["timed_seconds"] > 0 for run in summary["runs"])
    assert summary["reference"]["accuracy"]["n"] == 2
    assert str(tmp_path) not in (asked.out / "summary.json").read_text()
    stamps = {path: path.stat().st_mtime_ns for path in asked.out.rglob("record.json")}
    again = measure_fits(asked)
    assert {path: path.stat().st_mtime_ns for path in asked.out.rglob("record.json")} == stamps
    assert again.records == fits.records
    assert again.references == fits.references


def test_a_fit_that_fails_ends_it_and_is_not_skipped(asked: FitsAsked) -> None:
    """A run that cannot be made is told; no conclusion is drawn from the others."""
    with pytest.raises(PlumblineError, match="The fit of seed 1 ended with exit code 2"):
        measure_fits(replace(asked, data="digitz"))
    assert not (asked.out / "summary.json").exists()


def test_a_seed_twice_is_refused(asked: FitsAsked) -> None:
    """A run that counts twice would make the interval too narrow."""
    with pytest.raises(PlumblineError, match="--seeds names 2 twice"):
        check_fits(replace(asked, seeds=(1, 2, 3, 2)))


def test_what_was_declared_cannot_be_changed(asked: FitsAsked) -> None:
    """Seeds added after results were seen are refused, and so is another recipe."""
    asked.out.mkdir()
    measured = {"recipe": "x", "digest": "y", "seeds": [1, 2], "data": "digits"}
    (asked.out / "declared.json").write_text(json.dumps(measured))
    with pytest.raises(PlumblineError, match=r"seeds was \[1, 2\], now \[1, 2, 3\]"):
        check_fits(replace(asked, seeds=(1, 2, 3)))


def test_two_folders_of_one_name_are_not_one_measurement(asked: FitsAsked, tmp_path: Path) -> None:
    """Runs on birds/photos are not taken for runs on cars/photos; a data set with a name is known by it."""
    birds, cars = (tmp_path / name / "photos" for name in ("birds", "cars"))
    asked.out.mkdir()
    (asked.out / "declared.json").write_text(json.dumps({"data": str(birds)}))
    with pytest.raises(PlumblineError, match=r"data was .*/birds/photos, now .*/cars/photos"):
        check_fits(replace(asked, data=str(cars)))
    (asked.out / "declared.json").write_text(json.dumps({"data": "digits"}))
    with pytest.raises(PlumblineError, match=r"other runs were declared: (?!.*data was)"):
        check_fits(asked)


def test_a_folder_of_something_else_is_left_alone(asked: FitsAsked) -> None:
    """Nothing is written into a folder that holds no declared runs."""
    asked.out.mkdir()
    (asked.out / "thesis.txt").write_text("mine")
    with pytest.raises(PlumblineError, match="holds no declared runs; nothing was overwritten"):
        check_fits(asked)


def test_a_missing_reference_is_told_before_anything_is_trained(asked: FitsAsked, tmp_path: Path) -> None:
    """The error names the path."""
    with pytest.raises(PlumblineError, match=r"nothing\.py: there is no such file"):
        measure_fits(replace(asked, reference=tmp_path / "nothing.py"))
    assert not asked.out.exists()
