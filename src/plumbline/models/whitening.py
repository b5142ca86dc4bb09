"""Whitening of small image patches: the fixed first layer of the speed networks, as pure functions."""

from __future__ import annotations

import torch

from plumbline.errors import PlumblineError

_IMAGES_AT_ONCE = 256
_NO_VARIANCE = 1e-2  # of epsilon


def patch_covariance(images: torch.Tensor, *, size: int) -> torch.Tensor:
    """Average the outer products of all square patches of all images with themselves.

    Nothing is subtracted from the patches: images come normalised, so their mean over a data set is zero
    already. What is left of a mean counts as variance.

    Args:
        images: floats (N, 3, H, W), normalised, on any device.
        size: side of a patch in pixels.

    Returns:
        float64 (3·size², 3·size²) on the CPU. Rows and columns are ordered as the weights of a convolution:
        channel, row, column.

    Raises:
        PlumblineError: no floats of that shape, no image, or images smaller than a patch.

    >>> grey = torch.ones(1, 3, 4, 4)
    >>> patch_covariance(grey, size=1)
    tensor([[1., 1., 1.],
            [1., 1., 1.],
            [1., 1., 1.]], dtype=torch.float64)

    """
    shape = tuple(images.shape)
    fits = len(shape) == 4 and shape[0] > 0 and shape[1] == 3 and min(shape[2:]) >= size
    if not (fits and images.is_floating_point()):
        raise PlumblineError(
            f"images: expected normalised floats of shape (N, 3, H, W), N at least 1, H and W at least "
            f"{size}, got {images.dtype} of shape {shape}. Give a batch as the network reads it."
        )
    total = torch.zeros(3 * size**2, 3 * size**2, dtype=torch.float64)
    places = 0
    for part in torch.split(images, _IMAGES_AT_ONCE):
        # Views, copied once: torch.nn.functional.unfold works image by image on a GPU.
        views = part.float().unfold(2, size, 1).unfold(3, size, 1)
        patches = views.permute(1, 4, 5, 0, 2, 3).reshape(len(total), -1)
        # A portion in float32, which GPUs without float64 have too; the sum of all needs more than that.
        total += (patches @ patches.T).cpu().double()
        places += patches.shape[1]
    return total / places


def whitening_filter(images: torch.Tensor, *, size: int = 2, epsilon: float = 5e-4) -> torch.Tensor:
    """Give the filter whose outputs over the patches of these images are uncorrelated and of variance 1.

    Its first half are the eigenvectors of the patch covariance, the one of the largest eigenvalue first, each
    divided by sqrt(eigenvalue + epsilon). Directions in which the images do not vary (eigenvalues below a
    hundredth of epsilon: the colours of grey images) are left out, and the others repeated in their place: an
    output that never changes would leave a BatchNorm no variance to divide by. The second half is the first
    negated, so that an activation which keeps the positive side keeps both. Signs do not depend on the linear
    algebra library: the entry of largest magnitude is positive. Where eigenvalues coincide, the choice of
    eigenvectors between them is the library's.

    Args:
        images: floats (N, 3, H, W), normalised; a few thousand suffice.
        size: side of the filter in pixels.
        epsilon: variance below which a direction is taken for noise and not brought to variance 1.

    Returns:
        float32 (2·3·size², 3, size, size) on the CPU: weights for a convolution without padding.

    Raises:
        PlumblineError: what `patch_covariance` refuses.

    Source: Page, "How to Train Your ResNet 8"; the negated half and the epsilon are those of Jordan,
    arXiv 2404.00498.

    >>> images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    >>> whitening_filter(images).shape
    torch.Size([24, 3, 2, 2])

    """
    values, vectors = torch.linalg.eigh(patch_covariance(images, size=size))
    rows = vectors.T.flip(0)
    largest = rows.gather(1, rows.abs().argmax(dim=1, keepdim=True))
    scaled = rows * largest.sign() / (values.flip(0) + epsilon).sqrt()[:, None]
    varied = max(1, int((values >= _NO_VARIANCE * epsilon).sum()))
    kept = scaled[torch.arange(len(scaled)) % varied]
    half = kept.float().reshape(-1, 3, size, size)
    return torch.cat((half, -half))
