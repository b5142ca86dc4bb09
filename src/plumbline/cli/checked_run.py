"""What a trained run says of a data set: likely wrong labels, and its score without the duplicates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from plumbline.analysis import wilson_interval
from plumbline.cli.testing import check_classes
from plumbline.data import Dataset
from plumbline.data.duplicates import NearDuplicates, clean_test_indices
from plumbline.errors import PlumblineError
from plumbline.evaluation import Predictions, Suspect, predict, suspect_labels
from plumbline.inference.run_weights import choose_weights
from plumbline.progress import Progress
from plumbline.records import Record, RunFolder, WeightsName
from plumbline.records.ledger import count_look
from plumbline.training.build import build_data, phases
from plumbline.training.device import choose_compute
from plumbline.training.weights import load_classifier

_SHOWN = 20


@dataclass(frozen=True)
class PartScore:
    """Right answers among some of the test images; none where there are no such images."""

    correct: int
    count: int

    def words(self) -> str:
        """Give accuracy, counts and Wilson's interval."""
        if not self.count:
            return "no such images"
        found = wilson_interval(self.correct, count=self.count)
        return (
            f"{self.correct / self.count:.2%} ({self.correct:,} of {self.count:,}; 95 % interval "
            f"{found.low * 100:.2f} to {found.high * 100:.2f})"
        )


@dataclass(frozen=True)
class RunCheck:
    """Scores on all test images, on those without and with a duplicate in training, and suspect labels.

    The suspects' indices are those of the test split, and of the training split for what was held out.
    """

    weights: WeightsName
    all_images: PartScore
    without_duplicates: PartScore
    duplicates_alone: PartScore
    held_out: int
    suspects: dict[str, tuple[Suspect, ...]]

    def lines(self, classes: tuple[str, ...]) -> Iterator[str]:
        """Say it."""
        yield f"accuracy of the {self.weights} weights on all test images: {self.all_images.words()}"
        yield f"  without those that have a duplicate in training: {self.without_duplicates.words()}"
        yield f"  on those alone: {self.duplicates_alone.words()}"
        held = f" and the {self.held_out:,} held out" if self.held_out else ""
        yield (
            f"labels that the model confidently disagrees with, among the test images{held} "
            "(it has learnt the others' labels by heart); most are its mistakes, so look at them:"
        )
        for split, suspects in self.suspects.items():
            for suspect in suspects[:_SHOWN]:
                yield (
                    f"  {split} {suspect.index}: labelled {classes[suspect.label]} "
                    f"({suspect.label_probability:.4f}), model says {classes[suspect.predicted]} "
                    f"({suspect.predicted_probability:.4f})"
                )
            if len(suspects) > _SHOWN:
                yield f"  and {len(suspects) - _SHOWN:,} more in {split}: --json FILE lists all"
            if not suspects:
                yield f"  {split}: none"


def check_run(
    record: Record, *, folder: Path, dataset: Dataset, duplicates: NearDuplicates, progress: Progress
) -> RunCheck:
    """Score a run's final weights on the images it was not trained on.

    Raises PlumblineError where the run was made on other images: nothing would then be known to be new to it.
    """
    check_classes(dataset, record=record)
    if dataset.fingerprint != record.dataset.fingerprint:
        raise PlumblineError(
            f"--run {folder} was trained on other images (fingerprint {record.dataset.fingerprint[:16]}…) "
            f"than {dataset.name} from {dataset.source} ({dataset.fingerprint[:16]}…), so which of these it "
            "has seen is not known. Check the data that it was trained on."
        )
    run = RunFolder(folder)
    weights = choose_weights(None, folder=run)
    compute = choose_compute("auto", precision=record.recipe.precision)
    classifier = load_classifier(run.checkpoint(weights), compute=compute)
    data = build_data(
        record.recipe, phase=phases(record.recipe)[-1], dataset=dataset, seed=record.seed, compute=compute
    )
    held_out = data.splits.validation
    said: dict[str, Predictions] = {}
    for split in ("test", "validation") if len(held_out) else ("test",):
        batches = data.evaluation_batches(split, device=compute.device)
        said[split] = predict(classifier, batches=batches, autocast=compute.autocast, progress=progress)
    looked = count_look(
        dataset.fingerprint,
        dataset=dataset.name,
        run=str(folder.resolve()),
        digest=record.digest,
        views=1,
        weights=weights,
    )
    if looked is not None:
        progress.say(looked)
    right = said["test"].logits.argmax(dim=1) == said["test"].labels
    clean = torch.zeros(len(right), dtype=torch.bool)
    clean[clean_test_indices(duplicates.duplicated, test_count=len(right))] = True
    suspects = {"test": suspect_labels(said["test"])}
    if len(held_out):
        suspects["training"] = tuple(_moved(found, held_out) for found in suspect_labels(said["validation"]))
    return RunCheck(
        weights=weights,
        all_images=PartScore(int(right.sum()), len(right)),
        without_duplicates=PartScore(int(right[clean].sum()), int(clean.sum())),
        duplicates_alone=PartScore(int(right[~clean].sum()), int((~clean).sum())),
        held_out=len(held_out),
        suspects=suspects,
    )


def _moved(found: Suspect, held_out: torch.Tensor) -> Suspect:
    return Suspect(**vars(found) | {"index": int(held_out[found.index])})
