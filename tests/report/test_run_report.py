"""The page of a run: what it says, and what it says where something is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from plumbline.errors import PlumblineError
from plumbline.records import ArithmeticPart, Counts, RunFolder
from plumbline.records.image_names import write_image_names
from plumbline.records.predictions import predictions_path, write_predictions
from plumbline.report import write_run_report
from plumbline.report.facts import run_facts
from plumbline.report.numbers import csv_of
from plumbline.report.run_report import run_page
from report.page_check import Page, check_page
from report.sample import IMAGES, sample_predictions, sample_record, sample_run

if TYPE_CHECKING:
    from pathlib import Path


def page_of(folder: RunFolder) -> Page:
    path = write_run_report(folder)
    assert path == folder.path / "report.html"
    return check_page(path.read_text(encoding="utf-8"))


def test_a_run_is_told_whole(tmp_path: Path) -> None:
    """Headline with interval, calibration before and after, every class, the command: all on one page."""
    folder = sample_run(tmp_path / "run")
    page = page_of(folder)
    right = int((sample_predictions().logits.argmax(axis=1) == sample_predictions().labels).sum())
    assert f"got {right} of {IMAGES} test images right" in page.words
    assert f"{right / IMAGES * 100:.2f}%" in page.words
    assert "95 % interval" in page.words.replace("\N{NO-BREAK SPACE}", " ")
    for words in ("With temperature", "The temperature divides all logits", "airplane", "Confusion matrix"):
        assert words in page.words
    assert f"plumbline fit {folder.recipe} --data cifar10 --seed 7 --device cpu" in page.words
    assert sample_record().dataset.fingerprint in page.words
    assert "have 268 of" not in page.words
    assert sum(source.startswith("data:image/png") for source in page.refers) == 1  # one picture, eight times


def test_a_temperature_without_a_best_value_is_not_shown(tmp_path: Path) -> None:
    """Where every validation image is right, the smaller the better says nothing: the page says so."""
    folder = sample_run(tmp_path / "run")
    said = sample_predictions(seed=1)
    sure = replace(said, labels=said.logits.argmax(axis=1))
    write_predictions(folder, split="validation", predictions=sure)
    page = page_of(folder)
    assert "With temperature" not in page.words
    assert f"all {len(sure.labels):,} validation images are right" in page.words


def test_the_report_is_made_anew(tmp_path: Path) -> None:
    """A second report replaces the first, is equal to it, and leaves nothing else behind."""
    folder = sample_run(tmp_path / "run")
    first = write_run_report(folder).read_bytes()
    names = sorted(path.name for path in folder.path.iterdir())
    assert write_run_report(folder).read_bytes() == first
    assert sorted(path.name for path in folder.path.iterdir()) == names


def test_a_run_without_predictions_says_why(tmp_path: Path) -> None:
    """An older run gets a report with its scores and curves; the other sections say what is missing."""
    folder = sample_run(tmp_path / "run")
    predictions_path(folder, split="test").unlink()
    page = page_of(folder)
    assert page.words.count("were not kept with this run, as runs of older versions did not") == 3
    assert "Test accuracy, each image alone" in page.words


def test_an_unfinished_run_says_so(tmp_path: Path) -> None:
    """A run that was stopped in its first epoch gets a page too, which claims nothing."""
    folder = sample_run(tmp_path / "run", status="interrupted", scores=(), epochs=(), finished=None)
    predictions_path(folder, split="test").unlink()
    page = page_of(folder)
    for words in ("interrupted and has no score", "no epoch of this run", "which is not finished"):
        assert words in page.words.lower()


def test_without_validation_no_temperature_is_fitted(tmp_path: Path) -> None:
    """Where nothing was held out the error as trained stands alone, and the page says why."""
    counts = Counts(train=50_000, validation=0, test=10_000)
    dataset = sample_record().dataset.model_copy(update={"counts": counts})
    page = page_of(sample_run(tmp_path / "run", validation=False, dataset=dataset))
    assert "No temperature was fitted: nothing was held out" in page.words
    assert "With temperature" not in page.words


def test_values_that_are_not_finite_are_told(tmp_path: Path) -> None:
    """A network that gave NaN gets its images counted as wrong, no calibration, and a reason."""
    test = sample_predictions()
    test.logits[3] = np.nan
    test.logits[4, 0] = np.inf
    page = page_of(sample_run(tmp_path / "run", test=test))
    assert f"For 2 of {IMAGES} test images the network gave values that are not finite" in page.words
    assert "Calibration error (ECE)" not in page.words


def test_predictions_of_other_weights_are_noticed(tmp_path: Path) -> None:
    """Where the kept predictions do not give the recorded score, a reader is told beside the headline."""
    folder = sample_run(tmp_path / "run")
    write_predictions(folder, split="test", predictions=sample_predictions(seed=5))
    assert "its record says" in page_of(folder).words


def test_predictions_of_other_classes_are_refused(tmp_path: Path) -> None:
    """Predictions of three classes beside a record of ten are an error that says what to do."""
    folder = sample_run(tmp_path / "run")
    write_predictions(folder, split="test", predictions=sample_predictions(classes=3))
    with pytest.raises(PlumblineError, match=r"of 3 classes, its record names 10\. Delete"):
        write_run_report(folder)


def test_a_perfect_run_has_no_mistakes(tmp_path: Path) -> None:
    """With every image right nothing is confused, and the page still stands."""
    test = sample_predictions()
    test.logits[np.arange(IMAGES), test.labels] += 100.0
    page = page_of(sample_run(tmp_path / "run", test=test))
    assert f"Of the {IMAGES} test images, 0 are misclassified" in page.words
    assert "Most often confused" not in page.words


def test_many_classes_get_a_map(tmp_path: Path) -> None:
    """A hundred classes are a chart and a folded table, in less than a megabyte."""
    names = tuple(f"class {number}" for number in range(100))
    dataset = sample_record().dataset.model_copy(update={"classes": names})
    test, validation = sample_predictions(classes=100), sample_predictions(seed=1, classes=100)
    folder = sample_run(tmp_path / "run", test=test, dataset=dataset)
    write_predictions(folder, split="validation", predictions=validation)
    path = write_run_report(folder)
    assert "All 100 classes" in check_page(path.read_text(encoding="utf-8")).words
    assert path.stat().st_size < 1_000_000


def test_names_are_text_and_nothing_else(tmp_path: Path) -> None:
    """Markup in a class name, a title or a command is shown as it stands and does nothing."""
    evil = "<script>alert(1)</script>&\"'"
    dataset = sample_record().dataset
    dataset = dataset.model_copy(update={"classes": (evil, *dataset.classes[1:]), "name": evil})
    folder = sample_run(tmp_path / "run", dataset=dataset, title=evil, command=evil)
    page = page_of(folder)
    assert evil in page.text
    assert "<script" not in write_run_report(folder).read_text(encoding="utf-8")


def test_the_looks_and_near_duplicates_are_told(tmp_path: Path) -> None:
    """Where the record counts them, the page gives the looks at the test score, and the near-duplicates."""
    folder = sample_run(tmp_path / "run")
    facts = run_facts(folder)
    scores = tuple(
        score.model_copy(update={"clean_correct": score.correct, "clean_count": score.count - 3})
        for score in facts.record.scores
    )
    record = facts.record.model_copy(update={"test_looks": 12, "scores": scores})
    page = check_page(run_page(replace(facts, record=record), folder=folder))
    assert "had been looked at 12 times" in page.words
    assert f"3 of the {scores[-1].count:,} test images have a near-duplicate" in page.words
    assert "without them the quoted score is" in page.words


def test_utilisation_is_arithmetic_over_what_the_device_could_have_done(tmp_path: Path) -> None:
    """A run whose training took twice as long as its arithmetic at the matrix rate used half of it."""
    timing = sample_record().timing
    seconds = (timing.training_seconds or 0) + (timing.averaging_seconds or 0)
    half = ArithmeticPart(training_flop=seconds / 2 * 1e12, matrix_flop_per_second=1e12)
    folder = sample_run(tmp_path / "run", arithmetic=half)
    assert run_facts(folder).utilisation == pytest.approx(0.5)
    assert "50.0%" in page_of(folder).words
    older = sample_run(tmp_path / "older")
    assert run_facts(older).utilisation is None
    assert ("Utilisation", "not recorded") in run_facts(older).speed


def test_mistakes_among_ones_own_pictures_are_told_by_their_files(tmp_path: Path) -> None:
    """A picture that is a file is named by it, on the page and in the table."""
    folder = sample_run(tmp_path / "run")
    mistake = run_facts(folder).details.mistakes[0]  # type: ignore[union-attr]
    assert mistake.path == ""
    write_image_names(folder, {"test": [f"cat/{n}.jpg" for n in range(mistake.index + 1)]})
    assert f"cat/{mistake.index}.jpg" in page_of(folder).words
    assert f",cat/{mistake.index}.jpg\n" in csv_of(folder.path)


def test_a_run_that_left_the_test_images_alone_says_so(tmp_path: Path) -> None:
    """Its page is no page of an unfinished run."""
    scores = tuple(score for score in sample_record().scores if score.split == "validation")
    folder = sample_run(tmp_path / "run", scores=scores, leaves_test_alone=True)
    predictions_path(folder, split="test").unlink()
    words = page_of(folder).words
    assert "asked to leave the test images alone (--no-test)" in words
    assert "not finished" not in words
