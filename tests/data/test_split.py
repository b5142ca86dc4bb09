import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from plumbline.data.split import class_quotas, stratified_split
from plumbline.errors import PlumblineError

LABELS = torch.arange(600) % 7


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.integers(0, 5), min_size=1, max_size=120), seed=st.integers(0, 2**40), data=st.data()
)
def test_every_split_is_a_partition_in_proportion(labels: list[int], seed: int, data: st.DataObject) -> None:
    """The two parts share no image and leave none out; each class is within one image of its share."""
    count = data.draw(st.integers(0, len(labels) - 1))
    tensor = torch.tensor(labels)
    split = stratified_split(tensor, validation_count=count, seed=seed)
    assert len(split.validation) == count
    assert sorted(split.train.tolist() + split.validation.tolist()) == list(range(len(labels)))
    held = torch.bincount(tensor[split.validation], minlength=6)
    fair = torch.bincount(tensor, minlength=6) * count / len(labels)
    assert ((held - fair).abs() < 1).all()


def test_known_split() -> None:
    """The split of a seed is pinned: another machine, Python or torch that gave another one would be seen."""
    split = stratified_split(LABELS, validation_count=12, seed=7)
    assert split.validation.tolist() == [29, 139, 145, 182, 345, 400, 402, 413, 438, 494, 555, 570]


def test_seeds_differ() -> None:
    """Another seed holds out other images."""
    one, other = (stratified_split(LABELS, validation_count=60, seed=seed) for seed in (1, 2))
    assert not torch.equal(one.validation, other.validation)


@settings(max_examples=60, deadline=None)
@given(labels=st.lists(st.integers(0, 5), min_size=3, max_size=120), data=st.data())
def test_a_class_that_gets_more_keeps_what_it_had(labels: list[int], data: st.DataObject) -> None:
    """At one seed, a class with more images held out has those that it had with fewer among them."""
    counts = [data.draw(st.integers(0, len(labels) - 1)) for _ in range(2)]
    tensor = torch.tensor(labels)
    splits = [stratified_split(tensor, validation_count=count, seed=7) for count in counts]
    for label in set(labels):
        few, many = sorted(
            ({index for index in split.validation.tolist() if labels[index] == label} for split in splits),
            key=len,
        )
        assert few <= many


def test_nothing_held_out() -> None:
    """A count of 0 leaves every image to training, in order."""
    split = stratified_split(LABELS, validation_count=0, seed=7)
    assert torch.equal(split.train, torch.arange(600))
    assert split.validation.tolist() == []


@pytest.mark.parametrize("count", [-1, 600, 10_000])
def test_impossible_counts(count: int) -> None:
    """A validation split that would be negative or leave nothing to train on is refused."""
    with pytest.raises(PlumblineError, match="expected from 0 to 599 validation images"):
        stratified_split(LABELS, validation_count=count, seed=7)


def test_quotas_of_an_uneven_set() -> None:
    """Rare classes get their rounded share, and ties go to the lower class."""
    assert class_quotas([97, 2, 1], total=50) == [49, 1, 0]
    assert class_quotas([1, 1, 1], total=2) == [1, 1, 0]
