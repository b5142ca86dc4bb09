import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import lightning
import pytest
import torch
from linear_model import Linear

from plumbline.data import load_dataset
from plumbline.data.batches import Draw
from plumbline.data.images import Dataset
from plumbline.data.modules import ImageDataModule
from plumbline.errors import PlumblineError
from trainers import quiet_trainer


class SaveAt(lightning.Callback):
    """Writes a checkpoint after a given step and stops there."""

    def __init__(self, step: int, *, path: Path) -> None:
        self._step, self._path = step, path

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: object, **__: object) -> None:
        if trainer.global_step == self._step:
            trainer.save_checkpoint(self._path)
            trainer.should_stop = True


def trainer(*callbacks: lightning.Callback) -> lightning.Trainer:
    return quiet_trainer(max_epochs=2, num_sanity_val_steps=0, callbacks=list(callbacks))


@pytest.fixture(autouse=True)
def lightning_warnings() -> Iterator[None]:
    """Lightning 2.6.6 uses a deprecated piece of torch, and advises more workers for any loader."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        yield


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


def test_a_plain_trainer_takes_it(digits: Dataset) -> None:
    """A plain Trainer trains on all 1,300 images in every epoch, each time in another order, and tests."""
    data = ImageDataModule(digits, batch_size=128, validation_count=137, seed=7)
    model, fitting = Linear(), trainer()
    fitting.fit(model, datamodule=data)
    assert fitting.global_step == 2 * data.steps_per_epoch == 22
    assert sum(len(batch) for batch in model.seen) == 2 * 1300
    assert model.seen[:11] != model.seen[11:]
    assert 0 <= fitting.test(model, datamodule=data, verbose=False)[0]["accuracy"] <= 1


def test_resume_in_the_middle_of_an_epoch(digits: Dataset, tmp_path: Path) -> None:
    """A run resumed from its 15th step (4 of 11 in its epoch) sees the batches that were left."""

    def data() -> ImageDataModule:
        return ImageDataModule(digits, batch_size=128, validation_count=137, seed=7)

    whole = Linear()
    trainer().fit(whole, datamodule=data())
    stopped = Linear()
    trainer(SaveAt(15, path=tmp_path / "x.ckpt")).fit(stopped, datamodule=data())
    resumed = Linear()
    trainer().fit(resumed, datamodule=data(), ckpt_path=str(tmp_path / "x.ckpt"))
    assert resumed.seen == whole.seen[15:]


def test_train_and_validation_are_apart_and_test_is_the_test_set(digits: Dataset) -> None:
    """The three splits are disjoint, and the held-out images come out of the training images alone."""
    data = ImageDataModule(digits, batch_size=64, validation_count=100, seed=3)
    train, validation, test = (data.image_set(split) for split in ("train", "validation", "test"))
    assert (len(train), len(validation), len(test)) == (1337, 100, 360)
    assert torch.equal(test.images, digits.test.images)
    assert not set(data.splits.train.tolist()) & set(data.splits.validation.tolist())
    with pytest.raises(PlumblineError, match="got 'val'"):
        data.image_set("val")


def test_batches_are_normalised_and_evaluation_is_plain(digits: Dataset) -> None:
    """Evaluation batches are the images normalised and nothing else, in the dtype and layout asked for."""
    data = ImageDataModule(
        digits,
        batch_size=64,
        validation_count=0,
        seed=3,
        dtype=torch.bfloat16,
        channels_last=True,
        test_size=16,
    )
    images, labels = next(iter(data.test_dataloader()))
    assert images.dtype == torch.bfloat16
    assert images.shape == (64, 3, 16, 16)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(labels, digits.test.labels[:64])
    assert data.val_dataloader() == []
    plain = ImageDataModule(digits, batch_size=64, validation_count=0, seed=3)
    whole = torch.cat([images for images, _ in plain.evaluation_batches("train")])
    assert whole.mean() == pytest.approx(0, abs=1e-4)
    assert whole.std() == pytest.approx(1, abs=1e-3)


def test_sizes_follow_the_epochs(digits: Dataset) -> None:
    """Image sizes share the epochs evenly, and more than one size needs to know how many epochs there are."""
    data = ImageDataModule(digits, batch_size=64, validation_count=0, seed=3, train_sizes=(16, 32), epochs=4)
    stream, sizes = data.train_dataloader(), []
    for epoch in range(4):
        stream.set_epoch(epoch)
        sizes.append(next(iter(stream))[0].shape[-1])
    assert sizes == [16, 16, 32, 32]
    with pytest.raises(PlumblineError, match="number of epochs that 2 sizes share"):
        ImageDataModule(digits, batch_size=64, validation_count=0, seed=3, train_sizes=(16, 32))


def test_switches_change_the_batches(digits: Dataset) -> None:
    """Without crop and flip, training batches are the plain images in another order."""
    data = ImageDataModule(digits, batch_size=1437, validation_count=0, seed=3, crop_padding=0, flip=False)
    images, labels = next(iter(data.train_dataloader()))
    plain = data.finish(digits.train.images)
    assert torch.equal(labels.sort().values, digits.train.labels.sort().values)
    assert torch.equal(images.sum((1, 2, 3)).sort().values, plain.sum((1, 2, 3)).sort().values)
    for padding, flip in ((4, False), (0, True)):
        other = ImageDataModule(
            digits, batch_size=1437, validation_count=0, seed=3, crop_padding=padding, flip=flip
        )
        assert not torch.equal(next(iter(other.train_dataloader()))[0], images)


@pytest.mark.parametrize("crop_padding", [0, 2])
def test_alternating_flips_show_every_image_both_ways(digits: Dataset, crop_padding: int) -> None:
    """Half of the images are mirrored in one epoch and the other half in the next, cropped or not."""
    data = ImageDataModule(
        digits, batch_size=500, validation_count=137, seed=3, flip="alternating", crop_padding=crop_padding
    )
    stream, mirrored = data.train_dataloader(), torch.zeros(2, 1300, dtype=torch.bool)
    stream._augment = lambda images, draw: mirrored_of(data, images=images, draw=draw, out=mirrored)
    for epoch in (0, 1):
        stream.set_epoch(epoch)
        list(stream)
    assert int(mirrored[0].sum()) == 650
    assert torch.equal(mirrored[0], ~mirrored[1])


def mirrored_of(
    data: ImageDataModule, *, images: torch.Tensor, draw: Draw, out: torch.Tensor
) -> torch.Tensor:
    """Augment pictures that tell left from right in place of `images`; note which came out mirrored."""
    ramp = torch.arange(100, 132, dtype=torch.uint8).expand(len(images), 3, 32, 32)
    got = data.augment(ramp, draw)
    out[draw.epoch, draw.indices] = got[:, 0, 16, 10] > got[:, 0, 16, 20]
    return got


def test_crops_reflect(digits: Dataset) -> None:
    """With the fill "reflect" nothing black comes in from beyond the edge; with zeros it does."""
    bright = torch.full((64, 3, 32, 32), 200, dtype=torch.uint8)
    for fill, least in (("reflect", 200), ("zeros", 0)):
        data = ImageDataModule(digits, batch_size=64, validation_count=0, seed=3, crop_fill=fill)  # type: ignore[arg-type]
        draw = Draw(torch.arange(64), 0, torch.Generator().manual_seed(1))
        assert int(data.augment(bright, draw).min()) == least


def test_jitter_is_the_same_in_several_processes_and_leaves_the_other_draws(digits: Dataset) -> None:
    """Two processes light a batch as one does, crop and flip stay as without it, and evaluation is plain."""
    make = partial(ImageDataModule, digits, batch_size=64, validation_count=0, seed=3, train_sizes=(16,))
    data, plain = make(jitter=0.2), make()
    lit, labels = next(iter(data.train_batches()))
    shares = [next(iter(data.train_batches(rank=rank, world_size=2)))[0] for rank in (0, 1)]
    assert torch.equal(torch.cat(shares), lit)
    unlit, same_labels = next(iter(plain.train_batches()))
    assert torch.equal(labels, same_labels)
    slopes = (lit - lit.mean((1, 2, 3), keepdim=True)) / (unlit - unlit.mean((1, 2, 3), keepdim=True))
    factors = slopes.flatten(1).median(dim=1).values
    assert 0.8 <= factors.min() < 0.9 < 1.1 < factors.max() <= 1.2
    expected = unlit * factors.view(-1, 1, 1, 1)
    assert (lit - expected).flatten(1).std(dim=1).max() < 1e-3
    assert torch.equal(
        next(iter(data.evaluation_batches("test")))[0], next(iter(plain.evaluation_batches("test")))[0]
    )


def test_cutout_follows_the_image_size_and_leaves_the_other_draws(digits: Dataset) -> None:
    """Two processes cut as one does, a quarter of each side whatever the size, and evaluation is plain."""
    for size, side in ((16, 4), (24, 6)):
        make = partial(
            ImageDataModule,
            digits,
            batch_size=64,
            validation_count=0,
            seed=3,
            jitter=0.2,
            train_sizes=(size,),
        )
        data, plain = make(cutout=0.25), make()
        cut, labels = next(iter(data.train_batches()))
        shares = [next(iter(data.train_batches(rank=rank, world_size=2)))[0] for rank in (0, 1)]
        assert torch.equal(torch.cat(shares), cut)
        whole, same_labels = next(iter(plain.train_batches()))
        assert torch.equal(labels, same_labels)
        missing = (cut == 0).all(dim=1)
        assert missing.sum((1, 2)).tolist() == [side**2] * 64
        assert torch.equal(cut, whole.masked_fill(missing.unsqueeze(1), 0))
    assert torch.equal(
        next(iter(data.evaluation_batches("test")))[0], next(iter(plain.evaluation_batches("test")))[0]
    )


@pytest.mark.filterwarnings("ignore:Total length of .list. across ranks is zero")
def test_no_validation_at_all(digits: Dataset) -> None:
    """With a validation count of 0 every image trains, and a Trainer goes through without validation."""
    data = ImageDataModule(digits, batch_size=128, validation_count=0, seed=7)
    assert len(data.splits.validation) == len(data.image_set("validation")) == 0
    assert data.val_dataloader() == []
    assert list(data.evaluation_batches("validation")) == []
    model = Linear()
    trainer().fit(model, datamodule=data)
    assert sum(len(batch) for batch in model.seen) == 2 * len(digits.train)


def test_normalized_images_are_what_a_model_gets(digits: Dataset) -> None:
    """They are the split's first images, normalised, at their own size; as many as there are, at most."""
    data = ImageDataModule(
        digits,
        batch_size=64,
        validation_count=100,
        seed=3,
        train_sizes=(16,),
        test_size=16,
        dtype=torch.bfloat16,
        channels_last=True,
    )
    got = data.normalized_images("train", count=70)
    first = digits.train.select(data.splits.train[:70]).images.float() / 255
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (digits.mean, digits.std))
    assert torch.allclose(got, (first - mean) / std, atol=1e-5)
    assert got.is_contiguous(memory_format=torch.channels_last)
    assert len(data.normalized_images("validation", count=5000)) == 100
    with pytest.raises(PlumblineError, match="at least 1 normalised image, got a count of 0"):
        data.normalized_images("train", count=0)


def test_an_unknown_flip_is_refused(digits: Dataset) -> None:
    """A word that is not quite the right one does not flip at random, and the right ones are named."""
    with pytest.raises(
        PlumblineError, match="flip: expected True, False or \"alternating\", got 'alternate'"
    ):
        ImageDataModule(digits, batch_size=64, validation_count=0, seed=3, flip="alternate")  # type: ignore[arg-type]


def test_batch_larger_than_the_data(digits: Dataset) -> None:
    """A batch larger than what is left to train on can be evaluated with, and is refused for training."""
    data = ImageDataModule(digits, batch_size=1001, validation_count=437, seed=3)
    assert len(data.val_dataloader()) == 1
    with pytest.raises(PlumblineError, match="batch size from 1 to the 1,000 training images"):
        data.train_dataloader()
