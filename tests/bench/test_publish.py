"""Publishing a run's record: finished runs only, no machine paths, nothing overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.publish import publish, without_paths
from bench.table import ROOT, read_results
from hypothesis import given
from hypothesis import strategies as st

from plumbline.errors import PlumblineError
from plumbline.records import create_run_folder, write_record


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Write the first published record as a run of its own, made with paths of a machine."""
    _, record = read_results(ROOT / "results")[0]
    dataset = record.dataset.model_copy(update={"source": "PLUMBLINE_DATA (/home/me/data)"})
    folder = create_run_folder(tmp_path / "run")
    command = "plumbline fit --out /home/me/runs/one"
    write_record(record.model_copy(update={"command": command, "dataset": dataset}), folder=folder)
    return folder.path


def test_a_published_record_names_no_path_of_a_machine(run: Path, tmp_path: Path) -> None:
    """The command and the source keep the last part of each path, and the scores are untouched."""
    publish(run, name="one", results=tmp_path / "results")
    ((_, published),) = read_results(tmp_path / "results")
    assert published.command == "plumbline fit --out one"
    assert published.dataset.source == "PLUMBLINE_DATA (data)"
    assert published.scores == read_results(ROOT / "results")[0][1].scores


def test_a_result_is_never_overwritten(run: Path, tmp_path: Path) -> None:
    """A second result of one name is refused."""
    publish(run, name="one", results=tmp_path / "results")
    with pytest.raises(PlumblineError, match="nothing was overwritten"):
        publish(run, name="one", results=tmp_path / "results")


def test_an_unfinished_run_is_no_result(run: Path, tmp_path: Path) -> None:
    """A run that was stopped cannot be published."""
    record = (run / "record.json").read_text().replace('"status": "finished"', '"status": "interrupted"')
    (run / "record.json").write_text(record)
    with pytest.raises(PlumblineError, match="is interrupted, not finished"):
        publish(run, name="one", results=tmp_path / "results")


@given(st.lists(st.text(alphabet="abc._-", min_size=1), min_size=2, max_size=5))
def test_any_absolute_path_is_cut_to_its_last_part(parts: list[str]) -> None:
    """Whatever the folders are called, only the last name stays."""
    assert without_paths(f"fit --out /{'/'.join(parts)} --seed 1") == f"fit --out {parts[-1]} --seed 1"


def test_every_committed_record_is_free_of_paths() -> None:
    """What stands under results/ says nothing about a machine's folders."""
    for path, record in read_results(ROOT / "results"):
        assert record.command == without_paths(record.command), path
        assert record.dataset.source == without_paths(record.dataset.source), path
