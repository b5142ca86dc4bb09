"""Content, not files: the canonical order of images, their fingerprint, and what makes them a data set.

The digest of an image is the sha256 of its official CIFAR record (one label byte, then planar RGB), so files
in another format or another row order give the same digests. Sorting by digest gives the one canonical order,
hence the same split and the same training run from any mirror.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from plumbline.data.images import Dataset, ImageSet
from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_CHUNK = 1000


@dataclass(frozen=True)
class RawSplit:
    """A split as read from files, in their order: uint8 `pixels` (N, 3, H, W), int64 `labels` (N,)."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class ChannelStatistics:
    """Mean and population standard deviation of red, green and blue, on the 0..1 scale.

    The deviation of a channel that is constant is given as 1.0: what is divided by it stays as it is.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def join_splits(parts: Sequence[RawSplit]) -> RawSplit:
    """Put the parts of one split (shards, batch files) behind one another."""
    if len(parts) == 1:
        return parts[0]
    return RawSplit(
        np.concatenate([part.pixels for part in parts]), np.concatenate([part.labels for part in parts])
    )


def check_split(raw: RawSplit, *, split: str, count: int | None, classes: int) -> None:
    """Raise `PlumblineError` unless the split has `count` images and every label is in 0..classes - 1."""
    if count is not None and len(raw.labels) != count:
        raise PlumblineError(f"expected {count:,} {split} images, got {len(raw.labels):,}")
    wrong = np.flatnonzero((raw.labels < 0) | (raw.labels >= classes))
    if len(wrong):
        raise PlumblineError(
            f"expected labels from 0 to {classes - 1} in the {split} split, "
            f"got {raw.labels[wrong[0]]} at row {wrong[0]:,} ({len(wrong):,} such rows)"
        )


def label_bytes(classes: int) -> int:
    """Give how many bytes a label takes in an image's record: one up to 256 classes, four above.

    >>> label_bytes(256), label_bytes(257)
    (1, 4)
    """
    return 1 if classes <= 256 else 4


def image_digest(planar: bytes, *, label: int, classes: int) -> bytes:
    """Give the sha256 of one image's record: its label, big-endian, then its pixels (3, H, W).

    >>> image_digest(bytes(12), label=7, classes=10) == hashlib.sha256(bytes([7]) + bytes(12)).digest()
    True
    """
    record = hashlib.sha256(label.to_bytes(label_bytes(classes), "big"))
    record.update(planar)
    return record.digest()


def image_digests(raw: RawSplit, *, classes: int = 256) -> list[bytes]:
    """Give `image_digest` of each image of a split.

    >>> raw = RawSplit(np.zeros((1, 3, 2, 2), np.uint8), np.array([7]))
    >>> image_digests(raw) == [image_digest(bytes(12), label=7, classes=10)]
    True
    """
    labels = raw.labels.astype(">u4")[:, None].view(np.uint8)[:, -label_bytes(classes) :]
    records = np.concatenate([labels, raw.pixels.reshape(len(raw.labels), -1)], axis=1)
    return [hashlib.sha256(record).digest() for record in records]


def content_fingerprint(name: str, *, train: Sequence[bytes], test: Sequence[bytes]) -> str:
    """Give the hash of a data set from the digests of its images, in whatever order they come."""
    whole = hashlib.sha256(name.encode())
    for split in (train, test):
        whole.update(len(split).to_bytes(8, "big"))
        whole.update(b"".join(sorted(split)))
    return whole.hexdigest()


def canonical_set(raw: RawSplit, *, digests: Sequence[bytes]) -> ImageSet:
    """Give the split sorted by digest, as tensors that own their memory."""
    order = np.array(sorted(range(len(digests)), key=digests.__getitem__), dtype=np.int64)
    return ImageSet(torch.from_numpy(raw.pixels[order]), torch.from_numpy(raw.labels[order]))


def channel_statistics(images: torch.Tensor) -> ChannelStatistics:
    """Give the statistics of uint8 images (N, 3, H, W), the same to the last bit on every machine.

    >>> channel_statistics(torch.full((2, 3, 4, 4), 51, dtype=torch.uint8)).mean
    (0.2, 0.2, 0.2)
    """
    sums = channel_sums(images)
    return statistics_of_sums(sums[0].tolist(), squares=sums[1].tolist(), count=images.numel() // 3)


def channel_sums(images: torch.Tensor) -> torch.Tensor:
    """Give the sums of each channel's values and of their squares, exact: float64 (2, 3), on the CPU.

    >>> channel_sums(torch.full((1, 3, 2, 2), 3, dtype=torch.uint8)).tolist()
    [[12.0, 12.0, 12.0], [36.0, 36.0, 36.0]]
    """
    total = torch.zeros(3, dtype=torch.float64)
    squares = torch.zeros(3, dtype=torch.float64)
    for chunk in torch.split(images, _CHUNK):
        # Row sums stay below 2**24 up to 258 pixels a row, so float32 holds them exactly, as float64 holds
        # the rest.
        values = chunk.to(torch.float32 if images.shape[-1] <= 256 else torch.float64)
        total += values.sum(3).sum((0, 2), dtype=torch.float64).cpu()
        squares += values.square_().sum(3).sum((0, 2), dtype=torch.float64).cpu()
    return torch.stack([total, squares])


def statistics_of_sums(total: Sequence[float], *, squares: Sequence[float], count: int) -> ChannelStatistics:
    """Give the statistics of `count` pixels from each channel's sums of their values, 0 to 255, and squares.

    >>> statistics_of_sums([51, 0, 255], squares=[2601, 0, 65025], count=1)
    ChannelStatistics(mean=(0.2, 0.0, 1.0), std=(1.0, 1.0, 1.0))
    """
    mean = [value / count for value in total]
    spread = [
        max(square / count - center**2, 0.0) ** 0.5 for square, center in zip(squares, mean, strict=True)
    ]
    red, green, blue = (value / 255 for value in mean)
    red_std, green_std, blue_std = (value / 255 or 1.0 for value in spread)
    return ChannelStatistics((red, green, blue), (red_std, green_std, blue_std))


def assemble(
    name: str,
    *,
    classes: tuple[str, ...],
    train: RawSplit,
    test: RawSplit,
    source: str,
    fingerprint: str | None = None,
) -> Dataset:
    """Check labels, sort both splits and give the data set; refuse one that differs from `fingerprint`."""
    for split, raw in (("training", train), ("test", test)):
        check_split(raw, split=split, count=None, classes=len(classes))
    train_digests, test_digests = (image_digests(raw, classes=len(classes)) for raw in (train, test))
    found = content_fingerprint(name, train=train_digests, test=test_digests)
    if fingerprint is not None and found != fingerprint:
        raise PlumblineError(
            f"the images or labels of {source} are not those of {name}: expected the content hash "
            f"{fingerprint[:16]}…, got {found[:16]}…; get the data anew or name another folder"
        )
    images = canonical_set(train, digests=train_digests)
    statistics = channel_statistics(images.images)
    return Dataset(
        name=name,
        classes=classes,
        train=images,
        test=canonical_set(test, digests=test_digests),
        fingerprint=found,
        source=source,
        mean=statistics.mean,
        std=statistics.std,
    )
