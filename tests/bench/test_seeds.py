"""Seeds of one recipe: published as they finish, and one row for all of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bench.publish import publish_seeds
from bench.seeds import seeds_table
from bench.table import ROOT, read_results

from plumbline.errors import PlumblineError
from plumbline.records import create_run_folder, write_record

SEEDS = (1, 2, 3)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Declare three seeds of the first published record, two of them finished, each with its accuracy."""
    _, record = read_results(ROOT / "results")[0]
    folder = tmp_path / "runs"
    folder.mkdir()
    (folder / "declared.json").write_text(json.dumps({"seeds": SEEDS}))
    for seed in SEEDS:
        scores = tuple(score.model_copy(update={"accuracy": 0.9 + seed / 100}) for score in record.scores)
        status = "running" if seed == 3 else "finished"
        one = record.model_copy(update={"seed": seed, "scores": scores, "status": status})
        write_record(one, folder=create_run_folder(folder / f"seed{seed}"))
    return folder


def test_what_has_finished_is_published_and_counted_against_what_was_declared(
    runs: Path, tmp_path: Path
) -> None:
    """Two of three: the row says so, and its mean and interval are those of the two."""
    records = publish_seeds(runs, name="three", results=tmp_path / "results")
    assert [record.seed for record in records] == [1, 2]
    row = seeds_table(tmp_path / "results").splitlines()[2]
    assert "2 of 3 declared" in row
    assert "91.50% (85.15 to 97.85)" in row


def test_published_again_it_adds_what_has_finished_since(runs: Path, tmp_path: Path) -> None:
    """Nothing published before is touched."""
    results = tmp_path / "results"
    publish_seeds(runs, name="three", results=results)
    path = runs / "seed3" / "record.json"
    path.write_text(path.read_text().replace('"status": "running"', '"status": "finished"'))
    before = (results / "three" / "seed1" / "record.json").stat().st_mtime_ns
    assert [record.seed for record in publish_seeds(runs, name="three", results=results)] == [1, 2, 3]
    assert (results / "three" / "seed1" / "record.json").stat().st_mtime_ns == before


def test_other_seeds_do_not_join_those_that_were_declared(runs: Path, tmp_path: Path) -> None:
    """A second declaration under the same name is refused: no one declared the two together."""
    results = tmp_path / "results"
    publish_seeds(runs, name="three", results=results)
    (runs / "declared.json").write_text(json.dumps({"seeds": [4, 5, 6]}))
    with pytest.raises(PlumblineError, match="nothing was overwritten"):
        publish_seeds(runs, name="three", results=results)
    assert json.loads((results / "three" / "declared.json").read_text()) == {"seeds": list(SEEDS)}


def test_an_unfinished_run_among_results_is_no_seed(runs: Path, tmp_path: Path) -> None:
    """Whoever put it there: its score after phase one must not enter the mean."""
    results = tmp_path / "results"
    publish_seeds(runs, name="three", results=results)
    path = results / "three" / "seed2" / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "interrupted"}))
    with pytest.raises(PlumblineError, match="not finished"):
        seeds_table(results)


def test_runs_in_two_precisions_have_no_common_row(runs: Path, tmp_path: Path) -> None:
    """They are not draws from one distribution."""
    results = tmp_path / "results"
    publish_seeds(runs, name="three", results=results)
    path = results / "three" / "seed2" / "record.json"
    content = json.loads(path.read_text())
    content["device"]["precision"] = "fp16"
    path.write_text(json.dumps(content))
    with pytest.raises(PlumblineError, match="cannot be pooled: precision"):
        seeds_table(results)


def test_runs_that_nobody_declared_are_no_evidence(runs: Path, tmp_path: Path) -> None:
    """Seeds chosen afterwards cannot be published as if they had been declared."""
    (runs / "declared.json").unlink()
    with pytest.raises(PlumblineError, match="holds no declared runs"):
        publish_seeds(runs, name="three", results=tmp_path / "results")


def test_without_published_seeds_there_is_no_table(tmp_path: Path) -> None:
    """An empty folder of results gives no empty table."""
    assert seeds_table(tmp_path) == ""
