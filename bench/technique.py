"""What a technique that changes no more than the last bits saves in a training step: for docs/methods.

Two arms in turns, each in a process of its own: the step that `plumbline fit` takes by a recipe, with the
technique and without it. `allocator`: the C allocator told to keep large blocks, or with glibc's defaults.
`compile`: through torch.compile, or not. `winograd`: 3x3 convolutions by Winograd's algorithm, on whichever
CPU this is, or by the definition.

Run: python -m bench.technique allocator speed94 results/allocator-NAME.json
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from statistics import median
from unittest.mock import patch

from plumbline.benchmarks import step
from plumbline.benchmarks.kept import check_new, keep, make_record
from plumbline.recipes import apply_settings, load_recipe
from plumbline.training import device

TECHNIQUES = ("allocator", "compile", "winograd")
ARMS = ("without", "with")
ROUNDS, STEPS = 5, 4


def measure(technique: str, *, recipe: str, arm: str) -> list[float]:
    """Give the seconds of each measured step, in this process."""
    compiled = technique == "compile" and arm == "with"
    chosen = apply_settings(load_recipe(recipe), {"compile": True} if compiled else {})
    with _changed(technique, arm=arm, precision=chosen.precision):
        return step.measure("fast", asked=step.StepAsked(recipe=chosen, steps=STEPS)).seconds


def _changed(technique: str, *, arm: str, precision: str) -> AbstractContextManager[object]:
    if (technique, arm) == ("allocator", "without"):
        return patch.object(device, "keep_large_blocks", return_value=False)
    if technique == "winograd":
        compute = replace(device.choose_compute("cpu", precision=precision), winograd=arm == "with")
        return patch.object(step, "choose_compute", return_value=compute)
    return nullcontext()


def measure_apart(technique: str, *, recipe: str, arm: str) -> list[float]:
    """Give the same, measured in a new process."""
    words = [sys.executable, "-m", "bench.technique", technique, recipe, "--arm", arm]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    seconds: list[float] = json.loads(done.stdout)
    return seconds


def main() -> None:
    """Measure both arms, print the medians, and keep every time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("technique", choices=TECHNIQUES)
    parser.add_argument("recipe")
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--arm", choices=ARMS)
    asked = parser.parse_args()
    if asked.arm:
        print(json.dumps(measure(asked.technique, recipe=asked.recipe, arm=asked.arm)))
        return
    check_new(asked.out)
    rounds = [
        {arm: measure_apart(asked.technique, recipe=asked.recipe, arm=arm) for arm in ARMS}
        for _ in range(ROUNDS)
    ]
    ratios = [median(one["without"]) / median(one["with"]) for one in rounds]
    for arm in ARMS:
        print(f"{arm:8} {median(second for one in rounds for second in one[arm]):.3f} s a step")
    print(f"times    {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}, {ROUNDS} rounds)")
    if asked.out:
        asked_for = {"technique": asked.technique, "recipe": asked.recipe, "rounds": ROUNDS, "steps": STEPS}
        content = {"arguments": asked_for, "ratios": ratios, "rounds": rounds}
        keep(make_record(content, device=device.choose_compute("cpu").name), out=asked.out)


if __name__ == "__main__":
    main()
