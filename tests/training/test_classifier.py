"""The Lightning module with any Trainer: rates, figures, checkpoints."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from plumbline.data import load_dataset
from plumbline.data.modules import ImageDataModule
from plumbline.errors import PlumblineError
from plumbline.evaluation import predict, score
from plumbline.optim import SgdOneCycle
from plumbline.training.classifier import ImageClassifier
from trainers import quiet_trainer

pytestmark = [
    pytest.mark.filterwarnings("ignore:The '.*dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:You defined a .validation_step. but have no"),
]


def net() -> nn.Module:
    """Give the smallest classifier of 4x4 images."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 3))


def loader(count: int, batch_size: int, *, drop_last: bool = False) -> DataLoader[tuple[Tensor, ...]]:
    """Give an ordinary loader of random images."""
    generator = torch.Generator().manual_seed(count)
    images = torch.randn(count, 3, 4, 4, generator=generator)
    labels = torch.randint(0, 3, (count,), generator=generator)
    return DataLoader(TensorDataset(images, labels), batch_size=batch_size, drop_last=drop_last)


def trainer(epochs: int = 1, callbacks: list[Callback] | None = None) -> Trainer:
    """Give a plain Trainer."""
    return quiet_trainer(max_epochs=epochs, callbacks=callbacks, log_every_n_steps=1)


class Rates(ImageClassifier):
    """Remembers the rate of every optimizer step."""

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Note the rate, then train."""
        self.rates = [*getattr(self, "rates", []), self.trainer.optimizers[0].param_groups[0]["lr"]]
        return super().training_step(batch, batch_idx)


@pytest.mark.parametrize(("count", "batch_size"), [(45, 8), (40, 8), (7, 2)])
@pytest.mark.parametrize("drop_last", [False, True])
def test_one_cycle_ends_on_its_final_rate(count: int, batch_size: int, drop_last: bool) -> None:  # noqa: FBT001
    """For any data size and batch size, last batch kept or not, the last step has the final rate exactly."""
    module = Rates(net(), num_classes=3, optimization=SgdOneCycle(max_rate=0.1))
    trainer(epochs=3).fit(module, loader(count, batch_size, drop_last=drop_last))
    steps = count // batch_size if drop_last else -(-count // batch_size)
    assert len(module.rates) == 3 * steps
    assert module.rates[-1] == 0.1 / 25 / 1e4
    assert max(module.rates) == pytest.approx(0.1, rel=0.2)


class StopInside(Callback):
    """Saves after a given step, and ends the run there as a crash would."""

    def __init__(self, step: int, *, path: Path) -> None:
        self._step, self._path = step, path

    def on_train_batch_end(self, trainer: Trainer, *_: object, **__: object) -> None:
        """Save and stop."""
        if trainer.global_step == self._step:
            trainer.save_checkpoint(self._path, weights_only=False)
            raise InterruptedError


class Seen(Rates):
    """Remembers the labels of every batch, too."""

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Note the labels, then train."""
        self.labels = [*getattr(self, "labels", []), batch[1].tolist()]
        return super().training_step(batch, batch_idx)


@pytest.mark.parametrize("as_loader", [False, True])
def test_a_resume_inside_an_epoch_goes_on_with_the_batches_that_were_left(
    tmp_path: Path, *, as_loader: bool
) -> None:
    """Counting the steps for one-cycle does not cost a stateful loader its position (Lightning #20550)."""
    path = tmp_path / "inside.ckpt"

    def fit(*callbacks: Callback, ckpt_path: Path | None = None) -> Seen:
        data = ImageDataModule(load_dataset("digits"), batch_size=128, validation_count=137, seed=7)
        torch.manual_seed(0)
        module = Seen(nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)))
        given = {"train_dataloaders": data.train_dataloader()} if as_loader else {"datamodule": data}
        with suppress(InterruptedError):
            trainer(2, list(callbacks)).fit(module, **given, ckpt_path=ckpt_path, weights_only=True)
        return module

    whole, stopped, resumed = fit(), fit(StopInside(15, path=path)), fit(ckpt_path=path)
    assert len(stopped.labels) == 15
    assert stopped.labels + resumed.labels == whole.labels
    assert stopped.rates + resumed.rates == whole.rates
    assert all(torch.equal(*pair) for pair in zip(resumed.parameters(), whole.parameters(), strict=True))


def test_training_without_end_has_no_schedule() -> None:
    """A Trainer that never stops cannot tell the number of steps; the error says what to give."""
    with pytest.raises(PlumblineError, match="give max_epochs or max_steps"):
        trainer(epochs=-1).fit(ImageClassifier(net(), num_classes=3), loader(8, 8))


def test_tested_figures_are_those_of_the_evaluation_room() -> None:
    """`trainer.test` and `score(predict(…))` agree, the smaller last batch weighted by its images."""
    module, batches = ImageClassifier(net(), num_classes=3), loader(10, 4)
    (logged,) = trainer().test(module, batches, verbose=False)
    expected = score(predict(module, batches=batches))
    assert logged["test/accuracy"] == pytest.approx(expected.accuracy)
    assert logged["test/loss"] == pytest.approx(expected.loss)


def test_label_smoothing_is_for_training_only() -> None:
    """Validation and test losses are plain cross-entropy."""
    module, batches = ImageClassifier(net(), num_classes=3, label_smoothing=0.3), loader(8, 8)
    (logged,) = trainer().test(module, batches, verbose=False)
    images, labels = next(iter(batches))
    assert logged["test/loss"] == pytest.approx(cross_entropy(module(images), labels).item())


def test_a_loss_that_is_no_number_stops_the_run() -> None:
    """The error names the step and the rate, and what to try."""
    module = ImageClassifier(net(), num_classes=3)
    batch = (torch.full((4, 3, 4, 4), torch.nan), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(PlumblineError, match=r"loss is nan at step 1 \(rate .*smaller rate .*--set"):
        trainer().fit(module, DataLoader(TensorDataset(*batch), batch_size=4))


def test_a_loss_that_turns_into_no_number_is_named_with_its_own_step() -> None:
    """It is looked at a little later, at the end of the epoch at the latest, in a fit of milliseconds too."""
    images, labels = torch.randn(20, 3, 4, 4), torch.zeros(20, dtype=torch.int64)
    images[8:] = torch.nan  # from the third batch on
    with pytest.raises(PlumblineError, match="loss is nan at step 3 "):
        trainer().fit(
            ImageClassifier(net(), num_classes=3), DataLoader(TensorDataset(images, labels), batch_size=4)
        )


def test_a_lightning_checkpoint_reloads_without_the_model(tmp_path: Path) -> None:
    """With a model's name nothing else is needed; the weights are the same bits."""
    module = ImageClassifier("shufflenet_v2_x0_5", num_classes=3)
    plain = trainer()
    plain.strategy.connect(module)
    plain.save_checkpoint(tmp_path / "model.ckpt", weights_only=True)
    again = ImageClassifier.load_from_checkpoint(tmp_path / "model.ckpt")
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in module.state_dict().items())
