"""Two sources of chance, kept apart: which seed was drawn, and which images the test set has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from plumbline.analysis.means import Mean, mean_of
from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class SeedSpread:
    """What scores of several seeds on one test set say of both sources; fractions, not percent.

    Attributes:
        seeds: mean over seeds. `sd` is the standard deviation between seeds, the interval that of other seeds
            on these images.
        test_images: number of images of the test set.
        binomial_error: standard error of one score because the test set is finite: other images, same
            weights.
        explained: variance of a score whose images were independent draws, binomial_error², over the
            variance between seeds; None for one seed or without spread. Near 1 the seeds differ no more than
            a finite test set lets equally good networks differ; above 1 less, as they do where most images
            are right, or wrong, for every seed. Well below 1 some seeds are better than others.

    """

    seeds: Mean
    test_images: int
    binomial_error: float
    explained: float | None


@dataclass(frozen=True)
class ImageSpread:
    """What the answers of several seeds to each image say of both sources; fractions, not percent.

    Attributes:
        seeds: mean over runs; `sd` is between seeds, the interval that of other seeds on these images.
        seeds_error: standard error of that mean, sd / √runs; None for one run.
        images: mean over images of the share of runs that are right; the interval is that of other images
            for these runs.
        images_error: its standard error, sd / √images: what resampling the images gives.
        sd_finite: the standard deviation between seeds that follows from the finite test set alone, were
            all networks equally good; None for one run.
        sd_quality: the standard deviation between seeds that would be left on a test set without end; 0
            where the seeds differ no more than `sd_finite`, None for one run.
        explained: sd_finite² over the variance between seeds; None for one run or without spread.

    """

    seeds: Mean
    seeds_error: float | None
    images: Mean
    images_error: float
    sd_finite: float | None
    sd_quality: float | None
    explained: float | None


def seed_spread(accuracies: Sequence[float], *, test_images: int, level: float = 0.95) -> SeedSpread:
    """Compare the spread between seeds with what the finite test set explains.

    That the spread on CIFAR-10 is mostly of this kind: K. Jordan (2023), arXiv 2304.01910.

    Args:
        accuracies: one a seed, all on the same `test_images` images.
        test_images: number of images.
        level: of the interval.

    Raises:
        PlumblineError: no accuracy, one outside 0..1, or no image.

    >>> found = seed_spread([0.940, 0.942, 0.938, 0.941], test_images=10_000)
    >>> round(found.seeds.sd, 5), round(found.binomial_error, 5), round(found.explained, 2)
    (0.00171, 0.00237, 1.93)

    """
    seeds = mean_of(accuracies, level=level)
    if test_images < 1 or min(accuracies) < 0 or max(accuracies) > 1:
        raise PlumblineError(
            f"accuracies: expected fractions from 0 to 1 of at least one image, got {min(accuracies)} to "
            f"{max(accuracies)} of {test_images}."
        )
    variance = seeds.mean * (1 - seeds.mean) / test_images
    explained = variance / seeds.sd**2 if seeds.sd else None
    return SeedSpread(seeds, test_images, binomial_error=sqrt(variance), explained=explained)


def image_spread(correct: NDArray[np.bool_], *, level: float = 0.95) -> ImageSpread:
    """Estimate both sources from `correct` (runs, images): whether a run is right on an image.

    The parts are those of a two-way analysis of variance without repetition. Their sum would count the
    chance of single answers twice, so they are not added.

    Raises:
        PlumblineError: not two axes, no run, or fewer than two images.

    >>> right = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 1]], bool)
    >>> found = image_spread(right)
    >>> round(found.seeds.mean, 3), round(found.seeds_error, 3), round(found.images_error, 3)
    (0.75, 0.144, 0.16)
    >>> round(found.sd_finite, 3), round(found.sd_quality, 3)
    (0.186, 0.167)

    """
    if correct.ndim != 2 or len(correct) < 1 or correct.shape[1] < 2:
        raise PlumblineError(
            f"correct: expected an array (runs, images) with at least 2 images, got {correct.shape}."
        )
    runs, count = correct.shape
    seeds = mean_of(correct.mean(axis=1).tolist(), level=level)
    images = mean_of(correct.mean(axis=0).tolist(), level=level)
    images_error = (images.sd or 0.0) / sqrt(count)
    if seeds.sd is None:
        return ImageSpread(seeds, None, images, images_error, None, None, None)
    within = float(correct.var(axis=0, ddof=1).mean())
    # Mean square of what neither run nor image explains, over the images of one score.
    finite = max(0.0, (within - seeds.sd**2) / (count - 1))
    return ImageSpread(
        seeds,
        seeds_error=seeds.sd / sqrt(runs),
        images=images,
        images_error=images_error,
        sd_finite=sqrt(finite),
        sd_quality=sqrt(max(0.0, seeds.sd**2 - finite)),
        explained=finite / seeds.sd**2 if seeds.sd else None,
    )
