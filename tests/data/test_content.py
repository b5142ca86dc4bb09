import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_cifar import TEST, TRAIN, small_split, take

from plumbline.data.content import (
    RawSplit,
    assemble,
    canonical_set,
    channel_statistics,
    check_split,
    content_fingerprint,
    image_digests,
    join_splits,
)
from plumbline.errors import PlumblineError


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(len(TRAIN.labels))))
def test_row_order_does_not_matter(order: list[int]) -> None:
    """Any order of the rows gives the same tensors and the same fingerprint."""
    shuffled = RawSplit(TRAIN.pixels[order], TRAIN.labels[order])
    first, second = image_digests(TRAIN), image_digests(shuffled)
    test = image_digests(TEST)
    assert content_fingerprint("x", train=first, test=test) == content_fingerprint(
        "x", train=second, test=test
    )
    one, other = canonical_set(TRAIN, digests=first), canonical_set(shuffled, digests=second)
    assert torch.equal(one.images, other.images)
    assert torch.equal(one.labels, other.labels)


@pytest.mark.parametrize("change", ["pixel", "label", "missing", "name", "swapped splits"])
def test_fingerprint_sees_every_change(change: str) -> None:
    """One pixel, label or image less, another name and swapped splits each change the fingerprint."""
    before = content_fingerprint("x", train=image_digests(TRAIN), test=image_digests(TEST))
    train, test, name = RawSplit(TRAIN.pixels.copy(), TRAIN.labels.copy()), TEST, "x"
    if change == "pixel":
        train.pixels[3, 1, 5, 7] ^= 1
    elif change == "label":
        train.labels[3] = (train.labels[3] + 1) % 10
    elif change == "missing":
        train = take(train, slice(1, None))
    elif change == "name":
        name = "y"
    else:
        train, test = test, train
    assert content_fingerprint(name, train=image_digests(train), test=image_digests(test)) != before


def test_wrong_content_is_refused() -> None:
    """Data that is not what its name says is refused, with both hashes in the text."""
    with pytest.raises(
        PlumblineError, match=r"the images or labels of here are not those of x: expected .* abc"
    ):
        assemble("x", classes=tuple("abcdefghij"), train=TRAIN, test=TEST, source="here", fingerprint="abc")


@pytest.mark.parametrize("label", [-1, 10, 300])
def test_label_out_of_range(label: int) -> None:
    """A label outside the classes is reported with its row."""
    raw = small_split(5, seed=3)
    raw.labels[2] = label
    with pytest.raises(PlumblineError, match=rf"got {label} at row 2"):
        check_split(raw, split="test", count=5, classes=10)


def test_wrong_count() -> None:
    """A split with too few images is reported with both counts."""
    with pytest.raises(PlumblineError, match="expected 50,000 training images, got 5"):
        check_split(small_split(5, seed=3), split="training", count=50_000, classes=10)


def test_parts_are_joined_in_order() -> None:
    """Shards behind one another are the whole."""
    whole = join_splits([take(TRAIN, slice(20)), take(TRAIN, slice(20, None))])
    assert np.array_equal(whole.pixels, TRAIN.pixels)
    assert np.array_equal(whole.labels, TRAIN.labels)


@pytest.mark.parametrize("width", [32, 300])
def test_statistics_match_a_direct_computation(width: int) -> None:
    """Mean and deviation are those that float64 arithmetic over all pixels gives."""
    images = torch.randint(
        0, 256, (7, 3, 8, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )
    got, values = channel_statistics(images), images.double() / 255
    assert got.mean == pytest.approx(values.mean((0, 2, 3)).tolist(), abs=1e-12)
    assert got.std == pytest.approx(values.std((0, 2, 3), correction=0).tolist(), abs=1e-12)
