"""An exponential moving average of the weights: a pure function, and a thin callback for any Trainer."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn

from plumbline.errors import PlumblineError
from plumbline.training.stepping import StepCallback

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def ema_update(average: Mapping[str, Tensor], *, weights: Mapping[str, Tensor], decay: float) -> None:
    """Move each tensor of `average`, in place, to `decay` of itself and `1 - decay` of that in `weights`.

    Only floating-point tensors have an average; of the others, such as BatchNorm's count of batches, the
    newest is taken.

    >>> average = {"w": torch.tensor([1.0, 3.0])}
    >>> ema_update(average, weights={"w": torch.tensor([3.0, 5.0])}, decay=0.75)
    >>> average["w"]
    tensor([1.5000, 3.5000])
    """
    for name, mean in average.items():
        new = weights[name].detach()
        if mean.is_floating_point():
            mean.lerp_(new.to(mean), 1 - decay)
        else:
            mean.copy_(new)


class EmaAverager(StepCallback):
    """Keep a moving average of weights and BatchNorm statistics; training itself is not touched.

    It begins after step `start_step` and takes the weights in after every `every_steps` from there; what was
    taken in counts half after `half_life_steps`. The statistics are averaged with the weights: they belong
    to nearly the same weights, and a pass over the data to refresh them would cost more than it gives. After
    `trainer.fit`, `averaged(module)` gives a module of its own. The state is part of every checkpoint.
    """

    def __init__(self, *, half_life_steps: float, every_steps: int = 1, start_step: int = 0) -> None:
        if half_life_steps <= 0 or every_steps < 1 or start_step < 0:
            raise PlumblineError(
                "expected half_life_steps above 0, every_steps of at least 1 and start_step of at least 0, "
                f"got {half_life_steps}, {every_steps} and {start_step}"
            )
        self.every_steps, self.start_step = every_steps, start_step
        self.decay = 0.5 ** (every_steps / half_life_steps)
        self.average: dict[str, Tensor] = {}

    @torch.no_grad()
    def after_step(self, trainer: Trainer, module: LightningModule) -> None:
        """Take the weights in if it is their turn."""
        steps = trainer.global_step - self.start_step
        if steps < 0 or steps % self.every_steps:
            return
        weights = module.state_dict()
        if not self.average:
            self.average = {name: tensor.detach().clone() for name, tensor in weights.items()}
            return
        # An average that was read from a checkpoint lies on the CPU, wherever the weights are.
        self.average = {name: mean.to(weights[name].device) for name, mean in self.average.items()}
        ema_update(self.average, weights=weights, decay=self.decay)

    def averaged(self, module: ModuleT) -> ModuleT:
        """Give a copy of `module` with the averaged weights and statistics.

        Raises PlumblineError if nothing was averaged yet.
        """
        if not self.average:
            raise PlumblineError(f"No weights were averaged: training ended before step {self.start_step}.")
        twin = copy.deepcopy(module)
        twin.load_state_dict(self.average)
        return twin

    def state_dict(self) -> dict[str, Any]:
        """Give what a checkpoint must keep."""
        return {"average": self.average}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.average = dict(state_dict["average"])
