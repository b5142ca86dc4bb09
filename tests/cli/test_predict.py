"""`plumbline predict`: answers on standard output, all else on standard error, for whatever is given."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from inference.handmade import digits, handmade_run, write_digits
from plumbline.cli import predicting
from plumbline.cli.answer_formats import Heading, TableWriter
from plumbline.inference.answers import Answer, ClassProbability

if TYPE_CHECKING:
    from cli.runner import Plumbline


@pytest.fixture
def run(tmp_path: Path) -> str:
    return str(handmade_run(tmp_path / "run"))


def test_a_folder_with_a_broken_file_is_done_but_for_that_file(
    plumbline: Plumbline, run: str, tmp_path: Path
) -> None:
    """The table has a line for each good picture, the reason is on stderr, and the exit code is 2."""
    paths = write_digits(tmp_path / "pictures", count=5)
    paths[2].write_bytes(b"no picture")
    done = plumbline("predict", run, str(tmp_path / "pictures"))
    assert done.code == 2
    lines = done.out.splitlines()
    assert lines[0].split() == ["class", "probability", "picture"]
    assert [line.split()[-1] for line in lines[1:]] == [str(path) for path in paths if path != paths[2]]
    assert f"{paths[2]}: expected a picture" in done.err
    assert "1 of 5 could not be used" in done.err
    assert "calibrated: temperature" in done.err


def test_a_name_cannot_speak_to_the_terminal() -> None:
    """A file whose name holds a terminal's commands is shown with what Python writes for them."""
    heading = Heading(
        model="resnet18",
        weights="raw",
        digest="0",
        is_calibrated=False,
        temperature=1.0,
        classes=("cat", "dog"),
        top=1,
        reject=None,
    )
    answer = Answer(Path("a\x1b]0;owned\x07.png"), top=(ClassProbability("cat", 0.9),))
    line = TableWriter(heading).one(answer)
    assert line.endswith(r"a\x1b]0;owned\x07.png" + "\n")


def test_json_is_one_object_with_all_that_was_said(plumbline: Plumbline, run: str, tmp_path: Path) -> None:
    """Model, weights, calibration and every picture; a rejected one has no class and says so."""
    paths = write_digits(tmp_path / "数字", count=6)
    done = plumbline(
        *("predict", run, *map(str, paths), "gone.png"),
        *("--format", "json", "--top", "3", "--reject", "0.9"),
    )
    found = json.loads(done.out)
    assert (found["model"], found["weights"], found["is_calibrated"]) == ("speednet_xs", "averaged", True)
    assert found["classes"] == list(digits().classes)
    assert [one["path"] for one in found["predictions"]] == [str(path) for path in paths]
    assert [one["path"] for one in found["failed"]] == ["gone.png"]
    for one in found["predictions"]:
        assert one["rejected"] == (one["probability"] < 0.9)
        assert one["class"] == (None if one["rejected"] else one["top"][0]["class"])
        assert len(one["top"]) == 3
    assert {one["rejected"] for one in found["predictions"]} == {True, False}


def test_csv_survives_names_with_commas_and_quotes(plumbline: Plumbline, run: str, tmp_path: Path) -> None:
    """A row a picture, read back by a CSV reader, whatever its file is called."""
    (picture,) = write_digits(tmp_path, count=1)
    odd = picture.rename(tmp_path / 'a, "b"\nc.png')
    done = plumbline("predict", run, str(odd), "--format", "csv", "--top", "2", "--reject", "1")
    assert done.code == 0
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [row["path"] for row in rows] == [str(odd)]
    assert (rows[0]["class"], rows[0]["rejected"]) == ("?", "true")
    assert float(rows[0]["probability"]) > float(rows[0]["probability_2"]) > 0


def test_a_list_on_standard_input_is_followed(
    plumbline: Plumbline, run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line is a picture; with an empty list there is nothing to do, and that is said."""
    paths = write_digits(tmp_path, count=3)
    text = "".join(f"{path}\n" for path in paths).encode()
    for given, code in ((text, 0), (b"\n", 2)):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(given)))
        done = plumbline("predict", run, "-", "--format", "csv")
        assert done.code == code
        assert len(done.out.splitlines()) == 1 + (3 if code == 0 else 0)
    assert "There is nothing to do" in done.err


def test_ctrl_c_ends_with_130(
    plumbline: Plumbline, run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was answered before is printed, and nothing is said of a bug."""

    def stopped(*_: object, **__: object) -> object:
        yield from ()
        raise KeyboardInterrupt

    monkeypatch.setattr(predicting, "answer_all", stopped)
    done = plumbline("predict", run, *map(str, write_digits(tmp_path, count=1)))
    assert done.code == 130
    assert "bug" not in done.err


def test_a_run_that_held_nothing_out_is_said_not_to_be_calibrated(
    plumbline: Plumbline, tmp_path: Path
) -> None:
    """On stderr and in the JSON."""
    run = handmade_run(tmp_path / "run", held_out=False)
    (path,) = write_digits(tmp_path, count=1)
    done = plumbline("predict", str(run), str(path), "--format", "json")
    assert done.code == 0
    assert json.loads(done.out)["is_calibrated"] is False
    assert "not calibrated: the run held no images out" in done.err


def test_what_is_no_run_is_refused(plumbline: Plumbline, tmp_path: Path) -> None:
    """The error names the folder and what is missing in it."""
    done = plumbline("predict", str(tmp_path), "x.png")
    assert done.code == 2
    assert "is not a run folder" in done.err
