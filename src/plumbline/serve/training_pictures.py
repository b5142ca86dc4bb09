"""The pictures that a run was trained on: those of its data that were not held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from plumbline.data import Dataset
from plumbline.data.split import stratified_split
from plumbline.errors import PlumblineError
from plumbline.inference.trained import TrainedModel
from plumbline.progress import Silent


class NotWanted(Exception):  # noqa: N818
    """Nobody waits for the pictures any more."""


class UntilStopped(Silent):
    """A `Progress` that shows nothing; once `is_stopped`, the next step of the work raises NotWanted."""

    def __init__(self, is_stopped: Callable[[], bool]) -> None:
        self._is_stopped = is_stopped

    def advance(self, amount: int = 1) -> None:  # noqa: ARG002
        """Go on, or raise NotWanted."""
        if self._is_stopped():
            raise NotWanted


@dataclass(frozen=True)
class TrainingPictures:
    """Images by their index, int64, in the data set's training images; `indices` are those trained on."""

    dataset: Dataset
    indices: torch.Tensor

    def images(self, where: torch.Tensor) -> torch.Tensor:
        """Give uint8 (M, 3, S, S) at the indices `where`."""
        return self.dataset.train.take(where)

    def labels(self, where: torch.Tensor) -> torch.Tensor:
        """Give int64 (M,) at the indices `where`."""
        return self.dataset.train.labels[where]


def open_training_pictures(dataset: Dataset, *, trained: TrainedModel) -> TrainingPictures:
    """Choose from the data of a run what it was trained on, by its record.

    Raises PlumblineError for other data than the run's.
    """
    record = trained.record
    if dataset.fingerprint != record.dataset.fingerprint:
        raise PlumblineError(
            f"{dataset.source} holds other pictures than the run was trained on: their fingerprint begins "
            f"with {dataset.fingerprint[:12]}, the recorded one with {record.dataset.fingerprint[:12]}. "
            "Name the right folder with --data."
        )
    held_out = record.dataset.counts.validation
    if dataset.held_out is not None and held_out:
        kept = torch.ones(len(dataset.train), dtype=torch.bool)
        kept[dataset.held_out] = False
        return TrainingPictures(dataset, torch.nonzero(kept).flatten())
    split = stratified_split(dataset.train.labels, validation_count=held_out, seed=record.seed)
    return TrainingPictures(dataset, split.train)
