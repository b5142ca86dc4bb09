"""`plumbline tune`: what it says, and a real search of two trials on the built-in digits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cli.runner import run_process
from plumbline.recipes import load_recipe
from plumbline.records import read_record

if TYPE_CHECKING:
    from pathlib import Path

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
