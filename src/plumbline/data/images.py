"""What a loaded data set is: two splits of small uint8 images, in memory or in a file, and their origin."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import torch

from plumbline.data.placement import onto
from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from plumbline.data.row_file import RowFile


@dataclass(frozen=True)
class ImageSet:
    """One split: `images` is uint8 (N, 3, H, W), `labels` is int64 (N,), both on the same device."""

    images: torch.Tensor
    labels: torch.Tensor

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.ndim != 4 or self.images.shape[1] != 3:
            raise PlumblineError(
                "expected images as uint8 of shape (N, 3, H, W), "
                f"got {self.images.dtype} of shape {tuple(self.images.shape)}"
            )
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1]:
            raise PlumblineError(
                f"expected one int64 label for each of {len(self.images)} images, "
                f"got {self.labels.dtype} of shape {tuple(self.labels.shape)}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def device(self) -> torch.device:
        """Where the images lie."""
        return self.images.device

    @property
    def image_size(self) -> int:
        """The images' height in pixels."""
        return self.images.shape[2]

    def take(self, where: torch.Tensor | slice) -> torch.Tensor:
        """Give the images at `where`, int64 (M,) in that order or a slice, in the set's memory format."""
        if isinstance(where, slice):
            return self.images[where]
        here = onto(where, self.device)
        # torch's index_select takes channels_last value by value and gives it contiguous.
        if self.images.is_contiguous():
            return self.images.index_select(0, here)
        return self.images.permute(0, 2, 3, 1).index_select(0, here).permute(0, 3, 1, 2)

    def take_each(self, places: Iterable[torch.Tensor | slice]) -> Iterator[torch.Tensor]:
        """Give what `take` gives for each of `places`."""
        return map(self.take, places)

    def select(self, indices: torch.Tensor) -> ImageSet:
        """Give the images at `indices` (int64 (M,), in that order) as a new set.

        >>> images = torch.zeros(3, 3, 2, 2, dtype=torch.uint8)
        >>> ImageSet(images, torch.tensor([5, 6, 7])).select(torch.tensor([2, 0])).labels
        tensor([7, 5])
        """
        return ImageSet(self.take(indices), self.labels.index_select(0, indices.to(self.device)))

    def to(self, device: torch.device | str) -> ImageSet:
        """Give the same set on `device` (itself, where it is there already)."""
        if self.device == torch.device(device):
            return self
        return ImageSet(self.images.to(device), self.labels.to(device))

    def channels_last(self) -> ImageSet:
        """Give the same set in the memory format in which crop and flip are quickest."""
        return ImageSet(self.images.contiguous(memory_format=torch.channels_last), self.labels)


@dataclass(frozen=True)
class StoredImageSet:
    """One split whose images lie in a file and are read when they are wanted, as an `ImageSet` gives them.

    `rows` is int64 (N,) on the CPU, the images' rows in `file`; `labels` is int64 (N,) on the device that
    images are sent to.
    """

    file: RowFile
    rows: torch.Tensor
    labels: torch.Tensor

    def __post_init__(self) -> None:
        if self.labels.dtype != torch.int64 or self.labels.shape != self.rows.shape:
            raise PlumblineError(
                f"expected one int64 label for each of {len(self.rows)} images, "
                f"got {self.labels.dtype} of shape {tuple(self.labels.shape)}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def device(self) -> torch.device:
        """Where the images are sent."""
        return self.labels.device

    @property
    def image_size(self) -> int:
        """The images' height in pixels."""
        return self.file.side

    @property
    def images(self) -> torch.Tensor:
        """All images, uint8 (N, 3, S, S), read into memory anew each time: rather `take` what you need."""
        return self.in_memory().images

    def take(self, where: torch.Tensor | slice) -> torch.Tensor:
        """Give the images at `where`, int64 (M,) in that order or a slice, channels_last."""
        rows = self.rows[where if isinstance(where, slice) else where.cpu()]
        return onto(self.file.read(rows), self.device)

    def take_each(self, places: Iterable[torch.Tensor | slice]) -> Iterator[torch.Tensor]:
        """Give what `take` gives for each of `places`; a thread reads one ahead."""
        waiting: Future[torch.Tensor] | None = None
        with ThreadPoolExecutor(1, thread_name_prefix="plumbline-read-ahead") as pool:
            for place in places:
                following = pool.submit(self.take, place)
                if waiting is not None:
                    yield waiting.result()
                waiting = following
            if waiting is not None:
                yield waiting.result()

    def select(self, indices: torch.Tensor) -> StoredImageSet:
        """Give the images at `indices`, int64 (M,), in that order, as a new set on the same file."""
        return StoredImageSet(
            self.file, self.rows[indices.cpu()], self.labels.index_select(0, indices.to(self.device))
        )

    def to(self, device: torch.device | str) -> StoredImageSet:
        """Give the same set, its images sent to `device` when they have been read."""
        return StoredImageSet(self.file, self.rows, self.labels.to(device))

    def in_memory(self) -> ImageSet:
        """Give the same set with all its images read, channels_last."""
        return ImageSet(self.take(slice(None)), self.labels)

    def channels_last(self) -> StoredImageSet:
        """Give the set itself: its rows are in that format."""
        return self


Images: TypeAlias = ImageSet | StoredImageSet


@dataclass(frozen=True)
class Dataset:
    """A data set in canonical order: any mirror of the same images gives the same tensors.

    `fingerprint` is a hash of pixels and labels, whatever the file format and row order were; `source` says
    in words where the data came from; `mean` and `std` are those of the training images on the 0..1 scale.
    Pictures of one's own also have `held_out`, int64 indices into `train` of the images that are always the
    validation split (None: a run draws its own by its seed); the files' names in the order of each split; and
    `notes`, one line for each thing that a person should know of how the pictures were taken in.
    """

    name: str
    classes: tuple[str, ...]
    train: Images
    test: Images
    fingerprint: str
    source: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    held_out: torch.Tensor | None = None
    train_names: tuple[str, ...] = ()
    test_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
