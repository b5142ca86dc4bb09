"""Images one by one as PIL pictures, for torchvision transforms in an ordinary DataLoader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset

from plumbline.streams import stream_generator, stream_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from plumbline.data.images import Images


class PictureSet(TorchDataset[tuple[Any, int]]):
    """A split as torch's data sets are: item `i` is (the transformed RGB picture, its label)."""

    def __init__(self, split: Images, *, transform: Callable[[Image.Image], Any]) -> None:
        self._pixels = split.images.permute(0, 2, 3, 1).contiguous().numpy()
        self._labels: list[int] = split.labels.tolist()
        self._transform = transform

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self._transform(Image.fromarray(self._pixels[index])), self._labels[index]


class OrderSampler(Sampler[int]):
    """Gives the indices of an epoch in the order of the stream "order", the same when it is repeated."""

    def __init__(self, count: int, *, seed: int) -> None:
        self._count = count
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch the next pass belongs to, from 0; Lightning does."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        generator = stream_generator(self._seed, "order", self._epoch)
        yield from torch.randperm(self._count, generator=generator).tolist()


def picture_loader(
    pictures: PictureSet, *, batch_size: int, num_workers: int, seed: int, shuffle: bool
) -> DataLoader[tuple[Any, int]]:
    """Give a DataLoader of `pictures`; its workers draw by `seed`, the last batch is kept."""
    return DataLoader(
        pictures,
        batch_size=batch_size,
        sampler=OrderSampler(len(pictures), seed=seed) if shuffle else None,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        pin_memory=torch.cuda.is_available(),
        generator=torch.Generator().manual_seed(stream_seed(seed, "augment")),
    )
