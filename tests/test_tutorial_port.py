"""The tutorial's notebook, cell by cell, on current Lightning, with no code but our imports.

What the notebook did wrong (the head, the steps of one-cycle, the averaged score) is right here; the images
are few.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from lightning import LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from small_cifar import SPEC, real_data_folder, write_shards
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import OneCycleLR
from torchmetrics.functional.classification import accuracy
from torchvision import transforms

from plumbline import (
    CIFAR10DataModule,
    ImageClassifier,
    WeightAverager,
    cifar10_normalization,
    create_model,
)
from plumbline.optim import SgdConstant

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.slow,
    # Lightning's advice depends on how many cores the machine has.
    pytest.mark.filterwarnings("ignore:The '.*dataloader' does not have many workers"),
]

BATCH_SIZE, TRAIN_COUNT, EPOCHS = 8, 20, 2
STEPS = 3  # of an epoch: 8, 8 and 4 images


class SmallDataModule(CIFAR10DataModule):
    """The same module over 50 training images, for a machine that has no CIFAR-10."""

    spec = SPEC


def tutorial_transforms() -> dict[str, Any]:
    """Give what the notebook's cell gives, word for word."""
    train_transforms = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            cifar10_normalization(),
        ]
    )
    test_transforms = transforms.Compose([transforms.ToTensor(), cifar10_normalization()])
    return {
        "num_workers": 2,
        "train_transforms": train_transforms,
        "test_transforms": test_transforms,
        "val_transforms": test_transforms,
    }


@pytest.fixture(scope="module", params=["torchvision", "fast path"])
def data(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> CIFAR10DataModule:
    """Give CIFAR10DataModule on 20 real training images, or, without CIFAR-10, its twin on 20 random ones."""
    given = tutorial_transforms() if request.param == "torchvision" else {}
    try:
        real_data_folder()
    except pytest.skip.Exception:
        folder = tmp_path_factory.mktemp("cifar10")
        write_shards(folder)
        return SmallDataModule(folder, BATCH_SIZE, SPEC.train_count - TRAIN_COUNT, **given)
    return CIFAR10DataModule(batch_size=BATCH_SIZE, val_split=50_000 - TRAIN_COUNT, **given)


class LitResnet(LightningModule):
    """The notebook's module as its reader would write it today."""

    def __init__(self, lr: float = 0.1) -> None:  # noqa: ARG002  (save_hyperparameters reads it)
        super().__init__()
        self.save_hyperparameters()
        self.model = create_model("resnet18", num_classes=10)

    def forward(self, x: Tensor) -> Tensor:
        return functional.log_softmax(self.model(x), dim=1)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:  # noqa: ARG002
        x, y = batch
        loss = functional.nll_loss(self(x), y)
        self.log("train/loss", loss)
        return loss

    def evaluate(self, batch: tuple[Tensor, Tensor], stage: str) -> None:
        x, y = batch
        logits = self(x)
        self.log(f"{stage}/loss", functional.nll_loss(logits, y), prog_bar=True)
        correct = accuracy(logits.argmax(1), y, task="multiclass", num_classes=10)
        self.log(f"{stage}/accuracy", correct, prog_bar=True)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:  # noqa: ARG002
        self.evaluate(batch, "val")

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:  # noqa: ARG002
        self.evaluate(batch, "test")

    def configure_optimizers(self) -> Any:  # noqa: ANN401
        optimizer = torch.optim.SGD(self.parameters(), lr=self.hparams["lr"], momentum=0.9, weight_decay=5e-4)
        datamodule = self.trainer.datamodule  # type: ignore[attr-defined]
        steps = len(datamodule.train_dataloader()) * (self.trainer.max_epochs or 1)
        scheduler = OneCycleLR(optimizer, max_lr=self.hparams["lr"], total_steps=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class LitResnetConstant(LitResnet):
    """The module of the notebook's second phase."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)


def our_classifier() -> ImageClassifier:
    return ImageClassifier(create_model("resnet18", num_classes=10), model_name="resnet18")


def our_constant() -> ImageClassifier:
    model = create_model("resnet18", num_classes=10)
    return ImageClassifier(model, model_name="resnet18", optimization=SgdConstant(rate=0.01))


def tutorial_trainer(folder: Path, *callbacks: Any, epochs: int = EPOCHS) -> Trainer:  # noqa: ANN401
    return Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=TensorBoardLogger(folder, name="resnet"),
        callbacks=[LearningRateMonitor(logging_interval="step"), ModelCheckpoint(), *callbacks],
        enable_progress_bar=False,
        log_every_n_steps=1,
        limit_val_batches=1,
        limit_test_batches=1,
    )


def rates(trainer: Trainer) -> list[float]:
    """Give what LearningRateMonitor wrote to TensorBoard."""
    accumulator = EventAccumulator(str(trainer.log_dir))
    accumulator.Reload()
    (tag,) = [tag for tag in accumulator.Tags()["scalars"] if tag.startswith("lr-")]
    return [event.value for event in accumulator.Scalars(tag)]


@pytest.mark.parametrize(
    ("first", "second"), [(LitResnet, LitResnetConstant), (our_classifier, our_constant)], ids=["own", "ours"]
)
def test_the_notebook(
    data: CIFAR10DataModule,
    first: Callable[[], LightningModule],
    second: Callable[[], LightningModule],
    tmp_path: Path,
) -> None:
    """Both phases run; every figure is there; the averaged weights are tested, saved and read themselves."""
    seed_everything(7)

    model = first()
    trainer = tutorial_trainer(tmp_path / "fit")
    trainer.fit(model, datamodule=data)
    (scores,) = trainer.test(model, datamodule=data, verbose=False)
    assert trainer.global_step == EPOCHS * STEPS
    assert 0 <= scores["test/accuracy"] <= 1
    logged = rates(trainer)
    assert len(logged) == EPOCHS * STEPS
    assert logged[-1] == pytest.approx(0.1 / 25 / 1e4)
    checkpoint = trainer.checkpoint_callback.best_model_path  # type: ignore[union-attr]
    assert Path(checkpoint).is_file()

    model_2 = second()
    model_2.load_state_dict(model.state_dict())
    averager = WeightAverager()
    trainer = tutorial_trainer(tmp_path / "average", averager)
    trainer.fit(model_2, datamodule=data)
    averaged = averager.averaged(model_2, batches=data.train_dataloader())
    (scores,) = trainer.test(averaged, datamodule=data, verbose=False)
    trainer.save_checkpoint(tmp_path / "averaged.ckpt", weights_only=True)

    again = type(averaged).load_from_checkpoint(tmp_path / "averaged.ckpt")
    (scores_again,) = tutorial_trainer(tmp_path / "again").test(again, datamodule=data, verbose=False)
    assert scores_again == scores
    assert averager.count == EPOCHS
    assert not torch.equal(first_filters(again), first_filters(model_2))
    for name, value in again.named_parameters():
        assert torch.equal(value, averager.average[name])


def first_filters(module: nn.Module) -> Tensor:
    return next(module.parameters())
