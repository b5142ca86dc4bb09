"""The hooks between the Trainer and a run."""

from __future__ import annotations

from pathlib import Path

import lightning
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from plumbline.streams import stream_seed
from plumbline.tensor_files import read_checkpoint
from plumbline.training.callbacks import KeepLast, SeedEachStep
from plumbline.training.checkpoints import DurableCheckpointIO
from plumbline.training.interrupts import StopFlag
from trainers import quiet_trainer


class Drawing(lightning.LightningModule):
    """Notes what torch draws in each step."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)
        self.drawn: list[Tensor] = []

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        self.drawn.append(torch.rand(4))
        loss: Tensor = self.layer(batch[0]).mean()
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_layers_draw_by_the_step_alone() -> None:
    """What was drawn before changes nothing, and each step has numbers of its own, after those of a phase."""
    module = Drawing()
    trainer = quiet_trainer(max_steps=3, callbacks=[SeedEachStep(7, first_step=10)])
    torch.rand(5)
    trainer.fit(module, DataLoader(TensorDataset(torch.ones(3, 1))))
    for step, drawn in enumerate(module.drawn):
        torch.manual_seed(stream_seed(7, "layers", 10 + step))
        assert torch.equal(drawn, torch.rand(4))
    assert len(module.drawn) == 3


@pytest.mark.parametrize(("rest_seconds", "saved_before"), [(0.0, True), (1000.0, False)])
def test_short_epochs_are_saved_only_at_the_end_where_saves_rest(
    tmp_path: Path, rest_seconds: float, *, saved_before: bool
) -> None:
    """Without a rest every epoch is saved; with one that is longer than all of them, the last alone is."""
    last = tmp_path / "last.ckpt"
    trainer = quiet_trainer(
        max_epochs=3,
        callbacks=[KeepLast(last, phase="fit", stop=StopFlag(), rest_seconds=rest_seconds)],
        plugins=[DurableCheckpointIO()],
    )
    trainer.fit(Drawing(), DataLoader(TensorDataset(torch.ones(2, 1))))
    assert read_checkpoint(last)["global_step"] == 6
    assert last.with_name("previous.ckpt").exists() == saved_before
