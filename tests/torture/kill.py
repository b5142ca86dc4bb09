"""Pull the plug on trainings many times, and see whether each ends on the bits of one that was left alone.

Everything is imported once and each start is a fork, so that a kill costs seconds; a fork is the command line
itself, on a few real digits, saving after every step. Two kinds of runs are killed: one with two phases, SGD
and averaged weights, and one of the speed family, with Muon and a moving average. Each kind runs once alone,
and every fail point that it passes is written down. Then runs are killed

- at every fail point of every file that is written: at the first, the middle and the last time it is passed;
- at random moments, from before the folder is made to after the report; up to three times.

After each kill every file that is there must be whole, and once there was a checkpoint to go on from there
must be one. Then the run is resumed to its end and compared with the one left alone: weights, averages,
optimizer state and all else in the checkpoints to the bit, figures, epochs, scores, predictions.

Run: python tests/torture/kill.py FOLDER [--kills 200] [--seed 0] [--workers 2] [--sample]
Prints one JSON object: how many kills, how many lost runs, and which differences were found.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import shutil
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from itertools import chain, count
from pathlib import Path
from typing import Literal

import torch

from plumbline import durable
from plumbline.cli import fitting, main
from plumbline.data import Dataset, digits
from plumbline.records import ArithmeticPart, RunFolder
from plumbline.report import write_run_report
from plumbline.training import callbacks

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from torture.same import broken_files, differences

Kind = Literal["phases", "speed"]
COMMON = ("--data", "digits", "--device", "cpu", "--set", "model.name=speednet_xs")
_AVERAGING = '{"kind": "ema", "half_life_steps": 2.0, "every_steps": 1, "start_fraction": 0.3}'
ASKED: dict[Kind, tuple[str, ...]] = {
    "phases": (
        *("resnet18-quick", "--epochs", "2", "--average-epochs", "1", "--set", "validation_fraction=0.2"),
        *("--set", "batch_size=32", "--set", "resolution.train=[12]", "--set", "resolution.test=12"),
    ),
    "speed": (
        *("speed94", "--epochs", "2", "--set", f"averaging={_AVERAGING}"),
        *("--set", "batch_size=32", "--set", "resolution.train=[9,12]", "--set", "resolution.test=12"),
    ),
}
_PLAIN = str.maketrans(" .", "__")
_LONGEST = 120  # seconds that a start may take


@dataclass(frozen=True)
class Job:
    """One run to kill and go on with; `point` is a fail point, a file and how often it was passed by then."""

    name: str
    kind: Kind
    point: tuple[str, str, int] | None = None
    moments: tuple[float, ...] = ()  # as parts of the time that a whole run takes


@dataclass
class Outcome:
    """What came of some jobs."""

    runs: int = 0
    kills_at_points: int = 0
    kills_at_random: int = 0
    lost: dict[str, str] = field(default_factory=dict)
    differences: dict[str, list[str]] = field(default_factory=dict)
    broken: dict[str, list[str]] = field(default_factory=dict)  # files seen damaged or missing after a kill


@dataclass(frozen=True)
class Whole:
    """A run that was left alone: what was passed, how often, and how long it took."""

    folder: RunFolder
    passed: Counter[tuple[str, str]]
    seconds: float


_all_digits = digits.load_digits


@cache
def few_digits() -> Dataset:
    """Give 100 training and 40 test images, so that a run takes seconds."""
    whole = _all_digits()
    return replace(
        whole,
        fingerprint="that of a few digits",
        train=whole.train.select(torch.arange(100)),
        test=whole.test.select(torch.arange(40)),
    )


def start(out: Path, *, kind: Kind, reached: Callable[[str, Path], None] | None = None) -> int:
    """Fork a child that begins or resumes the run in `out`, and give its process number."""
    child = os.fork()
    if child:
        return child
    signal.alarm(_LONGEST)
    log = os.open(out.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    callbacks.SAVE_EVERY_SECONDS = 0.0
    digits.load_digits = few_digits
    vars(fitting)["arithmetic_of"] = lambda *_, **__: ArithmeticPart(
        training_flop=1e9, matrix_flop_per_second=1e11
    )
    if reached is not None:
        durable.reached = reached
    try:
        main(["fit", *ASKED[kind], *COMMON, "--out", str(out), "--resume"])
    except SystemExit as ended:
        out.with_suffix(".modules").write_text("\n".join(sys.modules), encoding="utf-8")
        os._exit(ended.code if isinstance(ended.code, int) else 1)
    except BaseException:  # a fork must not go on with what its parent was doing
        os._exit(1)
    os._exit(1)


def ended_well(child: int) -> bool:
    """Wait for a child, and tell whether it exited with 0."""
    return os.waitpid(child, 0)[1] == 0


def run_whole(out: Path, *, kind: Kind) -> Whole:
    """Make a run without touching it, and write down what it passes."""
    trace = out.with_suffix(".trace")

    def note(point: str, path: Path) -> None:
        with trace.open("a", encoding="utf-8") as file:
            file.write(f"{point}\t{path.name}\n")

    began = time.monotonic()
    if not ended_well(start(out, kind=kind, reached=note)):
        raise SystemExit(out.with_suffix(".log").read_text(encoding="utf-8"))
    seconds = time.monotonic() - began
    _import_again(out.with_suffix(".modules"))
    write_run_report(RunFolder(out))  # its templates are then compiled for the forks
    lines = trace.read_text(encoding="utf-8").splitlines()
    passed = Counter((point, name) for point, name in (line.split("\t") for line in lines))
    return Whole(RunFolder(out), passed, seconds)


def _import_again(modules: Path) -> None:
    """Import here what a fork had to import, so that the next ones need not."""
    with warnings.catch_warnings(action="ignore"):
        for name in modules.read_text(encoding="utf-8").splitlines():
            with suppress(Exception):  # some are no modules of their own
                importlib.import_module(name)


def point_jobs(whole: Whole, *, kind: Kind, sample: bool) -> Iterator[Job]:
    """Give a job for every fail point of every file: the first, the middle and the last time it is passed.

    A sample takes the middle one of the checkpoint that runs go on from, which passes all of them.
    """
    for (point, name), passed in whole.passed.items():
        times = {1, (passed + 1) // 2, passed} if not sample else {(passed + 1) // 2}
        if not sample or name == "last.ckpt":
            for number in sorted(times):
                yield Job(f"{kind}-{point}-{name}-{number}".translate(_PLAIN), kind, (point, name, number))


def random_jobs(seed: str) -> Iterator[Job]:
    """Give jobs without end: a third of them of the speed family, each killed once, twice or three times."""
    chance = random.Random(seed)  # noqa: S311
    for number in count(1):
        kind: Kind = chance.choice(("phases", "phases", "speed"))
        kills = chance.choice((1, 2, 3))
        yield Job(
            f"random-{seed}-{number}", kind, moments=tuple(chance.uniform(0, 1.05) for _ in range(kills))
        )


def do_job(job: Job, *, whole: Whole, folder: Path, outcome: Outcome) -> None:
    """Kill a run as the job says, look at what is left, go on with it to its end and compare."""
    out = folder / job.name
    outcome.runs += 1
    had_checkpoint = False
    for moment in job.moments or (None,):
        killed = (
            _kill_at_point(out, job=job) if moment is None else _kill_after(out, job, moment * whole.seconds)
        )
        outcome.kills_at_points += killed and job.point is not None
        outcome.kills_at_random += killed and job.point is None
        if job.point is not None and not killed:
            outcome.broken.setdefault(job.name, []).append("the fail point was not reached")
        found = broken_files(RunFolder(out), needs_checkpoint=had_checkpoint or _was_saved(job))
        if found:
            outcome.broken.setdefault(job.name, []).extend(found)
        had_checkpoint = had_checkpoint or any(path.is_file() for path in RunFolder(out).resumable)
    if not ended_well(start(out, kind=job.kind)):
        outcome.lost[job.name] = out.with_suffix(".log").read_text(encoding="utf-8")[-2000:]
        return
    found = differences(whole.folder, RunFolder(out))
    if found:
        outcome.differences[job.name] = found
    else:
        shutil.rmtree(out)


def _kill_after(out: Path, job: Job, seconds: float) -> bool:
    child = start(out, kind=job.kind)
    time.sleep(seconds)
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def _kill_at_point(out: Path, *, job: Job) -> bool:
    assert job.point is not None
    wanted, name, number = job.point
    times = 0

    def reached(point: str, path: Path) -> None:
        nonlocal times
        times += (point, path.name) == (wanted, name)
        if times == number:
            os.kill(os.getpid(), signal.SIGKILL)

    return os.WIFSIGNALED(os.waitpid(start(out, kind=job.kind, reached=reached), 0)[1])


def _was_saved(job: Job) -> bool:
    """Tell whether a checkpoint had been written for certain when the plug was pulled."""
    if job.point is None:
        return False
    point, name, number = job.point
    return name == "last.ckpt" and (number > 1 or point in {"after rename", "before flush folder"})


def work(
    jobs: Iterator[Job], *, wholes: dict[Kind, Whole], folder: Path, kills: int, result: Path
) -> Outcome:
    """Do jobs one after another until all those at fail points are done and `kills` at random moments."""
    outcome = Outcome()
    for job in jobs:
        if job.point is None and outcome.kills_at_random >= kills:
            break
        do_job(job, whole=wholes[job.kind], folder=folder, outcome=outcome)
        result.write_text(json.dumps(asdict(outcome)), encoding="utf-8")
        sys.stderr.write(f"{job.name}: run {outcome.runs}\n")
    return outcome


def add_up(parts: Iterable[Outcome]) -> Outcome:
    """Give what came of all jobs of some workers."""
    total = Outcome()
    for part in parts:
        total.runs += part.runs
        total.kills_at_points += part.kills_at_points
        total.kills_at_random += part.kills_at_random
        total.lost |= part.lost
        total.differences |= part.differences
        total.broken |= part.broken
    return total


def torture(folder: Path, *, kills: int, seed: int, workers: int, sample: bool) -> dict[str, object]:
    """Do all of it."""
    began = time.monotonic()
    kinds: tuple[Kind, ...] = ("phases", "speed")
    wholes = {kind: run_whole(folder / f"whole-{kind}", kind=kind) for kind in kinds}
    at_points = [
        job
        for kind in (kinds[1:] if sample else kinds)
        for job in point_jobs(wholes[kind], kind=kind, sample=sample)
    ]
    children = {}
    for number in range(workers):
        result = folder / f"outcome-{number}.json"
        child = os.fork()
        if not child:
            jobs = chain(at_points[number::workers], random_jobs(f"{seed}-{number}"))
            work(jobs, wholes=wholes, folder=folder, kills=-(-kills // workers), result=result)
            os._exit(0)
        children[child] = result
    endings = [ended_well(child) for child in children]
    if not all(endings):
        raise SystemExit("A worker of this test failed; what it said stands above.")
    outcome = add_up(
        Outcome(**json.loads(result.read_text(encoding="utf-8"))) for result in children.values()
    )
    return {
        "kills_at_fail_points": outcome.kills_at_points,
        "kills_at_random_moments": outcome.kills_at_random,
        "fail_points": sorted({f"{job.point[0]} {job.point[1]}" for job in at_points if job.point}),
        "runs": outcome.runs,
        "seconds_of_a_run": {kind: round(whole.seconds, 2) for kind, whole in wholes.items()},
        "seconds": round(time.monotonic() - began),
        "lost": outcome.lost,
        "differences": outcome.differences,
        "broken": outcome.broken,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=200, help="at random moments")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--sample", action="store_true", help="fewer kills at fail points")
    given = parser.parse_args()
    assert fitting  # imported here, so that the children need not
    os.environ["PLUMBLINE_LEDGER"] = "none"
    torch.set_num_threads(1)
    given.folder.mkdir(parents=True, exist_ok=True)
    found = torture(
        given.folder.resolve(), kills=given.kills, seed=given.seed, workers=given.workers, sample=given.sample
    )
    json.dump(found, sys.stdout, indent=1)
    sys.exit(any(found[name] for name in ("lost", "differences", "broken")))
