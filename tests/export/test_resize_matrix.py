"""Resizing inside an exported graph gives the very grey levels that the run's own resizing gives."""

from __future__ import annotations

import pytest
import torch

from plumbline.data import resize
from plumbline.export.resize_matrix import resize_matrix


@pytest.mark.parametrize(
    ("stored", "size"), [(32, 20), (32, 16), (32, 28), (16, 32), (48, 64), (96, 64), (224, 32), (200, 33)]
)
def test_two_products_are_torchs_integer_kernel(stored: int, size: int) -> None:
    """Every pixel is equal, where images shrink and where they grow."""
    images = torch.randint(
        0, 256, (4, 3, stored, stored), dtype=torch.uint8, generator=torch.Generator().manual_seed(7)
    )
    matrix = resize_matrix(stored, size=size)
    rows = torch.floor(images.float() @ matrix.T + 0.5).clamp(0, 255)
    found = torch.floor(matrix @ rows + 0.5).clamp(0, 255)
    assert torch.equal(found, resize(images, size=size).float())
