"""What a loaded data set is: two splits of small uint8 images, and where they came from."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from plumbline.errors import PlumblineError


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

    def select(self, indices: torch.Tensor) -> ImageSet:
        """Give the images at `indices` (int64 (M,), in that order) as a new set.

        >>> images = torch.zeros(3, 3, 2, 2, dtype=torch.uint8)
        >>> ImageSet(images, torch.tensor([5, 6, 7])).select(torch.tensor([2, 0])).labels
        tensor([7, 5])
        """
        here = indices.to(self.device)
        return ImageSet(self.images.index_select(0, here), self.labels.index_select(0, here))

    def to(self, device: torch.device | str) -> ImageSet:
        """Give the same set on `device` (itself, where it is there already)."""
        if self.device == torch.device(device):
            return self
        return ImageSet(self.images.to(device), self.labels.to(device))


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
    train: ImageSet
    test: ImageSet
    fingerprint: str
    source: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    held_out: torch.Tensor | None = None
    train_names: tuple[str, ...] = ()
    test_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
