"""Pictures that the tests make: folders of noise that any two classes can be told apart in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path


def write_pictures(
    root: Path, *, counts: dict[str, int], size: int = 32, form: str = "png", seed: int = 0
) -> Path:
    """Write `counts[folder]` pictures of noise into each folder below `root`."""
    random = np.random.default_rng(seed)
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = random.integers(0, 256, (size, size, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / folder / f"{number}.{form}")
    return root
