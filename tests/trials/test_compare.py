"""The whole of a comparison, with real runs on the built-in digits: killed, gone on with, concluded."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from time import monotonic, sleep
from typing import TYPE_CHECKING

import pytest

from cli.runner import process_environment, run_process
from cli.test_own_pictures import write_discs
from plumbline.analysis.comparison import read_comparison
from plumbline.data import DATASETS
from plumbline.errors import PlumblineError
from plumbline.recipes import difference
from plumbline.records import read_record
from plumbline.trials.arms import read_arms
from plumbline.trials.compare import CompareAsked, run_comparison
from plumbline.trials.declared import declared_data
from plumbline.trials.fits import Fit
from trials.made import made_record, write_run, write_runs

if TYPE_CHECKING:
    from pathlib import Path

    from plumbline.records import Record

SMALL = (
    *("--set", "model.name=speednet_xs", "--set", "resolution.train=[16]", "--set", "epochs=1"),
    *("--set", "averaging.epochs=1", "--set", "batch_size=256", "--data", "digits", "--device", "cpu"),
)
COMPARE = ("compare", "resnet18-quick:raw", "resnet18-quick:averaged", "--seeds", "2", "--out", "cmp", *SMALL)


def start_until(
    words: str, *, cwd: Path, number: signal.Signals, command: tuple[str, ...] = COMPARE
) -> tuple[int, str]:
    """Start the comparison, send it a signal once it says so; give its exit code and all it said."""
    said = cwd / "said.txt"
    with said.open("w") as file:  # not a pipe: an orphan goes on to write where its starter did
        program = [sys.executable, "-m", "plumbline", *command]
        process = subprocess.Popen(program, cwd=cwd, env=process_environment(), stderr=file)
    end = monotonic() + 120
    while words not in said.read_text() and process.poll() is None and monotonic() < end:
        sleep(0.02)
    process.send_signal(number)
    return process.wait(timeout=60), said.read_text()


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on_without_repeating_a_finished_run(tmp_path: Path) -> None:
    """SIGTERM saves the run under way; SIGKILL leaves an orphan that is waited for; no run is made twice.

    Two arms are two scores of the same runs, so that two seeds are two trainings, not four.
    """
    code, said = start_until("fit 1/1", cwd=tmp_path, number=signal.SIGTERM)
    assert code == 143, said
    assert "0 of 2 runs are finished, and the others saved where they are" in said
    code, _ = start_until("1 of 2: resnet18-quick, seed 1", cwd=tmp_path, number=signal.SIGKILL)
    assert code == -signal.SIGKILL
    (folder,) = (path for path in (tmp_path / "cmp").iterdir() if path.is_dir())
    first = (folder / "seed1" / "record.json").read_bytes()
    assert len(read_record(folder / "seed1").resumed) == 1
    done = run_process(*COMPARE, cwd=tmp_path)
    assert done.code == 0, done.err
    assert "1 of them are there already" in done.err
    assert (folder / "seed1" / "record.json").read_bytes() == first
    comparison = read_comparison(tmp_path / "cmp")
    assert [(arm.weights, arm.epochs, arm.mean.n) for arm in comparison.arms] == [
        ("raw", 2, 2),
        ("averaged", 2, 2),
    ]
    assert [run.folder for run in comparison.arms[0].runs] == [f"{folder.name}/seed1", f"{folder.name}/seed2"]
    records = {path: path.read_bytes() for path in folder.rglob("record.json")}
    assert len(records) == 2
    again = run_process(*COMPARE, cwd=tmp_path)
    assert again.out == done.out
    assert {path: path.read_bytes() for path in folder.rglob("record.json")} == records


@pytest.mark.slow
def test_arms_on_own_pictures_differ_in_the_change_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each follows from the pictures before anything is set in it, and goes on where it was stopped."""
    monkeypatch.setenv("PLUMBLINE_CACHE", str(tmp_path / "cache"))
    write_discs(tmp_path / "photos", counts={"a": 12, "b": 12}, size=(16, 16))
    arms = ("pictures@epochs=4", "pictures@epochs=4,label_smoothing=0.0")
    words = ("compare", *arms, "--seeds", "1", "--data", "photos", "--device", "cpu", "--out", "cmp")
    code, said = start_until("fit 2/4", cwd=tmp_path, number=signal.SIGTERM, command=words)
    assert code == 143, said
    done = run_process(*words, cwd=tmp_path)
    assert done.code == 0, done.err
    one, other = (
        read_record(tmp_path / "cmp" / run.folder)
        for arm in read_comparison(tmp_path / "cmp").arms
        for run in arm.runs
    )
    assert len(one.resumed) == 1
    assert (one.recipe.batch_size, one.recipe.epochs) == (4, 4)
    assert difference(one.recipe, other.recipe) == {"label_smoothing": 0.0}


