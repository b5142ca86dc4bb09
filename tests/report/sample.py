"""A finished run with predictions, and a comparison, to report on. Made from a committed record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from plumbline.analysis.chosen import Selection
from plumbline.analysis.comparison import ArmRuns, Comparison, compare_arms
from plumbline.records import Record, RunFolder, read_record, write_record
from plumbline.records.predictions import SplitPredictions, confident_mistakes, write_predictions

RESULTS = Path(__file__).resolve().parents[2] / "results"
IMAGES = 400


def sample_record(**changes: Any) -> Record:  # noqa: ANN401
    return read_record(RESULTS / "resnet18-quick-cifar10-seed7").model_copy(update=changes)


def sample_predictions(*, seed: int = 0, classes: int = 10, first: int = 1000) -> SplitPredictions:
    """Logits that are right about two times in three; indices that are not the positions."""
    random = np.random.default_rng(seed)
    labels = random.integers(classes, size=IMAGES)
    logits = random.normal(size=(IMAGES, classes)).astype(np.float32)
    logits[np.arange(IMAGES), labels] += 2.0
    return SplitPredictions(logits, labels, np.arange(first, first + IMAGES))


def scored_by(test: SplitPredictions, record: Record) -> Record:
    """Give the record with test scores as these predictions have them."""
    right = IMAGES - len(confident_mistakes(test))
    values = {"correct": right, "count": IMAGES, "accuracy": right / IMAGES}
    scores = (s.model_copy(update=values) if s.split == "test" else s for s in record.scores)
    return record.model_copy(update={"scores": tuple(scores)})


def sample_run(
    path: Path,
    *,
    test: SplitPredictions | None = None,
    validation: bool = True,
    **changes: Any,  # noqa: ANN401
) -> RunFolder:
    """Write a run folder with predictions and pictures of its eight most confident mistakes."""
    path.mkdir(parents=True, exist_ok=True)
    folder, test = RunFolder(path), test or sample_predictions()
    record = scored_by(test, sample_record())
    write_record(record.model_copy(update=changes), folder=folder)
    shown = test.indices[confident_mistakes(test)[:8]].tolist()
    picture = np.random.default_rng(1).integers(256, size=(32, 32, 3), dtype=np.uint8)
    write_predictions(folder, split="test", predictions=test, pictures=dict.fromkeys(shown, picture))
    if validation:
        write_predictions(folder, split="validation", predictions=sample_predictions(seed=1))
    steps = "".join(f"{step},train/loss,{3 / step}\n" for step in range(1, 30))
    folder.metrics.write_text(f"step,name,value\n{steps}30,train/lo", encoding="utf-8")
    return folder


def sample_comparison(*, seeds: int = 10, gain: float = 0.01) -> Comparison:
    """Give two recipes over the same seeds, the second better by about `gain`."""
    arms = []
    for label, shift in (("plain", 0.0), ("averaged", gain)):
        records = {}
        for seed in range(1, seeds + 1):
            right = round(10_000 * (0.94 + shift + 0.001 * ((seed * 7 + len(label)) % 5)))
            values = {"correct": right, "count": 10_000, "accuracy": right / 10_000}
            record = sample_record(seed=seed)
            scores = tuple(score.model_copy(update=values) for score in record.scores)
            records[seed] = record.model_copy(update={"scores": scores})
        folders = {seed: f"runs/{label}/seed{seed}" for seed in records}
        arms.append(ArmRuns(label=label, records=records, folders=folders, selection=Selection()))
    return compare_arms(arms)
