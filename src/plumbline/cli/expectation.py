"""What a run will cost here, said before it starts."""

from __future__ import annotations

import torch

from plumbline.benchmarks.flops import training_flops
from plumbline.benchmarks.matrix import matrix_rate
from plumbline.progress import in_words
from plumbline.training.build import epochs_of, phases
from plumbline.training.request import Request

# A third of a second of matrix products tells the rate well enough for a sentence.
_SIDE, _SECONDS = 2048, 0.3


def expectation(request: Request, *, training_images: int) -> str:
    """Give the arithmetic of a run on a CPU, and the time below which it cannot be done on this one."""
    recipe, compute = request.recipe, request.compute
    flops = training_flops(
        recipe,
        num_classes=len(request.dataset.classes),
        images_per_epoch=training_images,
        epochs=range(sum(epochs_of(recipe, phase=phase) for phase in phases(recipe))),
    )
    rate = matrix_rate(compute.autocast or torch.float32, side=_SIDE, at_least=_SECONDS)
    lacks = "" if compute.precision != "fp32" else ", which has no bf16 arithmetic or was not asked to use it"
    return (
        f"Training takes {flops / 1e15:.3g} PFLOP; at {rate / 1e12:.2g} TFLOP/s, the rate of matrix products "
        f"on this processor{lacks}, that is {in_words(flops / rate)} at the very least."
    )
