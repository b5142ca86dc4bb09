"""Turn a split into batches, on the device where it lies.

Any `lightning.Trainer` takes these as dataloaders: they are iterable, have a length, tell their position
(`state_dict`) and learn the epoch through `sampler.set_epoch`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from plumbline.data.placement import onto
from plumbline.errors import PlumblineError
from plumbline.streams import stream_generator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from plumbline.data.images import Images

    Augment = Callable[[torch.Tensor, "Draw"], torch.Tensor]
    Finish = Callable[[torch.Tensor, "Draw", slice], torch.Tensor]


@dataclass(frozen=True)
class Draw:
    """What a batch is, for its augmentation: which images of the split, in which epoch, with which numbers.

    `indices` is int64 (N,) on the CPU; `epoch` is that of the random streams, the stream's `first_epoch`
    included; `generator` is a CPU generator that stands at the batch's own position.
    """

    indices: torch.Tensor
    epoch: int
    generator: torch.Generator


class EpochSampler:
    """Holds the epoch of a stream; Lightning looks for `sampler.set_epoch` on a dataloader."""

    def __init__(self) -> None:
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch the next pass belongs to, from 0."""
        self.epoch = epoch


class BatchStream:
    """Shuffled, augmented training batches: (images as `finish` gives them, int64 labels).

    The order of an epoch comes from the stream "order" at that epoch, the augmentation of a batch from
    "augment" at (epoch, batch); nothing else is remembered, so a resumed pass goes on exactly where it
    stopped.

    `augment` takes uint8 (N, 3, H, W) and a `Draw`; `finish` takes this process's share of what it gives,
    the same `Draw`, and which slice of the batch the share is.
    `batch_size` counts the images of all `world_size` processes together; this one, `rank`, gets its
    contiguous share of every batch, augmented exactly as in a run of one process. The last, smaller batch is
    kept unless `drop_last`. `first_epoch` is added to every epoch, so that a second training phase need not
    repeat the first one's draws.
    """

    def __init__(
        self,
        split: Images,
        *,
        batch_size: int,
        seed: int,
        augment: Augment,
        finish: Finish,
        drop_last: bool = False,
        rank: int = 0,
        world_size: int = 1,
        first_epoch: int = 0,
    ) -> None:
        if not 1 <= batch_size <= len(split):
            raise PlumblineError(
                f"expected a batch size from 1 to the {len(split):,} training images, got {batch_size:,}"
            )
        last = len(split) % batch_size or batch_size
        if min(batch_size, batch_size if drop_last else last) < world_size:
            raise PlumblineError(
                f"expected an image for each of {world_size} processes in a batch, got a last one of {last} "
                f"({len(split):,} images in batches of {batch_size}); choose another batch size"
            )
        self.split = split
        self.batch_size = batch_size
        self.seed = seed
        self.sampler = EpochSampler()
        self._augment = augment
        self._finish = finish
        self._share = (rank, world_size)
        self._first_epoch = first_epoch
        self._length = len(split) // batch_size if drop_last else math.ceil(len(split) / batch_size)
        self._position = 0
        self._resume_at: dict[str, int] = {}

    def __len__(self) -> int:
        return self._length

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch the next pass belongs to, from 0."""
        self.sampler.set_epoch(epoch)

    def state_dict(self) -> dict[str, int]:
        """Give the epoch and how many of its batches were handed out (0 at its end)."""
        return {"batch": self._position % self._length, "epoch": self.sampler.epoch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Let the next pass of the epoch in `state` start after the batches counted there."""
        position = state["batch"]
        if not 0 <= position < self._length:
            raise PlumblineError(
                f"expected a position from 0 to {self._length - 1} in an epoch of {self._length} batches, "
                f"got {position}: the checkpoint was written with other data or another batch size"
            )
        self._position = position
        self._resume_at = state

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        # A generator: Lightning asks for the iterator before it sets the epoch and loads the position, and
        # nothing here is read before the first batch is wanted.
        epoch = self._first_epoch + self.sampler.epoch
        # The epoch is compared because a pass that was cut short (`limit_train_batches`) is over all the
        # same.
        resume, self._resume_at = self._resume_at, {}
        start = resume.get("batch", 0) if resume.get("epoch", self.sampler.epoch) == self.sampler.epoch else 0
        order = torch.randperm(len(self.split), generator=stream_generator(self.seed, "order", epoch))
        parts = torch.split(order, self.batch_size)[start : self._length]
        for batch, pixels in enumerate(self.split.take_each(parts), start=start):
            made = self._make(pixels, Draw(parts[batch - start], epoch, self._generator(epoch, batch)))
            self._position = batch + 1
            yield made

    def _generator(self, epoch: int, batch: int) -> torch.Generator:
        return stream_generator(self.seed, "augment", epoch, batch)

    def _make(self, pixels: torch.Tensor, draw: Draw) -> tuple[torch.Tensor, torch.Tensor]:
        # The whole batch is augmented before the share is cut out: each image's draw is that of a single
        # process.
        images = self._augment(pixels, draw)
        rank, world_size = self._share
        share = slice(len(images) * rank // world_size, len(images) * (rank + 1) // world_size)
        labels = self.split.labels.index_select(0, onto(draw.indices[share], self.split.device))
        return self._finish(images[share], draw, share), labels


class EvaluationBatches:
    """A whole split in its own order, the last batch kept: (images as `finish` gives them, int64 labels)."""

    def __init__(
        self, split: Images, *, batch_size: int, finish: Callable[[torch.Tensor], torch.Tensor]
    ) -> None:
        if batch_size < 1:
            raise PlumblineError(f"expected a batch size of at least 1, got {batch_size}")
        self.split = split
        self.batch_size = batch_size
        self._finish = finish

    def __len__(self) -> int:
        return math.ceil(len(self.split) / self.batch_size)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        starts = range(0, len(self.split), self.batch_size)
        places = [slice(start, start + self.batch_size) for start in starts]
        for place, images in zip(places, self.split.take_each(places), strict=True):
            yield self._finish(images), self.split.labels[place]
