"""Lightning data modules over the fast path: whole batches, made on the training device."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from lightning import LightningDataModule

from plumbline.data.augment import normalize, random_crop, random_flip, resize
from plumbline.data.batches import BatchStream, EvaluationBatches, check_batch_size
from plumbline.data.split import stratified_split
from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from plumbline.data.images import Dataset, ImageSet


def stage_size(epoch: int, *, epochs: int, sizes: Sequence[int]) -> int:
    """Give the image size of `epoch` where `sizes` share `epochs` evenly; later epochs keep the last size.

    >>> [stage_size(epoch, epochs=4, sizes=[24, 32]) for epoch in range(5)]
    [24, 24, 32, 32, 32]
    """
    return sizes[min(epoch * len(sizes) // epochs, len(sizes) - 1)]


class ImageDataModule(LightningDataModule):
    """Batches of one data set for a Lightning Trainer: stratified validation split, crop, flip, normalise.

    The images stay uint8 on the device that the Trainer uses (one copy), and every batch is made there.

    Args:
        dataset: what `load_dataset` gives.
        batch_size: training images a step, over all processes together; the last, smaller batch is kept.
        validation_count: how many training images are held out, chosen by `seed`, the same on every machine.
        seed: root of the streams "split", "order" and "augment".
        crop_padding: zeros around an image before the random crop; 0 means no crop.
        flip: mirror half of the images.
        train_sizes: image sizes that share `epochs` evenly, say smaller ones first; empty: as they are.
        epochs: how many epochs `train_sizes` are spread over; needed with more than one size.
        test_size: image size for validation and test; None: as they are.
        dtype: of the images that the model gets; computed in float32.
        channels_last: memory format of these images.
        evaluation_batch_size: images a validation or test step; None: as in training.
        first_epoch: added to the epoch in the random streams, for a second phase that goes on after a first.

    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        batch_size: int,
        validation_count: int,
        seed: int,
        crop_padding: int = 4,
        flip: bool = True,
        train_sizes: Sequence[int] = (),
        epochs: int | None = None,
        test_size: int | None = None,
        dtype: torch.dtype = torch.float32,
        channels_last: bool = False,
        evaluation_batch_size: int | None = None,
        first_epoch: int = 0,
    ) -> None:
        super().__init__()
        if len(train_sizes) > 1 and (epochs is None or epochs < 1):
            raise PlumblineError(
                f"expected the number of epochs that {len(train_sizes)} sizes share, got {epochs}"
            )
        self.dataset = dataset
        self.name = dataset.name
        self.batch_size = batch_size
        self.seed = seed
        self.crop_padding = crop_padding
        self.flip = flip
        self.train_sizes = tuple(train_sizes)
        self.epochs = epochs or 1
        self.test_size = test_size
        self.dtype = dtype
        self.channels_last = channels_last
        self.evaluation_batch_size = evaluation_batch_size or batch_size
        self.first_epoch = first_epoch
        self.splits = stratified_split(dataset.train.labels, validation_count=validation_count, seed=seed)
        check_batch_size(batch_size, count=len(self.splits.train), split="training")
        self._placed: dict[str, ImageSet] = {}

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.dataset.classes)

    @property
    def steps_per_epoch(self) -> int:
        """How many training batches an epoch has."""
        return math.ceil(len(self.splits.train) / self.batch_size)

    def image_set(self, split: str, *, device: torch.device | str = "cpu") -> ImageSet:
        """Give the images of "train", "validation" or "test" on `device`; the last copy made is kept."""
        placed = self._placed.get(split)
        if placed is None or placed.device != torch.device(device):
            placed = self._choose(split).to(device)
            self._placed[split] = placed
        return placed

    def train_batches(
        self, *, device: torch.device | str = "cpu", rank: int = 0, world_size: int = 1
    ) -> BatchStream:
        """Give the training batches, made on `device`; see `BatchStream`."""
        return BatchStream(
            self.image_set("train", device=device),
            batch_size=self.batch_size,
            seed=self.seed,
            augment=self.augment,
            finish=self.finish_training,
            rank=rank,
            world_size=world_size,
            first_epoch=self.first_epoch,
        )

    def evaluation_batches(self, split: str, *, device: torch.device | str = "cpu") -> EvaluationBatches:
        """Give the batches of "train" (not augmented), "validation" or "test" in order, made on `device`."""
        images = self.image_set(split, device=device)
        return EvaluationBatches(images, batch_size=self.evaluation_batch_size, finish=self.finish)

    def augment(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Crop and flip uint8 (N, 3, H, W) at random, as configured."""
        if self.crop_padding:
            images = random_crop(images, padding=self.crop_padding, generator=generator)
        return random_flip(images, generator=generator) if self.flip else images

    def finish_training(self, images: torch.Tensor, epoch: int) -> torch.Tensor:
        """Bring augmented uint8 images to the epoch's size and normalise them."""
        if self.train_sizes:
            images = resize(images, size=stage_size(epoch, epochs=self.epochs, sizes=self.train_sizes))
        return self._normalize(images)

    def finish(self, images: torch.Tensor) -> torch.Tensor:
        """Bring uint8 images to the evaluation size and normalise them."""
        return self._normalize(resize(images, size=self.test_size) if self.test_size else images)

    def train_dataloader(self) -> BatchStream:
        """Give the training batches on the Trainer's device, this process's share of them."""
        trainer = self.trainer
        if trainer is None:
            return self.train_batches()
        return self.train_batches(
            device=trainer.strategy.root_device, rank=trainer.global_rank, world_size=trainer.world_size
        )

    def val_dataloader(self) -> EvaluationBatches | list[EvaluationBatches]:
        """Give the held-out images, all of them in every process; [] where there are none."""
        return self._evaluation_dataloader("validation") if len(self.splits.validation) else []

    def test_dataloader(self) -> EvaluationBatches:
        """Give the test images, all of them in every process."""
        return self._evaluation_dataloader("test")

    def teardown(self, stage: str) -> None:  # noqa: ARG002
        """Let go of the copies on the device."""
        self._placed.clear()

    def _evaluation_dataloader(self, split: str) -> EvaluationBatches:
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        return self.evaluation_batches(split, device=device)

    def _choose(self, split: str) -> ImageSet:
        if split == "test":
            return self.dataset.test
        indices = {"train": self.splits.train, "validation": self.splits.validation}
        if split not in indices:
            raise PlumblineError(f"expected the split train, validation or test, got {split!r}")
        return self.dataset.train.select(indices[split])

    def _normalize(self, images: torch.Tensor) -> torch.Tensor:
        return normalize(
            images,
            mean=self.dataset.mean,
            std=self.dataset.std,
            dtype=self.dtype,
            channels_last=self.channels_last,
        )
