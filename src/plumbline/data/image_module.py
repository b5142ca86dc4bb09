"""Lightning data modules over the fast path: whole batches, made on the training device."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch
from lightning import LightningDataModule

from plumbline.data.augment import (
    alternating_mask,
    crop_at,
    cut_out,
    draw_jitter,
    draw_mirrored,
    draw_offsets,
    draw_squares,
    flip_where,
    jitter,
    normalize,
    resize,
)
from plumbline.data.batches import BatchStream, EvaluationBatches
from plumbline.data.split import Split, stratified_split
from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from plumbline.data.augment import Fill
    from plumbline.data.batches import Draw
    from plumbline.data.images import Dataset, Images


def stage_size(epoch: int, *, epochs: int, sizes: Sequence[int]) -> int:
    """Give the image size of `epoch` where `sizes` share `epochs` evenly; later epochs keep the last size.

    >>> [stage_size(epoch, epochs=4, sizes=[24, 32]) for epoch in range(5)]
    [24, 24, 32, 32, 32]
    """
    return sizes[min(epoch * len(sizes) // epochs, len(sizes) - 1)]


class ImageDataModule(LightningDataModule):
    """Batches of one data set for a Lightning Trainer: stratified validation split, crop, flip, normalise.

    The images stay uint8 on the device that the Trainer uses (one copy, channels_last whatever the model
    gets: crop and flip are quickest so), and every batch is made there. Images that do not fit into memory
    are read from their file and sent there batch by batch; the batches are the same.

    Args:
        dataset: what `load_dataset` gives.
        batch_size: training images a step, over all processes together; the last, smaller batch is kept.
        validation_count: how many training images are held out, chosen by `seed`, the same on every machine;
            0: none, and no validation. Where the data set says which are held out, these are, whatever the
            number, unless it is 0.
        seed: root of the streams "split", "order", "augment" and "flip".
        crop_padding: pixels added around an image before the random crop; 0 means no crop.
        crop_fill: what these pixels are: zeros, or the image reflected.
        flip: mirror half of the images, drawn anew for every batch; "alternating": half of them in even
            epochs, the other half in odd ones.
        jitter: how far brightness and contrast are moved at random, see `draw_jitter`; 0: not at all.
        cutout: side of the square that is cut out of each image, as a fraction of the image's; 0: none.
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
        crop_fill: Fill = "zeros",
        flip: bool | Literal["alternating"] = True,
        jitter: float = 0.0,
        cutout: float = 0.0,
        train_sizes: Sequence[int] = (),
        epochs: int | None = None,
        test_size: int | None = None,
        dtype: torch.dtype = torch.float32,
        channels_last: bool = False,
        evaluation_batch_size: int | None = None,
        first_epoch: int = 0,
    ) -> None:
        super().__init__()
        _check(train_sizes, epochs=epochs, flip=flip)
        self.dataset = dataset
        self.name = dataset.name
        self.batch_size = batch_size
        self.seed = seed
        self.crop_padding = crop_padding
        self.crop_fill = crop_fill
        self.flip = flip
        self.jitter = jitter
        self.cutout = cutout
        self.train_sizes = tuple(train_sizes)
        self.epochs = epochs or 1
        self.test_size = test_size
        self.dtype = dtype
        self.channels_last = channels_last
        self.evaluation_batch_size = evaluation_batch_size or batch_size
        self.first_epoch = first_epoch
        self.splits = _splits(dataset, validation_count=validation_count, seed=seed)
        self._placed: dict[str, Images] = {}

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.dataset.classes)

    @property
    def steps_per_epoch(self) -> int:
        """How many training batches an epoch has."""
        return math.ceil(len(self.splits.train) / self.batch_size)

    def image_set(self, split: str, *, device: torch.device | str = "cpu") -> Images:
        """Give the images of "train", "validation" or "test" on `device`; the last copy made is kept."""
        placed, wanted = self._placed.get(split), torch.device(device)
        # What lies on cuda:0 is on cuda, and torch calls the two unequal.
        if placed is None or wanted not in (placed.device, torch.device(placed.device.type)):
            chosen = _choose(split, dataset=self.dataset, splits=self.splits)
            placed = self._placed[split] = chosen.to(device).channels_last()
        return placed

    def normalized_images(
        self, split: str, *, count: int, device: torch.device | str = "cpu"
    ) -> torch.Tensor:
        """Give the first `count` images of a split as a model gets them, as float32 (M, 3, H, W).

        Normalised and at their own size, neither augmented nor resized; all of them where there are fewer.
        """
        if count < 1:
            raise PlumblineError(f"expected to give at least 1 normalised image, got a count of {count}")
        # Not by `image_set`: of all images a copy would be made, on the CPU too where training is elsewhere.
        chosen = _choose(split, dataset=self.dataset, splits=self.splits, most=count)
        images = chosen.to(device).channels_last().take(slice(count))
        return normalize(
            images, mean=self.dataset.mean, std=self.dataset.std, channels_last=self.channels_last
        )

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

    def augment(self, images: torch.Tensor, draw: Draw) -> torch.Tensor:
        """Crop and flip uint8 (N, 3, H, W) at random, as configured."""
        offsets = (
            draw_offsets(len(images), padding=self.crop_padding, generator=draw.generator)
            if self.crop_padding
            else None
        )
        mirrored = self._mirrored(draw)
        if offsets is None:
            return images if mirrored is None else flip_where(images, mirrored=mirrored)
        return crop_at(
            images, padding=self.crop_padding, offsets=offsets, fill=self.crop_fill, mirrored=mirrored
        )

    def finish_training(self, images: torch.Tensor, draw: Draw, share: slice) -> torch.Tensor:
        """Bring uint8 images, a share of an augmented batch, to the epoch's size; normalise, light, cut."""
        if self.train_sizes:
            epoch = draw.epoch - self.first_epoch
            images = resize(images, size=stage_size(epoch, epochs=self.epochs, sizes=self.train_sizes))
        return _light_and_cut(
            self._normalize(images), draw=draw, share=share, strength=self.jitter, cutout=self.cutout
        )

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

    def _mirrored(self, draw: Draw) -> torch.Tensor | None:
        if self.flip == "alternating":
            count = len(self.splits.train)
            return alternating_mask(draw.indices, count=count, seed=self.seed, epoch=draw.epoch)
        return draw_mirrored(len(draw.indices), generator=draw.generator) if self.flip else None

    def _evaluation_dataloader(self, split: str) -> EvaluationBatches:
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        return self.evaluation_batches(split, device=device)

    def _normalize(self, images: torch.Tensor) -> torch.Tensor:
        return normalize(
            images,
            mean=self.dataset.mean,
            std=self.dataset.std,
            dtype=self.dtype,
            channels_last=self.channels_last,
        )