@pytest.mark.slow
def test_a_run_that_fails_is_told_and_finished_ones_are_kept(tmp_path: Path) -> None:
    """What the run said stands in the error where several run at once, and where to read the rest."""
    done = run_process(*COMPARE, "--workers", "2", "--data", "digitz", cwd=tmp_path)
    assert done.code == 2
    assert "ended with exit code 2; it said: Error: --data digitz is neither a data set" in done.err
    assert not (tmp_path / "cmp" / "comparison.json").exists()


@pytest.mark.slow
def test_a_comparison_on_validation_images_scores_no_test_image(tmp_path: Path) -> None:
    """What is chosen by it can still be judged on them; its runs are not those of a comparison on them."""
    validation = (*COMPARE, "--split", "validation", "--seeds", "1")
    done = run_process(*validation, cwd=tmp_path)
    assert done.code == 0, done.err
    (path,) = (tmp_path / "cmp").glob("*/seed1/record.json")
    assert {score.split for score in read_record(path.parent).scores} == {"validation"}
    assert read_comparison(tmp_path / "cmp").split == "validation"
    refused = run_process(*COMPARE, "--seeds", "1", cwd=tmp_path)
    assert refused.code == 2
    assert "split was validation, now test" in refused.err


def on_other_images(record: Record) -> Record:
    return record.model_copy(update={"dataset": record.dataset.model_copy(update={"fingerprint": "e" * 64})})


def asked(*arms: str, out: Path, seeds: tuple[int, ...] | None = None) -> CompareAsked:
    return CompareAsked(arms=read_arms(arms, settings={}), seeds=seeds, out=out, data="digits")


def test_saved_runs_are_compared_without_training(tmp_path: Path) -> None:
    """Over the seeds that all have; a second call gives the same, with the runs that are there then."""
    one = write_runs(tmp_path / "one", averaged=(9400, 9410, 9420))
    two = write_runs(tmp_path / "two", averaged=(9450, 9460), epochs=5)
    compared = run_comparison(asked(str(one), str(two), out=tmp_path / "out"))
    pair = compared.comparison.pairs[0]
    assert (pair.seeds, round(pair.paired.difference.mean, 6)) == ((1, 2), 0.005)
    assert compared.comparison.arms[0].mean.n == 2
    assert read_comparison(tmp_path / "out") == compared.comparison
    again = run_comparison(asked(str(one), str(two), out=tmp_path / "out"))
    assert again.comparison.pairs == compared.comparison.pairs


def test_finished_runs_of_a_recipe_are_taken_from_its_folder(tmp_path: Path) -> None:
    """Where all are there nothing is trained, and they are told apart by the digest of the recipe."""
    arms = read_arms(["resnet18-quick:raw", "resnet18-quick"], settings={})
    wanted = CompareAsked(arms=arms, seeds=(1, 2), out=tmp_path / "out", data="digits")
    with pytest.raises(PlumblineError, match="ended with exit code 2"):
        run_comparison(replace(wanted, data="digitz"))
    declared = tmp_path / "out" / "declared.json"
    declared.write_text(declared.read_text().replace("digitz", "digits"))
    for seed in (1, 2):
        write_run(made_record(seed), folder=tmp_path / "out" / arms[0].folder_name / f"seed{seed}")
    comparison = run_comparison(wanted).comparison
    assert round(comparison.pairs[0].paired.difference.mean, 6) == 0.01


def test_what_was_declared_is_what_counts(tmp_path: Path) -> None:
    """More seeds after the first were seen, or another arm, are refused; so is a folder of something else."""
    one = write_runs(tmp_path / "one", averaged=(9400, 9410, 9420))
    two = write_runs(tmp_path / "two", averaged=(9450, 9460, 9480), epochs=5)
    run_comparison(asked(str(one), str(two), out=tmp_path / "out", seeds=(1, 2)))
    assert json.loads((tmp_path / "out" / "declared.json").read_text())["seeds"] == [1, 2]
    with pytest.raises(PlumblineError, match=r"seeds was \[1, 2\], now \[1, 2, 3\]"):
        run_comparison(asked(str(one), str(two), out=tmp_path / "out", seeds=(1, 2, 3)))
    with pytest.raises(PlumblineError, match="holds no declared runs; nothing was overwritten"):
        run_comparison(asked(str(one), str(two), out=one))


