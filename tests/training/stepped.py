"""What tests of callbacks share: a training whose one weight is the number of its steps."""

from __future__ import annotations

import torch
from lightning.pytorch import Callback, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from trainers import quiet_trainer


class Counting(LightningModule):
    """Its one weight is the number of steps taken, however many batches make one."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.layer.weight)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:  # noqa: ARG002
        """Give a loss whose gradient is -1."""
        return -self.layer.weight.sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Move by one a step."""
        return torch.optim.SGD(self.parameters(), lr=1.0)


def take_steps(callback: Callback, *, batches: int, batches_a_step: int = 1) -> Counting:
    """Train one epoch with a callback."""
    module = Counting()
    quiet_trainer(max_epochs=1, accumulate_grad_batches=batches_a_step, callbacks=[callback]).fit(
        module, DataLoader(TensorDataset(torch.zeros(batches, 1)))
    )
    return module
