"""Resizing as a matrix product: exact, fast, and the same in every format and runtime."""

from __future__ import annotations

import numpy as np
import torch

_LARGEST = 2**15  # torch keeps the weights as 16-bit integers


def resize_matrix(stored: int, *, size: int) -> torch.Tensor:
    """Give the float32 (size, stored) weights that `plumbline.data.resize` takes lines of uint8 pixels by.

    A triangle as wide as the step between two new pixels, two old pixels at least, around the place of each,
    cut off at the edges; its weights add up to one and are rounded to a power of two as torch's are (seen in
    aten/src/ATen/native/cpu/UpSampleKernel.cpp, torch 2.15), so that products in float32 are whole numbers.

    >>> resize_matrix(4, size=2)
    tensor([[0.4286, 0.4286, 0.1429, 0.0000],
            [0.0000, 0.1429, 0.4286, 0.4286]])
    """
    step = stored / size
    support = max(step, 1.0)
    centers = step * (np.arange(size) + 0.5)
    distances = np.abs(np.arange(stored)[None] + 0.5 - centers[:, None]) / support
    weights = np.clip(1 - distances, 0, None)
    weights /= weights.sum(axis=1, keepdims=True)
    unit = 2 ** _precision(float(weights.max()))
    return torch.from_numpy((np.floor(weights * unit + 0.5) / unit).astype(np.float32))


def _precision(largest: float) -> int:
    """Give the most bits after the point, 22 at most, with which the largest weight still fits."""
    return max(bits for bits in range(23) if np.floor(0.5 + largest * 2**bits) < _LARGEST)
