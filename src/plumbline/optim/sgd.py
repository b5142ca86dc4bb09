"""SGD with the schedules of the two phases, as factories that a Lightning module can call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import nn
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import LRScheduler

from plumbline.optim.groups import parameter_groups
from plumbline.optim.schedule import Anneal, OneCycle


@dataclass(frozen=True)
class Optimization:
    """An optimizer, and the schedule that is stepped after each of its steps, if its rate changes at all."""

    optimizer: Optimizer
    scheduler: LRScheduler | None = None


class OptimizerFactory(Protocol):
    """Builds an optimizer for a model that will be trained for `total_steps`."""

    def __call__(self, model: nn.Module, *, total_steps: int) -> Optimization:
        """Build it."""
        ...


@dataclass(frozen=True)
class SgdOneCycle:
    """SGD whose rate and momentum follow one cycle over all steps, ending on the final rate exactly."""

    max_rate: float = 0.1
    weight_decay: float = 5e-4
    nesterov: bool = True
    warmup_fraction: float = 0.3
    start_divisor: float = 25.0
    final_divisor: float = 1e4
    base_momentum: float = 0.85
    max_momentum: float = 0.95
    anneal: Anneal = "cosine"

    def __call__(self, model: nn.Module, *, total_steps: int) -> Optimization:
        """Build the optimizer and a cycle of `total_steps`."""
        optimizer = SGD(
            parameter_groups(model, weight_decay=self.weight_decay),
            lr=self.max_rate,
            momentum=self.max_momentum,
            nesterov=_nesterov(self.nesterov, momentum=self.max_momentum),
        )
        scheduler = OneCycle(
            optimizer,
            total_steps=total_steps,
            max_rate=self.max_rate,
            warmup_fraction=self.warmup_fraction,
            start_divisor=self.start_divisor,
            final_divisor=self.final_divisor,
            base_momentum=self.base_momentum,
            max_momentum=self.max_momentum,
            anneal=self.anneal,
        )
        return Optimization(optimizer, scheduler)


@dataclass(frozen=True)
class SgdConstant:
    """SGD at one rate and momentum, as weight averaging wants it."""

    rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 5e-4
    nesterov: bool = True

    def __call__(self, model: nn.Module, *, total_steps: int) -> Optimization:  # noqa: ARG002
        """Build the optimizer; `total_steps` changes nothing."""
        groups = parameter_groups(model, weight_decay=self.weight_decay)
        nesterov = _nesterov(self.nesterov, momentum=self.momentum)
        return Optimization(SGD(groups, lr=self.rate, momentum=self.momentum, nesterov=nesterov))


def _nesterov(asked: bool, *, momentum: float) -> bool:  # noqa: FBT001
    # Nesterov's form is defined for a momentum above zero only.
    return asked and momentum > 0
