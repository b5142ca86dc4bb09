"""One training step two ways, side by side: as a script is usually written, and as plumbline runs it.

Each arm runs in a process of its own, in turns (A B A B …), so that neither inherits the other's allocator,
threads or warm caches; making the batch counts. Beside each stands its floor: the floating-point operations
of a step over the best rate of a plain matrix product in the same number format, measured in each process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from time import perf_counter
from typing import Any, Literal

import torch

from plumbline.benchmarks.arms import fit_arm, plain_arm
from plumbline.benchmarks.flops import count_flops
from plumbline.benchmarks.images import COUNT, load_images
from plumbline.benchmarks.kept import make_record
from plumbline.benchmarks.matrix import matrix_rate, settle
from plumbline.errors import PlumblineError
from plumbline.progress import SILENT, Progress
from plumbline.recipes import Recipe, title
from plumbline.training.device import Precision, choose_compute

ArmName = Literal["plain", "fast"]
ARMS: tuple[ArmName, ...] = ("plain", "fast")
WARM_UP = 2


@dataclass(frozen=True)
class StepAsked:
    """What to measure: a recipe with its batch size, on which kind of device, how often."""

    recipe: Recipe
    device: str = "cpu"
    rounds: int = 3
    steps: int = 6
    matrix_side: int | None = None


@dataclass(frozen=True)
class Measured:
    """One arm in one process: seconds of each measured step, operations a step and a second, and on what."""

    seconds: list[float]
    step_flops: float
    matrix_flops_per_second: float
    precision: str
    device: str
    threads: int
    data: str


@dataclass(frozen=True)
class Summary:
    """One arm over all rounds, in images a second; `used` is the median's share of the floor."""

    median: float
    least: float
    most: float
    n: int
    floor: float
    used: float


Rounds = Sequence[dict[ArmName, Measured]]


def summarise(rounds: Rounds, *, arm: ArmName, batch: int) -> Summary:
    """Put all steps of one arm together.

    The floor is that of the fastest matrix product in this number format, in whichever arm's process.
    """
    runs = [one[arm] for one in rounds]
    rates = [batch / seconds for run in runs for seconds in run.seconds]
    everything = [run for one in rounds for run in one.values()]
    rate = max(run.matrix_flops_per_second for run in everything if run.precision == runs[0].precision)
    floor = batch * rate / runs[0].step_flops
    return Summary(median(rates), min(rates), max(rates), len(rates), floor, used=median(rates) / floor)


def ratios(rounds: Rounds) -> list[float]:
    """Give, for each round, how many times the images a second of `plain` the arm `fast` handles."""
    return [median(one["plain"].seconds) / median(one["fast"].seconds) for one in rounds]


def check_asked(asked: StepAsked) -> None:
    """Refuse what cannot be measured, before anything is: all steps have to be whole ones of one epoch."""
    batch = asked.recipe.batch_size
    steps = int(COUNT * (1 - asked.recipe.validation_fraction)) // batch
    if WARM_UP + asked.steps > steps:
        raise PlumblineError(
            f"{WARM_UP} warm-up and {asked.steps} measured steps of {batch} images exceed one epoch of "
            f"{steps} whole steps. Take fewer (--steps) or smaller ones (--batch)."
        )


def measure_rounds(asked: StepAsked, *, progress: Progress = SILENT) -> Rounds:
    """Measure both arms in turns, each in a new process."""
    check_asked(asked)
    rounds: list[dict[ArmName, Measured]] = [{} for _ in range(asked.rounds)]
    with progress.task("bench step", total=2 * asked.rounds, unit="runs") as task:
        for number, one in enumerate(rounds, start=1):
            for arm in ARMS:
                task.note(f"{arm} …")
                one[arm] = _measure_apart(arm, asked=asked)
                rate = asked.recipe.batch_size / median(one[arm].seconds)
                progress.say(f"round {number} of {asked.rounds}: {arm:5} {rate:9.1f} images/s")
                task.advance()
    return rounds


def measure(arm: ArmName, *, asked: StepAsked) -> Measured:
    """Measure one arm in this process."""
    recipe, device = asked.recipe, torch.device(asked.device)
    dataset = load_images()
    if arm == "fast":
        # This tells the C allocator to keep its blocks, which is for this arm alone.
        compute = choose_compute(asked.device, precision=recipe.precision)
        made, name = fit_arm(recipe, dataset=dataset, compute=compute), compute.name
    else:
        made, name = plain_arm(recipe, dataset=dataset, device=device), ""
    seconds = []
    for _ in range(WARM_UP + asked.steps):
        settle(device)
        start = perf_counter()
        made.step()
        settle(device)
        seconds.append(perf_counter() - start)
    flops = count_flops(made.model, image_size=recipe.resolution.train[-1], batch_size=recipe.batch_size)
    return Measured(
        seconds=seconds[WARM_UP:],
        step_flops=float(flops.training * recipe.batch_size),
        matrix_flops_per_second=matrix_rate(
            made.autocast or torch.float32, device=device, side=asked.matrix_side
        ),
        precision=_word(made.autocast),
        device=name,
        threads=torch.get_num_threads(),
        data=dataset.name,
    )


def record_of(rounds: Rounds, *, asked: StepAsked) -> dict[str, Any]:
    """Give everything that was measured, and on what."""
    batch = asked.recipe.batch_size
    content = {
        "arguments": {
            "recipe": title(asked.recipe),
            "rounds": asked.rounds,
            "steps": asked.steps,
            "batch": batch,
            "device": asked.device,
        },
        "image_size": asked.recipe.resolution.train[-1],
        "warm_up_steps": WARM_UP,
        "ratios": ratios(rounds),
        "ratio_median": median(ratios(rounds)),
        "summary": {arm: asdict(summarise(rounds, arm=arm, batch=batch)) for arm in ARMS},
        "rounds": [{arm: asdict(measured) for arm, measured in one.items()} for one in rounds],
    }
    return make_record(content, device=rounds[0]["fast"].device)


def _word(dtype: torch.dtype | None) -> Precision:
    words: dict[torch.dtype | None, Precision] = {torch.bfloat16: "bf16", torch.float16: "fp16"}
    return words.get(dtype, "fp32")


def _measure_apart(arm: ArmName, *, asked: StepAsked) -> Measured:
    request = {"arm": arm, "asked": asdict(asked) | {"recipe": asked.recipe.model_dump_json()}}
    done = subprocess.run(
        [sys.executable, "-m", "plumbline.benchmarks.step"],
        input=json.dumps(request),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise PlumblineError(
            f"The arm {arm} failed with exit code {done.returncode}; what it said stands above. "
            "Where memory is short, take a smaller --batch."
        )
    return Measured(**json.loads(done.stdout))


def main() -> None:
    """Measure the arm that stdin asks for, and write what came out to stdout."""
    request = json.load(sys.stdin)
    recipe = Recipe.model_validate_json(request["asked"].pop("recipe"))
    measured = measure(request["arm"], asked=StepAsked(recipe=recipe, **request["asked"]))
    sys.stdout.write(json.dumps(asdict(measured)))


if __name__ == "__main__":
    main()
