"""What `plumbline fit` costs above a bare loop of the same step on the same batches.

Both run in one process in turns (A B A B …). `fit` is a whole run with everything it writes; its clock is
read where the bar is moved, so that each step is counted with all hooks around it. The clock starts at the
end of the last warm-up step and stops at the end of the last measured one; nothing is subtracted. No
validation and no save falls in between, as within an epoch; averaging is left out, being no part of the step.
The epoch is short, so figures are written at every step or nearly so, more often than in a long one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import torch

from plumbline.benchmarks.arms import SEED, arm_of
from plumbline.benchmarks.flops import recipe_flops
from plumbline.benchmarks.images import load_images
from plumbline.benchmarks.kept import make_record
from plumbline.benchmarks.matrix import matrix_rate, settle
from plumbline.data import Dataset
from plumbline.errors import PlumblineError, StopRequested
from plumbline.progress import SILENT, Progress
from plumbline.recipes import Recipe, title
from plumbline.records import create_run_folder
from plumbline.training.build import build_phase
from plumbline.training.device import Compute
from plumbline.training.request import Request
from plumbline.training.run import Run
from plumbline.training.weights import load_classifier

WARM_UP = 3


@dataclass(frozen=True)
class OverheadAsked:
    """What to measure: a recipe with its batch size, on what, how often."""

    recipe: Recipe
    compute: Compute
    rounds: int = 5
    steps: int = 20
    matrix_side: int | None = None


@dataclass(frozen=True)
class OverheadRound:
    """Seconds a step, and how far apart the two trained networks are: 0 where both did the same."""

    fit_seconds: float
    bare_seconds: float
    weights_differ_by: float

    @property
    def ratio(self) -> float:
        """How many times the bare step's time the step of `fit` takes."""
        return self.fit_seconds / self.bare_seconds


@dataclass(frozen=True)
class Overhead:
    """All rounds; `floor_seconds` is a step's arithmetic at the rate of a plain matrix product."""

    rounds: tuple[OverheadRound, ...]
    floor_seconds: float

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios."""
        return median(one.ratio for one in self.rounds)

    @property
    def fit_seconds(self) -> float:
        """The median of `fit`'s seconds a step."""
        return median(one.fit_seconds for one in self.rounds)

    @property
    def bare_seconds(self) -> float:
        """The median of the bare loop's seconds a step."""
        return median(one.bare_seconds for one in self.rounds)


class StepClock:
    """A watcher of a run that reads the clock at the ends of two steps."""

    def __init__(self, marks: Sequence[int], *, device: torch.device) -> None:
        self.times: list[float] = []
        self._marks, self._device, self._done = set(marks), device, 0
        self._counts = False

    @contextmanager
    def task(self, title: str, *, total: int | None, unit: str, done: int = 0) -> Iterator[StepClock]:  # noqa: ARG002
        """Count the steps of the first phase; compiling and scoring open tasks too."""
        self._counts = title == "fit"
        yield self

    def say(self, text: str) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""

    def advance(self, amount: int = 1) -> None:
        """Count a step, and read the clock if it is one of the two."""
        if not self._counts:
            return
        self._done += amount
        if self._done in self._marks:
            settle(self._device)
            self.times.append(perf_counter())
            self._marks.discard(self._done)


def measure_overhead(asked: OverheadAsked, *, progress: Progress = SILENT) -> Overhead:
    """Measure `fit` and the bare loop in turns, in this process.

    Raises PlumblineError for fp16, whose gradients `fit` scales: the bare loop does not.
    """
    if asked.compute.precision == "fp16":
        raise PlumblineError("The bare loop does not scale gradients as fp16 needs. Take bf16 or fp32.")
    dataset = _cut(load_images(), asked=asked)
    asked = replace(asked, recipe=_short(asked.recipe))
    rounds = []
    for logger in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    with progress.task("bench overhead", total=2 * asked.rounds, unit="runs") as task:
        for number in range(1, asked.rounds + 1):
            try:
                with TemporaryDirectory() as folder:
                    fit_seconds, fitted = time_fit(asked, dataset=dataset, folder=Path(folder) / "run")
            except StopRequested:
                progress.say("Stopped; nothing is kept of a measurement that is not whole.")
                raise
            task.advance()
            bare_seconds, bare = time_bare(asked, dataset=dataset)
            task.advance()
            rounds.append(OverheadRound(fit_seconds, bare_seconds, _difference(fitted, bare)))
            progress.say(
                f"round {number} of {asked.rounds}: fit {fit_seconds:.4f} s a step, bare {bare_seconds:.4f} s"
            )
    return Overhead(tuple(rounds), floor_seconds=_floor(asked, classes=len(dataset.classes)))


