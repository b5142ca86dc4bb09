"""What a run was asked to do, and the first record that follows from it."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from plumbline.data import Dataset
from plumbline.recipes import Recipe, title
from plumbline.records import Counts, DatasetPart, DevicePart, Record
from plumbline.training.device import Compute
from plumbline.training.journal import now, versions


@dataclass(frozen=True)
class Request:
    """What a run was asked to do; `command` is how it was asked, word for word."""

    recipe: Recipe
    dataset: Dataset
    seed: int
    compute: Compute
    command: str


def first_record(request: Request, *, counts: Counts) -> Record:
    """Give the record as it stands before anything is trained."""
    recipe, dataset, compute = request.recipe, request.dataset, request.compute
    return Record(
        status="running",
        title=title(recipe),
        recipe=recipe,
        digest=recipe.digest,
        seed=request.seed,
        command=request.command,
        started=now(),
        dataset=DatasetPart(
            name=dataset.name,
            fingerprint=dataset.fingerprint,
            source=dataset.source,
            classes=dataset.classes,
            counts=counts,
        ),
        device=DevicePart(
            kind=compute.device.type,
            name=compute.name,
            count=compute.count,
            threads=torch.get_num_threads(),
            precision=compute.precision,
            channels_last=compute.channels_last,
            allocator_tuned=compute.allocator_tuned,
        ),
        versions=versions(),
    )


def is_first_process() -> bool:
    """Tell whether this process is the one of several that writes.

    Lightning and torchrun set these variables.
    """
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))) == 0
