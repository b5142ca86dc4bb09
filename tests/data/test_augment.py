import pytest
import torch
from scipy import stats
from torchvision.transforms import functional as reference

from plumbline.data.augment import crop_at, normalize, random_crop, random_flip, resize
from plumbline.errors import PlumblineError


def pictures(count: int, *, size: int = 32) -> torch.Tensor:
    return torch.randint(
        0, 256, (count, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(count)
    )


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_crop_at_every_offset_equals_torchvision() -> None:
    """For the same offset, the crop is torchvision's pad-then-crop, pixel for pixel, at all 81 offsets."""
    images = pictures(81)
    rows, columns = torch.arange(81) // 9, torch.arange(81) % 9
    got = crop_at(images, padding=4, offsets=torch.stack([rows, columns]), size=(32, 32))
    for index, image in enumerate(images):
        padded = reference.pad(image, [4])
        expected = reference.crop(padded, int(rows[index]), int(columns[index]), 32, 32)
        assert torch.equal(got[index], expected)


def crop_offsets(count: int) -> torch.Tensor:
    """Read the offsets that random_crop chose off images whose pixels say where they were."""
    place = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    place[0, 0] = torch.arange(1, 33)[:, None]
    place[0, 1] = torch.arange(1, 33)[None, :]
    crops = random_crop(place.expand(count, -1, -1, -1), padding=4, generator=generator(5))
    middle = crops[:, :2, 16, 16].long() - 17  # 0 where nothing was moved
    return middle + 4


def test_crop_offsets_are_uniform_and_independent() -> None:
    """As with torchvision's RandomCrop(32, padding=4), all 81 offsets are equally likely, image by image."""
    offsets = crop_offsets(16_200)
    counts = torch.bincount(offsets[:, 0] * 9 + offsets[:, 1], minlength=81)
    assert len(counts) == 81
    assert stats.chisquare(counts.numpy()).pvalue > 1e-3
    pairs = torch.bincount(offsets[:-1, 0] * 9 + offsets[1:, 0], minlength=81)
    assert stats.chisquare(pairs.numpy()).pvalue > 1e-3


def test_flips_are_fair_and_exact() -> None:
    """About half of the images are mirrored as torchvision mirrors them, and the others are untouched."""
    images = pictures(4000, size=4)
    got = random_flip(images, generator=generator())
    mirrored = (got == reference.hflip(images)).flatten(1).all(1)
    untouched = (got == images).flatten(1).all(1)
    assert (mirrored ^ untouched).all()
    assert stats.binomtest(int(mirrored.sum()), 4000).pvalue > 1e-3


def test_normalize_equals_torchvision() -> None:
    """Normalised pixels are those of ToTensor and Normalize, up to float32 rounding."""
    mean, std = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    images = pictures(8)
    expected = reference.normalize(images.float() / 255, list(mean), list(std))
    assert torch.allclose(normalize(images, mean=mean, std=std), expected, atol=2e-6)


def test_normalize_gives_dtype_and_layout() -> None:
    """The result has the dtype and memory format that were asked for, and the input keeps its values."""
    images = pictures(4)
    before = images.clone()
    got = normalize(images, mean=[0.5] * 3, std=[0.5] * 3, dtype=torch.bfloat16, channels_last=True)
    assert got.dtype == torch.bfloat16
    assert got.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(images, before)
    floats = images.float()
    normalize(floats, mean=[0.5] * 3, std=[0.5] * 3)
    assert torch.equal(floats, before.float())


def test_resize_equals_torchvision() -> None:
    """Resizing is torchvision's antialiased bilinear resize, to the last grey level but rounding."""
    images = pictures(6)
    for size in (16, 24, 48):
        difference = (
            resize(images, size=size).int() - reference.resize(images, [size, size], antialias=True).int()
        )
        assert difference.abs().max() <= 1
    assert resize(images, size=32) is images


def test_same_generator_same_batch() -> None:
    """Equal generators give equal batches, and no global random number is drawn."""
    images, state = pictures(16), torch.get_rng_state()
    one, other = (random_crop(images, padding=4, generator=generator(3)) for _ in range(2))
    random_flip(images, generator=generator(3))
    assert torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_bad_arguments() -> None:
    """Impossible numbers are refused with what was expected."""
    images = pictures(2)
    with pytest.raises(PlumblineError, match="crop padding of 0 or more"):
        random_crop(images, padding=-1, generator=generator())
    with pytest.raises(PlumblineError, match="at least 1 pixel"):
        resize(images, size=0)
    with pytest.raises(PlumblineError, match="each of 3 channels"):
        normalize(images, mean=[0.5], std=[0.5])
    with pytest.raises(PlumblineError, match="positive std"):
        normalize(images, mean=[0.5] * 3, std=[0.5, 0.5, 0.0])
