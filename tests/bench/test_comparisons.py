"""A published comparison: the records behind it, and its words and tables in the README."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.comparisons import comparisons_text, verdicts_text
from bench.publish import main, publish_comparison
from bench.table import ROOT, read_results

from plumbline.analysis.chosen import SELECTIONS
from plumbline.analysis.comparison import ArmRuns, compare_arms, read_comparison, write_comparison
from plumbline.errors import PlumblineError
from plumbline.records import create_run_folder, write_record


@pytest.fixture
def compared(tmp_path: Path) -> Path:
    """Compare raw and averaged weights of three made-up runs."""
    _, record = read_results(ROOT / "results")[0]
    out, records, folders = tmp_path / "out", {}, {}
    for seed in (1, 2, 3):
        scores = tuple(
            score.model_copy(update={"accuracy": score.accuracy + seed / 1000}) for score in record.scores
        )
        records[seed] = record.model_copy(update={"seed": seed, "scores": scores})
        folder = create_run_folder(out / "runs" / f"seed{seed}")
        write_record(records[seed], folder=folder)
        folders[seed] = str(folder.path)
    arms = [
        ArmRuns(f"quick:{name}", records, folders, selection=SELECTIONS[name]) for name in ("raw", "averaged")
    ]
    write_comparison(compare_arms(arms), path=out / "comparison.json")
    return out


def test_a_published_comparison_stands_with_its_records(compared: Path, tmp_path: Path) -> None:
    """One record a seed, whichever arms used it, and the text is made from what was published."""
    results = tmp_path / "results"
    publish_comparison(compared, name="one", results=results)
    published = read_comparison(results / "one")
    folders = {run.folder for arm in published.arms for run in arm.runs}
    assert len(folders) == 3
    assert all((results / "one" / folder / "record.json").is_file() for folder in folders)
    text = verdicts_text(results)
    assert "quick:averaged" in text
    assert "[results/one](results/one)" in text
    assert "| quick:averaged |" in comparisons_text(results)
    assert str(tmp_path) not in (results / "one" / "comparison.json").read_text()


def test_a_published_comparison_is_never_overwritten(compared: Path, tmp_path: Path) -> None:
    """A second one of that name is refused."""
    publish_comparison(compared, name="one", results=tmp_path / "results")
    with pytest.raises(PlumblineError, match="nothing was overwritten"):
        publish_comparison(compared, name="one", results=tmp_path / "results")


def test_the_command_sees_that_a_folder_holds_a_comparison(
    compared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though its seeds were declared as well, and each is a run."""
    (compared / "declared.json").write_text('{"seeds": [1, 2, 3]}')
    monkeypatch.setattr("bench.publish.ROOT", tmp_path)
    monkeypatch.setattr("bench.publish.write_pages", lambda: None)
    monkeypatch.setattr("sys.argv", ["publish", str(compared), "one"])
    main()
    assert (tmp_path / "results" / "one" / "comparison.json").is_file()
