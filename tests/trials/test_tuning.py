"""A search: validation only, pruned, gone on with after a kill. A small program stands in for the fits.

The real ones are in cli/test_tune.py.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from threading import Lock, Timer
from typing import TYPE_CHECKING

import pytest

from plumbline.errors import PlumblineError, StopRequested
from plumbline.recipes import apply_settings, difference, load_recipe, suited_to
from plumbline.records import read_record
from plumbline.trials import tuning
from plumbline.trials.declared import is_own_data
from plumbline.trials.fits import Fit
from plumbline.trials.search_space import read_space
from plumbline.trials.tuning import TuneAsked, Tuned, tune
from trials.made import made_record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytest.importorskip("optuna", reason="optuna is optional: pip install 'plumbline[tune]'")

# Trains by writing a record: the best rate is 0.1, and `data` says what which trial does.
PROGRAM = """
import json, math, os, pathlib, signal, sys, time
folder, does, template = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]
rate = json.loads(template)["recipe"]["schedule"]["max_rate"]
does = does.get(folder.name, {})
seconds = 0.0 if (folder / "saved").exists() else does.get("seconds", 0.0)
folder.mkdir(exist_ok=True)
with (folder / "began").open("a") as file:
    file.write("x")
def save(*_):
    (folder / "saved").touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
if "fails" in does:
    sys.exit("the loss is nan")
accuracy = does.get("accuracy", 1 - abs(math.log10(rate) + 1) / 10)
record = json.loads(template) | {"status": "running", "scores": []}
def write():
    (folder / "new").write_text(json.dumps(record))
    os.replace(folder / "new", folder / "record.json")
for epoch in range(3):
    record["epochs"].append({"phase": "fit", "epoch": epoch, "train_loss": 1, "train_accuracy": 0.5,
        "validation_loss": 1, "validation_accuracy": accuracy, "rate": rate, "seconds": 1})
    write()
    time.sleep(seconds)
record["status"] = "finished"
record["scores"] = [{"phase": "fit", "weights": "raw", "split": "validation", "accuracy": accuracy,
    "correct": round(5000 * accuracy), "count": 5000, "loss": 1}]
write()
"""
SLOW = {"seconds": 20}


class Pretended(Fit):
    """A run that does what its data say."""

    @property
    def command(self) -> list[str]:
        assert "--no-test" in super().command
        settings = dict(change.split("=", 1) for change in self.changes)
        base = load_recipe(self.recipe)
        if is_own_data(self.data) and base.name == "pictures-any":  # as fit does, before it sets anything
            base = suited_to(base, images=400)
        record = RECORD.model_copy(update={"recipe": apply_settings(base, settings)})
        return [sys.executable, "-c", PROGRAM, str(self.folder), self.data, record.model_dump_json()]


RECORD = made_record(7)


@pytest.fixture(autouse=True)
def pretend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "Fit", Pretended)


def ask(
    out: Path,
    *,
    trials: int,
    does: Mapping[str, object] | None = None,
    validation: float = 0.1,
    workers: int = 1,
) -> TuneAsked:
    recipe = apply_settings(load_recipe("swa-quick"), {"validation_fraction": validation})
    space = read_space(recipe, settings={"schedule.max_rate": "0.001..10.0"})
    return TuneAsked(space=space, trials=trials, data=json.dumps(does or {}), out=out, workers=workers)


def starts(tuned: Tuned) -> list[int]:
    """How often each trial's run was started."""
    return [len((row.folder / "began").read_text()) for row in tuned.rows]


def test_the_best_on_validation_is_written_as_a_recipe(tmp_path: Path) -> None:
    """It has the best trial's rate, the held-out share that was asked for, and no name; the start is told."""
    tuned = tune(ask(tmp_path / "t", trials=4, validation=0.0))
    assert [row.outcome for row in tuned.rows] == ["finished"] * 4
    assert tuned.start is not None
    assert (tuned.start.number, tuned.start.values) == (0, {"schedule.max_rate": 0.05})
    assert tuned.best.accuracy == max(row.accuracy or 0 for row in tuned.rows)
    best, start = load_recipe(str(tuned.best_file)), load_recipe(str(tuned.start_file))
    assert best.schedule.kind == "one_cycle"
    assert best.schedule.max_rate == tuned.best.values["schedule.max_rate"]
    assert (best.validation_fraction, best.name) == (0.0, None)
    assert start.digest == ask(tmp_path, trials=1, validation=0.0).space.recipe.digest
    assert read_record(tmp_path / "t" / "trial000").recipe.validation_fraction == 0.1


def test_on_pictures_of_ones_own_the_best_is_what_was_trained(tmp_path: Path) -> None:
    """best.json and start.json have the epochs that followed from the pictures, and what was set."""
    settings = {"schedule.max_rate": "0.001..10.0", "label_smoothing": "0.05"}
    space = read_space(load_recipe("pictures-any"), settings=settings, on_pictures=True)
    data = json.dumps({"photos/": 0})  # a path for plumbline, and what trials do for the pretended run
    tuned = tune(TuneAsked(space=space, trials=2, data=data, out=tmp_path / "t"))
    best, start = load_recipe(str(tuned.best_file)), load_recipe(str(tuned.start_file))
    for recipe in (best, start):
        assert (recipe.epochs, recipe.batch_size, recipe.label_smoothing) == (30, 16, 0.05)
    assert difference(start, best).keys() <= {"schedule.max_rate"}


