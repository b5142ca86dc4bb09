import numpy as np
import torch
from torch.nn import functional

from plumbline.data.digits import load_digits, upscale_digits
from plumbline.data.load import load_dataset


def test_digits_are_pinned() -> None:
    """The digits are the same bytes and the same split on every machine."""
    dataset = load_dataset("digits")
    assert dataset.fingerprint == "059698b0ea26a67c7e51d7563b073a959ecae4c3b0aba569e0b0b2c9783fb463"
    assert (len(dataset.train), len(dataset.test)) == (1437, 360)
    assert dataset.train.images.shape[1:] == (3, 32, 32)
    assert torch.equal(dataset.test.images, load_digits().test.images)


def test_test_split_is_stratified() -> None:
    """Each digit has its share of the test images, within one."""
    dataset = load_digits()
    train, test = torch.bincount(dataset.train.labels), torch.bincount(dataset.test.labels)
    assert ((test - (train + test) * 360 / 1797).abs() < 1).all()


def test_enlarging_is_bilinear() -> None:
    """The whole-number enlargement is torch's bilinear one, rounded."""
    scans = np.random.default_rng(1).integers(0, 17, (5, 8, 8))
    values = torch.from_numpy(scans)[:, None].double() * 255 / 16
    expected = functional.interpolate(values, scale_factor=4, mode="bilinear", align_corners=False)
    difference = (torch.from_numpy(upscale_digits(scans)) - expected).abs()
    assert difference.max() <= 0.5
