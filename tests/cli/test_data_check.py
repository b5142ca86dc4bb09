"""`plumbline data check`: what is printed and written, and what is refused."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from plumbline.records import RunFolder, read_record, write_record
from plumbline.records.ledger import looks_at

if TYPE_CHECKING:
    from cli.runner import FinishedRun, Plumbline


@pytest.mark.slow
def test_a_data_set_is_checked(plumbline: Plumbline) -> None:
    """Counts, balance and duplicates are printed; all of it is in the file, and the sheet can be opened."""
    done = plumbline("data", "check", "digits", "--json", "all.json", "--sheet", "pairs.png")
    assert done.code == 0, done.err
    assert "all     1,437     360" in re.sub(r" +", " ", done.out).replace(
        "all 1,437 360", "all     1,437     360"
    )
    found = json.loads(Path("all.json").read_text())
    assert sum(found["splits"]["training"]["per_class"]) == 1437
    across = found["duplicates"]["across"]["pairs"]
    near = {pair["first"] for pair in across if pair["kind"] != "possible"}
    assert f"test images with one in training: {len(near)} of 360" in done.out
    assert "too simple for this method" in done.out  # scanned digits are alike without being copies
    with Image.open("pairs.png") as sheet:
        assert sheet.format == "PNG"
        assert min(sheet.size) > 100


def test_a_run_names_suspects_and_scores_without_duplicates(
    plumbline: Plumbline, finished: FinishedRun
) -> None:
    """The parts add up to the record's score, suspects are images the run never saw, and the look counts."""
    shutil.copytree(finished.folder.path, "run")
    record = read_record(Path("run"))
    before = looks_at(record.dataset.fingerprint)
    done = plumbline("data", "check", "digits", "--run", "run", "--json", "all.json")
    assert done.code == 0, done.err
    said = json.loads(Path("all.json").read_text())["run"]
    parts = [said[name] for name in ("without_duplicates", "duplicates_alone")]
    assert sum(part["count"] for part in parts) == 360
    assert sum(part["correct"] for part in parts) == said["all_images"]["correct"]
    known = next(
        score.correct
        for score in record.scores
        if (score.weights, score.split, score.views) == ("averaged", "test", 1)
    )
    assert said["all_images"]["correct"] == known
    assert f"({known} of 360; 95 % interval" in done.out
    assert said["held_out"] == record.dataset.counts.validation
    assert all(suspect["label"] != suspect["predicted"] for suspect in said["suspects"]["test"])
    assert looks_at(record.dataset.fingerprint) == (before or 0) + 1


def test_a_run_on_other_data_is_refused(plumbline: Plumbline, finished: FinishedRun) -> None:
    """What the run has seen of other images is not known, so nothing is said of them."""
    shutil.copytree(finished.folder.path, "run")
    record = read_record(Path("run"))
    other = record.dataset.model_copy(update={"fingerprint": "0" * 64})
    write_record(record.model_copy(update={"dataset": other}), folder=RunFolder(Path("run")))
    done = plumbline("data", "check", "digits", "--run", "run")
    assert done.code == 2
    assert "was trained on other images" in done.err


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["digist"], "Did you mean 'digits'?"),
        (["digits", "--run", "nowhere"], "not a run folder"),
        (["digits", "--json", "there.json"], "--json there.json exists; nothing was overwritten"),
        (["digits", "--sheet", "pairs.jpg"], "ends in .png"),
        (["digits", "--sheet", "no/pairs.png"], "the folder no does not exist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_is_refused_at_once(plumbline: Plumbline, typed: list[str], words: str) -> None:
    """Wrong names, runs and files are refused in one paragraph before anything is searched."""
    Path("there.json").write_text("mine")
    done = plumbline("data", "check", *typed)
    assert done.code == 2
    assert words in done.err
    assert "Traceback" not in done.err
    assert Path("there.json").read_text() == "mine"
