"""The CIFAR modules are what lightning-bolts had, and follow what a Trainer does to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lightning
import pytest
import torch
from lightning.pytorch.tuner.tuning import Tuner
from linear_model import Linear
from small_cifar import SPEC, real_cifar10, write_shards
from torchvision import transforms

from plumbline.data.catalog import CIFAR10, CIFAR100
from plumbline.data.load import load_cifar
from plumbline.data.modules import CIFAR10DataModule, CIFAR100DataModule, ImageDataModule
from plumbline.errors import PlumblineError
from trainers import quiet_trainer

if TYPE_CHECKING:
    from pathlib import Path


class Small(CIFAR10DataModule):
    spec = SPEC


@pytest.fixture
def data(tmp_path: Path) -> Small:
    write_shards(tmp_path)
    return Small(tmp_path, batch_size=4, val_split=10)


@pytest.fixture
def trainer(tmp_path: Path) -> lightning.Trainer:
    return quiet_trainer(default_root_dir=tmp_path, max_epochs=2)


def test_a_batch_size_set_after_setup_is_used(data: Small) -> None:
    """Training, validation and test batches all follow it, and so does the number of steps."""
    data.setup()
    assert [len(labels) for _, labels in data.train_dataloader()] == [4] * 10
    data.batch_size = 16
    assert [len(labels) for _, labels in data.train_dataloader()] == [16, 16, 8]
    assert [len(labels) for _, labels in data.val_dataloader()] == [10]
    assert [len(labels) for _, labels in data.test_dataloader()] == [16, 4]
    assert data.images.steps_per_epoch == 3


def test_lightnings_search_for_a_batch_size_works(data: Small, trainer: lightning.Trainer) -> None:
    """It tries batches of the sizes that it says, and leaves the module at the largest that passed."""
    model = Linear()
    found = Tuner(trainer).scale_batch_size(
        model, datamodule=data, init_val=4, max_trials=2, steps_per_trial=1
    )
    assert [len(batch) for batch in model.seen] == [4, 8]
    assert found == data.batch_size == 8


@pytest.mark.parametrize("stage", ["fit", "test"])
def test_the_copies_are_let_go_at_the_end_of_a_stage(
    data: Small, trainer: lightning.Trainer, stage: str
) -> None:
    """What a Trainer had placed on its device is gone when it is done, and can be placed again."""
    model = Linear()
    for _ in range(2):
        getattr(trainer, stage)(model, datamodule=data)
        assert data.images._placed == {}


def test_cifar_module_in_place_of_the_old_one(tmp_path: Path, trainer: lightning.Trainer) -> None:
    """lightning-bolts' arguments work by position; transforms get PIL pictures, in two workers."""
    write_shards(tmp_path)
    augment = transforms.Compose([transforms.RandomCrop(32, padding=4), transforms.ToTensor()])
    data = Small(str(tmp_path), 8, 10, 2, 7, augment)
    model = Linear()
    trainer.fit(model, datamodule=data)
    assert (data.num_samples, data.num_classes, data.dims, data.name) == (40, 10, (3, 32, 32), "cifar10")
    assert [len(batch) for batch in model.seen] == [8] * 10
    assert model.seen[:5] != model.seen[5:]
    trainer.test(model, datamodule=data, verbose=False)


def test_given_transforms_see_every_picture_once(tmp_path: Path) -> None:
    """With transforms that change nothing, the DataLoader gives the very images of the split."""
    write_shards(tmp_path)
    same = transforms.PILToTensor()
    data = Small(
        tmp_path, 16, val_split=0.2, train_transforms=same, val_transforms=same, test_transforms=same
    )
    data.prepare_data()
    data.setup("fit")
    test = torch.cat([images for images, _ in data.test_dataloader()])
    assert torch.equal(test, load_cifar(SPEC, data_dir=tmp_path).test.images)
    assert sum(len(labels) for _, labels in data.val_dataloader()) == 10
    train = torch.cat([images for images, _ in data.train_dataloader()])
    assert torch.equal(
        train.sum((1, 2, 3)).sort().values, data.images.image_set("train").images.sum((1, 2, 3)).sort()[0]
    )


def test_default_transforms_are_the_fast_path(tmp_path: Path) -> None:
    """default_transforms() does what the fast path does in evaluation, up to the constants' rounding."""
    write_shards(tmp_path)
    data = CIFAR10DataModule(seed=1, batch_size=8)
    data._images = ImageDataModule(real_cifar10(), batch_size=8, validation_count=5000, seed=1)
    by_hand = CIFAR10DataModule(seed=1, test_transforms=data.default_transforms(), batch_size=8)
    by_hand._images = data._images
    fast, slow = next(iter(data.test_dataloader())), next(iter(by_hand.test_dataloader()))
    assert torch.equal(fast[1], slow[1])
    assert torch.allclose(fast[0], slow[0], atol=2e-3)


@pytest.mark.parametrize("val_split", [-1, 50_000, 0.99999, 10.5, -0.1])
def test_impossible_val_split(val_split: float) -> None:
    """A validation split that is no number of images is refused when the module is made."""
    with pytest.raises(PlumblineError, match="expected val_split as a number from 0 to 49,999"):
        CIFAR10DataModule(val_split=val_split)


def test_cifar100_module_knows_its_numbers() -> None:
    """What a model needs to know is there before any data is."""
    data = CIFAR100DataModule(val_split=0)
    assert (data.name, data.num_classes, data.num_samples) == ("cifar100", 100, 50_000)
    assert data.default_transforms().transforms[1].mean == (0.5071, 0.4865, 0.4409)
    assert (data.spec, CIFAR10DataModule.spec) == (CIFAR100, CIFAR10)
    with pytest.raises(PlumblineError, match="call setup"):
        data.train_dataloader()