def _check(train_sizes: Sequence[int], *, epochs: int | None, flip: object) -> None:
    if len(train_sizes) > 1 and (epochs is None or epochs < 1):
        raise PlumblineError(
            f"expected the number of epochs that {len(train_sizes)} sizes share, got {epochs}"
        )
    if flip not in (True, False, "alternating"):
        raise PlumblineError(f'flip: expected True, False or "alternating", got {flip!r}')


def _light_and_cut(
    images: torch.Tensor, *, draw: Draw, share: slice, strength: float, cutout: float
) -> torch.Tensor:
    count = len(draw.indices)
    if strength:
        lighting = draw_jitter(count, strength=strength, generator=draw.generator)
        images = jitter(images, drawn=lighting[:, share])
    if cutout:
        size = min(images.shape[-2:])
        side = max(1, round(cutout * size))
        corners = draw_squares(count, side=side, size=size, generator=draw.generator)
        images = cut_out(images, corners=corners[:, share], side=side)
    return images


def _choose(split: str, *, dataset: Dataset, splits: Split, most: int | None = None) -> Images:
    if split == "test":
        return dataset.test
    indices = {"train": splits.train, "validation": splits.validation}
    if split not in indices:
        raise PlumblineError(f"expected the split train, validation or test, got {split!r}")
    return dataset.train.select(indices[split][:most])


def _splits(dataset: Dataset, *, validation_count: int, seed: int) -> Split:
    if dataset.held_out is None or not validation_count:
        return stratified_split(dataset.train.labels, validation_count=validation_count, seed=seed)
    kept = torch.ones(len(dataset.train), dtype=torch.bool)
    kept[dataset.held_out] = False
    return Split(train=torch.nonzero(kept).flatten(), validation=torch.nonzero(~kept).flatten())
