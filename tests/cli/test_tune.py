"""`plumbline tune`: what it says, and a real search of two trials on the built-in digits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli.runner import run_process
from plumbline.cli.tuning import asked_for, print_tuned
from plumbline.recipes import load_recipe
from plumbline.records import read_record
from plumbline.trials.study import TrialRow
from plumbline.trials.tuning import Tuned

if TYPE_CHECKING:
    from cli.runner import Plumbline

TINY = (
    *("tune", "speed94", "--data", "digits", "--device", "cpu", "--out", "t", "--epochs", "2"),
    *("--set", "model.name=speednet_xs", "--set", "resolution.train=[16]", "--set", "resolution.test=16"),
    *("--set", "batch_size=256", "--set", "tta=none", "--set", "optimizer.filter_rate=0.02..0.4"),
)


@pytest.mark.slow
def test_a_search_looks_at_validation_images_only(tmp_path: Path) -> None:
    """A recipe that holds nothing out gets a tenth for the search; no test image is scored; all is told."""
    pytest.importorskip("optuna", reason="optuna is optional: pip install 'plumbline[tune]'")
    done = run_process(*TINY, "--trials", "2", cwd=tmp_path)
    assert done.code == 0, done.err
    records = [read_record(tmp_path / "t" / f"trial00{number}") for number in (0, 1)]
    assert {score.split for record in records for score in record.scores} == {"validation"}
    assert {record.dataset.counts.validation for record in records} == {144}
    best = load_recipe(str(tmp_path / "t" / "best.json"))
    assert (best.validation_fraction, best.epochs) == (0.0, 2)
    assert "10% of them are held out for the search only" in done.err
    assert "optimizer.filter_rate from 0.02 to 0.4, log scale" in done.err
    assert "The first trial is the recipe as it is." in done.err
    assert "of 144 validation images" in done.out
    if "which is the recipe as it is" not in done.out:
        assert "plumbline compare t/start.json t/best.json --seeds 10 --data digits" in done.out
        assert "optimistic" in done.out


def test_every_question_has_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two folders of pictures of one name are two, and one path to a folder is another path's."""
    monkeypatch.chdir(tmp_path)
    for name in ("birds", "cars"):
        (tmp_path / name / "photos").mkdir(parents=True)

    def out(data: str, **settings: str) -> Path:
        return asked_for("swa-quick", settings=settings, out=None, trials=1, data=data, seed=7).out

    assert out("birds/photos") == out(str(tmp_path / "birds" / "photos")) != out("cars/photos")
    # What is set counts on pictures: without it the epochs follow from them.
    assert out("birds/photos", epochs="6") != out("birds/photos")
    assert out("digits", epochs="6") == out("digits")


def test_brackets_in_a_value_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A choice that looks like markup stands in the table as it was typed."""
    values = ("timm/a[b]", "timm/a[c]")
    rows = [
        TrialRow(
            number=number,
            outcome="finished",
            values={"model.name": value},
            folder=tmp_path,
            epochs=1,
            correct=50,
            count=100,
            trouble=None,
            recipe=None,
            fingerprint=None,
        )
        for number, value in enumerate(values)
    ]
    asked = asked_for("swa-quick", settings={}, out=tmp_path, trials=2, data="digits", seed=7)
    best, start = tmp_path / "best.json", tmp_path / "start.json"
    tuned = Tuned(tmp_path, best, start, best=rows[0], start=rows[0], rows=tuple(rows), importance={})
    print_tuned(tuned, asked=asked, recipe="swa-quick")
    printed = capsys.readouterr().out
    assert all(value in printed for value in values)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("resnet81", "--trials", "2"), "Did you mean 'resnet18'"),
        (("resnet18", "--trials", "0"), "--trials"),
        (("resnet18", "--trials", "2", "--set", "schedule.max_rat=0.1..0.2"), "schedule.max_rate"),
        (("resnet18", "--trials", "2", "--set", "epochs"), "--set epochs"),
    ],
)
def test_what_cannot_be_searched_is_told_at_once(
    plumbline: Plumbline, words: tuple[str, ...], told: str
) -> None:
    """A wrong recipe, count or field: exit code 2, and the right name or the flag."""
    done = plumbline("tune", *words)
    assert done.code == 2
    assert told in done.err
