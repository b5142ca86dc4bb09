"""What tests of whole runs train on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from plumbline.data import Dataset, load_dataset


@pytest.fixture(scope="session")
def few_digits() -> Dataset:
    """Give 100 training and 40 test images."""
    digits = load_dataset("digits")
    return replace(
        digits,
        fingerprint="that of a few digits",
        train=digits.train.select(torch.arange(100)),
        test=digits.test.select(torch.arange(40)),
    )
