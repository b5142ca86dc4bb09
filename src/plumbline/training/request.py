"""What a run was asked to do, and the first record that follows from it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from plumbline.data import Dataset
from plumbline.recipes import Recipe, title
from plumbline.records import ArithmeticPart, Counts, DatasetPart, DevicePart, Record
from plumbline.training.device import Compute
from plumbline.training.journal import now, versions


@dataclass(frozen=True)
class Request:
    """What a run was asked to do; `command` is how it was asked, word for word.

    `arithmetic` is what is known beforehand of its cost. A run that `leaves_test_alone` scores no test image.
    """

    recipe: Recipe
    dataset: Dataset
    seed: int
    compute: Compute
    command: str
    arithmetic: ArithmeticPart | None = None
    leaves_test_alone: bool = False


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
            image_size=dataset.train.image_size if dataset.train_names else None,
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
        arithmetic=request.arithmetic,
        leaves_test_alone=request.leaves_test_alone,
    )
