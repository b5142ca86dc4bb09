"""The Lightning module with any Trainer: rates, figures, checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from plumbline.errors import PlumblineError
from plumbline.evaluation import predict, score
from plumbline.optim import SgdOneCycle
from plumbline.training.classifier import ImageClassifier

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


def trainer(epochs: int = 1) -> Trainer:
    """Give a plain Trainer."""
    return Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
    )


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
    with pytest.raises(PlumblineError, match=r"loss is nan at step 0 \(rate .*--set schedule.max_rate"):
        trainer().fit(module, DataLoader(TensorDataset(*batch), batch_size=4))


def test_a_lightning_checkpoint_reloads_without_the_model(tmp_path: Path) -> None:
    """With a model's name nothing else is needed; the weights are the same bits."""
    module = ImageClassifier("shufflenet_v2_x0_5", num_classes=3)
    plain = trainer()
    plain.strategy.connect(module)
    plain.save_checkpoint(tmp_path / "model.ckpt", weights_only=True)
    again = ImageClassifier.load_from_checkpoint(tmp_path / "model.ckpt")
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in module.state_dict().items())
