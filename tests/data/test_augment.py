import pytest
import torch
from scipy import stats
from torch.nn import functional
from torchvision.transforms import functional as reference

from plumbline.data.augment import (
    Fill,
    alternating_mask,
    crop_at,
    cut_out,
    draw_jitter,
    draw_mirrored,
    draw_offsets,
    draw_squares,
    flip_where,
    jitter,
    normalize,
    random_crop,
    random_flip,
    resize,
)
from plumbline.errors import PlumblineError


def pictures(count: int, *, size: int = 32) -> torch.Tensor:
    return torch.randint(
        0, 256, (count, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(count)
    )


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("fill", "mode"), [("zeros", "constant"), ("reflect", "reflect")])
def test_crop_at_every_offset_equals_torchvision(fill: Fill, mode: str) -> None:
    """For the same offset, the crop is torchvision's pad-then-crop, pixel for pixel, at all 81 offsets."""
    images = pictures(81)
    rows, columns = torch.arange(81) // 9, torch.arange(81) % 9
    got = crop_at(images, padding=4, offsets=torch.stack([rows, columns]), fill=fill)
    for index, image in enumerate(images):
        padded = reference.pad(image, [4], padding_mode=mode)
        expected = reference.crop(padded, int(rows[index]), int(columns[index]), 32, 32)
        assert torch.equal(got[index], expected)


def test_an_unknown_fill_is_refused() -> None:
    """The word that torchvision has for zeros is no word of ours, and both right ones are named."""
    with pytest.raises(PlumblineError, match="fill of a crop as zeros or reflect, got 'constant'"):
        random_crop(pictures(2), padding=4, generator=generator(), fill="constant")  # type: ignore[arg-type]


def plain_crop_and_flip(
    images: torch.Tensor, *, padding: int, seed: int, mode: str = "constant"
) -> torch.Tensor:
    """Do the same with the tools at hand: pad, a window for every offset, then the mirror image or not."""
    draws, count = generator(seed), len(images)
    rows, columns = torch.randint(0, 2 * padding + 1, (2, count), generator=draws)
    flipped = torch.randint(0, 2, (count, 1, 1, 1), generator=draws).bool()
    padded = functional.pad(images.float(), (padding,) * 4, mode=mode).to(images.dtype)
    windows = padded.unfold(2, images.shape[2], 1).unfold(3, images.shape[3], 1)
    crops = windows[torch.arange(count), :, rows, columns]
    return torch.where(flipped, crops.flip(3), crops)


@pytest.mark.parametrize(("fill", "mode"), [("zeros", "constant"), ("reflect", "reflect")])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_one_pass_equals_one_after_the_other(fill: Fill, mode: str, layout: torch.memory_format) -> None:
    """Crop and flip in one pass, or as two functions, are the plain ones to the bit, draw by draw.

    In either memory format, with pictures that are no squares too; so a seed's batches are those of old.
    """
    for images in (pictures(50), pictures(20)[:, :, :20, 5:32]):
        held, expected = (
            images.contiguous(memory_format=layout),
            plain_crop_and_flip(images, padding=3, seed=2, mode=mode),
        )
        draws = generator(2)
        cropped = random_crop(held, padding=3, generator=draws, fill=fill)
        assert torch.equal(random_flip(cropped, generator=draws), expected)
        draws = generator(2)
        offsets = draw_offsets(len(held), padding=3, generator=draws)
        mirrored = draw_mirrored(len(held), generator=draws)
        got = crop_at(held, padding=3, offsets=offsets, fill=fill, mirrored=mirrored)
        assert torch.equal(got, expected)
        assert got.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(held, images)


def test_reflection_stops_at_the_other_edge() -> None:
    """A padding of the image's size less one is reflected; one more is refused, for zeros it is not."""
    images, corner = pictures(2, size=4), torch.zeros(2, 2, dtype=torch.int64)
    expected = reference.pad(images, [3], padding_mode="reflect")[..., :4, :4]
    assert torch.equal(crop_at(images, padding=3, offsets=corner, fill="reflect"), expected)
    assert not crop_at(images, padding=4, offsets=corner).any()
    with pytest.raises(PlumblineError, match="padding below the image size to reflect 4x4 images, got 4"):
        crop_at(images, padding=4, offsets=corner, fill="reflect")


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


def test_flip_where_is_told() -> None:
    """The images named are mirrored as torchvision mirrors them, and no other."""
    images, mirrored = pictures(40, size=5), torch.arange(40) % 3 == 0
    got = flip_where(images, mirrored=mirrored)
    assert torch.equal(got[mirrored], reference.hflip(images[mirrored]))
    assert torch.equal(got[~mirrored], images[~mirrored])


