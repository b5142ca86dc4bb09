"""The numbers for other programs: every misclassified image is there, and nothing is made up."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from plumbline.analysis.comparison import write_comparison
from plumbline.errors import PlumblineError
from plumbline.report import csv_of, json_of
from report.sample import IMAGES, sample_comparison, sample_predictions, sample_run

if TYPE_CHECKING:
    from pathlib import Path


def rows_of(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(csv_of(folder))))


def test_every_misclassified_image_is_listed_by_its_index(tmp_path: Path) -> None:
    """CSV and JSON name each wrong image once, with its classes and its confidence."""
    folder, test = sample_run(tmp_path / "run"), sample_predictions()
    wrong = test.logits.argmax(axis=1) != test.labels
    listed = [row for row in rows_of(folder.path) if row["table"] == "mistake"]
    assert sorted(int(row["index"]) for row in listed) == test.indices[wrong].tolist()
    told = json.loads(json_of(folder.path))["details"]["mistakes"]
    assert [one["index"] for one in told] == [int(row["index"]) for row in listed]
    confidence = [float(row["value"]) for row in listed]
    assert confidence == sorted(confidence, reverse=True)
    place = int(listed[0]["index"]) - int(test.indices[0])
    names = json.loads(json_of(folder.path))["record"]["dataset"]["classes"]
    assert listed[0]["true"] == names[test.labels[place]]
    assert listed[0]["predicted"] == names[test.logits[place].argmax()]


def test_the_table_adds_up(tmp_path: Path) -> None:
    """The cells of the confusion matrix sum to the images, its diagonal to those that are right."""
    folder = sample_run(tmp_path / "run")
    rows = rows_of(folder.path)
    cells = [row for row in rows if row["table"] == "confusion"]
    right = sum(int(row["value"]) for row in cells if row["true"] == row["predicted"])
    assert sum(int(row["value"]) for row in cells) == IMAGES
    assert IMAGES - right == sum(row["table"] == "mistake" for row in rows)
    assert {row["table"] for row in rows} == {
        *("score", "epoch", "time", "class", "confusion", "calibration", "mistake")
    }


def test_what_is_not_a_number_is_a_word(tmp_path: Path) -> None:
    """JSON stays JSON where a loss is NaN, as in the record."""
    folder = sample_run(tmp_path / "run")
    text = folder.record.read_text(encoding="utf-8")
    loss = json.loads(text)["scores"][-1]["loss"]
    folder.record.write_text(text.replace(str(loss), '"NaN"'), encoding="utf-8")
    assert json.loads(json_of(folder.path))["scores"][-1]["loss"] == "NaN"


def test_a_comparison_gives_every_seed(tmp_path: Path) -> None:
    """A row for each run, the mean of each recipe and each difference with its interval."""
    comparison = sample_comparison()
    write_comparison(comparison, path=tmp_path / "comparison.json")
    rows = rows_of(tmp_path)
    assert sum(row["table"] == "seed" for row in rows) == 20
    difference = next(row for row in rows if row["figure"] == "difference")
    assert float(difference["low"]) <= float(difference["value"]) <= float(difference["high"])
    told = json.loads(json_of(tmp_path))
    assert told["kind"] == "comparison"
    assert np.isclose(told["pairs"][0]["paired"]["difference"]["mean"], float(difference["value"]))


def test_a_folder_that_is_neither_is_refused(tmp_path: Path) -> None:
    """An empty folder is neither a run nor a comparison, and the error says what was expected."""
    with pytest.raises(PlumblineError, match="neither a run nor a finished comparison"):
        json_of(tmp_path)
