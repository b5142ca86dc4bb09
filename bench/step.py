"""One training step of ResNet-18 two ways, side by side: as tutorials write it, and as plumbline runs it.

`plain` is fp32, channels first, torchvision transforms on PIL pictures in two loader workers, torch's SGD,
the C allocator as it comes. `fast` is what `plumbline fit` does on this CPU. Each arm runs in a process of
its own, in turns (A B A B …), so that neither inherits the other's allocator, threads or warm caches; the
loader's time counts. Beside each stands its floor: the floating-point operations of a step over the rate of a
plain matrix product in the same number format and process.

Run: python -m bench.step [--rounds 3] [--steps 6] [--batch 256] [--out FILE.json]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from plumbline.data import Dataset
    from plumbline.training.device import Compute

    Setup = tuple[torch.nn.Module, torch.optim.Optimizer, Iterator[Any]]

ARMS = ("plain", "fast")
WARM_UP = 2
COUNT = 50_000  # CIFAR-10's training images, and as many random ones in their place


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


Rounds = Sequence[dict[str, Measured]]


def summarise(runs: Sequence[Measured], *, batch: int) -> Summary:
    """Put all steps of one arm together; the floor is that of the fastest matrix product seen."""
    rates = [batch / seconds for run in runs for seconds in run.seconds]
    floor = max(batch * run.matrix_flops_per_second / run.step_flops for run in runs)
    return Summary(median(rates), min(rates), max(rates), len(rates), floor, used=median(rates) / floor)


def ratios(rounds: Rounds) -> list[float]:
    """Give, for each round, how many times the images a second of `plain` the arm `fast` handles."""
    return [median(one["plain"].seconds) / median(one["fast"].seconds) for one in rounds]


def caveat(device: str, *, precision: str) -> str:
    """Say where the promised factor cannot be expected; nothing where the CPU has AMX."""
    if "amx_bf16" in device and precision == "bf16":
        return ""
    have = "computes bf16 without AMX" if precision == "bf16" else "has no bf16 arithmetic"
    return f"NOTE: this machine {have}. The promised factor (at least 4) is for a CPU with AMX.\n"


def table(rounds: Rounds, *, batch: int) -> str:
    """Give what a person reads."""
    first = rounds[0]["fast"]
    text = (
        f"One training step of resnet18, batch {batch}, on {first.device}, {first.threads} threads.\n"
        f"Data: {first.data}.\n"
        f"Each arm in a process of its own, in turns; its first {WARM_UP} steps warm up and are left out.\n\n"
        "arm    precision  images/s      min      max    n     floor   used\n"
    )
    for arm in ARMS:
        s = summarise([one[arm] for one in rounds], batch=batch)
        text += f"{arm:6} {rounds[0][arm].precision:9} {s.median:9.1f} {s.least:8.1f} {s.most:8.1f} {s.n:4} "
        text += f"{s.floor:9.1f} {s.used:6.0%}\n"
    each = ", ".join(f"{factor:.2f}" for factor in ratios(rounds))
    return (
        f"{text}\nfast / plain: {median(ratios(rounds)):.2f} (median; each round: {each})\n"
        "images/s is the median; floor is what matrix products alone would allow; used is images/s of it.\n"
        + caveat(first.device, precision=first.precision)
    )


def measure(arm: str, *, steps: int, batch: int) -> Measured:
    """Measure one arm in this process."""
    import torch
    from torch.nn.functional import cross_entropy

    from plumbline.models import describe_model
    from plumbline.training.device import choose_compute

    # This sets the allocator: before the first large tensor, and for `fast` alone.
    compute = choose_compute("cpu") if arm == "fast" else None
    autocast = compute.autocast if compute else None
    data, seconds = load_data(), []
    model, optimizer, batches = fast(data, compute, batch=batch) if compute else plain(data, batch=batch)
    for _ in range(WARM_UP + steps):
        start = perf_counter()
        images, labels = next(batches)
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=autocast, enabled=autocast is not None):
            loss = cross_entropy(model(images), labels)
        torch.autograd.backward(loss)
        optimizer.step()
        seconds.append(perf_counter() - start)
    return Measured(
        seconds=seconds[WARM_UP:],
        # Forward, and backward twice that: for the inputs and for the weights; 2 operations each.
        step_flops=3.0 * 2 * describe_model("resnet18").multiply_accumulates * batch,
        matrix_flops_per_second=matrix_rate(autocast or torch.float32),
        precision=compute.precision if compute else "fp32",
        device=compute.name if compute else "",
        threads=torch.get_num_threads(),
        data=data.name,
    )


def plain(data: Dataset, *, batch: int) -> Setup:
    """Give model, optimizer and batches as a tutorial would."""
    import torch
    from torchvision import transforms

    from plumbline import cifar10_normalization, create_model
    from plumbline.data.pictures import PictureSet, picture_loader

    crop_and_flip = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
    transform = transforms.Compose([*crop_and_flip, transforms.ToTensor(), cifar10_normalization()])
    pictures = PictureSet(data.train, transform=transform)
    loader = picture_loader(pictures, batch_size=batch, num_workers=2, seed=7, shuffle=True)
    model = create_model("resnet18", seed=7)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    return model.train(), optimizer, iter(loader)


def fast(data: Dataset, compute: Compute, *, batch: int) -> Setup:
    """Give model, optimizer and batches as `plumbline fit resnet18` builds them."""
    from plumbline.recipes.named import resnet18
    from plumbline.training.build import build_phase

    recipe = resnet18().model_copy(update={"batch_size": batch})
    built = build_phase(recipe, phase="fit", dataset=data, seed=7, compute=compute)
    classifier = built.classifier
    optimization = classifier.optimization(classifier.model, total_steps=built.steps_per_epoch * built.epochs)
    return classifier.train(), optimization.optimizer, iter(built.data.train_batches())


def load_data() -> Dataset:
    """Give CIFAR-10 where this machine has it, else random images of the same number and size."""
    import torch

    from plumbline import PlumblineError, load_dataset
    from plumbline.data import Dataset, ImageSet
    from plumbline.data.catalog import CIFAR10

    try:
        return load_dataset("cifar10", download=False)
    except PlumblineError as error:
        images = torch.randint(0, 256, (COUNT, 3, 32, 32), dtype=torch.uint8)
        split, half = ImageSet(images, torch.arange(COUNT) % 10), (0.5, 0.5, 0.5)
        name = f"{COUNT:,} random images, because {error}"
        return Dataset(name, CIFAR10.classes, split, split, "", source="random", mean=half, std=half)


def matrix_rate(dtype: torch.dtype, *, side: int = 4096, at_least: float = 1.0) -> float:
    """Give the best rate of a square matrix product over `at_least` seconds, in operations a second."""
    import torch

    (left, right), seconds = torch.randn(2, side, side).to(dtype), [0.0]
    while len(seconds) < 3 or sum(seconds) < at_least:
        start = perf_counter()
        left @ right
        seconds.append(perf_counter() - start)
    return 2 * side**3 / min(seconds[1:])


def measure_apart(arm: str, *, steps: int, batch: int) -> Measured:
    """Measure one arm in a new process."""
    command = [sys.executable, __file__, "--arm", arm, "--steps", str(steps), "--batch", str(batch)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"bench.step: the arm {arm} failed with exit code {done.returncode}")
    return Measured(**json.loads(done.stdout))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line, and refuse what cannot be measured before anything is."""
    parser = argparse.ArgumentParser(prog="bench.step", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="processes of each arm (default 3)")
    parser.add_argument("--steps", type=int, default=6, help="measured steps of each process (default 6)")
    parser.add_argument("--batch", type=int, default=256, help="images a step (default 256)")
    parser.add_argument("--out", type=Path, help="a new JSON file for the record, all step times included")
    parser.add_argument("--arm", choices=ARMS, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if min(given.rounds, given.steps) < 1 or given.batch < 2:
        parser.error("expected --rounds and --steps of at least 1 and --batch of at least 2")
    # `fast` holds a tenth out for validation, as the recipe does.
    if (WARM_UP + given.steps) * given.batch > COUNT * 9 // 10:
        parser.error(f"{WARM_UP} warm-up and {given.steps} measured steps of {given.batch} exceed one epoch")
    if given.out is not None and given.out.exists():
        parser.error(f"--out {given.out} exists; give a new name")
    return given


def make_record(rounds: Rounds, *, given: argparse.Namespace) -> dict[str, Any]:
    """Give everything that was measured, and on what."""
    from plumbline.training.journal import now, versions

    return {
        "date": now(),
        "versions": versions(),
        "device": rounds[0]["fast"].device,
        "arguments": {name: getattr(given, name) for name in ("rounds", "steps", "batch")},
        "warm_up_steps": WARM_UP,
        "ratios": ratios(rounds),
        "ratio_median": median(ratios(rounds)),
        "summary": {arm: asdict(summarise([r[arm] for r in rounds], batch=given.batch)) for arm in ARMS},
        "rounds": [{arm: asdict(measured) for arm, measured in one.items()} for one in rounds],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, write the record."""
    given = parse(arguments)
    if given.arm:
        print(json.dumps(asdict(measure(given.arm, steps=given.steps, batch=given.batch))))
        return
    rounds: list[dict[str, Measured]] = [{} for _ in range(given.rounds)]
    for number, one in enumerate(rounds, start=1):
        for arm in ARMS:
            print(f"round {number} of {given.rounds}: {arm} …", file=sys.stderr, flush=True)
            one[arm] = measure_apart(arm, steps=given.steps, batch=given.batch)
            rate = given.batch / median(one[arm].seconds)
            print(f"round {number} of {given.rounds}: {arm} {rate:.1f} images/s", file=sys.stderr, flush=True)
    print(table(rounds, batch=given.batch), end="")
    if given.out is not None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        with given.out.open("x", encoding="utf-8") as file:
            file.write(json.dumps(make_record(rounds, given=given), indent=1) + "\n")


if __name__ == "__main__":
    main()
