"""What a run will cost here, said before it starts and kept in its record."""

from __future__ import annotations

import torch

from plumbline.benchmarks.flops import training_flops
from plumbline.benchmarks.matrix import matrix_rate
from plumbline.progress import in_words
from plumbline.records import ArithmeticPart
from plumbline.training.build import epochs_of, phases
from plumbline.training.device import Compute
from plumbline.training.request import Request

_SIDE = 2048
# A process that has just begun may stay below half of the processor's rate for a second (docs/log.md), so a
# run that takes longer than a minute is worth a second look.
_SECONDS, _SECONDS_OF_LONG, _LONG = 0.3, 2.0, 60.0


def arithmetic_of(request: Request, *, training_images: int) -> ArithmeticPart:
    """Count the operations of a run's training, and measure how many a second its device does at best."""
    recipe, compute = request.recipe, request.compute
    flop = training_flops(
        recipe,
        num_classes=len(request.dataset.classes),
        images_per_epoch=training_images,
        epochs=range(sum(epochs_of(recipe, phase=phase) for phase in phases(recipe))),
        winograd=compute.winograd,
    )
    rate = _rate(compute, seconds=_SECONDS)
    if flop / rate > _LONG:
        rate = max(rate, _rate(compute, seconds=_SECONDS_OF_LONG))
    return ArithmeticPart(training_flop=flop, matrix_flop_per_second=rate)


def _rate(compute: Compute, *, seconds: float) -> float:
    side = _SIDE if compute.device.type == "cpu" else None
    return matrix_rate(compute.autocast or torch.float32, device=compute.device, side=side, at_least=seconds)


def expectation(arithmetic: ArithmeticPart, *, compute: Compute) -> str:
    """Say the time below which a run cannot be done at the rate that was measured."""
    flop, rate = arithmetic.training_flop, arithmetic.matrix_flop_per_second
    lacks = "" if compute.precision != "fp32" else ", which has no bf16 arithmetic or was not asked to use it"
    beside = ", not counting what Winograd's algorithm does beside its products" if compute.winograd else ""
    return (
        f"Training takes {flop / 1e15:.3g} PFLOP; at {rate / 1e12:.2g} TFLOP/s, the rate of matrix products "
        f"just now on this processor{lacks}, that is {in_words(flop / rate)} at the very least{beside}."
    )
