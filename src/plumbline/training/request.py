"""What a run was asked to do, and the first record that follows from it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from plumbline.data import Dataset
from plumbline.errors import PlumblineError
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
            winograd=compute.winograd,
        ),
        versions=versions(),
        arithmetic=request.arithmetic,
        leaves_test_alone=request.leaves_test_alone,
    )


def resumed_record(record: Record, *, compute: Compute) -> tuple[Record, tuple[str, ...]]:
    """Give the record of a run that is gone on with, and a sentence for each thing that is another now.

    Another card or another version stands in the record behind the one before it, so that no such run is put
    together with others. Raises PlumblineError for a device of another kind and for another precision.
    """
    device = record.device
    if (device.kind, device.precision) != (compute.device.type, compute.precision):
        raise PlumblineError(
            f"The run was begun with device {device.kind}, precision {device.precision}; now it would have "
            f"device {compute.device.type}, precision {compute.precision}, and figures of neither. Go on "
            f"with --device {device.kind}, or start a new run with another --out."
        )
    was = {"device": device.name, **record.versions}
    known = {"device": compute.name, **versions()}
    both = {name: _then(was.get(name), value) for name, value in known.items()}
    notes = tuple(
        f"The run goes on with {name} {known[name]}; it was begun with {was[name]}."
        for name in known
        if name in was and both[name] != was[name]
    )
    changes = {
        "status": "running",
        "finished": None,
        "resumed": (*record.resumed, now()),
        "device": device.model_copy(update={"name": both.pop("device")}),
        "versions": record.versions | both,
    }
    return record.model_copy(update=changes), notes


def _then(before: str | None, after: str) -> str:
    """Put a second value behind the first, once.

    >>> _then("2.14", "2.15"), _then("2.14, then 2.15", "2.15"), _then("2.15", "2.15")
    ('2.14, then 2.15', '2.14, then 2.15', '2.15')
    """
    if before is None or before.split(", then ")[-1] == after:
        return before or after
    return f"{before}, then {after}"
