"""What tests of data modules train: next to nothing."""

from __future__ import annotations

import lightning
import torch
from torch.nn import functional


class Linear(lightning.LightningModule):
    """A model small enough to be no part of the test; remembers the labels that it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3072, 10)
        self.seen: list[list[int]] = []

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
        self.seen.append(batch[1].tolist())
        return functional.cross_entropy(self.layer(batch[0].float().flatten(1)), batch[1])

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> None:
        self.log("accuracy", (self.layer(batch[0].flatten(1)).argmax(1) == batch[1]).float().mean())

    test_step = validation_step

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1e-3)
