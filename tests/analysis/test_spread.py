"""Chance of seeds and chance of test images, kept apart."""

from __future__ import annotations

import numpy as np
import pytest

from plumbline.analysis import image_spread, seed_spread
from plumbline.errors import PlumblineError


def drawn_answers(
    random: np.random.Generator, *, runs: int, images: int, quality: float
) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Answers to images of unequal difficulty, 0.55 to 0.95, by runs that differ by `quality`."""
    chance = random.uniform(0.55, 0.95, size=images) + random.normal(0.0, quality, size=(runs, 1))
    return np.asarray(random.random((runs, images)) < chance)


def test_a_finite_test_set_alone_explains_the_spread_of_equal_networks() -> None:
    """Scores drawn from one binomial distribution have the spread that is explained, within 5 %."""
    accuracies = np.random.default_rng(0).binomial(10_000, 0.94, size=4_000) / 10_000
    found = seed_spread(accuracies.tolist(), test_images=10_000)
    assert found.explained == pytest.approx(1.0, rel=0.05)
    assert found.binomial_error == pytest.approx((0.94 * 0.06 / 10_000) ** 0.5, rel=0.01)


def test_unequal_networks_are_seen() -> None:
    """Networks that themselves differ by twice the binomial error leave a fifth to the test set."""
    random = np.random.default_rng(1)
    error = (0.94 * 0.06 / 10_000) ** 0.5
    accuracies = random.binomial(10_000, random.normal(0.94, 2 * error, size=4_000)) / 10_000
    assert seed_spread(accuracies.tolist(), test_images=10_000).explained == pytest.approx(0.2, rel=0.1)


def test_one_seed_has_the_images_error_only() -> None:
    """Of one run the finite test set is known, and nothing of other seeds."""
    found = seed_spread([0.94], test_images=10_000)
    assert (found.seeds.sd, found.explained) == (None, None)
    assert found.binomial_error > 0
    alone = image_spread(np.random.default_rng(0).random((1, 500)) < 0.9)
    assert (alone.seeds_error, alone.sd_finite, alone.sd_quality, alone.explained) == (None,) * 4
    assert alone.images_error > 0


@pytest.mark.parametrize("quality", [0.0, 0.03])
def test_both_parts_are_found(quality: float) -> None:
    """On average over 300 simulated experiments both variances are those that the answers were drawn with."""
    random = np.random.default_rng(2)
    found = [image_spread(drawn_answers(random, runs=6, images=400, quality=quality)) for _ in range(300)]
    chance = np.linspace(0.55, 0.95, 10_001)
    finite = np.mean(chance * (1 - chance)) / 400
    assert np.mean([one.sd_finite**2 for one in found if one.sd_finite is not None]) == pytest.approx(
        finite, rel=0.03
    )
    # sd_quality is cut off at 0, so its square is too large on average; the difference itself is not.
    beyond = np.mean([one.seeds.sd**2 - one.sd_finite**2 for one in found if one.seeds.sd and one.sd_finite])
    assert beyond == pytest.approx(quality**2, abs=1e-4)


def test_the_intervals_speak_of_other_seeds_and_of_other_images() -> None:
    """Each holds what it speaks of 93.5 to 96.5 % of the time, over 1,500 redrawn sets of seeds or images."""
    random = np.random.default_rng(3)
    chance = random.uniform(0.55, 0.95, size=300)
    shifts = random.normal(0.0, 0.03, size=(5, 1))
    others_held, images_held = [], []
    for _ in range(1_500):
        same_images = random.random((5, 300)) < chance + random.normal(0.0, 0.03, size=(5, 1))
        seeds = image_spread(same_images).seeds
        same_seeds = random.random((5, 300)) < random.uniform(0.55, 0.95, size=300) + shifts
        images = image_spread(same_seeds).images
        assert seeds.low is not None
        assert seeds.high is not None
        assert images.low is not None
        assert images.high is not None
        others_held.append(seeds.low <= chance.mean() <= seeds.high)
        images_held.append(images.low <= 0.75 + shifts.mean() <= images.high)
    assert 0.935 <= np.mean(others_held) <= 0.965
    assert 0.935 <= np.mean(images_held) <= 0.965


def test_the_images_error_is_that_of_resampling_them() -> None:
    """It equals the deviation of the mean over 4,000 bootstrap samples of images, within 5 %."""
    random = np.random.default_rng(4)
    right = drawn_answers(random, runs=5, images=300, quality=0.02)
    resampled = right.mean(axis=0)[random.integers(300, size=(4_000, 300))].mean(axis=1)
    assert image_spread(right).images_error == pytest.approx(resampled.std(), rel=0.05)


def test_what_is_no_accuracy_is_refused() -> None:
    """Percent, no image, and one axis are errors."""
    with pytest.raises(PlumblineError, match="fractions from 0 to 1"):
        seed_spread([94.0, 95.0], test_images=10_000)
    with pytest.raises(PlumblineError, match="of 0"):
        seed_spread([0.94], test_images=0)
    with pytest.raises(PlumblineError, match=r"\(runs, images\)"):
        image_spread(np.array([True, False]))
