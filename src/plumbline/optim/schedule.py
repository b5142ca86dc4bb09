"""The one-cycle schedule: a pure function of the step, and the thin scheduler that applies it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from torch.optim import Optimizer

from plumbline.errors import PlumblineError
from plumbline.optim.scheduler import StepScheduler

Anneal = Literal["cosine", "linear"]


@dataclass(frozen=True)
class OneCycleValue:
    """What the optimizer uses in one step: the learning rate and the momentum."""

    rate: float
    momentum: float


def one_cycle(
    step: int,
    *,
    total_steps: int,
    max_rate: float,
    warmup_fraction: float = 0.3,
    start_divisor: float = 25.0,
    final_divisor: float = 1e4,
    base_momentum: float = 0.85,
    max_momentum: float = 0.95,
    anneal: Anneal = "cosine",
) -> OneCycleValue:
    """Give rate and momentum of one step: up to `max_rate`, then down, by halves of a cosine or by lines.

    The rate starts at `max_rate / start_divisor`, and at step `total_steps - 1` is exactly the start divided
    by `final_divisor`; later steps keep that value. Momentum runs the other way round.

    Args:
        step: optimizer steps done before this one, from 0.
        total_steps: optimizer steps of the whole cycle.
        max_rate: the peak, reached at step `warmup_fraction * total_steps - 1`.
        warmup_fraction: part of the cycle in which the rate rises, at least 0 and below 1.
        start_divisor: how far the first rate is below the peak.
        final_divisor: how far the last rate is below the first.
        base_momentum: momentum at the peak.
        max_momentum: momentum at both ends.
        anneal: the form of the way up and of the way down.

    Raises:
        PlumblineError: a total below 1, a negative step, or a setting outside its range.

    Source: Smith and Topin, "Super-Convergence", arXiv 1708.07120; values agree with
    `torch.optim.lr_scheduler.OneCycleLR` in its two-phase forms.

    >>> one_cycle(29, total_steps=100, max_rate=0.1)
    OneCycleValue(rate=0.1, momentum=0.85)
    >>> one_cycle(99, total_steps=100, max_rate=0.1).rate == 0.1 / 25 / 1e4
    True

    """
    _check(step, total_steps=total_steps, max_rate=max_rate, warmup_fraction=warmup_fraction)
    _check_divisors(start_divisor=start_divisor, final_divisor=final_divisor)
    _check_momenta(base_momentum=base_momentum, max_momentum=max_momentum)
    if anneal not in _BETWEEN:
        raise PlumblineError(f"anneal: expected cosine or linear, got {anneal!r}.")
    between = _BETWEEN[anneal]
    start_rate = max_rate / start_divisor
    final_rate = start_rate / final_divisor
    last = total_steps - 1
    peak = warmup_fraction * total_steps - 1
    if step >= last:
        return OneCycleValue(final_rate, max_momentum)
    if step < peak:
        part = step / peak
        return OneCycleValue(
            between(start_rate, max_rate, part=part), between(max_momentum, base_momentum, part=part)
        )
    # A short cycle can have its peak before step 0: it then starts somewhere on the way down.
    part = (step - peak) / (last - peak)
    return OneCycleValue(
        between(max_rate, final_rate, part=part), between(base_momentum, max_momentum, part=part)
    )


def _cosine(start: float, end: float, *, part: float) -> float:
    return end + (start - end) / 2 * (math.cos(math.pi * part) + 1)


def _line(start: float, end: float, *, part: float) -> float:
    return start + (end - start) * part


_BETWEEN = {"cosine": _cosine, "linear": _line}


def _check(step: int, *, total_steps: int, max_rate: float, warmup_fraction: float) -> None:
    if total_steps < 1:
        raise PlumblineError(
            f"total_steps: expected at least 1 step in the one-cycle schedule, got {total_steps}. "
            "Train for at least one epoch on at least one batch."
        )
    if step < 0:
        raise PlumblineError(f"step: expected 0 or more, got {step}. Count optimizer steps from 0.")
    if not (math.isfinite(max_rate) and max_rate > 0):
        raise PlumblineError(f"max_rate: expected a rate above 0, got {max_rate}. Try 0.1 for SGD.")
    if not 0 <= warmup_fraction < 1:
        raise PlumblineError(
            f"warmup_fraction: expected at least 0 and below 1, got {warmup_fraction}. Try 0.3."
        )


def _check_divisors(*, start_divisor: float, final_divisor: float) -> None:
    for name, value in (("start_divisor", start_divisor), ("final_divisor", final_divisor)):
        if not (math.isfinite(value) and value >= 1):
            raise PlumblineError(
                f"{name}: expected 1 or more, got {value}. Use 1 to leave the rate as it is."
            )


def _check_momenta(*, base_momentum: float, max_momentum: float) -> None:
    for name, value in (("base_momentum", base_momentum), ("max_momentum", max_momentum)):
        if not 0 <= value < 1:
            raise PlumblineError(f"{name}: expected at least 0 and below 1, got {value}. Try 0.9.")


class OneCycle(StepScheduler):
    """Set learning rate and momentum of every parameter group by `one_cycle`, once for each optimizer step.

    It takes the settings of `one_cycle`, and overrules the rate and the momentum that the optimizer was made
    with. For Adam and its relatives momentum is the first beta. In Lightning return it from
    `configure_optimizers` with `"interval": "step"`.

    Raises:
        PlumblineError: a setting that `one_cycle` refuses, or a checkpoint of another schedule.

    """

    kind = "one-cycle"

    def __init__(
        self,
        optimizer: Optimizer,
        *,
        total_steps: int,
        max_rate: float,
        warmup_fraction: float = 0.3,
        start_divisor: float = 25.0,
        final_divisor: float = 1e4,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        anneal: Anneal = "cosine",
    ) -> None:
        self.total_steps = total_steps
        self.settings: dict[str, Any] = {
            "max_rate": max_rate,
            "warmup_fraction": warmup_fraction,
            "start_divisor": start_divisor,
            "final_divisor": final_divisor,
            "base_momentum": base_momentum,
            "max_momentum": max_momentum,
        }
        # Checkpoints written before there were two forms have no word for the first one, and fit on.
        if anneal != "cosine":
            self.settings["anneal"] = anneal
        super().__init__(optimizer)

    def value(self) -> OneCycleValue:
        """Give what the next optimizer step will use."""
        return one_cycle(self.last_epoch, total_steps=self.total_steps, **self.settings)

    def get_lr(self) -> list[float | Any]:
        """Give the rate of every parameter group."""
        return [self.value().rate for _ in self.optimizer.param_groups]

    def _apply(self) -> None:
        value = self.value()
        for group in self.optimizer.param_groups:
            group["lr"] = value.rate
            if "momentum" in group:
                group["momentum"] = value.momentum
            elif "betas" in group:
                group["betas"] = (value.momentum, *group["betas"][1:])
        self._last_lr = self.get_lr()

    def _settings(self) -> dict[str, Any]:
        return {"total_steps": self.total_steps, **self.settings}