def test_runs_that_do_not_belong_together_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    """Another recipe among an arm's runs, and arms without a common seed: told, and no folder is made."""
    one = write_runs(tmp_path / "one", averaged=(9400, 9410))
    write_run(made_record(3, settings={"epochs": 9}), folder=one / "seed3")
    two = write_runs(tmp_path / "two", averaged=(9450, 9460, 9480))
    with pytest.raises(PlumblineError, match=r"runs of one cannot be pooled: recipe digest .*\(seed 3\)"):
        run_comparison(asked(str(one), str(two), out=tmp_path / "out"))
    three = tmp_path / "three"
    write_run(made_record(8), folder=three / "seed8")
    with pytest.raises(PlumblineError, match="no seed in common"):
        run_comparison(asked(str(two), str(three), out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_what_is_finished_is_checked_before_more_is_trained(tmp_path: Path) -> None:
    """A saved arm on other images than the runs already made is refused at once, not after hours."""
    arms = read_arms(
        [str(write_runs(tmp_path / "one", averaged=(9400, 9410))), "resnet18-quick"], settings={}
    )
    wanted = CompareAsked(arms=arms, out=tmp_path / "out", data="digits")
    other = on_other_images(made_record(1))
    (tmp_path / "out").mkdir()
    declaration = {"arms": [{"arm": "one"}, {"arm": "resnet18-quick", "digest": other.digest}]}
    text = json.dumps(declaration | {"seeds": [1, 2], "data": "digits", "split": "test"})
    (tmp_path / "out" / "declared.json").write_text(text)
    write_run(other, folder=tmp_path / "out" / arms[1].folder_name / "seed1")
    with pytest.raises(PlumblineError, match="their data differ"):
        run_comparison(wanted)


def test_finished_runs_without_a_common_seed_must_be_on_the_same_images(tmp_path: Path) -> None:
    """Runs of two arms that make no pair yet are compared by their data all the same."""
    arms = read_arms(["resnet18-quick", "resnet18-quick@epochs=5"], settings={})
    wanted = CompareAsked(arms=arms, seeds=(1, 2), out=tmp_path / "out", data="digitz")
    (tmp_path / "out").mkdir()
    declaration = [{"arm": arm.label, "digest": arm.recipe.digest} for arm in arms if arm.recipe is not None]
    text = json.dumps({"arms": declaration, "seeds": [1, 2], "data": "digitz", "split": "test"})
    (tmp_path / "out" / "declared.json").write_text(text)
    write_run(made_record(1), folder=tmp_path / "out" / arms[0].folder_name / "seed1")
    other = on_other_images(made_record(2, settings={"epochs": 5}))
    write_run(other, folder=tmp_path / "out" / arms[1].folder_name / "seed2")
    with pytest.raises(PlumblineError, match="their data differ"):
        run_comparison(wanted)


def test_pictures_that_change_meanwhile_are_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first run on other images ends the comparison; the next one is not begun."""

    class Pretended(Fit):
        @property
        def command(self) -> list[str]:
            record = made_record(self.seed) if self.seed == 1 else on_other_images(made_record(self.seed))
            write_run(record, folder=self.folder)
            return [sys.executable, "-c", ""]

    monkeypatch.setattr("plumbline.trials.compare.Fit", Pretended)
    arms = read_arms(["resnet18-quick"], settings={})
    with pytest.raises(PlumblineError, match="seed 1 and resnet18-quick, seed 2 cannot be compared"):
        run_comparison(CompareAsked(arms=arms, seeds=(1, 2, 3), out=tmp_path / "out"))
    assert not (tmp_path / "out" / arms[0].folder_name / "seed3").exists()


def test_folders_of_one_name_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """birds/photos and cars/photos are two questions, wherever they are asked from."""
    monkeypatch.chdir(tmp_path)
    for name in ("birds", "cars"):
        (tmp_path / name / "photos").mkdir(parents=True)
    one = write_runs(tmp_path / "one", averaged=(9400, 9410))
    two = write_runs(tmp_path / "two", averaged=(9450, 9460))
    birds = replace(asked(str(one), str(two), out=tmp_path / "out"), data="birds/photos")
    run_comparison(birds)
    run_comparison(replace(birds, data=str(tmp_path / "birds" / "photos")))
    with pytest.raises(PlumblineError, match=r"data was .*/birds/photos, now .*/cars/photos"):
        run_comparison(replace(birds, data="cars/photos"))
    folders = {
        run_comparison(replace(birds, data=f"{name}/photos", out=None)).out for name in ("birds", "cars")
    }
    assert len(folders) == 2


def test_a_data_set_with_a_name_is_declared_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As fit reads it, even where a folder has that name: what was declared before goes on."""
    monkeypatch.chdir(tmp_path)
    for name in DATASETS:
        (tmp_path / name).mkdir()
        assert declared_data(name) == name
    (tmp_path / "photos").mkdir()
    assert declared_data("photos") == str(tmp_path / "photos")


def test_the_same_question_gets_the_same_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --out the same command goes on where it was; another question has another folder."""
    monkeypatch.chdir(tmp_path)
    write_runs(tmp_path / "one", averaged=(9400, 9410))
    write_runs(tmp_path / "two", averaged=(9450, 9460))
    question = replace(asked("one", "two", out=tmp_path), out=None)
    first, second = run_comparison(question), run_comparison(question)
    assert first.out == second.out
    assert first.out.parent.name == "runs"
    assert run_comparison(replace(question, seeds=(1,))).out != first.out
