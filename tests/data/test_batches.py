from collections.abc import Iterator

import pytest
import torch
from lightning.fabric.utilities.data import _set_sampler_epoch

from plumbline.data.augment import random_crop, random_flip
from plumbline.data.batches import BatchStream, Draw, EvaluationBatches
from plumbline.data.images import ImageSet
from plumbline.errors import PlumblineError
from plumbline.streams import stream_generator

COUNT = 50


def image_set() -> ImageSet:
    images = torch.randint(
        0, 256, (COUNT, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )
    return ImageSet(images, torch.arange(COUNT))


def augment(images: torch.Tensor, draw: Draw) -> torch.Tensor:
    return random_flip(random_crop(images, padding=2, generator=draw.generator), generator=draw.generator)


def stream(
    *, seed: int = 7, drop_last: bool = False, rank: int = 0, world_size: int = 1, first_epoch: int = 0
) -> BatchStream:
    return BatchStream(
        image_set(),
        batch_size=16,
        seed=seed,
        augment=augment,
        finish=lambda images, _draw, _share: images.float(),
        drop_last=drop_last,
        rank=rank,
        world_size=world_size,
        first_epoch=first_epoch,
    )


def labels(batches: BatchStream) -> list[int]:
    return torch.cat([batch for _, batch in batches]).tolist()


def same(left: Iterator[tuple[torch.Tensor, ...]], right: Iterator[tuple[torch.Tensor, ...]]) -> bool:
    pairs = zip(left, right, strict=True)
    return all(torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in pairs)


def test_an_epoch_has_every_image_once() -> None:
    """With the last batch kept, an epoch is a permutation; dropped, only that batch is missing."""
    assert sorted(labels(stream())) == list(range(COUNT))
    assert [len(batch) for _, batch in stream()] == [16, 16, 16, 2]
    assert len(stream()) == 4
    assert len(labels(stream(drop_last=True))) == 48
    assert len(stream(drop_last=True)) == 3


def test_epochs_and_seeds_differ() -> None:
    """The order depends on the seed and the epoch, and the same epoch comes out the same again."""
    batches = stream()
    first = labels(batches)
    assert labels(batches) == first
    batches.set_epoch(1)
    assert labels(batches) != first
    assert labels(stream(seed=8)) != first


def test_augmentation_follows_seed_and_epoch() -> None:
    """A repeated epoch is equal bit for bit, and no global random number is drawn."""
    state = torch.get_rng_state()
    assert same(iter(stream()), iter(stream()))
    assert torch.equal(torch.get_rng_state(), state)


def test_known_batch() -> None:
    """A batch of a seed is pinned: order and augmentation stay what they were, whatever makes them."""
    images, labels = next(iter(stream()))
    assert labels.tolist() == [42, 8, 16, 44, 45, 17, 49, 2, 27, 7, 31, 11, 21, 25, 18, 4]
    assert [int(image.sum()) for image in images[:5]] == [16513, 17578, 20613, 20213, 15309]
    assert images[0, 0, 3].tolist() == [0, 104, 25, 80, 142, 244, 71, 5]


def test_the_layout_of_the_images_changes_nothing() -> None:
    """A split that lies channels_last in memory gives the same batches."""
    plain, other = stream(), stream()
    split = plain.split
    other.split = ImageSet(split.images.contiguous(memory_format=torch.channels_last), split.labels)
    assert same(iter(plain), iter(other))


def test_augmentation_is_told_what_it_has() -> None:
    """A draw names the batch's images by their place in the split, and the epoch of the random streams."""
    seen: list[Draw] = []

    def look(images: torch.Tensor, draw: Draw) -> torch.Tensor:
        assert torch.equal(images, image_set().images[draw.indices])
        seen.append(draw)
        return images

    batches = BatchStream(
        image_set(), batch_size=16, seed=7, augment=look, finish=lambda images, *_: images, first_epoch=3
    )
    batches.set_epoch(2)
    assert labels(batches) == torch.cat([draw.indices for draw in seen]).tolist()
    assert [draw.epoch for draw in seen] == [5] * 4
    for batch, draw in enumerate(seen):
        assert draw.generator.initial_seed() == stream_generator(7, "augment", 5, batch).initial_seed()


def test_lightning_sets_the_epoch() -> None:
    """Lightning finds `sampler.set_epoch`, also when it asked for the iterator before it set the epoch."""
    batches, expected = stream(), stream()
    expected.set_epoch(5)
    early = iter(batches)
    _set_sampler_epoch(batches, 5)
    assert same(early, iter(expected))


def test_resume_continues_exactly() -> None:
    """A stream loaded at its second batch gives the rest of the epoch, and then whole epochs again."""
    whole, first = list(stream()), stream()
    passing = iter(first)
    next(passing), next(passing)
    second = stream()
    early = iter(second)
    second.load_state_dict(first.state_dict())
    assert second.state_dict() == first.state_dict()
    assert same(early, iter(whole[2:]))
    assert same(iter(second), iter(whole))


def test_position_counts_batches_handed_out() -> None:
    """The position is that of the next batch, and 0 again when the epoch is over."""
    batches = stream()
    assert batches.state_dict() == {"batch": 0, "epoch": 0}
    assert [batches.state_dict()["batch"] for _ in batches] == [1, 2, 3, 0]


def test_a_pass_cut_short_is_not_resumed_in_the_next_epoch() -> None:
    """Where an epoch ended early by choice, the next one starts at its beginning, resumed or not."""
    first = stream()
    next(iter(first))
    second = stream()
    second.load_state_dict(first.state_dict())
    second.set_epoch(1)
    assert sorted(labels(second)) == list(range(COUNT))


def test_position_of_other_data_is_refused() -> None:
    """A position beyond the epoch says that data or batch size have changed."""
    with pytest.raises(PlumblineError, match="written with other data or another batch size"):
        stream().load_state_dict({"batch": 4})


@pytest.mark.parametrize(("world_size", "drop_last"), [(2, False), (3, True)])
def test_shares_make_up_the_single_process_batches(world_size: int, *, drop_last: bool) -> None:
    """The processes' shares, put together, are the batches of one process, augmentation included."""
    shares = [
        list(stream(rank=rank, world_size=world_size, drop_last=drop_last)) for rank in range(world_size)
    ]
    joined = [
        tuple(torch.cat(parts) for parts in zip(*pieces, strict=True)) for pieces in zip(*shares, strict=True)
    ]
    assert same(iter(joined), iter(stream(drop_last=drop_last)))


def test_more_processes_than_images_in_a_batch() -> None:
    """A last batch that would leave a process with nothing is refused at the start."""
    with pytest.raises(
        PlumblineError, match="an image for each of 3 processes in a batch, got a last one of 2"
    ):
        stream(world_size=3)


def test_second_phase_goes_on_in_the_streams() -> None:
    """`first_epoch` shifts the random streams: the batches are those of that epoch in a first phase."""
    later, plain = stream(first_epoch=3), stream()
    plain.set_epoch(3)
    assert same(iter(later), iter(plain))


@pytest.mark.parametrize("batch_size", [0, -1, COUNT + 1])
def test_impossible_batch_sizes(batch_size: int) -> None:
    """A batch larger than the data, or of nothing, is refused."""
    with pytest.raises(PlumblineError, match=f"expected a batch size from 1 to the {COUNT} training images"):
        BatchStream(
            image_set(), batch_size=batch_size, seed=7, augment=augment, finish=lambda images, *_: images
        )


def test_evaluation_is_whole_and_in_order() -> None:
    """Evaluation has every image once, in order, the last batch kept; a batch may exceed the split."""
    for batch_size, count in ((16, 4), (100, 1)):
        batches = EvaluationBatches(image_set(), batch_size=batch_size, finish=lambda images: images)
        assert len(batches) == len(list(batches)) == count
        assert torch.equal(torch.cat([images for images, _ in batches]), image_set().images)
        assert torch.cat([batch for _, batch in batches]).tolist() == list(range(COUNT))
