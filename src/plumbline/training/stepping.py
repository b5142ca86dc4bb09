"""A callback that is told of every optimizer step, and of no batch that only adds to a gradient."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class StepCallback(Callback, ABC):
    """Calls `after_step` once for every step, however many batches a Trainer gathers for one."""

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:  # noqa: ANN401, ARG002
        """Note how many steps were taken before this batch."""
        self._steps_before = trainer.global_step

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:  # noqa: ANN401
        """Pass on the step that this batch completed, if it did."""
        if trainer.global_step > self._steps_before:
            self.after_step(trainer, pl_module)

    @abstractmethod
    def after_step(self, trainer: Trainer, module: LightningModule) -> None:
        """Take notice of a step; `trainer.global_step` counts it."""
