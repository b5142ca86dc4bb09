"""`fit` beside a bare loop: both train the same network, and both clocks see the same steps."""

from __future__ import annotations

from dataclasses import replace
from time import sleep
from typing import TYPE_CHECKING

import pytest
import torch

from benchmarks.small import small_dataset, small_recipe
from plumbline.benchmarks import overhead
from plumbline.benchmarks.overhead import (
    WARM_UP,
    Overhead,
    OverheadAsked,
    OverheadRound,
    StepClock,
    measure_overhead,
    record_of,
)
from plumbline.data.catalog import CIFAR10
from plumbline.errors import PlumblineError
from plumbline.training import scoring
from plumbline.training.device import choose_compute

if TYPE_CHECKING:
    from plumbline.recipes import Recipe


def asked_for(recipe: Recipe, *, steps: int = 2) -> OverheadAsked:
    compute = choose_compute("cpu", precision="fp32")
    return OverheadAsked(recipe=recipe, compute=compute, rounds=1, steps=steps, matrix_side=64)


def test_both_sides_do_the_same_step() -> None:
    """After all steps the weights of both are equal bit for bit: the bare loop leaves out nothing."""
    asked = asked_for(small_recipe())
    measured = measure_overhead(asked)
    (one,) = measured.rounds
    assert one.weights_differ_by == 0
    assert one.fit_seconds > 0
    assert one.bare_seconds > 0
    record = record_of(measured, asked=asked)
    assert record["ratio_median"] == one.fit_seconds / one.bare_seconds
    assert record["rounds"][0]["weights_differ_by"] == 0


def test_test_images_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A set whose duplicates are known is measured too: nothing is scored, and no look at a test counted."""
    images = replace(small_dataset(), fingerprint=CIFAR10.fingerprint or "")
    monkeypatch.setattr(overhead, "load_images", lambda: images)
    asked = asked_for(small_recipe())
    monkeypatch.setattr(scoring, "count_look", pytest.fail)
    (one,) = measure_overhead(asked).rounds
    assert one.weights_differ_by == 0


def test_the_clock_runs_between_its_two_marks() -> None:
    """What happens between the ends of two training steps is counted, what is before and after is not."""
    clock = StepClock((1, 3), device=torch.device("cpu"))
    with clock.task("compile", total=1, unit="image sizes") as task:
        task.advance()
    with clock.task("fit", total=5, unit="steps") as task:
        for pause in (0.2, 0.01, 0.01, 0.2, 0.2):
            sleep(pause)
            task.advance()
    began, ended = clock.times
    assert 0.02 <= ended - began < 0.2


def test_the_ratio_is_the_median_of_the_rounds() -> None:
    """One disturbed round moves nothing."""
    rounds = [OverheadRound(1.02, 1.0, 0.0), OverheadRound(1.01, 1.0, 0.0), OverheadRound(9.0, 1.0, 0.0)]
    assert Overhead(tuple(rounds), floor_seconds=0.5).ratio == 1.02


def test_more_steps_than_there_are_images_are_refused() -> None:
    """50,000 images are no 50 steps of 1,000 with warm-up."""
    recipe = small_recipe(batch_size=1000)
    with pytest.raises(PlumblineError, match=f"{WARM_UP} warm-up and 50 measured steps of 1000 images"):
        measure_overhead(asked_for(recipe, steps=50))


def test_fp16_is_refused() -> None:
    """`fit` scales gradients there and the bare loop would not: that is not the same step."""
    asked = asked_for(small_recipe())
    with pytest.raises(PlumblineError, match="Take bf16 or fp32"):
        measure_overhead(replace(asked, compute=replace(asked.compute, precision="fp16")))
