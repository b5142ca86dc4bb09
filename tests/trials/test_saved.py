"""Saved runs are read whole or refused with a reason."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from plumbline.errors import PlumblineError
from plumbline.trials.saved import read_runs
from trials.made import made_record, write_run, write_runs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Give a folder of three finished runs."""
    return write_runs(tmp_path / "runs", averaged=(9400, 9410, 9420))


def test_a_folder_of_runs_and_one_run(runs: Path) -> None:
    """All runs by seed, or only those that are asked for; a run's own folder or record.json is one."""
    assert list(read_runs(runs)) == [1, 2, 3]
    assert list(read_runs(runs, seeds=(1, 3))) == [1, 3]
    for path in (runs / "seed2", runs / "seed2" / "record.json"):
        assert [record.seed for _, record in read_runs(path).values()] == [2]


def test_a_folder_that_is_no_run_is_told(runs: Path, tmp_path: Path) -> None:
    """With the folders that may have been meant."""
    with pytest.raises(PlumblineError, match=r"is no run and holds none: .* Meant is perhaps .*runs\."):
        read_runs(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(PlumblineError, match="empty is no run and holds none"):
        read_runs(tmp_path / "empty")
    assert len(read_runs(runs)) == 3


def test_a_missing_or_damaged_record_is_told(runs: Path) -> None:
    """Another run is not taken instead: leaving one out would change the answer."""
    (runs / "seed2" / "record.json").write_text('{"schema_version": 1')
    with pytest.raises(PlumblineError, match=r"seed2.record\.json is damaged: it is not JSON"):
        read_runs(runs)
    (runs / "seed2" / "record.json").unlink()
    with pytest.raises(PlumblineError, match=r"seed2 has no record\.json"):
        read_runs(runs)


def test_a_run_that_is_not_finished_is_not_left_out_silently(runs: Path) -> None:
    """It is told how to finish it; --seeds leaves it out for all to see."""
    shutil.rmtree(runs / "seed3")
    write_run(made_record(3).model_copy(update={"status": "interrupted"}), folder=runs / "seed3")
    with pytest.raises(PlumblineError, match="seed3 is interrupted, not finished"):
        read_runs(runs)
    assert list(read_runs(runs, seeds=(1, 2))) == [1, 2]


def test_a_seed_that_is_not_there_or_stands_twice_is_told(runs: Path) -> None:
    """Every run counts, and once."""
    with pytest.raises(PlumblineError, match="has no run of seed 4, 5; it has 1"):
        read_runs(runs, seeds=(1, 4, 5))
    shutil.copytree(runs / "seed1", runs / "again")
    with pytest.raises(PlumblineError, match=r"Seed 1 stands twice in .*: again and seed1"):
        read_runs(runs)
