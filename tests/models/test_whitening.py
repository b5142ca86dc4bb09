"""Whitened patches are uncorrelated and of variance one."""

import pytest
import torch
from sklearn.datasets import load_sample_image
from torch.nn.functional import conv2d

from plumbline.errors import PlumblineError
from plumbline.models import patch_covariance, whitening_filter


@pytest.fixture(scope="module")
def photos() -> torch.Tensor:
    """260 tiles of 32x32 pixels of a photograph, normalised by channel as training images are."""
    pixels = torch.from_numpy(load_sample_image("flower.jpg").copy()).permute(2, 0, 1).float()
    pixels = (pixels - pixels.mean(dim=(1, 2), keepdim=True)) / pixels.std(dim=(1, 2), keepdim=True)
    tiles = pixels.unfold(1, 32, 32).unfold(2, 32, 32)
    return tiles.permute(1, 2, 0, 3, 4).reshape(-1, 3, 32, 32)


def _second_moments(weights: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Average over all places of products of two outputs of the convolution, in float64."""
    outputs = conv2d(images.double(), weights.double()).transpose(0, 1).flatten(1)
    return outputs @ outputs.T / outputs.shape[1]


def test_responses_have_identity_covariance(photos: torch.Tensor) -> None:
    """Without epsilon the first half's responses to a photograph's patches are white."""
    half = whitening_filter(photos, size=2, epsilon=0.0)[:12]
    torch.testing.assert_close(
        _second_moments(half, photos), torch.eye(12, dtype=torch.float64), rtol=0, atol=1e-3
    )


def test_epsilon_damps_each_direction_by_what_it_should(photos: torch.Tensor) -> None:
    """With epsilon each response has variance v / (v + epsilon), the largest v first, and none is related."""
    found = _second_moments(whitening_filter(photos)[:12], photos)
    values = torch.linalg.eigvalsh(patch_covariance(photos, size=2)).flip(0)
    assert values[0] > 100 * values[-1]  # the images are correlated: this is not trivially so
    torch.testing.assert_close(found, torch.diag(values / (values + 5e-4)), rtol=0, atol=1e-3)


def test_the_second_half_is_the_first_negated(photos: torch.Tensor) -> None:
    """24 filters of 3x2x2, float32; 54 of 3x3x3 when asked for."""
    weights = whitening_filter(photos)
    assert weights.shape == (24, 3, 2, 2)
    assert weights.dtype == torch.float32
    assert torch.equal(weights[12:], -weights[:12])
    assert whitening_filter(photos[:50], size=3).shape == (54, 3, 3, 3)


def test_signs_are_fixed(photos: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another linear algebra library, which may return each eigenvector negated, gives the same filter."""
    expected = whitening_filter(photos)
    assert (expected[:12].flatten(1).gather(1, expected[:12].flatten(1).abs().argmax(1)[:, None]) > 0).all()
    eigh = torch.linalg.eigh

    def negated(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        values, vectors = eigh(matrix)
        return values, vectors * torch.tensor([1.0, -1.0] * 6, dtype=vectors.dtype)

    monkeypatch.setattr(torch.linalg, "eigh", negated)
    assert torch.equal(whitening_filter(photos), expected)


def test_the_covariance_is_that_of_every_patch() -> None:
    """It equals the plain average over patches cut out one by one, also over several portions of images."""
    images = torch.randn(1030, 3, 4, 3, generator=torch.Generator().manual_seed(0))
    patches = torch.stack(
        [image[:, y : y + 2, x : x + 2].flatten() for image in images for y in range(3) for x in range(2)]
    ).double()
    expected = patches.T @ patches / len(patches)
    torch.testing.assert_close(patch_covariance(images, size=2), expected, rtol=1e-5, atol=1e-6)
    # Not centred: a mean is part of it.
    assert patch_covariance(images + 10.0, size=2).min() > 90


def test_grey_images_leave_no_output_without_variance(photos: torch.Tensor) -> None:
    """Their 4 directions fill the places of all 12, each as white as it is alone."""
    weights = whitening_filter(photos[:, :1].expand(-1, 3, -1, -1))
    assert all(torch.equal(weights[place], weights[place % 4]) for place in range(12))
    variances = _second_moments(weights, photos[:, :1].expand(-1, 3, -1, -1)).diag()
    assert 0.3 < variances.min() < variances.max() < 1.001


def test_images_of_one_colour_give_a_finite_filter() -> None:
    """Directions without any variance are divided by the root of epsilon, never by zero."""
    weights = whitening_filter(torch.ones(4, 3, 8, 8))
    assert weights.isfinite().all()
    assert weights.abs().max() <= 1 / 5e-4**0.5


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(4, 3, 8, 8, dtype=torch.uint8),
        torch.zeros(4, 1, 8, 8),
        torch.zeros(3, 8, 8),
        torch.zeros(0, 3, 8, 8),
        torch.zeros(4, 3, 8, 1),
    ],
)
def test_what_is_no_batch_of_images_is_refused(images: torch.Tensor) -> None:
    """Raw bytes, grey images, a single image, no image or too small ones: the shape wanted is named."""
    with pytest.raises(PlumblineError, match=r"images: expected normalised floats of shape \(N, 3, H, W\)"):
        whitening_filter(images)
