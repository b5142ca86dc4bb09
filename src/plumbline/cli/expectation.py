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

# A third of a second of matrix products tells the rate well enough for a sentence.
_SIDE, _SECONDS = 2048, 0.3


def arithmetic_of(request: Request, *, training_images: int) -> ArithmeticPart:
    """Count the operations of a run's training, and measure how many a second its device does at best."""
    recipe, compute = request.recipe, request.compute
    flop = training_flops(
        recipe,
        num_classes=len(request.dataset.classes),
        images_per_epoch=training_images,
        epochs=range(sum(epochs_of(recipe, phase=phase) for phase in phases(recipe))),
    )
    is_cpu = compute.device.type == "cpu"
    rate = matrix_rate(
        compute.autocast or torch.float32,
        device=compute.device,
        side=_SIDE if is_cpu else None,
        at_least=_SECONDS,
    )
    return ArithmeticPart(training_flop=flop, matrix_flop_per_second=rate)


def expectation(arithmetic: ArithmeticPart, *, compute: Compute) -> str:
    """Say the time below which a run cannot be done on this processor."""
    flop, rate = arithmetic.training_flop, arithmetic.matrix_flop_per_second
    lacks = "" if compute.precision != "fp32" else ", which has no bf16 arithmetic or was not asked to use it"
    return (
        f"Training takes {flop / 1e15:.3g} PFLOP; at {rate / 1e12:.2g} TFLOP/s, the rate of matrix products "
        f"on this processor{lacks}, that is {in_words(flop / rate)} at the very least."
    )
