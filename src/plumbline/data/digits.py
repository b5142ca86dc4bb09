"""The built-in data set: scikit-learn's 1,797 scanned digits, brought to 32x32 RGB. Needs no network.

Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998
(https://doi.org/10.24432/C50P49), the test part, as `sklearn.datasets.load_digits` ships it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from plumbline.data.catalog import IMAGE_SIZE
from plumbline.data.content import RawSplit, assemble, image_digests
from plumbline.data.split import stratified_split

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from plumbline.data.images import Dataset

TEST_COUNT = 360
# A fixed number: the test images are the same in every run, whatever the run's own seed.
_TEST_SEED = 1797
_INK_MAX = 16  # the scans count inked pixels in 4x4 blocks


def upscale_digits(scans: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Enlarge (N, 8, 8) scans with values 0..16 four times, bilinear, into uint8 (N, 3, 32, 32) grey images.

    In whole numbers throughout, so that every machine gets the same bytes.

    >>> upscale_digits(np.full((1, 8, 8), 16)).min()
    np.uint8(255)
    """
    weights = _bilinear_weights(scans.shape[1], factor=IMAGE_SIZE // scans.shape[1])
    # Both passes count in eighths, so the result is in 64ths of an ink step; half a unit is added to round.
    enlarged = weights @ scans.astype(np.int64) @ weights.T
    unit = 64 * _INK_MAX
    grey = ((enlarged * 255 + unit // 2) // unit).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(grey[:, None], (len(grey), 3, *grey.shape[1:])))


def _bilinear_weights(size: int, *, factor: int) -> NDArray[np.int64]:
    """Give the (size·factor, size) interpolation weights in units of 1/(2·factor), edges repeated."""
    weights = np.zeros((size * factor, size), np.int64)
    for row in range(size * factor):
        left, part = divmod(2 * row + 1 - factor, 2 * factor)
        weights[row, max(left, 0)] += 2 * factor - part
        weights[row, min(left + 1, size - 1)] += part
    return weights


def load_digits() -> Dataset:
    """Load the digits: 1,437 training and 360 test images, stratified, always the same ones."""
    from sklearn.datasets import load_digits as load_scans

    scans = load_scans()
    pixels, labels = upscale_digits(scans.images.astype(np.int64)), scans.target.astype(np.int64)
    digests = image_digests(RawSplit(pixels, labels))
    order = np.array(sorted(range(len(digests)), key=digests.__getitem__))
    pixels, labels = pixels[order], labels[order]
    split = stratified_split(torch.from_numpy(labels), validation_count=TEST_COUNT, seed=_TEST_SEED)
    train, test = split.train.numpy(), split.validation.numpy()
    return assemble(
        "digits",
        classes=tuple(str(digit) for digit in range(10)),
        train=RawSplit(pixels[train], labels[train]),
        test=RawSplit(pixels[test], labels[test]),
        source="scikit-learn's built-in digits",
    )
