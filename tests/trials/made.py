"""Records as runs leave them, made up: only what is compared is of interest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.recipes import apply_settings, load_recipe
from plumbline.records import (
    Counts,
    DatasetPart,
    DevicePart,
    PhasePart,
    Record,
    RunFolder,
    ScorePart,
    write_record,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from plumbline.records import PhaseName, WeightsName

VERSIONS = {"plumbline": "0.1.0", "torch": "2.15.0", "torchvision": "0.29.2", "python": "3.11.7"}


def made_score(
    correct: int, *, phase: PhaseName = "average", weights: WeightsName = "averaged", views: int = 1
) -> ScorePart:
    """Give a score on 10,000 test images."""
    part = {"phase": phase, "weights": weights, "split": "test", "views": views}
    return ScorePart.model_validate(
        part | {"accuracy": correct / 10_000, "correct": correct, "count": 10_000, "loss": 0.5}
    )


def made_record(
    seed: int, *, averaged: int = 9500, raw: int = 9400, settings: Mapping[str, object] | None = None
) -> Record:
    """Give a finished run of 4 + 2 epochs, with its correct test images of 10,000."""
    recipe = apply_settings(load_recipe("resnet18-quick"), settings or {})
    counts = Counts(train=45_000, validation=5_000, test=10_000)
    phases: tuple[tuple[PhaseName, int], ...] = (("fit", 4), ("average", 2))
    return Record(
        status="finished",
        title="made",
        recipe=recipe,
        digest=recipe.digest,
        seed=seed,
        command="plumbline fit",
        started="2026-01-01T00:00:00+00:00",
        dataset=DatasetPart(name="cifar10", fingerprint="f" * 64, source="", classes=("a",), counts=counts),
        device=DevicePart(
            kind="cpu",
            name="A CPU",
            count=1,
            threads=2,
            precision="fp32",
            channels_last=True,
            allocator_tuned=True,
        ),
        versions=VERSIONS,
        phases=tuple(
            PhasePart(name=name, epochs=epochs, steps=9, steps_per_epoch=3, seconds=1.0, finished=True)
            for name, epochs in phases
        ),
        scores=(
            made_score(raw - 100, phase="fit", weights="raw"),
            made_score(raw, weights="raw"),
            made_score(averaged),
        ),
    )


def write_run(record: Record, *, folder: Path) -> Path:
    """Write a run folder."""
    folder.mkdir(parents=True)
    write_record(record, folder=RunFolder(folder))
    return folder


def write_runs(folder: Path, *, averaged: tuple[int, ...], **settings: object) -> Path:
    """Write finished runs of seeds from 1 on, with their correct test images."""
    for seed, correct in enumerate(averaged, start=1):
        record = made_record(seed, averaged=correct, raw=correct - 70 - seed, settings=settings)
        write_run(record, folder=folder / f"seed{seed}")
    return folder
