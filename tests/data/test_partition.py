"""Splits that are made: stratified, groups together, what was given in its place, by seed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from plumbline.data.partition import partition
from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from plumbline.data.picture_names import Side

SIDES: tuple[Side | None, ...] = ("train", "validation", "test", None)
sets_of_images = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 60), st.sampled_from(SIDES)), min_size=1, max_size=80
)


@settings(max_examples=150, deadline=None)
@given(images=sets_of_images, seed=st.integers(0, 2**40), top_up=st.booleans())
def test_what_always_holds(images: list[tuple[int, int, Side | None]], *, seed: int, top_up: bool) -> None:
    """Nothing given to validation or test moves, groups stay together, every class keeps one to train on.

    Given training images move only where no image is open, and groups that were given whole may be torn.
    """
    labels, groups, before = (list(column) for column in zip(*images, strict=True))
    done = partition(labels, groups=groups, given=before, seed=seed, top_up=top_up)
    assert len(done.splits) == len(images)
    may_move = None if None in before else "train"
    for old, new in zip(before, done.splits, strict=True):
        assert old in {new, may_move}
    fixed: dict[int, set[tuple[Side | None, Side]]] = {group: set() for group in groups}
    for group, old, new in zip(groups, before, done.splits, strict=True):
        fixed[group].add((old, new))
    torn = 0
    for members in fixed.values():
        if len({old for old, _ in members} - {None}) > 1:
            torn += 1
        else:
            assert len({new for _, new in members}) == 1
    assert done.torn_groups == torn
    for label in set(labels):
        own = [index for index, other in enumerate(labels) if other == label]
        alone = all(groups.count(groups[index]) == 1 for index in own)
        if alone and any(before[index] in {None, "train"} for index in own):
            assert "train" in {done.splits[index] for index in own}


# A share of test that rounds up would take two of three, and leave none for validation.
@example(counts=[3, 3, 3], seed=0, test_fraction=0.390625, validation_fraction=0.25)
@settings(max_examples=100, deadline=None)
@given(
    counts=st.lists(st.integers(3, 60), min_size=2, max_size=6),
    seed=st.integers(0, 2**40),
    test_fraction=st.floats(0.05, 0.4),
    validation_fraction=st.floats(0.05, 0.4),
)
def test_each_class_in_proportion(
    counts: list[int], seed: int, test_fraction: float, validation_fraction: float
) -> None:
    """Without duplicates each class is within one image of its share in both splits, and in all three."""
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    done = partition(
        labels,
        groups=range(len(labels)),
        given=[None] * len(labels),
        seed=seed,
        test_fraction=test_fraction,
        validation_fraction=validation_fraction,
    )
    found = Counter(zip(labels, done.splits, strict=True))
    for label, count in enumerate(counts):
        assert abs(found[label, "test"] - max(1, count * test_fraction)) <= 1.5
        assert abs(found[label, "validation"] - max(1, count * validation_fraction)) <= 1.5
        assert all(found[label, side] for side in ("train", "validation", "test"))


@settings(max_examples=60, deadline=None)
@given(images=sets_of_images, order=st.randoms(use_true_random=False))
def test_the_order_has_no_say(images: list[tuple[int, int, Side | None]], order: object) -> None:
    """With a key for each image the same images in another order get the same splits."""
    rows = [(f"{index}.png", *image) for index, image in enumerate(images)]
    shuffled = list(rows)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    results = []
    for some in (rows, shuffled):
        keys, labels, groups, before = (list(column) for column in zip(*some, strict=True))
        splits = partition(labels, groups=groups, given=before, keys=keys, seed=3).splits
        results.append(dict(zip(keys, splits, strict=True)))
    assert results[0] == results[1]


def made(count: int, **options: float) -> tuple[Side, ...]:
    """Share out one class of `count` images, beside another that is large."""
    labels = [0] * count + [1] * 40
    done = partition(labels, groups=range(len(labels)), given=[None] * len(labels), **options)  # type: ignore[arg-type]
    return tuple(sorted(done.splits[:count]))


def test_small_classes() -> None:
    """Training comes first, then test, then validation."""
    assert made(1) == ("train",)
    assert made(2) == ("test", "train")
    assert made(3) == ("test", "train", "validation")
    assert made(20) == ("test",) * 3 + ("train",) * 15 + ("validation",) * 2
    assert made(5, test_fraction=0.0, validation_fraction=0.0) == ("train",) * 5


def test_a_known_partition() -> None:
    """The splits of a seed are pinned: they are to be the same for ever, on every machine."""
    labels = [index % 2 for index in range(20)]
    keys = [f"{index}.png" for index in range(20)]
    done = partition(labels, groups=range(20), given=[None] * 20, keys=keys, seed=7)
    assert "".join(side[1] for side in done.splits) == "rarrrrrrrrrrerarreer"


def test_seeds_differ() -> None:
    """Another seed takes other images."""
    one, other = (
        partition([0] * 50, groups=range(50), given=[None] * 50, seed=seed).splits for seed in (1, 2)
    )
    assert one != other


def test_a_given_test_split_stays_as_it_is() -> None:
    """With train and test given, validation is made from training, and no test image moves."""
    before: list[Side] = ["train" if index < 30 else "test" for index in range(40)]
    done = partition([0, 1] * 20, groups=range(40), given=before)
    assert done.splits[30:] == ("test",) * 10
    assert Counter(done.splits) == {"train": 27, "validation": 3, "test": 10}


def test_open_images_alone_are_shared_out() -> None:
    """Where some images are open, training images that were given stay, and splits come from the open."""
    before: list[Side | None] = ["train" if index < 20 else None for index in range(40)]
    done = partition([0, 1] * 20, groups=range(40), given=before)
    assert done.splits[:20] == ("train",) * 20
    assert Counter(done.splits[20:]) == {"train": 15, "validation": 2, "test": 3}


def test_later_pictures() -> None:
    """Pictures that come later go to training, or fill up the other splits where that is asked."""
    known: tuple[Side, ...] = made(20)
    before = (*known, *[None] * 80)
    plain = partition([0] * 100, groups=range(100), given=before)
    assert plain.splits[20:] == ("train",) * 80
    filled = partition([0] * 100, groups=range(100), given=before, top_up=True)
    assert Counter(filled.splits) == {"train": 75, "validation": 10, "test": 15}


def test_duplicates_follow_what_was_given() -> None:
    """An open copy of a test picture goes to test, and to training where copies were given to both."""
    done = partition([0] * 5, groups=[1, 1, 2, 2, 2], given=["test", None, "train", "test", None])
    assert done.splits == ("test", "test", "train", "test", "train")
    assert done.torn_groups == 1


def test_a_class_of_few_large_groups() -> None:
    """A class whose groups are all larger than its share gets its smallest group, and trains on the rest."""
    groups = [0] * 10 + [1] * 8 + [2] * 9 + [3] * 9
    done = partition([0] * 36, groups=groups, given=[None] * 36)
    assert Counter(done.splits) == {"test": 8, "validation": 9, "train": 19}


def test_many_classes_and_images() -> None:
    """Sixty thousand images of a thousand classes, half of them with one image each, take seconds at most."""
    labels = [*range(500), *(500 + index % 500 for index in range(59_500))]
    done = partition(labels, groups=range(60_000), given=[None] * 60_000)
    assert set(done.splits[:500]) == {"train"}


@pytest.mark.parametrize("fractions", [(-0.1, 0.1), (0.5, 0.5)])
def test_fractions_that_leave_nothing(fractions: tuple[float, float]) -> None:
    """Fractions that are negative or leave nothing to train on are refused."""
    with pytest.raises(PlumblineError, match="leave some for training"):
        partition([0], groups=[0], given=[None], validation_fraction=fractions[0], test_fraction=fractions[1])


def test_one_of_each_for_every_image() -> None:
    """A list of another length is refused, and the lengths are told."""
    with pytest.raises(PlumblineError, match="each of 2 images, got 1, 2, 2"):
        partition([0, 1], groups=[0], given=[None, None])