def time_fit(
    asked: OverheadAsked, *, dataset: Dataset, folder: Path
) -> tuple[float, dict[str, torch.Tensor]]:
    """Give seconds a step of a whole run in a new folder, and the weights it ends with."""
    clock = StepClock((WARM_UP, WARM_UP + asked.steps), device=asked.compute.device)
    request = Request(
        recipe=asked.recipe,
        dataset=dataset,
        seed=SEED,
        compute=asked.compute,
        command="plumbline bench",
        leaves_test_alone=True,
    )
    run = create_run_folder(folder)
    Run.start(request, folder=run, progress=clock).execute()
    began, ended = clock.times
    return (ended - began) / asked.steps, load_classifier(run.checkpoint("raw")).state_dict()


def time_bare(asked: OverheadAsked, *, dataset: Dataset) -> tuple[float, dict[str, torch.Tensor]]:
    """Give seconds a step of a bare loop over the same batches, and the weights it ends with."""
    built = build_phase(asked.recipe, phase="fit", dataset=dataset, seed=SEED, compute=asked.compute)
    arm = arm_of(built, compute=asked.compute, epoch=0)
    for _ in range(WARM_UP):
        arm.step()
    settle(asked.compute.device)
    began = perf_counter()
    for _ in range(asked.steps):
        arm.step()
    settle(asked.compute.device)
    seconds = (perf_counter() - began) / asked.steps
    for _ in range(built.steps_per_epoch - WARM_UP - asked.steps):
        arm.step()
    return seconds, arm.model.state_dict()


def record_of(overhead: Overhead, *, asked: OverheadAsked) -> dict[str, Any]:
    """Give everything that was measured, and on what."""
    content = {
        "arguments": {
            "recipe": title(asked.recipe),
            "rounds": asked.rounds,
            "steps": asked.steps,
            "batch": asked.recipe.batch_size,
            "device": asked.compute.device.type,
        },
        "precision": asked.compute.precision,
        "threads": torch.get_num_threads(),
        "image_size": asked.recipe.resolution.train[-1],
        "warm_up_steps": WARM_UP,
        "ratio_median": overhead.ratio,
        "fit_seconds": overhead.fit_seconds,
        "bare_seconds": overhead.bare_seconds,
        "floor_seconds": overhead.floor_seconds,
        "rounds": [vars(one) | {"ratio": one.ratio} for one in overhead.rounds],
    }
    return make_record(content, device=asked.compute.name)


def _short(recipe: Recipe) -> Recipe:
    """Give one epoch of the step itself: at the last image size, nothing held out, averaged or augmented."""
    last = recipe.resolution.model_copy(update={"train": recipe.resolution.train[-1:]})
    changes = {"epochs": 1, "validation_fraction": 0.0, "averaging": None, "tta": None, "resolution": last}
    return recipe.model_copy(update=changes | {"name": None})


def _cut(dataset: Dataset, *, asked: OverheadAsked) -> Dataset:
    """Give as many images as the steps need, and one batch more: the epoch's end is not measured."""
    count, there = (WARM_UP + asked.steps + 1) * asked.recipe.batch_size, len(dataset.train)
    if count > there:
        raise PlumblineError(
            f"{WARM_UP} warm-up and {asked.steps} measured steps of {asked.recipe.batch_size} images, and "
            f"one more, exceed the {there:,} images there are. Take fewer or smaller ones (--steps, --batch)."
        )
    return replace(dataset, train=dataset.train.select(torch.arange(count)))


def _difference(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> float:
    pairs = ((left[name].cpu().double(), right[name].cpu().double()) for name in right)
    return max(float((one - other).abs().max()) for one, other in pairs)


def _floor(asked: OverheadAsked, *, classes: int) -> float:
    size, compute = asked.recipe.resolution.train[-1], asked.compute
    flops = recipe_flops(
        asked.recipe, num_classes=classes, image_size=size, winograd=compute.winograd
    ).training
    rate = matrix_rate(compute.autocast or torch.float32, device=compute.device, side=asked.matrix_side)
    return flops * asked.recipe.batch_size / rate
