"""Copies are found however they were treated, and different images are left in peace."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from torch.nn import functional

from plumbline.data.digits import load_digits
from plumbline.data.duplicate_cache import dataset_duplicates, duplicates_file
from plumbline.data.duplicates import (
    DuplicatePair,
    NearDuplicates,
    clean_test_indices,
    duplicates_within,
    near_duplicates,
)
from plumbline.data.images import ImageSet
from plumbline.data.likeness import SIDE, compare, detail, grey_pictures
from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 40


def pictures(count: int, *, seed: int, side: int = 64) -> torch.Tensor:
    """Make smooth random pictures with edges, float (N, 3, side, side), 0 to 255: no two alike."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 12, 12, generator=random)
    smooth = functional.interpolate(coarse, size=side, mode="bicubic")
    fields = functional.interpolate(torch.rand(count, 1, 5, 5, generator=random), size=side)
    return (smooth * 140 + fields * 100).clamp(0, 255)


def cut(images: torch.Tensor, *, top: int = 8, left: int = 8, size: int = 48) -> torch.Tensor:
    part = images[..., top : top + size, left : left + size]
    return functional.interpolate(part, size=32, mode="bilinear", antialias=True).clamp(0, 255)


def image_set(images: torch.Tensor) -> ImageSet:
    return ImageSet(images.round().clamp(0, 255).to(torch.uint8), torch.zeros(len(images), dtype=torch.int64))


SOURCE = pictures(COUNT, seed=1)
TRAIN = image_set(cut(SOURCE))
OTHERS = cut(pictures(20, seed=2))
TREATED = {
    "darker and flatter": cut(SOURCE) * 0.6 + 20,
    "tinted": cut(SOURCE) * torch.tensor([1.0, 0.8, 0.6]).view(1, 3, 1, 1),
    "mirrored": cut(SOURCE).flip(-1) * 0.9,
    "moved": cut(SOURCE, top=6, left=8),
    "zoomed in": cut(SOURCE, top=10, left=10, size=44),
    "stretched": functional.interpolate(
        SOURCE[..., 8:56, 10:54], size=(32, 32), mode="bilinear", antialias=True
    ),
    "noisy": cut(SOURCE) + 6 * torch.randn(COUNT, 3, 32, 32, generator=torch.Generator().manual_seed(3)),
}


@pytest.mark.parametrize("treatment", TREATED)
def test_a_treated_copy_is_found(treatment: str) -> None:
    """Each image is paired with its own source and no other, and no stranger with anything."""
    test = image_set(torch.cat([TREATED[treatment], OTHERS]))
    found = near_duplicates(TRAIN, test=test)
    assert found.duplicated == tuple(range(COUNT))
    kept = [pair for pair in found.pairs if pair.kind != "possible"]
    assert [(pair.first, pair.second) for pair in sorted(kept, key=lambda pair: pair.first)] == [
        (index, index) for index in range(COUNT)
    ]
    assert all(pair.kind == "near" for pair in kept)
    assert all(pair.mirrored == (treatment == "mirrored") for pair in kept)
    clean = clean_test_indices(found.duplicated, test_count=len(test))
    assert clean.tolist() == list(range(COUNT, COUNT + 20))


def test_exact_copies_are_told_from_near_ones() -> None:
    """The same pixels, plain or mirrored, are exact, come first, and cite the first of several copies."""
    source = TRAIN.images
    train = ImageSet(source[[0, 1, 0, 2]], torch.zeros(4, dtype=torch.int64))
    test = ImageSet(
        torch.stack([source[9], source[2].flip(-1), source[0]]), torch.zeros(3, dtype=torch.int64)
    )
    found = near_duplicates(train, test=test).pairs
    exact = [(pair.first, pair.second, pair.mirrored) for pair in found if pair.kind == "exact"]
    assert exact == [(1, 3, True), (2, 0, False)]
    assert [pair.kind for pair in found[:2]] == ["exact", "exact"]


def test_one_changed_pixel_is_not_exact() -> None:
    """An image that differs in a single value is near, not exact."""
    changed = TRAIN.images[:1].clone()
    changed[0, 0, 0, 0] ^= 1
    pair = near_duplicates(TRAIN, test=ImageSet(changed, torch.zeros(1, dtype=torch.int64))).pairs[0]
    assert (pair.first, pair.second, pair.kind) == (0, 0, "near")


def test_pairs_inside_a_split_are_counted_once() -> None:
    """Inside a split the earlier image comes first, and no image is paired with itself."""
    both = torch.cat([cut(SOURCE), TREATED["tinted"], TRAIN.images[:1].float()])
    found = duplicates_within(image_set(both))
    near = sorted((pair.first, pair.second) for pair in found.pairs if pair.kind == "near")
    assert [pair for pair in near if 2 * COUNT not in pair] == [(i, i + COUNT) for i in range(COUNT)]
    assert [(pair.first, pair.second) for pair in found.pairs if pair.kind == "exact"] == [(0, 2 * COUNT)]


def test_images_of_one_colour_do_not_flood() -> None:
    """A thousand equal images give one pair each, and different flat colours none."""
    flat = torch.full((1000, 3, 32, 32), 7.0)
    assert len(duplicates_within(image_set(flat)).pairs) == 999
    colours = torch.arange(0, 250, 10).view(-1, 1, 1, 1).expand(-1, 3, 32, 32).float()
    assert duplicates_within(image_set(colours)).pairs == ()


def test_the_zoom_leaves_no_trace_at_the_edge() -> None:
    """A picture zoomed out is as smooth at the edge as inside: a slope has no detail there or anywhere."""
    slope = torch.linspace(0, 255, SIDE).expand(1, SIDE, SIDE)
    assert detail(slope)[..., 6:-6].abs().max() < 1e-3
    flat = torch.full((1, SIDE, SIDE), 100.0)
    assert compare(flat, second=flat).score.tolist() == [0.0]


@pytest.mark.parametrize("side", [16, 28, 64])
def test_other_sizes_are_compared_too(side: int) -> None:
    """Images that are not 32 pixels a side are brought there."""
    images = functional.interpolate(SOURCE, size=side, mode="bilinear", antialias=True)
    assert grey_pictures(image_set(images).images).shape == (COUNT, SIDE, SIDE)
    found = near_duplicates(image_set(images), test=image_set(images * 0.8 + 5))
    assert found.duplicated == tuple(range(COUNT))


def test_duplicates_of_other_data_are_refused() -> None:
    """Pairs that name a test image which is not there belong to another data set."""
    pair = DuplicatePair(5, 0, similarity=1.0, kind="exact", mirrored=False)
    with pytest.raises(PlumblineError, match="another data set"):
        clean_test_indices(NearDuplicates((pair,)).duplicated, test_count=5)


@pytest.mark.parametrize("damage", ["{", '{"method": "another", "pairs": []}', '{"pairs": 3}', "[]", "\xff"])
def test_a_damaged_cache_is_found_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    """What was found is read the second time; what is damaged or of another method is found again."""
    monkeypatch.setenv("PLUMBLINE_CACHE", str(tmp_path / "cache"))
    dataset = replace(load_digits(), train=TRAIN, test=image_set(TREATED["tinted"]))
    first = dataset_duplicates(dataset)
    assert len(first.pairs) >= COUNT
    path = duplicates_file(dataset.fingerprint)
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"pairs": content["pairs"][:1]}))
    assert len(dataset_duplicates(dataset).pairs) == 1
    path.write_text(damage, encoding="latin-1")
    assert dataset_duplicates(dataset) == first
    assert dataset_duplicates(dataset) == first
