"""What an epoch tells: its line and its part of the record, with and without held-out images."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from bench.table import ROOT, read_results
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from plumbline.records import EpochPart, create_run_folder, read_record
from plumbline.training.chronicle import Chronicle
from plumbline.training.classifier import ImageClassifier
from plumbline.training.figures import Figures
from plumbline.training.journal import Journal
from trainers import quiet_trainer
from training.runs import Listens

pytestmark = pytest.mark.filterwarnings("ignore:The '.*dataloader' does not have many workers")


def _trained(folder: Path, *, held_out: bool) -> tuple[EpochPart, str, str]:
    """Train one epoch; give its part of the record, its line, and the head of its figures."""
    _, record = read_results(ROOT / "results")[0]
    run = create_run_folder(folder / "run")
    journal = Journal(record.model_copy(update={"epochs": ()}), folder=run)
    listener = Listens()
    figures = Figures(run.events, metrics=run.metrics, first_step=0, resume_step=0)
    images = torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    loader = DataLoader(TensorDataset(images, torch.arange(8) % 2), batch_size=4)
    trainer = quiet_trainer(
        max_epochs=1,
        limit_val_batches=1.0 if held_out else 0,
        callbacks=[Chronicle(journal, figures=figures, phase="fit", epochs=1, progress=listener)],
        log_every_n_steps=1,
    )
    module = ImageClassifier(nn.Sequential(nn.Flatten(), nn.Linear(48, 2)), num_classes=2)
    trainer.fit(module, loader, val_dataloaders=loader)
    (epoch,) = read_record(run.path).epochs
    (line,) = listener.said
    return epoch, line, run.metrics.read_text(encoding="utf-8")


def test_an_epoch_tells_its_validation(tmp_path: Path) -> None:
    """Where images are held out their figures stand in record, line and metrics."""
    epoch, line, metrics = _trained(tmp_path, held_out=True)
    assert f"validation loss {epoch.validation_loss:.4f}, accuracy {epoch.validation_accuracy:.2%}" in line
    assert "val/loss" in metrics


def test_an_epoch_without_held_out_images_says_nothing_of_them(tmp_path: Path) -> None:
    """The record has None, and neither line nor metrics have words for what was not measured."""
    epoch, line, metrics = _trained(tmp_path, held_out=False)
    assert (epoch.validation_loss, epoch.validation_accuracy) == (None, None)
    assert line == (
        f"fit 1/1  train loss {epoch.train_loss:.4f}, accuracy {epoch.train_accuracy:.2%}  "
        f"{epoch.seconds:.1f} s"
    )
    assert "val/" not in metrics
