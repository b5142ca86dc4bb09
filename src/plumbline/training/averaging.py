"""Averaging of weights: pure functions, and a thin callback for any `lightning.Trainer`.

Source: Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization",
arXiv 1803.05407.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from plumbline.errors import PlumblineError
from plumbline.evaluation import evaluating
from plumbline.training.stepping import StepCallback

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def swa_update(
    average: Mapping[str, Tensor], *, weights: Mapping[str, Tensor], count: int
) -> dict[str, Tensor]:
    """Give the mean of `count + 1` sets of weights from the mean of the first `count` and one more set.

    Both map names to tensors of equal shapes. Only floating-point tensors have a mean; of the others, such as
    BatchNorm's count of batches, the newest is taken. The mean is kept in at least fp32.

    >>> mean = swa_update({}, weights={"w": torch.tensor([1.0, 3.0])}, count=0)
    >>> swa_update(mean, weights={"w": torch.tensor([3.0, 5.0])}, count=1)
    {'w': tensor([2., 4.])}
    """
    if count == 0:
        average = {name: torch.zeros_like(tensor) for name, tensor in weights.items()}
    if average.keys() != weights.keys():
        changed = sorted(average.keys() ^ weights.keys())
        raise PlumblineError(
            f"The weights to average have other names than those before: {', '.join(changed[:5])}."
        )
    return {name: _mean(average[name], weights[name].detach(), count) for name in weights}


def _mean(average: Tensor, new: Tensor, count: int) -> Tensor:
    if not new.is_floating_point():
        return new.clone()
    wide = torch.promote_types(new.dtype, torch.float32)
    # An average that was read from a checkpoint lies on the CPU, wherever the weights are.
    return torch.lerp(average.to(new.device, wide), new.to(wide), 1 / (count + 1))


@torch.no_grad()
def refresh_batch_norm(
    model: nn.Module, *, batches: Iterable[tuple[Tensor, Tensor]], autocast: torch.dtype | None = None
) -> int:
    """Recompute every BatchNorm's running statistics from a pass over `batches` of (images, labels).

    The statistics that averaged weights need are those of the averaged weights, not an average of statistics.
    Each is the plain mean over the batches; all other layers are in evaluation mode meanwhile. Gives the
    number of batches seen; 0 if the model has no BatchNorm, since then there is nothing to do.
    """
    norms = [
        module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats
    ]
    if not norms:
        return 0
    momenta = [norm.momentum for norm in norms]
    device, seen = next(model.parameters()).device, 0
    with evaluating(model), torch.autocast(device.type, dtype=autocast, enabled=autocast is not None):
        for norm in norms:
            norm.reset_running_stats()
            norm.train()
        for images, _ in batches:
            seen += 1
            for norm in norms:
                # A cumulative mean. With None torch does the same, and waits for the device at every norm.
                norm.momentum = 1 / seen
            model(images.to(device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    if seen == 0:
        raise PlumblineError("BatchNorm cannot be refreshed from no batches: give the training batches.")
    return seen


class WeightAverager(StepCallback):
    """Average the weights after each epoch from `start_epoch` on; training itself is not touched.

    With `every_steps` those after every so many steps are averaged instead, which makes more of few epochs.
    After `trainer.fit`, `averaged(module, batches=…)` gives a module of its own with the averaged weights and
    fresh BatchNorm statistics, to be tested, saved and loaded like any other. The state is part of every
    checkpoint.
    """

    def __init__(self, *, start_epoch: int = 0, every_steps: int | None = None) -> None:
        if start_epoch < 0:
            raise PlumblineError(f"start_epoch is {start_epoch}; expected 0 or more.")
        if every_steps is not None and every_steps < 1:
            raise PlumblineError(f"every_steps is {every_steps}; expected 1 or more, or None.")
        self.start_epoch, self.every_steps = start_epoch, every_steps
        self.average: dict[str, Tensor] = {}
        self.count = 0

    def after_step(self, trainer: Trainer, module: LightningModule) -> None:
        """Take the weights of this step into the average if it is their turn."""
        if self.every_steps is not None and trainer.global_step % self.every_steps == 0:
            self._take(trainer, module=module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the weights of this epoch into the average, unless single steps are."""
        if self.every_steps is None:
            self._take(trainer, module=pl_module)

    def _take(self, trainer: Trainer, *, module: LightningModule) -> None:
        if trainer.current_epoch >= self.start_epoch:
            self.average = swa_update(self.average, weights=module.state_dict(), count=self.count)
            self.count += 1

    def averaged(
        self,
        module: ModuleT,
        *,
        batches: Iterable[tuple[Tensor, Tensor]],
        autocast: torch.dtype | None = None,
    ) -> ModuleT:
        """Give a copy of `module` with the averaged weights, its BatchNorm refreshed on `batches`.

        Raises PlumblineError if nothing was averaged yet.
        """
        if self.count == 0:
            raise PlumblineError(
                f"No weights were averaged: training ended before epoch start_epoch={self.start_epoch} did"
                + ("." if self.every_steps is None else f", or before every_steps={self.every_steps} steps.")
            )
        twin = copy.deepcopy(module)
        twin.load_state_dict(self.average)
        refresh_batch_norm(twin, batches=batches, autocast=autocast)
        return twin

    def state_dict(self) -> dict[str, Any]:
        """Give what a checkpoint must keep."""
        return {"average": self.average, "count": self.count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.average, self.count = dict(state_dict["average"]), int(state_dict["count"])
