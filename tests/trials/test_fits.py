"""Runs in processes of their own: side by side, once each, and never two in one folder.

A small program stands in for `plumbline fit` here; the real one is in test_compare.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from threading import Timer
from typing import TYPE_CHECKING

import pytest

from plumbline.errors import PlumblineError, StopRequested
from plumbline.records import read_record
from plumbline.trials.children import stop_with_us
from plumbline.trials.fits import Fit, finished_record, make_fit, make_fits, threads_each
from trials.made import made_record, write_run

if TYPE_CHECKING:
    from pathlib import Path

# Notes when it began and ended, and leaves the record that it is given; on SIGTERM it saves.
PROGRAM = """
import os, pathlib, signal, sys, time
folder, seconds, text = pathlib.Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
print("working", os.environ.get("OMP_NUM_THREADS"), file=sys.stderr, flush=True)
folder.mkdir(exist_ok=True)
def save(*_):
    time.sleep(0.2)
    (folder / "saved").touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
(folder / "began").write_text(str(time.time()))
time.sleep(seconds)
if not text:
    sys.exit("it went wrong")
(folder / "ended").write_text(str(time.time()))
(folder / "record.json").write_text(text)
"""


class Pretended(Fit):
    """A run that takes as long as its data says; without a recipe it fails."""

    @property
    def command(self) -> list[str]:
        text = made_record(self.seed).model_dump_json() if self.recipe else ""
        return [sys.executable, "-c", PROGRAM, str(self.folder), self.data, text]


def pretended(tmp_path: Path, *, seed: int, seconds: float = 0.0, fails: bool = False) -> Pretended:
    recipe = "" if fails else "resnet18"
    return Pretended(recipe=recipe, seed=seed, folder=tmp_path / f"seed{seed}", data=str(seconds))


def when(fit: Fit, name: str) -> float:
    return float((fit.folder / name).read_text())


def wait_until_there(path: Path) -> None:
    end = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not come"
        time.sleep(0.02)


def test_so_many_run_at_once_and_no_more(tmp_path: Path) -> None:
    """Of three runs with two workers the first two overlap, and the third begins when one has ended."""
    fits = [pretended(tmp_path, seed=seed, seconds=0.6) for seed in (1, 2, 3)]
    made = dict(make_fits(fits, workers=2, environment={"OMP_NUM_THREADS": "1"}))
    assert {fit.seed: record.seed for fit, record in made.items()} == {1: 1, 2: 2, 3: 3}
    one, two, three = fits
    assert max(when(one, "began"), when(two, "began")) < min(when(one, "ended"), when(two, "ended"))
    assert when(three, "began") >= min(when(one, "ended"), when(two, "ended"))
    assert one.said.read_text() == "working 1\n"


def test_a_finished_run_is_not_made_again(tmp_path: Path) -> None:
    """Its record is given, and no process is started."""
    fit = pretended(tmp_path, seed=1)
    record = make_fit(fit, quiet=True)
    began = when(fit, "began")
    assert make_fit(fit, quiet=True) == record == read_record(fit.folder)
    assert when(fit, "began") == began


def test_a_run_that_fails_ends_the_others_and_is_told(tmp_path: Path) -> None:
    """Its last words and their file are told; the other run is asked to save; a finished one is kept."""
    fits = [
        pretended(tmp_path, seed=1),
        pretended(tmp_path, seed=2, seconds=60),
        pretended(tmp_path, seed=3, seconds=1, fails=True),
    ]
    with pytest.raises(PlumblineError, match="seed 3 ended with exit code 1; it said: it went wrong"):
        list(make_fits(fits, workers=2))
    assert finished_record(fits[0].folder) is not None
    assert (fits[1].folder / "saved").exists()


def test_a_stop_lets_all_of_them_save(tmp_path: Path) -> None:
    """SIGTERM to us is passed on to every run, and we leave when they have saved."""
    fits = [pretended(tmp_path, seed=seed, seconds=60) for seed in (1, 2)]

    def stop() -> None:
        for fit in fits:
            wait_until_there(fit.folder / "began")
        os.kill(os.getpid(), 15)

    Timer(0.0, stop).start()
    with stop_with_us(), pytest.raises(StopRequested):
        list(make_fits(fits, workers=2))
    assert all((fit.folder / "saved").exists() for fit in fits)


def test_an_orphan_is_waited_for(tmp_path: Path) -> None:
    """A run whose starter was killed trains on; nobody trains beside it, and its record is taken."""
    heard: list[str] = []

    class Heard:
        def say(self, text: str) -> None:
            heard.append(text)

        task = None

    fit = pretended(tmp_path, seed=1, seconds=3)
    starter = f"""
from pathlib import Path
from trials.test_fits import pretended
from plumbline.trials.fits import make_fit
make_fit(pretended(Path({str(tmp_path)!r}), seed=1, seconds=3), quiet=True)
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", starter], env=environment)
    wait_until_there(fit.folder / "began")
    process.kill()
    process.wait()
    began = when(fit, "began")
    ((_, record),) = make_fits([fit], quiet=True, progress=Heard())  # type: ignore[arg-type]
    assert record.seed == 1
    assert when(fit, "began") == began
    assert heard == [f"{fit.folder} is being trained by another process; waiting for it."]


def test_a_damaged_record_is_told_with_what_to_do(tmp_path: Path) -> None:
    """It is not trained over: somebody may want to see it."""
    (tmp_path / "seed1").mkdir()
    (tmp_path / "seed1" / "record.json").write_text("{")
    with pytest.raises(PlumblineError, match=r"damaged.*Finished runs are kept; move .*seed1 away"):
        make_fit(pretended(tmp_path, seed=1))


@pytest.mark.parametrize(("given", "workers", "each"), [("8", 2, "4"), ("2", 4, "1"), ("7", 3, "2")])
def test_cores_are_divided(monkeypatch: pytest.MonkeyPatch, given: str, workers: int, each: str) -> None:
    """Workers share the threads that we may use; one alone takes what it finds."""
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert threads_each(workers) == {"OMP_NUM_THREADS": each}
    assert threads_each(1) == {}
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert int(threads_each(2)["OMP_NUM_THREADS"]) >= 1


def test_the_command_is_a_plumbline_fit(tmp_path: Path) -> None:
    """It can be typed as it stands, and goes on where there is a folder already."""
    fit = Fit(recipe="speed94", seed=3, folder=tmp_path / "seed3", data="digits", device="cpu")
    words = ["fit", "speed94", "--data", "digits", "--device", "cpu", "--seed", "3", "--out", str(fit.folder)]
    assert fit.command == [sys.executable, "-m", "plumbline", *words]
    fit.folder.mkdir()
    assert fit.command[-1] == "--resume"


def test_a_run_with_a_record_goes_on_with_the_recipe_in_it(tmp_path: Path) -> None:
    """What was asked for is left out: on one's own pictures another recipe followed from it."""
    fit = Fit(
        recipe="pictures",
        seed=3,
        folder=tmp_path / "seed3",
        data="photos",
        flags=("--no-test",),
        changes=("epochs=3",),
    )
    assert {"pictures", "--set=epochs=3", "--no-test"} <= set(fit.command)
    write_run(made_record(3), folder=fit.folder)
    assert {"pictures", "--set=epochs=3"}.isdisjoint(fit.command)
    assert {"--no-test", "--resume"} <= set(fit.command)
