"""What is known of duplicates without a search: this machine's own findings, then what comes along."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from plumbline.data import ImageSet, load_dataset
from plumbline.data.catalog import CIFAR10
from plumbline.data.duplicate_cache import dataset_duplicates, known_duplicated


def test_the_list_of_cifar10_comes_along() -> None:
    """It belongs to the fingerprint of the real images, names test images only, each once."""
    known = known_duplicated(CIFAR10.fingerprint or "")
    assert known is not None
    assert len(known) == 428
    assert list(known) == sorted(set(known))
    assert 0 <= known[0] <= known[-1] < 10_000


def test_what_was_found_here_is_known_from_then_on(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data set nobody has searched is unknown; after the search its duplicates are known at once."""
    monkeypatch.setenv("PLUMBLINE_CACHE", str(tmp_path))
    digits = load_dataset("digits")
    copied = ImageSet(digits.train.images[[5, 0, 1]], digits.train.labels[[5, 0, 1]])
    few = ImageSet(digits.train.images[2:12], digits.train.labels[2:12])
    dataset = replace(digits, train=few, test=copied, fingerprint="none that is known")
    assert known_duplicated(dataset.fingerprint) is None
    found = dataset_duplicates(dataset)
    assert 0 in found.duplicated
    assert known_duplicated(dataset.fingerprint) == found.duplicated
    assert torch.equal(few.images[3], copied.images[0])