def test_flips_alternate() -> None:
    """Half of the images are mirrored in even epochs, the others in odd ones; the seed chooses which."""
    count, indices = 1001, torch.arange(1001)
    masks = [alternating_mask(indices, count=count, seed=5, epoch=epoch) for epoch in range(4)]
    assert int(masks[0].sum()) == 500
    assert torch.equal(masks[0], ~masks[1])
    assert torch.equal(masks[2], masks[0])
    assert torch.equal(masks[3], masks[1])
    some = torch.tensor([900, 3, 3, 77])
    assert torch.equal(alternating_mask(some, count=count, seed=5, epoch=1), masks[1][some])
    other = alternating_mask(indices, count=count, seed=6, epoch=0)
    assert stats.binomtest(int((other == masks[0]).sum()), count).pvalue > 1e-3


def test_normalize_equals_torchvision() -> None:
    """Normalised pixels are those of ToTensor and Normalize, up to float32 rounding."""
    mean, std = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    images = pictures(8)
    expected = reference.normalize(images.float() / 255, list(mean), list(std))
    assert torch.allclose(normalize(images, mean=mean, std=std), expected, atol=2e-6)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_normalize_is_the_same_in_every_layout(layout: torch.memory_format) -> None:
    """Whatever the memory format of images and result, the values are the same to the bit."""
    images, mean, std = pictures(5)[:, :, :20], (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)
    held = images.contiguous(memory_format=layout)
    scale, shift = (1 / (255 * torch.tensor(std, dtype=torch.float64))).float(), torch.tensor(mean).double()
    expected = images.float() * scale.view(-1, 1, 1) + (-shift / torch.tensor(std)).float().view(-1, 1, 1)
    one, other = (normalize(held, mean=mean, std=std, channels_last=last) for last in (False, True))
    assert one.is_contiguous()
    assert other.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(one, other)
    assert torch.allclose(one, expected, atol=1e-6)


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


def test_resize_is_within_a_grey_level() -> None:
    """Resizing is torch's antialiased bilinear resize in float32, rounded, to the last grey level.

    In either memory format; the integers' rounding brightens the whole by less than a fifth of a level.
    """
    images = pictures(6)
    for size in (16, 24, 28, 48):
        exact = functional.interpolate(
            images.float(), size=(size, size), mode="bilinear", align_corners=False, antialias=True
        )
        for layout in (torch.contiguous_format, torch.channels_last):
            got = resize(images.contiguous(memory_format=layout), size=size)
            assert got.dtype == torch.uint8
            assert (got - exact.round()).abs().max() <= 1
            assert (got - exact).abs().mean() <= 0.35
            assert abs((got - exact).mean()) <= 0.2
        assert torch.allclose(resize(images.float(), size=size), exact)
    assert resize(images, size=32) is images


def test_same_generator_same_batch() -> None:
    """Equal generators give equal batches, and no global random number is drawn."""
    images, state = pictures(16), torch.get_rng_state()
    one, other = (random_crop(images, padding=4, generator=generator(3)) for _ in range(2))
    random_flip(images, generator=generator(3))
    assert torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_jitter_moves_brightness_then_contrast_of_each_image() -> None:
    """Every image has a shift and a factor of its own, in the ranges asked for, the same for its pixels."""
    drawn = draw_jitter(4000, strength=0.2, generator=generator(3))
    for values, centre in zip(drawn, (0.0, 1.0), strict=True):
        assert centre - 0.2 <= values.min() < centre - 0.19
        assert centre + 0.19 < values.max() <= centre + 0.2
        assert values.mean() == pytest.approx(centre, abs=0.01)
    assert abs(torch.corrcoef(drawn)[0, 1]) < 0.05
    images = torch.randn(5, 3, 4, 4, generator=generator(4))
    lit = jitter(images.clone(), drawn=drawn[:, :5])
    for image, before, (shift, factor) in zip(lit, images, drawn[:, :5].T, strict=True):
        assert torch.allclose(image, (before + shift) * factor)
    assert torch.equal(jitter(images.clone(), drawn=torch.tensor([[0.0], [1.0]]).expand(2, 5)), images)


def test_squares_lie_within_the_image_and_everywhere_alike() -> None:
    """Corners are uniform over all places of a whole square, rows and columns independent."""
    corners = draw_squares(9000, side=3, size=5, generator=generator(3))
    counts = torch.bincount(3 * corners[0] + corners[1], minlength=9)
    assert counts.shape == (9,)
    assert (counts - 1000).abs().max() < 150


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_cut_out_sets_one_square_of_each_image_to_zero(layout: torch.memory_format) -> None:
    """Every image loses its own square, in all channels, and nothing else."""
    images = torch.randn(6, 3, 8, 8, generator=generator(4)).contiguous(memory_format=layout)
    corners = draw_squares(6, side=3, size=8, generator=generator(5))
    cut = cut_out(images.clone(), corners=corners, side=3)
    for image, before, (top, left) in zip(cut, images, corners.T.tolist(), strict=True):
        expected = before.clone()
        expected[:, top : top + 3, left : left + 3] = 0
        assert torch.equal(image, expected)


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
    with pytest.raises(PlumblineError, match="at least 0 and below 1"):
        draw_jitter(2, strength=1.0, generator=generator())
    with pytest.raises(PlumblineError, match="square of 1 to 8 pixels"):
        draw_squares(2, side=9, size=8, generator=generator())