def test_pictures_that_changed_end_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial on other images than those before does not count, now or when it is tried again."""
    tune(ask(tmp_path / "t", trials=2))
    dataset = RECORD.dataset.model_copy(update={"fingerprint": "e" * 64})
    monkeypatch.setattr(sys.modules[__name__], "RECORD", RECORD.model_copy(update={"dataset": dataset}))
    for _ in range(2):
        with pytest.raises(PlumblineError, match="no longer those of trial000: trial002 was trained on"):
            tune(ask(tmp_path / "t", trials=3))


def test_another_folder_of_the_same_name_is_another_search(tmp_path: Path) -> None:
    """What was tried on birds/photos says nothing of cars/photos."""
    birds, cars = ({f"{folder}/photos": 0} for folder in ("birds", "cars"))
    tune(ask(tmp_path / "t", trials=1, does=birds))
    with pytest.raises(PlumblineError, match="other runs were declared: data was"):
        tune(ask(tmp_path / "t", trials=1, does=cars))


def test_more_trials_are_added_to_those_there(tmp_path: Path) -> None:
    """The same search with more trials makes the missing ones only, at points not tried before."""
    tune(ask(tmp_path / "t", trials=2))
    tuned = tune(ask(tmp_path / "t", trials=4, workers=2))
    assert starts(tuned) == [1, 1, 1, 1]
    assert len({row.values["schedule.max_rate"] for row in tuned.rows}) == 4


def test_no_two_threads_ask_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Optuna may give both the trial that waits: the recipe's own values twice, and one trial less."""
    import optuna

    ask_optuna, busy = optuna.Study.ask, Lock()

    def slowly(study: optuna.Study) -> optuna.Trial:
        assert busy.acquire(blocking=False)
        time.sleep(0.2)
        busy.release()
        return ask_optuna(study)

    monkeypatch.setattr(optuna.Study, "ask", slowly)
    tuned = tune(ask(tmp_path / "t", trials=3, workers=3))
    assert starts(tuned) == [1, 1, 1]


def test_a_trial_that_falls_behind_is_pruned(tmp_path: Path) -> None:
    """After four trials one below their median is asked to end in mid-training, and counts as a trial."""
    bad = {"trial004": SLOW | {"accuracy": 0.1}}
    began = time.monotonic()
    tuned = tune(ask(tmp_path / "t", trials=5, does=bad))
    assert time.monotonic() - began < 45
    last = tuned.rows[4]
    assert (last.outcome, last.accuracy) == ("pruned", None)
    assert (last.folder / "saved").exists()
    assert last.epochs == 2


def test_a_trial_that_fails_is_told_and_the_search_goes_on(tmp_path: Path) -> None:
    """It counts, with its last words; where nothing has worked yet the search ends with them."""
    tuned = tune(ask(tmp_path / "t", trials=3, does={"trial001": {"fails": 1}}))
    assert [row.outcome for row in tuned.rows] == ["finished", "failed", "finished"]
    assert "it said: the loss is nan" in (tuned.rows[1].trouble or "")
    with pytest.raises(PlumblineError, match="it said: the loss is nan"):
        tune(ask(tmp_path / "u", trials=3, does={"trial000": {"fails": 1}}))
    assert not (tmp_path / "u" / "trial001").exists()


def test_a_killed_search_goes_on(tmp_path: Path) -> None:
    """After SIGKILL the finished trial stands, and the one under way is made again, in its folder."""
    program = f"""
import sys
from pathlib import Path
from trials import test_tuning
from plumbline.trials import tuning
tuning.Fit = test_tuning.Pretended
tuning.tune(test_tuning.ask(Path({str(tmp_path / "t")!r}), trials=3, does={{"trial001": {{"seconds": 1.5}}}}))
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", program], env=environment)
    wait_for_start(tmp_path / "t" / "trial001")
    process.kill()
    process.wait()
    tuned = tune(ask(tmp_path / "t", trials=3, does={"trial001": {"seconds": 1.5}}))
    assert [row.outcome for row in tuned.rows] == ["finished"] * 3
    assert [row.folder.name for row in tuned.rows] == ["trial000", "trial001", "trial003"]
    assert starts(tuned)[0] == 1


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGTERM, 1), (signal.SIGINT, 2)])
def test_a_stop_lets_the_trials_save_and_they_go_on(
    tmp_path: Path, number: signal.Signals, workers: int
) -> None:
    """Ctrl-C and SIGTERM reach every trial, also in threads; what was under way is no trial yet."""
    slow = {"trial001": SLOW, "trial002": SLOW}

    def stop() -> None:
        wait_for_start(tmp_path / "t" / f"trial{workers:03d}")
        os.kill(os.getpid(), number)

    Timer(0.0, stop).start()
    with pytest.raises(StopRequested, match=number.name):
        tune(ask(tmp_path / "t", trials=3, does=slow, workers=workers))
    assert (tmp_path / "t" / "trial001" / "saved").exists()
    tuned = tune(ask(tmp_path / "t", trials=3, does=slow))
    assert [row.outcome for row in tuned.rows] == ["finished"] * 3


def test_another_search_in_the_folder_is_refused(tmp_path: Path) -> None:
    """One for something else is told what was searched before; one beside another that it is there."""
    from filelock import FileLock

    tune(ask(tmp_path / "t", trials=1))
    with pytest.raises(PlumblineError, match="other runs were declared: recipe was"):
        tune(ask(tmp_path / "t", trials=1, validation=0.2))
    with FileLock(tmp_path / "t" / ".lock"), pytest.raises(PlumblineError, match="Another process is tuning"):
        tune(ask(tmp_path / "t", trials=2))


def test_without_optuna_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The pip command stands in it, and no folder is made."""
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(PlumblineError, match=r"not installed: pip install 'plumbline\[tune\]'"):
        tune(ask(tmp_path / "t", trials=1))
    assert not (tmp_path / "t").exists()


def wait_for_start(folder: Path) -> None:
    end = time.monotonic() + 60
    while not (folder / "record.json").exists():
        assert time.monotonic() < end, f"{folder} did not begin"
        time.sleep(0.05)
